"""TLS in the server: STARTTLS, wrapper mode, names, certificates of clients, renewal, tickets, and what must be refused."""
import os
import re
import shutil
import socket
import ssl
import subprocess
import time

import pytest

from certs import Authority, openssl
from mtadtest import BUILD, Instance, free_port, wait_for

USER = "daemon"


@pytest.fixture(scope="module")
def pki(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pki")
    os.chmod(folder, 0o755)

    class Pki:
        ca = Authority(folder)
        rsa = ca.issue("mail.site.test", key="rsa")
        ec = ca.issue("mail.site.test")
        sni = ca.issue("other.site.test")
        client = ca.issue("client.test")
        stranger = ca.bad("unknown-issuer", "stranger.test")
        expired = ca.bad("expired", "old.test")
    return Pki


def site(tmp_path, pki, main=None, master=None):
    os.chmod(tmp_path, 0o755)
    return Instance(tmp_path / "site", main={
        "smtpd_tls_security_level": "may", "smtpd_tls_chain_files": f"{pki.rsa.both} {pki.ec.both}", "smtpd_tls_loglevel": "1",
        "local_recipient_maps": "", "alias_maps": "", "smtpd_tls_received_header": "yes", "default_transport": "discard", "local_transport": "discard",
        **(main or {})}, master=master)


@pytest.fixture(scope="module")
def server(tmp_path_factory, pki):
    folder = tmp_path_factory.mktemp("tls")
    sni = folder / "sni"
    sni.write_text(f"other.site.test {pki.sni.both}\n.below.site.test {pki.sni.both}\n")
    wrapped, must = free_port(), free_port()
    mta = site(folder, pki, {
        "smtpd_tls_ask_ccert": "yes", "smtpd_tls_CAfile": str(pki.ca.ca_file), "tls_server_sni_maps": f"texthash:{sni}",
        "smtpd_tls_fingerprint_digest": "sha256"})
    mta.wrapped, mta.must = wrapped, must
    mta.master += (f"127.0.0.1:{wrapped} inet n - y - - smtpd\n  -o syslog_name=mtad/submissions\n  -o smtpd_tls_wrappermode=yes\n"
                   f"127.0.0.1:{must} inet n - y - - smtpd\n  -o syslog_name=mtad/must\n  -o smtpd_tls_security_level=encrypt\n  -o smtpd_tls_req_ccert=yes\n"
                   "  -o smtpd_tls_loglevel=2\n")
    mta.write()
    with mta:
        yield mta


def context(cert=None, ca=None, most=None):
    c = ssl.create_default_context(cafile=ca) if ca else ssl._create_unverified_context()
    if cert:
        c.load_cert_chain(cert.cert, cert.key)
    if most:
        c.maximum_version = most
    return c


class Dialogue:
    """Lines to a port, and the replies to them."""

    def __init__(self, port, wrap=None, name=None):
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=10)
        if wrap:
            self.sock = wrap.wrap_socket(self.sock, server_hostname=name)
        self.file = self.sock.makefile("rb")
        self.banner = self.reply()

    def reply(self):
        lines = []
        while True:
            line = self.file.readline().decode()
            lines.append(line.rstrip("\r\n"))
            if not line or line[3:4] != "-":
                return "\n".join(lines)

    def say(self, line):
        self.sock.sendall(line.encode() + b"\r\n")
        return self.reply()

    def secure(self, ctx=None, name=None, session=None):
        self.say("EHLO client.test")
        assert self.say("STARTTLS") == "220 2.0.0 Ready to start TLS"
        self.sock = (ctx or context()).wrap_socket(self.sock, server_hostname=name, session=session)
        self.file = self.sock.makefile("rb")
        return self

    def send(self):
        self.say("EHLO client.test")
        for line in ("MAIL FROM:<a@b.test>", f"RCPT TO:<{USER}@site.test>", "DATA"):
            assert self.say(line)[0] in "23"
        return self.say("Subject: x\r\n\r\nhello\r\n.")

    def peer_cn(self):
        return openssl("x509", "-inform", "DER", "-noout", "-subject", stdin=self.sock.getpeercert(True)).decode().strip().split("CN = ")[1]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()


