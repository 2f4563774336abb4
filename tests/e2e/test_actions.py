"""What operators do is journalled, can be planned before it is done, and taken back after it."""
import json
import os
import socket
import subprocess
import threading
import time

import pytest
from mtadtest import BUILD, SLOW, Instance, Sink, wait_for


class Ctl:
    """The control socket; any number of requests one after the other."""

    def __init__(self, mta):
        self.s = socket.socket(socket.AF_UNIX)
        self.s.connect(f"{mta.dir}/queue/ctl")
        self.lines = self.s.makefile("rb")
        self.next = 0
        json.loads(self.lines.readline())

    def send(self, cmd, **args):
        self.next += 1
        self.s.sendall(json.dumps({"id": self.next, "cmd": cmd, "args": args}).encode() + b"\n")
        return self.next

    def reply(self):
        """(rows, status, error) of the oldest request that is not answered yet; requests must not overlap."""
        rows = []
        while True:
            line = json.loads(self.lines.readline())
            if "done" in line:
                return rows, line["status"], line.get("error", "")
            rows.append(line["row"])

    def ask(self, cmd, **args):
        self.send(cmd, **args)
        return self.reply()


@pytest.fixture
def ctl(mta):
    return Ctl(mta)


def deferred(mta, n, sender="a@client.test", domain="dead.test"):
    """n messages that wait behind a dead destination."""
    ids = [mta.send(sender, f"b{i}@{domain}", f"Subject: {i}\r\n\r\nbody {i}\r\n") for i in range(n)]
    wait_for(lambda: all(r["queue_name"] == "deferred" for r in mta.queue()))
    return ids


def states(mta):
    return {r["queue_id"]: r["queue_name"] for r in mta.rows("queue", "ls", "state in (incoming, active, deferred, hold, corrupt, trash)")}


def results(rows):
    return {r["queue_id"]: r["result"] for r in rows if "result" in r}


def test_delete_and_undo(mta, ctl):
    a, b, c = deferred(mta, 3)
    rows, status, _ = ctl.ask("delete", selector=f"{a} {b}", reason="junk")
    assert status == 0 and results(rows) == {a: "deleted", b: "deleted"}
    assert rows[-1] == {"action": 1, "command": "delete", "messages": 2, "undo": True}
    assert states(mta) == {a: "trash", b: "trash", c: "deferred"}
    r = mta.ctl("undo")
    assert r.returncode == 0 and "2 messages undeleted. Action 1 is taken back. Do it again with: mtactl undo 2" in r.stderr, r.stderr
    assert set(states(mta).values()) == {"deferred"}
    journal = mta.rows("journal")
    assert [j["action"] for j in journal] == [2, 1]
    assert journal[0]["undoes"] == 1 and journal[0]["command"] == "undo" and journal[0]["can_undo"]
    old = journal[1]
    assert old["undone"] == 2 and not old["can_undo"] and old["reason"] == "junk" and old["selector"] == f"{a} {b}"
    assert old["messages"] == 2 and abs(old["time"] - time.time()) < 60 and old["who"]
    # The undo of the undo, and then nothing but that is left to take back.
    rows, status, _ = ctl.ask("undo", number=2)
    assert status == 0 and results(rows) == {a: "deleted", b: "deleted"} and rows[-1]["undoes"] == 2
    rows, status, _ = ctl.ask("undo")
    assert status == 0 and rows[-1]["undoes"] == 3 and set(states(mta).values()) == {"deferred"}
    _, status, error = ctl.ask("undo")
    assert (status, error) == (1, "there is nothing to take back")
    r = mta.ctl("undo", "1")
    assert r.returncode == 1 and "action 1 was taken back already, by action 2" in r.stderr
    r = mta.ctl("undo", "99")
    assert r.returncode == 1 and "there is no action 99" in r.stderr


def test_note_names_the_undo(mta):
    ids = deferred(mta, 3)
    r = mta.ctl("delete", *ids)
    assert "3 messages deleted. Take it back with: mtactl undo 1" in r.stderr, r.stderr
    r = mta.ctl("-e", "undo", "-e", "journal")
    assert r.returncode == 0 and "3 messages undeleted" in r.stderr and "\tundone by 2\n" in r.stdout, r


