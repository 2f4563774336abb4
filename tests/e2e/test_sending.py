"""The client's side: what peers can and cannot do, and the notices that follow."""
import email
import re
import time

import pytest
from mtadtest import Instance, Sink, wait_for


def defer(mta, qid=None):
    return wait_for(lambda: [r for r in mta.queue() if r["queue_name"] == "deferred" and qid in (None, r["queue_id"])])


def test_one_connection_for_many(mta):
    connects = []
    with Sink("127.0.0.2", mta.remote_port, {"connect": lambda s, a: connects.append(1)}) as sink:
        for i in range(30):
            mta.send("a@client.test", f"b{i}@good.test")
        wait_for(lambda: len(sink.messages) == 30)
    assert len(connects) < 30


def test_many_recipients_in_one_delivery(mta, good):
    mta.send("a@client.test", [f"b{i}@good.test" for i in range(120)])
    wait_for(lambda: sum(len(m[1]) for m in good.messages) == 120)
    assert all(len(m[1]) <= 50 for m in good.messages) and len(good.messages) == 3


def test_dsn_is_passed_on(mta, good):
    with mta.smtp() as s:
        s.ehlo()
        s.mail("a@client.test", ["RET=HDRS", "ENVID=an+20id"])
        s.rcpt("b@good.test", ["NOTIFY=SUCCESS,FAILURE", "ORCPT=rfc822;orig+2Bx@y"])
        assert s.data("Subject: x\r\n\r\nx\r\n")[0] == 250
    wait_for(lambda: good.messages)
    sender, recipients, _ = good.messages[0]
    assert b"RET=HDRS" in sender and b"ENVID=an+20id" in sender
    assert b"NOTIFY=SUCCESS,FAILURE" in recipients[0] and b"ORCPT=rfc822;orig+2Bx@y" in recipients[0]


def test_success_notice_where_the_peer_has_no_dsn(mta, good):
    with Sink("127.0.0.3", mta.remote_port, extensions=("PIPELINING",)) as other:
        with mta.smtp() as s:
            s.ehlo()
            s.mail("a@good.test")
            s.rcpt("b@two.test", ["NOTIFY=SUCCESS"])
            s.data("Subject: x\r\n\r\nx\r\n")
        wait_for(lambda: other.messages)
        wait_for(lambda: good.messages)
    report = email.message_from_bytes(good.messages[0][2]).get_payload()[1].get_payload()
    assert report[1]["Action"] == "relayed" and report[1]["Status"] == "2.0.0"


def test_no_notice_where_none_is_wanted(mta, good):
    with Sink("127.0.0.5", mta.remote_port, {"RCPT": lambda s, a: b"550 5.1.1 no"}):
        with mta.smtp() as s:
            s.ehlo()
            s.mail("a@good.test")
            s.rcpt("b@refuse.test", ["NOTIFY=NEVER"])
            s.data("Subject: x\r\n\r\nx\r\n")
        mta.wait_log("status=bounced")
        mta.wait_empty()
    time.sleep(0.3)
    assert not good.messages


def test_8bit_is_converted_for_a_peer_without_8bitmime(mta):
    with Sink("127.0.0.2", mta.remote_port, extensions=("PIPELINING",)) as sink:
        mta.send("a@client.test", "b@good.test",
                 "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nGrüße\r\n".encode(), ["BODY=8BITMIME"])
        wait_for(lambda: sink.messages)
    content = sink.messages[0][2]
    assert all(b < 128 for b in content), content
    assert email.message_from_bytes(content).get_payload(decode=True).decode() .rstrip("\r\n") == "Grüße"


def test_a_peer_that_only_knows_helo(mta):
    with Sink("127.0.0.2", mta.remote_port, {"EHLO": lambda s, a: b"502 5.5.2 what?"}) as sink:
        mta.send("a@client.test", "b@good.test")
        wait_for(lambda: sink.messages)
        assert b"HELO mail.site.test" in sink.dialogue


