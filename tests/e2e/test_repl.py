"""The interactive controller on a terminal, and scripts of its commands."""
import os
import re
import signal
import stat
import subprocess
import time

import pexpect
import pytest
from mtadtest import BUILD, SLOW, wait_for

PROMPT = "mail.site.test> "


class Repl:
    def __init__(self, mta, *args, term="xterm", columns=100):
        home = f"{mta.dir}/home"
        os.makedirs(home, exist_ok=True)
        self.home = home
        env = {**os.environ, "HOME": home, "TERM": term, "INPUTRC": "/dev/null", "LC_ALL": "C.UTF-8"}
        env.pop("NO_COLOR", None)
        self.p = pexpect.spawn(f"{BUILD}/mtactl", ["-c", mta.dir, *args], env=env, encoding="utf-8", timeout=10 * SLOW, dimensions=(30, columns))

    def wait(self, what):
        self.p.expect_exact(what)
        return self.p.before

    def run(self, line, prompt=PROMPT):
        self.p.sendline(line)
        self.wait(line)
        return self.wait(prompt)

    def close(self):
        self.p.close(force=True)


@pytest.fixture
def queued(mta):
    """A running mtad with a deferred message (no one listens at dead.test)."""
    mta.qid = mta.send("ann@site.test", "bob@dead.test")
    wait_for(lambda: mta.queue("deferred"))
    return mta


@pytest.fixture
def repl(queued):
    r = Repl(queued)
    r.wait(PROMPT)
    yield r
    r.close()


def test_commands(queued, repl):
    assert queued.qid in repl.run("queue ls")
    assert queued.qid in repl.run("q l age < 2h and sender = ann@site.test")
    assert "ann@site.test" in repl.run(f"queue show {queued.qid}")
    assert "may be any of" in repl.run("s")
    assert "a quote is not closed" in repl.run("why 'x")
    assert "watch [SECONDS] COMMAND" in repl.run("help")
    assert '{"queue_name":"deferred"' in repl.run("queue ls --json")
    repl.p.sendline("quit")
    repl.p.expect(pexpect.EOF)
    repl.p.wait()
    assert repl.p.exitstatus == 0


def test_control_d_leaves(repl):
    repl.p.send("\x04")
    repl.p.expect(pexpect.EOF)
    repl.p.wait()
    assert repl.p.exitstatus == 0


def test_control_c(repl):
    repl.p.send("queue ls half a li")
    repl.wait("half a li")
    repl.p.send("\x03")
    repl.wait("^C")
    repl.wait(PROMPT)
    assert "queue" not in repl.run("")
    repl.p.sendline("status | sleep 60")
    repl.wait("sleep 60")
    time.sleep(0.5)
    start = time.monotonic()
    repl.p.send("\x03")
    repl.wait(PROMPT)
    assert time.monotonic() - start < 5
    assert "deferred" in repl.run("queue count")


def test_output_to_shell_and_file(queued, repl):
    assert re.search(r"[\r\n]1\r\n", repl.run("queue ls | wc -l"))
    out = f"{queued.dir}/out file"
    repl.run(f"queue ls > '{out}'")
    repl.run(f"queue ls >> '{out}'")
    with open(out) as f:
        lines = f.read().splitlines()
    assert len(lines) == 2 and lines[0].startswith(queued.qid + "\t")
    assert "No such file" in repl.run("queue ls > /nowhere/at/all")
    repl.run("queue ls | true")


def test_completion(queued, repl):
    repl.p.send("que\tls deferred --so\tage\n")
    assert queued.qid in repl.wait(PROMPT)
    repl.p.send("queue show " + queued.qid[:6] + "\t")
    repl.wait(queued.qid)
    repl.p.send("\x15queue ls rcpt.domain = de\t")
    repl.wait("dead.test")
    repl.p.send("\x15why @de\t")
    repl.wait("@dead.test")
    repl.p.send("\x15queue count --by rcpt.d\t")
    repl.wait("rcpt.domain")
    repl.p.send("\x15queue ls 'state = def\t")
    repl.wait("deferred")
    repl.p.send("\x15")