def test_undo_of_hold_release_requeue(mta, ctl):
    a, b = deferred(mta, 2)
    ctl.ask("hold", selector=a, reason="first reason")
    held = mta.rows("queue", "show", a)[0]
    assert held["hold_reason"] == "first reason"
    # What was on hold already is not this action's.
    rows, _, _ = ctl.ask("hold", selector=f"{a} {b}", reason="second")
    assert results(rows) == {a: "skipped", b: "held"} and rows[-1]["messages"] == 1
    rows, _, _ = ctl.ask("undo")
    assert results(rows) == {b: "released"}
    for command in ("release", "requeue"):
        rows, _, _ = ctl.ask(command, selector="*")
        assert (b in results(rows)) == (command == "requeue")
        assert a in results(rows)
        wait_for(lambda: states(mta)[a] == "deferred")
        rows, status, _ = ctl.ask("undo")
        assert status == 0 and results(rows) == {a: "held"}, rows
        again = mta.rows("queue", "show", a)[0]
        assert (again["hold_reason"], again["hold_by"]) == (held["hold_reason"], held["hold_by"])
    # Through the trash and back it is on hold by whom it was.
    ctl.ask("delete", selector=a)
    ctl.ask("undo")
    assert mta.rows("queue", "show", a)[0]["hold_by"] == held["hold_by"]
    rows, _, _ = ctl.ask("requeue", selector=b)
    assert not rows[-1]["undo"]
    _, status, error = ctl.ask("undo", number=rows[-1]["action"])
    assert status == 1 and "changed nothing that could be put back" in error


def test_what_was_changed_since_stays(mta, ctl):
    a, b, c = deferred(mta, 3)
    rows, _, _ = ctl.ask("delete", selector="*")
    number = rows[-1]["action"]
    ctl.ask("undelete", selector=a)
    rows, status, _ = ctl.ask("undo", number=number)
    assert status == 0 and results(rows) == {b: "undeleted", c: "undeleted"}
    assert rows[-1]["messages"] == 2 and rows[-1]["skipped"] == 1
    rows, _, _ = ctl.ask("hold", selector="*")
    number = rows[-1]["action"]
    ctl.ask("release", selector="*")
    rows, status, error = ctl.ask("undo", number=number)
    assert status == 1 and not rows and "nothing of action" in error
    assert set(states(mta).values()) == {"deferred"}


def test_bounce_and_flush_cannot_be_undone(mta, ctl):
    a, b = deferred(mta, 2)
    ctl.ask("hold", selector=b)
    rows, status, _ = ctl.ask("bounce", selector="*", reason="the domain\nis gone")
    assert status == 0 and results(rows) == {a: "bounced", b: "bounced"} and rows[-1]["undo"] is False
    mta.wait_log(rf"{a}: to=<b0@dead\.test>, relay=none, delay=[\d.]+, delays=[\d./]+, dsn=5\.0\.0, status=bounced \(the domain is gone\)")
    mta.wait_log(rf"{a}: sender non-delivery notification: \w+")
    mta.wait_log(rf"{b}: removed")
    _, status, error = ctl.ask("undo", number=rows[-1]["action"])
    assert status == 1 and error == "action 2 (bounce) cannot be taken back"
    ctl.ask("flush")
    assert mta.rows("journal")[0]["command"] in ("flush", "bounce")
    # The hold was of a message that is finished now.
    _, status, error = ctl.ask("undo")
    assert status == 1 and "nothing of action 1 is left" in error


