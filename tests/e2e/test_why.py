"""`why` names the cause, the next event and the step that would help, for faults that really happened."""
import time

import pytest
from mtadtest import Instance, Sink, wait_for

FAULTS = [
    # name, domain, what the peer does (None: nobody listens), code of the verdict, words of its help
    ("refused", "dead.test", None, "refused-connection", "flush"),
    ("greylisted", "good.test", {"RCPT": lambda s, a: b"450 4.2.0 Greylisted, try later"}, "greylisted", "by itself"),
    ("mailbox full", "good.test", {"RCPT": lambda s, a: b"452 4.2.2 Mailbox is full"}, "mailbox-full", "make room"),
    ("policy", "good.test", {"MAIL": lambda s, a: b"450 4.7.1 your address has no reverse name"}, "policy", "words"),
    ("too many", "good.test", {"MAIL": lambda s, a: b"421 4.7.0 Too many messages from you"}, "rate-limited", "concurrency"),
    ("time-out", "good.test", {"RCPT": lambda s, a: time.sleep(6)}, "peer-timeout", "overloaded"),
    ("hangs up", "good.test", {"END": lambda s, c: (_ for _ in ()).throw(Sink.Hangup())}, "lost-connection", "hung up|overloaded"),
    ("closed", "good.test", {"connect": lambda s, a: b"451 4.3.0 out of order"}, "refused-for-now", "words"),
]


@pytest.mark.parametrize("domain,script,code,words", [f[1:] for f in FAULTS], ids=[f[0] for f in FAULTS])
def test_a_deferred_message(tmp_path, domain, script, code, words):
    settings = {"smtp_rcpt_timeout": "1s", "smtp_rset_timeout": "1s", "smtp_quit_timeout": "1s"}
    mta = Instance(tmp_path / "site", settings)
    sink = Sink("127.0.0.2", mta.remote_port, script) if script is not None else None
    try:
        with mta:
            qid = mta.send("a@client.test", f"b@{domain}")
            wait_for(lambda: [r for r in mta.queue() if r["queue_name"] == "deferred"], 30)
            row = mta.rows("why", qid)[0]
            assert row["code"] == code, row
            assert any(w in row["help"] for w in words.split("|")), row
            assert row["next_time"] > time.time() and row["next_event"], row
            assert row["reason"] and row["verdict"] != row["reason"], row
    finally:
        if sink:
            sink.close()


def test_dns_trouble(tmp_path):
    from mtadtest import free_port
    with Instance(tmp_path / "site", {"mtad_dns_zone": "", "mtad_dns_servers": f"127.0.0.1@{free_port()}", "mtad_dns_timeout": "2s"}) as mta:
        qid = mta.send("a@client.test", "b@good.test")
        wait_for(lambda: [r for r in mta.queue() if r["queue_name"] == "deferred"], 40)
        row = mta.rows("why", qid)[0]
        assert row["code"] == "dns-trouble" and "resolv.conf" in row["help"], row


def test_held(mta):
    qid = mta.send("a@client.test", "b@dead.test")
    assert mta.ctl("hold", qid).returncode == 0
    row = mta.rows("why", qid)[0]
    assert "held by" in row["verdict"] and "release" in row["help"], row


def test_behind_a_suspended_destination(mta):
    for i in range(30):
        last = mta.send("a@client.test", f"b{i}@dead.test")
    wait_for(lambda: len([r for r in mta.queue() if r["queue_name"] == "deferred"]) == 30)
    row = mta.rows("why", last)[0]
    assert "dead.test" in row["verdict"] + row["destination"] and row["help"], row
    assert row.get("next_time") or row["next_event"], row


def test_unknown_transport(tmp_path):
    mta = Instance(tmp_path / "site", {"relay_domains": "piped.test", "relay_transport": "filter:dummy"})
    with mta:
        qid = mta.send("a@client.test", "b@piped.test")
        wait_for(lambda: [r for r in mta.queue() if r["queue_name"] == "deferred"])
        row = mta.rows("why", qid)[0]
        assert row["code"] == "no-transport" and "filter" in row["reason"] and "master.cf" in row["help"], row


def test_no_such_message(mta):
    r = mta.ctl("why", "4jXBb36Wvsz2W")
    assert r.returncode == 1 and "no such message" in r.stderr