def test_smtputf8_needs_a_peer_that_can(mta):
    with Sink("127.0.0.2", mta.remote_port, extensions=("PIPELINING", "8BITMIME")):
        with mta.smtp() as s:
            s.ehlo()
            s.mail("", ["SMTPUTF8"])
            s.command_encoding = "utf-8"
            assert s.rcpt("jörg@good.test")[0] == 250
            s.data("Subject: x\r\n\r\nx\r\n")
        mta.wait_log(r"dsn=5\.6\.7, status=bounced \(SMTPUTF8 is required, but was not offered by host mx\.good\.test")


def test_size_is_respected(mta):
    with Sink("127.0.0.2", mta.remote_port, extensions=("SIZE 1000",)):
        mta.send("", "b@good.test", "Subject: x\r\n\r\n" + "y" * 3000 + "\r\n")
        mta.wait_log(r"dsn=5\.3\.4, status=bounced \(message size \d+ exceeds size limit 1000 of server mx\.good\.test")


def test_greylisting_passes_by_itself(tmp_path):
    seen = set()

    def rcpt(_, argument):
        if argument in seen:
            return None
        seen.add(argument)
        return b"450 4.2.0 greylisted"
    with Instance(tmp_path / "site", {"minimal_backoff_time": "1s", "queue_run_delay": "1s"}) as mta:
        with Sink("127.0.0.6", mta.remote_port, {"RCPT": rcpt}) as sink:
            mta.send("a@client.test", "b@grey.test")
            wait_for(lambda: sink.messages, 20)
            mta.wait_log(r"to=<b@grey\.test>.*dsn=4\.2\.0, status=deferred \(host mx\.grey\.test\[127\.0\.0\.6\] said: 450 4\.2\.0 greylisted \(in reply to RCPT TO command\)\)")
            mta.wait_empty()


def test_the_second_mx_takes_over(mta, good):
    with Sink("127.0.0.3", mta.remote_port, {"connect": lambda s, a: b"421 4.3.2 closed for today"}):
        mta.send("a@client.test", "b@two.test")
        wait_for(lambda: good.messages)


def test_lost_connection_is_told(mta):
    def hang_up(*_):
        raise Sink.Hangup
    with Sink("127.0.0.2", mta.remote_port, {"DATA": hang_up}):
        qid = mta.send("a@client.test", "b@good.test")
        rows = defer(mta, qid)
        assert re.search(r"lost connection with mx\.good\.test\[127\.0\.0\.2\] while", rows[0]["recipients"][0]["delay_reason"]), rows


def test_a_silent_peer_times_out(tmp_path):
    with Instance(tmp_path / "site", {"smtp_mail_timeout": "1s", "smtp_rset_timeout": "1s", "smtp_quit_timeout": "1s"}) as mta:
        with Sink("127.0.0.2", mta.remote_port, {"MAIL": lambda s, a: time.sleep(5) or b"250 ok"}):
            qid = mta.send("a@client.test", "b@good.test")
            rows = defer(mta, qid)
            assert "timed out while" in rows[0]["recipients"][0]["delay_reason"], rows


def test_fallback_relay(tmp_path):
    with Instance(tmp_path / "site") as mta:
        mta.settings["smtp_fallback_relay"] = f"[127.0.0.2]:{mta.remote_port}"
        mta.write()
        assert mta.ctl("reload").returncode == 0
        with Sink("127.0.0.2", mta.remote_port) as good:
            mta.send("a@client.test", "b@dead.test")
            wait_for(lambda: good.messages)


def test_expiry_bounces(tmp_path):
    with Instance(tmp_path / "site", {"minimal_backoff_time": "1s", "maximal_backoff_time": "1s", "maximal_queue_lifetime": "2s",
                                      "bounce_queue_lifetime": "2s", "queue_run_delay": "1s"}) as mta:
        with Sink("127.0.0.2", mta.remote_port) as good:
            qid = mta.send("a@good.test", "b@dead.test")
            wait_for(lambda: good.messages, 30)
            assert b"Connection refused" in good.messages[0][2]
            mta.wait_log(rf"qmgr\[\d+\]: {qid}: from=<a@good\.test>, status=expired, returned to sender")
            mta.wait_empty()


