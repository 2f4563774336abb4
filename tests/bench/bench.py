#!/usr/bin/python3
"""Measures mtad beside Debian's Postfix and the floor, on one machine in one run, and writes docs/benchmarks.md.

  tests/bench/bench.py [--build DIR] [relay] [idle] [list] [queue] [views] [tables] [abuse] [--rounds N] [--scale N] [--dry]
A part alone is written over its own section of the page. --scale 10 takes a tenth of the messages: to see whether it works.
"""
import argparse
import fcntl
import glob
import json
import os
import platform
import re
import shutil
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, f"{ROOT}/tests/lib")
TICK = os.sysconf("SC_CLK_TCK")
SESSIONS = 50
SIZE = 4096
SCALE = 1


def scaled(count):
    return count // SCALE


def tree(pid):
    from mtadtest import children
    return [pid] + children(pid)


def cpu_seconds(pid):
    """Of a process, what it runs now and what it has reaped."""
    total = 0
    for p in tree(pid):
        try:
            fields = open(f"/proc/{p}/stat").read().rsplit(")", 1)[1].split()
        except OSError:
            continue
        total += sum(int(x) for x in fields[11:15])
    return total / TICK


def memory(pid, key):
    total = 0
    for p in tree(pid):
        try:
            for line in open(f"/proc/{p}/smaps_rollup"):
                if line.startswith(key + ":"):
                    total += int(line.split()[1])
        except OSError:
            pass
    return total / 1024


def sync_latency(folder):
    """The median of 4 KiB write + fdatasync to a file of written zeros, in microseconds."""
    path = f"{folder}/sync"
    fd = os.open(path, os.O_CREAT | os.O_RDWR)
    os.write(fd, bytes(4096 * 300))
    os.fsync(fd)
    times = []
    for i in range(300):
        start = time.perf_counter()
        os.pwrite(fd, b"x" * 4096, i * 4096)
        os.fdatasync(fd)
        times.append(time.perf_counter() - start)
    os.close(fd)
    os.unlink(path)
    return statistics.median(times) * 1e6


class Mtad:
    name = "mtad"

    def __init__(self, folder, build, sink_port, main=None):
        from mtadtest import Instance
        self.mta = Instance(f"{folder}/mtad", {
            "relayhost": f"[127.0.0.1]:{sink_port}", "mydestination": "", "mtad_segment_size": str(32 << 20),
            "mtad_receive_workers": "0", "mtad_send_workers": "0",
            "default_destination_concurrency_limit": "100", "initial_destination_concurrency": "100", **(main or {})})
        self.port = self.mta.port

    def start(self):
        self.mta.start(seconds=180)     # the first start reads all of a generated spool
        self.pid = self.mta.process.pid

    def stop(self):
        self.mta.stop()

    def empty(self):
        return not self.mta.queue()


class Postfix:
    name = "Postfix"

    def __init__(self, folder, build, sink_port, main=""):
        from mtadtest import free_port
        self.dir = f"{folder}/postfix"
        self.port = free_port()
        for d in ("", "/queue", "/data", "/config"):
            os.makedirs(self.dir + d)
        shutil.chown(f"{self.dir}/data", "postfix")
        for name in ("main.cf", "master.cf"):
            text = open(f"{ROOT}/tests/bench/postfix/{name}").read()
            for k, v in (("@DIR@", self.dir), ("@SINK@", str(sink_port)), ("@PORT@", str(self.port))):
                text = text.replace(k, v)
            with open(f"{self.dir}/config/{name}", "w") as f:
                f.write(text + (main if name == "main.cf" else ""))
        self.postfix("check")

    def postfix(self, *words):
        r = subprocess.run(["postfix", "-c", f"{self.dir}/config", *words], capture_output=True, text=True)
        if r.returncode != 0:
            raise SystemExit(f"postfix {words}: {r.stderr}{r.stdout}")

    def start(self):
        self.postfix("start")
        self.pid = int(open(f"{self.dir}/queue/pid/master.pid").read())

    def stop(self):
        self.postfix("stop")

    def empty(self):
        r = subprocess.run(["postqueue", "-c", f"{self.dir}/config", "-p"], capture_output=True, text=True)
        return "Mail queue is empty" in r.stdout


