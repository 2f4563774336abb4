"""The spool: damage is set aside, a full disk is said, the queue is read without the daemon."""
import glob
import os

import pytest
from mtadtest import Instance, Sink, wait_for


def fill(mta, count):
    ids = [mta.send("a@client.test", f"b{i}@dead.test", f"Subject: marker number {i:04}\r\n\r\nbody {i}\r\n") for i in range(count)]
    wait_for(lambda: len([r for r in mta.queue() if r["queue_name"] == "deferred"]) == count)
    return ids


def test_damage_is_set_aside(mta):
    ids = fill(mta, 20)
    mta.stop()
    damaged = 0
    for path in glob.glob(f"{mta.dir}/queue/spool/segments/*"):
        data = bytearray(open(path, "rb").read())
        at = data.find(b"marker number 0007")
        if at >= 0:
            data[at] ^= 0x55
            with open(path, "wb") as f:
                f.write(data)
            damaged += 1
    assert damaged == 1
    r = mta.ctl("spool", "check")
    assert r.returncode != 0, r.stdout
    mta.start()
    with Sink("127.0.0.4", mta.remote_port) as sink:
        mta.ctl("flush")
        wait_for(lambda: len(sink.messages) == 19)
    rows = wait_for(lambda: mta.queue())
    assert [r["queue_id"] for r in rows] == [ids[7]] and rows[0]["queue_name"] == "corrupt", rows
    assert ids[7] in mta.log()
    why = mta.ctl("why", ids[7])
    assert "damaged" in why.stdout or "corrupt" in why.stdout, why.stdout


def test_checkpoint_lost(mta):
    ids = fill(mta, 10)
    mta.ctl("hold", ids[3])
    mta.ctl("delete", ids[4])
    mta.stop()
    for path in glob.glob(f"{mta.dir}/queue/spool/checkpoint*"):
        with open(path, "r+b") as f:
            f.seek(100)
            f.write(b"garbage" * 10)
    mta.start()
    rows = {r["queue_id"]: r["queue_name"] for r in mta.queue()}
    assert set(rows) == set(ids) - {ids[4]} and rows[ids[3]] == "hold"


def test_full_disk(tmp_path):
    with Instance(tmp_path / "site", {"queue_minfree": str(1 << 50)}) as mta:
        with mta.smtp() as s:
            s.ehlo()
            code, text = s.mail("a@client.test")
            assert (code, text) == (452, b"4.3.1 Insufficient system storage")


def test_dump_and_check(mta):
    fill(mta, 3)
    for down in (False, True):
        if down:
            mta.stop()
        r = mta.ctl("spool", "check")
        assert r.returncode == 0, r.stdout + r.stderr
        r = mta.ctl("spool", "dump")
        assert r.returncode == 0 and r.stdout.count("a@client.test") >= 3, r.stdout[:2000]


def test_reading_without_the_daemon(mta):
    ids = fill(mta, 5)
    mta.stop()
    before = sorted((p, os.stat(p).st_mtime_ns) for p in glob.glob(f"{mta.dir}/queue/spool/**", recursive=True) if os.path.isfile(p))
    rows = mta.queue()
    assert [r["queue_id"] for r in rows] == sorted(ids)
    r = mta.ctl("cat", ids[2])
    assert r.returncode == 0 and "marker number 0002" in r.stdout and "not running" in r.stderr
    assert mta.ctl("hold", ids[2]).returncode == 69
    after = sorted((p, os.stat(p).st_mtime_ns) for p in glob.glob(f"{mta.dir}/queue/spool/**", recursive=True) if os.path.isfile(p))
    assert before == after


def test_segments_are_used_again(tmp_path):
    """Far more mail than the segments hold goes through, and the spool does not grow with it."""
    with Instance(tmp_path / "site", {"mtad_segment_size": "1048576", "mtad_history_size": "1048576", "mtad_history_time": "1s"}) as mta:
        with Sink("127.0.0.2", mta.remote_port) as sink:
            body = "Subject: x\r\n\r\n" + ("y" * 70 + "\r\n") * 1400
            for i in range(120):
                mta.send("a@client.test", "b@good.test", body)
            wait_for(lambda: len(sink.messages) == 120, 60)
            mta.wait_empty()

        def small():
            return sum(os.stat(p).st_size for p in glob.glob(f"{mta.dir}/queue/spool/segments/*")) <= 20 << 20
        wait_for(small, 30, 0.5)


def test_compaction_frees_a_segment_with_one_old_message(tmp_path):
    with Instance(tmp_path / "site", {"mtad_segment_size": "1048576"}) as mta:
        old = mta.send("a@client.test", "b@dead.test", "Subject: old\r\n\r\nkept\r\n")
        with Sink("127.0.0.2", mta.remote_port) as sink:
            body = "Subject: x\r\n\r\n" + ("y" * 70 + "\r\n") * 1400
            for i in range(60):
                mta.send("a@client.test", "b@good.test", body)
            wait_for(lambda: len(sink.messages) == 60, 60)
        r = mta.ctl("cat", old)
        assert "kept" in r.stdout
        mta.stop()
        mta.start()
        assert "kept" in mta.ctl("cat", old).stdout


@pytest.mark.parametrize("size", [100, 1 << 20, (1 << 20) + 1000, 5 << 20])
def test_sizes_survive_a_crash(mta, size):
    body = "Subject: x\r\n\r\n" + ("z" * 70 + "\r\n") * (size // 72)
    qid = mta.send("a@client.test", "b@dead.test", body)
    mta.kill_all()
    mta.start()
    with Sink("127.0.0.4", mta.remote_port) as sink:
        wait_for(lambda: mta.ctl("flush").returncode in (0, 1) and sink.messages, 20, 0.5)
        assert sink.messages[0][2].endswith(body.split("\r\n\r\n", 1)[1].encode()[-1000:])
        assert len(sink.messages[0][2]) >= len(body)
    assert qid
