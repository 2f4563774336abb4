"""Destinations that an operator suspends, stories, queue top, shape and export."""
import json
import os
import re
import shutil
import subprocess
import time

import pytest
from mtadtest import Instance, Sink, wait_for


@pytest.fixture
def site(tmp_path):
    mta = Instance(tmp_path / "site", {"minimal_backoff_time": "2s", "maximal_backoff_time": "4s"})
    with Sink("127.0.0.2", mta.remote_port) as sink:
        mta.sink = sink
        with mta:
            yield mta


def ok(result):
    assert result.returncode == 0, result.stderr
    return result.stdout


def healthy(mta):
    assert mta.ctl("doctor").returncode == 0, mta.ctl("doctor").stdout


# -- destinations --------------------------------------------------------------------------------------------


def test_suspended_over_kill_and_restart(site):
    ok(site.ctl("dest", "suspend", "good.test", "--reason", "asked by its postmaster", "--for", "1h"))
    first = site.send("a@client.test", "b@good.test")
    wait_for(lambda: [r for r in site.queue() if r["queue_name"] == "deferred"])
    site.kill_all()
    site.start()
    second = site.send("a@client.test", "c@good.test")
    wait_for(lambda: len([r for r in site.queue() if r["queue_name"] == "deferred"]) == 2)
    assert site.stop() == 0     # with a checkpoint
    site.start()
    for qid in first, second:
        row = site.rows("why", qid)[0]
        assert row["code"] == "suspended", row
        assert re.match(r"destination smtp:good\.test is suspended by \S+ until .*: asked by its postmaster", row["blocker"])
        assert row["verdict"] == row["blocker"] and "mtactl dest resume good.test" in row["help"], row
        assert 3000 < row["next_time"] - time.time() < 3700, row
    healthy(site)
    assert not site.sink.messages
    [row] = site.rows("dest", "ls")
    assert row["destination"] == "good.test" and row["deferred"] == 2 and row["suspended_by"] and row["suspended_reason"], row
    ok(site.ctl("dest", "resume", "smtp:good.test")) if row["transport"] == "*" else ok(site.ctl("dest", "resume", "good.test"))
    site.wait_empty()
    assert len(site.sink.messages) == 2
    healthy(site)


def test_suspended_mail_is_not_forced(site):
    ok(site.ctl("dest", "suspend", "smtp:good.test"))
    qid = site.send("a@client.test", "b@good.test")
    wait_for(lambda: site.rows("why", qid)[0].get("code") == "suspended")
    r = site.ctl("--json", "flush", qid)
    assert r.returncode == 1 and "suspended by" in json.loads(r.stdout.splitlines()[0])["detail"], r.stdout
    time.sleep(0.3)
    assert not site.sink.messages and site.rows("why", qid)[0]["attempts"] == 0
    # The action is taken back by its number, and the mail goes.
    action = [r for r in site.rows("journal") if r["command"] == "dest suspend"][0]
    assert action["can_undo"], action
    ok(site.ctl("undo", str(action["action"])))
    site.wait_empty()
    assert site.ctl("undo", str(action["action"])).returncode == 1


def test_suspension_ends_by_itself(site):
    ok(site.ctl("dest", "suspend", "good.test", "--for", "2s"))
    site.send("a@client.test", "b@good.test")
    wait_for(lambda: [r for r in site.queue() if r["queue_name"] == "deferred"])
    site.wait_empty(10)
    assert site.rows("dest", "ls") == [] or "suspended_by" not in site.rows("dest", "ls")[0]


def test_running_delivery_goes_on(tmp_path):
    mta = Instance(tmp_path / "site")
    held = {"END": lambda s, c: time.sleep(1.5)}
    with Sink("127.0.0.2", mta.remote_port, held) as sink, mta:
        mta.send("a@client.test", "b@good.test")
        wait_for(lambda: mta.rows("dest", "ls") and mta.rows("dest", "ls")[0]["active"] == 1)
        ok(mta.ctl("dest", "suspend", "good.test"))
        mta.wait_empty()
        assert len(sink.messages) == 1


