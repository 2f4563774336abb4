"""Limits of what clients, networks, senders, users and domains may do in a unit of time, over all receive processes. Texts are Postfix's where it has the limit."""
import base64
import os
import re
import signal
import time

import pytest
from mtadtest import Instance, wait_for

from effects import Talk


@pytest.fixture
def site(tmp_path):
    """All limits far away, exceptions for one network; a test sets what it is about."""
    made = []

    def start(begin=True, **main):
        mta = Instance(tmp_path / "site", {"mynetworks": "127.0.0.0/8", "smtpd_client_event_limit_exceptions": "127.77.0.0/16", "mtad_receive_workers": "2",
                                           "transport_maps": "static:discard:x", "smtpd_error_sleep_time": "0", **main})
        made.append(mta)
        if begin:       # what comes before the state role is there is not counted
            mta.start()
            mta.wait_log("daemon started")
        return mta
    yield start
    for mta in made:
        print(mta.log()[-4000:])
        mta.stop()


def dialogue(mta, client, *lines):
    with Talk("127.0.0.1", mta.port, client) as t:
        return [t.say(line) for line in lines]


MAIL = "MAIL FROM:<s@src.test>"


def test_messages(site):
    mta = site(smtpd_client_message_rate_limit="3")
    for _ in range(3):
        assert dialogue(mta, "127.70.0.1", "EHLO x", MAIL)[1].startswith("250")
    assert dialogue(mta, "127.70.0.1", "EHLO x", MAIL, "RSET", "QUIT")[1:] == ["450 4.7.1 Error: too much mail from 127.70.0.1", "250 2.0.0 Ok", "221 2.0.0 Bye"]
    mta.wait_log(r"smtpd\[\d+\]: warning: Message delivery request rate limit exceeded: 4 from unknown\[127\.70\.0\.1\] for service 127\.0\.0\.1:\d+$|exceeded: 4 from unknown")
    assert dialogue(mta, "127.70.0.2", "EHLO x", MAIL)[1].startswith("250")
    for _ in range(5):
        assert dialogue(mta, "127.77.0.2", "EHLO x", MAIL)[1].startswith("250")


def test_recipients(site):
    mta = site(smtpd_client_recipient_rate_limit="3", anvil_rate_time_unit="2s")
    said = dialogue(mta, "127.70.0.1", "EHLO x", MAIL, *[f"RCPT TO:<r{i}@dest.test>" for i in range(5)])
    assert [s[:3] for s in said[2:]] == ["250"] * 3 + ["450"] * 2 and said[-1] == "450 4.7.1 Error: too many recipients from 127.70.0.1"
    mta.wait_log(r"warning: Recipient address rate limit exceeded: 4 from unknown\[127\.70\.0\.1\] for service ")
    time.sleep(2.2)
    assert dialogue(mta, "127.70.0.1", "EHLO x", MAIL, "RCPT TO:<r@dest.test>")[2].startswith("250")


def test_networks_as_clients(site):
    mta = site(smtpd_client_message_rate_limit="1", smtpd_client_ipv4_prefix_length="24")
    assert dialogue(mta, "127.70.0.1", "EHLO x", MAIL)[1].startswith("250")
    assert dialogue(mta, "127.70.0.2", "EHLO x", MAIL)[1].startswith("450")
    assert dialogue(mta, "127.70.1.2", "EHLO x", MAIL)[1].startswith("250")


@pytest.mark.parametrize("limit,prefix,length,first,second,other", [
    ("mtad_network_message_rate_limit", "mtad_network_ipv4_prefix_length", "16", "192.0.2.1", "192.0.99.1", "192.1.2.1"),
    ("mtad_network_message_rate_limit", "mtad_network_ipv6_prefix_length", "32", "IPV6:2001:db8:1::1", "IPV6:2001:db8:2::1", "IPV6:2001:db9:1::1"),
    ("smtpd_client_message_rate_limit", "smtpd_client_ipv6_prefix_length", "48", "IPV6:2001:db8:1:2::1", "IPV6:2001:db8:1:3::1", "IPV6:2001:db8:2::1"),
])
def test_how_much_of_an_address_counts(site, limit, prefix, length, first, second, other):
    mta = site(smtpd_authorized_xclient_hosts="127.0.0.0/8", **{limit: "1", prefix: length})
    assert [dialogue(mta, "127.70.0.1", "EHLO x", f"XCLIENT ADDR={a}", "EHLO x", MAIL)[3][:3] for a in (first, second, other, first)] == ["250", "450", "250", "450"]


