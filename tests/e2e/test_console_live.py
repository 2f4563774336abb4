"""mtatui's live views on a busy mtad: sessions, dialogues, the log, the journal, troubles and what mends them. And on answers made to do harm."""
import json
import os
import re
import socket
import threading
import time

import pytest
from mtadtest import Instance, Sink, wait_for
from test_console import HOSTILE, Screen, run_script

LOOKS = [(80, 24, {"NO_COLOR": "1"}), (80, 24, {"LANG": "C"}), (200, 50, {}), (200, 50, {"TERM": "vt100"})]
LOOK_NAMES = ["80-mono", "80-color-ascii", "200-color", "200-mono"]
BAD_BYTES = (b"\x1b]0;", b"\x07", b"\x1b[31m red", b"\x1b[41m", b"\xc2\x9b", b"\xc2\x9d", b"\xe2\x80\xae", b"\xff", b"\x9b")


class Client:
    """An SMTP client that stays connected."""

    def __init__(self, mta, helo="client.test"):
        self.socket = socket.create_connection(("127.0.0.1", mta.port), timeout=10)
        self.file = self.socket.makefile("rwb")
        self.file.readline()
        self.say(f"EHLO {helo}")

    def say(self, line):
        self.file.write(line.encode() + b"\r\n")
        self.file.flush()
        while (reply := self.file.readline())[3:4] == b"-":
            pass
        return reply

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()
        self.socket.close()


@pytest.fixture(scope="module")
def busy(tmp_path_factory):
    """Mail that waits for several reasons: a dead host, greylisting, an unknown transport, a reply full of escape sequences, a hold."""
    folder = tmp_path_factory.mktemp("busy")
    os.chmod(folder, 0o755)
    mta = Instance(folder / "site", main={"transport_maps": "inline:{ {weird.test = nosuch:} }"})
    sinks = [Sink("127.0.0.6", mta.remote_port, {"RCPT": lambda s, a: b"450 4.7.1 Greylisted, come back"}),
             Sink("127.0.0.3", mta.remote_port, {"RCPT": lambda s, a: ("451 4.3.0 " + HOSTILE).encode()})]
    mta.start()
    for i, rcpt in enumerate(["a@dead.test", "b@dead.test", "c@dead.test", "g@grey.test", "h@two.test", "w@weird.test", "held@grey.test"]):
        mta.send(f"s{i}@site.test", rcpt)
    wait_for(lambda: len([r for r in mta.queue() if r["queue_name"] == "deferred"]) == 7)
    mta.ctl("hold", "held@grey.test", "--reason", HOSTILE)
    yield mta
    mta.stop()
    for sink in sinks:
        sink.close()


def ids(mta, selector):
    return [r["queue_id"] for r in mta.queue(selector)]


def state(mta, queue_id):
    return next((r["queue_name"] for r in mta.queue(queue_id)), None)


@pytest.mark.parametrize("cols,rows,look", LOOKS, ids=LOOK_NAMES)
def test_views(busy, cols, rows, look):
    with Client(busy) as client, Screen(busy, cols=cols, rows=rows, **look) as s:
        s.wait("WHY MAIL WAITS")
        s.wait(r"3 +\w+ dead.test +refused-connection")
        s.wait("LAST WARNINGS AND ERRORS")
        s.wait("warning .*nosuch")
        s.wait(r"Enter ?Why.*7 ?Sessions")
        s.keys("\r")
        s.wait(r"What helps\s+f  try them now")
        s.wait("Connection refused")
        s.keys("7")
        s.wait(r"in +(smtpd +)?localhost\[127.0.0.1\]")
        s.wait(r"helo client.test")
        s.keys("\r")
        s.wait(r"trace 127.0.0.1  live")
        client.say("NOOP hello there")
        s.wait("<- NOOP hello there")
        s.wait("-> 250 2.0.0 Ok")
        s.keys("8")
        s.wait("log warnings")
        s.wait("warning +qmgr.*nosuch")
        s.keys("9")
        s.wait("journal")
        s.wait(r"root +hold +1 ")
        s.keys("?")
        s.wait("take it back")
        assert bool(re.search(rb"\x1b\[[0-9;]*(3[0-7]|4[0-7]|38;5)[0-9;]*m", s.raw)) == (look in ({}, {"LANG": "C"}))
        if "LANG" in look:
            assert all(ord(c) < 128 for c in s.text())
        assert s.end() == 0


