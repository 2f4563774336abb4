"""AUTH with mtad's own mechanisms (smtpd_sasl_type = gsasl) on users that mtactl sasl passwd made."""
import base64
import hashlib
import hmac
import os
import re
import smtplib
import socketserver
import ssl
import stat
import threading
import time

import pexpect
import pytest
from certs import Authority
from mtadtest import BUILD, Instance, free_port, wait_for
from smtptalk import Talk, b64

USER, PASSWORD = "ann@site.test", "correct horse"
MAIN = {
    "smtpd_sasl_auth_enable": "yes", "smtpd_sasl_type": "gsasl", "mynetworks": "10.0.0.0/8", "smtpd_error_sleep_time": "0",
    "smtpd_sasl_authenticated_header": "yes", "smtpd_sasl_local_domain": "site.test", "smtpd_hard_error_limit": "20", "maximal_queue_lifetime": "1d",
}


def login(user, password, authzid=""):
    return b64(f"{authzid}\0{user}\0{password}".encode())


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("auth")
    os.chmod(folder, 0o755)
    mta = Instance(folder / "site", {**MAIN, "mtad_sasl_password_maps": f"hash:{folder}/site/users"})
    for user, password in ((USER, PASSWORD), ("bob@site.test", "bob's own")):
        r = mta.ctl("sasl", "passwd", user, "--stdin", stdin=password + "\n")
        assert r.returncode == 0, r.stderr
    with mta:
        yield mta


@pytest.fixture
def talk(site):
    t = Talk(site.port)
    t.say(b"EHLO client.test")
    yield t
    t.close()


def test_what_is_kept(site):
    """Nothing from which the password could be read, and nobody else's business."""
    for name in ("users", "users.gdbm"):
        assert stat.S_IMODE(os.stat(f"{site.dir}/{name}").st_mode) == 0o600
        with open(f"{site.dir}/{name}", "rb") as f:
            assert PASSWORD.encode() not in f.read()
    rows = {r["user"]: r for r in site.rows("sasl", "ls")}
    assert set(rows) == {USER, "bob@site.test"} and rows[USER]["kept"] == "SCRAM-SHA-256 SCRAM-SHA-1"
    assert rows[USER]["iterations"] == 10000


def test_ehlo_and_smtplib(site):
    with smtplib.SMTP("127.0.0.1", site.port, local_hostname="client.test") as s:
        s.ehlo()
        assert s.esmtp_features["auth"].split() == ["PLAIN", "LOGIN", "SCRAM-SHA-1", "SCRAM-SHA-256"]
        s.login(USER, PASSWORD)
        s.sendmail("ann@site.test", ["someone@dead.test"], "Subject: x\r\n\r\nsubmitted\r\n")
    line = site.wait_log(rf": client=localhost\[127.0.0.1\], sasl_method=PLAIN, sasl_username={USER}\n")
    queue_id = re.search(r"(\w+): client=$", site.log()[:line.start() + 9]).group(1)
    text = site.ctl("cat", queue_id).stdout
    assert "(Authenticated sender: ann@site.test)" in text and " with ESMTPA id " in text