def test_destinations_are_sorted(site):
    for n, domain in enumerate(["good.test", "two.test", "plain.test"]):
        ok(site.ctl("dest", "suspend", domain))
        for i in range(n + 1):
            site.send("a@client.test", f"b{i}@{domain}")
    ok(site.ctl("dest", "suspend", "nobody.test"))

    def order(*args):
        return [r["destination"] for r in site.rows("dest", "ls", *args)]
    wait_for(lambda: [r["deferred"] for r in site.rows("dest", "ls", "--sort", "deferred")] == [3, 2, 1, 0])
    assert order("--sort", "deferred") == ["plain.test", "two.test", "good.test", "nobody.test"]
    assert order("--sort", "deferred", "--reverse") == ["nobody.test", "good.test", "two.test", "plain.test"]
    assert order("--sort", "destination", "--limit", "2") == ["good.test", "nobody.test"]
    r = site.ctl("dest", "ls", "--sort", "defered")
    assert r.returncode == 64 and "deferred" in r.stderr
    for words, status in (("dest", "suspend", "smpt:good.test"), 64), (("dest", "resume", "other.test"), 1):
        assert site.ctl(*words).returncode == status


# -- stories --------------------------------------------------------------------------------------------------


def events(mta, qid):
    return [r["event"] for r in mta.rows("story", qid)]


def test_story_of_delivered_mail(site):
    site.sink.script["RCPT"] = lambda s, a: b"450 4.2.0 later \x1b[31mred"
    qid = site.send("a@client.test", ["b@good.test", "c@good.test"])
    wait_for(lambda: "deferred" in events(site, qid))
    ok(site.ctl("hold", qid, "--reason", "runaway script"))
    site.sink.script.clear()
    ok(site.ctl("release", qid))
    site.wait_empty()
    rows = site.rows("story", qid)
    names = [r["event"] for r in rows]
    assert names[0] == "received" and names[-1] == "removed", names
    assert rows[0]["sender"] == "a@client.test" and rows[0]["client_addr"] == "127.0.0.1" and rows[0]["recipients"] == 2
    held = rows[names.index("held")]
    assert held["text"] == "runaway script" and held["who"] and held["action"] > 0
    assert names.index("deferred") < names.index("held") < names.index("released") < names.index("delivered")
    delivered = [r for r in rows if r["event"] == "delivered"]
    assert {r["recipient"] for r in delivered} == {"b@good.test", "c@good.test"} and delivered[0]["relay"].startswith("mx.good.test")
    assert [r["time"] for r in rows] == sorted(r["time"] for r in rows)
    text = ok(site.ctl("--table", "story", qid))
    assert "\x1b" not in text and "held" in text and "runaway script" in text
    # why of the same: each recipient's end.
    why = site.rows("why", qid)
    assert site.ctl("why", qid).returncode == 0 and len(why) == 2
    assert all(r["queue_name"] == "finished" and r["state"] == "sent" and "delivered" in r["verdict"] for r in why), why
    # With the daemon down, from the files; and again after a restart.
    site.kill_all()
    assert [r["event"] for r in site.rows("story", qid)] == names
    assert site.ctl("why", qid).returncode == 0
    site.start()
    assert events(site, qid) == names


def test_story_of_a_bounce_names_the_other(site):
    site.sink.script["RCPT"] = lambda s, a: b"550 5.1.1 no such user"
    qid = site.send("root@site.test", "b@good.test")
    site.wait_empty()
    rows = site.rows("story", qid)
    notice = [r for r in rows if r["event"] == "notice"][0]
    assert [r["event"] for r in rows] == ["received", "bounced", "notice", "removed"], rows
    assert "root@site.test" in notice["text"] and notice["other"] in notice["text"]
    other = site.rows("story", notice["other"])
    assert other[0]["event"] == "received" and other[0]["other"] == qid and qid in other[0]["text"]
    assert "delivered" in [r["event"] for r in other]
    assert site.rows("why", qid)[0]["state"] == "bounced"


