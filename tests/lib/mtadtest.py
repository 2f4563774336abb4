"""A private mtad for tests, and the peers it talks to. Everything is on loopback and high ports, in a folder of its own."""
import fcntl
import json
import os
import random
import re
import signal
import smtplib
import socket
import socketserver
import subprocess
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("MTAD_BUILD", os.path.join(ROOT, "build/release"))
ROLES = ["receive", "queue", "send", "local", "lookup", "state", "control"]
SLOW = 4 if "asan" in BUILD else 1


def wait_for(what, seconds=20, every=0.05):
    """Calls what() until it gives something true, and returns that; fails after the time."""
    end = time.monotonic() + seconds * SLOW
    while True:
        value = what()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited {seconds * SLOW} s in vain for {getattr(what, '__doc__', None) or what}")
        time.sleep(every)


class Ports:
    """
    Ports for this process alone: a block that it has locked, below those that the kernel gives to outgoing connections. A port that the kernel chose
    could be an outgoing connection's a moment later; even a client's that asks in vain for that very port while nothing listens there (it connects to itself).
    """
    BLOCK = 100

    def __init__(self):
        with open("/proc/sys/net/ipv4/ip_local_port_range") as f:
            end = min(int(f.read().split()[0]), 32768)
        self.blocks = list(range(12000, end - self.BLOCK, self.BLOCK))
        self.start = self.pid = None

    def lock(self):
        """A process that was forked off takes a block of its own."""
        folder = f"/tmp/mtad-test-ports-{os.getuid()}"
        os.makedirs(folder, exist_ok=True)
        random.SystemRandom().shuffle(self.blocks)
        for start in self.blocks:
            f = open(f"{folder}/{start}", "w")
            try:
                fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                f.close()
                continue
            self.file, self.start, self.pid, self.used = f, start, os.getpid(), 0
            return
        raise AssertionError("no block of ports is free")

    @staticmethod
    def free(port):
        """Another user's tests, or anything else, may have it on any address."""
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                s.bind(("0.0.0.0", port))
                return True
            except OSError:
                return False

    def take(self):
        if self.pid != os.getpid():
            self.lock()
        for _ in range(self.BLOCK):
            port = self.start + self.used % self.BLOCK
            self.used += 1
            if self.free(port):
                return port
        raise AssertionError("no port is free")


PORTS = Ports()


def free_port():
    return PORTS.take()


