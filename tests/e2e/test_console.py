"""mtatui on a running mtad: in a terminal of its own (pexpect, with pyte reading the screen), and by script without one."""
import os
import re
import signal
import subprocess
import time

import pexpect
import pyte
import pytest
from mtadtest import BUILD, SLOW, wait_for

MTATUI = f"{BUILD}/mtatui"
HOSTILE = "evil \x1b]0;owned\x07 \x1b[31m red \x9b2J \u202egnp.exe \x08\x08 end"


class Terminal(pyte.Screen):
    """With SU, SD and REP, which terminals have and pyte has not."""

    last = " "

    def scroll_up(self, count=1):
        self.scroll(count or 1, self.delete_lines)

    def scroll_down(self, count=1):
        self.scroll(count or 1, self.insert_lines)

    def scroll(self, count, move_lines):
        y, x = self.cursor.y, self.cursor.x
        self.cursor.y = self.margins.top if self.margins else 0
        move_lines(count)
        self.cursor.y, self.cursor.x = y, x

    def draw(self, data):
        super().draw(data)
        self.last = data[-1:] or self.last

    def repeat(self, count=1):
        self.draw(self.last * (count or 1))


class Stream(pyte.ByteStream):
    csi = {**pyte.ByteStream.csi, "S": "scroll_up", "T": "scroll_down", "b": "repeat"}
    events = pyte.ByteStream.events | {"scroll_up", "scroll_down", "repeat"}


class Screen:
    """The console in a pty: what was written to the terminal, raw and as the screen that it makes."""

    def __init__(self, mta, *args, cols=80, rows=24, **env):
        self.raw = b""
        self.screen = Terminal(cols, rows)
        self.stream = Stream(self.screen)
        full = {**os.environ, "TERM": "xterm-256color", "LANG": "C.UTF-8", **env}
        for name in ("LC_ALL", "NO_COLOR"):
            if name not in env:
                full.pop(name, None)
        self.child = pexpect.spawn(MTATUI, ["-c", mta.dir, *args], dimensions=(rows, cols), env=full, timeout=10)

    def read(self, seconds=0.05):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                data = self.child.read_nonblocking(65536, timeout=0.02)
            except pexpect.TIMEOUT:
                continue
            except pexpect.EOF:
                break
            self.raw += data
            self.stream.feed(data)

    def text(self):
        return "\n".join(self.screen.display)

    def wait(self, pattern, seconds=10):
        rx = re.compile(pattern)

        def seen():
            self.read()
            return rx.search(self.text())
        seen.__doc__ = f"{pattern!r} on the screen"
        try:
            return wait_for(seen, seconds, 0)
        except AssertionError:
            print(self.text())
            raise

    def keys(self, text):
        self.child.send(text)
        self.read(0.1)

    def resize(self, cols, rows):
        self.screen.resize(rows, cols)
        self.child.setwinsize(rows, cols)
        self.read(0.3)

    def end(self):
        self.keys("Q")
        self.child.expect(pexpect.EOF)
        self.raw += self.child.before
        self.child.close()
        return self.child.exitstatus

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.child.isalive():
            self.child.kill(signal.SIGKILL)
        self.child.close()


@pytest.fixture
def queue(mta):
    """Some mail that cannot leave; ids in the order of arrival."""
    ids = [mta.send(f"s{i}@site.test", "rcpt@dead.test", f"Subject: number {i}\r\n\r\nbody {i}\r\n") for i in range(5)]
    wait_for(lambda: [r for r in mta.queue() if r["queue_name"] == "deferred"].__len__() == 5)
    mta.ids = ids
    return mta


SIZES = [(80, 24), (200, 50)]
LOOKS = [{}, {"NO_COLOR": "1"}, {"TERM": "vt100"}, {"LANG": "C"}]


