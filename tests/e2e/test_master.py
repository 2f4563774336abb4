"""What the master does for its processes: as many as are asked for, none that hangs, limits, and words for what is not as it should be."""
import os
import select
import signal
import socket
import subprocess
import time

import pytest
from mtadtest import BUILD, Instance, Sink, alive, free_port, wait_for


@pytest.fixture
def site(tmp_path):
    os.chmod(tmp_path, 0o755)
    instance = Instance(tmp_path / "site")
    plain_start = instance.start

    def start():
        instance.write()
        return plain_start()
    instance.start = start
    yield instance
    print(instance.log()[-6000:])
    instance.stop()


def count(mta, role):
    return len(mta.pids().get(role, []))


def reload(mta, **settings):
    mta.settings.update(settings)
    mta.write()
    r = mta.ctl("reload")
    assert r.returncode == 0, r.stderr
    return r.stdout


def greeting(port, timeout=20):
    """A connection and the banner's first bytes, b"" where none came in time."""
    s = socket.create_connection(("127.0.0.1", port), timeout=timeout)
    try:
        return s, s.recv(1000)
    except socket.timeout:
        return s, b""


def test_more_and_fewer_workers_by_reload(mta, good):
    assert (count(mta, "receive"), count(mta, "send")) == (2, 2)
    said = reload(mta, mtad_receive_workers="4", mtad_send_workers="3")
    assert "2 more receive processes" in said and "1 more send process" in said, said
    wait_for(lambda: (count(mta, "receive"), count(mta, "send")) == (4, 3))
    for i in range(8):
        mta.send("a@client.test", f"b{i}@good.test")
    wait_for(lambda: len(good.messages) == 8)

    # Sessions in the middle of a transaction, wherever they are, come to their end; nobody's connection is refused.
    sessions = [mta.smtp() for _ in range(8)]
    for s in sessions:
        s.ehlo()
        s.mail("a@client.test")
        s.rcpt("c@good.test")
    said = reload(mta, mtad_receive_workers="1", mtad_send_workers="1")
    assert "3 receive processes end when what they are at is finished" in said and "2 send processes end" in said, said
    for i in range(20):
        s, banner = greeting(mta.port)
        s.close()
        assert banner.startswith(b"220"), banner
    for s in sessions:
        assert s.data(b"Subject: late\r\n\r\nx\r\n")[0] == 250
        s.close()
    wait_for(lambda: (count(mta, "receive"), count(mta, "send")) == (1, 1))
    wait_for(lambda: len(good.messages) == 16)
    assert "warning: process" not in mta.log()
    assert reload(mta, mtad_receive_workers="2").count("more receive process") == 1
    wait_for(lambda: count(mta, "receive") == 2)


def test_a_delivery_that_goes_on_is_not_disturbed(mta):
    def slow(session, argument):
        time.sleep(3)
    with Sink("127.0.0.2", mta.remote_port, script={"END": slow}) as sink:
        for i in range(4):
            mta.send("a@client.test", f"b{i}@good.test")
        wait_for(lambda: sum(line == b"DATA" for line in sink.dialogue) >= 2)
        reload(mta, mtad_send_workers="1")
        wait_for(lambda: count(mta, "send") == 1)
        wait_for(lambda: not mta.queue())
    assert "status=deferred" not in mta.log()
    assert len(sink.messages) == 4


def test_a_changed_zone_is_used_after_a_reload(mta):
    mta.zone = mta.zone.replace("plain.test. A 127.0.0.2", "plain.test. A 127.0.0.9")
    with Sink("127.0.0.9", mta.remote_port) as sink:
        before = set(mta.pids()["send"])
        said = reload(mta)
        assert "send processes are started anew" in said, said
        wait_for(lambda: count(mta, "send") == 2 and not before & set(mta.pids()["send"]))
        mta.send("a@client.test", "b@plain.test")
        wait_for(lambda: sink.messages)


def test_what_needs_a_restart_is_said(mta):
    said = reload(mta, mtad_sync="no", setgid_group="nogroup")
    assert "setgid_group, mtad_sync: the old value stays in use until a restart" in said, said
    mta.wait_log(r"warning: reload: setgid_group, mtad_sync: the old value")
    assert "until a restart" in mta.ctl("status").stdout
    said = reload(mta, mtad_sync="yes", setgid_group="mtadrop")
    assert "the old value" not in said, said
    assert "until a restart" not in mta.ctl("status").stdout


def test_a_role_that_hangs(site):
    site.settings["mtad_watchdog_time"] = "4s"
    site.start()
    pid = site.pids()["lookup"][0]
    os.kill(pid, signal.SIGSTOP)
    site.wait_log(rf"warning: lookup 0 \(pid {pid}\) has not answered for \d+ s")
    r = site.ctl("--json", "status")
    assert r.returncode == 75 and f"lookup 0 (pid {pid}) has not answered" in r.stdout, r.stdout
    site.wait_log(rf"error: lookup 0 \(pid {pid}\) .*mtad_watchdog_time\): it is killed")
    wait_for(lambda: count(site, "lookup") == 1 and not alive(pid))
    wait_for(lambda: site.ctl("status").returncode == 0)
    assert site.log().count("has not answered") == 2
    assert "lookup 0 was started anew 1 time" in site.ctl("status").stdout


