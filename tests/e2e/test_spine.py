"""Mail goes in, is safe, comes out; and where it does not, it can be seen why."""
import email
import getpass
import re

import pytest
from mtadtest import Sink, wait_for


def test_relay(mta, good):
    qid = mta.send("a@client.test", "b@good.test", "Subject: hi\r\n\r\n.dot\r\nbody\r\n")
    wait_for(lambda: good.messages)
    sender, recipients, content = good.messages[0]
    assert sender.startswith(b"FROM:<a@client.test>")
    assert recipients[0].startswith(b"TO:<b@good.test>")
    assert content.endswith(b"\r\n\r\n.dot\r\nbody\r\n")
    assert re.match(rb"Received: from client\.test \(localhost \[127\.0\.0\.1\]\)\r\n\tby mail\.site\.test \(mtad\) with ESMTP id "
                    + qid.encode() + rb"\r\n\tfor <b@good\.test>; ", content), content
    mta.wait_log(rf"smtp\[\d+\]: {qid}: to=<b@good\.test>, relay=mx\.good\.test\[127\.0\.0\.2\]:\d+, delay=[\d.]+, "
                 r"delays=[\d./]+, dsn=2\.0\.0, status=sent \(250 2\.0\.0 Ok\)")
    mta.wait_log(rf"qmgr\[\d+\]: {qid}: removed")
    mta.wait_empty()


def test_log_of_an_arrival(mta, good):
    qid = mta.send("a@client.test", "b@good.test", "Message-ID: <one@client.test>\r\n\r\nx\r\n")
    mta.wait_log(rf"smtpd\[\d+\]: connect from localhost\[127\.0\.0\.1\]")
    mta.wait_log(rf"smtpd\[\d+\]: {qid}: client=localhost\[127\.0\.0\.1\]")
    mta.wait_log(rf"cleanup\[\d+\]: {qid}: message-id=<one@client\.test>")
    mta.wait_log(rf"qmgr\[\d+\]: {qid}: from=<a@client\.test>, size=\d+, nrcpt=1 \(queue active\)")
    mta.wait_log(r"smtpd\[\d+\]: disconnect from localhost\[127\.0\.0\.1\] ehlo=1 mail=1 rcpt=1 data=1 quit=1 commands=5")


def test_local_delivery(mta):
    user = getpass.getuser()
    mta.send("a@client.test", f"{user}@site.test", "Subject: to a mailbox\r\n\r\nFrom here\r\n")
    wait_for(lambda: mta.mailbox(user))
    content = mta.mailbox(user)[0]
    assert content.startswith(b"Return-Path: <a@client.test>\n"), content
    assert f"\nDelivered-To: {user}@site.test\n".encode() in content
    assert content.endswith(b"\n\nFrom here\n")


def test_unknown_local_user_is_refused(mta):
    with mta.smtp() as s:
        s.ehlo()
        s.mail("a@client.test")
        code, text = s.rcpt("no-such-user-here@site.test")
    assert code == 550 and text.startswith(b"5.1.1 <no-such-user-here@site.test>: Recipient address rejected: User unknown"), text


def test_relay_is_denied_to_strangers(tmp_path):
    from mtadtest import Instance
    with Instance(tmp_path / "site", {"mynetworks": "127.0.0.99/32"}) as mta:
        with mta.smtp() as s:
            s.ehlo()
            s.mail("a@client.test")
            for address in ["b@good.test", "b%good.test@site.test", "good.test!b@site.test", '"b@good.test"@site.test',
                            "@site.test:b@good.test", "b@good.test@site.test", "b@[127.0.0.2]"]:
                code, text = s.rcpt(address)
                assert code // 100 in (4, 5), (address, code, text)
            code, text = s.rcpt("b@good.test")
            assert (code, text) == (454, b"4.7.1 <b@good.test>: Relay access denied")
        mta.wait_log(r"NOQUEUE: reject: RCPT from localhost\[127\.0\.0\.1\]: 454 4\.7\.1 <b@good\.test>: Relay access denied; "
                     r"from=<a@client\.test> to=<b@good\.test> proto=ESMTP helo=<client\.test>")