@pytest.mark.parametrize("lines,code", [
    ([b"AUTH PLAIN " + login(USER, PASSWORD)], b"235 2.7.0 Authentication successful"),
    ([b"AUTH PLAIN " + login("ann", PASSWORD)], b"235"),                    # smtpd_sasl_local_domain
    ([b"AUTH PLAIN " + login("ANN@site.test", PASSWORD)], b"235"),
    ([b"AUTH PLAIN " + login(USER, PASSWORD, USER)], b"235"),
    ([b"AUTH PLAIN", login(USER, PASSWORD)], b"235"),
    ([b"auth plain " + login(USER, PASSWORD)], b"235"),
    ([b"AUTH LOGIN", b64(USER.encode()), b64(PASSWORD.encode())], b"235"),
    ([b"AUTH LOGIN " + b64(USER.encode()), b64(PASSWORD.encode())], b"235"),
    ([b"AUTH LOGIN =", b64(USER.encode()), b64(PASSWORD.encode())], b"235"),
    ([b"AUTH PLAIN " + login(USER, "wrong")], b"535 5.7.8 Error: authentication failed: (reason unavailable)"),
    ([b"AUTH PLAIN " + login(USER, PASSWORD + " ")], b"535"),
    ([b"AUTH PLAIN " + login(USER, PASSWORD[:-1])], b"535"),
    ([b"AUTH PLAIN " + login(USER, "")], b"535"),
    ([b"AUTH PLAIN " + login("", PASSWORD)], b"535"),
    ([b"AUTH PLAIN " + login("nobody@site.test", PASSWORD)], b"535"),
    ([b"AUTH PLAIN " + login(".", PASSWORD)], b"535"),
    ([b"AUTH PLAIN " + login(USER, PASSWORD, "bob@site.test")], b"535"),    # nobody acts for another
    ([b"AUTH PLAIN " + b64(USER.encode())], b"535"),
    ([b"AUTH PLAIN ="], b"535"),
    ([b"AUTH PLAIN !!!"], b"535 5.7.8 Error: authentication failed: Invalid base64 data in initial response"),
    ([b"AUTH PLAIN", b"AAA"], b"535 5.7.8 Error: authentication failed: Invalid base64 data in continued response"),
    ([b"AUTH PLAIN", b"*"], b"501 5.7.0 Authentication aborted"),
    ([b"AUTH LOGIN", b""], b"535"),
    ([b"AUTH LOGIN", b64(USER.encode()), b""], b"535"),
    ([b"AUTH CRAM-MD5"], b"535 5.7.8 Error: authentication failed: Invalid authentication mechanism"),
    ([b"AUTH EXTERNAL ="], b"535 5.7.8 Error: authentication failed: Invalid authentication mechanism"),
    ([b"AUTH SCRAM-SHA-256-PLUS " + b64(b"p=tls-exporter,,n=ann@site.test,r=abc")], b"535 5.7.8 Error: authentication failed: Invalid"),
    ([b"AUTH"], b"501 5.5.4 Syntax: AUTH mechanism"),
    ([b"AUTH PLAIN", b"A" * 12289], b"500 5.5.6 SASL response limit exceeded"),
    ([b"AUTH SCRAM-SHA-256", b""], b"535"),
])
def test_dialogue(talk, lines, code):
    for line in lines[:-1]:
        assert talk.say(line).startswith(b"334"), line
    answer = talk.say(lines[-1])
    assert answer.startswith(code), answer
    assert talk.say(b"NOOP").startswith(b"250")


def scram(talk, user, password, algorithm="sha256", bind=None, flag=b"n"):
    """RFC 5802's client; the last reply, and the server's first message. bind: the bytes of tls-unique."""
    name = {"sha256": b"SCRAM-SHA-256", "sha1": b"SCRAM-SHA-1"}[algorithm] + (b"-PLUS" if bind else b"")
    bare = f"n={user},r=fyko+d2lbbFgONRv9qkxdawL".encode()
    header = (b"p=tls-unique" if bind else flag) + b",,"
    answer = talk.say(b"AUTH " + name + b" " + b64(header + bare))
    if flag == b"y":
        return answer, None
    assert answer.startswith(b"334 "), answer
    first = base64.b64decode(answer[4:].strip())
    fields = dict(f.split(b"=", 1) for f in first.split(b","))
    salted = hashlib.pbkdf2_hmac(algorithm, password.encode(), base64.b64decode(fields[b"s"]), int(fields[b"i"]))
    without = b"c=" + b64(header + (bind or b"")) + b",r=" + fields[b"r"]
    message = b",".join((bare, first, without))
    key = hmac.digest(salted, b"Client Key", algorithm)
    signature = hmac.digest(hashlib.new(algorithm, key).digest(), message, algorithm)
    proof = b64(bytes(a ^ b for a, b in zip(key, signature)))
    answer = talk.say(b64(without + b",p=" + proof))
    if not answer.startswith(b"334"):
        return answer, fields
    server = hmac.digest(hmac.digest(salted, b"Server Key", algorithm), message, algorithm)
    assert base64.b64decode(answer[4:].strip()) == b"v=" + b64(server)
    return talk.say(b""), fields