def test_story_of_nothing(site):
    for command in "story", "why":
        r = site.ctl(command, "4jXBb36Wvsz2W")
        assert r.returncode == 1 and "never was here" in r.stderr, r.stderr
    assert site.ctl("story", "nonsense").returncode == 64


def test_story_over_many_journals(tmp_path):
    mta = Instance(tmp_path / "site", {"mtad_segment_size": "131072"})
    with Sink("127.0.0.2", mta.remote_port), mta:
        first = mta.send("a@client.test", "first@good.test")
        with mta.smtp() as s:
            for i in range(300):
                s.sendmail("a@client.test", [f"b{i}@good.test"], "Subject: x\r\n\r\nhello\r\n")
        last = mta.send("a@client.test", "last@good.test")
        mta.wait_empty()
        for qid in first, last:
            assert events(mta, qid) == ["received", "delivered", "removed"]
        journals = [r for r in mta.rows("status") if r["role"] == "queue"][0]["stats"]["segments_journal"]
        assert journals > 2, journals


# -- top, shape -------------------------------------------------------------------------------------------------


def test_top(site):
    site.sink.script["RCPT"] = lambda s, a: b"450 4.2.0 Greylisted, try later" if b"grey" in a else None
    ok(site.ctl("dest", "suspend", "two.test"))
    for i in range(3):
        site.send("a@client.test", [f"grey{i}@good.test", f"grey{i}x@good.test"])
    qid = site.send("a@client.test", "b@two.test")
    wait_for(lambda: len([r for r in site.queue() if r["queue_name"] == "deferred"]) == 4)
    rows = site.rows("queue", "top")
    assert rows[0]["code"] == "greylisted" and rows[0]["messages"] == 3 and rows[0]["recipients"] == 6, rows
    assert rows[0]["dest"] == "good.test" and "Greylisted" in rows[0]["reason"] and rows[0]["oldest"] <= rows[0]["newest"]
    assert rows[1]["code"] == "suspended" and rows[1]["example"] == qid, rows
    assert len(site.rows("queue", "top", "--limit", "1")) == 1
    assert [r["dest"] for r in site.rows("queue", "top", "@two.test")] == ["two.test"]
    assert site.ctl("queue", "top", "@nowhere.test").returncode == 1


def bucket(minutes):
    """qshape's rule: below 5 minutes, below 10, 20 ... and 1280 or more."""
    edges = [5 * 2**i for i in range(9)]
    return next((i for i, edge in enumerate(edges) if minutes < edge), 9)


def postfix_queue_file(path, when, sender, recipients):
    def record(kind, data):
        return kind.encode() + bytes([len(data)]) + data.encode()
    parts = [record("C", f"{0:15d} {0:15d} {len(recipients):15d}"), record("T", f"{int(when)} 0"), record("S", sender)]
    parts += [record("R", r) for r in recipients] + [record("M", ""), record("X", ""), record("E", "")]
    with open(path, "wb") as f:
        f.write(b"".join(parts))
    os.chmod(path, 0o700)


