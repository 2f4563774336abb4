"""Beside Debian's Postfix: the same answers to the same commands, and no byte lost in a chain through it."""
import os
import random
import re
import socket

import pytest
from mtadtest import Instance, Sink, wait_for
from postfixtest import Postfix

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="Postfix needs root")

DIALOGUES = [
    [b"EHLO client.test", b"MAIL FROM:<a@b.test>", b"RCPT TO:<root@site.test>", b"RSET", b"NOOP", b"QUIT"],
    [b"HELO client.test", b"MAIL FROM:<>", b"RCPT TO:<nobody-there@site.test>", b"DATA", b"QUIT"],
    [b"MAIL FROM:<a@b.test>", b"QUIT"],
    [b"EHLO x", b"RCPT TO:<a@b.test>", b"DATA", b"BDAT 0", b"QUIT"],
    [b"EHLO x", b"BDAT x"],
    [b"EHLO", b"HELO", b"EHLO a b", b"QUIT"],
    [b"EHLO x", b"NONSENSE", b"HELP", b"ETRN x", b"AUTH PLAIN", b"STARTTLS", b"EXPN root", b"TURN", b"QUIT"],
    [b"EHLO x", b"MAIL", b"MAIL FROM", b"MAIL FROM:", b"MAIL FROM:a@b.test", b"QUIT"],
    [b"EHLO x", b"MAIL FROM: <a@b.test>", b"MAIL FROM:<c@d.test>", b"QUIT"],
    [b"EHLO x", b"MAIL FROM:<a@b.test> SIZE=1000000000", b"MAIL FROM:<a@b.test> SIZE=x", b"MAIL FROM:<a@b.test> FOO", b"QUIT"],
    [b"EHLO x", b"MAIL FROM:<a@b.test> BODY=8BITMIME", b"RSET", b"MAIL FROM:<a@b.test> BODY=NINE", b"QUIT"],
    [b"EHLO x", b"MAIL FROM:<a@b.test> RET=FULL ENVID=x+20y", b"RCPT TO:<root@site.test> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;a@b", b"QUIT"],
    [b"EHLO x", b"MAIL FROM:<a@b.test> RET=HALF", b"MAIL FROM:<a@b.test>", b"RCPT TO:<root@site.test> NOTIFY=NEVER,SUCCESS", b"QUIT"],
    [b"EHLO x", b"MAIL FROM:<a@b.test>", b"RCPT TO:<>", b"RCPT", b"RCPT TO:", b"RCPT TO:<@>", b"RCPT TO:<a@>", b"QUIT"],
    [b"EHLO x", b"MAIL FROM:<a@b.test>", b"RCPT TO:<\"root\"@site.test>", b"RCPT TO:<root@[127.0.0.1]>", b"RCPT TO:<postmaster>", b"QUIT"],
    [b"EHLO x", b"VRFY root", b"VRFY", b"VRFY nobody-there@site.test", b"QUIT"],
    [b"EHLO x", b"NOOP with words", b"RSET now", b"QUIT now"],
    [b"EHLO x", b"DATA now", b"", b" ", b"QUIT"],
]


def dialogue(port, lines):
    answers = []
    with socket.create_connection(("127.0.0.1", port), timeout=30) as s:
        f = s.makefile("rb")

        def read():
            got = []
            while True:
                line = f.readline()
                got.append(line)
                if not line or line[3:4] != b"-":
                    return b"".join(got)
        read()
        for line in lines:
            s.sendall(line + b"\r\n")
            answers.append(read())
            if not answers[-1]:
                break
    return answers


def normal(answer):
    """Without what must differ: our name, and capabilities that come with the issue on security."""
    lines = answer.decode(errors="replace").replace("\r\n", "\n").replace("(Postfix)", "").splitlines()
    return sorted(line[:3] + " " + line[4:] for line in lines if line[4:] not in ("ETRN",))


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    folder = tmp_path_factory.mktemp("both")
    os.chmod(folder, 0o755)
    os.chmod(folder.parent, 0o755)
    with Postfix(folder / "postfix") as postfix, Instance(folder / "mtad") as mta:
        yield postfix, mta


@pytest.mark.parametrize("lines", DIALOGUES, ids=lambda lines: b"/".join(lines).decode()[:40])
def test_same_answers(both, lines):
    postfix, mta = both
    theirs, ours = dialogue(postfix.port, lines), dialogue(mta.port, lines)
    for line, a, b in zip(lines, theirs, ours):
        assert normal(a) == normal(b), f"{line}: Postfix {a}, mtad {b}"


