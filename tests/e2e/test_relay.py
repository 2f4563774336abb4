"""No open relay: the classic probes are refused. No smuggling: whatever mixture of CR, LF, NUL and dots a message holds, one goes in and one comes out."""
import itertools
import re
import socket
import threading

import pytest
from mtadtest import ZONE, Instance, wait_for

MORE = "\n9.0.0.127.in-addr.arpa. PTR probe.test.\nprobe.test. A 127.0.0.9\n"
PROBER = "127.0.0.9"


class Wire(threading.Thread):
    """A mail host that keeps each message's bytes as they were sent."""

    def __init__(self, host, port):
        super().__init__(daemon=True)
        self.listener = socket.create_server((host, port))
        self.messages, self.commands = [], []
        self.start()

    def run(self):
        while True:
            try:
                s, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.talk, args=(s,), daemon=True).start()

    def talk(self, s):
        f = s.makefile("rb")
        s.sendall(b"220 wire.test ESMTP\r\n")
        for line in iter(f.readline, b""):
            verb = line[:4].upper()
            self.commands.append(line)
            if verb == b"DATA":
                s.sendall(b"354 go\r\n")
                data = b""
                while not (b"\r\n" + data).endswith(b"\r\n.\r\n"):
                    one = f.read(1)
                    if not one:
                        return
                    data += one
                self.messages.append(data)
            s.sendall(b"221 bye\r\n" if verb == b"QUIT" else b"250 ok\r\n")
            if verb == b"QUIT":
                s.close()
                return

    def close(self):
        self.listener.close()


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    with Instance(tmp_path_factory.mktemp("relay") / "site", {
            "mynetworks": "127.0.0.1/32", "local_recipient_maps": "inline:{ user=x }", "relay_domains": "relay.test", "smtpd_hard_error_limit": "100", "smtpd_soft_error_limit": "100",
            "local_transport": "discard:", "smtpd_error_sleep_time": "0"}, zone=ZONE + MORE) as mta:
        wire = Wire("127.0.0.2", mta.remote_port)
        yield mta, wire
        wire.close()


class Client:
    def __init__(self, mta, source):
        self.s = socket.create_connection(("127.0.0.1", mta.port), 20, (source, 0))
        self.f = self.s.makefile("rb")
        self.reply()

    def reply(self):
        while True:
            line = self.f.readline()
            if line[3:4] != b"-":
                return line.decode(errors="replace").rstrip()

    def say(self, line):
        self.s.sendall((line if isinstance(line, bytes) else line.encode()) + b"\r\n")
        return self.reply()


# What abuse.net's and others' relay tests try, with the site's own names in them.
PROBES = [
    ("<spamtest@far.test>", "<relaytest@good.test>"), ("<spamtest>", "<relaytest@good.test>"), ("<>", "<relaytest@good.test>"),
    ("<spamtest@site.test>", "<relaytest@good.test>"), ("<spamtest@[127.0.0.1]>", "<relaytest@good.test>"), ("<spamtest@mail.site.test>", "<relaytest@good.test>"),
    ("<spamtest@site.test>", "<relaytest%good.test@site.test>"), ("<spamtest@site.test>", "<relaytest%good.test@[127.0.0.1]>"),
    ("<spamtest@site.test>", '<"relaytest@good.test">'), ("<spamtest@site.test>", '<"relaytest%good.test">'),
    ("<spamtest@site.test>", "<relaytest@good.test@site.test>"), ("<spamtest@site.test>", '<"relaytest@good.test"@site.test>'),
    ("<spamtest@site.test>", "<relaytest@good.test@[127.0.0.1]>"), ("<spamtest@site.test>", "<@site.test:relaytest@good.test>"),
    ("<spamtest@site.test>", "<@[127.0.0.1]:relaytest@good.test>"), ("<spamtest@site.test>", "<good.test!relaytest>"),
    ("<spamtest@site.test>", "<good.test!relaytest@site.test>"), ("<spamtest@site.test>", "<good.test!relaytest@[127.0.0.1]>"),
    ("<spamtest@site.test>", "<relaytest%good.test@relay.test>"), ("<spamtest@site.test>", "<relaytest@good.test@relay.test>"),
    ("<spamtest@site.test>", "<relaytest%good.test@mail.site.test>"), ("<spamtest@site.test>", "<relaytest%good.test>"),
    ("<spamtest@site.test>", "<@relay.test,@site.test:relaytest@good.test>"), ("<spamtest@site.test>", "relaytest@good.test"),
    ("<spamtest@site.test>", "<relaytest@good.test.>"), ("<spamtest@site.test>", "<relaytest@GOOD.TEST>"), ("<spamtest@site.test>", "<a@relay.test@good.test>"),
    ("<spamtest@site.test>", "<site.test!good.test!relaytest>"), ("<spamtest@site.test>", '<"good.test!relaytest"@site.test>'),
    ("<spamtest@site.test>", "<relaytest@good.test%site.test@site.test>"), ("<spamtest@site.test>", "<user@site.test@good.test>"),
]


def test_no_open_relay(site):
    mta, wire = site
    assert len(PROBES) >= 16
    taken = []
    for sender, recipient in PROBES:
        c = Client(mta, PROBER)
        c.say("EHLO probe.test")
        c.say(f"MAIL FROM:{sender}")
        reply = c.say(f"RCPT TO:{recipient}")
        if not re.match(r"[45]\d\d ", reply) or not re.match(r"5\d\d ", c.say("DATA")):
            taken.append((sender, recipient, reply))
        c.say("QUIT")
    assert taken == []
    assert not [line for line in wire.commands if b"relaytest" in line], "something went out"
    # The same prober is heard where the mail is the site's.
    c = Client(mta, PROBER)
    c.say("EHLO probe.test")
    c.say("MAIL FROM:<a@far.test>")
    assert c.say("RCPT TO:<user@site.test>").startswith("250") and c.say("RCPT TO:<x@relay.test>").startswith("250")
    c.say("QUIT")