@pytest.mark.parametrize("algorithm", ["sha1", "sha256"])
def test_scram(site, talk, algorithm):
    answer, _ = scram(talk, USER, PASSWORD, algorithm)
    assert answer.startswith(b"235 2.7.0"), answer
    assert talk.say(b"AUTH PLAIN " + login(USER, PASSWORD)).startswith(b"503 5.5.1 Error: already authenticated")


def test_scram_tells_nothing_of_users(site):
    """A name that is not there has a salt and iterations too, the same ones whenever it is asked, in every process."""
    seen = set()
    for _ in range(6):
        t = Talk(site.port)
        t.say(b"EHLO x")
        answer, fields = scram(t, "nobody@site.test", PASSWORD)
        assert answer.startswith(b"535 5.7.8"), answer
        seen.add((fields[b"s"], fields[b"i"]))
        t.close()
    assert len(seen) == 1 and list(seen)[0][1] == b"10000"
    t = Talk(site.port)
    t.say(b"EHLO x")
    answer, fields = scram(t, USER, "wrong")
    assert answer.startswith(b"535") and fields[b"s"] not in {s for s, _ in seen}
    t.close()


def test_relaying_is_for_those_who_logged_in(talk):
    talk.say(b"MAIL FROM:<ann@site.test>")
    assert talk.say(b"RCPT TO:<x@away.test>").startswith((b"454 4.7.1", b"554 5.7.1"))
    assert talk.say(b"AUTH PLAIN " + login(USER, PASSWORD)).startswith(b"503 5.5.1 Error: MAIL transaction in progress")
    talk.say(b"RSET")
    assert talk.say(b"AUTH PLAIN " + login(USER, "wrong")).startswith(b"535")
    talk.say(b"MAIL FROM:<ann@site.test>")
    assert talk.say(b"RCPT TO:<x@away.test>").startswith((b"454 4.7.1", b"554 5.7.1"))
    talk.say(b"RSET")
    assert talk.say(b"AUTH PLAIN " + login(USER, PASSWORD)).startswith(b"235")
    assert talk.say(b"MAIL FROM:<ann@site.test> AUTH=<>").startswith(b"250")
    assert talk.say(b"RCPT TO:<x@away.test>").startswith(b"250")


def test_log_lines(site, talk):
    talk.say(b"AUTH PLAIN " + login("eve\x1b[2J@site.test", "sesame"))
    site.wait_log(r"smtpd\[\d+\]: warning: localhost\[127.0.0.1\]: SASL PLAIN authentication failed: \(reason unavailable\), "
                  r"sasl_username=eve\?\[2J@site.test\n")
    talk.say(b"AUTH LOGIN")
    talk.say(b"*")
    site.wait_log(r"smtpd\[\d+\]: warning: localhost\[127.0.0.1\]: SASL LOGIN authentication aborted\n")
    for secret in ("sesame", "correct", base64.b64encode(b"sesame").decode(), login(USER, PASSWORD).decode()):
        assert secret not in site.log()


def test_guessing_takes_time_and_ends(tmp_path):
    mta = Instance(tmp_path / "site", {**MAIN, "mtad_sasl_password_maps": f"hash:{tmp_path}/site/users", "smtpd_error_sleep_time": "1s",
                                       "smtpd_hard_error_limit": "3"})
    os.chmod(tmp_path, 0o755)
    assert mta.ctl("sasl", "passwd", USER, "--stdin", stdin=PASSWORD + "\n").returncode == 0
    with mta:
        t = Talk(mta.port)
        t.say(b"EHLO x")
        began = time.monotonic()
        for _ in range(2):
            assert t.say(b"AUTH PLAIN " + login(USER, "wrong")).startswith(b"535")
        assert time.monotonic() - began >= 1.9
        t.s.sendall(b"AUTH PLAIN " + login(USER, "wrong") + b"\r\n")
        assert b"421 4.7.0 mail.site.test Error: too many errors" in t.f.read()
        mta.wait_log(r"too many errors after AUTH from localhost\[127.0.0.1\]")


