"""Services of smtpd(8) beside Debian's: one instance of each with the same lines of master.cf; the same dialogues with both, what they say and log is compared."""
import os
import re
import socket
import time

import pytest
from mtadtest import Instance, free_port, wait_for
from postfixtest import Postfix

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="Postfix needs root")

MAIN = {"transport_maps": "inline:{dest.test=discard:, {retry.test=retry:4.7.9 later perhaps}, {retry2.test=retry:no code}, {error.test=error:5.7.9 never}, {error2.test=error:no code}, {bare.test=error:}}", "default_transport": "discard:",
        "relay_domains": "relay.test, sub.relay.test", "relay_transport": "discard:", "smtpd_error_sleep_time": "0",
        "smtpd_peername_lookup": "no", "smtpd_banner": "$myhostname ESMTP", "smtpd_client_connection_count_limit": "0", "disable_vrfy_command": "yes",
        "local_recipient_maps": "", "smtpd_sasl_auth_enable": "no"}
COMMANDS = r"""/^HELO\s*$/ HELO domain.invalid
/^\s*$/ NOOP
/^(RCPT\s+TO:\s*<)'([^[:space:]]+)'(>.*)/ $1$2$3
/^data$/ DATA
/^(MAIL FROM:<>.*)/ $1 RET=HDRS
/^FOO/ BAR
/^PING/ NOOP
/^TWICE/ NOOP
"""
# A service: its options, then dialogues.
SERVICES = {
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
        self.postfix, self.mta = Postfix(folder / "p", MAIN), Instance(folder / "m", MAIN, root=True)
        self.ports = {}
        theirs, ours = "", ""
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
