"""Logins for servers (smtp_sasl_auth_enable): which login goes where, by which mechanism, and what becomes of mail that is refused for it."""
import base64
import hashlib
import hmac
import os
import re

import pytest
from mtadtest import Instance, Sink, wait_for


def b64(text):
    return base64.b64encode(text if isinstance(text, bytes) else text.encode())


class Server(Sink):
    """A server that wants a login. users: name -> password (or token). `logins`: (mechanism, user, right)."""

    def __init__(self, users, mechanisms, must=True, reply=b"535 5.7.8 Error: authentication failed", ehlo="AUTH ", **kwargs):
        self.users, self.logins, self.used, self.must, self.refusal = users, [], [], must, reply
        super().__init__("127.0.0.2", extensions=("PIPELINING", "8BITMIME", ehlo + mechanisms, "DSN"), **kwargs)
        self.script.update(OTHER=self.other, MAIL=self.mail)

    def mail(self, s, argument):
        self.used.append((re.search(rb"<(.*?)>", argument)[1].decode(), getattr(s, "user", None)))
        return b"530 5.7.0 log in first" if self.must and not getattr(s, "user", None) else None

    def ask(self, s, challenge):
        s.wfile.write(b"334 " + b64(challenge) + b"\r\n")
        s.wfile.flush()
        line = s.rfile.readline(20000).strip()
        with self.lock:
            self.dialogue.append(line)
        return base64.b64decode(line) if line != b"=" else b""

    def other(self, s, line):
        words = line.split()
        if words[0].upper() != b"AUTH":
            return None
        mechanism = words[1].decode().upper()
        first = None if len(words) < 3 else base64.b64decode(words[2]) if words[2] != b"=" else b""
        user, right = getattr(self, "auth_" + mechanism.replace("-", "_").lower())(s, first)
        with self.lock:
            self.logins.append((mechanism, user, right))
        s.user = user if right else None
        return b"235 2.7.0 Authentication successful" if right else self.refusal

    def auth_plain(self, s, first):
        _, user, password = (self.ask(s, "") if first is None else first).decode().split("\0")
        return user, self.users.get(user) == password

    def auth_login(self, s, first):
        user, password = self.ask(s, "Username:").decode(), self.ask(s, "Password:").decode()
        return user, self.users.get(user) == password

    def auth_cram_md5(self, s, first):
        challenge = b"<12.34@sink.test>"
        user, digest = self.ask(s, challenge).decode().rsplit(" ", 1)
        return user, hmac.new(self.users.get(user, "").encode(), challenge, "md5").hexdigest() == digest

    def token(self, s, user, token):
        if self.users.get(user) == token:
            return user, True
        self.error_answer = self.ask(s, '{"status":"400"}')
        return user, False

    def auth_xoauth2(self, s, first):
        user, token = re.fullmatch(rb"user=(.*)\x01auth=Bearer (.*)\x01\x01", first).groups()
        return self.token(s, user.decode(), token.decode())

    def auth_oauthbearer(self, s, first):
        user, host, token = re.fullmatch(rb"n,a=(.*),\x01host=(.*)\x01port=\d+\x01auth=Bearer (.*)\x01\x01", first).groups()
        assert host == b"mx.good.test"
        return self.token(s, user.decode(), token.decode())

    def scram(self, s, first, name, lie=False):
        bare = first.split(b",", 2)[2]
        user, nonce = re.fullmatch(rb"n=(.*),r=(.*)", bare).groups()
        salt, nonce = b"salt and pepper", nonce + b"server"
        server_first = b"r=" + nonce + b",s=" + b64(salt) + b",i=4096"
        final = self.ask(s, server_first)
        without, proof = final.rsplit(b",p=", 1)
        said = b",".join([bare, server_first, without])
        salted = hashlib.pbkdf2_hmac(name, self.users.get(user.decode(), "?").encode(), salt, 4096)
        key = hmac.new(salted, b"Client Key", name).digest()
        signature = hmac.new(hashlib.new(name, key).digest(), said, name).digest()
        right = bytes(a ^ b for a, b in zip(key, signature)) == base64.b64decode(proof)
        if right:
            server = hmac.new(hmac.new(salted, b"Server Key", name).digest(), said, name).digest()
            self.ask(s, b"v=" + b64(b"a lie" if lie else server))
        return user.decode(), right

    def auth_scram_sha_1(self, s, first):
        return self.scram(s, first, "sha1")

    def auth_scram_sha_256(self, s, first):
        return self.scram(s, first, "sha256")