def test_plan_and_apply(mta, ctl):
    deferred(mta, 12, sender="www@client.test")
    others = deferred(mta, 3, sender="ann@client.test")
    rows, status, _ = ctl.ask("delete", selector="*", plan=True, reason="runaway")
    assert status == 0
    plan = rows[0]
    assert (plan["command"], plan["messages"], plan["recipients"]) == ("delete", 15, 15)
    assert 800 < plan["expires"] - time.time() < 1000 and plan["size"] > 15 * 100
    samples = [r for r in rows if r.get("sample")]
    assert len(samples) == 10 and all(r["queue_name"] == "deferred" and r["recipients"] for r in samples)
    groups = [(r["by"], r["value"], r["messages"]) for r in rows if "by" in r]
    assert groups[:2] == [("sender", "www@client.test", 12), ("sender", "ann@client.test", 3)]
    assert ("dest", "dead.test", 15) in groups and any(g[0] == "cause" and "refused" in g[1] for g in groups)
    assert not any("result" in r for r in rows) and set(states(mta).values()) == {"deferred"}
    assert mta.rows("journal") == []
    # Changed since: one held, one gone; a later message was never part of it.
    mta.ctl("hold", others[0])
    mta.ctl("bounce", others[1])
    late = mta.send("a@client.test", "b@dead.test")
    wait_for(lambda: states(mta)[late] == "deferred")
    wait_for(lambda: others[1] not in states(mta))
    # Another attempt that fails for the same reason is no change.
    mta.ctl("flush")
    rows, status, _ = ctl.ask("apply", number=plan["plan"])
    did = results(rows)
    assert status == 0 and len(did) == 15 and late not in did
    assert {i for i, r in did.items() if r == "skipped"} == {others[0], others[1]}
    details = {r["queue_id"]: r.get("detail") for r in rows if r.get("result") == "skipped"}
    assert details == {others[0]: "it was changed since", others[1]: "it is finished, and gone"}
    assert rows[-1]["messages"] == 13 and rows[-1]["command"] == "delete" and rows[-1]["skipped"] == 2
    _, status, error = ctl.ask("apply", number=plan["plan"])
    assert status == 1 and "there is no plan 1" in error
    assert mta.rows("journal")[0]["reason"] == "runaway"
    rows, _, _ = ctl.ask("undo")
    assert len(results(rows)) == 13
    _, status, _ = ctl.ask("release", selector=late, plan=True)
    assert status == 1
    r = mta.ctl("hold", "*", "--plan")
    assert "Do it with: mtactl apply 2" in r.stderr and r.stdout.startswith("plan\t2\thold\t"), r
    assert mta.ctl("apply", "2").returncode == 0


def test_plans_are_bounded(mta, ctl):
    deferred(mta, 1)
    numbers = [ctl.ask("hold", selector="*", plan=True)[0][0]["plan"] for _ in range(40)]
    assert numbers == list(range(1, 41))
    assert ctl.ask("apply", number=8)[1] == 1		# the oldest made room
    assert ctl.ask("apply", number=9)[1] == 0


@pytest.mark.skipif(os.getuid() != 0, reason="needs other users")
def test_whose_plan(tmp_path):
    """A plan is of who made it, and root's to apply; who may not administer makes none."""
    def ask(mta, uid, *words):
        r = subprocess.run([f"{BUILD}/mtactl", "--json", "-c", mta.dir, *words], capture_output=True, text=True, user=uid, group=uid, extra_groups=[])
        return r.returncode, [json.loads(line) for line in r.stdout.splitlines()], r.stderr

    os.chmod(tmp_path, 0o755)
    with Instance(tmp_path / "site", {"mtad_admin_users": "daemon bin"}, root=True) as mta:
        qid = deferred(mta, 1)[0]
        status, rows, err = ask(mta, 1, "hold", "*", "--plan")
        assert status == 0 and rows[0]["plan"] == 1, err
        status, _, err = ask(mta, 2, "apply", "1")
        assert status == 77 and "plan 1 is of daemon: only that user or root may apply it" in err, err
        status, rows, err = ask(mta, 0, "apply", "1")
        assert status == 0 and results(rows) == {qid: "held"}, err
        for words in (["flush", "*", "--plan"], ["apply", "1"], ["undo"], ["bounce", "*"]):
            status, rows, err = ask(mta, 3, *words)
            assert (status, rows) == (77, []) and "right to administer" in err, (words, err)
        # Any administrator may take back what another did.
        status, rows, err = ask(mta, 2, "undo")
        assert status == 0 and results(rows) == {qid: "released"}
        assert [j["who"] for j in ask(mta, 3, "journal")[1]] == ["bin", "root"]