ENDS = [b"\r\n", b"\n", b"\r", b"\x00\r\n", b"\r\x00\n", b"\r\n\x00", b"\n\r", b"\r\r\n", b" \r\n"]
SMUGGLED = b"MAIL FROM:<smuggler@far.test>\r\nRCPT TO:<victim@good.test>\r\nDATA\r\nSubject: smuggled\r\n\r\nsmuggled\r\n.\r\n"


def mixtures():
    for before, after in itertools.product(ENDS, ENDS):
        if b"\r\n.\r\n" not in before + b"." + after:        # that is a real one
            yield before + b"." + after
    yield from (b"\r\n..\r\n", b"\r\n.\x00\r\n", b"\n..\n", b"\r.\r", b"\r\n.\r", b"\n\n.\n\n", b"\r\n.\r\r\n", b"\x00.\x00\r\n", b"\r\n\xe2\x80\xa8.\xe2\x80\xa8", b"\x0b.\x0b", b"\x85.\x85")


def send_raw(mta, number, content):
    c = Client(mta, "127.0.0.1")
    c.say("EHLO client.test")
    c.say(f"MAIL FROM:<number{number}@client.test>")
    c.say("RCPT TO:<out@good.test>")
    assert c.say("DATA").startswith("354")
    c.s.sendall(content + b"\r\n.\r\n")
    replies = [c.reply()]
    replies.append(c.say("NOOP"))       # comes next, or a command of the content was obeyed
    replies.append(c.say("QUIT"))
    return replies


def test_one_in_one_out(site):
    """The first real end ends the message; what stands before it goes out as one message, without a byte that a lenient host could take for an end."""
    mta, wire = site
    tried = list(dict.fromkeys(mixtures()))
    assert len(tried) >= 80
    before = len(wire.messages)
    for number, end in enumerate(tried):
        # SMUGGLED ends with the real end: up to it, all of it is content.
        replies = send_raw(mta, number, b"Subject: outer %d\r\n\r\nouter" % number + end + SMUGGLED[:-5])
        assert replies[0].startswith("250 2.0.0 Ok: queued as"), (end, replies)
        assert replies[1].startswith("250") and replies[2].startswith("221"), (end, replies)
    wait_for(lambda: len(wire.messages) >= before + len(tried), 40)
    messages = wire.messages[before:]
    assert len(messages) == len(tried)
    assert not [line for line in wire.commands if b"smuggler" in line or b"victim" in line]
    seen = set()
    for m in messages:
        number = int(re.search(rb"Subject: outer (\d+)", m).group(1))
        seen.add(number)
        end = tried[number]
        assert m.count(b"\r\n.\r\n") == 1 and m.endswith(b"\r\n.\r\n"), (end, m)
        assert b"Subject: smuggled" in m, (end, m)
        body = m[:-5]
        assert b"\n" not in body.replace(b"\r\n", b""), (end, "a bare LF goes out")
        assert b"\r" not in body.replace(b"\r\n", b""), (end, "a bare CR goes out")
        for line in body.split(b"\r\n"):
            assert not re.fullmatch(rb"\.", line), (end, m)
    assert seen == set(range(len(tried)))


def test_bare_newlines_refused(tmp_path):
    """smtpd_forbid_bare_newline = reject: such a message is refused, and its rest is not obeyed."""
    with Instance(tmp_path / "site", {"smtpd_forbid_bare_newline": "reject", "smtpd_forbid_bare_newline_exclusions": "", "mynetworks": "127.0.0.0/8"}) as mta:
        for end in (b"\n.\n", b"\n.\r\n", b"\r\n.\n"):
            c = Client(mta, "127.0.0.1")
            c.say("EHLO client.test")
            c.say("MAIL FROM:<a@client.test>")
            c.say("RCPT TO:<out@good.test>")
            c.say("DATA")
            c.s.sendall(b"Subject: x\r\n\r\nouter" + end + SMUGGLED)
            assert c.reply().startswith(("550 5.5.2", "521 5.5.2")), end
            assert c.say("NOOP").startswith("250"), end
            assert c.say("QUIT").startswith("221"), end
        assert mta.queue() == []
        assert "smuggler" not in mta.log()


def test_chunks_are_content(site):
    """BDAT counts bytes: nothing in a chunk is a command or an end."""
    mta, wire = site
    before = len(wire.messages)
    c = Client(mta, "127.0.0.1")
    c.say("EHLO client.test")
    c.say("MAIL FROM:<chunk@client.test>")
    c.say("RCPT TO:<out@good.test>")
    content = b"Subject: chunk\r\n\r\nouter\r\n.\r\n" + SMUGGLED
    c.s.sendall(b"BDAT %d LAST\r\n" % len(content) + content)
    assert c.reply().startswith("250 2.0.0 Ok")
    assert c.say("QUIT").startswith("221")
    wait_for(lambda: len(wire.messages) > before)
    out = wire.messages[before]
    assert out.count(b"\r\n.\r\n") == 1 and b"\r\n..\r\nMAIL FROM:<smuggler" in out
    assert not [line for line in wire.commands if b"smuggler" in line]
