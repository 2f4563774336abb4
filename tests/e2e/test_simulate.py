"""mtactl simulate: the reply that a client would see, and what decided it; the daemon, asked the same, says the same, and hears nothing of the simulation."""
import re
import smtplib
import socketserver
import threading

import pytest
from mtadtest import ZONE, Instance

MORE = """
2.0.0.127.in-addr.arpa. PTR host.client.test.
host.client.test. A 127.0.0.2
3.0.0.127.in-addr.arpa. PTR forged.client.test.
forged.client.test. A 127.0.0.99
4.0.0.127.bl.test. A 127.0.0.4
4.0.0.127.bl.test. TXT "listed"
"""


class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            if line == b"\n":
                self.server.asked += 1
                self.wfile.write(b"action=DEFER_IF_PERMIT wait\n\n")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.asked = 0
    threading.Thread(target=server.serve_forever, daemon=True).start()
    folder = tmp_path_factory.mktemp("simulate")
    with Instance(folder / "site", {
            "mynetworks": "127.0.0.1/32", "local_recipient_maps": "inline:{ user=x }", "smtpd_relay_restrictions": "permit_mynetworks, reject_unauth_destination",
            "smtpd_client_restrictions": "permit_mynetworks, reject_rbl_client bl.test, check_client_access inline:{ {client.test = REJECT by name} }",
            "smtpd_helo_restrictions": "reject_invalid_helo_hostname",
            "smtpd_sender_restrictions": "check_sender_access inline:{ {hold@x.test = HOLD a look} {pre@x.test = PREPEND X-A: b} }, warn_if_reject reject_unknown_sender_domain",
            "smtpd_recipient_restrictions": f"check_sender_access inline:{{ {{asks@x.test = check}} }}, permit_sasl_authenticated, reject_plaintext_session",
            "smtpd_restriction_classes": "check", "check": f"check_policy_service inet:127.0.0.1:{server.server_address[1]}",
            "smtpd_reject_footer": r"\c (see $server_name)"}, zone=ZONE + MORE) as mta:
        yield mta, server
    server.shutdown()
    server.server_close()


def simulate(mta, *words):
    rows = mta.rows("simulate", *words)
    return rows, {r["command"].split(" ")[0]: r for r in rows if "reply" in r}


CASES = [
    ("127.0.0.1", "h.test", "a@good.test", "user@site.test"), ("127.0.0.2", "h.test", "a@good.test", "user@site.test"),
    ("127.0.0.3", "h.test", "a@good.test", "user@site.test"), ("127.0.0.4", "h.test", "a@good.test", "user@site.test"),
    ("127.0.0.5", "a!b", "a@good.test", "user@site.test"), ("127.0.0.5", "h.test", "a@nowhere.test", "user@site.test"),
    ("127.0.0.5", "h.test", "a@good.test", "x@far.test"), ("127.0.0.5", "h.test", "a@good.test", "nobody@site.test"), ("127.0.0.1", "h.test", "", "nobody@site.test"),
]


@pytest.mark.parametrize("client,helo,sender,rcpt", CASES)
def test_the_same_as_the_daemon(site, client, helo, sender, rcpt):
    mta, _ = site
    _, replies = simulate(mta, f"client={client}", f"helo={helo}", f"from={sender}", f"rcpt={rcpt}")
    with smtplib.SMTP("127.0.0.1", mta.port, source_address=(client, 0)) as s:
        s.ehlo(helo)
        s.mail(sender)
        code, text = s.rcpt(rcpt)
    assert replies["RCPT"]["reply"] == f"{code} {text.decode()}"
    assert replies["RCPT"]["accepted"] == (code == 250)
    assert mta.ctl("simulate", f"client={client}", f"helo={helo}", f"from={sender}", f"rcpt={rcpt}").returncode == (0 if code == 250 else 1)


