"""Live sight: traces, debug peers, sessions under way, the log followed. Nothing secret is shown."""
import base64
import json
import os
import re
import signal
import socket
import subprocess
import time

import pexpect
from mtadtest import BUILD, Instance, Sink, wait_for

SECRET = base64.b64encode(b"\0ann\0hunter2").decode()


class Stream:
    """mtactl that goes on until Ctrl-C; its rows as they come."""

    def __init__(self, mta, *words):
        asked = len(mta.log())
        self.process = subprocess.Popen([f"{BUILD}/mtactl", "-c", mta.dir, "--json", *words], stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE)
        os.set_blocking(self.process.stdout.fileno(), False)
        self.text = b""
        wait_for(lambda: re.search(rf"control\[\d+\]: \S+: {words[0]}\b", mta.log()[asked:]))
        time.sleep(0.3)     # until every role has heard of it

    def rows(self):
        self.text += self.process.stdout.read() or b""
        return [json.loads(line) for line in self.text.splitlines(True) if line.endswith(b"\n")]

    def wait(self, what):
        return wait_for(lambda: [r for r in self.rows() if what(r)])

    def end(self):
        self.process.send_signal(signal.SIGINT)
        assert self.process.wait(10) == 0, self.process.stderr.read()
        return self.rows()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.process.stderr.close()


def say(mta, text):
    """A client that says it all at once."""
    with socket.create_connection(("127.0.0.1", mta.port)) as c:
        c.recv(1000)
        c.sendall(text.encode())
        while c.recv(10000):
            pass


def dialogue(rows, direction):
    mark = {"peer": "<", "mtad": ">", "note": "#"}
    return [f"{mark[r['from']]} {r['text']}" for r in rows if r.get("direction") == direction]


def test_both_dialogues(mta, good):
    with Stream(mta, "trace") as t:
        qid = mta.send("a@client.test", "b@good.test", "Subject: secret words\r\n\r\nnobody sees this\r\n")
        t.wait(lambda r: r["direction"] == "out" and r["text"].startswith("250 2.0.0 Ok"))
        rows = t.end()
    come, go = dialogue(rows, "in"), dialogue(rows, "out")
    assert come[0].startswith("> 220 ") and "< mail FROM:<a@client.test>" in [x.split(" size")[0] for x in come], come
    assert f"> 250 2.0.0 Ok: queued as {qid}" in come
    assert re.search(r"# message content, \d+ bytes", "\n".join(come))
    assert "< 220 sink.test ESMTP" in go and f"# delivers {qid}" in go
    assert any(x.startswith("> MAIL FROM:<a@client.test>") for x in go) and "> ." in go
    assert not any("nobody sees" in r["text"] or "secret words" in r["text"] for r in rows)
    one = [r for r in rows if r["direction"] == "out"]
    assert len({r["session"] for r in one}) == 1 and re.fullmatch(r"out-\d+-\d+", one[0]["session"])
    assert one[0]["peer"] == f"mx.good.test[127.0.0.2]:{mta.remote_port}"
    times = [r["elapsed"] for r in one]
    assert times == sorted(times) and 0 <= times[0] < 10 and abs(one[0]["time"] - time.time()) < 60


def test_what_decided(mta):
    """The restrictions that did something, between the command and its reply."""
    with Stream(mta, "trace") as t:
        with mta.smtp() as s:
            s.ehlo("client.test")
            s.mail("a@client.test")
            assert s.rcpt("nobody-at-all@site.test")[0] == 550
        t.wait(lambda r: r["text"].startswith("550 "))
        rows = dialogue(t.end(), "in")
    at = next(i for i, line in enumerate(rows) if line.startswith("< rcpt "))
    assert rows[at + 1] == "# permit_mynetworks permits: 127.0.0.1 is in mynetworks (smtpd_relay_restrictions)"
    assert rows[at + 2] == "# reject_unlisted_recipient refuses: local_recipient_maps does not list nobody-at-all@site.test (smtpd_reject_unlisted_recipient)"
    assert rows[at + 3].startswith("> 550 5.1.1 ")