def test_trace_pause_search_save(busy, tmp_path):
    with Client(busy) as client, Screen(busy) as s:
        s.keys(":trace 127.0.0.1\r")
        s.wait("trace 127.0.0.1  live")
        for i in range(30):
            client.say(f"NOOP number {i}")
        s.wait("NOOP number 29")
        s.keys("kkkk")
        s.wait("paused")
        client.say("NOOP while paused")
        s.wait("paused, 2 new")
        assert "while paused" not in s.text()
        s.keys("/number 3\r")
        s.wait("NOOP number 3")
        s.keys(" ")
        s.wait("live")
        s.wait("while paused")
        path = tmp_path / "saved"
        s.keys(f"s\x15{path}\r")
        s.wait(f"lines are in {path}"[:60])
        text = path.read_text()
        assert text.count("<- NOOP number") == 30 and re.search(r"^\d\d:\d\d:\d\d\.\d{3} in-\d+-\d+ ", text)
        assert os.stat(path).st_mode & 0o777 == 0o600
        s.keys(f"s\x15{path}\r")
        s.wait("File exists")
        s.keys("c")
        s.wait("waiting for the next line")
        s.keys("q")
        s.wait("overview")
        wait_for(lambda: not busy.ctl("debug", "peer", "ls").stdout)
        assert s.end() == 0


def test_debug_peer_by_key(busy):
    with Client(busy) as client, Screen(busy) as s:
        s.keys("7")
        s.wait(r"localhost\[127.0.0.1\]")
        s.keys("t")
        s.wait(r"D in +localhost")
        s.wait(r"mtactl debug peer add 127.0.0.1 2 --for 1h")
        peers = busy.rows("debug", "peer", "ls")
        assert [(p["peer"], p["level"], p["source"]) for p in peers] == [("127.0.0.1", 2, "operator")] and "until" in peers[0]
        client.say("NOOP into the log")
        busy.wait_log("NOOP into the log")
        s.keys("t")
        s.wait("mtactl debug peer del 127.0.0.1")
        s.wait(r"\n   in +localhost")
        assert busy.rows("debug", "peer", "ls") == []
        s.keys("m")
        s.wait("no message now")
        assert s.end() == 0


def test_log_live_filtered_and_opened(busy):
    with Screen(busy) as s:
        s.keys("8")
        s.wait("log warnings")
        s.keys("/program = cleanup\r")
        s.wait("no warnings and no errors")
        s.keys("f")
        s.wait("mtactl log -f 'program = cleanup'")
        s.wait("live")
        queue_id = busy.send("live@site.test", "x@dead.test")
        s.wait("message-id=")
        s.keys("\r")
        s.wait(f"message {queue_id}")
        s.wait("Why")
        s.keys("qf")
        s.wait("log warnings")
        s.keys("/\x15nonsens = 1\r")
        s.wait("there is no field")
        assert s.end() == 0
    busy.ctl("delete", queue_id)


def test_journal_undo(busy):
    queue_id = ids(busy, "a@dead.test")[0]
    busy.ctl("hold", queue_id, "--reason", "to look at")
    with Screen(busy) as s:
        s.keys("J")
        s.wait(rf"hold +1 u undoes it +{queue_id[:6]}")
        s.wait("to look at")
        s.keys("u")
        s.wait(r"Take back action \d+ \(hold, 1 message\)")
        s.wait(r"\$ mtactl undo \d+")
        s.keys("n")
        s.wait("nothing was done")
        assert state(busy, queue_id) == "hold"
        s.keys("\ry")
        s.wait("released 1 message")
        wait_for(lambda: state(busy, queue_id) != "hold")
        s.wait(r"undone by \d+")
        s.keys("u")
        s.wait("taken back already")
        assert s.end() == 0