def test_question_mark(queued, repl):
    repl.p.send("queue ?")
    repl.wait("count messages, by queue or by a field")
    repl.wait("queue ")
    repl.p.send("show ?")
    repl.wait("everything known about one message")
    repl.wait(queued.qid)
    repl.wait("ann@site.test -> bob@dead.test")
    repl.wait("queue show ")
    repl.p.send("\x15why reason ~ a?b\n")
    assert "nothing" in repl.wait(PROMPT)


def test_watch(queued, repl):
    repl.p.sendline("watch 1 queue count")
    for _ in range(3):
        repl.wait("every 1s: queue count")
    repl.p.send("\x03")
    repl.wait(PROMPT)
    assert "seconds" in repl.run("watch 0 status")


def test_history(queued, repl):
    path = f"{repl.home}/.mtactl_history"
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    for line in ("queue count", " status", "help mypassword", "queue ls"):
        repl.run(line)
    with open(path) as f:
        assert f.read() == "queue count\nqueue ls\n"
    again = Repl(queued)
    again.wait(PROMPT)
    again.p.send("\x10")
    again.wait("queue ls")
    again.p.send("\x10\n")
    assert "deferred" in again.wait(PROMPT) and "MESSAGES" in again.p.before
    again.close()


def test_daemon_goes_and_comes_back(queued, repl):
    repl.p.send("queue sh")
    repl.wait("queue sh")
    queued.stop()
    repl.wait("mtad has gone")
    repl.wait("mail.site.test (not running)> queue sh")
    repl.p.send(f"ow {queued.qid}\n")
    repl.wait("read from its files")
    repl.wait("ann@site.test")
    repl.wait("(not running)> ")
    repl.p.send("queue cou")
    repl.wait("queue cou")
    queued.start()
    repl.wait("mtad is running again")
    repl.wait(PROMPT + "queue cou")
    repl.p.send("nt\n")
    assert "deferred" in repl.wait(PROMPT)


def test_starts_without_the_daemon(queued):
    queued.stop()
    r = Repl(queued)
    r.wait("mail.site.test (not running)> ")
    r.p.sendline("status")
    r.wait("mtad is not running")
    r.wait("(not running)> ")
    r.p.sendline("queue ls")
    r.wait(queued.qid)
    queued.start()
    r.wait("mtad is running again")
    r.wait(PROMPT)
    r.close()


def test_readonly(queued):
    r = Repl(queued, "--readonly")
    r.wait("mail.site.test (read-only)> ")
    r.p.sendline(f"delete {queued.qid}")
    r.wait(f"delete {queued.qid}")
    assert "mtactl: " in r.wait("(read-only)> ")
    r.close()
    assert [row["queue_id"] for row in queued.queue("deferred")] == [queued.qid]


def test_pasted_lines(queued, repl):
    repl.p.send("\x1b[200~queue count\nqueue ls\n\x1b[201~\n")
    text = repl.wait(PROMPT)
    repl.p.sendline("")
    text += repl.wait(PROMPT)
    assert "messages" in text or "deferred" in text
    assert queued.qid in text


def test_dumb_terminal(queued):
    r = Repl(queued, term="dumb")
    r.wait(PROMPT)
    text = r.run("queue ls")
    assert queued.qid in text and "\x1b" not in text
    r.p.sendline("watch 1 queue count")
    r.wait("every 1s")
    r.wait("every 1s")
    assert "\x1b" not in r.p.before
    r.p.send("\x03")
    r.wait(PROMPT)
    r.close()


def test_terminated(queued, repl):
    repl.p.kill(signal.SIGTERM)
    repl.p.expect(pexpect.EOF)
    repl.p.wait()
    assert repl.p.exitstatus == 0 and repl.p.signalstatus is None


