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
from mtadtest import BUILD, ROOT, SLOW, Instance, Sink, free_port, wait_for
from test_console import Screen, Stream, Terminal

KEYS_MAX = 8
HOME, DELETE = "\x1bOH", "\x1b[3~"


class Demo(Screen):
    """tests/demo/run.sh in a terminal: the console opens on the troubles."""

    def __init__(self, folder, cols=80, rows=24):
        self.raw, self.pressed = b"", 0
        self.dir = str(folder)
        self.screen = Terminal(cols, rows)
        self.stream = Stream(self.screen)
        while True:     # the demo uses two ports, 25 apart
            port = free_port()
            if not any(taken(port + 25, f"127.0.0.{i}") for i in range(2, 10)):
                break
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


def taken(port, host):
    import socket
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind((host, port))
            return False
        except OSError:
            return True


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