def test_suspend_resume_and_undo(busy):
    def suspended():
        return {r["destination"]: r.get("suspended_reason") for r in busy.rows("dest", "ls") if "suspended_by" in r}
    with Screen(busy) as s:
        s.wait("refused-connection")
        s.keys("\rSno reason at all\r")
        s.wait("Suspend dead.test")
        s.wait(r"mtactl dest suspend dead.test --reason 'no reason at all'")
        s.keys("y")
        s.wait("suspended; z takes it back")
        assert suspended() == {"dead.test": "no reason at all"}
        s.wait(r"What helps\s+R  resume")
        s.keys("qG")
        s.wait("suspended by root")
        s.keys("\t\t")
        s.wait(r"dead.test .*suspended by root")
        s.keys("/dead.test\rR")
        s.wait("Resume dead.test")
        s.keys("y")
        s.wait(r"resumed(.|\n)*\$ mtactl dest resume dead.test")
        assert suspended() == {}
        s.keys("S\ry")
        s.wait("suspended; z takes it back")
        s.keys("zy")
        wait_for(lambda: suspended() == {})
        assert s.end() == 0


def test_trouble_is_mended(busy):
    """From the first screen, keys only: the host is back, and its mail goes."""
    with Sink("127.0.0.4", busy.remote_port) as back, Screen(busy) as s:
        for i in range(2):
            busy.send(f"more{i}@site.test", "d@dead.test")
        s.wait("refused-connection")
        s.keys("g")
        s.keys("j" * 6)
        s.keys("\r")
        s.wait(r"What helps\s+f  try them now")
        s.keys("f")
        s.wait(r"Try now \d+ messages(.|\n)*by|Try now \d+ messages")
        s.wait(r"sender +\d+ ")
        s.keys("y")
        s.wait(r"flushed \d+ message")
        wait_for(lambda: len(back.messages) >= 5)
        s.wait("It is over")
        assert s.end() == 0


def test_reason_is_frozen_with_the_plan(busy):
    queue_id = ids(busy, "g@grey.test")[0]
    with Screen(busy) as s:
        s.keys("1")
        s.wait(queue_id)
        s.keys(f"/\x15id = {queue_id}\r")
        s.wait("1/1")
        s.keys("h")
        s.wait("Hold 1 message")
        s.keys("rmy reason\r")
        s.wait(rf"\$ mtactl hold {queue_id} --reason 'my reason'")
        s.keys("y")
        s.wait("held 1 message; z takes it back")
        assert busy.queue(queue_id)[0]["hold_reason"] == "my reason"
        s.keys("zy")
        s.wait("released 1 message")
        s.keys("\r")
        s.wait("message " + queue_id)
        s.keys("s")
        s.wait(r"held +.*my reason")
        s.wait("released")
        assert s.end() == 0


def test_many_tagged(mta):
    """More than a selector takes: several plans of the daemon's, one question, one undo."""
    n = 1600
    with mta.smtp() as smtp:
        for i in range(n):
            smtp.sendmail(f"s{i}@site.test", ["x@dead.test"], "Subject: x\r\n\r\nx\r\n")
    mta.ctl("hold", "*")
    mta.send("other@site.test", "x@dead.test")
    with Screen(mta) as s:
        s.keys("0Tstate = hold\r")
        s.wait(r"messages match and are tagged", 20)
        tagged = int(re.search(r"(\d+) messages match", s.text()).group(1))
        assert tagged > 1500
        s.keys("u4")
        s.wait(rf"1/{tagged}")
        s.keys(";")
        s.wait(f"all {tagged} of this list")
        s.keys("h")
        s.wait("nothing is there to hold")     # they are held
        s.keys(";d")
        s.wait(f"Delete {tagged} messages")
        s.keys("n")
        s.keys("0T\x15state = hold\r")
        s.wait(r"messages match and are tagged", 20)
        s.keys(";l")
        s.wait(f"Release {tagged} messages", 20)
        s.keys("y")
        s.wait(f"released {tagged} messages", 30)
        s.keys("z")
        s.wait(rf"Take back action \d+ \(release, {tagged} messages\)")
        s.keys("y")
        s.wait(r"held \d{4} messages", 30)
        assert s.end() == 0
    held = [r for r in mta.queue() if r["queue_name"] == "hold"]
    assert len(held) > 1500