class Instance:
    """One mtad: its configuration, its process, what it logged."""

    def __init__(self, folder, main=None, master=None, zone=None, smtp_port=None, root=False):
        self.dir = str(folder)
        self.port = free_port()
        self.remote_port = smtp_port or free_port()
        self.root = root
        self.process = None
        os.makedirs(self.dir, exist_ok=True)
        os.chmod(self.dir, 0o755)
        os.makedirs(f"{self.dir}/mail", exist_ok=True)
        self.settings = {
            "queue_directory": f"{self.dir}/queue",
            "data_directory": f"{self.dir}/data",
            "maillog_file": f"{self.dir}/log",
            "myhostname": "mail.site.test",
            "mydomain": "site.test",
            "myorigin": "site.test",
            "mydestination": "site.test, $myhostname, localhost",
            "mynetworks": "127.0.0.0/8 [::1]/128",
            "inet_interfaces": "127.0.0.1",
            "inet_protocols": "ipv4",
            "mail_spool_directory": f"{self.dir}/mail/",
            "mtad_dns_zone": f"{self.dir}/zone",
            "smtp_tcp_port": str(self.remote_port),
            "mtad_segment_size": "8388608",
            "mtad_receive_workers": "2",
            "mtad_send_workers": "2",
        }
        if root:
            self.settings.update({"mail_owner": "daemon", "mtad_queue_owner": "bin"})
            os.chmod(f"{self.dir}/mail", 0o1777)
        self.settings.update(main or {})
        self.master = master or f"127.0.0.1:{self.port} inet n - y - - smtpd\n"
        self.zone = zone if zone is not None else ZONE
        self.write()

    def write(self):
        with open(f"{self.dir}/main.cf", "w") as f:
            f.writelines(f"{k} = {v}\n" for k, v in self.settings.items())
        with open(f"{self.dir}/master.cf", "w") as f:
            f.write(self.master + MASTER)
        with open(f"{self.dir}/zone", "w") as f:
            f.write(self.zone)

    def start(self, expect_ready=True, wrap=(), seconds=30):
        command = [*wrap, f"{BUILD}/mtad", "-f", "-c", self.dir] + ([] if self.root else ["-u"])
        self.stderr = open(f"{self.dir}/stderr", "ab")
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self.stderr, stderr=self.stderr)
        if expect_ready:
            def ready():
                if self.process.poll() is not None:
                    raise AssertionError(f"mtad ended with {self.process.returncode}: {self.errors()}\n{self.log()[-2000:]}")
                return self.ctl("status").returncode == 0
            wait_for(ready, seconds)
        return self

    def errors(self):
        with open(f"{self.dir}/stderr", errors="replace") as f:
            return f.read()

    def stop(self, signo=signal.SIGTERM, seconds=30):
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.process.send_signal(signo)
        try:
            status = self.process.wait(seconds * SLOW)
        except subprocess.TimeoutExpired:
            for pids in self.pids().values():
                for pid in pids:
                    os.kill(pid, signal.SIGKILL)
            self.process.kill()
            self.process.wait()
            raise AssertionError("mtad did not stop in time")
        finally:
            self.process = None
            self.stderr.close()
        return status

    def kill_all(self):
        """kill -9 of every process at once, as far as a test can."""
        pids = [pid for some in self.pids().values() for pid in some]
        self.process.kill()
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait()
        self.process = None
        self.stderr.close()
        wait_for(lambda: not any(os.path.exists(f"/proc/{pid}/exe") and alive(pid) for pid in pids))

    def pids(self):
        """The running roles: name -> list of process IDs, by slot."""
        found = {}
        if self.process is None:
            return found
        for pid in children(self.process.pid):
            try:
                with open(f"/proc/{pid}/comm") as f:
                    name = f.read().strip()
            except OSError:
                continue
            role = name.split(":")[-1].split(" ")[0]
            if role in ROLES:
                found.setdefault(role, []).append(pid)
        return found

    def ctl(self, *args, stdin=None, timeout=60):
        return subprocess.run([f"{BUILD}/mtactl", "-c", self.dir, *args], capture_output=True, text=True, input=stdin,
                              timeout=timeout, errors="replace")

    def rows(self, *args):
        r = self.ctl("--json", *args)
        assert r.returncode in (0, 1), f"mtactl {' '.join(args)}: exit {r.returncode}: {r.stderr}"
        return [json.loads(line) for line in r.stdout.splitlines() if line]

    def queue(self, *args):
        return self.rows("queue", "ls", *args)

    def sendmail(self, message, *args, check=True):
        r = subprocess.run([f"{BUILD}/mtactl", "sendmail", "-C", self.dir, *args], input=message, capture_output=True,
                           timeout=60, env={**os.environ, "MAIL_CONFIG": self.dir})
        assert not check or r.returncode == 0, f"sendmail: exit {r.returncode}: {r.stderr}"
        return r

    def smtp(self, timeout=60):
        return smtplib.SMTP("127.0.0.1", self.port, local_hostname="client.test", timeout=timeout)

    def send(self, sender, recipients, body="Subject: x\r\n\r\nhello\r\n", options=()):
        """One message over SMTP; returns the queue ID from the reply."""
        if isinstance(recipients, str):
            recipients = [recipients]
        with self.smtp() as s:
            s.ehlo()
            code, text = s.mail(sender, list(options))
            assert code == 250, (code, text)
            for r in recipients:
                code, text = s.rcpt(r)
                assert code == 250, (r, code, text)
            code, text = s.data(body)
            assert code == 250, (code, text)
            return text.decode().split(" as ")[1].strip()

    def log(self):
        try:
            with open(f"{self.dir}/log", errors="replace") as f:
                return f.read()
        except FileNotFoundError:
            return ""

    def wait_log(self, pattern, seconds=20):
        rx = re.compile(pattern)

        def seen():
            return rx.search(self.log())
        seen.__doc__ = f"the log line {pattern!r} in\n{self.log()[-3000:]}"
        return wait_for(seen, seconds)

    def wait_empty(self, seconds=30):
        def empty():
            return not self.queue()
        empty.__doc__ = "an empty queue"
        wait_for(empty, seconds, 0.1)

    def mailbox(self, user):
        folder = f"{self.dir}/mail/{user}/new"
        if not os.path.isdir(folder):
            return []
        result = []
        for name in sorted(os.listdir(folder)):
            with open(f"{folder}/{name}", "rb") as f:
                result.append(f.read())
        return result

    def __enter__(self):
        try:
            return self.start(seconds=60)
        except BaseException:
            self.stop()
            raise

    def __exit__(self, kind, value, trace):
        if kind is not None:
            print(self.log()[-6000:], self.errors()[-2000:], sep="\n--stderr--\n")
        self.stop()


# The services that every instance has; the listener stands before them.
MASTER = """cleanup unix n - y - 0 cleanup
qmgr unix n - y 300 1 qmgr
rewrite unix - - y - - trivial-rewrite
bounce unix - - y - 0 bounce
defer unix - - y - 0 bounce
smtp unix - - y - - smtp
relay unix - - y - - smtp
lmtp unix - - y - - lmtp
local unix - n n - - local
error unix - - y - - error
retry unix - - y - - error
discard unix - - y - - discard
"""

