"""AUTH beside Debian's Postfix with the same Dovecot behind both, with the clients that people have, and as fail2ban reads the log."""
import base64
import concurrent.futures
import os
import re
import smtplib
import socket
import subprocess

import pytest
from dovecottest import Dovecot
from mtadtest import Instance, free_port, wait_for
from postfixtest import Postfix

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="Postfix and Dovecot need root")

USER, PASSWORD = "user", "secret"
SASL = {"smtpd_sasl_auth_enable": "yes", "smtpd_sasl_type": "dovecot", "mynetworks": "10.0.0.0/8", "smtpd_sasl_authenticated_header": "yes",
        "broken_sasl_auth_clients": "yes", "smtpd_sasl_security_options": "noanonymous", "smtpd_error_sleep_time": "0"}


def b(text):
    return base64.b64encode(text.encode() if isinstance(text, str) else text)


PLAIN, WRONG = b("\0user\0secret"), b("\0user\0wrong")
E = b"EHLO x"
DIALOGUES = [
    [b"AUTH PLAIN " + PLAIN],
    [E, b"AUTH PLAIN " + PLAIN, b"AUTH PLAIN " + PLAIN, b"EHLO y", b"QUIT"],
    [E, b"AUTH PLAIN " + WRONG, b"AUTH PLAIN " + PLAIN],
    [E, b"AUTH PLAIN", PLAIN, b"NOOP"],
    [E, b"AUTH PLAIN =", PLAIN],
    [E, b"AUTH PLAIN", b"*", b"NOOP"],
    [E, b"AUTH PLAIN", b"* ", b"NOOP"],
    [E, b"AUTH", b"AUTH PLAIN a b", b"AUTH PLAIN not-base64!!", b"AUTH PLAIN abc", b"AUTH PLAIN ====", b"AUTH PLAIN AAA=AAAA"],
    [E, b"AUTH LOGIN", b("user"), b("secret")],
    [E, b"AUTH LOGIN", b("user"), b("wrong")],
    [E, b"AUTH LOGIN " + b("user"), b("secret")],
    [E, b"AUTH LOGIN", b("user"), b"*", b"AUTH LOGIN", b("user"), b("secret")],
    [E, b"AUTH LOGIN", b"", b"NOOP"],
    [E, b"AUTH LOGIN", b("user"), b"", b"NOOP"],
    [E, b"AUTH LOGIN", b"%%%"],
    [E, b"AUTH login", b("user"), b("secret")],
    [E, b"AUTH LOGIN =", b("user"), b("secret")],
    [E, b"AUTH NOSUCH", b"AUTH NOSUCH " + PLAIN, b"AUTH EXTERNAL =", b"AUTH ANONYMOUS ="],
    [E, b"AUTH PL AIN", b"AUTH PLAIN\t" + PLAIN],
    [E, b"auth  plain  " + PLAIN],
    [E, b"AUTH PLAIN ", b"*"],
    [E, b"MAIL FROM:<a@b.test>", b"AUTH PLAIN " + PLAIN, b"RSET", b"AUTH PLAIN " + PLAIN],
    [E, b"MAIL FROM:<a@b.test> AUTH=<>", b"RSET", b"MAIL FROM:<a@b.test> AUTH=x+40y", b"RSET", b"MAIL FROM:<a@b.test> AUTH="],
    [E, b"MAIL FROM:<a@b.test> AUTH=x AUTH=y", b"RSET", b"MAIL FROM:<a@b.test> AUTH=<> AUTH=<>", b"RSET", b"MAIL FROM:<a@b.test> AUTH"],
    [E, b"AUTH PLAIN " + PLAIN, b"MAIL FROM:<a@b.test> AUTH=<>", b"RCPT TO:<x@away.test>", b"RSET", b"MAIL FROM:<a@b.test> AUTH=a+zz"],
    [E, b"MAIL FROM:<a@b.test>", b"RCPT TO:<x@away.test>"],
    [E, b"AUTH PLAIN " + WRONG, b"MAIL FROM:<a@b.test>", b"RCPT TO:<x@away.test>"],
    [b"HELO x", b"AUTH PLAIN " + PLAIN, b"MAIL FROM:<a@b.test>", b"RCPT TO:<x@away.test>"],
    [E, b"AUTH PLAIN", b"A" * 13000, b"NOOP"],
    [E, b"AUTH PLAIN", b"A" * 11000, b"NOOP"],
    [E, b"AUTH PLAIN " + b("\0user"), b"NOOP"],
    [E, b"AUTH PLAIN " + b("\0\0"), b"NOOP"],
    [E, b"AUTH PLAIN " + b("\0user\0")],
    [E, b"AUTH PLAIN " + b("user\0user\0secret")],
    [E, b"AUTH PLAIN " + b("\0nobody\0secret"), b"NOOP"],
    [E, b"AUTH CRAM-MD5", b("user 0123456789abcdef0123456789abcdef")],
    [E, b"AUTH CRAM-MD5", b"*"],
    [E, b"AUTH CRAM-MD5 " + b("user x")],
    [E, b"AUTH SCRAM-SHA-1 " + b("n,,n=user,r=abcdef"), b"*"],
    [E, b"AUTH SCRAM-SHA-256 " + b("n,,n=user,r=abcdef"), b("c=biws,r=x,p=AAAA")],
    [E, b"AUTH SCRAM-SHA-256 " + b("garbage")],
    [E] + [b"AUTH PLAIN " + WRONG] * 3 + [b"QUIT"],
    [E, b"AUTH PLAIN", b"\x01\xff", b"NOOP"],
    [E, b"AUTH PLAIN " + PLAIN, b"RSET", b"NOOP", b"VRFY x", b"AUTH", b"QUIT"],
]