def test_journal_survives(mta, ctl):
    """Through kill -9, a checkpoint, and a start without one."""
    a, b = deferred(mta, 2)
    ctl.ask("hold", selector="*", reason="look")
    ctl.ask("release", selector=a)
    before = mta.rows("journal")
    for how in ("kill", "stop", "kill", "scan"):
        if how == "kill":
            mta.kill_all()
        else:
            mta.stop()
        if how == "scan":
            os.unlink(f"{mta.dir}/queue/spool/checkpoint")
        mta.start()
        assert mta.rows("journal") == before, how
    rows, status, _ = Ctl(mta).ask("undo")
    assert status == 0 and results(rows) == {a: "held"}
    shown = mta.rows("queue", "show", a)[0]
    assert shown["hold_reason"] == "look"
    rows, _, _ = Ctl(mta).ask("undo", number=1)
    assert results(rows) == {b: "released"}
    assert mta.rows("journal", "--limit", "1")[0]["action"] == 4


def test_journals_are_dropped(tmp_path):
    """Actions outlive the journal that they were first written to; what only that told cannot be taken back, and says so."""
    def numbers():
        return sorted(int(name, 16) for name in os.listdir(f"{mta.dir}/queue/spool/segments") if "." not in name)

    os.chmod(tmp_path, 0o755)
    settings = {"mtad_segment_size": "1048576", "mtad_history_size": "1048576", "mtad_history_time": "1s"}
    with Instance(tmp_path / "site", settings) as mta:
        c = Ctl(mta)
        a, b = deferred(mta, 2)
        submit_many(mta, 0, 200, {})
        wait_for(lambda: all(r["queue_name"] == "deferred" for r in mta.queue()))
        first = numbers()[0]
        ctl_rows = c.ask("delete", selector=a)[0]
        assert ctl_rows[-1]["action"] == 1
        c.ask("hold", selector=b, reason="odd")
        c.ask("release", selector=b)
        big = "Subject: x\r\n\r\n" + ("y" * 70 + "\r\n") * 4000
        end = time.monotonic() + 30 * SLOW
        with Sink("127.0.0.2", mta.remote_port):	# mail goes on, so old segments are emptied, and their journals may go
            while numbers()[0] == first and time.monotonic() < end:
                c.ask("hold", selector="state = deferred and sender != a@client.test", reason="x" * 500)
                c.ask("release", selector="state = hold")
                mta.send("a@client.test", "b@good.test", big)
        assert numbers()[0] > first
        _, status, error = c.ask("undo", number=3)
        assert (status, "is left to be taken back" in error) == (1, True)
        mta.stop()
        os.unlink(f"{mta.dir}/queue/spool/checkpoint")
        mta.start()
        journal = {j["action"]: j for j in mta.rows("journal")}
        assert journal[1]["command"] == "delete" and journal[1]["can_undo"] and journal[2]["reason"] == "odd"
        rows, status, _ = Ctl(mta).ask("undo", number=1)
        assert status == 0 and results(rows) == {a: "undeleted"}


def test_many_ids(mta, ctl):
    """A selector of 300 IDs, and postsuper with as many on stdin; its words stay Postfix's."""
    ids = deferred(mta, 2)
    many = [f"4SVLCh{i:02d}{k:02d}z3m" for i in range(10) for k in range(30)]
    wanted = ", ".join(f'"{i}"' for i in many + ids)
    rows, status, error = ctl.ask("queue ls", selector=f"id in ({wanted})")
    assert status == 0 and len(rows) == 2, error
    rows, status, error = ctl.ask("queue ls", selector=" ".join(many + ids))
    assert status == 0 and len(rows) == 2, error
    r = subprocess.run([f"{BUILD}/mtactl", "postsuper", "-c", mta.dir, "-d", "-"], input="\n".join(many + ids) + "\n",
                       capture_output=True, text=True, timeout=30)
    assert r.returncode == 0, r.stderr
    assert r.stderr == "".join(f"postsuper: {i}: removed\n" for i in ids) + "postsuper: Deleted: 2 messages\n"


