"""
smtpd_proxy_filter beside Debian's: the same filter behind both, the same sessions with both. What the client is told, what the filter is told and what is logged are
compared; then a filter that hands what it takes on to a second service.
"""
import os
import re
import socket

import pytest
from mtadtest import Instance, Sink, free_port, wait_for
from postfixtest import Postfix

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="Postfix needs root")

MAIN = {"authorized_verp_clients": "", "smtpd_peername_lookup": "no", "smtpd_banner": "$myhostname ESMTP", "smtpd_client_connection_count_limit": "0", "disable_vrfy_command": "yes", "smtpd_error_sleep_time": "0",
        "local_recipient_maps": "", "smtpd_recipient_restrictions": "check_recipient_access inline:{{refused@site.test=REJECT},{gone@site.test=DISCARD},{held@site.test=HOLD}}",
        "smtpd_data_restrictions": "check_sender_access inline:{{datano@src.test=REJECT}}", "smtpd_end_of_data_restrictions": "check_sender_access inline:{{endno@src.test=REJECT}}",
        "smtpd_sender_restrictions": "check_sender_access inline:{{pre@src.test=PREPEND X-Site: seen}}", "message_size_limit": "100000", "smtpd_authorized_xforward_hosts": "127.0.0.1"}
SERVICES = {"plain": {}, "adjust": {"smtpd_proxy_options": "speed_adjust"}, "noplace": {"smtpd_proxy_filter": "127.0.0.1:1"},
            "large": {"message_size_limit": "10000000"}, "large adjust": {"message_size_limit": "10000000", "smtpd_proxy_options": "speed_adjust"},
            "slow": {"smtpd_proxy_filter": "inet:127.0.0.1:SLOW", "smtpd_proxy_timeout": "1s", "smtpd_proxy_ehlo": "me.test"}}
TO = "RCPT TO:<root@site.test>"
MAIL = f"MAIL FROM:<s@src.test>|{TO}|DATA|MESSAGE"
SESSIONS = [
    f"EHLO x|{MAIL}|{MAIL}|QUIT", f"HELO x|{MAIL}|QUIT",
    f"EHLO x|mail from:<s@src.test>  SIZE=10 BODY=8BITMIME|{TO} NOTIFY=NEVER|RCPT TO:<b@site.test>|RCPT TO:<refused@site.test>|DATA|MESSAGE|QUIT",
    "EHLO x|MAIL FROM:<s@src.test>|RCPT TO:<refused@site.test>|DATA|RSET|QUIT",
    f"EHLO x|MAIL FROM:<s@src.test>|{TO}|RSET|{MAIL}|QUIT", f"EHLO x|MAIL FROM:<s@src.test>|{TO}|QUIT",
    f"EHLO x|MAIL FROM:<nomail@src.test>|{TO}|{TO}|DATA|RSET|{MAIL}|QUIT", f"EHLO x|MAIL FROM:<tempmail@src.test>|{TO}|QUIT",
    f"EHLO x|MAIL FROM:<s@src.test>|RCPT TO:<norcpt@site.test>|{TO}|DATA|MESSAGE|QUIT", "EHLO x|MAIL FROM:<s@src.test>|RCPT TO:<norcpt@site.test>|DATA|QUIT",
    f"EHLO x|MAIL FROM:<nodata@src.test>|{TO}|DATA|RSET|QUIT", f"EHLO x|MAIL FROM:<noend@src.test>|{TO}|DATA|MESSAGE|{MAIL}|QUIT", f"EHLO x|MAIL FROM:<lines@src.test>|{TO}|DATA|MESSAGE|QUIT",
    f"EHLO x|MAIL FROM:<close@src.test>|{TO}|DATA|QUIT", f"EHLO x|MAIL FROM:<closeend@src.test>|{TO}|DATA|MESSAGE|{MAIL}|QUIT", f"EHLO x|MAIL FROM:<bye@src.test>|{TO}|DATA|MESSAGE|QUIT",
    f"EHLO x|MAIL FROM:<datano@src.test>|{TO}|DATA|RSET|{MAIL}|QUIT", f"EHLO x|MAIL FROM:<pre@src.test>|{TO}|DATA|MESSAGE|QUIT",
    f"EHLO x|MAIL FROM:<s@src.test>|{TO}|DATA|DOTS|QUIT", f"EHLO x|MAIL FROM:<s@src.test>|{TO}|DATA|BIG|{MAIL}|QUIT", f"EHLO x|MAIL FROM:<s@src.test>|{TO}|DATA|EMPTY|QUIT",
    f"EHLO x|MAIL FROM:<s@src.test>|{TO}|BDAT|QUIT",
    f"EHLO x|XFORWARD NAME=o.test ADDR=203.0.113.5 PORT=99 PROTO=ESMTP HELO=oh IDENT=QQ123 SOURCE=LOCAL|{MAIL}|QUIT", f"EHLO x|XFORWARD IDENT=QQ124|{MAIL}|QUIT",
]
CONTENT = {"MESSAGE": b"Subject: x\r\n\r\nhello\r\n.\r\n", "DOTS": b"..a\r\nb: c\r\n\r\n..\r\n...\r\n.x\r\nend\r\n.\r\n", "EMPTY": b".\r\n", "BIG": b"Subject: big\r\n\r\n" + b"x" * 900 + b"\r\n" + (b"y" * 90 + b"\r\n") * 2000 + b".\r\n",
           "BDAT": b"BDAT 15\r\nSubject: x\r\n\r\na"}


