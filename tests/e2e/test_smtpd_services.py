"""Services of the SMTP server that need more than a reply to be seen: ETRN, a filter before the queue."""
import pytest
from effects import Talk
from mtadtest import Instance, Sink, free_port, wait_for

MAIN = {"relay_domains": "relay.test, sub.relay.test", "relay_transport": "smtp:[127.0.0.2]", "fast_flush_domains": "relay.test", "transport_maps": "inline:{sub.relay.test=smtp:[127.0.0.3]}", "minimal_backoff_time": "1h", "maximal_backoff_time": "1h", "smtpd_error_sleep_time": "0"}


@pytest.fixture(scope="module")
def mta(tmp_path_factory):
    with Instance(tmp_path_factory.mktemp("smtpd"), MAIN) as m:
        yield m


def test_etrn(mta):
    """Mail for a host that was away is delivered when the host asks for it, and no other mail is."""
    mta.send("s@site.test", ["a@relay.test", "b@relay.test"])
    mta.send("s@site.test", ["c@relay.test"])
    mta.send("s@site.test", ["d@sub.relay.test"])
    wait_for(lambda: len([m for m in mta.queue() if m["queue_name"] == "deferred"]) == 3)
    with Sink("127.0.0.2", mta.remote_port) as sink, Talk("127.0.0.1", mta.port, "127.0.0.1") as t:
        assert t.all("EHLO relay.test", "ETRN sub.other.test") == "459 <sub.other.test>: service unavailable"
        assert t.say("ETRN Relay.test") == "250 Queuing started"
        wait_for(lambda: sorted(r for m in sink.messages for r in m[1]) == [b"TO:<%s@relay.test> ORCPT=rfc822;%s@relay.test" % (x, x) for x in (b"a", b"b", b"c")])
        mta.wait_log(r"flush\[\d+\]: Relay\.test: 2 messages to be tried now")
        assert [(r["address"], r["attempts"]) for m in mta.queue() for r in m["recipients"]] == [("d@sub.relay.test", 1)]


def test_filter_before_the_queue(mta):
    """What a filter is given it says again to a second service: the client hears the filter, and only that service queues it."""
    def end(session, content):
        if b"spam" in content:
            return b"554 5.7.1 this is spam"
        with Talk("127.0.0.1", ports[1], "127.0.0.1") as t:
            t.all("EHLO filter.test", "XFORWARD NAME=client.test ADDR=192.0.2.9 SOURCE=REMOTE", f"MAIL {session.sender.decode()}", *(f"RCPT {r.decode()}" for r in session.accepted), "DATA")
            t.socket.sendall(content + b".\r\n")
            return t.reply().encode()
    forward = {"END": end, "OTHER": lambda s, line: b"250 Ok" if line.startswith(b"XFORWARD") else None}
    ports = [free_port(), free_port()]
    with Sink("127.0.0.4", script=forward, extensions=("XFORWARD NAME ADDR PORT PROTO HELO IDENT SOURCE",)) as sink:
        mta.master += (f"127.0.0.1:{ports[0]} inet n - y - - smtpd\n  -o smtpd_proxy_filter=127.0.0.4:{sink.port}\n"
                       f"127.0.0.1:{ports[1]} inet n - y - - smtpd\n  -o smtpd_authorized_xforward_hosts=127.0.0.0/8\n  -o local_header_rewrite_clients=\n")
        mta.write()
        assert mta.ctl("reload").returncode == 0

        def send(text):
            with Talk("127.0.0.1", ports[0], "127.0.0.1") as t:
                assert t.all("EHLO client.test", "MAIL FROM:<s@site.test>", "RCPT TO:<games@site.test>", "RCPT TO:<man@site.test>", "DATA").startswith("354")
                t.socket.sendall(text + b".\r\n")
                return t.reply()
        assert send(b"Subject: spam\r\n\r\nx\r\n") == "554 5.7.1 this is spam"
        said = send(b"Subject: good\r\n\r\nx\r\n")
        assert said.startswith("250 2.0.0 Ok: queued as ")
        (mail,) = wait_for(lambda: [m for m in mta.mailbox("games") if b"Subject: good" in m])
        assert mail.count(b"\nReceived: ") == 2 and b"(localhost [127.0.0.1])\n\tby mail.site.test (mtad) with ESMTP;\n" in mail, mail
        mta.wait_log(rf"proxy-accept: END-OF-MESSAGE: {said}; from=<s@site\.test> to=<games@site\.test> proto=ESMTP helo=<client\.test>")
        mta.wait_log(rf"{said.split()[-1]}: client=localhost\[127\.0\.0\.1\], orig_client=client\.test\[192\.0\.2\.9\]")
        mta.wait_log(r"proxy-reject: END-OF-MESSAGE: 554 5\.7\.1 this is spam; from=<s@site\.test>")
        assert not [m for m in mta.mailbox("games") if b"spam" in m]
