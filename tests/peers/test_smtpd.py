"""Services of smtpd(8) beside Debian's: one instance of each with the same lines of master.cf; the same dialogues with both, what they say and log is compared."""
import os
import re
import socket
import time

import pytest
from mtadtest import Instance, Sink, free_port, wait_for
from postfixtest import Postfix

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="Postfix needs root")

MAIN = {"authorized_verp_clients": "", "transport_maps": "inline:{dest.test=discard:, {fwd.test=smtp:[127.0.0.1]:SINK}, macros.test=macros:, {held.test=smtp:[127.0.0.1]:1}, {retry.test=retry:4.7.9 later perhaps}, {retry2.test=retry:no code}, {error.test=error:5.7.9 never}, {error2.test=error:no code}, {bare.test=error:}, {bareretry.test=retry:}, {error3.test=error:5.1.1 no such man}, {retry3.test=retry:5.2.2 full}}", "default_transport": "discard:",
        "relay_domains": "relay.test, sub.relay.test", "relay_transport": "discard:", "smtpd_error_sleep_time": "0",
        "smtpd_peername_lookup": "no", "smtpd_banner": "$myhostname ESMTP", "smtpd_client_connection_count_limit": "0", "disable_vrfy_command": "yes",
        "local_recipient_maps": "", "smtp_send_xforward_command": "yes", "macros_destination_recipient_limit": "1", "smtpd_sasl_auth_enable": "no"}