class Floor:
    name = "floor"

    def __init__(self, folder, build, sink_port):
        from mtadtest import free_port
        self.port, self.sink, self.file, self.build = free_port(), sink_port, f"{folder}/floor", build

    def start(self):
        self.process = subprocess.Popen([f"{self.build}/bench/floor", str(self.port), str(self.sink), str(SESSIONS), self.file])
        self.pid = self.process.pid

    def stop(self):
        self.process.kill()
        self.process.wait()

    def empty(self):
        return True


def start_sink(port, count):
    user = ["-u", "nobody"] if os.geteuid() == 0 else []
    sink = subprocess.Popen(["smtp-sink", *user, "-M", str(count), f"127.0.0.1:{port}", "1000"])
    time.sleep(0.3)
    return sink


def generate(port, count):
    """-d: a session is kept for its next message. Without it the generator is what is measured: it can open some 3,000 connections a second."""
    return ["smtp-source", "-d", "-s", str(SESSIONS), "-m", str(count), "-l", str(SIZE), "-f", "sender@example.test",
            "-t", "recipient@example.org", f"127.0.0.1:{port}"]


def relay_round(kind, folder, build, count):
    """One round: (messages a second, CPU seconds a message)."""
    from mtadtest import free_port
    sink_port = free_port()
    server = kind(folder, build, sink_port)
    sink = start_sink(sink_port, count)
    server.start()
    time.sleep(3)               # what a start does once (segments, the floor's file) is not what is measured
    try:
        before = cpu_seconds(server.pid)
        start = time.monotonic()
        generator = subprocess.Popen(generate(server.port, count), stderr=subprocess.DEVNULL)
        sink.wait(600)
        took = time.monotonic() - start
        # The floor ends its sessions with the sink's, before the generator has said QUIT.
        assert generator.wait(60) == 0 or kind is Floor, "the generator failed"
        cpu = cpu_seconds(server.pid) - before if kind is not Floor else None
    finally:
        sink.kill()
        server.stop()
        for path in glob.glob(f"{folder}/*"):
            shutil.rmtree(path) if os.path.isdir(path) else os.unlink(path)
    return count / took, cpu and cpu / count


def direct_round(count):
    """The generator straight into the sink."""
    from mtadtest import free_port
    port = free_port()
    sink = start_sink(port, count)
    start = time.monotonic()
    generator = subprocess.Popen(generate(port, count), stderr=subprocess.DEVNULL)
    sink.wait(600)
    took = time.monotonic() - start
    # The sink ends at the last message; the generator, which has not said QUIT everywhere yet, sleeps a second over that and fails.
    generator.wait(60)
    return count / took


def spread(values):
    return f"{statistics.median(values):,.0f} ({min(values):,.0f} to {max(values):,.0f})"


def relay(folder, build, rounds, say):
    kinds = [(Floor, scaled(20000)), (Mtad, scaled(20000))] + ([(Postfix, scaled(3000))] if os.geteuid() == 0 and shutil.which("postfix") else [])
    rates = {k.name: [] for k, _ in kinds}
    cpu = {k.name: [] for k, _ in kinds}
    for i in range(rounds):
        for kind, count in kinds:
            rate, seconds = relay_round(kind, folder, build, count)
            rates[kind.name].append(rate)
            if seconds:
                cpu[kind.name].append(seconds * 1e6)
            print(f"  round {i + 1} {kind.name}: {rate:,.0f}/s" + (f", {seconds * 1e6:,.0f} us CPU a message" if seconds else ""), flush=True)
    direct = [direct_round(scaled(20000)) for _ in range(rounds)]
    median = {k: statistics.median(v) for k, v in rates.items()}
    say("## Relay\n")
    say(f"{SIZE // 1024} KiB messages, {SESSIONS} parallel sessions that stay open, from the first connection to the last message counted at the sink; "
        f"{rounds} interleaved rounds, median (spread).\n")
    say("| | messages a second | CPU a message, all processes |\n|---|---|---|")
    for name in rates:
        say(f"| {name} | {spread(rates[name])} | {statistics.median(cpu[name]):,.0f} us |" if cpu[name] else
            f"| {name} | {spread(rates[name])} | |")
    say(f"| generator straight into the sink | {spread(direct)} | |\n")
    if "Postfix" in median:
        say(f"- **mtad relays {median['mtad'] / median['Postfix']:.1f} times as many as Postfix** (to reach: 5).")
    say(f"- mtad reaches {median['mtad'] / median['floor']:.2f} of the floor (to reach: 0.6).\n")


