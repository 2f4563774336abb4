"""What is answered is on the disk first, and each role has only its rights."""
import glob
import os
import re
import shutil

import pytest
from mtadtest import BUILD, Instance, Sink, wait_for

pytestmark = pytest.mark.skipif("asan" in BUILD, reason="the sandbox and tracing are for release builds")


@pytest.mark.skipif(not shutil.which("strace"), reason="needs strace")
def test_sync_comes_before_the_250(tmp_path):
    """Seen by strace: after the last write of the message's bytes an fdatasync ends before the 250 leaves."""
    mta = Instance(tmp_path / "site", {"mtad_receive_workers": "1"})
    trace = tmp_path / "trace"
    wrap = ["strace", "-f", "-ttt", "-y", "-s", "4000", "-o", str(trace), "-e",
            "trace=pwrite64,pwritev,pwritev2,write,writev,sendto,sendmsg,fdatasync,fsync"]
    mta.start(wrap=wrap)
    qid = mta.send("a@client.test", "b@dead.test", "Subject: marker-in-the-spool\r\n\r\nx\r\n")
    assert mta.ctl("stop").returncode == 0      # a signal would go to strace
    mta.process.wait(60)
    mta.process = None
    lines = open(trace, errors="replace").read().splitlines()
    segment = re.compile(r"(?:pwrite64|pwritev2?)\(\d+<[^>]*/spool/segments/[^>]*>.*marker-in-the-spool")
    written = [i for i, line in enumerate(lines) if segment.search(line)]
    answered = [i for i, line in enumerate(lines) if f"queued as {qid}" in line and "250 2.0.0" in line]
    assert answered, "no 250 in the trace"
    assert len(written) == 1 and written[0] < answered[0], (written, answered)
    path = re.search(r"<([^>]*/spool/segments/[^>]*)>", lines[written[0]]).group(1)
    thread = lines[written[0]].split()[0]
    # Begun and ended by the thread that wrote, on the file that it wrote: in one line, or in an unfinished and a resumed one.
    begun = [i for i, line in enumerate(lines) if written[0] < i < answered[0] and f"fdatasync(" in line and path in line]
    ended = [i for i, line in enumerate(lines) if begun and begun[0] <= i < answered[0] and line.split()[0] == thread
             and re.search(r"fdatasync.*= 0$", line)]
    assert ended, "\n".join(line[:200] for line in lines[written[0]:answered[0] + 1])


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_rights_of_each_role(tmp_path):
    """From /proc: uid, root folder, capabilities and seccomp mode of each role."""
    import pwd
    os.chmod(tmp_path, 0o755)
    with Instance(tmp_path / "site", root=True) as mta:
        found = mta.pids()
        daemon, binuser = pwd.getpwnam("daemon").pw_uid, pwd.getpwnam("bin").pw_uid
        expected = {"receive": (daemon, "empty", True), "queue": (binuser, None, True), "send": (daemon, "empty", True),
                    "state": (daemon, "data", True), "control": (daemon, "empty", True),
                    "lookup": (daemon, None, True), "local": (0, None, None)}
        for role, (uid, root, seccomp) in expected.items():
            assert found.get(role), f"no {role} role runs: {found}"
            for pid in found[role]:
                status = dict(line.split(":\t", 1) for line in open(f"/proc/{pid}/status").read().splitlines() if ":\t" in line)
                assert {int(x) for x in status["Uid"].split()} == {uid}, (role, status["Uid"])
                if uid != 0:
                    assert int(status["CapEff"], 16) == 0 and status["Groups"].strip() in ("", str(pwd.getpwuid(uid).pw_gid)), role
                    assert status["NoNewPrivs"].strip() == "1", role
                if root == "data":      # the caches, and nothing else, for it alone
                    assert os.readlink(f"/proc/{pid}/root") == f"{mta.dir}/data", role
                if root == "empty":
                    assert os.readlink(f"/proc/{pid}/root") == f"{mta.dir}/queue/empty", role
                    assert os.listdir(f"/proc/{pid}/root/") == [], role
                if seccomp:
                    assert status["Seccomp"].strip() == "2", role


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_mail_as_root_instance(tmp_path):
    """The whole way with real rights: in by SMTP and sendmail, out by SMTP, into a mailbox under the recipient's uid."""
    import pwd
    os.chmod(tmp_path, 0o755)
    with Instance(tmp_path / "site", root=True) as mta, Sink("127.0.0.2", mta.remote_port) as good:
        mta.send("a@client.test", ["b@good.test", "games@site.test"])
        mta.sendmail(b"Subject: x\n\nlocal\n", "-f", "root@site.test", "b@good.test")
        wait_for(lambda: len(good.messages) == 2)
        wait_for(lambda: mta.mailbox("games"))
        mail = glob.glob(f"{mta.dir}/mail/games/new/*")
        assert os.stat(mail[0]).st_uid == pwd.getpwnam("games").pw_uid
        mta.wait_empty()
        mta.send("a@client.test", "b@good.test", b"Subject: l\r\n\r\n" + (b"y" * 76 + b"\r\n") * 40000)
        wait_for(lambda: len(good.messages) == 3)
        assert len(good.messages[2][2]) > 40000 * 78


def test_power_loss_is_a_unit_test():
    """The simulated power loss lives in the spool's unit tests; this fails where it went missing."""
    assert glob.glob(f"{BUILD}/tests/unit/spool/powerloss_test")
