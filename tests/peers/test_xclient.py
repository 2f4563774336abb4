"""XCLIENT and XFORWARD beside Postfix: the same dialogues, reply by reply, and what is logged of client and message."""
import os
import re
import socket

import pytest

from mtadtest import Instance, wait_for
from postfixtest import Postfix

SETTINGS = {"smtpd_authorized_xclient_hosts": "127.0.0.1, 192.0.2.66", "smtpd_authorized_xforward_hosts": "127.0.0.1, 127.0.0.3", "smtpd_peername_lookup": "no", "smtpd_banner": "$myhostname ESMTP",
            "mynetworks": "192.0.2.0/24", "smtpd_delay_reject": "no", "smtpd_helo_required": "yes",
            "smtpd_client_restrictions": "check_client_access inline:{127.0.0.1=OK}, check_client_access inline:{127.0.0.2=OK}, check_client_access inline:{127.0.0.3=OK}, check_client_access inline:{198.51.100.9=reject}, check_client_access inline:{bad.test=REJECT}, reject_unknown_reverse_client_hostname",
            "smtpd_relay_restrictions": "permit_mynetworks permit_sasl_authenticated reject_unauth_destination", "smtpd_error_sleep_time": "0",
            "smtpd_hard_error_limit": "100", "smtpd_soft_error_limit": "100", "disable_vrfy_command": "yes", "smtpd_discard_ehlo_keywords": "etrn, starttls, auth"}
SEND = "RCPT TO:<root@site.test>|DATA"
NAMED = "XCLIENT REVERSE_NAME=rev.test"
DIALOGUES = [
    "EHLO h|XCLIENT|XCLIENT x|XCLIENT NAME=|XCLIENT NAME=a b|XCLIENT FOO=x|XCLIENT IDENT=x|XCLIENT NAME=bad_+host!|XCLIENT ADDR=1.2.3|XCLIENT PORT=x|XCLIENT PROTO=FOO|"
    "XCLIENT HELO=|XCLIENT NAME=+zz|XCLIENT NAME=-a|XCLIENT NAME=a-|XCLIENT NAME=1.2|XCLIENT NAME=a..b|XCLIENT NAME=.a|XCLIENT REVERSE_NAME=a+20b|XCLIENT DESTPORT=x|QUIT",
    f"{NAMED}|EHLO h|XCLIENT PROTO=SMTP REVERSE_NAME=x.test|XCLIENT HELO=a+20b|XCLIENT LOGIN=me|XCLIENT DESTADDR=1.2.3.4 DESTPORT=587|EHLO again|QUIT",
    "XCLIENT NAME=[TEMPUNAVAIL] REVERSE_NAME=[TEMPUNAVAIL]|QUIT", "XCLIENT REVERSE_NAME=[UNAVAILABLE]|EHLO x|QUIT",
    f"XCLIENT NAME=a.test ADDR=192.0.2.7 PORT=4000 HELO=hh PROTO=ESMTP LOGIN=user REVERSE_NAME=rev.test|MAIL FROM:<a@b.test>|{SEND}|EHLO again|MAIL FROM:<a@b.test>|{SEND}|QUIT",
    f"XCLIENT NAME=a.test ADDR=203.0.113.7 HELO=hh PROTO=SMTP REVERSE_NAME=rev.test|MAIL FROM:<a@b.test>|RCPT TO:<x@relay.test>|{SEND}|QUIT",
    "XCLIENT ADDR=203.0.113.7 LOGIN=user HELO=hh PROTO=ESMTP REVERSE_NAME=rev.test|MAIL FROM:<a@b.test>|RCPT TO:<x@y.example>|QUIT",
    "XCLIENT ADDR=198.51.100.9 REVERSE_NAME=r.test|EHLO x|MAIL FROM:<a@b>|QUIT", "XCLIENT NAME=bad.test REVERSE_NAME=bad.test ADDR=203.0.113.4|EHLO x|QUIT",
    "XCLIENT ADDR=192.0.2.8 REVERSE_NAME=r.test|EHLO h|XCLIENT NAME=again.test|EHLO h|QUIT", "XCLIENT ADDR=192.0.2.66 REVERSE_NAME=r.test|EHLO h|QUIT",
    f"{NAMED}|HELO h|MAIL FROM:<a@b.test>|XCLIENT NAME=x|XFORWARD NAME=x|RSET|XCLIENT|XFORWARD|QUIT", f"{NAMED}|MAIL FROM:<a@b.test>|QUIT",
    f"{NAMED}|EHLO h|XFORWARD|XFORWARD x|XFORWARD FOO=x|XFORWARD LOGIN=x|XFORWARD NAME=o.test ADDR=203.0.113.5 PORT=99 PROTO=ESMTP HELO=oh IDENT=QQ123 SOURCE=REMOTE|"
    f"MAIL FROM:<a@b.test>|XFORWARD NAME=x|{SEND}|MAIL FROM:<a@b.test>|{SEND}|QUIT",
    f"{NAMED}|EHLO h|XFORWARD NAME=[UNAVAILABLE] ADDR=[UNAVAILABLE] SOURCE=LOCAL|MAIL FROM:<a@b.test>|{SEND}|XFORWARD SOURCE=x|XFORWARD ADDR=1.2|XFORWARD PORT=x|XFORWARD NAME=+zz|"
    "XFORWARD NAME=bad_!|XFORWARD PROTO=xx|XFORWARD HELO=[UNAVAILABLE]|XFORWARD IDENT=a+20b|QUIT",
    f"{NAMED}|HELO h|XFORWARD NAME=o.test|MAIL FROM:<a@b.test>|{SEND}|QUIT", f"{NAMED}|HELO h|XFORWARD ADDR=203.0.113.6|MAIL FROM:<a@b.test>|{SEND}|QUIT",
    f"{NAMED}|HELO h|XFORWARD IDENT=only|MAIL FROM:<a@b.test>|{SEND}|QUIT", f"{NAMED}|HELO h|XFORWARD SOURCE=LOCAL|MAIL FROM:<a@b.test>|{SEND}|QUIT",
    f"{NAMED}|HELO h|XFORWARD NAME=one.test|XFORWARD ADDR=203.0.113.9 IDENT=two|MAIL FROM:<a@b.test>|{SEND}|QUIT",
    f"{NAMED}|HELO h|XFORWARD NAME=one.test|RSET|MAIL FROM:<a@b.test>|{SEND}|QUIT",
    "xclient reverse_name=rev.test name=lower.test|ehlo h|QUIT",
]


