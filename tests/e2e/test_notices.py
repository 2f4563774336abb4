"""Notices: the words that a site gives them, to whom they go, and what is said of a wrong file."""
import email
import email.policy
import re
import subprocess

import pytest

from mtadtest import BUILD, Instance, Sink, wait_for

TEMPLATES = """# the site's
failure_template = <<EOF
Charset: utf-8
From: Our Post <post>
Subject: It came back
Postmaster-Subject: A copy

Grüße von $myhostname, $$5, $maximal_queue_lifetime_hours hours.
EOF
delay_template = <<EOF
X-Wrong: header

text
EOF
"""


def read(text):
    return email.message_from_bytes(text, policy=email.policy.default)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Notices go to a host that takes all, mail to slow.test to one that has no time."""
    folder = tmp_path_factory.mktemp("notices")
    (folder / "templates").write_text(TEMPLATES)
    with Sink() as sink, Sink("127.0.0.3", sink.port, {"MAIL": lambda s, a: b"451 4.3.2 not now"}):
        mta = Instance(folder / "site", {"bounce_template_file": f"{folder}/templates", "enable_threaded_bounces": "yes",
            "notify_classes": "bounce, delay", "bounce_notice_recipient": "pm@v.test", "delay_notice_recipient": "pm@v.test",
            "delay_warning_time": "1s", "minimal_backoff_time": "1s", "maximal_backoff_time": "1s", "relayhost": f"[{sink.host}]",
            "transport_maps": "inline:{slow.test=smtp:[127.0.0.3]}", "local_recipient_maps": ""}, smtp_port=sink.port)
        mta.sink = sink
        with mta:
            yield mta


def notices(mta, word, count):
    """What came with this word in it, by subject."""
    def there():
        found = [m[2].replace(b"\r\n", b"\n") for m in mta.sink.messages if word.encode() in m[2]]
        return found if len(found) >= count else None
    return sorted((read(t) for t in wait_for(there)), key=lambda m: str(m["Subject"]))


def test_words_of_the_site(site):
    site.send("ann@v.test", ["nosuch@site.test"], "Subject: word-one\r\nMessage-ID: <one@v.test>\r\n\r\nx\r\n")
    copy, back = notices(site, "word-one", 2)
    assert back["Subject"] == "It came back" and back["From"] == "Our Post <post@site.test>" and back["Auto-Submitted"] == "auto-replied"
    assert back["References"] == back["In-Reply-To"] == "<one@v.test>"
    text = next(back.iter_parts())
    assert text.get_content_charset() == "utf-8" and text["Content-Transfer-Encoding"] == "8bit"
    assert text.get_content().startswith("Grüße von mail.site.test, $5, 120 hours.\n\n<nosuch@site.test>: ")
    assert copy["Subject"] == "A copy" and copy["To"] == "pm@v.test" and copy["Auto-Submitted"] == "auto-generated"
    assert "Grüße" not in next(copy.iter_parts()).get_content()
    assert back["Content-Transfer-Encoding"] == "8bit" and copy["Content-Transfer-Encoding"] is None


def test_a_wrong_template_is_told_and_left_out(site):
    site.wait_log(r'warning: .*/templates:11: unknown "X-Wrong" header label in delay template -- ignoring this template')
    site.send("ann@v.test", ["nobody@slow.test"], "Subject: word-two\r\n\r\nx\r\n")
    late, copy = notices(site, "word-two", 2)
    assert late["Subject"] == "Delayed Mail (still being retried)" and late["From"] == "Mail Delivery System <MAILER-DAEMON@site.test>"
    assert copy["Subject"] == "Postmaster Warning: Delayed Mail"
    assert "Action: delayed" in copy.as_string() and "Will-Retry-Until:" in copy.as_string()
    assert re.search(r"postmaster delay notification: ", site.log())
    site.ctl("queue", "delete", "*")


def test_a_wrong_file(site, tmp_path):
    bad = tmp_path / "bad"
    bad.write_text("failure_template = <<EOF\nSubject: x\n\ntext $nosuch ${\nEOF\n")
    r = subprocess.run([f"{BUILD}/mtactl", "postconf", "-c", site.dir, "-b", str(bad)], capture_output=True, text=True, timeout=20)
    assert r.returncode == 1 and "bad, line 1: bad $name syntax in failure template" in r.stderr


@pytest.fixture
def lists(tmp_path):
    """A list's mail, each with a sender of its own; "bad" is refused there."""
    with Sink(script={"RCPT": lambda s, a: b"550 5.1.1 nobody" if b"<bad" in a else None}) as sink:
        mta = Instance(tmp_path / "site", {"relayhost": f"[{sink.host}]", "default_verp_delimiters": "-=", "verp_delimiter_filter": "-=", "authorized_verp_clients": "127.0.0.1",
            "smtpd_client_connection_count_limit": "0"}, smtp_port=sink.port)
        mta.sink = sink
        yield mta


