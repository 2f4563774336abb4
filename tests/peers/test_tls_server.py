"""The server's TLS beside Postfix's smtpd, and in the hands of others: Postfix's client and posttls-finger, swaks, sslscan, testssl."""
import os
import re
import shutil
import socket
import ssl
import subprocess

import pytest

from certs import Authority
from mtadtest import Instance, free_port, wait_for
from postfixtest import Postfix

pytestmark = pytest.mark.skipif(os.getuid() != 0 or not os.path.exists("/usr/lib/postfix/sbin/smtpd"), reason="needs root and Debian's postfix")


@pytest.fixture(scope="module")
def pki(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pki")
    os.chmod(folder, 0o755)
    os.chmod(folder.parent, 0o755)

    class Pki:
        ca = Authority(folder)
        rsa = ca.issue("mail.site.test", key="rsa")
        ec = ca.issue("mail.site.test")
        sni = ca.issue("other.site.test")
        client = ca.issue("client.test")
        stranger = ca.bad("unknown-issuer", "stranger.test")
        alone = ca.bad("self-signed", "alone.test")
    return Pki


def settings(pki, **more):
    return {"smtpd_tls_security_level": "may", "smtpd_tls_chain_files": f"{pki.rsa.both} {pki.ec.both}", "smtpd_tls_loglevel": "1",
            "smtpd_tls_received_header": "yes", "smtpd_tls_fingerprint_digest": "sha256", "smtpd_tls_CAfile": str(pki.ca.ca_file), "local_recipient_maps": "",
            "mail_name": "Postfix", "smtpd_banner": "$myhostname ESMTP", "notify_classes": "", "luser_relay": "keep", **more}


def read_reply(f):
    lines = []
    while True:
        line = f.readline().decode()
        lines.append(line.rstrip())
        if not line or line[3:4] != "-":
            return lines


def talk(port, lines, ctx, name=None):
    """Replies to each; "TLS" shakes hands."""
    said = []
    sock = socket.create_connection(("127.0.0.1", port), timeout=15)
    f = sock.makefile("rb")
    said.append(read_reply(f))
    try:
        for line in lines:
            if line == "TLS":
                sock = ctx.wrap_socket(sock, server_hostname=name)
                f = sock.makefile("rb")
                said.append([sock.version(), sock.cipher()[0]])
                continue
            sock.sendall(line.encode() + b"\r\n")
            said.append(sorted(read_reply(f)) if line.startswith("EHLO") else read_reply(f))
    except OSError as e:
        said.append(["broken"])
    sock.close()
    return said


def context(cert=None, most=None, ciphers=None):
    ctx = ssl._create_unverified_context()
    if cert:
        ctx.load_cert_chain(cert.cert, cert.key)
    if most:
        ctx.maximum_version = most
    if ciphers:
        ctx.set_ciphers(ciphers)
    return ctx


MESSAGE = ["MAIL FROM:<a@site.test>", "RCPT TO:<keep@site.test>", "DATA", "Subject: x\r\n\r\nhello\r\n.", "QUIT"]
V12 = ssl.TLSVersion.TLSv1_2


def plain(text):
    """Queue IDs, times, ports and process IDs taken out."""
    text = re.sub(r"\b[0-9B-Zb-z]{10,20}\b(?=[:\n. ]|$)", "ID", text)
    return re.sub(r"; \w{3}, .*", "; DATE", text)


def smtpd_lines(log):
    out = []
    for line in log.splitlines():
        m = re.search(r"/smtpd\[\d+\]: (.*)", line)
        if m and "TLS library problem" not in m.group(1) and "improper command pipelining" not in m.group(1):
            out.append(plain(m.group(1)))
    return out


@pytest.fixture(scope="module")
def both(tmp_path_factory, pki):
    """The same site, twice: asking clients for certificates."""
    folder = tmp_path_factory.mktemp("both")
    os.chmod(folder, 0o755)
    main = settings(pki, smtpd_tls_ask_ccert="yes", tls_server_sni_maps=f"inline:{{other.site.test={pki.sni.both}}}", default_transport="hold",
                    local_transport="smtp:[127.0.0.3]:1", smtpd_discard_ehlo_keywords="etrn silent-discard")
    mta = Instance(folder / "mta", main=main)
    with Postfix(folder / "postfix", main) as oracle, mta:
        yield mta, oracle


CASES = {
    "syntax": (["EHLO c.test", "STARTTLS x", "NOOP", "STARTTLS", "TLS", "STARTTLS", "EHLO c.test", "STARTTLS", *MESSAGE], {}, None),
    "1.3": (["EHLO c.test", "STARTTLS", "TLS", "EHLO c.test", *MESSAGE], {}, None),
    "1.3 helo": (["EHLO c.test", "STARTTLS", "TLS", "HELO c.test", *MESSAGE], {}, None),
    "1.2": (["EHLO c.test", "STARTTLS", "TLS", "EHLO c.test", *MESSAGE], {"most": V12}, None),
    "1.2 rsa": (["EHLO c.test", "STARTTLS", "TLS", "EHLO c.test", *MESSAGE], {"most": V12, "ciphers": "ECDHE-RSA-CHACHA20-POLY1305"}, None),
    "1.2 dhe": (["EHLO c.test", "STARTTLS", "TLS", "EHLO c.test", *MESSAGE], {"most": V12, "ciphers": "DHE-RSA-AES128-GCM-SHA256"}, None),
    "1.2 cbc": (["EHLO c.test", "STARTTLS", "TLS", "EHLO c.test", *MESSAGE], {"most": V12, "ciphers": "ECDHE-ECDSA-AES256-SHA"}, None),
    "1.2 kRSA": (["EHLO c.test", "STARTTLS", "TLS", "EHLO c.test", *MESSAGE], {"most": V12, "ciphers": "AES256-GCM-SHA384"}, None),
    "trusted": (["EHLO c.test", "STARTTLS", "TLS", "EHLO c.test", *MESSAGE], {"cert": "client"}, None),
    "trusted 1.2": (["EHLO c.test", "STARTTLS", "TLS", "EHLO c.test", *MESSAGE], {"cert": "client", "most": V12}, None),
    "rsa client": (["EHLO c.test", "STARTTLS", "TLS", "EHLO c.test", *MESSAGE], {"cert": "rsa"}, None),
    "stranger": (["EHLO c.test", "STARTTLS", "TLS", "EHLO c.test", *MESSAGE], {"cert": "stranger"}, None),
    "alone": (["EHLO c.test", "STARTTLS", "TLS", "EHLO c.test", *MESSAGE], {"cert": "alone"}, None),
    "sni": (["EHLO c.test", "STARTTLS", "TLS", "EHLO c.test", *MESSAGE], {}, "other.site.test"),
    "sni unknown": (["EHLO c.test", "STARTTLS", "TLS", "EHLO c.test", *MESSAGE], {}, "unknown.site.test"),
}


def header_of(site, oracle, said):
    qid = re.search(r"queued as (\S+)", said[-2][0]).group(1)
    if oracle:
        text = wait_for(lambda: site.run("postcat", "-hq", qid).stdout, 10)
    else:
        text = wait_for(lambda: site.ctl("cat", qid).stdout, 10)
    return plain(re.search(r"Received: .*?\n(?![ \t])", text, re.S).group(0))


@pytest.mark.parametrize("name", CASES)
def test_same_as_smtpd(both, pki, name):
    """Replies, the smtpd lines of the log, and Received:, word for word."""
    lines, ctx, sni = CASES[name]
    ctx = {**ctx, "cert": getattr(pki, ctx["cert"]) if "cert" in ctx else None}
    seen = []
    for site in both:
        at = len(site.log())
        said = talk(site.port, lines, context(**ctx), sni)
        wait_for(lambda: "disconnect from" in site.log()[at:], 10)
        seen.append(([[plain(x) for x in r] for r in said], smtpd_lines(site.log()[at:]), header_of(site, site is both[1], said)))
    assert seen[0][0] == seen[1][0]
    assert seen[0][1] == seen[1][1]
    assert seen[0][2] == seen[1][2]


@pytest.mark.parametrize("more", ({"smtpd_tls_security_level": "encrypt"}, {"smtpd_tls_security_level": "", "smtpd_enforce_tls": "yes"},
                                  {"smtpd_tls_security_level": "none"}, {"smtpd_discard_ehlo_keywords": "starttls, etrn"},
                                  {"smtpd_tls_security_level": "encrypt", "smtpd_tls_req_ccert": "yes"}), ids=str)
def test_same_levels(tmp_path, pki, more):
    os.chmod(tmp_path, 0o755)
    main = settings(pki, **{"smtpd_discard_ehlo_keywords": "etrn", **more})
    lines = ["EHLO c.test", "MAIL FROM:<a@site.test>", "RSET", "VRFY keep", "NOOP", "HELP", "STARTTLS", "TLS", "EHLO c.test", "MAIL FROM:<a@site.test>", "QUIT"]
    with Postfix(tmp_path / "postfix", main) as oracle, Instance(tmp_path / "mta", main=main) as mta:
        seen = []
        if more.get("smtpd_tls_security_level") == "none" or "smtpd_discard_ehlo_keywords" in more:
            lines = [line for line in lines if line != "TLS"]
        for site in (mta, oracle):
            said = talk(site.port, lines, context())
            wait_for(lambda: "disconnect from" in site.log(), 10)
            seen.append((said, [x for x in smtpd_lines(site.log()) if "discarding EHLO" not in x and "reject: VRFY" not in x]))
        if more.get("smtpd_tls_req_ccert"):     # what each library says of it differs
            seen = [(said[:8], [x for x in log if "530" in x]) for said, log in seen]
        assert seen[0] == seen[1]


def test_swaks(tmp_path, pki):
    os.chmod(tmp_path, 0o755)
    wrapped = free_port()
    mta = Instance(tmp_path / "mta", main=settings(pki, local_transport="discard"))
    mta.master += f"127.0.0.1:{wrapped} inet n - y - - smtpd\n  -o smtpd_tls_wrappermode=yes\n"
    mta.write()
    with mta:
        for words in (["--tls", "-p", str(mta.port)], ["--tls-on-connect", "-p", str(wrapped)], ["--tls-optional", "-p", str(mta.port)]):
            r = subprocess.run(["swaks", "-s", "127.0.0.1", "-f", "a@site.test", "-t", "keep@site.test", "--tls-verify", "--tls-ca-path", str(pki.ca.ca_file),
                                "--tls-sni", "mail.site.test", *words], capture_output=True, text=True, timeout=30)
            if "unknown option" in r.stderr.lower() or "--tls-verify" in r.stderr:
                pytest.skip("this swaks cannot verify")
            assert r.returncode == 0 and "queued as" in r.stdout, r.stdout + r.stderr


@pytest.fixture(scope="module")
def defaults(tmp_path_factory, pki):
    """Certificates, and nothing else that is set."""
    folder = tmp_path_factory.mktemp("defaults")
    os.chmod(folder, 0o755)
    with Instance(folder / "mta", main={"smtpd_tls_security_level": "may", "smtpd_tls_chain_files": f"{pki.rsa.both} {pki.ec.both}"}) as mta:
        yield mta


WEAK = re.compile(r"NULL|EXP|RC4|RC2|DES|MD5|ADH|AECDH|anon|SEED|IDEA", re.I)


@pytest.mark.skipif(shutil.which("sslscan") is None, reason="no sslscan")
def test_sslscan(defaults):
    out = subprocess.run(["sslscan", "--starttls-smtp", "--no-colour", f"127.0.0.1:{defaults.port}"], capture_output=True, text=True, timeout=60).stdout
    enabled = dict(re.findall(r"^(SSLv\d|TLSv[\d.]+) +(enabled|disabled)", out, re.M))
    assert enabled == {"SSLv2": "disabled", "SSLv3": "disabled", "TLSv1.0": "disabled", "TLSv1.1": "disabled", "TLSv1.2": "enabled", "TLSv1.3": "enabled"}, out
    ciphers = re.findall(r"^(?:Preferred|Accepted) +(\S+) +(\d+) bits +(\S+)", out, re.M)
    assert len(ciphers) > 10
    assert all(version in ("TLSv1.2", "TLSv1.3") and int(bits) >= 128 and not WEAK.search(cipher) for version, bits, cipher in ciphers), ciphers
    assert "Session renegotiation not supported" in out or "Secure session renegotiation supported" in out
    assert "not vulnerable to heartbleed" in out


@pytest.mark.skipif(shutil.which("testssl") is None, reason="no testssl")
def test_testssl(defaults):
    out = subprocess.run(["testssl", "--quiet", "--color", "0", "--warnings", "off", "--fast", "--nodns", "none", "--ip", "127.0.0.1", "-t", "smtp", "-p", "-s", "-R",
                          f"localhost:{defaults.port}"], capture_output=True, text=True, timeout=120).stdout
    for line in (r"SSLv2 +not offered \(OK\)", r"SSLv3 +not offered \(OK\)", r"TLS 1 +not offered", r"TLS 1\.1 +not offered", r"TLS 1\.2 +offered \(OK\)",
                 r"TLS 1\.3 +offered \(OK\)", r"Secure Renegotiation .*supported \(OK\)", r"Secure Client-Initiated Renegotiation +not vulnerable \(OK\)",
                 r"NULL ciphers .*not offered \(OK\)", r"Anonymous NULL Ciphers .*not offered \(OK\)", r"Export ciphers .*not offered \(OK\)", r"LOW: .*not offered \(OK\)",
                 r"Triple DES Ciphers / IDEA +not offered", r"Strong encryption .*offered \(OK\)"):
        assert re.search(line, out), line + "\n" + out
    assert "VULNERABLE (NOT ok)" not in out, out
