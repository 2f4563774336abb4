"""
What clients' certificates permit, beside Debian's smtpd: one Postfix and one mtad with a service for every configuration, the same clients to both. Replies, the
smtpd lines of the log and Received: are the same.
"""
import collections
import concurrent.futures
import os
import re
import smtplib
import ssl

import pytest
from certs import Authority, openssl
from mtadtest import Instance, free_port, wait_for
from postfixtest import Postfix

pytestmark = pytest.mark.skipif(os.geteuid() != 0 or not os.path.exists("/usr/lib/postfix/sbin/smtpd"), reason="needs root and Debian's postfix")

Client = collections.namedtuple("Client", "cert sha256 key sha1 key_sha1 cn issuer")


class Pki:
    def __init__(self, folder):
        os.chmod(folder, 0o755)
        self.ca = Authority(folder / "ca", "Test CA")
        under = Authority(folder / "under", "Middle CA", under=self.ca)
        made = {"good": self.ca.issue("client.test"), "deep": under.issue("deep.test"), "stranger": self.ca.bad("unknown-issuer", "stranger.test"),
                "alone": self.ca.bad("self-signed", "alone.test"), "late": self.ca.bad("expired", "late.test"), "coder": self.ca.bad("key-usage", "coder.test"),
                "server": self.ca.issue("server.test", usage="serverAuth"), "nameless": self.ca.issue("nameless (x)", names=[])}
        self.server = self.ca.issue("mail.site.test")
        self.clients = {"none": None}
        for name, c in made.items():
            self.clients[name] = Client(c, c.fingerprint(), c.fingerprint(public_key=True), c.fingerprint("sha1"), c.fingerprint("sha1", True), name, "Test CA")
        self.hashed = folder / "hashed"
        self.hashed.mkdir()
        digest = openssl("x509", "-in", self.ca.ca_file, "-noout", "-hash").decode().strip()
        (self.hashed / f"{digest}.0").write_bytes(self.ca.ca_file.read_bytes())


def table(folder, name, rows):
    path = folder / name
    path.write_text("".join(f"{k} {v}\n" for k, v in rows.items()))
    return f"texthash:{path}"


def configurations(folder, pki):
    """name -> settings of one service."""
    c = {n: x for n, x in pki.clients.items() if x}
    prints = table(folder, "prints", {c["good"].sha256: "good", c["alone"].sha256: "alone", c["coder"].sha256: "coder"})
    access = table(folder, "access", {c["good"].sha256: "REJECT good by certificate", c["good"].key: "REJECT good by key", c["stranger"].key: "REJECT stranger by key",
                                      c["alone"].sha256: "OK", "client.test": "REJECT by subject", "deep.test": "permit", "alone.test": "REJECT self", "coder.test": "OK", c["late"].key: "OK",
                                      "nameless": "REJECT odd name"})
    lower = table(folder, "lower", {c["good"].sha256.lower(): "OK", c["deep"].key.lower(): "OK"})
    keys = table(folder, "keys", {c["good"].key: "good", c["stranger"].key: "x"})
    sha1 = table(folder, "sha1", {c["good"].sha1: "good", c["deep"].key_sha1: "x"})
    only = "permit_tls_clientcerts, reject_unauth_destination"

    def search(order):
        return {"smtpd_relay_restrictions": f"check_ccert_access {{ {access}, {{ search_order = {order} }} }}, reject_unauth_destination"}
    return {
        "listed": {"smtpd_relay_restrictions": only, "relay_clientcerts": prints},
        "listed-keys": {"smtpd_relay_restrictions": only, "relay_clientcerts": keys},
        "listed-lower": {"smtpd_relay_restrictions": only, "relay_clientcerts": lower},
        "listed-sha1": {"smtpd_relay_restrictions": only, "relay_clientcerts": sha1, "smtpd_tls_fingerprint_digest": "sha1"},
        "other-digest": {"smtpd_relay_restrictions": only, "relay_clientcerts": sha1},
        "not-asked": {"smtpd_relay_restrictions": only, "relay_clientcerts": prints, "smtpd_tls_ask_ccert": "no"},
        "all": {"smtpd_relay_restrictions": "permit_tls_all_clientcerts, reject_unauth_destination"},
        "all-by-path": {"smtpd_relay_restrictions": "permit_tls_all_clientcerts, reject_unauth_destination", "smtpd_tls_CAfile": "", "smtpd_tls_CApath": str(pki.hashed)},
        "all-shallow": {"smtpd_relay_restrictions": "permit_tls_all_clientcerts, reject_unauth_destination", "smtpd_tls_ccert_verifydepth": "1"},
        "demanded": {"smtpd_tls_security_level": "encrypt", "smtpd_tls_req_ccert": "yes", "smtpd_relay_restrictions": "permit_tls_all_clientcerts, reject_unauth_destination"},
        "demanded-by-may": {"smtpd_tls_req_ccert": "yes", "smtpd_tls_ask_ccert": "no", "smtpd_relay_restrictions": "permit_tls_all_clientcerts, reject_unauth_destination"},
        "access": {"smtpd_relay_restrictions": f"check_ccert_access {access}, reject_unauth_destination"},
        "access-of-sender": {"smtpd_sender_restrictions": f"check_ccert_access {access}", "smtpd_relay_restrictions": "permit_mynetworks, reject_unauth_destination"},
        "access-cert": search("cert_fingerprint"), "access-key": search("pubkey_fingerprint"), "access-key-first": search("pubkey_fingerprint, cert_fingerprint"),
        "legacy": {"smtpd_relay_restrictions": only, "relay_clientcerts": keys, "tls_legacy_public_key_fingerprints": "yes", "smtpd_tls_loglevel": "2"},
    }


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ccert")
    pki = Pki(folder)
    settings = configurations(folder, pki)
    main = {"smtpd_tls_security_level": "may", "smtpd_tls_chain_files": str(pki.server.both), "smtpd_tls_CAfile": str(pki.ca.ca_file), "smtpd_tls_ask_ccert": "yes",
            "smtpd_tls_loglevel": "1", "smtpd_tls_received_header": "yes", "smtpd_tls_fingerprint_digest": "sha256", "local_recipient_maps": "", "mynetworks": "192.0.2.0/24",
            "mydestination": "site.test", "default_transport": "discard", "local_transport": "discard", "mail_name": "Postfix", "smtpd_peername_lookup": "no",
            "smtpd_delay_reject": "yes", "notify_classes": ""}
    postfix, mtad = Postfix(folder / "postfix", main), Instance(folder / "mtad", main=main)
    ports = {}
    for site, text in ((postfix, "n"), (mtad, "y")):
        ports[site] = {name: free_port() for name in settings}
        lines = "".join(f"127.0.0.1:{ports[site][name]} inet n - {text} - - smtpd\n  -o syslog_name=site/{name}\n" + "".join(f"  -o {{ {k} = {v} }}\n" for k, v in s.items())
                        for name, s in settings.items())
        if site is postfix:
            with open(f"{postfix.dir}/config/master.cf", "a") as f:
                f.write(lines)
        else:
            mtad.master += lines
            mtad.write()
    with postfix, mtad:
        yield pki, settings, (mtad, postfix), ports