class Canned:
    """A control socket whose every answer is what the test says, and whose streams stay open."""

    def __init__(self, folder, rows):
        os.makedirs(folder / "queue")
        self.dir, self.rows, self.asked = str(folder), rows, []
        (folder / "main.cf").write_text(f"queue_directory = {folder}/queue\nmyhostname = evil.test\nmaillog_file = /dev/null\n")
        (folder / "master.cf").write_text("qmgr unix n - y 300 1 qmgr\n")
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(f"{folder}/queue/ctl")
        self.listener.listen()
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                conn, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve_one, args=(conn,), daemon=True).start()

    def serve_one(self, conn):
        try:
            self.talk(conn)
        except OSError:
            pass                # the console has left

    def talk(self, conn):
        f = conn.makefile("rwb")
        f.write(b'{"mtad":"0","protocol":1,"hostname":"evil.test","rights":["view","flush","read","administer"]}\n')
        f.flush()
        for line in f:
            ask = json.loads(line)
            self.asked.append((ask["cmd"], ask.get("args", {})))
            for row in self.rows.get(ask["cmd"], []):
                f.write(b'{"id":%d,"row":%s}\n' % (ask["id"], json.dumps(row, ensure_ascii=False).encode("utf-8", "surrogateescape")))
            if ask["cmd"] != "trace" and "follow" not in ask.get("args", {}):
                f.write(b'{"id":%d,"done":true,"status":0}\n' % ask["id"])
            f.flush()

    def close(self):
        self.listener.close()


H = HOSTILE
EVIL = {
    "status": [{"role": "queue", "slot": 0, "stats": {"deferred": 1, "active": 0}}],
    "dest ls": [{"transport": H, "destination": H, "queued": 1, "active": 0, "deferred": 5, "concurrency": 1, "limit": 2,
                 "suspended_until": 2000000000, "suspended_by": H, "suspended_reason": H, "reason": H}],
    "queue top": [{"cause": H, "code": H, "dest": H, "messages": 3, "recipients": 3, "size": 10, "oldest": 1, "newest": 2, "example": H,
                   "reason": H}],
    "queue count": [{"value": H, "messages": 3, "recipients": 3, "size": 10}],
    "queue ls": [{"queue_name": "deferred", "queue_id": H, "arrival_time": 1, "message_size": 5, "sender": H,
                  "recipients": [{"address": H, "delay_reason": H, "state": "deferred"}]}],
    "why": [{"queue_id": H, "recipient": H, "sender": H, "verdict": H, "code": H, "reason": H, "help": H + " flush"}],
    "session ls": [{"session": H, "direction": H, "service": H, "peer": H + "[" + H + "]", "state": H, "helo": H, "sender": H,
                    "queue_id": H, "since": 1, "idle": 100, "bytes": 10, "debug": 1}, {"role": H, "slot": 1, "error": H}],
    "debug peer ls": [{"peer": H, "level": 1, "who": H, "source": "operator"}],
    "trace": [{"time": 1.5, "session": H, "direction": H, "peer": H, "from": "peer", "text": "550 " + H, "elapsed": 0.5}, {"lost": 7}],
    "log": [{"time": 1.5, "severity": "warning", "program": H, "role": H, "slot": 0, "queue_id": H, "text": H}],
    "journal": [{"action": 1, "time": 1, "who": H, "command": H, "selector": H, "reason": H, "messages": 1, "can_undo": True}],
    "hold": [{"plan": 1, "command": "hold", "messages": 9, "recipients": 9, "size": 9, "expires": 1},
             {"sample": True, "queue_id": H, "sender": H, "recipients": [{"address": H}]}, {"by": "sender", "value": H, "messages": 9},
             {"by": H, "value": H, "messages": 9}],
    "apply": [{"queue_id": H, "result": H, "detail": H}, {"action": 3, "command": H, "messages": 1, "undo": True}],
}


