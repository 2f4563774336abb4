"""Services of the SMTP server that need more than a reply to be seen: ETRN."""
import pytest
from effects import Talk
from mtadtest import Instance, Sink, wait_for

MAIN = {"relay_domains": "relay.test, sub.relay.test", "relay_transport": "smtp:[127.0.0.2]", "transport_maps": "inline:{sub.relay.test=smtp:[127.0.0.3]}", "minimal_backoff_time": "1h", "maximal_backoff_time": "1h", "smtpd_error_sleep_time": "0"}


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
        assert t.all("EHLO relay.test", "ETRN other.test") == "459 <other.test>: service unavailable"
        assert t.say("ETRN Relay.test") == "250 Queuing started"
        wait_for(lambda: sorted(r for m in sink.messages for r in m[1]) == [b"TO:<%s@relay.test> ORCPT=rfc822;%s@relay.test" % (x, x) for x in (b"a", b"b", b"c")])
        mta.wait_log(r"flush\[\d+\]: Relay\.test: 2 messages to be tried now")
        assert [(r["address"], r["attempts"]) for m in mta.queue() for r in m["recipients"]] == [("d@sub.relay.test", 1)]
