"""
Every level of TLS between mtad and Postfix, both as client and as server, with a good certificate and seven kinds of bad ones: what should become of the mail,
what each client's log says of the server, and what "why" makes of it. The same pair of hosts serves posttls-finger.
"""
import collections
import concurrent.futures
import json
import os
import re
import smtplib
import subprocess

import pytest
from adproxy import AdProxy
from certs import BAD, Authority
from mtadtest import Instance, free_port, wait_for
from postfixtest import Postfix
from signedzone import SignedZones

pytestmark = pytest.mark.skipif(os.geteuid() != 0 or not os.path.exists("/usr/lib/postfix/sbin/smtpd"), reason="needs root and Debian's postfix")
KINDS = ("good", *BAD)
LEVELS = ("none", "may", "encrypt", "fingerprint", "verify", "secure", "dane", "dane-only")
SERVERS = {"postfix": "127.0.2.1", "mtad": "127.0.3.1"}
# What is wrong with each, as the log has it at the levels that look at it. At that of fingerprints each of these is no good one.
FAILED = "certificate verification failed"
NO_MATCH = f"server {FAILED}: num=65:no matching DANE TLSA records"
FAULT = {"good": set(), "expired": {f"server {FAILED}: certificate has expired", NO_MATCH}, "not-yet": {f"server {FAILED}: certificate not yet valid", NO_MATCH},
         "wrong-name": {f"server {FAILED}: num=62:hostname mismatch", NO_MATCH}, "self-signed": {f"{FAILED}: self-signed certificate", NO_MATCH},
         "unknown-issuer": {f"{FAILED}: untrusted issuer /CN=Unknown CA", NO_MATCH},
         "key-usage": {f"{FAILED}: not designated for use as a server certificate", NO_MATCH}, "tlsa": {NO_MATCH}}
# The record of each is its own certificate's, but for the one whose it is not.
UNPUBLISHED = "tlsa"


def expected(level, kind):
    """Whether the mail is delivered, and the first word of the log line of its connection."""
    if level == "none":
        return True, None
    trusted = kind in ("good", "tlsa", "wrong-name")
    if level in ("may", "encrypt"):
        return True, "Trusted" if trusted else "Untrusted"
    if level == "fingerprint":
        return (True, "Verified") if kind == "good" else (False, "Untrusted")
    if level in ("verify", "secure"):
        return (True, "Verified") if kind in ("good", "tlsa") else (False, "Untrusted")
    return (False, "Untrusted") if kind == UNPUBLISHED else (True, "Verified")