COMMANDS = r"""/^HELO\s*$/ HELO domain.invalid
/^\s*$/ NOOP
/^(RCPT\s+TO:\s*<)'([^[:space:]]+)'(>.*)/ $1$2$3
/^data$/ DATA
/^(MAIL FROM:<>.*)/ $1 RET=HDRS
/^FOO/ BAR
/^PING/ NOOP
/^TWICE/ NOOP
"""
MACROS = ["client_address", "client_hostname", "client_helo", "client_protocol", "client_port", "sasl_method", "sasl_username", "sasl_sender"]
# A service: its options, then dialogues.
SERVICES = {
    "trusting": ({"smtpd_authorized_xforward_hosts": "127.0.0.1, 127.0.0.9", "smtpd_authorized_xclient_hosts": "127.0.0.0/8", "local_header_rewrite_clients": "permit_inet_interfaces", "mynetworks": "127.0.0.0/8 192.0.2.0/24"}, []),
    "etrn": ({"smtpd_etrn_restrictions": "check_etrn_access inline:{ {closed.relay.test=REJECT no}, relay.test=OK }, permit_mynetworks", "smtpd_helo_required": "yes"},
             ["ETRN relay.test|EHLO x|ETRN|ETRN relay.test x|ETRN relay.test|ETRN RELAY.TEST|ETRN @relay.test|ETRN #relay.test|ETRN down.sub.relay.test|ETRN other.test|ETRN closed.relay.test|"
              "ETRN -bad|ETRN a..b|ETRN [127.0.0.1]|ETRN [x]|ETRN <relay.test>|etrn relay.test|MAIL FROM:<s@src.test>|ETRN relay.test|QUIT"]),
    "transports": ({"smtpd_reject_unlisted_sender": "yes"},
                   ["EHLO x|MAIL FROM:<s@src.test>|RCPT TO:<r@retry.test>|RCPT TO:<r@retry2.test>|RCPT TO:<r@error.test>|RCPT TO:<r@error2.test>|RCPT TO:<r@bare.test>|RCPT TO:<r@bareretry.test>|RSET|"
                    "MAIL FROM:<s@retry.test>|RCPT TO:<r@dest.test>|RSET|MAIL FROM:<s@error.test>|RCPT TO:<r@dest.test>|RSET|MAIL FROM:<s@error3.test>|RCPT TO:<r@dest.test>|RSET|"
                    "MAIL FROM:<s@src.test>|RCPT TO:<r@error3.test>|RCPT TO:<r@retry3.test>|VRFY r@retry.test|QUIT"]),
    "no unknown checks": ({"receive_override_options": "no_unknown_recipient_checks", "local_recipient_maps": "inline:{some=x}"},
                          ["EHLO x|MAIL FROM:<s@src.test>|RCPT TO:<r@retry.test>|RCPT TO:<r@error.test>|RCPT TO:<nobody@site.test>|RSET|QUIT"]),
    "unknown checks": ({"local_recipient_maps": "inline:{some=x}"}, ["EHLO x|MAIL FROM:<s@src.test>|RCPT TO:<nobody@site.test>|RSET|QUIT"]),
    "no etrn": ({"smtpd_client_restrictions": "check_etrn_access inline:{x=OK}, reject"}, ["EHLO x|ETRN relay.test|QUIT"]),
    "commands": ({"smtpd_command_filter": "pcre:FOLDER/commands"},
                 ["HELO|HELO x||MAIL FROM:<>|RCPT TO:<'r@dest.test'>|data|.|QUIT", "EHLO x|FOO|  PING|BAR|TWICE|QUIT"]),
    "all off": ({"smtpd_discard_ehlo_keywords": "8bitmime auth etrn pipelining size verp starttls xclient xforward enhancedstatuscodes dsn smtputf8 chunking"},
                ["HELO x|EHLO x|MAIL FROM:<s@src.test> RET=HDRS|MAIL FROM:<s@src.test> ENVID=x|MAIL FROM:<s@src.test> SIZE=100 BODY=8BITMIME|RSET|MAIL FROM:<s@src.test> BODY=foo|"
                 "MAIL FROM:<s@src.test> SIZE=999999999|MAIL FROM:<s@src.test> SMTPUTF8|RSET|MAIL FROM:<é@src.test>|RSET|MAIL FROM:<s@src.test>|RCPT TO:<r@dest.test> NOTIFY=NEVER|"
                 "RCPT TO:<r@dest.test> ORCPT=rfc822;x@y|RCPT TO:<r@dest.test>|RSET|STARTTLS|AUTH PLAIN|ETRN dest.test|XCLIENT NAME=x|XFORWARD NAME=x|FOO|QUIT"]),
    "keywords": ({"smtpd_discard_ehlo_keyword_address_maps": "inline:{ {127.0.0.1 = Pipelining, dsn chunking} , {127.0.0.3 = silent-discard size etrn} }", "smtpd_discard_ehlo_keywords": "8bitmime smtputf8"},
                 ["EHLO x|HELO x|EHLO x|MAIL FROM:<s@src.test> RET=HDRS|BDAT 3|QUIT", "EHLO x|QUIT"]),
}


class Pair:
    def __init__(self, folder):
        self.folder = folder
        (folder / "commands").write_text(COMMANDS)
        script = {"OTHER": lambda s, line: b"250 2.0.0 Ok" if line.startswith(b"XFORWARD") else None}
        self.sinks = [Sink("127.0.0.1", script=script, extensions=["XFORWARD NAME ADDR PORT PROTO HELO IDENT SOURCE"]) for _ in range(2)]
        mains = [{k: v.replace("SINK", str(sink.port)) for k, v in MAIN.items()} for sink in self.sinks]
        self.mta, self.postfix = Instance(folder / "m", mains[0], root=True), Postfix(folder / "p", mains[1])
        self.ports = {}
        macros = "/".join("${%s}" % m for m in MACROS)
        theirs, ours = (f"macros unix - n n - - pipe\n  flags= user=nobody argv={folder}/show {folder}/macros-{side} ${{sender}} {macros}\n" for side in ("theirs", "ours"))
        (folder / "show").write_text('#!/bin/sh\nto=$1; shift\necho "$@" >> $to\n')
        os.chmod(folder / "show", 0o755)
        for side in ("theirs", "ours"):
            (folder / f"macros-{side}").touch()
            os.chmod(folder / f"macros-{side}", 0o666)
        for name, (options, _) in SERVICES.items():
            text = "".join(f"  -o {{ {k} = {v} }}\n" for k, v in options.items()).replace("FOLDER", str(folder))
            self.ports[name] = (free_port(), free_port())
            ours += f"127.0.0.1:{self.ports[name][0]} inet n - n - - smtpd\n{text}"
            theirs += f"127.0.0.1:{self.ports[name][1]} inet n - n - - smtpd\n{text}"
        self.mta.master += ours
        self.mta.write()
        with open(f"{self.postfix.dir}/config/master.cf", "a") as f:
            f.write(theirs)

    def __enter__(self):
        self.postfix.__enter__()
        try:
            self.mta.__enter__()
        except BaseException:
            self.postfix.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, *how):
        self.mta.__exit__(*how)
        self.postfix.__exit__(*how)
        for sink in self.sinks:
            sink.close()


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    folder = tmp_path_factory.mktemp("smtpd")
    os.chmod(folder, 0o755)
    with Pair(folder) as p:
        yield p