def test_deferred_and_why(mta):
    qid = mta.send("a@client.test", "b@dead.test")
    rows = wait_for(lambda: [r for r in mta.queue() if r["queue_name"] == "deferred"])
    assert rows[0]["queue_id"] == qid
    assert rows[0]["recipients"][0]["address"] == "b@dead.test"
    assert "Connection refused" in rows[0]["recipients"][0]["delay_reason"]
    why = mta.ctl("why", qid)
    assert why.returncode == 0
    assert "Connection refused" in why.stdout and "dead.test" in why.stdout, why.stdout
    assert mta.ctl("doctor").returncode == 0, mta.ctl("doctor").stdout


def test_bounce_to_the_sender(mta, good):
    with Sink("127.0.0.5", mta.remote_port, {"RCPT": lambda s, a: b"550 5.1.1 no such user here"}):
        qid = mta.send("a@good.test", "b@refuse.test")
        wait_for(lambda: good.messages)
    sender, recipients, content = good.messages[0]
    assert sender.startswith(b"FROM:<>")
    m = email.message_from_bytes(content)
    assert m.get_content_type() == "multipart/report" and m.get_param("report-type") == "delivery-status"
    text, status, original = m.get_payload()
    assert status.get_content_type() == "message/delivery-status"
    per_message, per_recipient = status.get_payload()
    assert per_message["Reporting-MTA"] == "dns; mail.site.test"
    assert per_recipient["Final-Recipient"] == "rfc822; b@refuse.test"
    assert per_recipient["Action"] == "failed" and per_recipient["Status"] == "5.1.1"
    assert per_recipient["Remote-MTA"] == "dns; mx.refuse.test"
    assert per_recipient["Diagnostic-Code"] == "smtp; 550 5.1.1 no such user here"
    mta.wait_log(rf"bounce\[\d+\]: {qid}: sender non-delivery notification: \w+")
    mta.wait_empty()


def test_a_bounce_never_bounces(mta):
    with Sink("127.0.0.5", mta.remote_port, {"RCPT": lambda s, a: b"550 5.1.1 no"}) as refuse:
        mta.send("", "b@refuse.test")
        mta.send("x@refuse.test", "y@refuse.test")
        wait_for(lambda: len([d for d in refuse.dialogue if d.startswith(b"RCPT")]) >= 3)
        mta.wait_empty()
        assert len([d for d in refuse.dialogue if d.startswith(b"RCPT")]) == 3


def test_partial_failure(mta):
    def rcpt(_, argument):
        if b"bad" in argument:
            return b"550 5.1.1 unknown"
        if b"later" in argument:
            return b"450 4.2.0 greylisted"
        return None
    with Sink("127.0.0.2", mta.remote_port, {"RCPT": rcpt}) as sink:
        qid = mta.send("", ["ok@good.test", "bad@good.test", "later@good.test"])
        rows = wait_for(lambda: [r for r in mta.queue() if r["queue_name"] == "deferred"])
        assert [r["address"] for r in rows[0]["recipients"]] == ["later@good.test"]
        assert "greylisted" in rows[0]["recipients"][0]["delay_reason"]
        assert len(sink.messages) == 1
        mta.wait_log(rf"{qid}: to=<bad@good\.test>.*status=bounced \(host mx\.good\.test\[127\.0\.0\.2\] said: 550 5\.1\.1 unknown "
                     r"\(in reply to RCPT TO command\)\)")


def test_hold_release_delete(mta, good):
    with Sink("127.0.0.4", mta.remote_port, {"MAIL": lambda s, a: b"451 4.3.0 not now"}):
        qid = mta.send("a@good.test", "b@dead.test")
        wait_for(lambda: [r for r in mta.queue() if r["queue_name"] == "deferred"])
        assert mta.ctl("hold", qid).returncode == 0
        assert mta.queue()[0]["queue_name"] == "hold"
        assert mta.ctl("release", qid).returncode == 0
        assert mta.queue()[0]["queue_name"] != "hold"
        assert mta.ctl("delete", qid).returncode == 0
        assert not mta.queue()
        assert mta.ctl("undelete", qid).returncode == 0
        assert len(mta.queue()) == 1
        assert mta.ctl("hold", "NOSUCHID").returncode in (1, 64)


