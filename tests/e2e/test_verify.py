"""Address verification: probes that no list shows, results that hold, what becomes of them when processes end."""
import contextlib
import os
import time

from mtadtest import Instance, Sink, wait_for

MAIN = {"relay_domains": "far.test", "address_verify_poll_delay": "1s", "unverified_recipient_reject_code": "550",
        "smtpd_recipient_restrictions": "reject_unverified_recipient, permit"}


@contextlib.contextmanager
def make(tmp_path, script, main=None, zone=None):
    with contextlib.closing(Sink("127.0.0.1", script=script)) as sink:
        with Instance(tmp_path, main={**MAIN, "relayhost": f"[127.0.0.1]:{sink.port}", **(main or {})}) as mtad:
            yield mtad, sink


def rcpt(mtad, to, sender="s@src.test"):
    with mtad.smtp() as s:
        s.ehlo()
        s.mail(sender)
        return s.rcpt(to)


def test_probe_is_no_mail(tmp_path):
    hold = []

    def slow(session, argument):
        while b"slow" in argument and not hold:
            time.sleep(0.05)
    with make(tmp_path, {"RCPT": lambda s, a: slow(s, a) or (b"550 5.1.1 nobody" if b"no@" in a else None)}, {"address_verify_poll_count": "2"}) as (mtad, sink):
        code, text = rcpt(mtad, "slow@far.test")
        assert code == 450 and text.endswith(b"unverified address: Address verification in progress")
        assert mtad.queue() == [] and mtad.rows("status")[0].get("messages", 0) == 0
        assert mtad.ctl("doctor").returncode == 0
        hold.append(1)
        mtad.wait_log(r"to=<slow@far.test>.* status=deliverable")
        assert rcpt(mtad, "slow@far.test")[0] == 250
        assert rcpt(mtad, "no@far.test")[0] == 550
        assert sum(d.startswith(b"RCPT TO:<slow@") for d in sink.dialogue) == 1 and b"DATA" not in sink.dialogue
        # What was accepted is delivered on the same connections, behind an RSET.
        mtad.send("s@src.test", "slow@far.test")
        wait_for(lambda: len(sink.messages) == 1)
        assert mtad.ctl("queue", "ls").stdout.strip() == "" or "no@" not in mtad.ctl("queue", "ls").stdout


def test_processes_end(tmp_path):
    """A probe whose worker or whose queue role ends is lost; the next who asks gets another."""
    stuck = [True]

    def slow(session, argument):
        while stuck:
            time.sleep(0.05)
    with make(tmp_path, {"RCPT": slow}, {"address_verify_poll_count": "1", "address_verify_pending_request_limit": "1", "address_verify_negative_refresh_time": "1s"}) as (mtad, sink):
        assert rcpt(mtad, "a@far.test")[0] == 450
        wait_for(lambda: any(b"RCPT" in d for d in sink.dialogue))
        assert rcpt(mtad, "third@far.test")[0] == 450
        time.sleep(0.3)
        assert not any(b"third@" in d for d in sink.dialogue), "no more than address_verify_pending_request_limit"
        for pid in mtad.pids()["send"]:
            os.kill(pid, 9)
        wait_for(lambda: b"the delivery process ended" in rcpt(mtad, "a@far.test")[1])
        rcpt(mtad, "b@far.test")
        for role in ("queue", "state"):
            old = mtad.pids()[role]
            os.kill(old[0], 9)
            wait_for(lambda: mtad.pids().get(role, old) != old)
        stuck.clear()
        wait_for(lambda: rcpt(mtad, "b@far.test")[0] == 250)
        wait_for(lambda: rcpt(mtad, "a@far.test")[0] == 250)
        mtad.send("s@src.test", "b@far.test")
        wait_for(lambda: len(sink.messages) == 1)
        assert mtad.ctl("doctor").returncode == 0


def test_results_age(tmp_path):
    answers = [b"550 5.1.1 nobody", None]
    main = {"address_verify_negative_refresh_time": "1s", "address_verify_negative_expire_time": "1h", "address_verify_positive_refresh_time": "1s",
            "address_verify_positive_expire_time": "3s", "address_verify_poll_count": "4", "address_verify_cache_cleanup_interval": "1s", "address_verify_map": ""}
    with make(tmp_path, {"RCPT": lambda s, a: answers[0]}, main) as (mtad, sink):
        assert rcpt(mtad, "x@far.test")[0] == 550
        answers[0] = None
        time.sleep(1.2)
        assert rcpt(mtad, "x@far.test")[0] == 550, "refreshed for the next one"
        wait_for(lambda: rcpt(mtad, "x@far.test")[0] == 250)
        answers[0] = b"550 5.1.1 gone"
        time.sleep(1.2)
        assert rcpt(mtad, "x@far.test")[0] == 250
        time.sleep(0.5)
        assert rcpt(mtad, "x@far.test")[0] == 250, "a failure does not take its place while it holds"
        wait_for(lambda: rcpt(mtad, "x@far.test")[0] == 550, 10)


def test_results_survive(tmp_path):
    """What was learnt stands in data_directory when the daemon ends, by a signal or by kill -9; a damaged file is moved aside, and another instance's is left alone."""
    kept = f"{tmp_path}/kept/verify_cache.gdbm"
    with make(tmp_path, {"RCPT": lambda s, a: b"550 5.1.1 nobody" if b"no@" in a else None}, {"address_verify_poll_count": "4", "data_directory": f"{tmp_path}/kept"}) as (mtad, sink):
        assert rcpt(mtad, "Good@far.test")[0] == 250 and rcpt(mtad, "no@far.test")[0] == 550
        asked = lambda: [d for d in sink.dialogue if d.startswith(b"RCPT")]
        before = len(asked())
        wait_for(lambda: b"no@far.test" in open(kept, "rb").read())     # written within a second, not only at the end
        old = mtad.pids()["state"]
        os.kill(old[0], 9)
        wait_for(lambda: mtad.pids().get("state", old) != old)
        assert rcpt(mtad, "no@far.test")[0] == 550
        mtad.stop()
        mtad.settings.update(address_verify_sender_ttl="100000d")
        mtad.write()
        mtad.start()
        assert rcpt(mtad, "good@far.test")[0] == 250 and rcpt(mtad, "no@far.test")[0] == 550
        assert len(asked()) == before, "nobody was asked again"
        assert rcpt(mtad, "late@far.test")[0] == 250
        known = {row["address"]: row for row in mtad.rows("cache", "ls", "verify")}
        assert known["no@far.test"]["status"] == "undeliverable" and "550 5.1.1 nobody" in known["no@far.test"]["text"] and known["good@far.test"]["status"] == "deliverable"
        assert mtad.ctl("cache", "del", "verify", "Good@far.test").returncode == 0 and mtad.ctl("cache", "del", "verify", "good@far.test").returncode == 1
        assert [d for d in sink.dialogue if d.startswith(b"MAIL")][-1].startswith(b"MAIL FROM:<double-bounce0@site.test>")
        assert mtad.stop() == 0
        assert b"late@far.test" in open(kept, "rb").read(), "what waited for the disk is written at the end"
        size = os.path.getsize(kept)
        with open(kept, "r+b") as f:
            f.truncate(size // 2)
        mtad.start()
        mtad.wait_log(r"warning: address_verify_map: verify_cache.gdbm is damaged \([^)]+\): moved to verify_cache.gdbm.damaged, and begun anew")
        assert os.path.getsize(kept + ".damaged") == size // 2
        before = len(asked())
        assert rcpt(mtad, "late@far.test")[0] == 250 and len(asked()) > before