class Client:
    def __init__(self, port, source="127.0.0.1"):
        self.socket = socket.create_connection(("127.0.0.1", port), 20, (source, 0))
        self.file = self.socket.makefile("rb")
        self.greeting = self.reply()

    def reply(self):
        lines = []
        while True:
            try:
                line = self.file.readline().decode()
            except ConnectionError:
                line = ""
            lines.append(re.sub(r"queued as \w+", "queued", line.rstrip()))
            if line[3:4] != "-":
                return lines

    def say(self, text):
        try:
            self.socket.sendall(text.encode() + b"\r\n")
        except ConnectionError:
            return [""]
        return self.reply()

    def close(self):
        self.file.close()
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def talk(port, dialogue, source="127.0.0.1"):
    with Client(port, source) as c:
        said = [c.greeting]
        for line in dialogue.split("|"):
            said.append([line] + c.say(line))
        return said


def logged(log, since, pattern):
    """What smtpd said of it, without the process and the client's port."""
    return [re.sub(r"\b[0-9A-Za-z]{12,20}:", "ID:", s).replace("EHLO_MASK_", "") for s in re.findall(r"smtpd\[\d+\]: (.*)", log[since:]) if re.search(pattern, s)]


def beside(pair, name, dialogue, source="127.0.0.1", lines=None):
    """The same of both; of the log what the pattern chooses."""
    ours, theirs = pair.ports[name]
    begun = len(pair.mta.log()), len(pair.postfix.log())
    said, want = talk(ours, dialogue, source), talk(theirs, dialogue, source)
    assert said == want
    if lines:
        wait_for(lambda: "disconnect from" in pair.mta.log()[begun[0]:] and "disconnect from" in pair.postfix.log()[begun[1]:])
        assert logged(pair.mta.log(), begun[0], lines) == logged(pair.postfix.log(), begun[1], lines)
        assert logged(pair.mta.log(), begun[0], lines)
    return said


def test_command_filter(pair):
    said = beside(pair, "commands", SERVICES["commands"][1][0], lines="replacing")
    assert said[1][1] == "250 mail.site.test" and said[-2][1] == "250 2.0.0 Ok: queued"
    beside(pair, "commands", SERVICES["commands"][1][1], lines="replacing")


def test_keywords_by_address(pair):
    first, second = SERVICES["keywords"][1]
    said = beside(pair, "keywords", first, lines="discarding")
    assert "250-PIPELINING" not in said[1] and any("8BITMIME" in s for s in said[1])
    assert not any("8BITMIME" in s for s in beside(pair, "keywords", second, "127.0.0.2", lines="discarding")[1])
    assert not any("SIZE" in s for s in beside(pair, "keywords", second, "127.0.0.3")[1])
    beside(pair, "all off", SERVICES["all off"][1][0])


