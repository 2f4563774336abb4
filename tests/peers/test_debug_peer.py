"""The dialogue of a debug peer in the log: line by line in Postfix's form."""
import os
import re

import pytest
from mtadtest import Instance, Sink, wait_for
from postfixtest import Postfix

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="Postfix needs root")

SETTINGS = {"debug_peer_list": "127.0.0.0/8", "debug_peer_level": "1", "smtpd_banner": "$myhostname ESMTP"}
LINE = re.compile(r"/(smtpd|smtp)\[\d+\]: ([<>] \S+: .*)")


def talk(port):
    import smtplib
    with smtplib.SMTP("127.0.0.1", port, local_hostname="client.test", timeout=60) as s:
        s.ehlo()
        s.mail("ann@site.test")
        assert s.rcpt("bob@[127.0.0.2]")[0] == 250
        s.rcpt("<>")
        assert s.data("Subject: x\r\n\r\nnot in the log\r\n")[0] == 250
        s.docmd("HELP")


def lines(log, program, port):
    """What varies by design is taken out: queue IDs, sizes, what is offered to EHLO."""
    found = []
    for name, text in LINE.findall(log):
        text = re.sub(r"queued as \S+", "queued as ID", text).replace(f":{port}:", ":PORT:")
        text = re.sub(r"SIZE=\d+", "SIZE=N", text)
        if name == program and not re.search(r": 250[- ][A-Z0-9]+(?: \d+)?$", text):
            found.append(text)
    return found


def run(server, sink):
    talk(server.port)
    wait_for(lambda: sink.messages)
    # Both keep the connection, or end it: that is no matter of form.
    wait_for(lambda: "disconnect from" in server.log() and "status=sent" in server.log())
    log = server.log()
    smtp = [x for x in lines(log, "smtp", sink.port) if not re.search(r": (QUIT|221 .*)$", x)]
    return lines(log, "smtpd", server.port), smtp, log


def test_as_postfix_logs_it(tmp_path):
    os.chmod(tmp_path, 0o755)
    relay = {"mydestination": ""}
    with Sink("127.0.0.2", extensions=("PIPELINING", "8BITMIME", "SIZE 100000000")) as sink:
        with Postfix(tmp_path / "postfix", {**SETTINGS, **relay, "relayhost": f"[127.0.0.2]:{sink.port}"}) as postfix:
            theirs = run(postfix, sink)
        sink.messages.clear()
        with Instance(tmp_path / "mtad", {**SETTINGS, **relay, "relayhost": f"[127.0.0.2]:{sink.port}"}) as mta:
            ours = run(mta, sink)
    assert len(theirs[0]) > 8 and len(theirs[1]) > 8, theirs
    assert ours[0] == theirs[0]
    assert ours[1] == theirs[1]
    assert "not in the log" not in ours[2]