def dialogue(port, lines):
    answers = []
    with socket.create_connection(("127.0.0.1", port), timeout=30) as s:
        f = s.makefile("rb")

        def read():
            got = []
            while True:
                line = f.readline()
                got.append(line)
                if not line or line[3:4] != b"-":
                    return b"".join(got)
        read()
        for line in lines:
            s.sendall(line + b"\r\n")
            answers.append(read())
            if not answers[-1]:
                break
    return answers


def normal(answer):
    """Challenges are drawn by lot."""
    lines = answer.decode(errors="replace").splitlines()
    if answer.startswith(b"334 ") and len(answer) > 30:
        return ["334 (challenge)"]
    return sorted(line[:3] + " " + line[4:] for line in lines if line[4:] != "ETRN")


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    folder = tmp_path_factory.mktemp("both")
    os.chmod(folder, 0o755)
    os.chmod(folder.parent, 0o755)
    with Dovecot(folder / "dovecot", {USER: PASSWORD}) as dovecot:
        main = {**SASL, "smtpd_sasl_path": dovecot.socket}
        mta = Instance(folder / "mtad", {**main, "alias_maps": ""}, root=True)
        with Postfix(folder / "postfix", main) as postfix, mta:
            yield postfix, mta, dovecot


def test_same_dialogue(both):
    postfix, mta, _ = both
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        theirs = [pool.submit(dialogue, postfix.port, lines) for lines in DIALOGUES]
        ours = [pool.submit(dialogue, mta.port, lines) for lines in DIALOGUES]
        wrong = []
        for lines, a, o in zip(DIALOGUES, theirs, ours):
            a, o = a.result(), o.result()
            for i, line in enumerate(lines[:max(len(a), len(o))]):
                if [normal(x) for x in a[i:i + 1]] != [normal(x) for x in o[i:i + 1]]:
                    wrong.append(f"{b'/'.join(lines)[:100]} at {line[:60]}: Postfix {a[i:i + 1]}, mtad {o[i:i + 1]}")
                    break
    assert not wrong, "\n".join(wrong)


LINE = re.compile(r"/smtpd\[\d+\]: (?:\w+: )?((?:warning: )?(?:client=)?localhost\[127\.0\.0\.1\].*sasl.*)", re.I)


def test_same_log_lines(both):
    """What both logged of the same dialogues: failures, aborted ones, who submitted."""
    postfix, mta, _ = both
    lines = [sorted(set(LINE.findall(x.log()))) for x in (postfix, mta)]
    assert lines[0] == lines[1]
    assert any("sasl_method=PLAIN, sasl_username=user" in line for line in lines[1])


def fail2ban(log, *mode):
    r = subprocess.run(["fail2ban-regex", "--print-all-matched", log, "postfix" + ("[" + ",".join(mode) + "]" if mode else "")],
                       capture_output=True, text=True, timeout=60)
    found = re.search(r"Lines: (\d+) lines, (\d+) ignored, (\d+) matched", r.stdout)
    assert found, r.stdout + r.stderr
    return int(found.group(3)), r.stdout


def test_fail2ban(both, tmp_path):
    """Debian's filter finds as many failures in mtad's log as in Postfix', with the name of the log's program as Postfix has it."""
    postfix, mta, _ = both
    counts = []
    for name, log in (("postfix", postfix.log()), ("mtad", mta.log().replace(" mtad/", " postfix/"))):
        path = tmp_path / name
        path.write_text(log)
        counts.append(fail2ban(str(path), "mode=auth")[0])
    assert counts[0] == counts[1] > 5, counts


def test_dovecot_goes_and_comes(both):
    """A restarted Dovecot is used by the next client, without a reload."""
    _, mta, dovecot = both
    assert dialogue(mta.port, [E, b"AUTH PLAIN " + PLAIN])[1].startswith(b"235")
    dovecot.stop()
    wait_for(lambda: dialogue(mta.port, [E, b"AUTH PLAIN " + PLAIN])[1].startswith(b"454 4.7.0 Temporary authentication failure: Can"))
    dovecot.start()
    wait_for(lambda: dialogue(mta.port, [E, b"AUTH PLAIN " + PLAIN])[1].startswith(b"235"))


