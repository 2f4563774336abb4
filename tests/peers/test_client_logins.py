"""The client's logins at a real server: Debian's Postfix with Dovecot behind it; and what smtp(8) says beside ours where they fail."""
import os
import re
import smtplib
import sys

import pytest
from certs import Authority
from dovecottest import Dovecot
from mtadtest import Instance, wait_for
from postfixtest import Postfix

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "e2e"))
from test_client_auth import USERS, Server  # noqa: E402

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="Postfix and Dovecot need root")
LOGIN = {"smtp_sasl_auth_enable": "yes", "smtp_sasl_security_options": "noanonymous", "local_recipient_maps": ""}


@pytest.fixture(scope="module")
def submission(tmp_path_factory):
    path = tmp_path_factory.mktemp("auth")
    for p in (path, path.parent):
        os.chmod(p, 0o755)
    (path / "ca").mkdir()
    certificate = Authority(path / "ca").issue("mail.site.test")
    with Dovecot(path / "dovecot", {"user@site.test": "pass word \u00fc", "second": "simple"}) as d:
        with Postfix(path / "postfix", {"smtpd_sasl_auth_enable": "yes", "smtpd_sasl_type": "dovecot", "smtpd_sasl_path": d.socket, "mynetworks": "192.0.2.1",
                                        "smtpd_sasl_security_options": "noanonymous", "smtpd_recipient_restrictions": "permit_sasl_authenticated, reject",
                                        "smtpd_relay_restrictions": "permit_sasl_authenticated, reject", "default_transport": "discard", "smtpd_tls_security_level": "may",
                                        "smtpd_tls_key_file": str(certificate.key), "smtpd_tls_cert_file": str(certificate.cert)}) as p:
            yield p


@pytest.mark.parametrize("level, sent", [("encrypt", True), ("none", False)])
def test_the_usual_smarthost(submission, tmp_path, level, sent):
    """Passwords in the clear are for TLS only, as sites usually have it."""
    os.chmod(tmp_path, 0o755)
    with Instance(tmp_path / "site", {**LOGIN, "smtp_sasl_password_maps": "static:second:simple", "relayhost": f"[127.0.0.1]:{submission.port}", "smtp_tls_security_level": level,
                                      "smtp_sasl_mechanism_filter": "plain, login", "smtp_sasl_security_options": "noplaintext, noanonymous",
                                      "smtp_sasl_tls_security_options": "noanonymous"}, root=True) as mta:
        queue_id = mta.send("a@site.test", "b@far.test")
        if sent:
            there = mta.wait_log(rf"{queue_id}: to=<b@far.test>, .*status=sent \(250 2.0.0 Ok: queued as (\w+)\)")[1]
            submission.wait_log(rf"{there}: client=localhost\[127.0.0.1\], sasl_method=PLAIN, sasl_username=second")
        else:
            mta.wait_log(rf"{queue_id}: .*status=deferred \(SASL authentication failed; cannot authenticate to server 127.0.0.1\[127.0.0.1\]: no mechanism available\)")


@pytest.mark.parametrize("mechanism", ["plain", "login", "cram-md5", "scram-sha-1", "scram-sha-256", ""])
def test_dovecot_takes_our_logins(submission, tmp_path, mechanism):
    os.chmod(tmp_path, 0o755)
    table = tmp_path / "passwords"
    table.write_text(f"[127.0.0.1]:{submission.port} user@site.test:pass word \u00fc\n")
    with Instance(tmp_path / "site", {**LOGIN, "smtp_sasl_password_maps": f"hash:{table}", "relayhost": f"[127.0.0.1]:{submission.port}",
                                      "smtp_sasl_mechanism_filter": mechanism}, root=True) as mta:
        queue_id = mta.send("a@site.test", "b@far.test")
        there = mta.wait_log(rf"{queue_id}: to=<b@far.test>, .*status=sent \(250 2.0.0 Ok: queued as (\w+)\)")[1]
    used = (mechanism or "scram-sha-256").upper()
    submission.wait_log(rf"{there}: client=localhost\[127.0.0.1\], sasl_method={used}, sasl_username=user@site.test")