def test_delay_warning(tmp_path):
    with Instance(tmp_path / "site", {"delay_warning_time": "1s", "minimal_backoff_time": "1s", "queue_run_delay": "1s"}) as mta:
        with Sink("127.0.0.2", mta.remote_port) as good:
            mta.send("a@good.test", "b@dead.test")
            wait_for(lambda: good.messages, 30)
            m = email.message_from_bytes(good.messages[0][2])
            assert m.get_payload()[1].get_payload()[1]["Action"] == "delayed"
            assert len([r for r in mta.queue() if r["recipients"][0]["address"] == "b@dead.test"]) == 1


def test_lmtp_answers_each_recipient(tmp_path):
    unix = str(tmp_path / "lmtp")
    answers = iter([b"250 2.0.0 Ok", b"550 5.2.1 disabled", b"452 4.2.2 full"])
    with Sink(unix=unix, lmtp=True, script={"END": lambda s, c: next(answers)}, extensions=("PIPELINING", "8BITMIME")) as sink:
        with Instance(tmp_path / "site", {"relay_domains": "box.test", "relay_transport": f"lmtp:unix:{unix}"}) as mta:
            mta.send("", ["a@box.test", "b@box.test", "c@box.test"])
            rows = defer(mta)
            assert [r["address"] for r in rows[0]["recipients"]] == ["c@box.test"]
            mta.wait_log(r"lmtp\[\d+\]: \w+: to=<a@box\.test>, relay=\S+, .*status=sent \(250 2\.0\.0 Ok\)")
            mta.wait_log(r"to=<b@box\.test>.*dsn=5\.2\.1, status=bounced")
            assert len(sink.messages) == 1


def test_a_dead_destination_does_not_stop_others(tmp_path):
    with Instance(tmp_path / "site") as mta, Sink("127.0.0.2", mta.remote_port) as good:
        for i in range(60):
            mta.send("a@client.test", f"b{i}@dead.test")
        mta.send("a@client.test", "b@good.test")
        wait_for(lambda: good.messages, 10)
        assert mta.ctl("doctor").returncode == 0


def test_a_loop_to_ourselves_is_seen(tmp_path):
    with Instance(tmp_path / "site") as mta:
        mta.settings["relayhost"] = f"[127.0.0.1]:{mta.port}"
        mta.write()
        mta.ctl("reload")
        qid = mta.send("", "b@else.test")
        mta.wait_log(rf"{qid}: to=<b@else\.test>.*status=bounced \(.*loops back to myself")


def test_transport_that_is_no_delivery_agent_is_named(tmp_path):
    mta = Instance(tmp_path / "site")
    mta.settings["relay_domains"] = "piped.test"
    mta.settings["relay_transport"] = "filter:dummy"
    mta.master += "filter unix - n n - - spawn user=nobody argv=/bin/cat\n"
    mta.write()
    with mta:
        qid = mta.send("a@client.test", "b@piped.test")
        rows = defer(mta, qid)
        assert "filter" in rows[0]["recipients"][0]["delay_reason"], rows


@pytest.mark.parametrize("setting,value", [("smtp_connection_reuse_count_limit", "2"), ("default_destination_recipient_limit", "1")])
def test_limits_of_the_client(tmp_path, setting, value):
    with Instance(tmp_path / "site", {setting: value}) as mta, Sink("127.0.0.2", mta.remote_port) as good:
        mta.send("a@client.test", [f"b{i}@good.test" for i in range(6)])
        wait_for(lambda: sum(len(m[1]) for m in good.messages) == 6)
        if value == "1":
            assert len(good.messages) == 6
