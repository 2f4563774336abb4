"""Real policy servers: postgrey over TCP, policyd-spf over a Unix socket."""
import os
import re
import smtplib
import socket
import socketserver
import subprocess
import threading
import time

import pytest
from mtadtest import ZONE, Instance, Sink, free_port, wait_for

GREY = "/usr/sbin/postgrey"
SPF = "/usr/bin/policyd-spf"


def rcpt(mta, sender, recipient, source="127.0.0.9", helo="client.test"):
    with smtplib.SMTP("127.0.0.1", mta.port, source_address=(source, 0)) as s:
        s.ehlo(helo)
        s.mail(sender)
        return s.rcpt(recipient)


@pytest.mark.skipif(not os.path.exists(GREY), reason="postgrey is not installed")
def test_postgrey(tmp_path):
    """The first try is put off, one after the delay is taken; the connection is kept."""
    port = free_port()
    os.makedirs(tmp_path / "db")
    os.chmod(tmp_path, 0o755)
    for name in ("clients", "recipients"):
        (tmp_path / name).write_text("")
    process = subprocess.Popen([GREY, f"--inet=127.0.0.1:{port}", "--delay=2", f"--dbdir={tmp_path}/db", f"--pidfile={tmp_path}/pid", f"--whitelist-clients={tmp_path}/clients",
                                f"--whitelist-recipients={tmp_path}/recipients", *(["--user=root", "--group=root"] if os.geteuid() == 0 else [])],
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        def listens():
            assert process.poll() is None, process.stdout.read().decode()
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return True
            except OSError:
                return False
        wait_for(listens)
        with Instance(tmp_path / "site", {"mynetworks": "127.0.0.1/32", "relay_domains": "good.test", "smtpd_relay_restrictions": "reject_unauth_destination",
                                          "smtpd_recipient_restrictions": f"permit_mynetworks, check_policy_service inet:127.0.0.1:{port}"}) as mta, Sink("127.0.0.2", mta.remote_port) as sink:
            code, text = rcpt(mta, "a@sender.test", "user@good.test")
            assert code == 450 and re.match(rb"4\.[27]\.\d <user@good\.test>: Recipient address rejected: Greylisted", text), text
            assert rcpt(mta, "a@sender.test", "user@good.test")[0] == 450
            assert rcpt(mta, "a@sender.test", "user@good.test", source="127.0.0.1")[0] == 250
            time.sleep(2.5)
            with smtplib.SMTP("127.0.0.1", mta.port, source_address=("127.0.0.9", 0)) as s:
                s.sendmail("a@sender.test", ["user@good.test"], "Subject: x\n\nhello\n")
            wait_for(lambda: sink.messages)
            assert b"X-Greylist: delayed" in sink.messages[0][2]     # its PREPEND
    finally:
        process.terminate()
        process.wait(20)


class Spawn(socketserver.StreamRequestHandler):
    """As spawn(8): a process for each connection."""
    def handle(self):
        subprocess.run([SPF, self.server.conf], stdin=self.request, stdout=self.request, stderr=subprocess.DEVNULL, timeout=30)


class UnixServer(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True


@pytest.mark.skipif(not os.path.exists(SPF), reason="policyd-spf is not installed")
def test_policyd_spf(tmp_path):
    """The daemon's Unix socket by a path of main.cf. The server skips addresses of this machine: it says so in a header."""
    os.chmod(tmp_path, 0o755)
    (tmp_path / "spf.conf").write_text("debugLevel = 0\nTestOnly = 1\nHELO_reject = Fail\nMail_From_reject = Fail\nskip_addresses = 127.0.0.0/8,::1\n")
    server = UnixServer(str(tmp_path / "spf.sock"), Spawn)
    server.conf = str(tmp_path / "spf.conf")
    os.chmod(tmp_path / "spf.sock", 0o666)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        with Instance(tmp_path / "site", {"mynetworks": "127.0.0.1/32", "relay_domains": "good.test", "smtpd_relay_restrictions": "reject_unauth_destination",
                                          "smtpd_recipient_restrictions": f"check_policy_service {{ unix:{tmp_path}/spf.sock, timeout = 20s }}"}, zone=ZONE) as mta, Sink("127.0.0.2", mta.remote_port) as sink:
            with smtplib.SMTP("127.0.0.1", mta.port, source_address=("127.0.0.9", 0)) as s:
                s.sendmail("a@sender.test", ["user@good.test"], "Subject: x\n\nhello\n")
            wait_for(lambda: sink.messages)
            assert re.search(rb"^(Received-SPF|X-Comment|Authentication-Results): .*(SPF|spf)", sink.messages[0][2], re.M), sink.messages
            assert "problem talking" not in mta.log()
    finally:
        server.shutdown()
        server.server_close()


def test_a_server_that_fails(tmp_path):
    """Tried again as configured; then the default action, and a word in the log. A stale connection is no failure."""
    os.chmod(tmp_path, 0o755)
    state = {"mode": "good", "asked": 0, "connections": 0}

    class Handler(socketserver.StreamRequestHandler):
        def handle(self):
            state["connections"] += 1
            for line in self.rfile:
                if line != b"\n":
                    continue
                state["asked"] += 1
                if state["mode"] == "drop" or (state["mode"] == "second" and state["asked"] == 1):
                    return
                if state["mode"] == "silent":
                    time.sleep(3)
                    return
                if state["mode"] == "junk":
                    self.wfile.write(b"what?\n\n")
                    return
                self.wfile.write(b"action=REJECT asked\n\n")
                if state["mode"] == "once":
                    return
    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    spec = f"{{ inet:127.0.0.1:{server.server_address[1]}, timeout = 1s, retry_delay = 1s, try_limit = 2, {{ default_action = 451 4.3.5 no policy }} }}"
    with Instance(tmp_path / "site", {"local_recipient_maps": "", "smtpd_recipient_restrictions": f"check_policy_service {spec}", "mtad_receive_workers": "1"}) as mta:
        def ask(mode):
            state.update(mode=mode, asked=0, connections=0)
            return rcpt(mta, "a@b.test", "user@site.test")
        assert ask("good")[0] == 554 and state["asked"] == 1
        assert ask("good")[0] == 554 and (state["asked"], state["connections"]) == (1, 0), "the connection is used again"
        assert ask("once")[0] == 554
        time.sleep(0.1)
        assert ask("good")[0] == 554 and state["connections"] == 1, "a connection that the server closed is no failure"
        assert "problem talking" not in mta.log()
        mode = ask("second")
        assert mode[0] == 554 and state["asked"] == 2
        for mode, tries in (("junk", 2), ("drop", 2), ("silent", 2)):
            code, text = ask(mode)
            assert (code, text) == (451, b"4.3.5 <user@site.test>: Recipient address rejected: no policy"), (mode, text)
            assert state["asked"] >= tries, mode
        assert len(re.findall(r"warning: problem talking to server inet:127\.0\.0\.1:\d+: ", mta.log())) == 3
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("setting,connections", [({}, 1), ({"smtpd_policy_service_max_idle": "1s"}, 2), ({"smtpd_policy_service_max_ttl": "1s"}, 2),
                                                 ({"smtpd_policy_service_request_limit": "2"}, 2)])
def test_how_long_a_connection_serves(tmp_path, setting, connections):
    """Three questions, with a pause before the third."""
    os.chmod(tmp_path, 0o755)
    accepted = []

    class Handler(socketserver.StreamRequestHandler):
        def handle(self):
            accepted.append(self)
            for line in self.rfile:
                if line == b"\n":
                    self.wfile.write(b"action=REJECT asked\n\n")
    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with Instance(tmp_path / "site", {"smtpd_recipient_restrictions": f"check_policy_service inet:127.0.0.1:{server.server_address[1]}", "local_recipient_maps": "",
                                      "mtad_receive_workers": "1", **setting}) as mta:
        for pause in (0, 0, 1.3):
            time.sleep(pause)
            assert rcpt(mta, "a@b.test", "user@site.test")[0] == 554
    assert len(accepted) == connections
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("setting,least,most", [({"smtpd_policy_service_timeout": "1s", "smtpd_policy_service_retry_delay": "1s"}, 3, 6),
                                                ({"smtpd_policy_service_timeout": "1s", "smtpd_policy_service_retry_delay": "3s"}, 5, 8)])
def test_how_long_a_silent_one_is_waited_for(tmp_path, setting, least, most):
    os.chmod(tmp_path, 0o755)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        with Instance(tmp_path / "site", {"smtpd_recipient_restrictions": f"check_policy_service inet:127.0.0.1:{listener.getsockname()[1]}", "local_recipient_maps": "",
                                          **setting}) as mta:
            began = time.monotonic()
            assert rcpt(mta, "a@b.test", "user@site.test") == (451, b"4.3.5 <user@site.test>: Recipient address rejected: Server configuration problem")
            assert least <= time.monotonic() - began + 0.1 and time.monotonic() - began < most