def test_a_return_path_for_each_recipient(lists):
    """By XVERP, by sendmail, and out of maildrop; and a bounce for each of them."""
    with lists as mta:
        with mta.smtp() as s:
            s.ehlo()
            assert s.has_extn("xverp")
            assert s.docmd("MAIL", "FROM:<l@v.test> XVERP=+=") == (501, b"5.5.4 Error: XVERP needs two characters from -=")
            assert s.docmd("MAIL", "FROM:<> XVERP") == (503, b"5.5.4 Error: XVERP requires non-null sender")
        mta.send("l@v.test", ["a@x.test", "b@x.test", "bad@x.test", "bad@y.test"], options=["XVERP"])
        mta.sendmail(b"Subject: by sendmail\n\nx\n", "-XV==", "-f", "l@v.test", "c@x.test")
        wanted = {b"FROM:<l-a=x.test@v.test>": b"TO:<a@x.test>", b"FROM:<l-b=x.test@v.test>": b"TO:<b@x.test>", b"FROM:<l=c=x.test@v.test>": b"TO:<c@x.test>"}
        wait_for(lambda: len(mta.sink.messages) == 5)
        got = {m[0].split()[0]: m[1] for m in mta.sink.messages}
        for sender, to in wanted.items():
            assert [r.split()[0] for r in got[sender]] == [to]
        back = {m[1][0].split()[0]: m[2] for m in mta.sink.messages if m[0].startswith(b"FROM:<>")}
        assert sorted(back) == [b"TO:<l-bad=x.test@v.test>", b"TO:<l-bad=y.test@v.test>"]
        assert all(t.count(b"Final-Recipient:") == 1 for t in back.values())
        r = mta.sendmail(b"x\n", "-XV+=", "-f", "l@v.test", "c@x.test", check=False)
        assert r.returncode == 75 and b"-V requires two characters from -=" in r.stderr


def test_one_bounce_of_a_list_where_the_site_wants_one(lists):
    lists.settings.update({"disable_verp_bounces": "yes", "authorized_verp_clients": "127.0.0.1"})
    lists.write()
    with lists as mta:
        mta.send("l@v.test", ["bad@x.test", "bad@y.test"], options=["XVERP"])
        wait_for(lambda: mta.sink.messages)
        (sender, to, text), = mta.sink.messages
        assert to[0].split()[0] == b"TO:<l@v.test>" and text.count(b"Final-Recipient:") == 2


def test_transcripts_of_sessions_that_went_wrong(lists):
    """Without credentials and content; a session in which all is well is nobody's business."""
    lists.settings.update({"notify_classes": "protocol, policy, data", "error_notice_recipient": "pm@x.test", "smtpd_history_flush_threshold": "12",
        "smtpd_recipient_restrictions": "check_recipient_access inline:{no@x.test=REJECT}"})
    lists.write()
    with lists as mta:
        mta.send("a@v.test", ["good@x.test"])
        with mta.smtp() as s:
            s.ehlo()
            s.docmd("FROB")
            s.docmd("AUTH", "PLAIN c2VjcmV0")
            s.mail("a@v.test")
            assert s.rcpt("no@x.test")[0] == 554
        wait_for(lambda: len(mta.sink.messages) == 2)
        (sender, to, text), = [m for m in mta.sink.messages if b"Transcript" in m[2]]
        text = text.decode().replace("\r\n", "\n")
        assert sender.startswith(b"FROM:<double-bounce@mail.site.test>") and to[0].startswith(b"TO:<pm@x.test>")
        assert "\nSubject: mtad SMTP server: errors from localhost[127.0.0.1]\n" in text and "\nTo: pm@x.test (Postmaster)\n" in text
        assert "\n Out: 220 mail.site.test" in text and "\n In:  FROB\n Out: 500 5.5.2 Error: command not recognized\n" in text
        assert " Out: 554 5.7.1 <no@x.test>: Recipient address rejected: Access denied\n In:  QUIT\n Out: 221 2.0.0 Bye\n\n\nFor other details" in text
        assert "c2VjcmV0" not in text and " In:  AUTH PLAIN" in text
        # What was before a long history was flushed is told by itself, and not twice.
        with mta.smtp() as s:
            s.ehlo()
            s.docmd("BLAH")
            s.ehlo()
            s.docmd("BLUB")
            s.sock.shutdown(2)
            s.sock = None
        wait_for(lambda: len(mta.sink.messages) == 4)
        one, two = sorted((m[2] for m in mta.sink.messages[2:]), key=lambda t: b"BLUB" in t)
        assert b"BLAH" in one and b"BLUB" not in one and b"Session aborted" not in one
        assert b"BLUB" in two and b"BLAH" not in two and b"\r\nSession aborted, reason: lost connection\r\n" in two
