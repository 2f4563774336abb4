"""Starting, stopping, reloading, and what is said when something is wrong."""
import os
import signal
import socket
import subprocess
import time

import pytest
from mtadtest import BUILD, Instance, Sink, alive, wait_for


def check(folder, *args):
    return subprocess.run([f"{BUILD}/mtad", "-t", "-c", str(folder), *args], capture_output=True, text=True, timeout=30)


@pytest.fixture
def site(tmp_path):
    os.chmod(tmp_path, 0o755)
    return Instance(tmp_path / "site")


def test_a_good_configuration(site):
    r = check(site.dir)
    assert r.returncode == 0, r.stderr + r.stdout


@pytest.mark.parametrize("line,words", [
    ("message_size_limit = many", ["message_size_limit", "many"]),
    ("smtpd_timeout = 5 fortnights", ["smtpd_timeout", "fortnights"]),
    ("smtpd_helo_required = perhaps", ["smtpd_helo_required", "yes", "no"]),
    ("just words", ["="]),
    ("myhostname = ${unclosed", ["myhostname"]),
    ("mydomain = $myorigin\nmyorigin = $mydomain", ["mydomain", "myorigin"]),
    ("smtpd_recipient_restrictions = reject_unauth_destinatoin", ["reject_unauth_destinatoin", "reject_unauth_destination"]),
    ("smtpd_recipient_restrictions = check_client_access nosuchtype:/x", ["smtpd_recipient_restrictions", "nosuchtype"]),
])
def test_a_wrong_main_cf(site, line, words):
    with open(f"{site.dir}/main.cf", "a") as f:
        f.write(line + "\n")
    lines = open(f"{site.dir}/main.cf").read().splitlines()
    r = check(site.dir)
    assert r.returncode == 78, (r.returncode, r.stdout, r.stderr)
    said = r.stderr + r.stdout
    assert any(f"main.cf:{n}: error" in said for n in (len(lines), len(lines) - 1)), said
    for w in words:
        assert w in said, (w, said)


def test_unknown_and_unsupported_parameters_are_said_out_loud(site):
    with open(f"{site.dir}/main.cf", "a") as f:
        f.write("mynetwroks = 10.0.0.0/8\nsmtpd_milters = inet:127.0.0.1:8891\n")
    r = check(site.dir)
    said = r.stderr + r.stdout
    assert r.returncode == 0
    assert "warning" in said and "mynetwroks" in said and "mynetworks" in said and "smtpd_milters" in said, said


@pytest.mark.parametrize("line,words", [
    ("smtp inet n - n\n", ["master.cf:1"]),
    ("smtp ient n - n - - smtpd\n", ["master.cf:1", "ient"]),
    ("127.0.0.1:2 inet n - n - - smtpd\n -o message_size_limit=many\n", ["master.cf", "message_size_limit"]),
    ("127.0.0.1:2 inet n - n - - no-such-program\n", ["master.cf:1", "no-such-program"]),
])
def test_a_wrong_master_cf(site, line, words):
    with open(f"{site.dir}/master.cf", "w") as f:
        f.write(line)
    r = check(site.dir)
    assert r.returncode == 78, r.stdout + r.stderr
    for w in words:
        assert w in r.stdout + r.stderr, (w, r.stdout + r.stderr)


def failing_start(site):
    site.start(expect_ready=False)
    status = site.process.wait(30)
    site.process = None
    return status, site.errors() + site.log()


def test_port_in_use(site):
    with socket.socket() as s:
        s.bind(("127.0.0.1", site.port))
        s.listen()
        status, said = failing_start(site)
    assert status != 0 and f"127.0.0.1:{site.port}" in said and "in use" in said, (status, said)


def test_no_configuration_folder(tmp_path):
    r = check(tmp_path / "nothing")
    assert r.returncode == 78 and "nothing" in r.stderr + r.stdout


def test_a_queue_folder_that_cannot_be(site, tmp_path):
    (tmp_path / "file").write_text("")
    site.settings["queue_directory"] = f"{tmp_path}/file/queue"
    site.write()
    status, said = failing_start(site)
    assert status != 0 and f"{tmp_path}/file" in said, (status, said)