ON = {"smtp_sasl_auth_enable": "yes", "smtp_sasl_password_maps": "inline:{{mx.good.test = user:pass:word}}", "smtp_sasl_security_options": "noanonymous",
      "maximal_backoff_time": "1000s", "minimal_backoff_time": "1000s"}
USERS = {"user": "pass:word", "other": "second", "third": "third"}


@pytest.fixture
def site(tmp_path):
    os.chmod(tmp_path, 0o755)
    made = []

    def make(server, **main):
        mta = Instance(tmp_path / f"site{len(made)}", {**ON, **main}, smtp_port=server.port, root=os.geteuid() == 0)
        made.append((mta, server))
        return mta.start()
    yield make
    for mta, server in made:
        print(mta.log()[-4000:], mta.errors()[-1000:])
        mta.stop()
        server.close()


@pytest.mark.parametrize("mechanism, filtered", [("PLAIN", ""), ("LOGIN", ""), ("CRAM-MD5", ""), ("SCRAM-SHA-1", ""), ("SCRAM-SHA-256", ""), ("XOAUTH2", "xoauth2"),
                                                 ("OAUTHBEARER", "!plain, oauthbearer, xoauth2"), ("SCRAM-SHA-256 SCRAM-SHA-1 CRAM-MD5 PLAIN LOGIN XOAUTH2", "")])
def test_each_mechanism_logs_in(site, mechanism, filtered):
    server = Server(USERS, mechanism)
    mta = site(server, smtp_sasl_mechanism_filter=filtered)
    mta.send("a@site.test", "b@good.test")
    mta.send("a@site.test", "c@good.test")
    wait_for(lambda: len(server.messages) == 2)
    assert server.logins == [(mechanism.split()[0], "user", True)] * len(server.logins)
    assert b"AUTH" not in b"".join(m[0] for m in server.messages)


@pytest.mark.parametrize("options, offered, used", [
    ("noplaintext, noanonymous", "PLAIN LOGIN", None), ("noplaintext, noanonymous", "PLAIN LOGIN CRAM-MD5", "CRAM-MD5"), ("noactive", "CRAM-MD5 PLAIN SCRAM-SHA-1", "SCRAM-SHA-1"),
    ("mutual_auth", "CRAM-MD5", None), ("nodictionary", "SCRAM-SHA-256 CRAM-MD5", None), ("", "GSSAPI LOGIN", "LOGIN")])
def test_security_options_forbid_mechanisms(site, options, offered, used):
    server = Server(USERS, offered)
    mta = site(server, smtp_sasl_security_options=options)
    queue_id = mta.send("a@site.test", "b@good.test")
    if used:
        wait_for(lambda: server.messages)
        assert server.logins == [(used, "user", True)]
        return
    mta.wait_log(rf"{queue_id}: to=<b@good.test>, .*dsn=4.7.0, status=deferred \(SASL authentication failed; cannot authenticate to server mx.good.test\[127.0.0.2\]: no mechanism available\)")
    assert not any(line.startswith(b"AUTH") for line in server.dialogue)


def test_passwords_never_go_out_in_clear_by_default(site):
    server = Server(USERS, "PLAIN LOGIN")
    mta = site(server, smtp_sasl_security_options="$smtp_sasl_tls_security_options", smtp_sasl_tls_security_options="noplaintext, noanonymous")
    mta.send("a@site.test", "b@good.test")
    mta.wait_log("no mechanism available")
    assert not server.messages and not any(line.startswith(b"AUTH") for line in server.dialogue)


def test_nothing_that_is_offered_may_be_used(site):
    server = Server(USERS, "NTLM GSSAPI PLAIN")
    mta = site(server, smtp_sasl_mechanism_filter="login")
    mta.send("a@site.test", "b@good.test")
    mta.wait_log(r"dsn=4.7.0, status=deferred \(SASL authentication failed: server mx.good.test\[127.0.0.2\] offered no compatible authentication mechanisms for this type of connection security\)")