@pytest.mark.parametrize("cols,rows,look", LOOKS, ids=LOOK_NAMES)
def test_hostile_answers(tmp_path, cols, rows, look):
    evil = Canned(tmp_path / "evil", EVIL)
    with Screen(evil, cols=cols, rows=rows, **look) as s:
        s.wait("WHY MAIL WAITS")
        s.wait("LAST WARNINGS")
        s.keys("\r")
        s.wait("What helps")
        s.keys("h")
        s.wait("Hold 9 messages")
        s.keys("y")
        s.wait(r"\$ mtactl hold|z takes it back")
        s.keys("z")
        s.wait("Take back action 3")
        s.keys("n")
        s.keys("\t\t")
        s.wait("DESTINATION")
        s.keys("7")
        s.wait("sessions")
        s.wait("IDLE")
        s.keys("\r")
        s.wait("trace")
        s.wait("7 lines were not shown")
        s.keys("8")
        s.wait("SEVERITY")
        s.keys("f")
        s.wait("live")
        s.keys("9")
        s.wait("action 1, Jan")
        s.keys("u")
        s.wait("Take back action 1")
        s.keys("n")
        assert "\\x1b" in s.text() or look == {"LANG": "C"}
        assert s.end() == 0
        for bad in BAD_BYTES:
            assert bad not in s.raw, bad
    assert "cancel" in [name for name, _ in evil.asked]
    evil.close()


def test_hostile_peers(busy):
    """The same from real peers: what a client says, what a server replies, a hold's reason."""
    with Client(busy) as client, Screen(busy, cols=150, rows=50) as s:
        s.keys(":trace\r")
        s.wait("trace of all  live")
        client.say(f"NOOP {HOSTILE}")
        s.wait("gnp.exe")
        s.keys("9")
        s.wait("root +hold")
        s.keys("q")
        s.wait("held")
        for selector in ("h@two.test", "held@grey.test"):
            s.keys(f"0/\x15{selector}\r")
            s.wait("1/1")
            s.keys("\r")
            s.wait("History")
            s.keys("s")
            s.wait("received from")
            s.keys("qq")
        assert s.end() == 0
        for bad in BAD_BYTES:
            assert bad not in s.raw, bad


def test_daemon_away_while_streaming(mta):
    with Screen(mta) as s:
        s.keys("8f")
        s.wait("live")
        mta.stop()
        s.wait("mtad is not running")
        mta.start()
        s.wait("queue empty|active", 20)
        mta.send("s@site.test", "x@dead.test")
        s.wait("message-id=", 15)
        assert s.end() == 0


def test_without_the_right_to_read(mta, tmp_path):
    """--readonly looks at everything and changes nothing."""
    shot = tmp_path / "shot"
    mta.send("s@site.test", "x@dead.test")
    wait_for(lambda: mta.rows("queue", "top", "state = deferred"))
    r = run_script(mta, tmp_path, f"wait refused-connection\nkeys <Enter>\nwait What helps\nkeys S\nwait read-only\nkeys f\nwait read-only\n"
                   f"keys 7\nwait sessions\nkeys T\nwait live\nsave-screen {shot}\n", "--readonly")
    assert (r.returncode, r.stderr) == (0, "")
    assert "trace of all" in shot.read_text()