def idle(folder, build, rounds, say):
    import socket
    server = Mtad(folder, build, 1, {"smtpd_client_connection_count_limit": "0", "smtpd_timeout": "600s", "default_process_limit": "2000"})
    server.start()
    before = memory(server.pid, "Pss")
    sockets = []
    for _ in range(1000):
        s = socket.create_connection(("127.0.0.1", server.port))
        s.recv(200)
        s.sendall(b"EHLO client.test\r\n")
        s.recv(1000)
        sockets.append(s)
    after = memory(server.pid, "Pss")
    for s in sockets:
        s.close()
    server.stop()
    shutil.rmtree(f"{folder}/mtad")
    say(f"## Idle sessions\n\n1,000 idle plaintext sessions: {after:.0f} MiB (PSS) over all processes, of which {before:.0f} without them (to reach: 64).\n")


def timed(command, **kw):
    start = time.perf_counter()
    r = subprocess.run(command, capture_output=True, **kw)
    return time.perf_counter() - start, r


def listing(folder, build, rounds, say):
    """20,000 deferred messages: mtactl queue ls beside mailq."""
    count = scaled(20000)
    mta = Mtad(folder, build, 1, {"initial_destination_concurrency": "20"})
    mta.start()
    subprocess.run(generate(mta.port, count), check=True, timeout=600)
    from mtadtest import wait_for
    wait_for(lambda: len(mta.mta.queue("state = deferred")) >= count, 120, 1)
    command = [f"{build}/mtactl", "-c", mta.mta.dir, "queue", "ls"]
    ours = [timed(command) for _ in range(rounds)]
    assert ours[-1][1].stdout.count(b"recipient@example.org") == count, "queue ls does not show them all"
    mta.stop()
    shutil.rmtree(f"{folder}/mtad")
    ms = statistics.median(t for t, _ in ours) * 1000
    say(f"## Listing {count:,} deferred messages\n")
    if os.geteuid() == 0 and shutil.which("postfix"):
        postfix = Postfix(folder, build, 1, "defer_transports = smtp\n")
        postfix.start()
        subprocess.run(generate(postfix.port, count), check=True, timeout=900)
        time.sleep(5)
        theirs = [timed(["postqueue", "-c", f"{postfix.dir}/config", "-p"]) for _ in range(rounds)]
        n = theirs[-1][1].stdout.count(b"recipient@example.org")
        postfix.stop()
        shutil.rmtree(f"{folder}/postfix")
        other = statistics.median(t for t, _ in theirs) * 1000
        say(f"`mtactl queue ls`: {ms:.0f} ms; Postfix's `mailq` ({n:,} messages): {other:.0f} ms. Ratio {ms / other:.2f} (to reach: 0.1).\n")
    else:
        say(f"`mtactl queue ls`: {ms:.0f} ms.\n")


def generated(folder, build, count, attempts, sink_port, main=None):
    """An instance, not started, with so many deferred messages, each of which was tried so often."""
    server = Mtad(folder, build, sink_port, {"mtad_segment_size": str(256 << 20), "queue_run_delay": "1h", **(main or {})})
    os.makedirs(f"{server.mta.dir}/queue", exist_ok=True)
    subprocess.run([f"{build}/bench/spoolgen", f"{server.mta.dir}/queue", str(count), "300", str(attempts)], check=True, timeout=600,
                   stdout=subprocess.DEVNULL)
    return server