def test_changes_count_at_once(site):
    """mtactl changes the table; the next session sees it, without a reload."""
    def answer(password):
        t = Talk(site.port)
        t.say(b"EHLO x")
        code = t.say(b"AUTH PLAIN " + login("carl@site.test", password))[:3]
        t.close()
        return code
    assert answer("one") == b"535"
    assert site.ctl("sasl", "passwd", "carl@site.test", "--stdin", stdin="one\n").stdout == "added carl@site.test\n"
    assert answer("one") == b"235"
    assert site.ctl("sasl", "passwd", "carl@site.test", "--stdin", stdin="two\n").stdout == "changed carl@site.test\n"
    assert answer("one") == b"535" and answer("two") == b"235"
    with open(f"{site.dir}/.users.before", "w") as f:
        f.write("a former text with a secret\n")
    assert site.ctl("sasl", "del", "carl@site.test").stdout == "deleted carl@site.test\n"
    assert answer("two") == b"535"
    # What is gone is gone: no file beside the table has it, or what stood there before.
    assert not [name for name in os.listdir(site.dir) if name.startswith(".users")]
    r = site.ctl("sasl", "del", "carl@site.test")
    assert r.returncode == 1 and "no user" in r.stderr


def test_prompt_without_echo(site):
    child = pexpect.spawn(f"{BUILD}/mtactl", ["-c", site.dir, "sasl", "passwd", "dora@site.test"], encoding="utf-8", timeout=20)
    child.expect("New password: ")
    child.sendline("geheim")
    child.expect("Once more: ")
    child.sendline("anders")
    child.expect("not the same")
    child.expect(pexpect.EOF)
    assert "geheim" not in child.before
    child.close()
    assert child.exitstatus == 65
    child = pexpect.spawn(f"{BUILD}/mtactl", ["-c", site.dir, "sasl", "passwd", "dora@site.test"], encoding="utf-8", timeout=20)
    seen = ""
    for text in ("New password: ", "Once more: "):
        child.expect(text)
        child.sendline("geheim")
        seen += child.before
    child.expect("added dora@site.test")
    seen += child.before
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0 and "geheim" not in seen


@pytest.mark.parametrize("main,expect", [
    ({"smtpd_sasl_type": "cyrus"}, r'smtpd_sasl_type: "cyrus" is not built in; use "dovecot" with smtpd_sasl_path'),
    ({"smtpd_sasl_type": "gsasl"}, r"mtad_sasl_password_maps: smtpd_sasl_type = gsasl needs a table of users"),
    ({"smtpd_sasl_type": "dovecot", "smtpd_sasl_path": ""}, r"smtpd_sasl_path: the path of Dovecot's authentication socket is needed"),
    ({"smtpd_sasl_type": "dovecot", "smtpd_sasl_security_options": "noplain"}, r'smtpd_sasl_security_options: there is no option "noplain"'),
])
def test_settings_that_are_wrong(tmp_path, main, expect):
    mta = Instance(tmp_path / "site", {"smtpd_sasl_auth_enable": "yes", **main})
    r = mta.ctl("config", "check")
    assert r.returncode == 78 and re.search(expect, r.stdout + r.stderr), r.stdout + r.stderr


