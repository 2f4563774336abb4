"""Header and body checks with effects on delivery, and content filters, through the real programs."""
import os
import smtplib

import pytest
from mtadtest import Instance, Sink, free_port, wait_for


pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="mailboxes of other users need root")


@pytest.fixture(autouse=True)
def open_folder(tmp_path):
    os.chmod(tmp_path, 0o755)


class Filter(Sink):
    """An after-queue filter: what it takes it brings back, with a header of its own, to another port."""

    def __init__(self, back):
        super().__init__(script={"END": self.bring_back})
        self.back = back

    def bring_back(self, session, content):
        with smtplib.SMTP("127.0.0.1", self.back, local_hostname="filter.test", timeout=20) as s:
            sender = session.sender.split(b"<")[1].split(b">")[0].decode()
            s.sendmail(sender, [r.split(b"<")[1].split(b">")[0].decode() for r in session.accepted], b"X-Filtered: yes\r\n" + content)


@pytest.mark.parametrize("how", ["content_filter", "FILTER"])
def test_mail_goes_through_an_after_queue_filter(tmp_path, how):
    back, front = free_port(), free_port()
    with Filter(back) as sink:
        to = f"smtp:[{sink.host}]:{sink.port}"
        (tmp_path / "checks").write_text(f"/^Subject: big/ FILTER {to}\n")
        option = f"  -o content_filter={to}\n" if how == "content_filter" else ""
        master = (f"127.0.0.1:{front} inet n - y - - smtpd\n{option}127.0.0.1:{back} inet n - y - - smtpd\n  -o content_filter=\n"
                  "  -o receive_override_options=no_unknown_recipient_checks,no_header_body_checks,no_address_mappings\n")
        main = {"virtual_alias_maps": "inline:{{both@site.test = games@site.test, man@site.test}}", "virtual_alias_domains": "", "local_recipient_maps": ""}
        if how == "FILTER":
            main["header_checks"] = f"pcre:{tmp_path}/checks"
        with Instance(tmp_path / "mtad", main, master=master, root=True) as mta:
            mta.port = front
            queue_id = mta.send("me@good.test", ["both@site.test", "news@site.test"], "Subject: big\r\n\r\nhello\r\n")
            wait_for(lambda: all(mta.mailbox(u) for u in ("games", "man", "news")), 20)
            mta.wait_empty()
            assert len(sink.messages) == 1 and len(sink.messages[0][1]) == 3    # one delivery for all of them
            for user in ("games", "man", "news"):
                text, = mta.mailbox(user)
                assert text.count(b"X-Filtered: yes") == 1 and text.count(b"Received:") == 2
            assert f"{queue_id}: to=<games@site.test>" in mta.log() and f"relay={sink.host}[{sink.host}]:{sink.port}" in mta.log()


def test_a_filter_without_a_next_hop_gets_the_recipients_domain(tmp_path):
    with Sink() as sink, Instance(tmp_path, {"content_filter": "relay:"}, smtp_port=sink.port) as mta:
        mta.send("me@site.test", "you@good.test")
        mta.wait_log(r"to=<you@good.test>, relay=mx.good.test\[127.0.0.2\].*status=sent")
        assert len(sink.messages) == 1


def test_a_large_body_is_checked_as_it_passes_by(tmp_path):
    (tmp_path / "body").write_text("/^bad (\\d+)/ REPLACE good $1\n/^gone/ IGNORE\n/^refuse/ REJECT not this\n")
    settings = {"body_checks": f"pcre:{tmp_path}/body", "body_checks_size_limit": "0", "message_size_limit": "50000000", "mtad_spill_size": "100000"}
    with Instance(tmp_path / "mtad", settings, root=True) as mta:
        lines = "".join(f"line {i} {'x' * 60}\r\n" for i in range(30000))
        mta.send("me@site.test", "games@site.test", f"Subject: x\r\n\r\nbad 1\r\n{lines}gone\r\nbad 2\r\n")
        with mta.smtp() as s:
            with pytest.raises(smtplib.SMTPDataError) as refused:
                s.sendmail("me@site.test", ["games@site.test"], f"Subject: y\r\n\r\n{lines}refuse\r\n{lines}")
        assert refused.value.args == (550, b"5.7.1 not this")
        wait_for(lambda: mta.mailbox("games"))
        text, = mta.mailbox("games")
        body = text.partition(b"\n\n")[2]
        assert body == ("good 1\r\n" + lines + "good 2\r\n").replace("\r\n", "\n").encode()
        mta.wait_empty()


