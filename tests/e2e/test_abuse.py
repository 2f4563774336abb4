"""A server under abuse: slow clients, floods, endless lines, headers and recipients. Who means well gets his mail through, memory stays within what docs/architecture.md says, nothing is left behind."""
import os
import socket

import pytest
from abuse import Abuse, GoodClient, memory
from certs import Authority
from mtadtest import Instance, wait_for

SESSION = 256 / 1024    # MiB that a session takes at most, without content: docs/architecture.md, "What a session costs"
CONTENT = 32            # mtad_memory_limit, MiB a receive process


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("abuse")
    os.chmod(folder, 0o755)
    chain = Authority(folder).issue("mail.site.test").both
    mta = Instance(folder / "site", {"mynetworks": "127.0.0.1/32", "smtpd_tls_security_level": "may", "smtpd_tls_chain_files": str(chain),
                                     "local_recipient_maps": "", "alias_maps": "", "smtpd_forbid_unauth_pipelining": "no", "smtpd_error_sleep_time": "0s"},
                   root=os.geteuid() == 0)
    # What the good client's mail and the others' have in common is the way in.
    mta.master = f"127.0.0.1:{mta.port} inet n - y - 40 smtpd\n"
    mta.write()
    with mta:
        GoodClient(mta).send()
        yield mta


def sockets(mta):
    """That the receive processes have open."""
    n = 0
    for pid in mta.pids()["receive"]:
        for fd in os.listdir(f"/proc/{pid}/fd"):
            try:
                n += os.readlink(f"/proc/{pid}/fd/{fd}").startswith("socket:")
            except FileNotFoundError:
                pass
    return n


def clients(mta):
    return [row for row in mta.rows("session", "ls") if row["direction"] == "in"]


def gone(mta, before):
    def nothing():
        return not clients(mta) and sockets(mta) == before
    try:
        wait_for(nothing)
    except AssertionError:
        raise AssertionError(f"left: {clients(mta)}, {sockets(mta)} sockets, before {before}") from None


def test_idle_sessions_keep_nobody_out(site):
    """Three times as many as the service may have (maxproc 40), each in the middle of a command: all are let in, and all may go on."""
    before = sockets(site)
    held = []
    for n in range(120):
        s = socket.create_connection(("127.0.0.1", site.port), 20, (f"127.9.9.{n + 1}", 0))
        assert s.recv(1000).startswith(b"220 ")
        s.sendall(b"NO")
        held.append(s)
    GoodClient(site).send()
    assert len(clients(site)) == 120
    for s in held:
        s.sendall(b"OP\r\nQUIT\r\n")
        assert s.makefile("rb").read() == b"250 2.0.0 Ok\r\n221 2.0.0 Bye\r\n"
        s.close()
    gone(site, before)


def test_all_kinds_at_once(site):
    before, pids = sockets(site), site.pids()["receive"]
    start = memory(pids)
    kinds = {"silent": 40, "drip": 60, "idle": 30, "data": 40, "tls": 20, "deaf": 10, "line": 3, "headers": 3, "header": 3, "rcpt": 3, "noop": 5, "auth": 3,
             "garbage": 3, "flood": 50}
    good = GoodClient(site)
    with Abuse(site.port, **kinds) as abuse:
        abuse.wait_ready()
        most = 0
        for _ in range(5):
            good.send()
            most = max(most, memory(pids))
        assert most < start + 300 * SESSION + len(pids) * CONTENT
    assert all(abuse.tally[kind]["let in"] >= count for kind, count in kinds.items() if kind != "flood"), abuse.tally
    assert site.pids()["receive"] == pids, "a process ended"
    gone(site, before)
    good.send()
    # Its data_directory, mail_owner's, lies beside main.cf: that is no fault of the configuration.
    r = site.ctl("reload")
    assert r.returncode == 0, r.stderr