def test_settings(tmp_path):
    """What hides or takes away mechanisms, and MAIL's AUTH=, each a service of its own."""
    os.chmod(tmp_path, 0o755)
    services = {
        "plain": {"smtpd_sasl_security_options": "noanonymous, noplaintext", "broken_sasl_auth_clients": "yes"},
        "filter": {"smtpd_sasl_mechanism_filter": "!login, static:rest"},
        "hidden": {"smtpd_sasl_exceptions_networks": "127.0.0.0/8"},
        "mutual": {"smtpd_sasl_security_options": "mutual_auth"},
        "tls": {"smtpd_tls_auth_only": "yes"},
        "off": {"smtpd_sasl_auth_enable": "no"},
        "keyword": {"smtpd_discard_ehlo_keywords": "auth"},
        "limit": {"smtpd_sasl_response_limit": "12300"},
    }
    ports = {name: free_port() for name in services}
    master = "".join(f"127.0.0.1:{ports[n]} inet n - y - - smtpd\n" + "".join(f"  -o {{{k} = {v}}}\n" for k, v in o.items()) for n, o in services.items())
    mta = Instance(tmp_path / "site", {**MAIN, "mtad_sasl_password_maps": f"hash:{tmp_path}/site/users"}, master=master)
    assert mta.ctl("sasl", "passwd", USER, "--stdin", stdin=PASSWORD + "\n").returncode == 0
    good = b"AUTH PLAIN " + login(USER, PASSWORD)
    with mta:
        def begin(name):
            t = Talk(ports[name])
            words = t.say(b"EHLO x").decode().splitlines()
            return t, [w[4:] for w in words if "AUTH" in w]
        t, words = begin("plain")
        assert words == ["AUTH SCRAM-SHA-1 SCRAM-SHA-256", "AUTH=SCRAM-SHA-1 SCRAM-SHA-256"]
        assert t.say(good).startswith(b"535 5.7.8 Error: authentication failed: Invalid authentication mechanism")
        t, words = begin("filter")
        assert words == ["AUTH PLAIN SCRAM-SHA-1 SCRAM-SHA-256"]
        t, words = begin("hidden")
        assert words == [] and t.say(good).startswith(b"235")
        t, words = begin("mutual")
        assert words == ["AUTH SCRAM-SHA-1 SCRAM-SHA-256"]
        for name in ("tls", "off", "keyword"):
            t, words = begin(name)
            assert words == [] and t.say(good) == b"503 5.5.1 Error: authentication not enabled\r\n"
        t, words = begin("limit")
        assert t.say(b"AUTH PLAIN").startswith(b"334")
        assert t.say(b"A" * 12400) == b"500 5.5.6 SASL response limit exceeded\r\n"
        assert t.say(b"MAIL FROM:<a@b.test> AUTH=x AUTH=y") == b"503 5.5.4 Error: multiple AUTH= options\r\n"
        assert t.say(b"MAIL FROM:<a@b.test> AUTH=x+2By").startswith(b"250")
        assert t.say(b"RCPT TO:<root@site.test>").startswith(b"250")
        mta.wait_log(r"client=localhost\[127.0.0.1\], sasl_sender=x\+2By\n")


@pytest.fixture(scope="module")
def secure(tmp_path_factory):
    """submission (587) and submissions (465), as Debian's master.cf has them."""
    folder = tmp_path_factory.mktemp("secure")
    os.chmod(folder, 0o755)
    ca = Authority(folder / "ca")
    cert = ca.issue("mail.site.test", names=["mail.site.test", "localhost"])
    ports = free_port(), free_port(), free_port()
    ports += free_port(),
    options = "  -o smtpd_sasl_auth_enable=yes\n  -o smtpd_relay_restrictions=permit_sasl_authenticated,reject\n"
    master = (f"127.0.0.1:{ports[0]} inet n - y - - smtpd\n  -o smtpd_tls_security_level=may\n  -o smtpd_tls_auth_only=yes\n{options}"
              f"127.0.0.1:{ports[1]} inet n - y - - smtpd\n  -o smtpd_tls_wrappermode=yes\n{options}"
              f"127.0.0.1:{ports[2]} inet n - y - - smtpd\n  -o smtpd_tls_security_level=may\n  -o smtpd_tls_ask_ccert=yes\n  -o smtpd_tls_CAfile={ca.ca_file}\n"
              f"  -o {{ smtpd_sasl_mechanism_filter = static:all }}\n{options}"
              f"127.0.0.1:{ports[3]} inet n - y - - smtpd\n  -o smtpd_tls_security_level=may\n  -o {{ smtpd_sasl_security_options = noanonymous, noplaintext }}\n"
              f"  -o smtpd_sasl_tls_security_options=noanonymous\n  -o {{ smtpd_sender_login_maps = inline:{{{{{USER} = {USER}}}, {{shared@site.test = bob@site.test, {USER}}}, "
              f"{{bob@site.test = bob@site.test}}}} }}\n  -o smtpd_sender_restrictions=reject_sender_login_mismatch\n{options}")
    mta = Instance(folder / "site", {**MAIN, "mtad_sasl_password_maps": f"hash:{folder}/site/users", "smtpd_tls_chain_files": str(cert.both),
                                          "smtpd_tls_received_header": "yes"}, master=master)
    assert mta.ctl("sasl", "passwd", USER, "--stdin", stdin=PASSWORD + "\n").returncode == 0
    mta.port, mta.ca = ports[0], ca
    with mta:
        yield mta, ports


