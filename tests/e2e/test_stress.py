"""A service whose sessions are all taken: those that begin then, and for a while after, have the values of ${stress?...}."""
import os
import socket

import pytest
from mtadtest import Instance, wait_for


def greeting(mta):
    s = socket.create_connection(("127.0.0.1", mta.port), timeout=20)
    f = s.makefile("rb")
    return s, f, f.readline()


@pytest.mark.parametrize("limit, said", [(4, ["calm", "calm", "calm", "busy"]), (0, ["calm"] * 4)])
def test_the_last_sessions_are_under_stress(tmp_path, limit, said):
    os.chmod(tmp_path, 0o755)
    mta = Instance(tmp_path / "site", {"smtpd_banner": "$myhostname ESMTP ${stress?{busy}:{calm}}", "smtpd_hard_error_limit": "${stress?{1}:{20}}"}, root=os.geteuid() == 0)
    mta.master = f"127.0.0.1:{mta.port} inet n - y - {limit} smtpd\n"
    mta.write()
    with mta:
        held = [greeting(mta) for _ in said]
        assert [line.split()[-1].decode() for _, _, line in held] == said
        for s, _, _ in held:
            s.sendall(b"QUIT\r\n")
        for s, f, _ in held:
            assert f.readline().startswith(b"221")
            s.close()
        wait_for(lambda: not mta.rows("session", "ls"))
        s, f, line = greeting(mta)
        assert line.split()[-1].decode() == ("busy" if limit else "calm")
        s.sendall(b"NONSENSE\r\n")
        f.readline()
        s.sendall(b"EHLO x\r\n")
        assert f.readline().startswith(b"421 " if limit else b"250")
        s.close()
        mta.send("a@site.test", "root@site.test")
        wait_for(lambda: mta.mailbox("root"))