def test_actions_reach_the_mailbox(tmp_path):
    (tmp_path / "checks").write_text("/^Subject: bcc/ BCC news@site.test\n/^Subject: there/ REDIRECT man@site.test\n/^Subject: gone/ DISCARD\n"
                                     "/^Subject: hold/ HOLD look at it\n/^X-Secret:/ IGNORE\n/^Subject: tag (.*)/ REPLACE Subject: [tag] $1\n")
    with Instance(tmp_path / "mtad", {"header_checks": f"regexp:{tmp_path}/checks"}, root=True) as mta:
        for subject in ("bcc", "there", "gone", "hold", "tag this"):
            mta.send("me@site.test", "games@site.test", f"Subject: {subject}\r\nX-Secret: x\r\n\r\nhello\r\n")
        wait_for(lambda: mta.mailbox("news") and mta.mailbox("man") and len(mta.mailbox("games")) == 2)
        assert b"Subject: [tag] this\n" in b"".join(mta.mailbox("games")) and b"X-Secret" not in b"".join(mta.mailbox("games"))
        row, = mta.queue()
        assert row["queue_name"] == "hold"
        mta.sendmail(b"Subject: tag two\n\nx\n", "-f", "me@site.test", "sys@site.test")
        wait_for(lambda: mta.mailbox("sys"))
        assert b"Subject: [tag] two\n" in mta.mailbox("sys")[0]


def test_pass_through_for_one_service(tmp_path):
    quiet = free_port()
    front = free_port()
    master = f"127.0.0.1:{front} inet n - y - - smtpd\n127.0.0.1:{quiet} inet n - y - - smtpd\n  -o receive_override_options=no_header_body_checks\n"
    with Instance(tmp_path, {"header_checks": "static:{REJECT never}"}, master=master, root=True) as mta:
        mta.port = front
        with mta.smtp() as s, pytest.raises(smtplib.SMTPDataError):
            s.sendmail("me@site.test", ["games@site.test"], "Subject: x\r\n\r\n")
        mta.port = quiet
        mta.send("me@site.test", "games@site.test")
        wait_for(lambda: mta.mailbox("games"))
        # A notice of ours is not checked unless internal_mail_filter_classes says so.
        mta.send("games@site.test", "nobody@nowhere.invalid")
        wait_for(lambda: len(mta.mailbox("games")) == 2)


def test_the_address_that_was_given_is_kept(tmp_path):
    main = {"virtual_alias_maps": "inline:{{team@site.test = games@site.test, gone@good.test}}", "canonical_maps": "inline:{{old@site.test = games@site.test}}"}
    with Sink(script={"RCPT": lambda s, a: b"550 5.1.1 unknown"}) as sink, Instance(tmp_path / "mtad", main, root=True, smtp_port=sink.port) as mta:
        mta.send("games@site.test", "team@site.test")
        mta.wait_log(r"to=<games@site.test>, orig_to=<team@site.test>, relay=local")
        mta.wait_log(r"to=<gone@good.test>, orig_to=<team@site.test>, relay=mx.good.test.*status=bounced")
        mta.send("games@site.test", "old@site.test")
        mta.send("games@site.test", "games@site.test")
        wait_for(lambda: len(mta.mailbox("games")) == 4)
        texts = mta.mailbox("games")
        assert sorted(line for t in texts for line in t.splitlines() if line.startswith(b"X-Original-To:")) == \
            [b"X-Original-To: " + a + b"@site.test" for a in (b"games", b"games", b"old", b"team")]
        report, = (t for t in texts if b"Final-Recipient" in t)
        assert b"Final-Recipient: rfc822; gone@good.test\nOriginal-Recipient: rfc822; team@site.test\n" in report
        assert b"<gone@good.test> (expanded from <team@site.test>): " in report
        wait_for(lambda: mta.log().count("orig_to=") >= 3)
        wait_for(lambda: mta.log().count(": removed") == 4)     # and it is no more than that
        assert mta.log().count("orig_to=") == 3