def test_only_that_peer(mta, good):
    with Stream(mta, "trace", "good.test", "--count", "3") as t:
        with mta.smtp() as s:
            s.ehlo()
        mta.send("a@client.test", "b@good.test")
        assert t.process.wait(20) == 0
        rows = t.rows()
    assert len(rows) == 3 and {r["direction"] for r in rows} == {"out"}


def test_a_session_under_way(mta):
    with mta.smtp() as s:
        s.ehlo()
        s.mail("a@client.test")
        row, = wait_for(lambda: [r for r in mta.rows("session", "ls") if r["direction"] == "in"])
        assert row["service"] == "smtpd" and row["peer"] == "localhost[127.0.0.1]" and row["state"] == "MAIL"
        assert row["sender"] == "a@client.test" and row["helo"] == "client.test" and row["recipients"] == 0
        assert row["debug"] == 0 and row["bytes"] > 20 and row["idle"] < 10 and row["port"] == s.sock.getsockname()[1]
        with Stream(mta, "trace", row["session"]) as t:
            with mta.smtp() as other:
                other.ehlo()
            # An answer to a challenge that was not seen might look like this.
            s.docmd(SECRET)
            s.rcpt("b@good.test")
            t.wait(lambda r: r["text"].startswith("rcpt TO:"))
            rows = t.end()
        assert {r["session"] for r in rows} == {row["session"]}
        assert dialogue(rows, "in")[0] == "< [hidden]"


def test_credentials(mta):
    with Stream(mta, "trace") as t, Stream(mta, "log", "-f") as log:
        mta.ctl("debug", "peer", "add", "127.0.0.1", "2")
        with mta.smtp() as s:
            s.ehlo()
            assert s.docmd("AUTH PLAIN", SECRET)[0] == 503
            assert s.docmd("AUTH", "LOGIN " + SECRET)[0] == 503
            s.docmd(SECRET)
            s.docmd(SECRET + "x")
            s.rset()
        # All at once: what came too early is logged, too.
        say(mta, f"EHLO x\r\nAUTH PLAIN {SECRET}\r\nQUIT\r\n")
        t.wait(lambda r: r["text"].startswith("AUTH PLAIN") and r["session"].startswith("in"))
        mta.wait_log("improper command pipelining after EHLO")
        time.sleep(0.3)
        shown = json.dumps(t.end()) + json.dumps(log.end())
    assert "AUTH PLAIN [hidden]" in shown and "AUTH LOGIN [hidden]" in shown and '"[hidden]"' in shown
    assert SECRET not in shown and SECRET[:-2] not in shown
    assert SECRET[:-2] not in mta.log() and "< localhost[127.0.0.1]: AUTH PLAIN [hidden]" in mta.log()


def test_credentials_asked_of_mtad(mta):
    """The client meets challenges that it did not ask for."""
    with Sink("127.0.0.2", mta.remote_port, {"MAIL": lambda s, a: b"334 " + SECRET.encode()}):
        with Stream(mta, "trace") as t:
            mta.send("a@client.test", "b@good.test")
            t.wait(lambda r: r["direction"] == "out" and r["text"].startswith("334"))
            rows = t.end()
    assert "< 334 [hidden]" in dialogue(rows, "out") and SECRET not in json.dumps(rows)


def test_debug_peer_for_a_time(mta):
    with mta.smtp() as s:
        s.ehlo()
        before = len(mta.log())
        r = mta.ctl("debug", "peer", "add", "127.0.0.0/8", "for", "2s")
        assert r.returncode == 0, r.stderr
        added, = mta.rows("debug", "peer", "ls")
        assert added["peer"] == "127.0.0.0/8" and added["level"] == 2 and added["source"] == "operator"
        assert 0 <= added["until"] - time.time() + 1 <= 4 and added["who"]
        s.noop()
        # A session that was there before.
        mta.wait_log(r"smtpd\[\d+\]: < localhost\[127.0.0.1\]: noop")
        assert re.search(r"smtpd\[\d+\]: > localhost\[127.0.0.1\]: 250 2.0.0 Ok", mta.log()[before:])
        assert [x["debug"] for x in mta.rows("session", "ls") if x["direction"] == "in"] == [2]
        wait_for(lambda: not mta.rows("debug", "peer", "ls"))
        mta.wait_log("debug peer 127.0.0.0/8: its time is over")
        time.sleep(0.2)
        after = len(mta.log())
        s.noop()
        time.sleep(0.3)
        assert "noop" not in mta.log()[after:]
    assert mta.ctl("debug", "peer", "del", "127.0.0.0/8").returncode == 1