# Each address of 127.0.0.0/8 is a host of its own; all listen on smtp_tcp_port.
ZONE = """$ORIGIN .
$TTL 60
. SOA ns. root. 1 3600 600 86400 60
. NS ns.
ns. A 127.0.0.1
good.test. MX 10 mx.good.test.
mx.good.test. A 127.0.0.2
two.test. MX 10 mx1.two.test.
two.test. MX 20 mx.good.test.
mx1.two.test. A 127.0.0.3
dead.test. MX 10 mx.dead.test.
mx.dead.test. A 127.0.0.4
refuse.test. MX 10 mx.refuse.test.
mx.refuse.test. A 127.0.0.5
grey.test. MX 10 mx.grey.test.
mx.grey.test. A 127.0.0.6
nullmx.test. MX 0 .
plain.test. A 127.0.0.2
alias.test. CNAME good.test.
relay.test. A 127.0.0.2
*.many.test. A 127.0.0.2
"""


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def children(pid):
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat") as f:
                parent = int(f.read().rsplit(")", 1)[1].split()[1])
        except OSError:
            continue
        if parent == pid:
            found.append(int(name))
            found += children(int(name))
    return found


class Sink:
    """
    A scripted SMTP server. `script` maps a moment ("connect", "EHLO", "MAIL", "RCPT", "DATA", "END") to a function of (session, argument)
    that returns a reply (bytes without CRLF), None for the usual one, or raises Hangup.
    """

    class Hangup(Exception):
        pass

    def __init__(self, host="127.0.0.2", port=0, script=None, extensions=("PIPELINING", "8BITMIME", "SIZE 100000000", "DSN", "SMTPUTF8"),
                 lmtp=False, unix=None):
        self.script = script or {}
        self.extensions = extensions
        self.lmtp = lmtp
        self.messages = []      # (sender line, [recipient lines], content bytes)
        self.dialogue = []
        self.sessions = []      # the same lines, by session in the order they began
        self.lock = threading.Lock()
        outer = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                try:
                    outer.talk(self)
                except (Sink.Hangup, ConnectionError, OSError, ValueError):
                    pass
        base = socketserver.ThreadingUnixStreamServer if unix else socketserver.ThreadingTCPServer
        self.server = type("Server", (base,), {"allow_reuse_address": True, "daemon_threads": True, "request_queue_size": 200,
                                               **({"address_family": socket.AF_INET6} if ":" in host else {})})(unix or (host, port), Handler)
        self.host = host
        self.port = None if unix else self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self.thread.start()

    def reply(self, session, moment, argument, usual):
        fn = self.script.get(moment)
        text = fn(session, argument) if fn else None
        text = usual if text is None else text
        if text:
            session.wfile.write(text + b"\r\n")
            session.wfile.flush()
        return text or b""

    def talk(self, s):
        if not self.reply(s, "connect", b"", b"220 sink.test ESMTP").startswith(b"220"):
            return
        s.sender, s.recipients, s.accepted, s.lines = None, [], [], []
        with self.lock:
            self.sessions.append(s.lines)
        while True:
            line = s.rfile.readline(100000)
            if not line.endswith(b"\r\n"):
                return
            line = line[:-2]
            with self.lock:
                self.dialogue.append(line)
                s.lines.append(line)
            verb, _, rest = line.partition(b" ")
            verb = verb.upper()
            if verb in (b"EHLO", b"LHLO"):
                lines = [b"sink.test"] + [e.encode() for e in self.extensions]
                usual = b"\r\n".join(b"250" + (b"-" if i + 1 < len(lines) else b" ") + x for i, x in enumerate(lines))
                self.reply(s, "EHLO", rest, usual)
            elif verb == b"HELO":
                self.reply(s, "HELO", rest, b"250 sink.test")
            elif verb == b"MAIL":
                s.sender, s.recipients, s.accepted = rest, [], []
                self.reply(s, "MAIL", rest, b"250 2.1.0 Ok")
            elif verb == b"RCPT":
                if self.reply(s, "RCPT", rest, b"250 2.1.5 Ok").startswith(b"2"):
                    s.accepted.append(rest)
            elif verb == b"DATA":
                if not s.accepted:
                    s.wfile.write(b"554 5.5.1 no valid recipients\r\n")
                elif self.reply(s, "DATA", b"", b"354 go ahead").startswith(b"354"):
                    self.content(s)
            elif verb == b"RSET":
                s.sender, s.accepted = None, []
                self.reply(s, "RSET", rest, b"250 2.0.0 Ok")
            elif verb == b"QUIT":
                self.reply(s, "QUIT", rest, b"221 2.0.0 Bye")
                return
            else:
                self.reply(s, "OTHER", line, b"502 5.5.2 what?")

    def content(self, s):
        lines = []
        while True:
            line = s.rfile.readline(10000000)
            if not line:
                raise Sink.Hangup
            if line == b".\r\n":
                break
            lines.append(line[1:] if line.startswith(b".") else line)
        content = b"".join(lines)
        for recipient in s.accepted if self.lmtp else [None]:
            # The message counts before the reply leaves: a lost reply is the peer's duplicate, never its loss.
            fn = self.script.get("END")
            text = (fn(s, content) if fn else None) or b"250 2.0.0 Ok"
            if text.startswith(b"2"):
                with self.lock:
                    self.messages.append((s.sender, [recipient] if recipient else list(s.accepted), content))
            s.wfile.write(text + b"\r\n")
        s.wfile.flush()
        s.sender, s.accepted = None, []

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