class World:
    def __init__(self, folder):
        os.chmod(folder, 0o755)
        self.folder = folder
        self.ca = Authority(folder / "ca")
        # As any host of ours: mx.KIND.SERVER.test, each server under all its names.
        self.made = {}
        for kind in KINDS:
            names = [f"mx.{kind}.{server}.test" for server in SERVERS]
            self.made[kind] = self.issue(kind, names)
        self.port = free_port()
        self.addresses = {(s, k): re.sub(r"1$", str(n + 1), a) for s, a in SERVERS.items() for n, k in enumerate(KINDS)}
        zone = ""
        for (server, kind), address in self.addresses.items():
            name = f"mx.{kind}.{server}.test"
            record = "3 1 1 " + "AB" * 32 if kind == UNPUBLISHED else self.made[kind].tlsa(3, 1, 1)
            zone += f"{name}. A {address}\n_{self.port}._tcp.{name}. TLSA {record}\n"
        self.dns = SignedZones(folder / "nsd", {"test": (zone, "signed")})
        self.proxy = AdProxy(self.dns.port)
        self.environment = self.proxy.environment(folder)

    def issue(self, kind, names):
        return self.ca.issue(names[0], names=names) if kind in ("good", "tlsa") else self.ca.bad(kind, names[0], **({} if kind in ("wrong-name", "self-signed") else {"names": names}))

    def listeners(self, server, chroot):
        return "".join(f"{self.addresses[server, kind]}:{self.port} inet n - {chroot} - - smtpd\n  -o syslog_name={server}/{kind}\n"
                       f"  -o smtpd_tls_chain_files={self.made[kind].both}\n  -o content_filter=discard:\n" for kind in KINDS)

    def transports(self):
        return "".join(f"at-{level} unix - - n - - smtp\n  -o smtp_tls_security_level={level}\n" for level in LEVELS)

    def cells(self):
        return [Cell(s, k, level) for s in SERVERS for k in KINDS for level in LEVELS]

    def main(self, mtad):
        return {"smtpd_tls_security_level": "may", "smtp_tls_CAfile": str(self.ca.ca_file), "smtp_tls_loglevel": "1", "smtpd_tls_loglevel": "1",
                "smtp_tls_verify_cert_match": "hostname", "smtp_tls_secure_cert_match": "hostname", "smtp_dns_support_level": "dnssec",
                "smtp_tls_fingerprint_digest": "sha256", "smtp_tls_fingerprint_cert_match": self.made["good"].fingerprint(),
                "transport_maps": f"texthash:{self.folder}/transport", "mydestination": "there.test", "local_recipient_maps": "", "local_transport": "discard",
                "smtp_host_lookup": "dns", "default_destination_concurrency_limit": "2", "relay_domains": "",
                **({"mtad_dns_zone": "", "mtad_dns_servers": f"127.0.0.1@{self.dns.port}", "mtad_dns_anchor": self.dns.anchor} if mtad else
                   {"disable_dns_lookups": "no", "import_environment": "MAIL_CONFIG MAIL_DEBUG MAIL_LOGTAG TZ LANG=C POSTLOG_SERVICE POSTLOG_HOSTNAME "
                    + " ".join(f"{k}={v}" for k, v in self.environment.items())})}

    def close(self):
        self.proxy.close()
        self.dns.__exit__()


class Cell(collections.namedtuple("Cell", "server kind level")):
    @property
    def host(self):
        return f"mx.{self.kind}.{self.server}.test"

    @property
    def recipient(self):
        return f"{self.server}.{self.kind}.{self.level}@there.test"


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    w = World(tmp_path_factory.mktemp("levels"))
    try:
        (w.folder / "transport").write_text("".join(f"{c.recipient} at-{c.level}:[{c.host}]:{w.port}\n" for c in w.cells()))
        postfix = Postfix(w.folder / "postfix", w.main(False))
        with open(f"{postfix.dir}/config/master.cf", "a") as f:
            f.write(w.listeners("postfix", "n") + w.transports())
        mtad = Instance(w.folder / "mtad", main=w.main(True))
        mtad.master += w.listeners("mtad", "y") + w.transports()
        mtad.write()
        with postfix, mtad:
            w.sites = {"postfix": postfix, "mtad": mtad}
            yield w
    finally:
        w.close()


def outcomes(world, site):
    """What became of all mail of one client: cell -> (status, dsn, text), the words of the handshake, why it is not trusted."""
    # To there.test by SMTP, whose mail the servers take.
    with smtplib.SMTP("127.0.0.1", site.port, local_hostname="client.test", timeout=60) as s:
        for c in world.cells():
            s.sendmail("a@site.test", [c.recipient], "Subject: x\r\n\r\nhello\r\n")

    def done():
        """an outcome of each"""
        text = site.log()
        found = {}
        for to, relay, dsn, status, said in re.findall(r"to=<([^>]*)>, relay=(mx\.[^,]*), .*dsn=(\S+), status=(\w+) \((.*)\)\n", text):
            found.setdefault(to, (status, dsn, "" if status == "sent" else said))
        return found if all(c.recipient in found for c in world.cells()) else None
    return wait_for(done, 60, 0.3)


def handshakes(world, site, cell):
    """Of all connections to a host: the lines of the log on how they were secured, and on why it is not trusted."""
    place = re.escape(f"{cell.host}[{world.addresses[cell.server, cell.kind]}]:{world.port}")
    return (sorted(re.findall(rf"/smtp\[\d+\]: (\w+ TLS connection established to {place}: .*)", site.log())),
            sorted(set(re.findall(rf"/smtp\[\d+\]: ((?:\w+ )?certificate verification failed for {place}: .*)", site.log()))))