def queue(folder, build, rounds, say):
    say("## A large queue\n\n| queued messages | resident memory of the queue role | bytes a message | ready after a restart |\n|---|---|---|---|")
    for count in (scaled(100000), scaled(1000000)):
        server = generated(folder, build, count, 1, 1)
        server.start()
        server.stop()               # the first start makes a checkpoint of it
        start = time.perf_counter()
        server.start()
        took = time.perf_counter() - start
        pid = server.mta.pids()["queue"][0]
        rss = next(int(line.split()[1]) for line in open(f"/proc/{pid}/status") if line.startswith("VmRSS")) / 1024
        anon = next(int(line.split()[1]) for line in open(f"/proc/{pid}/status") if line.startswith("RssAnon")) / 1024
        first, _ = timed([f"{build}/mtactl", "-c", server.mta.dir, "queue", "ls", "reason ~ refused", "--limit", "50", "--sort", "age"])
        server.stop()
        shutil.rmtree(f"{folder}/mtad")
        say(f"| {count:,} | {rss:.0f} MiB (anonymous {anon:.0f}) | {anon * 1048576 / count:.0f} | {took:.1f} s; a filtered, sorted first screen {first:.2f} s |")
    say("\nTo reach: 400 bytes each, ready in 5 s, a first screen in 1 s.\n")


# What an operator may sort or look for: every field by which a list can be sorted, and selectors of every price.
SORTS = ["id", "state", "sender", "sender.domain", "rcpt", "rcpt.domain", "age", "size", "nrcpt", "reason", "cause", "dest", "transport",
         "attempts", "next", "client", "user", "service", "subject", "message-id", "hold.reason"]
FILTERS = ["state = deferred", "rcpt.domain = dest7.example", "sender ~ ^sender1", "age > 1h", "cause ~ refused", "reason ~ refused",
           "reason ~ 'nothing says this'", "dest = dest7.example", "client ~ localhost", "subject ~ 99", "reason ~ 421 and rcpt.domain = dest8.example"]


def best_of(rounds, command, **kw):
    """The median time of a command in milliseconds, and its last output."""
    runs = [timed(command, **kw) for _ in range(rounds)]
    return statistics.median(t for t, _ in runs) * 1000, runs[-1][1].stdout


def screens(ctl, rounds):
    """What the console asks for, for its first screen: (milliseconds, name), the slowest first."""
    window = ["--limit", "72", "--total"]
    found = [(best_of(rounds, ctl + ["--json", "queue", "ls", "--sort", f] + window)[0], f"sorted by {f}") for f in SORTS]
    found += [(best_of(rounds, ctl + ["--json", "queue", "ls", f, "--sort", "age"] + window)[0], f"`{f}`") for f in FILTERS]
    return sorted(found, reverse=True)


def json_rate(ctl, rounds, count):
    took = []
    for _ in range(rounds):
        start = time.perf_counter()
        subprocess.run(ctl + ["queue", "ls", "--json"], check=True, stdout=subprocess.DEVNULL)
        took.append(time.perf_counter() - start)
    return count / statistics.median(took)


class Console:
    """mtatui on a terminal of its own, at one of its views: the overview, or (key 1) the queue."""
    VIEWS = {"overview": (b"", b"DEFERRED"), "queue": (b"1", b"QUEUE ID")}

    def __init__(self, build, folder, view):
        self.build, self.folder = build, folder
        self.key, self.shows = self.VIEWS[view]

    def __enter__(self):
        self.terminal, slave = os.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.process = subprocess.Popen([f"{self.build}/mtatui", "-c", self.folder], stdin=slave, stdout=slave, stderr=slave,
                                        start_new_session=True, env={**os.environ, "TERM": "xterm", "LANG": "C.UTF-8"})
        os.close(slave)
        self.seen = b""
        threading.Thread(target=self.read, daemon=True).start()
        time.sleep(0.5)
        os.write(self.terminal, self.key)
        time.sleep(1)
        assert self.process.poll() is None and self.shows.lower() in self.seen.lower(), "the console does not show its view"
        return self

    def read(self):
        while True:
            try:
                data = os.read(self.terminal, 65536)
            except OSError:
                return
            if not data:
                return
            self.seen = (self.seen + data)[-100000:]

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        os.close(self.terminal)


def quiet(pid, seconds=60):
    """Waits until what a start does (reading a generated queue, a checkpoint of it, new segments) is done."""
    end = time.monotonic() + seconds
    still = 0
    while still < 4 and time.monotonic() < end:
        before = cpu_seconds(pid)
        time.sleep(0.5)
        still = still + 1 if cpu_seconds(pid) - before <= 0.02 else 0