@pytest.mark.parametrize("who,offered,answers", [
    ("ann", True, {b"=": b"235 2.7.0", b64(USER.encode()): b"235", b64(b"bob@site.test"): b"535 5.7.8"}),
    ("nobody", True, {b"=": b"535 5.7.8"}), ("stranger", False, {b"=": b"535 5.7.8"}), ("none", False, {b"=": b"535 5.7.8"})])
def test_external(secure, who, offered, answers):
    """A certificate that is trusted says which of the site's users it is: RFC 4422, appendix A."""
    mta, ports = secure
    cert = {"ann": lambda: mta.ca.issue(USER, names=[]), "nobody": lambda: mta.ca.issue("eve@site.test", names=[]), "none": lambda: None,
            "stranger": lambda: Authority(mta.ca.folder / "other", "Other CA").issue(USER, names=[])}[who]()
    for argument, answer in answers.items():
        t = Talk(ports[2])
        t.say(b"EHLO x")
        assert t.say(b"AUTH EXTERNAL " + argument).startswith((b"535 5.7.8", b"503 5.5.1", b"530")), "not in clear text"
        assert t.say(b"STARTTLS").startswith(b"220")
        c = context()
        if cert:
            c.load_cert_chain(cert.cert, cert.key)
        t.s = c.wrap_socket(t.s)
        t.f = t.s.makefile("rb")
        assert (b"EXTERNAL" in t.say(b"EHLO x")) == offered
        assert t.say(b"AUTH EXTERNAL " + argument).startswith(answer), (who, argument)
        if answer.startswith(b"235"):
            assert t.say(b"MAIL FROM:<ann@site.test>").startswith(b"250") and t.say(b"RCPT TO:<x@dead.test>").startswith(b"250")
            mta.wait_log(rf"sasl_method=EXTERNAL, sasl_username={USER}\n")
        t.close()


def context(version=None):
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    c.check_hostname, c.verify_mode = False, ssl.CERT_NONE
    if version:
        c.maximum_version = version
    return c


def test_what_tls_allows_and_whose_senders(secure):
    """smtpd_sasl_tls_security_options in TLS, smtpd_sasl_security_options outside; smtpd_sender_login_maps."""
    mta, ports = secure
    with smtplib.SMTP("127.0.0.1", ports[3], local_hostname="client.test") as s:
        s.ehlo()
        assert s.esmtp_features["auth"].split() == ["SCRAM-SHA-1", "SCRAM-SHA-256"]
        s.starttls(context=context())
        s.ehlo()
        assert {"PLAIN", "LOGIN"} <= set(s.esmtp_features["auth"].split())
        # Who has not logged in sends as nobody who has a login.
        assert s.mail(USER)[0] == 250
        assert s.rcpt("x@dead.test") == (553, b"5.7.1 <" + USER.encode() + b">: Sender address rejected: not logged in")
        s.rset()
        s.login(USER, PASSWORD)
        for sender, answer in ((USER, (250, b"2.1.5 Ok")), ("shared@site.test", (250, b"2.1.5 Ok")),
                               ("bob@site.test", (553, f"5.7.1 <bob@site.test>: Sender address rejected: not owned by user {USER}".encode())),
                               ("free@other.test", (553, f"5.7.1 <free@other.test>: Sender address rejected: not owned by user {USER}".encode()))):
            assert s.mail(sender)[0] == 250
            assert s.rcpt("x@dead.test") == answer, sender
            s.rset()


def test_inside_tls_only(secure):
    mta, ports = secure
    with smtplib.SMTP("127.0.0.1", ports[0], local_hostname="client.test") as s:
        s.ehlo()
        assert "auth" not in s.esmtp_features and "starttls" in s.esmtp_features
        assert s.docmd("AUTH", "PLAIN " + login(USER, PASSWORD).decode()) == (503, b"5.5.1 Error: authentication not enabled")
        s.starttls(context=context())
        s.ehlo()
        assert s.esmtp_features["auth"].split() == ["PLAIN", "LOGIN", "SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256-PLUS"]
        s.login(USER, PASSWORD)
        s.sendmail("ann@site.test", ["tls@dead.test"], "Subject: x\r\n\r\nsubmitted\r\n")
    mta.wait_log(rf"sasl_method=PLAIN, sasl_username={USER}\n")
    text = mta.ctl("cat", mta.queue("rcpt = tls@dead.test")[0]["queue_id"]).stdout
    assert " with ESMTPSA id " in text and "(Authenticated sender: ann@site.test)" in text and "(using TLSv1." in text