def test_levels(world):
    got = {name: outcomes(world, site) for name, site in world.sites.items()}
    wrong = []
    for c in world.cells():
        sent, word = expected(c.level, c.kind)
        for name, found in got.items():
            if found[c.recipient] != (("sent", "2.0.0", "") if sent else ("deferred", "4.7.5", "Server certificate not verified")):
                wrong.append((name, c, found[c.recipient]))
    assert not wrong, wrong
    # What each client says of each host, which is the same whoever the host and the client are.
    for c in {(c.server, c.kind): c for c in world.cells()}.values():
        theirs, ours = (handshakes(world, world.sites[name], c) for name in ("postfix", "mtad"))
        assert ours == theirs, c
        assert [line.split()[0] for line in ours[0]] == sorted(w for w in (expected(level, c.kind)[1] for level in LEVELS) if w), c
        assert all(re.search(r": TLSv1\.3 with cipher TLS_AES_256_GCM_SHA384 \(256/256 bits\)", line) for line in ours[0])
        assert {line.split(' for ')[0] + ':' + line.split(f':{world.port}:')[1] for line in ours[1]} == FAULT[c.kind], c


# What "why" says behind the verdict.
WHY = {"expired": "certificate has expired", "not-yet": "certificate not yet valid", "wrong-name": "it is for another host name", "self-signed": "self-signed certificate",
       "unknown-issuer": "untrusted issuer /CN=Unknown CA", "key-usage": "not designated for use as a server certificate", "tlsa": "it fits no TLSA record"}


def test_why(world):
    """Of each message that waits: what is wrong with the certificate, in words."""
    rows = {r["recipient"]: r for r in world.sites["mtad"].rows("why", "*") if r["state"] == "deferred"}
    refused = [c for c in world.cells() if not expected(c.level, c.kind)[0]]
    assert len(refused) == len(rows) == 2 * (7 + 6 + 6 + 2)
    for c in refused:
        row = rows[c.recipient]
        said = "its fingerprint is another one" if c.level == "fingerprint" else WHY[c.kind]
        assert (row["code"], row["reason"], row["dsn"], row["tls"]) == ("tls-certificate", "Server certificate not verified", "4.7.5", said), (c, row)
        assert row["verdict"] == f"the server's certificate is not what the level of TLS demands: {said}"


def finger(world, cell):
    done = subprocess.run(["posttls-finger", "-c", "-l", cell.level, "-F", str(world.ca.ca_file), "-d", "sha256", f"[{cell.host}]:{world.port}",
                           *([world.made["good"].fingerprint()] if cell.level == "fingerprint" else [cell.host])], capture_output=True, text=True, timeout=30,
                          env={**os.environ, **world.environment, "MAIL_CONFIG": f"{world.sites['postfix'].dir}/config"})
    text = done.stdout + done.stderr
    word = re.search(r"(\w+) TLS connection established to \S+ (TLSv\S+) with cipher (\S+)", text)
    return word and word.groups()


def test_posttls_finger(world):
    """At every level and with every certificate: mtad as a server, and what mtactl tls probe says of Postfix as one."""
    cells = [c for c in world.cells() if c.server == "mtad" and c.level != "none"]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for c, seen in zip(cells, pool.map(lambda c: finger(world, c), cells)):
            assert seen == (expected(c.level, c.kind)[1], "TLSv1.3", "TLS_AES_256_GCM_SHA384"), (c, seen)
    for kind in KINDS:
        c = Cell("postfix", kind, "verify")
        row = json.loads(world.sites["mtad"].ctl("--json", "tls", "probe", f"[{c.host}]:{world.port}").stdout)
        by_level = {v["level"]: v["delivered"] for v in row["levels"]}
        assert by_level == {level: expected(level, kind)[0] for level in by_level} and {"verify", "secure", "dane", "dane-only"} <= set(by_level), (kind, by_level)
        assert (row["protocol"], row["cipher"], row["chain"][0]["sha256"]) == ("TLSv1.3", "TLS_AES_256_GCM_SHA384", world.made[kind].fingerprint())