def ended(d):
    """The other side has closed."""
    try:
        return d.sock.recv(1000) == b""
    except OSError:
        return True


def test_starttls(server):
    with Dialogue(server.port) as d:
        assert "250-STARTTLS" in d.say("EHLO client.test")
        assert d.say("STARTTLS x") == "501 5.5.4 Syntax: STARTTLS"
        assert d.say("MAIL FROM:<a@b.test>").startswith("250")
        d.secure()
        assert d.sock.version() == "TLSv1.3"
        assert d.say("STARTTLS") == "554 5.5.1 Error: TLS already active"
        assert d.say(f"RCPT TO:<{USER}@site.test>").startswith("503 5.5.1")      # what came before counts for nothing
        assert "STARTTLS" not in d.say("EHLO client.test")
        qid = d.send().split(" as ")[1]
        d.say("QUIT")
    server.wait_log(r"smtpd\[\d+\]: Anonymous TLS connection established from localhost\[127\.0\.0\.1\]: TLSv1\.3 with cipher TLS_AES_256_GCM_SHA384 "
                    r"\(256/256 bits\) key-exchange X25519 server-signature ECDSA \(prime256v1\) server-digest SHA256\n")
    server.wait_log(rf"{qid}: client=localhost")
    server.wait_log(r"disconnect from localhost\[127\.0\.0\.1\] ehlo=4 starttls=1/3 mail=2 rcpt=1/2 data=1 quit=1 commands=10/13")


def test_received(server, pki):
    def received():
        with Dialogue(server.must) as d:
            d.secure(context(pki.client))
            d.say("EHLO client.test")
            for line in ("MAIL FROM:<a@held.test>", "RCPT TO:<x@held.test>", "DATA"):
                assert d.say(line)[0] in "23"
            return d.say("Subject: x\r\n\r\nhello\r\n.").split(" as ")[1]

    server.settings["default_transport"] = "smtp:[127.0.0.1]:1"      # nobody listens: it waits
    server.write()
    assert server.ctl("reload").returncode == 0
    try:
        qid = received()
        text = server.ctl("cat", qid).stdout
        found = re.search(r"Received: from client\.test \(localhost \[127\.0\.0\.1\]\)\n(.*?)\n\tid|Received: .*?\n(?=\S)", text, re.S).group(0)
        assert ("\n\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)\n\t key-exchange X25519 server-signature ECDSA (prime256v1) "
                "server-digest SHA256\n\t client-signature ECDSA (prime256v1) client-digest SHA256)\n\t(Client CN \"client.test\", Issuer \"Test CA\" (verified OK))\n"
                "\tby mail.site.test (mtad) with ESMTPS id ") in found, found
        assert server.ctl("delete", qid).returncode == 0
    finally:
        server.settings["default_transport"] = "discard"
        server.write()
        assert server.ctl("reload").returncode == 0


def test_wrapper(server, pki):
    with Dialogue(server.wrapped, context(ca=pki.ca.ca_file), "mail.site.test") as d:
        assert d.banner.startswith("220 mail.site.test") and d.sock.version() == "TLSv1.3"
        assert "STARTTLS" not in d.say("EHLO x")
        assert d.say("STARTTLS") == "554 5.5.1 Error: TLS already active"
        assert "queued" in d.send()
        assert d.say("QUIT") == "221 2.0.0 Bye"
        assert d.sock.recv(10) == b""       # a good-bye in TLS, or Python would raise
    with socket.create_connection(("127.0.0.1", server.wrapped), timeout=10) as s:
        s.sendall(b"EHLO no.tls.test\r\n")
        data = s.recv(1000)
        assert not data.startswith(b"220") and b"250" not in data
    server.wait_log(r"submissions/smtpd\[\d+\]: SSL_accept error from localhost\[127\.0\.0\.1\]: -1\n")
    server.wait_log(r"submissions/smtpd\[\d+\]: warning: TLS library problem: ")
    server.wait_log(r"submissions/smtpd\[\d+\]: lost connection after CONNECT from localhost")


