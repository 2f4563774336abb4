"""
The demo as an operator walks through it: five kinds of trouble, each explained and mended, from the console with at most eight keys each, and by commands
at the prompt. And the five things that one does most, from console and controller, while mail flows.
"""
import os
import re
import signal
import subprocess
import threading
import time

import pexpect
import pytest
from mtadtest import BUILD, PORTS, ROOT, SLOW, Instance, Sink, free_port, wait_for
from test_console import Screen, Stream, Terminal
from test_repl import Repl

KEYS_MAX = 8
HOME, DELETE = "\x1bOH", "\x1b[3~"


class Demo(Screen):
    """tests/demo/run.sh in a terminal: the console opens on the troubles."""

    def __init__(self, folder, cols=80, rows=24):
        self.raw, self.pressed = b"", 0
        self.dir = str(folder)
        self.screen = Terminal(cols, rows)
        self.stream = Stream(self.screen)
        port = demo_port()
        env = {**os.environ, "TERM": "xterm-256color", "LANG": "C.UTF-8"}
        env.pop("LC_ALL", None)
        self.child = pexpect.spawn("/bin/sh", [f"{ROOT}/tests/demo/run.sh", BUILD, self.dir, str(port)], dimensions=(rows, cols), env=env,
                                   timeout=20 * SLOW)
        self.wait(r"mtad mail.demo.test", 20)
        self.wait("WHY MAIL WAITS")

    def press(self, *keys):
        for key in keys:
            self.pressed += 1
            self.keys(key)

    def goto(self, name):
        """The cursor to the trouble's line, a key a step; it shows by its colours."""
        for _ in range(KEYS_MAX):
            y = next(i for i, line in enumerate(self.screen.display) if re.search(rf"^ +\d+ +\d+[smhd] .*{name}", line))
            at = next(i for i in range(self.screen.lines) if self.screen.buffer[i][0].reverse and i not in (0, self.screen.lines - 1))
            if at == y:
                return
            self.press("j" if at < y else "k")

    def log(self):
        with open(f"{self.dir}/log", errors="replace") as f:
            return f.read()

    def sent(self, recipient):
        wait_for(lambda: re.search(rf"to=<{recipient}>.*status=sent", self.log()), 10)

    def queue(self):
        r = subprocess.run([f"{BUILD}/mtactl", "-c", self.dir, "--json", "queue", "ls"], capture_output=True, text=True, timeout=20)
        return r.stdout.splitlines()

    def __exit__(self, *_):
        if self.child.isalive():    # the script ends its processes
            os.killpg(self.child.pid, signal.SIGTERM)
            wait_for(lambda: self.read() or not self.child.isalive(), 20)
        self.child.close()


def demo_port():
    """The demo uses two ports, 25 apart."""
    while not PORTS.free((port := free_port()) + 25):
        pass
    return port


@pytest.mark.parametrize("cols,rows", [(80, 24), (200, 50)])
def test_console_walk(tmp_path, cols, rows):
    walk = [
        # the trouble; what its page says: verdict, evidence, the step; keys that mend it; what is asked; who got the mail
        ("no-transport", ["its transport is not in master.cf", "mail transport esmtp", r"e  edit line 4 of transport: partner.test +esmtp:"],
         ["e", HOME, DELETE, "\r", "y", "y"], r"Requeue 3 messages", ["mia@partner.test", "noah@partner.test"]),
        ("back.test", ["the server refuses connections", "Connection refused", r"f  try them now"], ["f", "y"], "Try now 2 messages",
         ["erin@back.test", "finn@back.test"]),
        ("held", ["held by", "ask Eva in accounting", "l  release them from hold"], ["l", "y"], "Release 1 message", ["ivy@shop.test"]),
        ("mailbox-full", ["the recipient's mailbox is full", "452 4.2.2 Mailbox full", "b  bounce: give up, and tell the senders"], ["b", "y"],
         "Bounce 1 message", []),
        ("suspended", ["suspended by", "back at noon", "R  resume the destination"], ["R", "y"], "Resume moving.test", ["gina@moving.test"]),
    ]
    with Demo(tmp_path / "run", cols, rows) as demo:
        for name, says, keys, question, recipients in walk:
            demo.wait(name)
            demo.pressed = 0
            demo.goto(name)
            demo.press("\r")
            demo.wait("What helps")
            for words in says:
                demo.wait(words)
            demo.press(*keys[:-1])
            demo.wait(question)
            demo.press(keys[-1])
            demo.wait("It is over: nothing waits for this any more")
            assert demo.pressed <= KEYS_MAX, f"{name}: {demo.pressed} keys"
            for recipient in recipients:
                demo.sent(recipient)
            demo.keys("q")
        wait_for(lambda: not demo.queue())
        demo.wait(r"1 deferred +0")
        demo.wait(r"sent +\S+ +\d")
        log = demo.log()
        assert re.search(r"to=<hugo@full.test>.*status=bounced", log) and "sender non-delivery notification" in log
        with open(f"{tmp_path}/run/transport") as f:
            assert "\npartner.test\tsmtp:[mx.partner.test]\n" in f.read()
        demo.keys("q")
        wait_for(lambda: demo.read() or not demo.child.isalive(), 20)
        demo.child.close()
        assert demo.child.exitstatus == 0


