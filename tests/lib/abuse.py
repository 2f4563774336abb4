#!/usr/bin/python3
"""
Clients that mean no good, for tests and benchmarks: one process, one thread, as many connections as asked for. Each kind is a row of KINDS; what is
closed by the server comes again. Says "ready" when all have been let in (or refused) once, and goes on until its input ends; then how often each kind was
let in, refused and closed.

  abuse.py PORT KIND=COUNT...       e.g. 2525 drip=400 silent=300 data=300 flood=167
The count of flood is connections a second from one address.
"""
import collections
import heapq
import json
import os
import select
import socket
import subprocess
import sys
import time

HELLO = b"EHLO slow.test\r\n"
MAIL = b"MAIL FROM:<slow@elsewhere.test>\r\n"
RCPT = b"RCPT TO:<root@site.test>\r\n"
CLIENT_HELLO = bytes.fromhex("16030100c5010000c10303")      # as far as it goes
FLOOD = "127.66.6.6"


class Kind:
    """Steps: what is said once the reply before it has come. Then `more` again and again: every so many seconds (0: as fast as it is taken)."""

    def __init__(self, steps=(), more=b"", every=0.0, reads=True):
        self.steps, self.more, self.every, self.reads = steps, more, every, reads


KINDS = {
    "silent": Kind(),
    "drip": Kind(more=b"N", every=1.0),                     # a byte of a command that never ends
    "idle": Kind([HELLO]),
    "data": Kind([HELLO, MAIL, RCPT, b"DATA\r\n"], b"x", 1.0),
    "tls": Kind([HELLO, b"STARTTLS\r\n", CLIENT_HELLO]),
    "deaf": Kind([HELLO], b"RSET\r\n" * 500, 0.1, reads=False),
    "line": Kind([HELLO], b"x" * 65536, 0.02),
    "headers": Kind([HELLO, MAIL, RCPT, b"DATA\r\n"], b"X-Endless: header\r\n" * 3000, 0.02),
    "header": Kind([HELLO, MAIL, RCPT, b"DATA\r\nX-Endless:"], b" x\r\n" * 15000, 0.02),
    "rcpt": Kind([HELLO, MAIL], RCPT * 200, 0.1),
    "noop": Kind([HELLO], b"NOOP\r\n", 0.05),
    "auth": Kind([HELLO], b"AUTH PLAIN AGEAYg==\r\n", 0.05),
    "garbage": Kind([HELLO], bytes(range(128, 256)) + b"\r\n", 0.05),
    "flood": Kind(),
}


class Client:
    def __init__(self, name, address):
        self.name, self.kind, self.address = name, KINDS[name], address
        self.s = None


