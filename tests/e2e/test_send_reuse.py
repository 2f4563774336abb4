"""Which sessions are used again: only those that the mail would be given anew; and TLS sessions that are resumed."""
import socketserver
import ssl
import sys
import threading

import pytest

sys.path.insert(0, __file__.rsplit("/", 2)[0] + "/lib")
from certs import Authority  # noqa: E402
from mtadtest import ZONE, Instance, Sink, free_port, wait_for  # noqa: E402
from test_client_auth import Server  # noqa: E402
from tlspeer import TlsSink, server_context  # noqa: E402


@pytest.fixture(scope="module")
def ca(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def good(ca):
    return ca.issue("mx.good.test")


class Table:
    """A tcp: table whose entries change under the daemon."""

    def __init__(self, **entries):
        self.entries, self.port = entries, free_port()
        outer = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                for line in self.rfile:
                    value = outer.entries.get(line.decode().split()[1])
                    self.wfile.write(b"500 none\n" if value is None else b"200 " + value.replace(" ", "%20").encode() + b"\n")
                    self.wfile.flush()
        self.server = type("Server", (socketserver.ThreadingTCPServer,), {"allow_reuse_address": True, "daemon_threads": True})(("127.0.0.1", self.port), Handler)
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        self.name = f"tcp:127.0.0.1:{self.port}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def site(folder, sink, ca, transports="", **main):
    """One send process, which keeps its sessions for long."""
    settings = {"smtp_tls_CAfile": str(ca.ca_file), "smtp_tls_loglevel": "2", "mtad_send_workers": "1", "smtp_connection_cache_time_limit": "30s",
                "smtp_tls_connection_reuse": "yes", **main}
    m = Instance(folder, main=settings, smtp_port=sink.port)
    m.master += transports
    m.write()
    return m


def deliver(m, sender="a@site.test", to="user@good.test"):
    queue_id = m.send(sender, to)
    return m.wait_log(rf"{queue_id}: to=<.*status=(\w+)").group(1)


def test_level_of_a_table_that_changed(tmp_path, ca, good):
    """Clear text that was right is none for mail that must be encrypted, nor encryption for what must be verified; what fits is used again."""
    with Table(**{"good.test": "none"}) as table, TlsSink(good) as sink, site(tmp_path / "m", sink, ca, smtp_tls_policy_maps=table.name) as m:
        secured = []
        for policy, again in (("none", False), ("none", True), ("encrypt", False), ("encrypt", True), ("secure match=hostname", False),
                              ("secure match=hostname", True), ("secure match=other.test", False), ("may", False)):
            table.entries["good.test"] = policy
            sessions = len(sink.sessions)
            secured.append((policy, deliver(m), len(sink.sessions) == sessions) == (policy, "deferred" if "other" in policy else "sent", again))
        assert secured == [True] * 8
        # Each message, and how its session began: of those in clear text there are the first two.
        assert [b"STARTTLS" in lines for lines in sink.sessions if any(b"DATA" in line for line in lines)] == [False, True, True, True]
        assert len(sink.messages) == 7 and sink.handshakes == 4


def test_transports_of_their_own(tmp_path, ca, good):
    """Two transports to one host: what the one has open in clear text is nothing for the other."""
    with TlsSink(good) as sink, site(tmp_path / "m", sink, ca, "safe unix - - y - - smtp -o smtp_tls_security_level=encrypt\n",
                                     transport_maps="inline:{ good.test=smtp:[mx.good.test], plain.test=safe:[mx.good.test] }") as m:
        for to in ("user@good.test", "user@plain.test", "user@good.test", "user@plain.test"):
            assert deliver(m, to=to) == "sent"
        assert [b"STARTTLS" in lines for lines in sink.sessions] == [False, True]


def test_login_of_a_table_that_changed(tmp_path, ca):
    with Table(**{"mx.good.test": "one:secret"}) as table, Server({"one": "secret", "two": "secret"}, "PLAIN") as sink, \
            site(tmp_path / "m", sink, ca, smtp_sasl_auth_enable="yes", smtp_sasl_password_maps=table.name, smtp_sasl_security_options="noanonymous",
                 smtp_sender_dependent_authentication="yes") as m:
        table.entries["b@site.test"] = "two:secret"
        for sender in ("a@site.test", "a2@site.test", "b@site.test", "a@site.test"):
            assert deliver(m, sender) == "sent"
        table.entries["mx.good.test"] = "two:secret"
        assert deliver(m, "a@site.test") == "sent"
        assert sink.used == [("a@site.test", "one"), ("a2@site.test", "one"), ("b@site.test", "two"), ("a@site.test", "one"), ("a@site.test", "two")]
        # Senders with one login share its session; the last one took that of b's.
        assert len(sink.logins) == 2


@pytest.mark.parametrize("version", ["TLSv1_3", "TLSv1_2"])
def test_resumed_sessions(tmp_path, ca, good, version):
    """Kept with smtp_tls_session_cache_database alone, and judged again each time."""
    limit = getattr(ssl.TLSVersion, version)
    resumed = []

    class Noting(TlsSink):
        def secure(self, session):
            super().secure(session)
            resumed.append(session.connection.session_reused)
    context = server_context(good, limit, limit)
    master = "late unix - - y - - smtp -o smtp_tls_session_cache_timeout=0\n"
    with Table(**{"good.test": "secure match=hostname", "[mx.good.test]": "secure match=hostname"}) as table, Noting(good, context=context) as sink, \
            site(tmp_path / "m", sink, ca, master, smtp_tls_policy_maps=table.name, smtp_tls_session_cache_database="btree:x",
                 smtp_tls_connection_reuse="no", transport_maps="inline:{ two.test=late:[mx.good.test] }") as m:
        assert [deliver(m) for _ in range(3)] == ["sent"] * 3
        assert resumed == [False, True, True]
        m.wait_log(r"reloaded session mx\.good\.test\[127\.0\.0\.2\]:\d+ from smtp cache")
        assert m.log().count("Verified TLS connection established to mx.good.test") == 3
        # The same session, of which another name is asked now.
        table.entries["good.test"] = "secure match=other.test"
        assert deliver(m) == "deferred" and resumed[3:] == [True] and len(sink.messages) == 3
        # A transport that keeps them for no time.
        assert [deliver(m, to="u@two.test") for _ in range(2)] == ["sent"] * 2
        assert resumed[4:] == [False, False]


def test_options_of_a_verified_session(tmp_path, ca, good):
    """A password in clear text is for servers whose certificate is the right one, where the site says so: not for any that encrypts."""
    used = []

    def other(_session, line):
        used.append(line)
        return b"235 2.7.0 ok"
    with TlsSink(good, script={"OTHER": other}, extensions=("PIPELINING", "STARTTLS", "AUTH PLAIN")) as sink, \
            site(tmp_path / "m", sink, ca, smtp_tls_policy_maps="inline:{ { good.test = secure match=hostname } { plain.test = encrypt } }", smtp_sasl_auth_enable="yes",
                 smtp_sasl_password_maps="static:me:secret", smtp_sasl_tls_verified_security_options="noanonymous",
                 transport_maps="inline:{ plain.test=smtp:plain.test }", smtp_tls_connection_reuse="no") as m:
        assert deliver(m) == "sent" and len(used) == 1
        assert deliver(m, to="user@plain.test") == "deferred" and len(used) == 1
        m.wait_log(r"no mechanism available")


def test_queued_mail_follows_a_changed_route(tmp_path):
    """Deferred mail at its time, mail that waits for its turn, and held mail once it is released: none goes where it was to go before the reload."""
    stalled, go_on = threading.Event(), threading.Event()

    def refuse(_session, argument):
        return b"450 4.2.0 later" if b"later@" in argument or b"held@" in argument else None

    def stall(_session, _argument):
        stalled.set()
        go_on.wait(30)

    def recipients(sink):
        return sorted(r[0].split(b"@")[0].split(b"<")[1].decode() for _, r, _ in sink.messages)
    with Sink("127.0.0.5", script={"RCPT": refuse, "END": stall}) as old, Sink("127.0.0.6", old.port) as new, Instance(tmp_path / "m", smtp_port=old.port, main={
            "relayhost": "[127.0.0.5]", "smtp_destination_concurrency_limit": "1", "minimal_backoff_time": "3s", "maximal_backoff_time": "3s", "queue_run_delay": "1s"}) as m:
        try:
            held = m.send("a@site.test", "held@x.test")
            m.wait_log(rf"{held}: to=.*status=deferred")
            assert m.ctl("hold", held).returncode == 0
            later = m.send("a@site.test", "later@x.test")
            m.wait_log(rf"{later}: to=.*status=deferred")
            m.send("a@site.test", "busy@x.test")
            stalled.wait(20)
            turn = m.send("a@site.test", "turn@x.test")
            wait_for(lambda: {r["queue_id"]: r["queue_name"] for r in m.queue()}.get(turn) == "active")
            before = {r["queue_id"]: r["queue_name"] for r in m.queue()}
            m.settings["relayhost"] = "[127.0.0.6]"
            m.write()
            assert m.ctl("reload").returncode == 0
            wait_for(lambda: recipients(new) == ["later", "turn"])
            assert before[held] == "hold" and before[later] in ("deferred", "active")
            assert m.ctl("release", held).returncode == 0
            wait_for(lambda: recipients(new) == ["held", "later", "turn"])
        finally:
            go_on.set()
        wait_for(lambda: recipients(old) == ["busy"])
        m.wait_empty()


def test_best_mx_transport(tmp_path):
    """A domain that points here and that nothing here knows: returned, or handed to a transport; mail for others is none of that."""
    with Sink("127.0.0.2") as sink:
        m = Instance(tmp_path / "m", zone=ZONE + "self.test. MX 10 mx.self.test.\nmx.self.test. A 127.0.0.1\n")
        m.settings.update({"smtp_tcp_port": str(m.port), "transport_maps": "inline:{ there.test=own:self.test, named.test=named:self.test }", "relay_domains": "there.test"})
        m.master += f"own unix - - y - - smtp -o best_mx_transport=smtp:[127.0.0.2]:{sink.port}\nnamed unix - - y - - smtp -o best_mx_transport=discard\n"
        m.write()
        with m:
            for to, status in (("u@self.test", r"bounced \(mail for self\.test loops back to myself\)"), ("v@there.test", r"sent \(handed to smtp:\S+ \(best_mx_transport\)\)"),
                               ("w@named.test", r"sent \(handed to discard ")):
                queue_id = m.send("a@site.test", to)
                m.wait_log(rf"{queue_id}: to=<{to}>, .*status={status}")
            wait_for(lambda: sink.messages)
            assert len(sink.messages) == 1 and sink.messages[0][1][0].startswith(b"TO:<v@there.test>") and b"hello" in sink.messages[0][2]
            m.wait_log(r"to=<w@named\.test>, relay=none, .*status=sent \(self\.test\)")