def odd_messages():
    rng = random.Random(7)
    yield b"Subject: 8 bit\r\n\r\n" + bytes(range(128, 256)).replace(b"\n", b"").replace(b"\r", b"") + b"\r\n"
    yield b"Subject: dots\r\n\r\n.\r\n..\r\n...\r\n.a\r\n"
    yield b"Subject: empty\r\n\r\n"
    yield b"Subject: no body at all\r\n"
    yield b"\r\nno header at all\r\n"
    yield b"Subject: blank lines\r\n\r\n\r\n\r\n\r\n"
    yield b"Subject: spaces \r\n\r\n trailing \t\r\n\t \r\n"
    yield b"Subject: folded\r\n\tand\r\n more\r\nX-A: " + b"b" * 900 + b"\r\n\r\nx\r\n"
    yield b"Subject: long line\r\n\r\n" + b"z" * 900 + b"\r\n"
    yield b"Subject: no end of line\r\n\r\nlast"
    yield b"not a header\r\nSubject: x\r\n\r\nbody\r\n"
    yield b"Subject: control\r\n\r\n" + bytes(c for c in range(1, 32) if c not in (10, 13)) + b"\x7f\r\n"
    yield b"From: x\r\nSubject: from\r\n\r\nFrom here\r\n>From there\r\n"
    yield b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b--\r\nafter\r\n"
    for i in range(185):
        lines = [bytes(rng.choice(b" .-aAzZ09\t=\xc3\xa4\xff\x01") for _ in range(rng.randrange(0, 200))) for _ in range(rng.randrange(0, 60))]
        yield b"X-Number: %d\r\n\r\n" % i + b"".join(line + b"\r\n" for line in lines)
    yield b"Subject: forty megabytes\r\n\r\n" + (b"0123456789" * 7 + b"\r\n") * (40 * 1024 * 1024 // 72)


def body(content):
    head, found, rest = content.partition(b"\r\n\r\n")
    return rest if found else b""


def test_chain_keeps_every_byte(tmp_path):
    """mtad, then Postfix, then mtad: what comes out is what went in, behind more Received: lines."""
    os.chmod(tmp_path, 0o755)
    large = {"message_size_limit": "60000000"}
    last = Instance(tmp_path / "last", large)
    last.settings["relayhost"] = f"[127.0.0.2]:{last.remote_port}"
    last.write()
    with Sink("127.0.0.2", last.remote_port) as sink, last:
        with Postfix(tmp_path / "postfix", {"relayhost": f"[127.0.0.1]:{last.port}", **large}) as postfix:
            first = Instance(tmp_path / "first", {**large, "relayhost": f"[127.0.0.1]:{postfix.port}"})
            with first:
                sent = []
                for i, content in enumerate(odd_messages()):
                    content = b"X-Odd: %d\r\n" % i + content if not content.startswith((b"\r\n", b"not a")) else content
                    sent.append((f"r{i}@odd.test", content))
                    with first.smtp(120) as s:
                        s.ehlo()
                        s.mail("a@client.test", ["BODY=8BITMIME"])
                        s.rcpt(f"r{i}@odd.test")
                        s.docmd("DATA")
                        stuffed = re.sub(rb"(?m)^\.", b"..", content)
                        s.send(stuffed + (b"" if stuffed.endswith(b"\r\n") else b"\r\n") + b".\r\n")
                        assert s.getreply()[0] == 250, i
                assert len(sent) == 200
                wait_for(lambda: len(sink.messages) == 200, 120, 0.5)
    got = {r[0].decode().split("<")[1].split(">")[0]: content for _, r, content in sink.messages}
    for i, (recipient, content) in enumerate(sent):
        came = got[recipient]
        expected = content if content.endswith(b"\r\n") else content + b"\r\n"
        if expected.startswith((b"\r\n", b"not a")):
            # Without a header of its own: all of it is body.
            wanted = expected[2:] if expected.startswith(b"\r\n") else expected
            assert came.endswith(b"\r\n\r\n" + wanted), (i, came[-200:], expected[:200])
            continue
        head, found, rest = expected.partition(b"\r\n\r\n")
        assert body(came) == (rest if found else b""), (i, body(came)[:300], rest[:300])
        for line in head.split(b"\r\n"):
            assert line in came.partition(b"\r\n\r\n")[0], (i, line)


def test_delivery_to_postfix_and_its_log(tmp_path):
    """Our log line for a delivery has the form of Postfix's own."""
    os.chmod(tmp_path, 0o755)
    form = re.compile(r"to=<[^>]+>, relay=\S+\[127\.0\.0\.1\]:\d+, delay=[\d.]+, delays=[\d./]+, dsn=2\.0\.0, status=sent \(250 2\.0\.0 Ok: queued as \w+\)$",
                      re.M)
    with Sink("127.0.0.1", script={"END": lambda s, c: b"250 2.0.0 Ok: queued as X1"}) as sink:
        with Postfix(tmp_path / "postfix", {"relayhost": f"[127.0.0.1]:{sink.port}"}) as postfix:
            with Instance(tmp_path / "mtad", {"relayhost": f"[127.0.0.1]:{postfix.port}"}) as mta:
                mta.send("a@client.test", "b@else.test")
                wait_for(lambda: sink.messages)
                assert form.search(mta.log()), mta.log()
                postfix.wait_log(r"status=sent")
                assert form.search(postfix.log()), postfix.log()
