"""What mtad makes of what servers say, and what it says to them: reply and status filters, keywords, time limits, addresses of its own."""
import os
import time

import pytest
from mtadtest import Instance, Sink, wait_for


@pytest.fixture
def pair(tmp_path):
    """A server with a script and a mtad with settings that sends to it."""
    os.chmod(tmp_path, 0o755)
    made = []

    def make(script=None, lmtp=False, extensions=("PIPELINING", "8BITMIME", "DSN", "SIZE"), table="", **main):
        (tmp_path / "table").write_text(table)
        main = {k: v.replace("TABLE", str(tmp_path / "table")) for k, v in main.items()}
        sink = Sink("127.0.0.2", script=script, extensions=extensions, lmtp=lmtp)
        mta = Instance(tmp_path / f"site{len(made)}", {"minimal_backoff_time": "1000s", "maximal_backoff_time": "1000s", **main}, smtp_port=sink.port)
        made.append((mta, sink))
        return mta.start(), sink
    yield make
    for mta, sink in made:
        print(mta.log()[-3000:])
        mta.stop()
        sink.close()


def test_a_reply_is_read_as_the_filter_has_it(pair):
    mta, sink = pair({"RCPT": lambda s, a: b"451 4.7.1 no such user, really"}, smtp_reply_filter="pcre:TABLE",
                     table="/^451 4.7.1 (no such user.*)/ 550 5.1.1 $1\n/^250([- ])PIPELINING/ 250${1}X-NOTHING\n")
    mta.send("", "b@good.test")
    mta.wait_log(r"to=<b@good.test>, .*dsn=5.1.1, status=bounced \(host mx.good.test\[127.0.0.2\] said: 550 5.1.1 no such user, really \(in reply to RCPT TO command\)\)")
    assert [line[:4] for line in sink.dialogue if line[:4] in (b"MAIL", b"RCPT", b"DATA")] == [b"MAIL", b"RCPT"]     # not pipelined: no DATA behind them


def test_what_became_of_mail_is_what_the_filter_says(pair):
    rules = "/^4\\.2\\.0 (host .*greylisted)/ 5.7.1 given up: $1\n/^2\\.0\\.0 / 2.1.5 taken\n/^5\\.1\\.1/ 2.0.0 never\n"
    mta, sink = pair({"RCPT": lambda s, a: b"450 4.2.0 greylisted" if b"soft@" in a else b"550 5.1.1 nobody" if b"hard@" in a else None}, smtp_delivery_status_filter="pcre:TABLE", table=rules)
    for who, line in (("soft", r"dsn=5.7.1, status=bounced \(given up: host .*greylisted"), ("good", r"dsn=2.1.5, status=sent \(taken\)"),
                      ("hard", r"dsn=5.1.1, status=bounced \(host .*nobody")):
        mta.send("", f"{who}@good.test")
        mta.wait_log(rf"to=<{who}@good.test>, .*{line}")
    mta.wait_log(r'warning: \w+: delivery status filter: "2.0.0 never" cannot stand for 5.1.1')


def test_the_default_status_filter_holds_for_it_too(pair):
    mta, sink = pair({"RCPT": lambda s, a: b"450 4.2.0 later"}, default_delivery_status_filter="regexp:TABLE", table="/^4/ 5.0.0 never\n")
    mta.send("", "b@good.test")
    mta.wait_log(r"dsn=5.0.0, status=bounced \(never\)")


def test_keywords_are_not_used_by_address(pair):
    mta, sink = pair(smtp_discard_ehlo_keywords="dsn", smtp_discard_ehlo_keyword_address_maps="cidr:TABLE", table="127.0.0.2/32 size, pipelining\n")
    mta.send("a@site.test", "b@good.test")
    wait_for(lambda: sink.messages)
    assert sink.messages[0][0] == b"FROM:<a@site.test>" and b"ORCPT=" in sink.messages[0][1][0]


@pytest.mark.parametrize("enforce", ["no", "yes"])
def test_an_address_that_cannot_be_used(pair, enforce):
    mta, sink = pair(smtp_bind_address="192.0.2.99", smtp_bind_address_enforce=enforce)
    mta.send("a@site.test", "b@good.test")
    mta.wait_log(r"warning: bind 192.0.2.99: Cannot assign requested address")
    mta.wait_log("status=deferred" if enforce == "yes" else "status=sent")
    assert len(sink.messages) == (enforce == "no")


@pytest.mark.parametrize("deadline", ["no", "yes"])
def test_content_has_to_go_at_a_rate(pair, deadline):
    def crawl(s, argument):
        s.wfile.write(b"354 go ahead\r\n")
        s.wfile.flush()
        end = time.monotonic() + 5
        try:
            while time.monotonic() < end:      # some megabytes a second
                s.rfile.read(1 << 20)
                time.sleep(0.2)
        except OSError:
            pass
        raise Sink.Hangup
    mta, sink = pair({"DATA": crawl}, smtp_data_xfer_timeout="2s", smtp_per_request_deadline=deadline, smtp_min_data_rate="10000000", message_size_limit="60000000",
                     mtad_spill_size="1000000")
    mta.send("a@site.test", "b@good.test", "Subject: big\r\n\r\n" + ("x" * 70 + "\r\n") * 400000)
    started = time.monotonic()
    line = mta.wait_log(r"dsn=4.4.2, status=deferred \((.*) with mx.good.test\[127.0.0.2\]( timed out)? while sending (message body|end of data)")
    assert (line[2] == " timed out") == (deadline == "yes"), (line[0], time.monotonic() - started)


@pytest.mark.parametrize("final, word", [("no", "relayed"), ("yes", "delivered")])
def test_a_final_lmtp_server(pair, final, word):
    mta, sink = pair(lmtp=True, extensions=("PIPELINING", "8BITMIME"), lmtp_assume_final=final, transport_maps="inline:{good.test=lmtp:[127.0.0.2]:PORT}", mailbox_transport="")
    mta.settings["transport_maps"] = f"inline:{{good.test=lmtp:[127.0.0.2]:{sink.port}}}"
    mta.write()
    assert mta.ctl("reload").returncode == 0
    with mta.smtp() as s:
        s.ehlo()
        s.mail("root@site.test")
        s.rcpt("b@good.test", ["NOTIFY=SUCCESS"])
        assert s.data("Subject: x\r\n\r\nhi\r\n")[0] == 250
    wait_for(lambda: mta.mailbox("root"))
    assert f"Action: {word}\n".encode() in mta.mailbox("root")[0]