def test_debug_peers_of_main_cf(tmp_path):
    with Instance(tmp_path, {"debug_peer_list": "mx.good.test", "debug_peer_level": "1"}) as mta:
        with Sink("127.0.0.2", mta.remote_port):
            mta.send("a@client.test", "b@good.test")
            mta.wait_log(rf"smtp\[\d+\]: < mx.good.test\[127.0.0.2\]:{mta.remote_port}: 250 2.0.0 Ok")
        row, = mta.rows("debug", "peer", "ls")
        assert row == {"peer": "mx.good.test", "level": 1, "source": "main.cf"}
        r = mta.ctl("debug", "peer", "del", "mx.good.test")
        assert r.returncode == 1 and "main.cf" in r.stderr
    # The client on this side is none.
    assert "< localhost" not in mta.log()


def test_a_hanging_session(mta):
    held = []

    def hang(session, content):
        held.append(1)
        time.sleep(4)
    with Sink("127.0.0.2", mta.remote_port, {"END": hang}):
        qid = mta.send("a@client.test", ["b@good.test", "c@good.test"])
        wait_for(lambda: held)
        row, = wait_for(lambda: [r for r in mta.rows("session", "ls") if r.get("state") == "END-OF-MESSAGE"])
        assert row["queue_id"] == qid and row["direction"] == "out" and row["service"] == "smtp" and row["recipients"] == 2
        assert row["peer"] == "mx.good.test[127.0.0.2]" and row["port"] == mta.remote_port and row["nexthop"] == "good.test"
        text = mta.ctl("--table", "session", "ls").stdout
        assert qid in text and "END-OF-MESSAGE" in text
        mta.wait_empty()


def test_many_sessions(mta):
    mta.settings["default_process_limit"] = "1000"
    mta.write()
    assert mta.ctl("reload").returncode == 0
    clients = []
    try:
        for _ in range(300):
            clients.append(socket.create_connection(("127.0.0.1", mta.port)))
        for c in clients:
            c.recv(100)
        rows = mta.rows("session", "ls")
        names = [r["session"] for r in rows if r["direction"] == "in"]
        assert len(names) == len(set(names)) == 300
    finally:
        for c in clients:
            c.close()


def test_log_of_one_message(mta, good):
    with Stream(mta, "log", "rcpt = b@good.test", "--follow") as log:
        mta.send("x@client.test", "other@good.test")
        qid = mta.send("a@client.test", "b@good.test")
        log.wait(lambda r: r["text"].endswith(": removed"))
        rows = log.end()
    assert {r["queue_id"] for r in rows} == {qid}
    assert [r["program"] for r in rows] == ["smtp", "qmgr"] and rows[0]["severity"] == "info" and rows[0]["role"] == "send"


def test_warnings_are_kept(mta):
    say(mta, "GET: HTTP/1.0 \u202e\x1b[31m\r\n")
    row, = wait_for(lambda: mta.rows("log", "text ~ non-SMTP"))
    assert row["severity"] == "warning" and row["program"] == "smtpd" and row["role"] == "receive"
    assert abs(row["time"] - time.time()) < 60
    assert not mta.rows("log", "--limit", "3", "program = qmgr")
    shown = mta.ctl("--color=never", "log")
    assert "non-SMTP command from localhost[127.0.0.1]: GET: HTTP/1.0 ??[31m" in shown.stdout and "\x1b" not in shown.stdout


def test_nothing_harmful_reaches_a_terminal(mta):
    evil = "a\u202eb\u2066c"
    mta.ctl("hold", f"sender = {evil}@x.test")
    mta.wait_log(r"control\[\d+\]: \S+: hold")
    assert "\u202e" not in mta.log() and "sender = a?b?c@x.test" in mta.log()
    with Stream(mta, "trace") as t:
        say(mta, f"EHLO {evil}\r\nQUIT\r\n")
        t.wait(lambda r: r["text"].startswith("EHLO"))
        t.end()
    assert "\u202e".encode() not in t.text and b"\\u202e" in t.text