SEND = "MAIL FROM:<{sender}@src.test>{more}|RCPT TO:<r@{domain}>|DATA|.|"
FORWARDS = ["XFORWARD NAME=o.test ADDR=203.0.113.5 PORT=99 PROTO=ESMTP HELO=oh IDENT=QQ123 SOURCE=REMOTE|", "XFORWARD ADDR=203.0.113.6|", "XFORWARD IDENT=only|",
            "XFORWARD SOURCE=LOCAL|", "XFORWARD NAME=[UNAVAILABLE] ADDR=[UNAVAILABLE] HELO=[UNAVAILABLE]|", "XFORWARD ADDR=203.0.113.8 PROTO=SMTP HELO=six|", "",
            "XCLIENT NAME=c.test ADDR=192.0.2.7 PORT=4000 HELO=ch PROTO=ESMTP|", "XCLIENT LOGIN=user NAME=c.test|EHLO h|"]


def passed_on(sink, sender):
    """The XFORWARD commands before that sender's mail; the queue ID and the port are each side's own."""
    for lines in sink.sessions:
        mine = [i for i, line in enumerate(lines) if f"MAIL FROM:<{sender}@".encode() in line]
        if mine:
            begun = max([i + 1 for i in range(mine[0]) if not lines[i].startswith(b"XFORWARD")], default=0)
            said = b" ".join(lines[begun:mine[0]]).decode()
            return re.sub(r"IDENT=\w{10,}", "IDENT=ID", re.sub(r"PORT=\d{5}\b", "PORT=P", said)).split()
    return None


def test_whose_mail_it_is(pair):
    """What XFORWARD and XCLIENT said goes on with the message: to the next server, and into pipe(8)'s macros."""
    ours, theirs = pair.ports["trusting"]
    for i, before in enumerate(FORWARDS):
        for port in (ours, theirs):
            for domain in ("fwd.test", "macros.test"):
                said = talk(port, f"EHLO h|{before}{SEND}QUIT".format(sender=f"s{i}", domain=domain, more=" AUTH=for+40whom" if i == 8 else ""))
                assert said[-2][1] == "250 2.0.0 Ok: queued", said
    for i in range(len(FORWARDS)):
        a, b = (wait_for(lambda s=s: passed_on(s, f"s{i}")) for s in pair.sinks)
        if "XCLIENT NAME" in FORWARDS[i]:    # a difference: whose headers are completed is asked again here
            assert (a.pop(), b.pop()) == ("SOURCE=REMOTE", "SOURCE=LOCAL")
        assert a == b, FORWARDS[i]
        assert any(w.startswith("PORT=") for w in a) == (i not in (1, 4, 5)), a

    def shown(side):
        lines = (pair.folder / f"macros-{side}").read_text().splitlines()
        return sorted(re.sub(r"/\d{5}/", "/P/", line) for line in lines) if len(lines) == len(FORWARDS) else None
    assert wait_for(lambda: shown("ours")) == wait_for(lambda: shown("theirs"))


def test_whose_mail_is_shown(pair):
    with Client(pair.ports["trusting"][0]) as c:
        for line in f"EHLO h|{FORWARDS[0]}{SEND}".format(sender="held", domain="held.test", more="").split("|"):
            said = c.say(line) if line else said
    row = pair.mta.rows("queue", "show", pair.mta.queue()[0]["queue_id"])[0]
    assert {k: row[k] for k in row if k.startswith("orig")} == {
        "orig_client_name": "o.test", "orig_client_addr": "203.0.113.5", "orig_client_port": "99", "orig_helo": "oh", "orig_protocol": "ESMTP", "orig_queue_id": "QQ123"}
    assert row["client_addr"] == "127.0.0.1" and row["client_port"].isdigit() and row["helo"] == "h"


def test_etrn(pair):
    said = beside(pair, "etrn", SERVICES["etrn"][1][0], lines="ETRN|etrn")
    assert said[5][1] == "250 Queuing started" and said[10][1].startswith("459 "), said
    beside(pair, "no etrn", SERVICES["no etrn"][1][0])


@pytest.mark.parametrize("service", ["transports", "no unknown checks", "unknown checks"])
def test_recipients_that_go_nowhere(pair, service):
    beside(pair, service, SERVICES[service][1][0], lines=None if service == "no unknown checks" else "reject")