def test_a_server_without_login_or_without_auth_is_spoken_to_as_a_stranger(site):
    server = Server(USERS, "PLAIN", must=False)
    mta = site(server, smtp_sasl_password_maps="inline:{{elsewhere.test = user:pass:word}}", smtp_send_dummy_mail_auth="yes")
    mta.send("a@site.test", "b@good.test")
    wait_for(lambda: server.messages)
    assert not server.logins and b"AUTH=<>" not in server.messages[0][0]
    bare = Server(USERS, "", must=False, ehlo="X-")
    mta = site(bare)
    mta.send("a@site.test", "b@good.test")
    wait_for(lambda: bare.messages)


def test_auth_is_named_in_the_old_form_and_mail_says_so(site):
    server = Server(USERS, "LOGIN PLAIN", ehlo="AUTH=")
    mta = site(server, smtp_send_dummy_mail_auth="yes")
    mta.send("a@site.test", "b@good.test")
    wait_for(lambda: server.messages)
    assert server.messages[0][0].endswith(b" AUTH=<>")


def test_logins_by_next_hop_and_by_sender(site):
    server = Server(USERS, "PLAIN")
    port = server.port
    mta = site(server, smtp_sender_dependent_authentication="yes", relayhost=f"[mx.good.test]:{port}", recipient_delimiter="+",
               smtp_sasl_password_maps=f"inline:{{{{[mx.good.test]:{port} = user:pass:word}}, {{one@site.test = other:second}}, {{@two.test = third:third}}}}")
    senders = ["one@site.test", "one+x@site.test", "b@two.test", "nobody@site.test", "one@site.test", "nobody@site.test", ""]
    for n, sender in enumerate(senders):
        mta.send(sender, f"r{n}@far.test")
        wait_for(lambda: len(server.messages) == n + 1)
    wanted = {"one@site.test": "other", "one+x@site.test": "other", "b@two.test": "third", "nobody@site.test": "user", "": "user"}
    assert server.used == [(s, wanted[s]) for s in senders]


def test_a_refused_login_defers_and_is_remembered(site):
    server = Server({"user": "changed"}, "PLAIN", reply=b"535 5.7.8 wrong")
    mta = site(server, smtp_sasl_auth_cache_name="hash:/nowhere", mtad_send_workers="1")
    mta.send("a@site.test", "b@good.test")
    mta.wait_log(r"dsn=4.7.8, status=deferred \(SASL authentication failed; server mx.good.test\[127.0.0.2\] said: 535 5.7.8 wrong\)")
    mta.send("a@site.test", "c@two.test")
    mta.wait_log(r"dsn=4.7.8, status=deferred \(SASL \[CACHED\] authentication failed; server mx.good.test\[127.0.0.2\] said: 535 5.7.8 wrong\)")
    assert len(server.logins) == 1


def test_a_refused_login_bounces_where_the_site_says_so(site):
    server = Server({}, "LOGIN", reply=b"535 5.7.8 wrong")
    mta = site(server, smtp_sasl_auth_soft_bounce="no")
    mta.send("a@site.test", "b@good.test")
    mta.wait_log(r"dsn=5.7.8, status=bounced \(SASL authentication failed; server mx.good.test\[127.0.0.2\] said: 535 5.7.8 wrong\)")


def test_a_server_that_only_pretends_to_know_the_password_gets_no_mail(site):
    server = Server(USERS, "SCRAM-SHA-256")
    server.auth_scram_sha_256 = lambda s, first: server.scram(s, first, "sha256", lie=True)
    mta = site(server)
    mta.send("a@site.test", "b@good.test")
    mta.wait_log(r"status=deferred \((SASL authentication failed; cannot authenticate|lost connection)")
    assert not server.messages


def test_credentials_are_in_no_log(site):
    server = Server(USERS, "LOGIN PLAIN")
    mta = site(server, debug_peer_list="127.0.0.2, mx.good.test", debug_peer_level="3", smtp_sasl_mechanism_filter="login")
    mta.send("a@site.test", "b@good.test")
    wait_for(lambda: server.messages)
    mta.wait_log("AUTH LOGIN")
    for secret in ("pass:word", b64("pass:word").decode(), b64("user").decode()):
        assert secret not in mta.log()


def test_a_wrong_option_is_told_at_start(tmp_path):
    mta = Instance(tmp_path / "site", {**ON, "smtp_sasl_security_options": "noplain"})
    mta.start(expect_ready=False)
    assert mta.process.wait(20) != 0
    assert re.search(r"main\.cf.*smtp_sasl_security_options: \"noplain\" is no security option", mta.errors() + mta.log())
    mta.process = None