class Attack:
    def __init__(self, port, counts):
        self.port = port
        self.poll = select.epoll()
        self.by_fd, self.due, self.number = {}, [], 0
        self.tally = {name: collections.Counter() for name in counts}
        self.waiting = set()            # those that nothing has come of yet
        self.flood_rate = counts.pop("flood", 0)
        n = 0
        for name, count in counts.items():
            for _ in range(count):
                n += 1
                c = Client(name, f"127.{100 + n // 60000}.{n // 250 % 250}.{1 + n % 250}")
                self.waiting.add(c)
                self.at(0, self.connect, c)
        if self.flood_rate:
            self.at(0, self.flood_once, None)

    def at(self, seconds, what, arg):
        self.number += 1
        heapq.heappush(self.due, (time.monotonic() + seconds, self.number, what, arg))

    def connect(self, c):
        c.s = socket.socket()
        c.s.setblocking(False)
        c.s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        c.step, c.left, c.greeted, c.telling = 0, b"", False, False
        try:
            c.s.bind((c.address, 0))
            c.s.connect(("127.0.0.1", self.port))
        except BlockingIOError:
            pass
        except OSError:
            c.s.close()
            self.at(1, self.connect, c)
            return
        self.by_fd[c.s.fileno()] = c
        self.poll.register(c.s.fileno(), select.EPOLLIN)

    def flood_once(self, _):
        self.connect(Client("flood", FLOOD))
        self.at(1 / self.flood_rate, self.flood_once, None)

    def close(self, c):
        self.poll.unregister(c.s.fileno())
        del self.by_fd[c.s.fileno()]
        c.s.close()
        self.tally[c.name]["closed"] += 1
        self.waiting.discard(c)
        if c.name != "flood":
            self.at(0.5, self.connect, c)

    def send(self, c, data):
        try:
            c.left = data[c.s.send(data):]
        except BlockingIOError:
            c.left = data
        except OSError:
            self.close(c)
            return False
        return True

    def tell(self, args):
        """More of what never ends."""
        c, s = args
        if c.s is not s or s.fileno() < 0:
            return
        if self.send(c, c.left or c.kind.more):
            self.at(c.kind.every, self.tell, args)

    def next_step(self, c):
        if c.step < len(c.kind.steps):
            c.step += 1
            if not self.send(c, c.kind.steps[c.step - 1]):
                return
        if c.step == len(c.kind.steps) and c.kind.more and not c.telling:
            c.telling = True
            if not c.kind.reads:
                self.poll.modify(c.s.fileno(), 0)
            self.at(c.kind.every, self.tell, (c, c.s))

    def readable(self, c):
        try:
            data = c.s.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.close(c)
            return
        if not c.greeted:
            c.greeted = True
            self.waiting.discard(c)
            self.tally[c.name]["let in" if data.startswith(b"220") else "refused"] += 1
        self.next_step(c)

    def run(self):
        said = False
        os.set_blocking(0, False)
        while True:
            while self.due and self.due[0][0] <= time.monotonic():
                _, _, what, arg = heapq.heappop(self.due)
                what(arg)
            wait = max(self.due[0][0] - time.monotonic(), 0) if self.due else 0.1
            for fd, _ in self.poll.poll(min(wait, 0.1), 1000):
                if fd in self.by_fd:
                    self.readable(self.by_fd[fd])
            if not said and not self.waiting:
                said = True
                print("ready", flush=True)
            try:
                if os.read(0, 1) == b"":
                    break
            except BlockingIOError:
                pass
        print(json.dumps(self.tally), flush=True)


class Abuse:
    """The same in a process of its own, for a `with`; `tally` afterwards."""

    def __init__(self, port, **counts):
        self.command = [sys.executable, os.path.abspath(__file__), str(port), *(f"{k}={v}" for k, v in counts.items())]

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self

    def wait_ready(self):
        assert self.process.stdout.readline() == "ready\n", "the clients ended"

    def __exit__(self, *_):
        self.process.stdin.close()
        out = self.process.stdout.read()
        self.process.wait()
        self.tally = json.loads(out.splitlines()[-1]) if out else {}


class GoodClient:
    """One message after the other, each over a connection of its own; how long it takes until it lies in the mailbox."""

    def __init__(self, mta, address="127.0.9.1", user="root"):
        self.mta, self.address, self.user = mta, address, user

    def send(self, timeout=30):
        start = time.monotonic()
        with socket.create_connection(("127.0.0.1", self.mta.port), timeout, (self.address, 0)) as s:
            f = s.makefile("rb")

            def reply():
                while True:
                    line = f.readline()
                    if line[3:4] != b"-":
                        return line
            said = [reply()]
            for text in (b"EHLO good.test\r\n", b"MAIL FROM:<good@good.test>\r\n", f"RCPT TO:<{self.user}@site.test>\r\n".encode(), b"DATA\r\n",
                         b"Subject: good\r\n\r\n" + b"A line of a message of the usual kind.\r\n" * 50 + b".\r\n"):
                s.sendall(text)
                said.append(reply())
            s.sendall(b"QUIT\r\n")
            assert [r[:1] for r in said] == [b"2"] * 4 + [b"3", b"2"], said
        folder = f"{self.mta.dir}/mail/{self.user}/new"
        while True:
            found = os.listdir(folder) if os.path.isdir(folder) else []
            if found:
                took = time.monotonic() - start
                for name in found:
                    os.unlink(f"{folder}/{name}")
                return took
            assert time.monotonic() - start < timeout, "the message was not delivered"
            time.sleep(0.002)


def memory(pids, key="Pss"):
    """MiB over these processes."""
    total = 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/smaps_rollup") as f:
                total += sum(int(line.split()[1]) for line in f if line.startswith(key + ":"))
        except OSError:
            pass
    return total / 1024


def descriptors(pids):
    return sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in pids)


if __name__ == "__main__":
    Attack(int(sys.argv[1]), {k: int(v) for k, v in (a.split("=") for a in sys.argv[2:])}).run()