def test_encrypt_and_demanded_certificate(server, pki):
    with Dialogue(server.must) as d:
        d.say("EHLO x")
        for line in ("MAIL FROM:<a@b.test>", "RSET", "VRFY u", "AUTH PLAIN"):
            assert d.say(line) == "530 5.7.0 Must issue a STARTTLS command first", line
        assert d.say("NOOP").startswith("250") and d.say("HELP").startswith("500 5.5.2")
    with Dialogue(server.must) as d:
        d.secure(context(most=ssl.TLSVersion.TLSv1_3))
        assert ended(d)                     # without a certificate
    with Dialogue(server.must) as d:
        assert "queued" in d.secure(context(pki.client)).send()
    server.wait_log(rf"must/smtpd\[\d+\]: localhost\[127\.0\.0\.1\]: subject_CN=client\.test, issuer=Test CA, fingerprint={pki.client.fingerprint()}, "
                    rf"pkey_fingerprint={pki.client.fingerprint(public_key=True)}\n")


@pytest.mark.parametrize("who,says,why", (
    ("client", "Trusted", None), ("stranger", "Untrusted", "untrusted issuer /CN=Unknown CA"), ("expired", "Untrusted", "certificate has expired")))
def test_client_certificates(server, pki, who, says, why):
    with Dialogue(server.port) as d:
        assert "queued" in d.secure(context(getattr(pki, who))).send()
    assert re.search(rf"{says} TLS connection established from localhost\[127\.0\.0\.1\]: .*client-signature ECDSA \(prime256v1\) client-digest SHA256", server.log())
    if why:
        with Dialogue(server.must) as d:
            d.secure(context(getattr(pki, who)))
        server.wait_log(rf"must/smtpd\[\d+\]: (client )?certificate verification failed for localhost\[127\.0\.0\.1\]: {why}")


def test_permitted_by_certificate(tmp_path, pki):
    (tmp_path / "list").write_text(f"{pki.client.fingerprint()} client.test\n")
    with site(tmp_path, pki, {"smtpd_tls_ask_ccert": "yes", "relay_clientcerts": f"texthash:{tmp_path}/list", "mynetworks": "192.0.2.0/24",
                              "smtpd_tls_fingerprint_digest": "sha256", "smtpd_relay_restrictions": "permit_tls_clientcerts, reject_unauth_destination"}) as mta:
        for cert, code in ((pki.client, "250"), (pki.stranger, "554"), (None, "554")):
            with Dialogue(mta.port) as d:
                d.secure(context(cert))
                d.say("EHLO x")
                d.say("MAIL FROM:<a@b.test>")
                assert d.say("RCPT TO:<x@elsewhere.test>").startswith(code), cert


def test_names(server, pki):
    for name, cn in (("mail.site.test", "mail.site.test"), ("other.site.test", "other.site.test"), ("OTHER.site.test", "other.site.test"),
                     ("x.below.site.test", "other.site.test"), ("nobody.test", "mail.site.test"), (None, "mail.site.test")):
        with Dialogue(server.port) as d:
            assert d.secure(name=name).peer_cn() == cn, name
    server.wait_log(r"established from localhost\[127\.0\.0\.1\] to other\.site\.test: TLSv1\.3")
    server.wait_log(r"smtpd\[\d+\]: TLS SNI nobody\.test from localhost\[127\.0\.0\.1\] not matched, using default chain\n")