def test_hostile_bytes_do_not_reach_the_terminal(mta):
    """Escape sequences from replies, headers and addresses: shown, completed, watched, and by every command."""
    from mtadtest import Sink

    def bad(session, argument):
        return b"451 4.0.0 \x1b]0;owned\x07\x9b2J\xc2\x9b\xe2\x80\xae full"
    with Sink("127.0.0.2", mta.remote_port, script={"RCPT": bad}):
        qid = mta.send("ann@site.test", "bob@good.test", b"Subject: \x1b]0;owned\x07\x1b[2J\xc2\x9b\r\n\r\nbody \x1b[8m\x07\r\n")
        wait_for(lambda: mta.queue("deferred"))
    harmful = re.compile("\x1b\\]|\x1b\\[2J|\x1b\\[8m|\x07|[\x80-\x9f\u202e]")
    r = Repl(mta, "--color=never")
    r.wait(PROMPT)
    for line in ("queue ls", f"queue show {qid}", f"why {qid}", "queue count --by reason", "queue count --by subject", "queue count --by cause"):
        text = r.run(line)
        assert not harmful.search(text), (line, text)
    assert "\\x1b" in r.run(f"cat {qid}")
    r.p.send("queue show ?")
    r.wait(qid)
    r.wait("queue show ")
    assert not harmful.search(r.p.before), r.p.before
    r.p.send("\x15cat " + qid + "\n")
    assert not harmful.search(r.wait(PROMPT)), r.p.before
    r.p.send("watch 1 cat " + qid + "\n")
    r.wait("Ctrl-C ends")
    r.wait("Ctrl-C ends")
    assert not re.search("\x1b\\]|\x1b\\[8m|\x07|[\x80-\x9f\u202e]", r.p.before), r.p.before
    r.close()


def script(mta, *args, stdin=None):
    return subprocess.run([f"{BUILD}/mtactl", "-c", mta.dir, *args], capture_output=True, text=True, input=stdin, timeout=60)


def test_scripts(queued):
    r = script(queued, stdin="# a comment\n\nqueue ls\nqueue ls | wc -l\n")
    assert r.returncode == 0 and r.stdout.startswith(queued.qid) and r.stdout.endswith("\n1\n"), r
    r = script(queued, stdin="queue count\nqueue lx\nstatus\n")
    assert r.returncode == 64 and "standard input:2:" in r.stderr and "receive" not in r.stdout, r
    r = script(queued, stdin="-queue ls sender = nobody@x.test\nqueue count\nqueue ls sender = nobody@x.test\nstatus\n")
    assert r.returncode == 1 and "standard input:3:" in r.stderr and "deferred" in r.stdout and "receive" not in r.stdout, r
    path = f"{queued.dir}/script"
    with open(path, "w") as f:
        f.write(f"hold {queued.qid} --reason 'a test'\nqueue ls hold\nexit\nnonsense\n")
    r = script(queued, "-F", path)
    assert r.returncode == 0 and queued.qid in r.stdout, r
    with open(path, "w") as f:
        f.write("nonsense\nstatus\n")
    r = script(queued, "-F", path)
    assert r.returncode == 64 and f"{path}:1:" in r.stderr and r.stdout == "", r
    r = script(queued, "-e", "queue count", "-e", "queue ls | wc -l")
    assert r.returncode == 0 and r.stdout.endswith("1\n"), r
    r = script(queued, "-e", "nonsense", "-e", "queue ls")
    assert r.returncode == 64 and r.stdout == "", r
    assert script(queued, "-e", "status", "status").returncode == 64
    assert script(queued, "-F", "/nowhere").returncode == 64


def test_script_goes_on_as_itself_after_reading_files(queued):
    """What root gives up to read the files is given up by one command, not by the script."""
    queued.stop()
    r = script(queued, stdin=f"queue ls\nqueue ls > {queued.dir}/listing\n")
    assert r.returncode == 0, r
    assert os.stat(f"{queued.dir}/listing").st_uid == os.getuid()