def protocol(mta):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(20)
    s.connect(f"{mta.dir}/queue/ctl")
    f = s.makefile("rw", newline="\n")
    f.readline()
    return s, f


def test_cancel_and_other_questions(mta):
    s, f = protocol(mta)
    with s, f:
        def ask(**what):
            f.write(json.dumps(what) + "\n")
            f.flush()
        ask(id=1, cmd="trace")
        ask(id=2, cmd="queue count")
        while not json.loads(f.readline()).get("done"):
            pass
        ask(id=3, cmd="cancel", args={"of": 1})
        assert json.loads(f.readline()) == {"id": 1, "done": True, "status": 0}
        assert json.loads(f.readline()) == {"id": 3, "done": True, "status": 0}
        ask(id=4, cmd="log", args={"follow": True})
        s.shutdown(socket.SHUT_WR)
        rest = [json.loads(line) for line in f]
    assert rest[-1] == {"id": 4, "done": True, "status": 0}


def test_a_slow_reader_holds_up_nobody(mta):
    """It does not read; mail goes on, and it hears what it missed."""
    s, f = protocol(mta)
    with s, f:
        f.write('{"id":1,"cmd":"trace"}\n')
        f.flush()
        wait_for(lambda: ": trace" in mta.log())
        time.sleep(0.2)
        many = "MAIL FROM:<a@client.test>\r\n" + "RCPT TO:<b@good.test>\r\n" * 20 + "QUIT\r\n"
        for _ in range(150):
            say(mta, many)
        assert mta.send("a@client.test", "root@site.test")
        s.shutdown(socket.SHUT_WR)
        rows = [json.loads(line) for line in f]
    lost = sum(r["row"]["lost"] for r in rows if "lost" in r.get("row", {}))
    assert rows[-1] == {"id": 1, "done": True, "status": 0} and lost > 100
    assert len(rows) + lost > 150 * 40


def test_roles_started_anew(mta, good):
    """A role that is killed gets the lists again; with the control role operators' peers are forgotten."""
    mta.ctl("debug", "peer", "add", "mx.good.test")
    for pid in mta.pids()["send"] + mta.pids()["receive"]:
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: len(mta.pids().get("send", [])) == 2 and len(mta.pids().get("receive", [])) == 2)
    wait_for(lambda: mta.ctl("status").returncode == 0)
    mta.send("a@client.test", "b@good.test")
    mta.wait_log(r"smtp\[\d+\]: < mx.good.test\[127.0.0.2\]:\d+: 220 ")
    assert [r["text"] for r in mta.rows("log", "text ~ 'killed by signal 9'")]
    os.kill(mta.pids()["control"][0], signal.SIGKILL)
    wait_for(lambda: mta.ctl("status").returncode == 0)
    assert mta.rows("debug", "peer", "ls") == []


def test_who_may(mta):
    r = mta.ctl("-c", mta.dir + "/nowhere", "status")
    assert r.returncode == 69 and mta.dir + "/nowhere" in r.stderr
    assert mta.ctl("--readonly", "debug", "peer", "add", "x.test").returncode == 77
    assert mta.ctl("--readonly", "debug", "peer", "ls").returncode == 0


def test_in_the_repl(mta):
    """Ctrl-C ends the trace, and nothing else."""
    env = {**os.environ, "HOME": mta.dir, "TERM": "xterm", "INPUTRC": "/dev/null", "LC_ALL": "C.UTF-8"}
    p = pexpect.spawn(f"{BUILD}/mtactl", ["-c", mta.dir], env=env, encoding="utf-8", timeout=20, dimensions=(30, 120))
    try:
        p.expect_exact("mail.site.test> ")
        p.sendline("trace 127.0.0.1")
        wait_for(lambda: ": trace" in mta.log())
        time.sleep(0.3)
        say(mta, "QUIT\r\n")
        p.expect_exact("the session ends")
        assert "221 2.0.0 Bye" in p.before and "<-" in p.before and "->" in p.before
        p.sendintr()
        p.expect_exact("mail.site.test> ")
        p.sendline("session ls")
        p.expect_exact("0 sessions")
        p.sendline("quit")
        p.expect(pexpect.EOF)
    finally:
        p.close(force=True)