def test_compiled_names(tmp_path, pki):
    text = tmp_path / "sni"
    text.write_text(f"other.site.test {pki.sni.both}\n")
    made = subprocess.run([f"{BUILD}/mtactl", "postmap", "-F", f"hash:{text}"], capture_output=True, text=True, timeout=30)
    if made.returncode == 69:
        text.write_text(f"other.site.test {pki.sni.sni_value()}\n")
    with site(tmp_path, pki, {"tls_server_sni_maps": f"hash:{text}"}) as mta:
        with Dialogue(mta.port) as d:
            assert d.secure(name="other.site.test").peer_cn() == "other.site.test"


def test_algorithms_and_versions(server):
    """RSA and ECDSA side by side; nothing below TLS 1.2."""
    for ciphers, kind in (("ECDHE-RSA-AES128-GCM-SHA256", "rsaEncryption"), ("ECDHE-ECDSA-AES256-GCM-SHA384", "id-ecPublicKey")):
        ctx = context(most=ssl.TLSVersion.TLSv1_2)
        ctx.set_ciphers(ciphers)
        with Dialogue(server.port) as d:
            d.secure(ctx)
            assert d.sock.cipher()[0] == ciphers
            assert kind in openssl("x509", "-inform", "DER", "-noout", "-text", stdin=d.sock.getpeercert(True)).decode()
            assert d.say("NOOP").startswith("250")
    server.wait_log(r"TLSv1\.2 with cipher ECDHE-RSA-AES128-GCM-SHA256 \(128/128 bits\)\n")
    for version in ("-tls1", "-tls1_1"):
        r = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{server.wrapped}", version, "-cipher", "ALL:@SECLEVEL=0"], stdin=subprocess.DEVNULL,
                           capture_output=True, text=True, timeout=20)
        assert r.returncode != 0 and "Cipher is (NONE)" in r.stdout


def test_separate_files(tmp_path, pki):
    """Both kinds of certificates in files of their own, without their keys."""
    with site(tmp_path, pki, {"smtpd_tls_chain_files": "", "smtpd_tls_cert_file": str(pki.rsa.cert), "smtpd_tls_key_file": str(pki.rsa.key),
                              "smtpd_tls_eccert_file": str(pki.ec.cert), "smtpd_tls_eckey_file": str(pki.ec.key), "smtpd_tls_loglevel": "1"}) as mta:
        for ciphers, kind in (("ECDHE-RSA-AES128-GCM-SHA256", "rsaEncryption"), ("ECDHE-ECDSA-AES256-GCM-SHA384", "id-ecPublicKey")):
            ctx = context(most=ssl.TLSVersion.TLSv1_2)
            ctx.set_ciphers(ciphers)
            with Dialogue(mta.port) as d:
                d.secure(ctx)
                assert kind in openssl("x509", "-inform", "DER", "-noout", "-text", stdin=d.sock.getpeercert(True)).decode()


def test_gnutls_cli(server, pki):
    r = subprocess.run(["gnutls-cli", "--starttls-proto=smtp", f"--x509cafile={pki.ca.ca_file}", "--verify-hostname=mail.site.test", f"--port={server.port}",
                        "127.0.0.1"], input="QUIT\n", capture_output=True, text=True, timeout=20)
    assert "- Handshake was completed" in r.stdout and "221 2.0.0 Bye" in r.stdout, r.stdout + r.stderr


def test_injection(server):
    """CVE-2011-0411: what is sent in clear behind STARTTLS is not obeyed inside TLS."""
    with Dialogue(server.port) as d:
        d.say("EHLO x")
        d.sock.sendall(b"STARTTLS\r\nMAIL FROM:<injected@b.test>\r\nRCPT TO:<daemon@site.test>\r\n")
        assert d.reply() == "220 2.0.0 Ready to start TLS"
        d.sock = context().wrap_socket(d.sock)
        d.file = d.sock.makefile("rb")
        assert d.say("RCPT TO:<daemon@site.test>").startswith("503 5.5.1 Error: need MAIL command")
    server.wait_log(r"improper command pipelining after STARTTLS from localhost\[127\.0\.0\.1\]: \d+ bytes are thrown away")
    assert "injected@b.test" not in server.log()


