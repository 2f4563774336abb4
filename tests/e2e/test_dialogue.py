"""The SMTP dialogue as a client sees it, good and bad."""
import socket
import time

import pytest
from mtadtest import Instance, Sink, wait_for


class Talk:
    def __init__(self, mta):
        self.s = socket.create_connection(("127.0.0.1", mta.port), timeout=30)
        self.f = self.s.makefile("rb")
        assert self.read().startswith(b"220 mail.site.test ESMTP")

    def read(self):
        lines = []
        while True:
            line = self.f.readline()
            if not line:
                return b"".join(lines)
            lines.append(line)
            if line[3:4] != b"-":
                return b"".join(lines)

    def say(self, line):
        self.s.sendall(line + b"\r\n")
        return self.read()

    def close(self):
        self.s.close()


@pytest.fixture
def talk(mta):
    t = Talk(mta)
    yield t
    t.close()


def test_ehlo(talk):
    lines = talk.say(b"EHLO client.test").decode().splitlines()
    assert lines[0] == "250-mail.site.test"
    words = {line[4:] for line in lines[1:]}
    assert {"PIPELINING", "8BITMIME", "ENHANCEDSTATUSCODES", "DSN", "SMTPUTF8", "CHUNKING", "SIZE 10240000"} <= words


@pytest.mark.parametrize("before,line,code", [
    ([b"EHLO x"], b"RCPT TO:<a@b.test>", b"503 5.5.1"),
    ([b"EHLO x"], b"DATA", b"503 5.5.1"),
    ([b"EHLO x"], b"NONSENSE", b"50"),
    ([b"EHLO x"], b"MAIL FROM:<a@b.test", b"501"),
    ([b"EHLO x"], b"MAIL FROM:<a b@b.test>", b"501"),
    ([b"EHLO x"], b"MAIL FROM:<a@b.test> SIZE=99999999999", b"552 5.3.4"),
    ([b"EHLO x"], b"MAIL FROM:<a@b.test> WHAT=ever", b"555"),
    ([b"EHLO x"], b"MAIL FROM:<a@b.test> BODY=9BIT", b"555 5.5.4"),
    ([b"EHLO x", b"MAIL FROM:<a@b.test>"], b"RCPT TO:<>", b"501"),
    ([b"EHLO x", b"MAIL FROM:<a@b.test>"], b"MAIL FROM:<a@b.test>", b"503 5.5.1"),
    ([b"EHLO x", b"MAIL FROM:<a@b.test>"], b"RCPT TO:<a@good.test> NOTIFY=NEVER,FAILURE", b"501"),
    ([b"EHLO x"], b"VRFY root", b"25"),
    ([b"EHLO x"], b"HELP", b"50"),
    ([b"EHLO x"], b"x" * 5000, b"50"),
])
def test_errors(talk, before, line, code):
    for b in before:
        assert talk.say(b)[:1] in (b"2", b"3")
    answer = talk.say(line)
    assert answer.startswith(code), answer


def test_pipelining_in_one_write(mta, good, talk):
    talk.say(b"EHLO client.test")
    talk.s.sendall(b"MAIL FROM:<a@b.test>\r\nRCPT TO:<b@good.test>\r\nDATA\r\n")
    assert [talk.read()[:3] for _ in range(3)] == [b"250", b"250", b"354"]
    talk.s.sendall(b"Subject: x\r\n\r\nbody\r\n.\r\nQUIT\r\n")
    assert talk.read().startswith(b"250 2.0.0 Ok: queued as ")
    assert talk.read() == b"221 2.0.0 Bye\r\n"
    wait_for(lambda: good.messages)


def test_bdat(mta, good, talk):
    talk.say(b"EHLO client.test")
    talk.say(b"MAIL FROM:<a@b.test>")
    talk.say(b"RCPT TO:<b@good.test>")
    talk.s.sendall(b"BDAT 14\r\nSubject: x\r\n\r\n")
    assert talk.read().startswith(b"250")
    talk.s.sendall(b"BDAT 8 LAST\r\n.dots.\r\n")
    assert talk.read().startswith(b"250 2.0.0 Ok: 22 bytes queued as ")
    wait_for(lambda: good.messages)
    assert good.messages[0][2].endswith(b"\r\n\r\n.dots.\r\n")