@pytest.mark.parametrize("cols,rows", SIZES)
@pytest.mark.parametrize("look", LOOKS, ids=["color", "no_color", "vt100", "ascii"])
def test_views(queue, cols, rows, look):
    with Screen(queue, cols=cols, rows=rows, **look) as s:
        s.wait("5 deferred")
        s.wait("DESTINATIONS IN TROUBLE")
        s.wait("smtp:dead.test")
        s.keys("1")
        s.wait(queue.ids[0])
        s.wait(r"deferred.*s0@site.test")
        s.keys("w")
        s.wait("verdict")
        s.keys("q\r")
        s.wait("Why")
        s.wait("Envelope")
        wait_for(lambda: s.keys("G") or "body 0" in s.text(), 10)     # its content comes last
        s.keys("\t")
        s.wait(r"smtp +dead.test")
        s.keys("\t")
        s.wait("next event or a named blocker")
        s.keys("?")
        s.wait("everywhere")
        s.keys(":queue count\r")
        s.wait("MESSAGES +RECIPIENTS")
        colored = re.search(rb"\x1b\[[0-9;]*(3[0-7]|4[0-7]|38;5)[0-9;]*m", s.raw)
        assert bool(colored) == (look in ({}, {"LANG": "C"}))
        if "LANG" in look:
            assert all(ord(c) < 128 for c in s.text())
        assert s.end() == 0


def test_actions_tags_and_undo(queue):
    ids = queue.ids

    def states():
        return {r["queue_id"]: r["queue_name"] for r in queue.queue()}
    with Screen(queue) as s:
        s.wait("5 deferred")
        s.keys("1")
        s.wait(ids[4])
        s.keys("h")
        s.wait(r"Hold 1 message \(1 recipient")
        s.wait(rf"\$ mtactl hold {ids[0]}")
        s.keys("n")
        s.wait("nothing was done")
        assert states()[ids[0]] == "deferred"
        s.keys("jtt")
        s.wait(r"2 tagged")
        s.keys(";h")
        s.wait("Hold 2 messages")
        s.keys("y")
        s.wait(rf"held 2 messages.*\$ mtactl hold {ids[1]}")
        assert [states()[i] for i in ids] == ["deferred", "hold", "hold", "deferred", "deferred"]
        s.keys("z")
        s.wait(r"Take back action \d+ \(hold, 2 messages\)")
        s.keys("y")
        s.wait("released 2 messages")
        assert states()[ids[1]] != "hold"
        s.keys("u")
        s.wait("1/5|2/5|3/5|4/5|5/5")
        s.keys("g")
        s.keys("d")
        s.wait("Delete 1 message")
        s.keys("y")
        s.wait("deleted 1 message")
        assert ids[0] not in states()
        s.keys("6")
        s.wait(ids[0])
        s.keys("U")
        s.wait("Take back from the trash 1 message")
        s.keys("y")
        s.wait("undeleted 1 message")
        wait_for(lambda: ids[0] in states())
        s.keys("0Tsender = s3@site.test\r")
        s.wait("1 message match")
        assert s.end() == 0


def test_filter_and_sort(queue):
    with Screen(queue) as s:
        s.wait("5 deferred")
        s.keys("0/")
        s.keys("sender = s2@site.test\r")
        s.wait(r"1/1")
        s.wait(queue.ids[2])
        s.keys("/")
        s.keys("\x15nonsens = 1\r")
        s.wait("there is no field")
        s.keys("0")
        s.wait("1/5")
        s.keys("S")
        s.wait("by arrival down")
        lines = [x for x in s.text().splitlines() if "deferred " in x and "@site" in x]
        assert queue.ids[0] in s.text() and len(lines) == 5
        assert s.end() == 0


def test_refresh_keeps_cursor_and_tags(queue):
    ids = queue.ids
    with Screen(queue) as s:
        s.wait("5 deferred")
        s.keys("1")
        s.wait(ids[4])
        s.keys("jjt")
        s.wait(rf"\n {ids[3]} ", 10)
        assert queue.ctl("delete", ids[0]).returncode == 0
        s.wait("3/4")
        s.read(2.5)
        assert re.search(rf"\n {ids[3]} ", s.text())
        assert re.search(rf"\+ {ids[2]} ", s.text())
        for i in range(3):
            queue.send("new@site.test", "rcpt@dead.test")
        s.wait("3/7")
        assert re.search(rf"\n {ids[3]} ", s.text())
        assert s.end() == 0