def test_shape_is_that_of_qshape(site):
    minutes = [2, 7, 15, 30, 60, 120, 240, 480, 1000, 2000, 2500]
    domains = [("good.test", 11), ("two.test", 7), ("plain.test", 5), ("A.dead.test", 2)]
    folder = f"{site.dir}/postfix"
    os.mkdir(folder)
    expected, now = {"TOTAL": [0] * 10}, time.time()
    for domain, count in domains:
        ok(site.ctl("dest", "suspend", domain))
        for i in range(count):
            age, rcpts = minutes[i], [f"u{n}@{domain}" for n in range(1 + i % 2)]
            name = f"{site.dir}/queue/maildrop/{domain}{i}"
            with open(name + ".new", "w") as f:
                f.write("mtad-drop 1\nfrom <a@client.test>\n" + "".join(f"to <{r}>\n" for r in rcpts) + "\nSubject: x\n\nhello\n")
            os.utime(name + ".new", (now - age * 60, now - age * 60))
            os.rename(name + ".new", name)
            os.chmod(name, 0o700)
            postfix_queue_file(f"{folder}/{re.sub('[^A-Za-z]', '', domain)}{i:06d}", now - age * 60, "a@client.test", rcpts)
            for key in "TOTAL", domain.lower():
                expected.setdefault(key, [0] * 10)[bucket(age)] += len(rcpts)
    wait_for(lambda: site.rows("queue", "shape") and site.rows("queue", "shape")[0]["total"] == sum(expected["TOTAL"]), 30)
    rows = site.rows("queue", "shape")
    assert rows[0]["value"] == "TOTAL" and {r["value"]: r["ages"] for r in rows} == expected
    assert all(r["total"] == sum(r["ages"]) for r in rows)
    assert [r["value"] for r in site.rows("queue", "shape", "--limit", "1")] == ["TOTAL", "good.test"]
    if shutil.which("qshape"):
        shown = subprocess.run(["qshape", folder], capture_output=True, text=True, check=True).stdout
        assert ok(site.ctl("--table", "queue", "shape")) == shown
    assert [r["value"] for r in site.rows("queue", "shape", "--by", "sender.domain")][1:] == ["client.test"]


# -- export -----------------------------------------------------------------------------------------------------


def test_export(site, tmp_path):
    ok(site.ctl("dest", "suspend", "good.test"))
    body = "Subject: x\r\n\r\nFrom me\r\n>From you\r\nfrom all\r\n>>>From >\r\nFro\r\nlast\r\n"
    ids = [site.send("a@client.test", "b@good.test", body), site.send("", "c@good.test", "Subject: y\r\n\r\n" + "x" * 200 + "\r\n")]
    wait_for(lambda: len(site.queue()) == 2)
    mbox = ok(site.ctl("queue", "export", "*"))
    assert mbox.count("\nFrom ") == 1 and mbox.startswith("From a@client.test  ") and "\nFrom MAILER-DAEMON  " in mbox
    assert "\n>From me\n>>From you\nfrom all\n>>>>From >\nFro\nlast\n\nFrom MAILER-DAEMON" in mbox
    folder = str(tmp_path / "out")
    r = site.ctl("queue", "export", "@good.test", "--to", folder)
    assert r.returncode == 0 and sorted(os.listdir(folder)) == sorted(f"{i}.{e}" for i in ids for e in ("eml", "json")), r.stderr
    with open(f"{folder}/{ids[0]}.eml") as f:
        content = f.read()
    assert content == ok(site.ctl("cat", "--headers", ids[0])) + ok(site.ctl("cat", "--body", ids[0]))
    assert "\nFrom me\n>From you\n" in content
    with open(f"{folder}/{ids[0]}.json") as f:
        row = json.load(f)
    assert row["queue_id"] == ids[0] and row["recipients"][0]["address"] == "b@good.test"
    # Nothing is overwritten, and nothing half done is left.
    os.unlink(f"{folder}/{ids[0]}.json")
    r = site.ctl("queue", "export", ids[0], "--to", folder)
    assert r.returncode == 1 and "exists" in r.stderr and not os.path.exists(f"{folder}/{ids[0]}.json")
    assert site.ctl("queue", "export", "@nowhere.test").returncode == 1
    # From the files.
    site.kill_all()
    assert ok(site.ctl("queue", "export", "*")) == mbox
    r = site.ctl("queue", "export", ids[1], "--to", str(tmp_path / "down"))
    assert r.returncode == 0 and os.path.exists(tmp_path / "down" / f"{ids[1]}.eml"), r.stderr
    site.start()