def script():
    def mail(s, rest):
        return {b"nomail": b"550 5.9.1 no such sender here", b"tempmail": b"450 4.9.1 later\tperhaps"}.get(re.match(rb"(?i)from:<(\w*)", rest).group(1))

    def rcpt(s, rest):
        if b"norcpt" in rest:
            return b"550-5.9.2 not\r\n550 5.9.2 for him"
        if b"<close@" in s.sender:
            raise Sink.Hangup
        return None

    def data(s, _):
        return b"554 5.9.3 no data" if b"nodata" in s.sender else None

    def end(s, content):
        if b"closeend" in s.sender:
            raise Sink.Hangup
        return {b"noend": b"554 5.9.4 spam", b"lines": b"250-2.9.9 one\r\n250 2.9.9 two", b"bye": b"421 4.9.9 tired"}.get(re.match(rb"(?i)from:<(\w*)", s.sender).group(1))
    return {"MAIL": mail, "RCPT": rcpt, "DATA": data, "END": end, "OTHER": lambda s, line: b"250 2.0.0 Ok" if line.upper().startswith(b"XFORWARD") else None}


class Side:
    def __init__(self, server, filter_):
        self.server, self.filter, self.ports = server, filter_, {}

    def add(self, text):
        for name, options in SERVICES.items():
            self.ports[name] = free_port()
            own = {"smtpd_proxy_filter": f"127.0.0.1:{self.filter.port}", **options}
            text += f"127.0.0.1:{self.ports[name]} inet n - n - - smtpd\n" + "".join(f"  -o {{ {k} = {v} }}\n" for k, v in own.items())
        return text


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    folder = tmp_path_factory.mktemp("filter")
    os.chmod(folder, 0o755)
    silent = socket.create_server(("127.0.0.1", 0))
    filters = [Sink("127.0.0.1", script=script(), extensions=["PIPELINING", "XFORWARD NAME ADDR PORT PROTO HELO IDENT SOURCE", "8BITMIME"]) for _ in range(2)]
    sides = [Side(Instance(folder / "m", MAIN, root=True), filters[0]), Side(Postfix(folder / "p", MAIN), filters[1])]
    slow = str(silent.getsockname()[1])
    sides[0].server.master = sides[0].add(sides[0].server.master).replace("SLOW", slow)
    sides[0].server.write()
    with open(f"{sides[1].server.dir}/config/master.cf", "a") as f:
        f.write(sides[1].add("").replace("SLOW", slow))
    with sides[0].server, sides[1].server:
        yield sides
    for f in filters:
        f.close()
    silent.close()