def submit_many(mta, first, count, contents):
    """Content and the next envelope go together: a round trip a message."""
    s = socket.create_connection(("127.0.0.1", mta.port))
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    replies = s.makefile("rb")

    def expect(*codes):
        for code in codes:
            line = replies.readline()
            while line[3:4] == b"-":
                line = replies.readline()
            assert line.startswith(code), line

    expect(b"220")
    s.sendall(b"EHLO client.test\r\n")
    expect(b"250")
    out = b""
    for i in range(first, first + count):
        s.sendall(out + f"MAIL FROM:<s{i % 50}@client.test>\r\nRCPT TO:<r{i}@dead.test>\r\nDATA\r\n".encode())
        expect(*([b"250"] if out else []), b"250", b"250", b"354")
        body = f"Subject: number {i}\r\nMessage-ID: <{i}@client.test>\r\nDate: Sun, 22 Nov 2026 01:02:03 +0000\r\n" \
            + f"From: s{i}@client.test\r\n\r\n" \
            + f"line {i}\r\n" * (i % 7 + 1)
        contents[i] = body.replace("\r\n", "\n")
        out = f"{body}.\r\n".encode()
    s.sendall(out)
    expect(b"250")
    s.close()


def read_all(mta, ids):
    """queue ID -> everything that cat gives, without the moving parts of the first row."""
    found = {}
    c = Ctl(mta)
    for at in range(0, len(ids), 8):
        batch = ids[at:at + 8]
        numbers = {c.send("cat", id=i): i for i in batch}
        parts = {n: [] for n in numbers}
        while len(parts) > 0:
            line = json.loads(c.lines.readline())
            if "done" in line:
                assert line["status"] == 0, line
                found[numbers[line["id"]]] = "".join(parts.pop(line["id"]))
            elif "envelope" in line["row"]:
                e = line["row"]["envelope"]
                parts[line["id"]].append(json.dumps([e["sender"], e["arrival_time"], [r["address"] for r in e["recipients"]]]) + "\n")
            else:
                parts[line["id"]].append(line["row"].get("header", "") + line["row"].get("body", ""))
    return found


MANY = 10000


def test_undo_of_ten_thousand_after_a_crash(tmp_path):
    """Issue 3, point 5: a delete of 10,000, kill -9 of everything, a start, undo: all back, byte for byte. First in the middle of it, then behind it."""
    os.chmod(tmp_path, 0o755)
    mta = Instance(tmp_path / "site", {"mtad_segment_size": "33554432"})
    mta.start()
    try:
        contents = {}
        threads = [threading.Thread(target=submit_many, args=(mta, k * MANY // 10, MANY // 10, contents)) for k in range(10)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        wait_for(lambda: sum(r["messages"] for r in mta.rows("queue", "count", "state != active")) == MANY, 30)
        ids = [r["queue_id"] for r in mta.queue()]
        before = read_all(mta, ids)
        assert sorted(before) == sorted(ids) and len(ids) == MANY
        assert sorted(t[t.index("Subject: number"):] for t in before.values()) == sorted(contents.values())
        # In the middle.
        c = Ctl(mta)
        c.send("delete", selector="*", reason="all of it")
        for _ in range(2000):
            c.lines.readline()
        mta.kill_all()
        mta.start()
        trash = sum(1 for s in states(mta).values() if s == "trash")
        assert 2000 <= trash <= MANY
        first = mta.rows("journal")[0]
        assert first["command"] == "delete" and first["messages"] == trash and first["can_undo"], first
        rows = mta.rows("undo")
        assert rows[-1]["messages"] == trash and rows[-1]["undoes"] == 1
        # Behind it.
        c = Ctl(mta)
        rows, status, _ = c.ask("delete", selector="*", reason="all of it")
        assert status == 0 and rows[-1]["messages"] == MANY
        mta.kill_all()
        mta.start()
        assert set(states(mta).values()) == {"trash"}
        rows = mta.rows("undo")
        assert rows[-1]["messages"] == MANY and "skipped" not in rows[-1]
        assert "trash" not in states(mta).values()
        assert read_all(mta, ids) == before
        doctor = mta.ctl("doctor")
        assert doctor.returncode == 0, doctor.stdout
    finally:
        if mta.process is not None:
            mta.stop()