# -- clients ---------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def gsasl(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gsasl")
    os.chmod(folder, 0o755)
    mta = Instance(folder / "mtad", {**SASL, "smtpd_sasl_type": "gsasl", "mtad_sasl_password_maps": f"hash:{folder}/mtad/users", "alias_maps": ""}, root=True)
    assert mta.ctl("sasl", "passwd", USER, "--stdin", stdin=PASSWORD + "\n").returncode == 0
    with mta:
        yield mta


@pytest.fixture(params=["dovecot", "gsasl"])
def site(request):
    return request.getfixturevalue("both")[1] if request.param == "dovecot" else request.getfixturevalue("gsasl")


def run(command, stdin="", **env):
    return subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=30, env={**os.environ, **env})


def swaks(port, mechanism, password=PASSWORD):
    return run(["swaks", "--server", "127.0.0.1", "--port", str(port), "--from", "a@site.test", "--to", "b@dead.test", "--auth", mechanism,
                "--auth-user", USER, "--auth-password", password, "--helo", "client.test"])


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_swaks(site, mechanism):
    r = swaks(site.port, mechanism)
    assert r.returncode == 0 and "235 2.7.0 Authentication successful" in r.stdout and "queued as" in r.stdout, r.stdout + r.stderr
    site.wait_log(rf"sasl_method={mechanism}, sasl_username={USER}")
    r = swaks(site.port, mechanism, "wrong")
    assert r.returncode == 28 and "535 5.7.8 Error: authentication failed" in r.stdout, r.stdout + r.stderr


def test_swaks_cram_md5(both):
    _, mta, _ = both
    r = swaks(mta.port, "CRAM-MD5")
    assert r.returncode == 0 and "235 2.7.0" in r.stdout, r.stdout + r.stderr
    r = swaks(mta.port, "CRAM-MD5", "wrong")
    assert r.returncode == 28 and "535 5.7.8" in r.stdout, r.stdout + r.stderr


@pytest.mark.parametrize("mechanism", ["plain", "login", "scram-sha-1", "scram-sha-256"])
def test_msmtp(site, mechanism, tmp_path):
    def send(password):
        return run(["msmtp", "-C", "/dev/null", "--host=127.0.0.1", f"--port={site.port}", "--tls=off", f"--auth={mechanism}", f"--user={USER}",
                    f"--passwordeval=echo {password}", "--from=a@site.test", "b@dead.test"], "Subject: x\n\nmsmtp\n", HOME=str(tmp_path))
    r = send(PASSWORD)
    assert r.returncode == 0, r.stderr
    site.wait_log(rf"sasl_method={mechanism.upper()}, sasl_username={USER}")
    r = send("wrong")
    assert r.returncode == 77 and "535 5.7.8 Error: authentication failed" in r.stderr, r.stderr


def test_python(site):
    with smtplib.SMTP("127.0.0.1", site.port, local_hostname="client.test") as s:
        s.login(USER, PASSWORD)
        s.sendmail("a@site.test", ["b@dead.test"], "Subject: x\r\n\r\npython\r\n")
    with smtplib.SMTP("127.0.0.1", site.port, local_hostname="client.test") as s:
        with pytest.raises(smtplib.SMTPAuthenticationError) as e:
            s.login(USER, "wrong")
        assert e.value.smtp_code == 535


def test_mutt(site, tmp_path):
    (tmp_path / "rc").write_text(f'set smtp_url="smtp://{USER}@127.0.0.1:{site.port}/"\nset smtp_pass="{PASSWORD}"\nset ssl_starttls=no\n'
                                 'set ssl_force_tls=no\nset smtp_authenticators="plain:login"\nset from="a@site.test"\nset copy=no\n')
    r = run(["mutt", "-n", "-F", str(tmp_path / "rc"), "-s", "from mutt", "c@dead.test"], "mutt\n", HOME=str(tmp_path))
    assert r.returncode == 0, r.stdout + r.stderr
    assert wait_for(lambda: site.queue("rcpt = c@dead.test"))


def test_inet_socket(tmp_path):
    """smtpd_sasl_path = inet:ADDRESS:PORT"""
    os.chmod(tmp_path, 0o755)
    port = free_port()
    with Dovecot(tmp_path / "dovecot", {USER: PASSWORD}, port=port):
        with Instance(tmp_path / "mtad", {**SASL, "smtpd_sasl_path": f"inet:127.0.0.1:{port}", "alias_maps": ""}, root=True) as mta:
            assert dialogue(mta.port, [E, b"AUTH PLAIN " + PLAIN])[1].startswith(b"235")