OWN = [
    ("mtad_network_message_rate_limit", ["127.70.0.1", "127.70.0.2"], [MAIL], "450 4.7.1 Error: too much mail from network 127.70.0.0/24", "127.70.1.1"),
    ("mtad_network_recipient_rate_limit", ["127.70.0.1", "127.70.0.2"], [MAIL, "RCPT TO:<a@d.test>"], "450 4.7.1 Error: too many recipients from network 127.70.0.0/24", "127.70.1.1"),
    ("mtad_sender_message_rate_limit", ["127.70.0.1", "127.77.0.2"], ["MAIL FROM:<S@src.test>"], "450 4.7.1 Error: too much mail from sender s@src.test", None),
    ("mtad_sender_recipient_rate_limit", ["127.70.0.1", "127.77.0.2"], [MAIL, "RCPT TO:<a@d.test>"], "450 4.7.1 Error: too many recipients from sender s@src.test", None),
    ("mtad_domain_recipient_rate_limit", ["127.70.0.1", "127.77.0.2"], [MAIL, "RCPT TO:<a@D.test>"], "450 4.7.1 Error: too many recipients in domain d.test", None),
]


@pytest.mark.parametrize("name,clients,lines,refusal,other", OWN, ids=[o[0] for o in OWN])
def test_own(site, name, clients, lines, refusal, other):
    mta = site(**{name: "1"})
    assert dialogue(mta, clients[0], "EHLO x", *lines)[-1].startswith("250")
    assert dialogue(mta, clients[1], "EHLO x", *lines)[-1] == refusal
    mta.wait_log(r"warning: (Network|Sender|Domain) (message|recipient) rate limit exceeded: 2 of \S+ from unknown\[127\.7\d\.0\.2\] for service ")
    if other:
        assert dialogue(mta, other, "EHLO x", *lines)[-1].startswith("250")


LOGIN = {"smtpd_sasl_auth_enable": "yes", "smtpd_sasl_type": "gsasl"}
WHO = "AUTH PLAIN " + base64.b64encode(b"\0ann@site.test\0secret").decode()


@pytest.mark.parametrize("name,lines,refusal", [
    ("mtad_user_message_rate_limit", [MAIL], "450 4.7.1 Error: too much mail from user ann@site.test"),
    ("mtad_user_recipient_rate_limit", [MAIL, "RCPT TO:<a@d.test>"], "450 4.7.1 Error: too many recipients from user ann@site.test"),
    ("smtpd_client_auth_rate_limit", [], "450 4.7.1 Error: too many AUTH commands from 127.70.0.1"),
])
def test_users(site, tmp_path, name, lines, refusal):
    mta = site(begin=False, **LOGIN, mtad_sasl_password_maps=f"hash:{tmp_path}/users", **{name: "1"})
    assert mta.ctl("sasl", "passwd", "ann@site.test", "--stdin", stdin="secret\n").returncode == 0
    mta.start()
    said = dialogue(mta, "127.70.0.1", "EHLO x", WHO, *lines)
    assert said[1].startswith("235") and said[-1].startswith("2"), said
    assert dialogue(mta, "127.70.0.1", "EHLO x", WHO, *lines)[-1] == refusal
    # Who has not logged in is no user.
    if lines:
        assert dialogue(mta, "127.70.0.1", "EHLO x", *lines)[-1].startswith("250")
    else:
        mta.wait_log(r"warning: AUTH command rate limit exceeded: 2 from unknown\[127\.70\.0\.1\] for service ")


def test_the_null_sender_has_no_count(site):
    mta = site(mtad_sender_message_rate_limit="1")
    for _ in range(3):
        assert dialogue(mta, "127.70.0.1", "EHLO x", "MAIL FROM:<>")[1].startswith("250")


def test_what_was_the_most_is_logged(site):
    mta = site(anvil_status_update_time="1s", smtpd_client_message_rate_limit="100", smtpd_client_recipient_rate_limit="100")
    for _ in range(3):
        dialogue(mta, "127.70.0.9", "EHLO x", MAIL, "RCPT TO:<a@d.test>", "RCPT TO:<b@d.test>")
    when = r"\w{3} [ \d]\d \d\d:\d\d:\d\d$"
    for what in (r"connection rate 3/60s", r"connection count [123]", r"message rate 3/60s", r"recipient rate 6/60s"):
        mta.wait_log(rf"(?m)anvil\[\d+\]: statistics: max {what} for \(127\.0\.0\.1:\d+:127\.70\.0\.9\) at {when}")
    mta.wait_log(rf"(?m)statistics: max cache size 1 at {when}")


def test_a_state_process_that_is_gone_stops_nobody(site):
    mta = site(smtpd_client_message_rate_limit="1")
    assert dialogue(mta, "127.70.0.1", "EHLO x", MAIL)[1].startswith("250")
    os.kill(mta.pids()["state"][0], signal.SIGKILL)
    assert re.match("250|450", dialogue(mta, "127.70.0.1", "EHLO x", MAIL)[1])


def test_counted_from_the_first_client_on(site):
    """Clients that come while the daemon starts wait until they can be counted."""
    mta = site(begin=False, smtpd_client_connection_rate_limit="1")

    def talk():
        try:
            return Talk("127.0.0.1", mta.port, "127.70.0.1")
        except ConnectionRefusedError:
            return None
    for _ in range(3):
        mta.start(expect_ready=False)
        for said in ("220", "421"):
            with wait_for(talk, 20, 0.002) as t:
                assert t.greeting.startswith(said)
        wait_for(lambda: mta.ctl("status").returncode == 0)
        mta.stop()