def talk(port, dialogue):
    with socket.create_connection(("127.0.0.1", port), 20) as s, s.makefile("rb") as f:
        def reply():
            lines = []
            while True:
                try:
                    line = f.readline().decode()
                except ConnectionError:
                    line = ""
                lines.append(re.sub(r"queued as \w+", "queued", line.rstrip()))
                if line[3:4] != "-":
                    return lines
        said = [reply()]
        for line, then in zip(dialogue.split("|"), dialogue.split("|")[1:] + [""]):
            content = CONTENT.get(line)
            if line == "DATA" and not said[-1][-1].startswith("2"):
                continue
            if content and not (said[-1][-1].startswith("354") or line == "BDAT"):
                continue
            s.sendall(content or line.encode() + b"\r\n")
            said.append([line] + reply())
            if line == "DATA" and said[-1][-1].startswith("354") and then not in CONTENT:
                s.sendall(CONTENT["MESSAGE"])
                said.append(reply())
            if line == "BDAT":
                s.sendall(b"BDAT 6 LAST\r\nbcde\r\n")
                said.append(reply())
        return said


def told(side, since, ended):
    """What the filter was told: line by line, and the content, with what is each side's own made equal."""
    def plain(text):
        return re.sub(r"IDENT=\w{10,}", "IDENT=ID", re.sub(r"PORT=\d{5}\b", "PORT=P", text.decode(errors="replace")))
    sessions = side.filter.sessions[since[0]:]
    contents = [re.sub(r"\(Postfix\)|\(mtad\)", "(MTA)", re.sub(r"\w{3}, +\d+ \w{3} \d{4} \d\d:\d\d:\d\d [+-]\d{4} \(\w+\)", "DATE", re.sub(r"id \w{10,}", "id ID", m[2].decode(errors="replace")))) for m in side.filter.messages[since[1]:]]
    return [[plain(line) for line in lines if line != b"QUIT"] for lines in sessions], contents


def logged(side, since):
    text = side.server.log()[since:]
    if "disconnect from" not in text:
        return None
    return [re.sub(r"127\.0\.0\.1:\d{4,5}\b", "FILTER", s) for s in re.findall(r"smtpd\[\d+\]: (.*)", text) if not re.match(r"connect from|disconnect|improper|.*354 go ahead|proxy-reject: END-OF-MESSAGE: ;", s)]


def session(side, service, dialogue):
    since = (len(side.filter.sessions), len(side.filter.messages)), len(side.server.log())
    said = talk(side.ports[service], dialogue)
    lines = wait_for(lambda: [logged(side, since[1])] if logged(side, since[1]) is not None else None)[0]
    return said, *told(side, since[0], dialogue), lines


@pytest.mark.parametrize("service", ["plain", "adjust"])
def test_sessions(pair, service):
    different = []
    for dialogue in SESSIONS:
        ours, theirs = (session(side, service, dialogue) for side in pair)
        if ours != theirs:
            different.append(dialogue)
            print("==", dialogue, *(f"{name}\n  ours:   {a}\n  theirs: {b}" for name, a, b in zip(("said", "told", "content", "logged"), ours, theirs) if a != b), sep="\n")
    assert different == []


@pytest.mark.parametrize("service, dialogue", [("noplace", f"EHLO x|MAIL FROM:<s@src.test>|{TO}|{TO}|DATA|QUIT"), ("slow", f"EHLO x|MAIL FROM:<s@src.test>|{TO}|QUIT")])
def test_trouble(pair, service, dialogue):
    ours, theirs = (session(side, service, dialogue) for side in pair)
    assert ours == theirs and ours[0][3][1] == "451 4.3.0 Error: queue file write error" and "warning: " in ours[3][0]


@pytest.mark.parametrize("service", ["large", "large adjust"])
def test_large(pair, service):
    """Content that has no place in buffers, to a filter that takes its time."""
    side = pair[0]
    text = b"Subject: large\r\n\r\n" + b"".join(b".%07d %s\r\n" % (i, b"x" * 60) for i in range(40000))
    with socket.create_connection(("127.0.0.1", side.ports[service]), 20) as s, s.makefile("rb") as f:
        f.readline()
        for line in (b"HELO x", b"MAIL FROM:<s@src.test>", TO.encode(), b"DATA"):
            s.sendall(line + b"\r\n")
            reply = f.readline()
        assert reply.startswith(b"354")
        s.sendall(text.replace(b"\r\n.", b"\r\n..") + b".\r\n")
        assert f.readline() == b"250 2.0.0 Ok\r\n"
    assert side.filter.messages[-1][2].endswith(text)
