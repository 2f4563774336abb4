"""Tables whose servers are slow, hang or crash: only what needs them waits, and not for ever."""
import os
import signal
import smtplib
import socket
import socketserver
import threading
import time

import pytest

from mtadtest import Instance, alive, children, free_port, wait_for


class Hanging:
    """Takes connections and what is written to them, and never says a word."""

    def __init__(self):
        self.socket = socket.socket()
        self.socket.bind(("127.0.0.1", 0))
        self.socket.listen(50)
        self.port = self.socket.getsockname()[1]
        self.taken = []
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        try:
            while True:
                self.taken.append(self.socket.accept()[0])
        except OSError:
            pass

    def close(self):
        for s in [self.socket, *self.taken]:
            s.close()


class Answering(socketserver.StreamRequestHandler):
    """tcp_table(5); a key with "slow" waits for the event."""
    release = threading.Event()

    def handle(self):
        for line in self.rfile:
            if b"slow" in line:
                self.release.wait(30)
            self.wfile.write(b"200 OK\n" if b"known" in line or b"slow" in line else b"500 no\n")


class Netstrings(socketserver.StreamRequestHandler):
    """socketmap_table(5): what it was asked, and as many bytes more as the key begins with."""

    def handle(self):
        while True:
            head = b""
            while not head.endswith(b":"):
                c = self.rfile.read(1)
                if not c:
                    return
                head += c
            key = self.rfile.read(int(head[:-1]) + 1)[:-1].split(b" ", 1)[1]
            reply = b"OK OK " + b"x" * int(key.split(b"-")[0]) if b"-" in key else b"NOTFOUND "
            self.wfile.write(b"%d:%s," % (len(reply), reply))


KINDS = ["tcp", "socketmap", "mysql", "pgsql", "ldap", "memcache", "live", "netstrings"]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lookups")
    os.chmod(folder, 0o755)
    hanging = Hanging()
    live, netstrings = (socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler) for handler in (Answering, Netstrings))
    for server in (live, netstrings):
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    at = f"127.0.0.1:{hanging.port}"
    sql = f"hosts = {at}\nuser = u\npassword = p\ndbname = d\nquery = select 1\n"
    files = {"mysql": sql, "pgsql": sql, "ldap": f"server_host = ldap://{at}\nsearch_base = dc=test\nquery_filter = (mail=%s)\ntimeout = 4\nbind = no\n",
             "memcache": f"memcache = inet:{at}\ntimeout = 60\n"}
    for name, text in files.items():
        (folder / f"{name}.cf").write_text(text)
    specs = {"tcp": f"tcp:{at}", "socketmap": f"socketmap:inet:{at}:n", "live": f"tcp:127.0.0.1:{live.server_address[1]}",
             "netstrings": f"socketmap:inet:127.0.0.1:{netstrings.server_address[1]}:name",
             **{name: f"{name}:{folder}/{name}.cf" for name in files}}
    ports = {kind: free_port() for kind in KINDS}
    master = "".join(f"127.0.0.1:{ports[k]} inet n - y - - smtpd\n -o {{ smtpd_recipient_restrictions = check_recipient_access {specs[k]}, permit }}\n" for k in KINDS)
    mta = Instance(folder / "mta", master=master, main={"mydestination": "site.test", "local_recipient_maps": "", "smtpd_relay_restrictions": "reject_unauth_destination",
                                                        "socketmap_max_query_size": "100", "socketmap_max_reply_size": "1000"})
    mta.ports = ports
    with mta:
        yield mta
    hanging.close()
    for server in (live, netstrings):
        server.shutdown()
        server.server_close()


def session(mta, kind):
    s = smtplib.SMTP("127.0.0.1", mta.ports[kind], local_hostname="client.test", timeout=30)
    s.ehlo()
    s.mail("from@site.test")
    return s


def rcpt(mta, kind, address="known@site.test"):
    with session(mta, kind) as s:
        start = time.monotonic()
        code, text = s.rcpt(address)
        return code, text.decode(), time.monotonic() - start


def workers(mta):
    """The processes that ask tables."""
    found = []
    for pid in children(mta.pids()["lookup"][0]):
        try:
            if open(f"/proc/{pid}/comm").read().strip() == "mtad:table":
                found.append(pid)
        except OSError:
            pass
    return found


def test_others_do_not_wait(site):
    """While each of the servers that hang keeps a session waiting, other tables answer; the one that gave up is not waited for again."""
    dead = ["tcp", "socketmap", "mysql", "pgsql", "ldap", "memcache"]
    waiting = [session(site, kind) for kind in dead for _ in range(3)]
    for s in waiting:
        s.putcmd("rcpt", "TO:<known@site.test>")
    wait_for(lambda: len(workers(site)) >= len(dead))
    for s in waiting:
        s.sock.settimeout(0)
        with pytest.raises((BlockingIOError, smtplib.SMTPServerDisconnected)):
            s.sock.recv(1)
    for address in ("known@site.test", "nobody@site.test"):
        code, text, took = rcpt(site, "live", address)
        assert code == 250 and took < 2, (code, text, took)
    ldap = [s for s, kind in zip(waiting, [k for k in dead for _ in range(3)]) if kind == "ldap"]
    for s in ldap:
        s.sock.settimeout(30)
        assert s.getreply()[0] == 451
    code, text, took = rcpt(site, "ldap")       # it failed a moment ago
    assert code == 451 and took < 2, (code, text, took)
    assert "warning: table ldap:" in site.log()
    for s in waiting:
        s.close()


def test_one_slow_answer(site):
    """A table whose server thinks for long about one key answers others meanwhile."""
    Answering.release.clear()
    with session(site, "live") as s:
        s.putcmd("rcpt", "TO:<slow@site.test>")
        code, _, took = rcpt(site, "live")
        assert code == 250 and took < 2, took
        Answering.release.set()
        assert s.getreply()[0] == 250


def test_socketmap_sizes(site):
    """socketmap_max_query_size is of name, blank and key; socketmap_max_reply_size of all that the server says."""
    fits = "994-" + "k" * (100 - len("name 994-@site.test")) + "@site.test"
    for address, code in ((fits, 250), ("k" + fits, 451), ("995-@site.test", 451), ("994-@site.test", 250)):
        assert rcpt(site, "netstrings", address)[0] == code, (address, site.log()[-1000:])


def test_process_ends(site):
    """A client library that crashes: the next question has a process of its own; so has one after a reload, and none is left behind."""
    assert rcpt(site, "live")[0] == 250
    before = workers(site)
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not any(alive(p) for p in before))
    assert rcpt(site, "live")[0] == 250
    running = workers(site)
    assert running and not set(running) & set(before)
    assert site.ctl("reload").returncode == 0
    assert rcpt(site, "live")[0] == 250
    role = site.pids()["lookup"][0]
    some = workers(site)
    os.kill(role, signal.SIGKILL)           # they end with it, whatever they wait for
    wait_for(lambda: not any(alive(p) for p in some))
    wait_for(lambda: site.pids().get("lookup", [role]) != [role])
    wait_for(lambda: rcpt(site, "live")[0] == 250)