def test_a_second_daemon_is_refused(mta):
    other = subprocess.run([f"{BUILD}/mtad", "-f", "-u", "-c", mta.dir], capture_output=True, text=True, timeout=30)
    assert other.returncode == 75 and "running" in other.stderr + mta.log()[-500:], (other.returncode, other.stderr)
    assert mta.ctl("status").returncode == 0


def test_stop_leaves_nothing(site):
    site.start()
    everyone = [p for some in site.pids().values() for p in some]
    assert len(everyone) >= 8
    assert site.stop() == 0
    assert not [p for p in everyone if alive(p)]
    assert not os.path.exists(f"{site.dir}/queue/pid/master.pid") or open(f"{site.dir}/queue/pid/master.pid").read() is not None


def test_stop_by_control(site):
    site.start()
    assert site.ctl("stop").returncode == 0
    assert site.process.wait(30) == 0
    site.process = None
    r = site.ctl("status")
    assert r.returncode == 69 and "running" in r.stderr, (r.returncode, r.stderr)


def test_roles_are_started_anew(mta):
    for role, pids in mta.pids().items():
        os.kill(pids[0], signal.SIGKILL)
        wait_for(lambda: len(mta.pids().get(role, [])) == len(pids) and pids[0] not in mta.pids()[role], 20)
    wait_for(lambda: mta.ctl("status").returncode == 0)
    mta.wait_log(r"master\[\d+\]: warning: process .*killed by signal 9")
    with Sink("127.0.0.2", mta.remote_port) as sink:
        mta.send("a@client.test", "b@good.test")
        wait_for(lambda: sink.messages)


def test_reload_by_signal(mta):
    mta.settings["message_size_limit"] = "12345"
    mta.write()
    mta.process.send_signal(signal.SIGHUP)

    def seen():
        with mta.smtp() as s:
            s.ehlo()
            return s.esmtp_features.get("size") == "12345"
    wait_for(seen)


def test_reload_adds_and_drops_listeners(mta):
    from mtadtest import MASTER, free_port
    port = free_port()
    before = mta.port
    mta.master = f"127.0.0.1:{port} inet n - y - - smtpd\n"
    mta.write()
    assert MASTER
    r = mta.ctl("reload")
    assert r.returncode == 0, r.stderr
    mta.port = port

    def new():
        try:
            with mta.smtp(5) as s:
                return s.ehlo()[0] == 250
        except OSError:
            return False
    wait_for(new)

    def old_is_closed():
        try:
            socket.create_connection(("127.0.0.1", before), 1).close()
            return False
        except OSError:
            return True
    wait_for(old_is_closed)


def test_systemd_is_told(site, tmp_path):
    path = str(tmp_path / "n")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.bind(path)
        s.settimeout(30)
        os.environ["NOTIFY_SOCKET"] = path
        try:
            site.start()
            said = b""
            while b"READY=1" not in said:
                said += s.recv(1000) + b"\n"
        finally:
            del os.environ["NOTIFY_SOCKET"]
            site.stop()
        while b"STOPPING=1" not in said:
            said += s.recv(1000) + b"\n"


def test_daemonizes(site):
    r = subprocess.run([f"{BUILD}/mtad", "-u", "-c", site.dir], capture_output=True, text=True, timeout=60)
    assert r.returncode == 0, r.stderr
    assert site.ctl("status").returncode == 0
    pid = int(open(f"{site.dir}/queue/pid/master.pid").read())
    assert site.ctl("stop").returncode == 0
    wait_for(lambda: not alive(pid))


def test_idle_costs_nothing(mta):
    """No role may spin: a second of idling costs next to no CPU time."""
    from mtadtest import children
    time.sleep(1)

    def ticks():
        total = 0
        for pid in children(mta.process.pid):
            total += sum(int(x) for x in open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[11:13])
        return total
    before = ticks()
    time.sleep(2)
    assert ticks() - before <= 20
