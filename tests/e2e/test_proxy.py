"""The PROXY protocol before a service: who the client is, and what becomes of headers that are wrong, late or in pieces."""
import os
import socket
import struct
import time

import pytest

from mtadtest import Instance, free_port, wait_for

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def v2(command, family, body):
    return SIGNATURE + bytes([command, family]) + struct.pack(">H", len(body)) + body


IP4 = socket.inet_aton("192.0.2.7") + socket.inet_aton("198.51.100.1") + struct.pack(">HH", 4000, 25)
IP6 = socket.inet_pton(socket.AF_INET6, "2001:db8::7") + socket.inet_pton(socket.AF_INET6, "2001:db8::1") + struct.pack(">HH", 4000, 25)


@pytest.fixture(scope="module")
def mta(tmp_path_factory):
    folder = tmp_path_factory.mktemp("proxy")
    os.chmod(folder, 0o755)
    plain = free_port()
    mta = Instance(folder, main={"mynetworks": "192.0.2.0/24", "smtpd_upstream_proxy_timeout": "2s", "smtpd_client_port_logging": "yes",
                                 "smtpd_peername_lookup": "no", "smtpd_client_restrictions": "check_client_access inline:{203.0.113.9=reject}",
                                 "mtad_receive_workers": "1"})
    mta.master = f"127.0.0.1:{mta.port} inet n - y - - smtpd -o smtpd_upstream_proxy_protocol=haproxy\n127.0.0.1:{plain} inet n - y - - smtpd\n"
    mta.plain = plain
    mta.write()
    os.chmod(f"{mta.dir}/mail", 0o755)
    with mta:
        yield mta


def connect(mta, *pieces, port=None, pause=0.0):
    s = socket.create_connection(("127.0.0.1", port or mta.port), timeout=10)
    for piece in pieces:
        s.sendall(piece)
        time.sleep(pause)
    return s, s.makefile("rb")


def dialogue(mta, header, recipient="root@site.test"):
    """One message behind the header; the reply to the recipient."""
    s, f = connect(mta, header)
    with s:
        assert f.readline().startswith(b"220 ")
        replies = []
        for line in ("HELO h", "MAIL FROM:<a@client.test>", f"RCPT TO:<{recipient}>"):
            s.sendall(f"{line}\r\n".encode())
            replies.append(f.readline())
        if replies[-1].startswith(b"250"):
            s.sendall(b"DATA\r\n")
            assert f.readline().startswith(b"354")
            s.sendall(b"Subject: x\r\n\r\nhello\r\n.\r\nQUIT\r\n")
            assert f.readline().startswith(b"250")
        return replies[-1].decode()


@pytest.mark.parametrize("header,client", [
    (b"PROXY TCP4 192.0.2.7 198.51.100.1 4000 25\r\n", "192.0.2.7"), (b"PROXY TCP6 2001:db8::7 2001:db8::1 4000 25\r\n", "2001:db8::7"),
    (v2(0x21, 0x11, IP4), "192.0.2.7"), (v2(0x21, 0x11, IP4 + b"\4\0\1x\x20\0\2yy"), "192.0.2.7"), (v2(0x21, 0x21, IP6), "2001:db8::7"),
    (v2(0x20, 0, b""), "127.0.0.1"), (b"PROXY UNKNOWN\r\n", "127.0.0.1")])
def test_client(mta, header, client):
    before = len(mta.log())
    assert dialogue(mta, header).startswith("250")
    mta.wait_log(rf"disconnect from unknown\[{client}\]:\d+ helo=1 ")
    assert f"client=unknown[{client}]:" in mta.log()[before:]
    if client != "127.0.0.1":
        assert f"connect from unknown[{client}]:4000" in mta.log()[before:]
    said = (f"[IPv6:{client}]" if ":" in client else f"[{client}]").encode()
    wait_for(lambda: [m for m in mta.mailbox("root") if said in m.split(b"\n\n")[0]])


def test_decisions_by_that_client(mta):
    """mynetworks and access tables see the client, not the proxy."""
    assert dialogue(mta, b"PROXY TCP4 192.0.2.7 198.51.100.1 4000 25\r\n", "x@good.test").startswith("250")
    assert "Relay access denied" in dialogue(mta, b"PROXY TCP4 198.51.100.7 198.51.100.1 4000 25\r\n", "x@good.test")
    assert "Client host rejected" in dialogue(mta, b"PROXY TCP4 203.0.113.9 198.51.100.1 4000 25\r\n")


def test_in_pieces_and_with_more_behind(mta):
    for header in (b"PROXY TCP4 192.0.2.7 198.51.100.1 4000 25\r\n", v2(0x21, 0x11, IP4 + b"\4\0\1x")):
        s, f = connect(mta, *(header[i:i + 1] for i in range(len(header))), pause=0.01)
        with s:
            assert f.readline().startswith(b"220 ")
        s, f = connect(mta, header[:20], header[20:] + b"HELO early\r\n", pause=0.1)
        with s:
            assert f.readline().startswith(b"220 ") and f.readline().startswith(b"250 ")


@pytest.mark.parametrize("header,why", [
    (b"EHLO x\r\n", "bad or missing protocol header"), (b"PROXY TCP4 ::1 ::1 1 1\r\n", "bad or missing client address"),
    (v2(0x21, 0x31, b"x" * 216), "unsupported network protocol"), (b"PROXY " + b"x" * 300, "missing protocol header terminator"),
    (v2(0x21, 0x11, IP4[:4]), "short address field"), (SIGNATURE + b"\x21\x11\xff\xff" + b"x" * 1000, "the header is too long")])
def test_wrong_headers(mta, header, why):
    before = len(mta.log())
    s, f = connect(mta, header)
    with s:
        try:
            assert f.read() == b""
        except ConnectionResetError:
            pass
    mta.wait_log(f"warning: haproxy read: {why}, from \\[127.0.0.1\\]")
    assert ": connect from" not in mta.log()[before:].replace("[192.0.2.7]:4000", "")


def test_too_late_and_gone(mta):
    s, f = connect(mta, b"PROXY TCP4 1.2")
    with s:
        start = time.monotonic()
        assert f.read() == b"" and 1 < time.monotonic() - start < 20
    mta.wait_log("haproxy read: timeout error")
    connect(mta)[0].close()
    mta.wait_log("haproxy read: EOF")
    # Many at once hold nobody up, and leave nothing behind.
    held = [connect(mta, b"PROXY")[0] for _ in range(50)]
    assert dialogue(mta, v2(0x21, 0x11, IP4)).startswith("250")
    for s in held:
        s.close()


def test_other_services_know_no_proxy(mta):
    s, f = connect(mta, port=mta.plain)
    with s:
        assert f.readline().startswith(b"220 ")
        s.sendall(b"PROXY TCP4 192.0.2.7 198.51.100.1 4000 25\r\n")
        assert f.readline()[:3] in (b"500", b"502", b"221")


def test_value_is_checked(tmp_path):
    mta = Instance(tmp_path / "wrong", main={"smtpd_upstream_proxy_protocol": "nosuch"})
    mta.start(expect_ready=False)
    mta.process.wait(30)
    assert mta.process.returncode != 0 and "smtpd_upstream_proxy_protocol: \"nosuch\" is no protocol" in mta.errors() + mta.log()