def test_only_a_window_is_fetched(mta):
    for i in range(120):
        mta.send(f"s{i}@site.test", "rcpt@dead.test")
    ids = [r["queue_id"] for r in mta.queue()]
    total = len(ids)
    window = mta.rows("queue", "ls", "--offset", "50", "--limit", "10", "--total")
    assert window[0] == {"total": total, "offset": 50}
    assert [r["queue_id"] for r in window[1:]] == ids[50:60]
    around = mta.rows("queue", "ls", "--around", ids[100], "--limit", "11", "--total")
    assert around[0]["offset"] == 95
    assert [r["queue_id"] for r in around[1:]] == ids[95:106]
    assert mta.rows("queue", "ls", "--offset", "100000") == []
    assert [r["queue_id"] for r in mta.rows("queue", "ls", "--reverse", "--offset", "1", "--limit", "2")] == ids[-2:-4:-1]
    with Screen(mta) as s:
        s.keys("0")
        s.wait(f"1/{total}")
        s.keys("G")
        s.wait(f"{total}/{total}")
        s.wait(ids[-1])
        s.keys("k" * 60)
        s.wait(f"{total - 60}/{total}")
        s.wait(rf"\n {ids[-61]} ")
        s.keys("g")
        s.wait(ids[0])
        assert s.end() == 0


def test_resize(queue):
    with Screen(queue) as s:
        s.wait("5 deferred")
        s.keys("1")
        s.wait("RECIPIENT")
        assert "REASON" not in s.text()
        s.resize(200, 50)
        s.wait("REASON")
        for cols, rows in ((20, 5), (10, 2), (300, 80), (80, 24)):
            s.resize(cols, rows)
            assert s.child.isalive()
        s.wait(queue.ids[0])
        assert s.end() == 0


@pytest.mark.parametrize("signo", [signal.SIGTERM, signal.SIGHUP, signal.SIGSEGV, signal.SIGABRT])
def test_terminal_is_put_back(mta, signo):
    with Screen(mta) as s:
        s.wait("overview")
        s.child.kill(signo)
        s.child.expect(pexpect.EOF)
        s.raw += s.child.before
        s.child.wait()
        assert s.child.signalstatus == signo
        assert b"\x1b[?1049h" in s.raw
        tail = s.raw[s.raw.rindex(b"\x1b[?1049h"):]
        assert b"\x1b[?1049l" in tail and (b"\x1b[?25h" in tail or b"\x1b[34h" in tail)


def test_terminal_modes(mta):
    """A shell around it: its terminal's modes are as before."""
    command = f"before=$(stty -g); {MTATUI} -c {mta.dir}; [ \"$(stty -g)\" = \"$before\" ] && echo SAME-MODES"
    env = {**os.environ, "TERM": "xterm", "LANG": "C.UTF-8"}
    for ending in ("q", None):
        child = pexpect.spawn("/bin/sh", ["-c", command], env=env, timeout=10 * SLOW)
        child.expect("overview")
        if ending:
            child.send(ending)
        else:
            subprocess.run(["pkill", "-TERM", "-P", str(child.pid)], check=True)
        child.expect("SAME-MODES")
        child.close()