def test_handshake_that_fails(server):
    with Dialogue(server.port) as d:
        d.say("EHLO x")
        d.say("STARTTLS")
        d.sock.sendall(b"HELO this is no TLS\r\n")
        data = b""
        try:
            while more := d.sock.recv(1000):
                data += more
        except OSError:
            pass
        assert b"250" not in data
    server.wait_log(r"mtad/smtpd\[\d+\]: SSL_accept error from localhost\[127\.0\.0\.1\]: -1\n")
    server.wait_log(r"mtad/smtpd\[\d+\]: lost connection after STARTTLS from localhost\[127\.0\.0\.1\]\n.*disconnect from localhost\[127\.0\.0\.1\] ehlo=1 starttls=0/1 commands=1/2")


def test_wrong_port(server):
    """TLS where SMTP begins in clear, and the other way round: the log says which it is."""
    with socket.create_connection(("127.0.0.1", server.port)) as s, pytest.raises(ssl.SSLError):
        context().wrap_socket(s)
    server.wait_log(r"warning: localhost\[127\.0\.0\.1\] speaks TLS from the start, and this service waits for STARTTLS \(smtpd_tls_wrappermode\)\n")
    for line in (b"GET / HTTP/1.1\r\nHost: mail.site.test\r\n\r\n", b"EHLO client.\xff.test\r\n"):
        with socket.create_connection(("127.0.0.1", server.wrapped)) as s:
            s.sendall(line)
            began = line.split(b"\r")[0].replace(b"\xff", b"?").decode()
            server.wait_log(rf'warning: TLS library problem: the client speaks no TLS, it began with "{re.escape(began)}"\n')