def ask(port, client, address):
    """Replies to what a client with that certificate says."""
    context = ssl._create_unverified_context()
    if client:
        context.load_cert_chain(client.cert.cert, client.cert.key)
    said = []
    try:
        with smtplib.SMTP("127.0.0.1", port, local_hostname="client.test", timeout=20, source_address=(address, 0)) as s:
            s.ehlo()
            s.starttls(context=context)
            s.ehlo()
            for line in ("MAIL FROM:<a@b.test>", "RCPT TO:<x@far.test>", "RCPT TO:<user@site.test>", "RSET"):
                code, text = s.docmd(line)
                said.append((code, text.decode()))
    except (OSError, smtplib.SMTPException) as e:
        said.append(type(e).__name__)
    return said


def lines(log, name, address):
    """What is said of one client."""
    found = re.findall(rf"site/{name}/smtpd\[\d+\]: (.*\[{re.escape(address)}\].*)", log)
    return [re.sub(r"\b[0-9B-Zb-z]{10,20}\b: ", "", x) for x in found]


DEBUG = re.compile(r"setting up TLS|TLS cipher list|depth=\d|Issuing session ticket|SSL_accept error|verification failed")


def look(sites, ports, name, who, client, number):
    """What both sites say to and of one client: replies, log."""
    address, seen = f"127.9.{number // 200}.{number % 200 + 1}", []
    for site in sites:
        said = ask(ports[site][name], client, address)
        text = wait_for(lambda: site.log() if f"disconnect from unknown[{address}]" in site.log() else None, 20)
        seen.append(said + [x for x in lines(text, name, address) if not DEBUG.search(x)])
    return name, who, seen


def test_same_as_smtpd(world):
    pki, settings, sites, ports = world
    pairs = [(name, who) for name in settings for who in pki.clients]
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        jobs = [pool.submit(look, sites, ports, name, who, pki.clients[who], n) for n, (name, who) in enumerate(pairs)]
        seen = [j.result() for j in jobs]
    wrong, permitted = [], collections.Counter()
    for name, who, (ours, theirs) in seen:
        permitted[name] += len(ours) > 1 and ours[1] == (250, "2.1.5 Ok")
        wrong += [f"{name} {who}:\n    mtad    {a}\n    Postfix {b}" for a, b in zip(ours + ["-"] * 20, theirs + ["-"] * 20) if a != b][:1]
    assert not wrong, "\n" + "\n".join(wrong)
    # They are no comparisons of nothing with nothing.
    assert permitted["listed"] == 3 and permitted["not-asked"] == 0 and permitted["other-digest"] == 0 and permitted["all"] >= 3, permitted