def console_cost(folder, build, rounds, count):
    """CPU a relayed message with this many deferred ones in the queue, without a console and with one at each view: medians, microseconds."""
    from mtadtest import free_port
    messages = scaled(20000)
    port = free_port()
    server = generated(folder, build, count, 3, port)
    kinds = [None, *Console.VIEWS]
    cpu = {view: [] for view in kinds}
    try:
        server.start()
        for i in range(-2, len(kinds) * rounds):     # two rounds to get warm
            view = kinds[i % len(kinds)] if i >= 0 else None
            sink = start_sink(port, messages)
            with Console(build, server.mta.dir, view) if view else open(os.devnull):
                quiet(server.pid, 60 if i < 0 else 6)
                before = cpu_seconds(server.pid)
                subprocess.run(generate(server.port, messages), check=True, timeout=600)
                sink.wait(600)
                took = (cpu_seconds(server.pid) - before) / messages * 1e6
            if i < 0:
                continue
            cpu[view].append(took)
            print(f"  {'console at the ' + view if view else 'no console'}: {took:,.0f} us a message", flush=True)
    finally:
        server.stop()
        shutil.rmtree(f"{folder}/mtad")
    return {view: statistics.median(times) for view, times in cpu.items()}


def views(folder, build, rounds, say):
    """What an operator waits for, on a queue that is some hours old: the newest journal records of its messages lie in no order."""
    say("## What an operator waits for\n\nDeferred messages that were tried three times in different orders, so that what the remotes said last is spread "
        "over the journal. Times are of the whole command, medians.\n")
    for count in (scaled(100000), scaled(1000000)):
        server = generated(folder, build, count, 3, 1)
        ctl = [f"{build}/mtactl", "-c", server.mta.dir]
        try:
            server.start()
            some = json.loads(subprocess.run(ctl + ["--json", "queue", "ls", "--limit", "1", "--offset", str(count // 2)], check=True,
                                             capture_output=True).stdout.splitlines()[-1])
            why, text = best_of(rounds, ctl + ["why", some["queue_id"]])
            assert some["recipients"][0]["address"].encode() in text, "why tells nothing of the message"
            lists = [(best_of(rounds, ctl + ["queue", "ls", f])[0], f) for f in ("rcpt.domain = dest7.example", "reason ~ nothing.says.this")]
            rate = json_rate(ctl, rounds, count)
            slow = screens(ctl, rounds)
        finally:
            server.stop()
            shutil.rmtree(f"{folder}/mtad")
        big = count > scaled(100000)
        say(f"### {count:,} messages\n")
        say("| | | to reach |\n|---|---|---|")
        say(f"| `why` of one in the middle | {why:.0f} ms | {'' if big else '100 ms'} |")
        for ms, f in lists:
            say(f"| `queue ls '{f}'`, whole | {ms:.0f} ms | {'' if big else '100 ms'} |")
        say(f"| `queue ls --json > /dev/null`, rows a second | {rate:,.0f} | {'' if big else '200,000'} |")
        say(f"| first screen, median of {len(slow)} sorts and filters | {statistics.median(t for t, _ in slow):.0f} ms | |")
        say(f"| the slowest of them: {slow[0][1]} | {slow[0][0]:.0f} ms | {'1,000' if big else '500'} ms |")
        say(f"| the second and third: {slow[1][1]}, {slow[2][1]} | {slow[1][0]:.0f} ms, {slow[2][0]:.0f} ms | |\n")
    cost = console_cost(folder, build, rounds, scaled(100000))
    without = cost.pop(None)
    say(f"CPU a relayed message, with {scaled(100000):,} others in the queue: {without:.0f} us; " +
        "; ".join(f"with a console at its {view} {took:.0f} us, {(took / without - 1) * 100:+.1f} %" for view, took in cost.items()) +
        " (to reach: less than 5 % more).\n")


def write_tables(folder, count):
    """500 virtual domains, `count` aliases, 1,000 expressions and as many networks; the keys that are asked, half of them in the table."""
    os.makedirs(folder, exist_ok=True)
    os.chmod(folder, 0o755)
    with (open(f"{folder}/domains", "w") as d, open(f"{folder}/aliases", "w") as a, open(f"{folder}/patterns", "w") as p,
          open(f"{folder}/networks", "w") as n4):
        d.writelines(f"domain{n}.test x\n" for n in range(500))
        a.writelines(f"user{n}@domain{n % 500}.test target{n}@elsewhere.test\n" for n in range(count))
        p.writelines(f"/^user[0-9]+{n}\\.(list|bounce)-[a-z]+@domain{n % 500}\\.test$/ target{n}@elsewhere.test\n" for n in range(1000))
        n4.writelines(f"10.{n % 250}.{n // 250}.0/24 REJECT network {n}\n" for n in range(1000))
    return [f"user{n * 7919 % (2 * count)}@domain{n * 7919 % (2 * count) % 500}.test" for n in range(count)]


def lookup_time(rounds, command, table, keys):
    """Microseconds a question: what so many take more than none."""
    none = min(timed([*command, "-q", "-", table], input=b"")[0] for _ in range(rounds))
    all_of_them = statistics.median(timed([*command, "-q", "-", table], input="\n".join(keys).encode())[0] for _ in range(rounds))
    return max(all_of_them - none, 0) / len(keys) * 1e6


def say_lookups(here, rounds, ours, theirs, keys, say):
    few = keys[:200]
    clients = [f"10.{n % 500}.{n * 7 % 8}.{n % 256}" for n in range(len(keys) // 10)]
    for path in ("domains", "aliases"):
        for command in (ours, theirs):
            if command is not None:
                subprocess.run([*command, f"hash:{here}/{path}"], check=True, capture_output=True)
    say("| table | mtad, a question | a second | Postfix | a second | ratio |\n|---|---|---|---|---|---|")
    for name, table, asked in ((f"hash, {len(keys):,} entries", "hash:aliases", keys), ("hash, 500 entries", "hash:domains", keys),
                               (f"texthash, {len(keys):,} entries", "texthash:aliases", keys), ("cidr, 1,000 networks", "cidr:networks", clients),
                               ("regexp, 1,000 rules", "regexp:patterns", few), ("pcre, 1,000 rules", "pcre:patterns", few * 5)):
        table = table.replace(":", f":{here}/")
        us = lookup_time(rounds, ours, table, asked)
        other = lookup_time(rounds, theirs, table, asked) if theirs is not None else 0
        beside = f"{other:.1f} us | {1e6 / other:,.0f} | {us / other:.2f}" if other > 0 else " | | "
        say(f"| {name} | {us:.1f} us | {1e6 / max(us, 0.01):,.0f} | {beside} |")


def first_greeting(port, begin, seconds=60):
    """From the call of begin() to the first 220 at this port."""
    start = time.perf_counter()
    begin()
    while time.perf_counter() - start < seconds:
        try:
            with socket.create_connection(("127.0.0.1", port), 5) as s:
                if s.recv(100).startswith(b"220"):
                    return time.perf_counter() - start
        except OSError:
            pass
        time.sleep(0.002)
    raise SystemExit("no greeting after a start")


def starts(rounds, port, start, stop, before):
    times = []
    for _ in range(rounds):
        before()
        times.append(first_greeting(port, start))
        stop()
    return statistics.median(times)


def say_starts(folder, build, here, rounds, ours, theirs, say):
    """A site whose parameters name those tables again and again, and that has three services for SMTP."""
    from mtadtest import Instance, free_port
    site = {"virtual_alias_domains": f"hash:{here}/domains", "virtual_alias_maps": f"hash:{here}/aliases, regexp:{here}/patterns",
            "relay_recipient_maps": f"pcre:{here}/patterns", "header_checks": f"regexp:{here}/patterns", "body_checks": f"pcre:{here}/patterns",
            "transport_maps": f"regexp:{here}/patterns", "smtp_header_checks": f"pcre:{here}/patterns",
            "smtpd_client_restrictions": f"check_client_access cidr:{here}/networks",
            "smtpd_recipient_restrictions": f"permit_mynetworks, check_recipient_access pcre:{here}/patterns, reject_unauth_destination"}
    ports = [free_port() for _ in range(3)]
    services = "".join(f"127.0.0.1:{p} inet n - n - - smtpd\n -o smtpd_banner=service{i}\n" for i, p in enumerate(ports))
    mta = Instance(f"{here}/mta", main=site, master=services)
    mtad_start = (ports[0], lambda: mta.start(expect_ready=False), mta.stop)
    post = Postfix(folder, build, 1, "".join(f"{k} = {v}\n" for k, v in site.items())) if theirs is not None else None
    say("\n| until the first 220 of a site that names these tables in nine parameters and has three services | mtad | Postfix |\n|---|---|---|")
    for name, build_it in (("compiled tables up to date", False), (f"the {scaled(100000):,} aliases have to be compiled", True)):
        def ours_before():
            if build_it:
                os.unlink(f"{here}/aliases.gdbm")

        def theirs_start():
            if build_it:
                subprocess.run([*theirs, f"hash:{here}/aliases"], check=True)
            post.start()
        mine = starts(rounds, *mtad_start, ours_before)
        other = f"{starts(rounds, post.port, theirs_start, post.stop, lambda: None):.2f} s{' (postmap, then its start)' if build_it else ''}" if post is not None else ""
        say(f"| {name} | {mine:.2f} s | {other} |")


def tables(folder, build, rounds, say):
    """A site with many tables: what a lookup costs, and a start."""
    keys = write_tables(f"{folder}/tables", scaled(100000))
    here = f"{folder}/tables"
    for name in ("main.cf", "master.cf"):
        open(f"{here}/{name}", "w").close()
    ours = [f"{build}/mtactl", "postmap", "-c", here]
    theirs = ["postmap", "-c", here] if shutil.which("postmap") else None
    say(f"## Tables\n\n500 virtual domains and {len(keys):,} aliases in compiled tables, 1,000 regular expressions that mostly differ in their numbers, 1,000 networks; "
        "questions by `postmap -q -`, the time for none taken off; medians. The ratio is of the times: below 1 mtad is faster.\n")
    say_lookups(here, rounds, ours, theirs, keys, say)
    say_starts(folder, build, here, rounds, ours, theirs, say)
    shutil.rmtree(here)
    say("\nTo reach: under 20 us a question to a compiled table, and a start under 1 s.\n")


# What abusers do: how many of each kind there are, and what is expected of a good client meanwhile.
ABUSES = [
    ("1,000 slow clients from 1,000 addresses: silent, a byte a second of a command or of content, half a TLS handshake", {
        "silent": 150, "drip": 350, "idle": 100, "data": 300, "tls": 100}),
    ("10,000 connections a minute from one address", {"flood": 167}),
    ("endless lines, headers, recipients, AUTH, NOOP, garbage, replies never read: 10 of each", {
        "line": 10, "headers": 10, "header": 10, "rcpt": 10, "auth": 10, "noop": 10, "garbage": 10, "deaf": 10}),
    ("all of it", {"silent": 150, "drip": 350, "idle": 100, "data": 300, "tls": 100, "flood": 167,
                   "line": 10, "headers": 10, "header": 10, "rcpt": 10, "auth": 10, "noop": 10, "garbage": 10, "deaf": 10}),
]


def good_times(good, seconds, pids):
    """How long messages of a good client take, one after the other, in milliseconds; the most memory meanwhile."""
    from abuse import memory as pss
    times, most, end = [], 0, time.monotonic() + seconds
    while time.monotonic() < end:
        times.append(good.send() * 1000)
        most = max(most, pss(pids))
        time.sleep(0.05)
    times.sort()
    return f"{statistics.median(times):.0f} | {times[int(len(times) * 0.99)]:.0f} | {times[-1]:.0f}", most


def abuse(folder, build, rounds, say):
    """A good client's message end to end (from connecting to the mailbox) while others mean no good."""
    from abuse import Abuse, GoodClient, descriptors, memory as pss
    from certs import Authority
    from mtadtest import Instance
    import pathlib
    seconds = max(scaled(20), 3)
    os.makedirs(f"{folder}/abuse")
    os.chmod(f"{folder}/abuse", 0o755)
    chain = Authority(pathlib.Path(f"{folder}/abuse")).issue("mail.site.test").both
    say("## Abuse\n\nA good client sends one message after the other, each over a new connection, and waits until it lies in the mailbox: milliseconds. Default settings (100 "
        f"sessions a service, 50 a client), with a certificate. Memory is PSS over all processes. {seconds} s each.\n")
    say("| | good client: median | 99 % | longest | MiB at most | descriptors after |\n|---|---|---|---|---|---|")
    with Instance(f"{folder}/abuse/site", {"mynetworks": "127.0.0.1/32", "smtpd_tls_security_level": "may", "smtpd_tls_chain_files": str(chain),
                                           "local_recipient_maps": "", "alias_maps": ""}, root=os.geteuid() == 0) as mta:
        pids = tree(mta.process.pid)
        good = GoodClient(mta)
        good_times(good, 2, pids)
        files = descriptors(pids)
        times, most = good_times(good, seconds, pids)
        say(f"| nobody else | {times} | {most:.0f} | {files} |")
        for name, counts in ABUSES:
            with Abuse(mta.port, **counts):
                times, most = good_times(good, seconds, pids)
            end = time.monotonic() + 40
            while descriptors(pids) > files and time.monotonic() < end:
                time.sleep(0.2)
            say(f"| {name} | {times} | {most:.0f} | {descriptors(pids)} |")
        after = pss(pids)
    shutil.rmtree(f"{folder}/abuse")
    say(f"\nAfterwards {after:.0f} MiB. To reach: under 1,000 ms; memory as `docs/architecture.md` states it (256 KiB a session, 32 MiB of content a receive process).\n")


def machine(folder):
    model = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "?")
    fs = subprocess.run(["stat", "-f", "-c", "%T", folder], capture_output=True, text=True).stdout.strip()
    if fs == "tmpfs":
        raise SystemExit(f"{folder} is on tmpfs: durability costs nothing there, so nothing would be measured; set TMPDIR to a real disk")
    return (f"{os.cpu_count()} cores ({model}), Linux {platform.release()}, {fs}, "
            f"4 KiB write and fdatasync {sync_latency(folder):.0f} us (median).")


def put_sections(page, text):
    """The sections of the text over those of the same name on the page, or behind its last."""
    split = re.compile(r"(?m)^(?=## )")
    have = split.split(page)
    for part in split.split(text)[1:]:
        name = part.split("\n", 1)[0]
        at = next((i for i, old in enumerate(have) if old.split("\n", 1)[0] == name), len(have))
        have[at:at + 1] = [part.rstrip("\n") + "\n\n"]
    return "".join(have)


def main():
    global SCALE
    p = argparse.ArgumentParser()
    p.add_argument("--build", default=f"{ROOT}/build/release")
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--scale", type=int, default=1)
    p.add_argument("--dry", action="store_true", help="print only")
    p.add_argument("what", nargs="*", default=[])
    a = p.parse_args()
    SCALE = a.scale
    os.environ["MTAD_BUILD"] = os.path.abspath(a.build)
    parts = {"relay": relay, "idle": idle, "list": listing, "queue": queue, "views": views, "tables": tables, "abuse": abuse}
    unknown = [name for name in a.what if name not in parts]
    if unknown:
        p.error(f"no such part: {unknown[0]}; there are {' '.join(parts)}")
    folder = tempfile.mkdtemp(prefix="mtad-bench-", dir=os.environ.get("TMPDIR", "/var/tmp"))
    os.chmod(folder, 0o755)
    lines = []

    def say(text):
        print(text, flush=True)
        lines.append(text)
    try:
        say("# Benchmarks\n\nWritten by `make bench`. " + machine(folder) + "\nThe machine is shared and noisy: the ratios count.\n")
        for name, part in parts.items():
            if not a.what or name in a.what:
                part(folder, os.path.abspath(a.build), a.rounds, say)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if a.dry or a.scale != 1:
        return
    path, text = f"{ROOT}/docs/benchmarks.md", "\n".join(lines) + "\n"
    if a.what:
        text = put_sections(open(path).read(), text)
    with open(path, "w") as f:
        f.write(text)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    main()