def test_repl_walk(tmp_path):
    walk = [
        # the trouble; what why says of it; the commands that mend it, and what each answers; who got the mail
        ("no-transport", "@partner.test", ["its transport is not in master.cf", "correct the transport's name"],
         [("lint", "T126"), ("map put transport_maps partner.test smtp:[mx.partner.test]", r"\+partner.test"), ("reload", "in use"),
          ("requeue @partner.test", "3 messages requeued")], ["mia@partner.test", "noah@partner.test"]),
        ("refused-connection", "@back.test", ["the server refuses connections", "flush tries it now"],
         [("flush @back.test", "2 messages flushed")], ["erin@back.test", "finn@back.test"]),
        ("held", "@shop.test", ["ask Eva in accounting", "release lets it go"], [("release @shop.test", "1 message released")], ["ivy@shop.test"]),
        ("mailbox-full", "@full.test", ["mailbox is full", "452 4.2.2"], [("bounce @full.test --reason 'full for weeks'", "1 message bounced")], []),
        ("suspended", "@moving.test", ["back at noon", "dest resume moving.test"], [("dest resume moving.test", "resumed")], ["gina@moving.test"]),
    ]
    prompt = "mail.demo.test> "
    with Demo(tmp_path / "run") as demo:
        repl = Repl(demo)       # another window
        repl.wait(prompt)
        top = repl.run("queue top", prompt)
        assert all(code in top for code, *_ in walk), top
        for code, selector, says, commands, recipients in walk:
            why = " ".join(repl.run(f"why {selector}", prompt).split())
            assert all(words in why for words in says), why
            for command, answer in commands:
                said = repl.run(command, prompt)
                assert re.search(answer, said), said
            for recipient in recipients:
                demo.sent(recipient)
            assert code not in repl.run("queue top", prompt)
        wait_for(lambda: not demo.queue())
        assert "Mail queue is empty" in repl.run("queue ls", prompt)
        assert "full for weeks" in repl.run("journal", prompt)
        repl.close()
        demo.wait(r"1 deferred +0")     # the console beside it has seen it go
        demo.keys("Q")
        wait_for(lambda: demo.read() or not demo.child.isalive(), 20)


def test_tour(tmp_path):
    """Without a terminal: all of it as text, quick, nothing left running."""
    r = subprocess.run(["/bin/sh", f"{ROOT}/tests/demo/run.sh", BUILD, f"{tmp_path}/run", str(demo_port())], stdin=subprocess.DEVNULL,
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60 * SLOW)
    assert r.returncode == 0, r.stdout
    for words in ("ask Eva in accounting", "[T126]", "+partner.test", "3 messages requeued", "resumed", "1 message bounced", "Mail queue is empty",
                  "-> EHLO mail.demo.test", "every queued recipient has a next event", "stopping"):
        assert words in r.stdout, (words, r.stdout)
    left = subprocess.run(["pgrep", "-f", f"{tmp_path}/run"], capture_output=True, text=True).stdout
    assert not left


# -- while mail flows