@pytest.mark.parametrize("ending", [b"\n.\n", b"\n.\r\n", b"\r.\r", b"\r\n.\n", b"\r.\r\n", b"\r\n.\r", b"\n\n.\r\n", b"\r\n\0.\r\n"])
def test_nothing_is_smuggled(mta, good, talk, ending):
    """One message in is one message out, whatever stands around a dot."""
    talk.say(b"EHLO client.test")
    talk.s.sendall(b"MAIL FROM:<a@b.test>\r\nRCPT TO:<b@good.test>\r\nDATA\r\n")
    for _ in range(3):
        talk.read()
    talk.s.sendall(b"Subject: x\r\n\r\nfirst" + ending + b"MAIL FROM:<evil@b.test>\r\nRCPT TO:<c@good.test>\r\nDATA\r\nsecond\r\n.\r\n")
    answer = talk.read()
    assert answer[:1] in b"245"
    assert talk.say(b"QUIT")
    time.sleep(0.3)
    mta.wait_empty()
    assert len(good.messages) <= 1
    for _, _, content in good.messages:
        assert b"second" in content
        stripped = content.replace(b"\r\n", b"")
        assert b"\r" not in stripped and b"\n" not in stripped


def test_error_limit_ends_the_session(mta):
    t = Talk(mta)
    last = b""
    for _ in range(30):
        last = t.say(b"NONSENSE")
        if not last or last.startswith(b"421"):
            break
    assert last.startswith(b"421 4.7.0 mail.site.test Error: too many errors"), last


def test_size_limit_counts_what_is_sent(tmp_path):
    with Instance(tmp_path / "site", {"message_size_limit": "20000"}) as mta:
        t = Talk(mta)
        t.say(b"EHLO x")
        t.s.sendall(b"MAIL FROM:<a@b.test>\r\nRCPT TO:<b@good.test>\r\nDATA\r\n")
        for _ in range(3):
            t.read()
        t.s.sendall(b"x" * 70 + b"\r\n")
        t.s.sendall((b"y" * 70 + b"\r\n") * 400 + b".\r\n")
        assert t.read().startswith(b"552 5.3.4")
        assert not mta.queue()


def test_too_many_hops(mta, talk):
    talk.say(b"EHLO x")
    talk.s.sendall(b"MAIL FROM:<a@b.test>\r\nRCPT TO:<b@good.test>\r\nDATA\r\n")
    for _ in range(3):
        talk.read()
    talk.s.sendall(b"Received: by x; now\r\n" * 60 + b"\r\nloop\r\n.\r\n")
    assert talk.read().startswith(b"554 5.4.0 Error: too many hops")


def test_timeout(tmp_path):
    with Instance(tmp_path / "site", {"smtpd_timeout": "1s"}) as mta:
        t = Talk(mta)
        t.say(b"EHLO x")
        assert t.read().startswith(b"421 4.4.2 mail.site.test Error: timeout exceeded")
        mta.wait_log(r"timeout after EHLO from localhost\[127\.0\.0\.1\]")


def test_recipient_limit(tmp_path):
    with Instance(tmp_path / "site", {"smtpd_recipient_limit": "3"}) as mta:
        t = Talk(mta)
        t.say(b"EHLO x")
        t.say(b"MAIL FROM:<a@b.test>")
        answers = [t.say(b"RCPT TO:<b%d@good.test>" % i) for i in range(4)]
        assert [a[:3] for a in answers] == [b"250", b"250", b"250", b"452"]
        assert answers[3].startswith(b"452 4.5.3 Error: too many recipients")


def test_smtputf8(mta):
    t = Talk(mta)
    t.say(b"EHLO x")
    assert t.say("MAIL FROM:<jörg@b.test> SMTPUTF8".encode()).startswith(b"250")
    assert t.say("RCPT TO:<müller@good.test>".encode()).startswith(b"250")
    t.say(b"DATA")
    assert t.say(b"Subject: x\r\n\r\nx\r\n.").startswith(b"250")
    with Sink("127.0.0.2", mta.remote_port) as sink:
        mta.ctl("flush")
        wait_for(lambda: sink.messages)
        assert sink.messages[0][0] .startswith("FROM:<jörg@b.test>".encode()) and b"SMTPUTF8" in sink.messages[0][0]