def test_dovecot_refuses_a_wrong_password(submission, tmp_path):
    os.chmod(tmp_path, 0o755)
    with Instance(tmp_path / "site", {**LOGIN, "smtp_sasl_password_maps": "static:second:wrong", "relayhost": f"[127.0.0.1]:{submission.port}"}) as mta:
        mta.send("a@site.test", "b@far.test")
        mta.wait_log(r"dsn=4.7.8, status=deferred \(SASL authentication failed; server 127.0.0.1\[127.0.0.1\] said: 535 5.7.8 Error: authentication failed")


# name: what the server offers, whether it knows the password, settings of the client
FAILURES = {
    "refused": ("PLAIN LOGIN", False, {}), "refused for good": ("PLAIN", False, {"smtp_sasl_auth_soft_bounce": "no"}),
    "clear": ("PLAIN LOGIN", True, {"smtp_sasl_security_options": "noplaintext, noanonymous"}), "unknown": ("NTLM9 GSSAPI9", True, {}),
    "filtered": ("PLAIN", True, {"smtp_sasl_mechanism_filter": "login"}), "right": ("LOGIN PLAIN", True, {}), "no login": ("PLAIN", True, {"smtp_sasl_password_maps": "inline:{{nowhere.test = x}}"}),
    "user alone": ("PLAIN", False, {"smtp_sasl_password_maps": "static:user"}), "old form": ("LOGIN", True, {"smtp_send_dummy_mail_auth": "yes"}),
}


def test_failures_read_as_those_of_smtp(tmp_path):
    os.chmod(tmp_path, 0o755)
    servers = {name: Server(USERS if known else {}, offered, must=False, ehlo="AUTH=" if name == "old form" else "AUTH ") for name, (offered, known, _) in FAILURES.items()}
    lines = "".join(f"t{i} unix - - n - - smtp\n" + "".join(f"  -o {{ {k} = {v} }}\n" for k, v in FAILURES[name][2].items()) for i, name in enumerate(FAILURES))
    routes = "".join(f"{{ t{i}.test = t{i}:[127.0.0.2]:{servers[name].port} }}, " for i, name in enumerate(FAILURES))
    main = {**LOGIN, "smtp_sasl_password_maps": "static:user:pass:word", "transport_maps": f"inline:{{ {routes} }}"}
    postfix = Postfix(tmp_path / "postfix", main)
    with open(f"{postfix.dir}/config/master.cf", "a") as f:
        f.write(lines)
    mta = Instance(tmp_path / "mtad", main)
    mta.master += lines
    mta.write()
    said = []
    with postfix, mta:
        for which, port in ((postfix, postfix.port), (mta, mta.port)):
            for server in servers.values():
                server.dialogue.clear()
                server.messages.clear()
            with smtplib.SMTP("127.0.0.1", port, local_hostname="client.test", timeout=30) as s:
                for i in range(len(FAILURES)):
                    s.sendmail("a@site.test", [f"x@t{i}.test"], "Subject: x\r\n\r\nhello\r\n")
            found = {}
            for i, name in enumerate(FAILURES):
                found[name] = re.sub(r":\d+,", ":n,", which.wait_log(rf"to=<x@t{i}.test>, (relay=\S+).*(dsn=.*)").expand(r"\1 \2"))
            wait_for(lambda: all(b"QUIT" in server.dialogue for name, server in servers.items() if "status=sent" in found[name]))
            said.append((found, {name: [re.sub(rb" SIZE=\d+", b"", line) for line in server.dialogue if line[:4] in (b"AUTH", b"MAIL")] for name, server in servers.items()}))
    for server in servers.values():
        server.close()
    different = [(name, *(both[part][name] for both in said)) for part in (0, 1) for name in FAILURES if said[0][part][name] != said[1][part][name]]
    print(*(f"{name}\n  postfix {theirs}\n  mtad    {ours}" for name, theirs, ours in different), sep="\n")
    assert not different