def talk(port, dialogue, source="127.0.0.1"):
    with socket.create_connection(("127.0.0.1", port), timeout=20, source_address=(source, 0)) as s:
        f = s.makefile("rb")

        def reply():
            lines = []
            while True:
                line = f.readline().decode().rstrip()
                lines.append(re.sub(r"queued as \S+", "queued", line))
                if line[3:4] != "-":
                    return lines
        replies = [reply()]
        for line in dialogue.split("|"):
            s.sendall(line.encode() + b"\r\n")
            replies.append([line] + reply())
            if line == "DATA" and replies[-1][1].startswith("354"):
                s.sendall(b"Subject: x\r\n\r\nhello\r\n.\r\n")
                replies.append(reply())
        return replies


def lines(log, before):
    """What is said of the client, in order: without time, process and queue ID. Who connects is not the client that XCLIENT names."""
    found = []
    for line in log[before:].splitlines():
        m = re.search(r"smtpd\[\d+\]: (?:(?:NOQUEUE|\w{10,}): )?((?:client=|disconnect from|reject: ).*)", line)
        if m:
            found.append(m.group(1).replace("reject: XCLIENT from", "reject: CONNECT from"))
    return found


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    folder = tmp_path_factory.mktemp("xclient")
    os.chmod(folder, 0o755)
    with Postfix(folder / "theirs", SETTINGS) as postfix, Instance(folder / "ours", main={**SETTINGS, "relay_domains": ""}) as mta:
        yield postfix, mta


def settled(server, before):
    wait_for(lambda: "disconnect from" in server.log()[before:])
    return lines(server.log(), before)


@pytest.mark.parametrize("number", range(len(DIALOGUES)))
def test_dialogue(pair, number):
    postfix, mta = pair
    dialogue, before = DIALOGUES[number], [len(x.log()) for x in pair]
    ours, theirs = talk(mta.port, dialogue), talk(postfix.port, dialogue)
    for a, b in zip(ours, theirs):
        assert a == b
    assert len(ours) == len(theirs)
    assert settled(mta, before[1]) == settled(postfix, before[0])


@pytest.mark.parametrize("source", ["127.0.0.2", "127.0.0.3"])
def test_others_may_not(pair, source):
    postfix, mta = pair
    for dialogue in ("EHLO h|XCLIENT NAME=x|XFORWARD NAME=x|XCLIENT|XFORWARD|XCLIENT x|QUIT", "XCLIENT ADDR=192.0.2.7|QUIT"):
        assert talk(mta.port, dialogue, source) == talk(postfix.port, dialogue, source)


def test_received(pair):
    postfix, mta = pair
    talk(mta.port, f"XCLIENT NAME=who.test ADDR=192.0.2.200 HELO=said PROTO=ESMTP REVERSE_NAME=r.test|MAIL FROM:<a@b.test>|{SEND}|QUIT")
    wait_for(lambda: [m for m in mta.mailbox("root") if b"Received: from said (who.test [192.0.2.200])" in m])