def test_each_restriction_with_its_fact(site):
    mta, _ = site
    rows, replies = simulate(mta, "client=127.0.0.4", "helo=h.test", "from=a@x.test", "rcpt=user@site.test")
    rules = [(r["list"], r["restriction"].split(" ")[0], r["result"][:3]) for r in rows if "list" in r]
    assert rules == [("smtpd_client_restrictions", "permit_mynetworks", "-"), ("smtpd_client_restrictions", "reject_rbl_client", "554")]
    assert "A 4.0.0.127.bl.test: 127.0.0.4" in [r for r in rows if "list" in r][-1]["fact"]
    assert replies["RCPT"]["decided_by"] == "reject_rbl_client"
    assert replies["CONNECT"]["client"] == "unknown[127.0.0.4]"
    _, replies = simulate(mta, "client=127.0.0.3")
    assert (replies["CONNECT"]["client"], replies["CONNECT"]["reverse_client_name"]) == ("unknown[127.0.0.3]", "forged.client.test")
    _, replies = simulate(mta, "client=192.0.2.7,mx.client.test", "from=", "rcpt=user@site.test")
    assert replies["RCPT"]["reply"].startswith("554 5.7.1 <mx.client.test[192.0.2.7]>: Client host rejected: by name (see mail.site.test)")


def test_what_else_is_known(site):
    mta, server = site
    words = ("client=192.0.2.7,mx.test", "helo=h.test", "from=hold@x.test", "rcpt=user@site.test")
    _, replies = simulate(mta, *words)
    assert replies["RCPT"]["reply"].startswith("450 4.7.1 Session encryption is required")
    _, replies = simulate(mta, *words, "tls=yes")
    assert replies["RCPT"]["accepted"] and replies["RCPT"]["effects"] == ["HOLD a look"] and replies["END-OF-MESSAGE"]["reply"].startswith("250")
    assert any(line.startswith("hold: RCPT from mx.test[192.0.2.7]") for line in replies["RCPT"]["log"])
    assert any("reject_warning" in line for line in replies["RCPT"]["log"])
    assert not simulate(mta, *words, "auth=someone")[1]["RCPT"]["accepted"]
    assert "smtpd_sasl_auth_enable" in mta.ctl("simulate", *words, "auth=someone").stderr
    assert mta.ctl("-o", "smtpd_sasl_auth_enable=yes", "simulate", *words, "auth=someone").returncode == 0
    before = mta.log()
    ask = ("client=192.0.2.7,mx.test", "from=asks@x.test", "rcpt=user@site.test", "tls=yes")
    _, replies = simulate(mta, *ask)
    assert replies["RCPT"]["accepted"] and server.asked == 0
    _, replies = simulate(mta, *ask, "--ask")
    assert replies["RCPT"]["reply"].startswith("450 4.7.1 <asks@x.test>: Sender address rejected: wait") and server.asked == 1
    assert mta.log() == before and mta.queue() == []


def test_wrong_words(site):
    mta, _ = site
    client = "client=192.0.2.1,a.test"
    for words, said in ([], "mtactl simulate client="), (["client=x"], "an address is needed"), ([client, "rpct=1"], "did you mean rcpt="), (["helo=x"], "client=IP"), (["client"], "client="), \
            ([client, "rcpt=a@b"], "needs a sender"), ([client, "from=a", "rcpt="], "an address is needed"), ([client, "size=x"], "number of bytes"), \
            ([client, "from=a", "from=b"], "one sender"), ([client, "ccert=AA"], "tls=yes"):
        r = mta.ctl("simulate", *words)
        assert r.returncode == 64 and said.lower() in r.stderr.lower(), (words, r.stderr)
    assert all(word in mta.ctl("help", "simulate").stdout for word in ("client=IP", "rcpt=ADDRESS", "tls=yes"))
    r = mta.ctl("simulate", "client=192.0.2.1,a.test", "--service", "nosuch")
    assert r.returncode == 78 and "no smtpd service" in r.stderr
    text = mta.ctl("--table", "simulate", "client=127.0.0.4", "from=a@x.test", "rcpt=user@site.test").stdout
    assert re.search(r"RCPT TO:<user@site.test>\n  smtpd_client_restrictions \(\S+/main.cf:\d+\)\n    permit_mynetworks\n +127.0.0.4 is not in mynetworks\n"
                     r"    reject_rbl_client bl.test: refuses\n +A 4.0.0.127.bl.test: 127.0.0.4; TXT 4.0.0.127.bl.test: listed\n  554 5.7.1 ", text), text