def test_flush_sends_at_once(mta):
    mta.send("a@client.test", "b@dead.test")
    wait_for(lambda: [r for r in mta.queue() if r["queue_name"] == "deferred"])
    with Sink("127.0.0.4", mta.remote_port) as sink:
        assert mta.ctl("flush").returncode == 0
        wait_for(lambda: sink.messages)
        mta.wait_empty()


def test_cat_shows_the_message(mta):
    qid = mta.send("a@client.test", "b@dead.test", "Subject: shown\r\n\r\nthe body \x1b[31mred\r\n".encode())
    r = mta.ctl("cat", qid)
    assert r.returncode == 0 and "Subject: shown" in r.stdout and "the body" in r.stdout


def test_queue_survives_a_restart(mta):
    ids = {mta.send("a@client.test", f"b{i}@dead.test") for i in range(20)}
    mta.ctl("hold", sorted(ids)[0])
    mta.stop()
    offline = mta.ctl("queue", "ls", "--json")
    assert offline.returncode == 0 and len(offline.stdout.splitlines()) == 20, offline.stderr
    mta.start()
    rows = mta.queue()
    assert {r["queue_id"] for r in rows} == ids
    assert [r["queue_name"] for r in rows if r["queue_id"] == sorted(ids)[0]] == ["hold"]


def test_large_message(mta, good):
    line = b"0123456789abcdef" * 4 + b"\r\n"
    body = b"Subject: large\r\n\r\n" + line * 100000
    mta.ctl("status")
    with mta.smtp() as s:
        s.ehlo()
        s.mail("a@client.test")
        s.rcpt("b@good.test")
        assert s.data(body)[0] == 250
    wait_for(lambda: good.messages)
    assert good.messages[0][2].endswith(b"\r\n\r\n" + line * 100000)


@pytest.mark.parametrize("domain,mx", [("plain.test", "plain.test"), ("alias.test", "mx.good.test"), ("two.test", "mx.good.test")])
def test_dns_ways(mta, good, domain, mx):
    mta.send("a@client.test", f"b@{domain}")
    wait_for(lambda: good.messages)
    mta.wait_log(rf"to=<b@{domain}>, relay={mx}\[127\.0\.0\.2\]")


@pytest.mark.parametrize("domain,dsn,words", [
    ("nullmx.test", "5.1.10", "does not accept mail"), ("nowhere.test", "5.4.4", "not found")])
def test_dns_failures_bounce(mta, domain, dsn, words):
    mta.send("", f"b@{domain}")
    mta.wait_log(rf"to=<b@{domain}>, relay=none, .*dsn={dsn}, status=bounced \(.*{words}")


def test_reload_refuses_a_bad_configuration(mta, good):
    with open(f"{mta.dir}/main.cf", "a") as f:
        f.write("message_size_limit = many\n")
    r = mta.ctl("reload")
    assert r.returncode != 0 and "main.cf" in r.stderr + r.stdout and "message_size_limit" in r.stderr + r.stdout
    mta.send("a@client.test", "b@good.test")
    wait_for(lambda: good.messages)


def test_queued_mail_follows_the_new_configuration(mta):
    mta.send("a@client.test", "b@dead.test")
    wait_for(lambda: [r for r in mta.queue() if r["queue_name"] == "deferred"])
    with Sink("127.0.0.2", mta.remote_port) as relay:
        mta.settings["relayhost"] = f"[127.0.0.2]:{mta.remote_port}"
        mta.write()
        assert mta.ctl("reload").returncode == 0
        mta.ctl("flush")
        wait_for(lambda: relay.messages)