def test_a_role_that_was_only_slow(site):
    site.settings["mtad_watchdog_time"] = "8s"
    site.start()
    pid = site.pids()["state"][0]
    os.kill(pid, signal.SIGSTOP)
    site.wait_log(rf"warning: state 0 \(pid {pid}\) has not answered")
    os.kill(pid, signal.SIGCONT)
    site.wait_log(rf"state 0 \(pid {pid}\) answers again")
    assert site.ctl("status").returncode == 0 and alive(pid)


def test_a_crash_loop(mta):
    for n in range(3):
        pid = wait_for(lambda: mta.pids().get("state", []))[0]
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: not alive(pid))
    mta.wait_log(r"warning: process mtad:state pid \d+ killed by signal 9; it was state 0")
    mta.wait_log(r"warning: state 0 has ended early 2 times in a row \(the last: killed by signal 9\): the next start is in 1 s")
    mta.wait_log(r"warning: state 0 has ended early 3 times .* in 2 s")
    r = mta.ctl("status")
    assert "state 0 is down: it ended early 3 times in a row, the last time by killed by signal 9" in r.stdout or \
        "state 0 was started anew" in r.stdout, r.stdout


def test_a_service_with_its_own_syslog_name(site):
    port = free_port()
    site.master += f"127.0.0.1:{port} inet n - y - - smtpd\n -o syslog_name=mtad/submission\n"
    site.master += "out unix - - y - - smtp\n -o syslog_name=mtad/out\n"
    site.settings["transport_maps"] = "inline:{good.test=out:}"
    with Sink("127.0.0.2", site.remote_port) as sink:
        site.start()
        site.send("a@client.test", "b@two.test")
        first, site.port = site.port, port
        site.send("a@client.test", "b@good.test")
        site.port = first
        wait_for(lambda: len(sink.messages) == 2)
    site.wait_log(r"mtad/submission/smtpd\[\d+\]: [0-9A-Za-z]+: client=localhost")
    site.wait_log(r"mtad/submission/smtpd\[\d+\]: disconnect from localhost")
    site.wait_log(r"mtad/out/smtp\[\d+\]: [0-9A-Za-z]+: to=<b@good.test>.*status=sent")
    site.wait_log(r" mtad/smtpd\[\d+\]: connect from")
    rows = site.rows("status")
    assert rows and not [line for line in site.log().splitlines() if "mtad/mtad/" in line]


def test_lines_that_are_not_served(site):
    site.master += "smtpd pass - - n - - smtpd\nold fifo n - n 60 1 cleanup\npickup fifo n - n 60 1 pickup\n"
    site.write()
    r = subprocess.run([f"{BUILD}/mtad", "-t", "-c", site.dir], capture_output=True, text=True, timeout=30)
    said = r.stderr + r.stdout
    assert r.returncode == 0 and 'master.cf:2: warning: "smtpd": a service of type pass is not served' in said, said
    assert 'master.cf:3: warning: "old": a service of type fifo' in said and "pickup" not in said, said
    site.start()
    site.wait_log(r"master\[\d+\]: warning: .*master\.cf:2: \"smtpd\": a service of type pass")


def test_a_process_limit(site):
    port = free_port()
    site.settings["mtad_park_idle_sessions"] = "no"
    site.master = f"127.0.0.1:{site.port} inet n - y - 2 smtpd\n127.0.0.1:{port} inet n - y - - smtpd\n"
    site.write()
    site.start()
    sessions = [greeting(site.port) for _ in range(2)]
    assert all(b.startswith(b"220") for _, b in sessions)
    third, banner = greeting(site.port, 0.7)
    assert banner == b""
    site.wait_log(r'service "127.0.0.1:\d+" has reached its process limit "2"')
    # Who floods one service keeps nobody from another.
    waiting = [socket.create_connection(("127.0.0.1", site.port), timeout=20) for _ in range(300)]
    other, banner = greeting(port)
    assert banner.startswith(b"220")
    sessions[0][0].close()
    ready, _, _ = select.select([third] + waiting, [], [], 20)
    assert ready and ready[0].recv(1000).startswith(b"220")
    # A worker that is killed leaves no seats taken.
    for s in [third, other, sessions[1][0]] + waiting:
        s.close()
    for pid in site.pids()["receive"]:
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: site.ctl("status").returncode == 0)
    sessions = [greeting(site.port) for _ in range(2)]
    assert all(b.startswith(b"220") for _, b in sessions)


def test_who_may_submit(site):
    me = "root" if os.getuid() == 0 else str(os.getuid())
    site.settings["authorized_submit_users"] = f"!{me}, static:anyone"
    site.start()
    site.stop()
    r = site.sendmail(b"Subject: x\n\nwhile down\n", "b@site.test", check=False)
    assert r.returncode == 0, r.stderr
    site.start()
    site.wait_log(rf"pickup\[\d+\]: warning: maildrop/\w+: User \S+\({os.getuid()}\) is not allowed to submit mail")
    r = site.sendmail(b"Subject: x\n\ny\n", "b@site.test", check=False)
    assert r.returncode == 77 and b"is not allowed to submit mail" in r.stderr, r
    assert not site.queue()
    reload(site, authorized_submit_users=me)
    assert site.sendmail(b"Subject: x\n\ny\n", "b@site.test").returncode == 0


@pytest.mark.skipif(os.getuid() != 0, reason="needs root")
def test_a_missing_group_is_told(tmp_path):
    os.chmod(tmp_path, 0o755)
    site = Instance(tmp_path / "site", root=True, main={"setgid_group": "no-such-group"})
    with site:
        site.wait_log(r"warning: setgid_group = no-such-group: no such group, so .*maildrop is root's alone")