class Load:
    """Senders that never pause; what they could not send."""

    def __init__(self, mta, senders=3):
        self.mta, self.count, self.failed, self.over = mta, 0, [], False
        self.threads = [threading.Thread(target=self.run, daemon=True) for _ in range(senders)]

    def run(self):
        try:
            with self.mta.smtp() as s:
                while not self.over:
                    s.sendmail("load@site.test", "sink@good.test", "Subject: load\r\n\r\n" + "x" * 2000 + "\r\n")
                    self.count += 1
                    time.sleep(0.005)
        except Exception as e:
            self.failed.append(repr(e))

    def __enter__(self):
        for t in self.threads:
            t.start()
        wait_for(lambda: self.count > 50)
        self.before = self.count
        return self

    def __exit__(self, *_):
        self.over = True
        for t in self.threads:
            t.join(20)

    def check(self):
        wait_for(lambda: self.failed or self.count > self.before + 50)
        assert not self.failed


@pytest.fixture
def busy(tmp_path):
    mta = Instance(tmp_path / "site", {"transport_maps": f"texthash:{tmp_path}/site/transport", "bogus_setting": "1"})
    with open(f"{mta.dir}/transport", "w") as f:
        f.write("# routes\npartner.test\tsmtp:[mx.good.test]\n")
    with Sink("127.0.0.2", mta.remote_port), mta:
        mta.qid = mta.send("ann@site.test", "bob@dead.test", "From: ann@site.test\r\nSubject: The offer\r\n\r\nDear Bob\r\n")
        wait_for(lambda: mta.queue("state = deferred"))
        with Load(mta) as mta.load:
            yield mta


def test_five_things_by_controller(busy):
    assert busy.qid in busy.ctl("queue", "ls", "@dead.test").stdout
    assert "refused-connection" in busy.ctl("--table", "queue", "top").stdout
    assert "nothing listens there" in busy.ctl("--table", "why", busy.qid).stdout
    assert "Subject: The offer" in busy.ctl("cat", busy.qid).stdout
    assert "smtp:[mx.good.test]" in busy.ctl("map", "query", "transport_maps", "partner.test").stdout
    r = busy.ctl("map", "put", "transport_maps", "partner.test", "smtp:[mx1.two.test]", "--reload")
    assert r.returncode == 0 and "+partner.test" in r.stdout, r
    assert "smtp:[mx1.two.test]" in busy.ctl("map", "get", "transport_maps", "partner.test").stdout
    assert busy.ctl("map", "undo", "transport_maps", "--reload").returncode == 0
    assert "bogus_setting" in busy.ctl("lint").stdout
    assert busy.ctl("debug", "peer", "add", "127.0.0.2", "2", "--for", "10m").returncode == 0
    assert [p["peer"] for p in busy.rows("debug", "peer", "ls")] == ["127.0.0.2"]
    busy.wait_log(r"< 127.0.0.2|127.0.0.2.*: [<>] |[<>] .*\[127.0.0.2\]")
    assert any(row["peer"].startswith("mx.good.test") or "127.0.0.2" in row["peer"] for row in busy.rows("trace", "127.0.0.2", "--count", "10"))
    assert busy.ctl("debug", "peer", "del", "127.0.0.2").returncode == 0
    busy.load.check()


def test_five_things_by_console(busy):
    with Screen(busy) as s:
        s.wait("refused-connection")
        s.keys("1")
        s.wait(busy.qid)
        s.keys("\r")
        s.wait("nothing listens there")
        s.keys("G")
        s.wait("Dear Bob")
        s.keys("M")
        s.keys("/texthash\r")
        s.keys("\r")
        s.wait(r"partner.test +smtp:\[mx.good.test\]")
        s.keys("e\x15smtp:[mx1.two.test]\r")
        s.wait(r"\+partner.test")
        s.keys("y")
        s.wait("written")
        s.keys("R")
        s.wait("in use")
        s.keys("zy")
        s.wait("written")
        with open(f"{busy.dir}/transport") as f:
            assert "smtp:[mx.good.test]" in f.read()
        s.keys("C")
        s.wait("1 warning")
        s.keys("/bogus\r")
        s.wait(r"P\d\d\d warning: bogus_setting")
        s.keys("7")
        s.wait(r"in +(smtpd +)?localhost\[127.0.0.1\]")
        s.keys("t")
        s.wait(r"D (in|out) ")
        assert busy.rows("debug", "peer", "ls")
        s.keys("t")
        s.wait("debug peer del")
        s.keys("\r")
        s.wait(r"(<-|->) (MAIL|RCPT|250|DATA)")
        assert s.end() == 0
    busy.load.check()