def test_refusals(mta):
    for term, rx in (("dumb", "cannot place the cursor"),):
        child = pexpect.spawn(MTATUI, ["-c", mta.dir], env={**os.environ, "TERM": term}, timeout=10)
        child.expect(rx)
        child.expect(pexpect.EOF)
        child.close()
        assert child.exitstatus == 75
    # The screen library forgets the terminal that it did not find.
    with Screen(mta, TERM="no-such-terminal", ASAN_OPTIONS="detect_leaks=0") as s:
        s.wait("overview")
        assert s.end() == 0
    r = subprocess.run([MTATUI, "-c", mta.dir], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert r.returncode == 75 and "no terminal" in r.stderr
    assert subprocess.run([MTATUI, "--nonsense"], capture_output=True).returncode == 64


def test_hostile_bytes(mta):
    body = f"Subject: {HOSTILE}\r\nFrom: \x1b[41m\x9d <a@b>\r\n\r\n{HOSTILE}\r\n".encode("utf-8") + b"\x9b31m raw C1 \xff\r\n"
    with mta.smtp() as smtp:
        smtp.ehlo()
        smtp.mail("s@site.test", ["BODY=8BITMIME"])
        smtp.rcpt("rcpt@dead.test")
        smtp.data(body)
    wait_for(lambda: mta.queue())
    queue_id = mta.queue()[0]["queue_id"]
    mta.ctl("hold", queue_id, "--reason", "because \x1b]0;owned\x07 \u202e")
    with Screen(mta, cols=120, rows=60) as s:
        s.keys("0")
        s.wait("owned")
        s.keys("\r")
        s.wait("Content")
        s.wait(r"gnp.exe")
        wait_for(lambda: s.keys("G") or "raw C1" in s.text(), 10)
        s.keys("v")
        s.wait("raw \\(v")
        s.keys("w")
        s.wait("verdict")
        s.keys(f":why {queue_id}\r")
        s.wait("verdict")
        s.keys("0")
        s.wait(rf"1/1(.|\n)*{queue_id}")
        s.keys("d")
        s.wait("Delete 1")
        s.keys("n")
        assert s.end() == 0
        for bad in (b"\x1b]0;", b"\x07", b"\x1b[31m red", b"\x1b[41m", b"\xc2\x9b", b"\xc2\x9d", b"\xe2\x80\xae", b"\xff", b"\x9b"):
            assert bad not in s.raw, bad


def test_daemon_away_and_back(queue):
    with Screen(queue) as s:
        s.wait("5 deferred")
        queue.stop()
        s.wait("mtad is not running")
        s.keys("1")
        s.wait("is shown when it is back")
        queue.start()
        s.wait("5 deferred", 20)
        s.wait(queue.ids[0])
        assert s.end() == 0


def test_readonly(queue):
    with Screen(queue, "--readonly") as s:
        s.wait("read-only")
        s.keys("1")
        s.wait(queue.ids[0])
        s.keys("d")
        s.wait("this console is read-only")
        assert s.end() == 0


def run_script(mta, folder, text, *args, **env):
    path = folder / "script"
    path.write_text(text)
    return subprocess.run([MTATUI, "-c", mta.dir, "--script", str(path), *args], stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=60, env={**os.environ, "LANG": "C.UTF-8", **env})


@pytest.mark.parametrize("term", ["xterm-256color", "vt100", "dumb", ""])
def test_script(queue, tmp_path, term):
    shot, big = tmp_path / "shot", tmp_path / "big"
    r = run_script(queue, tmp_path, f"# a walk\nwait 5 deferred\nkeys 1\nwait {queue.ids[0]}\nsave-screen {shot}\nresize 200x50\nwait REASON\n"
                   f"save-screen {big}\nkeys <Down><Enter>\nwait {queue.ids[1]}\nkeys <Esc><F1>\nwait help\nquit\n", TERM=term)
    assert (r.returncode, r.stdout, r.stderr) == (0, "", "")
    lines = shot.read_text().splitlines()
    assert len(lines) == 24 and max(map(len, lines)) <= 80
    assert "5 deferred" in lines[0] and "QUEUE ID" in lines[1]
    lines = big.read_text().splitlines()
    assert len(lines) == 50 and "Connection refused" in "\n".join(lines)


def test_script_failures(mta, tmp_path):
    assert "what does" in run_script(mta, tmp_path, "jump high\n").stderr
    assert "no key <Nope>" in run_script(mta, tmp_path, "keys <Nope>\n").stderr
    start = time.monotonic()
    r = run_script(mta, tmp_path, "wait never to be seen\n")
    assert r.returncode == 1 and "did not show" in r.stderr
    assert 9 < time.monotonic() - start < 15 * SLOW