def test_renegotiation_is_refused(server):
    with subprocess.Popen(["openssl", "s_client", "-connect", f"127.0.0.1:{server.wrapped}", "-tls1_2"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True) as p:
        for line in p.stdout:
            if line.startswith("220 "):
                break
        p.stdin.write("R\n")
        p.stdin.flush()
        out = p.communicate(timeout=20)[0]
    assert "RENEGOTIATING" in out and "no renegotiation" in out, out


@pytest.mark.parametrize("version", (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3))
def test_tickets_across_processes(server, version):
    """Sessions are resumed whichever receive process the client comes to."""
    ctx = context(most=version)
    with Dialogue(server.port) as d:
        d.secure(ctx)
        d.say("NOOP")
        session = d.sock.session
    before = len(server.log())

    def both():
        with Dialogue(server.port) as e:
            e.secure(ctx, session=session)
            assert e.sock.session_reused
        return len(set(re.findall(r"smtpd\[(\d+)\]: Anonymous TLS connection reused from", server.log()[before:]))) == 2
    wait_for(both, 10, 0)


def test_large_messages(server):
    """Many records each way: nothing waits for bytes that the TLS library has already."""
    body = "Subject: x\r\n\r\n" + ("x" * 70 + "\r\n") * 40000
    with Dialogue(server.wrapped, context()) as d:
        d.say("EHLO x")
        for line in ("MAIL FROM:<a@b.test>", f"RCPT TO:<{USER}@site.test>", "DATA"):
            d.say(line)
        assert "queued" in d.say(body + ".")
        d.sock.sendall(b"RSET\r\n" * 60)
        assert all(d.reply().startswith("250 2.0.0") for _ in range(60))
        for line in ("MAIL FROM:<a@b.test>", f"RCPT TO:<{USER}@site.test>"):
            d.say(line)
        d.sock.sendall(b"BDAT %d LAST\r\n" % len(body) + body.encode())
        assert "queued" in d.reply()


def test_renewed_certificate(tmp_path, pki):
    """As certbot does it: a link that points elsewhere. No reload; a pair that does not fit is not taken."""
    live = tmp_path / "live"
    for n, cert in ((1, pki.ec), (2, pki.sni), (3, pki.client)):
        (tmp_path / str(n)).mkdir()
        shutil.copy(cert.cert, tmp_path / str(n) / "cert")
        shutil.copy(cert.key, tmp_path / str(n) / "key")
    live.symlink_to(tmp_path / "1")

    def flip(n):
        new = tmp_path / "new"
        new.symlink_to(tmp_path / str(n))
        new.rename(live)

    def cn(mta):
        with Dialogue(mta.port) as d:
            return d.secure().peer_cn()
    with site(tmp_path, pki, {"smtpd_tls_chain_files": "", "smtpd_tls_cert_file": f"{live}/cert", "smtpd_tls_key_file": f"{live}/key"}) as mta:
        assert cn(mta) == "mail.site.test"
        with Dialogue(mta.port) as old:
            old.secure()
            flip(2)
            wait_for(lambda: cn(mta) == "other.site.test", 10)
            assert old.say("NOOP").startswith("250")
        mta.wait_log(r"changed and is taken")
        shutil.copy(pki.ec.key, tmp_path / "3" / "key")
        flip(3)
        mta.wait_log(rf"{live}/(cert|key) changed and is not taken, the one in use stays: smtpd_tls_cert_file = {live}/cert with the key of {live}/key: "
                     "the private key does not belong to the certificate")
        assert cn(mta) == "other.site.test"
        os.kill(mta.pids()["receive"][0], 9)        # one that is started anew gets what is in use
        wait_for(lambda: len(mta.pids().get("receive", [])) == 2 and cn(mta) == "other.site.test" and cn(mta) == "other.site.test", 10)
        shutil.copy(pki.client.key, tmp_path / "3" / "key")
        wait_for(lambda: cn(mta) == "client.test", 10)


def test_bad_configurations(tmp_path, pki):
    """What cannot work is said at the start, with the files' names; what has no effect is a warning."""
    with open(tmp_path / "chain", "wb") as f:
        f.write(pki.ec.cert.read_bytes())
    good = {"smtpd_tls_chain_files": str(pki.ec.both)}
    rows = (
        ({"smtpd_tls_chain_files": "", "smtpd_tls_cert_file": str(pki.ec.cert), "smtpd_tls_key_file": str(pki.rsa.key)},
         f"error: smtpd_tls_cert_file = {pki.ec.cert} with the key of {pki.rsa.key}: the private key does not belong to the certificate"),
        ({"smtpd_tls_chain_files": f"{tmp_path}/nowhere.pem"}, f"cannot open {tmp_path}/nowhere.pem"),
        ({"smtpd_tls_chain_files": f"{tmp_path}/chain"}, "a certificate comes before any private key"),
        ({**good, "smtpd_tls_CAfile": str(pki.ec.key)}, f"error: smtpd_tls_CAfile = {pki.ec.key}: there is no certificate in it"),
        ({**good, "smtpd_tls_protocols": "TLSv9"}, 'error: smtpd_tls_protocols, smtpd_tls_ciphers: "TLSv9" is no TLS protocol'),
        ({**good, "smtpd_tls_fingerprint_digest": "sha99"}, "sha99"),
        ({**good, "smtpd_tls_security_level": "perhaps"}, '"perhaps" is no level'),
        ({**good, "tls_server_sni_maps": f"inline:{{x.test={tmp_path}/chain}}"}, "tls_server_sni_maps: x.test: a certificate comes before any private key"),
        ({**good, "smtpd_tls_exclude_ciphers": "AES256-SHA"}, "warning: smtpd_tls_ciphers, smtpd_tls_protocols: the TLS library cannot choose single cipher suites"),
        ({**good, "tls_ssl_options": "0x4"}, "warning: smtpd_tls_ciphers, smtpd_tls_protocols: tls_ssl_options: \"0x4\" means nothing"),
        ({"smtpd_tls_chain_files": str(pki.expired.both)}, "warning: smtpd_tls_cert_file or smtpd_tls_chain_files: a certificate has expired"),
        ({"smtpd_tls_chain_files": ""}, "warning: smtpd_tls_security_level: there is no certificate"),
    )
    for n, (main, says) in enumerate(rows):
        mta = site(tmp_path / str(n), pki, main) if (tmp_path / str(n)).mkdir() is None else None
        r = subprocess.run([f"{BUILD}/mtad", "-t", "-c", mta.dir], capture_output=True, text=True, timeout=20)
        own = re.sub(r".*\[[A-Z]\d{3}\]\n", "", r.stderr)     # without the linter's, which keep nothing from starting
        assert says in r.stderr and (r.returncode == 0) == ("error:" not in own), (main, r.returncode, r.stderr)
        assert "warning: " in says or r.returncode != 0


def test_no_certificate(tmp_path, pki):
    with site(tmp_path, pki, {"smtpd_tls_chain_files": ""}) as mta:
        with Dialogue(mta.port) as d:
            assert "250-STARTTLS" in d.say("EHLO x")
            assert d.say("STARTTLS") == "454 4.7.0 TLS not available due to local problem"
            assert d.say("MAIL FROM:<a@b.test>").startswith("250")


def test_discarded_keyword_and_none(tmp_path, pki):
    extra = free_port()
    mta = site(tmp_path, pki, {"smtpd_discard_ehlo_keywords": "starttls"})
    mta.master += f"127.0.0.1:{extra} inet n - y - - smtpd\n  -o smtpd_tls_security_level=none\n  -o smtpd_discard_ehlo_keywords=\n"
    mta.write()
    with mta:
        for port in (mta.port, extra):
            with Dialogue(port) as d:
                assert "STARTTLS" not in d.say("EHLO x")
                assert d.say("STARTTLS") == "502 5.5.1 Error: command not implemented"


def test_slow_handshake_ends(tmp_path, pki):
    with site(tmp_path, pki, {"smtpd_starttls_timeout": "1s"}) as mta:
        with Dialogue(mta.port) as d:
            d.say("EHLO x")
            d.say("STARTTLS")
            begun = time.time()
            assert ended(d) and time.time() - begun < 5
        mta.wait_log(r"SSL_accept error from localhost\[127\.0\.0\.1\]: Connection timed out\n.*lost connection after STARTTLS from localhost")


def test_too_many_sessions(tmp_path, pki):
    wrapped = free_port()
    mta = site(tmp_path, pki, {"smtpd_client_new_tls_session_rate_limit": "2", "smtpd_client_event_limit_exceptions": ""})
    mta.master += f"127.0.0.1:{wrapped} inet n - y - - smtpd\n  -o smtpd_tls_wrappermode=yes\n"
    mta.write()
    with mta:
        mta.wait_log("daemon started")      # what comes before the state role is there is not counted
        for n in range(4):
            with Dialogue(mta.port) as d:
                d.say("EHLO x")
                assert d.say("STARTTLS") == ("220 2.0.0 Ready to start TLS" if n < 2 else "454 4.7.0 Error: too many new TLS sessions from 127.0.0.1")
                assert n < 2 or d.say("NOOP").startswith("250")
        mta.wait_log(r"warning: New TLS session rate limit exceeded: 3 from localhost\[127\.0\.0\.1\] for service ")
        for n in range(3):
            try:
                with Dialogue(wrapped, context()) as d:
                    assert n < 2 and d.banner.startswith("220")
            except OSError:
                assert n == 2
        mta.wait_log(r"warning: Refusing TLS service request from localhost\[127\.0\.0\.1\] for service ")