def test_wrapper_mode(secure):
    _, ports = secure
    with smtplib.SMTP_SSL("127.0.0.1", ports[1], local_hostname="client.test", context=context()) as s:
        s.login(USER, PASSWORD)
        assert s.docmd("AUTH", "PLAIN") == (503, b"5.5.1 Error: already authenticated")


def test_channel_binding(secure):
    """SCRAM bound to this TLS session; to another one, or with the binding stripped by somebody between, it fails."""
    _, ports = secure
    def begin():
        t = Talk(ports[0])
        t.say(b"EHLO x")
        assert t.say(b"STARTTLS").startswith(b"220")
        t.s = context(ssl.TLSVersion.TLSv1_2).wrap_socket(t.s)
        t.f = t.s.makefile("rb")
        t.say(b"EHLO x")
        return t
    t = begin()
    answer, _ = scram(t, USER, PASSWORD, bind=t.s.get_channel_binding("tls-unique"))
    assert answer.startswith(b"235"), answer
    t = begin()
    answer, _ = scram(t, USER, PASSWORD, bind=b"x" * 12)
    assert answer.startswith(b"535"), answer
    answer, _ = scram(t, USER, PASSWORD, flag=b"y")
    assert answer.startswith(b"535"), answer
    answer, _ = scram(t, USER, PASSWORD)
    assert answer.startswith(b"235"), answer


class SaidByDovecot:
    """As much of its authentication service as lets everybody in; `requests` are the fields of what was asked."""

    def __init__(self, path):
        self.requests = []
        outer = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                self.wfile.write(b"VERSION\t1\t1\nMECH\tPLAIN\tplaintext\nSPID\t1\nCUID\t1\nCOOKIE\t00112233445566778899aabbccddeeff\nDONE\n")
                for line in self.rfile:
                    fields = line.decode().rstrip("\n").split("\t")
                    if fields[0] == "AUTH":
                        outer.requests.append(fields)
                        self.wfile.write(f"OK\t{fields[1]}\tuser=ann\n".encode())
        os.makedirs(os.path.dirname(path), exist_ok=True)
        self.server = type("Server", (socketserver.ThreadingUnixStreamServer,), {"daemon_threads": True})(path, Handler)
        os.chmod(path, 0o666)
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def test_no_dovecot(tmp_path):
    """A server that is not there costs nobody else's mail; one that comes is used."""
    os.chmod(tmp_path, 0o755)
    mta = Instance(tmp_path / "site", {**MAIN, "smtpd_sasl_type": "dovecot", "smtpd_sasl_path": "private/auth", "smtpd_sasl_service": "submission",
                                          "mtad_receive_workers": "1"})
    with mta:
        t = Talk(mta.port)
        assert b"AUTH" not in t.say(b"EHLO x")
        assert t.say(b"AUTH PLAIN " + login("a", "b")).startswith(b"454 4.7.0 Temporary authentication failure: Can't connect to authentication server")
        assert t.say(b"MAIL FROM:<a@b.test>").startswith(b"250")
        mta.wait_log(r"warning: SASL: Connect to Dovecot auth socket 'private/auth' failed: No such file or directory")
        wait_for(lambda: mta.ctl("doctor").returncode == 0)
        with SaidByDovecot(f"{mta.dir}/queue/private/auth") as server:
            def offered():
                with Talk(mta.port) as t:
                    return b"AUTH PLAIN" in t.say(b"EHLO x")
            wait_for(offered)
            with Talk(mta.port) as t:
                t.say(b"EHLO x")
                assert t.say(b"AUTH PLAIN " + login("a", "b")).startswith(b"235")
            assert "service=submission" in server.requests[-1] and f"resp={login('a', 'b').decode()}" in server.requests[-1]

