"""What cleanup(8), smtpd(8) and anvil(8) refuse, beside Debian's: strict MIME, and limits of clients. Replies and what is logged of them are compared."""
import os
import re
import socket

import pytest
from mtadtest import Instance, wait_for
from postfixtest import Postfix

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="Postfix needs root")

PARTS = ("MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n{head}\n--b\n{one}\n\ntext\n--b\nContent-Type: message/rfc822\n{two}\n\nSubject: inner{three}\n\n"
         "{body}\n--b--\n")
EMPTY = {"head": "", "one": "X-A: a", "two": "X-B: b", "three": "", "body": "plain"}
MESSAGES = {
    "plain": "Subject: x\n\nhello\n",
    "8 bit header": "Subject: gr\u00fcn\n\nhello\n",
    "8 bit header, folded": "Subject: x\n gr\u00fcn\n\nhello\n",
    "8 bit body": "Subject: x\n\ngr\u00fcn\n",
    "8 bit body, said so": "MIME-Version: 1.0\nContent-Transfer-Encoding: 8bit\n\ngr\u00fcn\n",
    "8 bit body, said 7bit": "MIME-Version: 1.0\nContent-Transfer-Encoding: 7bit\n\ngr\u00fcn\n",
    "8 bit body, base64": "MIME-Version: 1.0\nContent-Transfer-Encoding: base64\n\ngr\u00fcn\n",
    "8 bit late": "Subject: x\n\n" + "line\n" * 20000 + "gr\u00fcn\n",
    "parts": PARTS.format(**EMPTY),
    "part's header": PARTS.format(**{**EMPTY, "one": "X-A: gr\u00fcn"}),
    "inner header": PARTS.format(**{**EMPTY, "three": " gr\u00fcn"}),
    "inner body": PARTS.format(**{**EMPTY, "body": "gr\u00fcn"}),
    "inner body, outer said so": PARTS.format(**{**EMPTY, "head": "Content-Transfer-Encoding: 8bit\n", "two": "Content-Transfer-Encoding: 8bit", "body": "gr\u00fcn"}),
    "multipart in base64": PARTS.format(**{**EMPTY, "head": "Content-Transfer-Encoding: base64\n"}),
    "multipart in binary": PARTS.format(**{**EMPTY, "head": "Content-Transfer-Encoding: binary\n"}),
    "message in quoted-printable": PARTS.format(**{**EMPTY, "two": "Content-Transfer-Encoding: quoted-printable"}),
    "preamble": PARTS.format(**EMPTY).replace("\n--b\n", "\ngr\u00fcn\n--b\n", 1),
}
STRICT = ["strict_7bit_headers", "strict_8bitmime", "strict_8bitmime_body", "strict_mime_encoding_domain"]


class Client:
    def __init__(self, port, host="127.0.0.1"):
        self.socket = socket.create_connection((host, port), 20)
        self.file = self.socket.makefile("rb")
        self.reply()

    def reply(self):
        while True:
            line = self.file.readline().decode()
            if line[3:4] != "-":
                return line.rstrip()

    def say(self, text):
        self.socket.sendall(text.encode() + b"\r\n")
        return self.reply()

    def close(self):
        self.socket.close()


def content(port, text):
    c = Client(port)
    for line in ("EHLO client.test", "MAIL FROM:<s@src.test>", "RCPT TO:<r@dest.test>", "DATA"):
        c.say(line)
    c.socket.sendall(text.replace("\n", "\r\n").encode() + b".\r\n")
    said = c.reply()
    c.close()
    return re.sub(r"queued as \w+", "queued", said)


def errors(log):
    return re.findall(r"cleanup\[\d+\]: \w+: (reject: mime-error .*)", log)


MAIN = {"transport_maps": "inline:{dest.test=discard:}", "default_transport": "discard:", "smtpd_error_sleep_time": "0", "smtpd_peername_lookup": "no"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    base = tmp_path_factory.mktemp("receiving")
    os.chmod(base, 0o755)
    return base


@pytest.mark.parametrize("name", STRICT)
def test_strict(folder, name):
    main = {**MAIN, name: "yes"}
    with Postfix(folder / f"p-{name}", main) as postfix, Instance(folder / f"m-{name}", main) as mta:
        seen = {}
        for words, text in MESSAGES.items():
            ours, theirs = content(mta.port, text), content(postfix.port, text)
            if ours != theirs:
                seen[words] = (ours, theirs)
        assert seen == {}
        assert any(content(mta.port, text).startswith("550 5.6.0") for text in MESSAGES.values())
        # A message that is refused for two things has two lines there, one here.
        wait_for(lambda: errors(mta.log()) and set(errors(mta.log())) <= set(errors(postfix.log())))


def limited(port):
    """Every reply of some sessions that pass the limits."""
    said = []
    for _ in range(3):
        c = Client(port)
        said.append(c.say("EHLO client.test"))
        for line in ("MAIL FROM:<s@src.test>", "RCPT TO:<a@dest.test>", "RCPT TO:<b@dest.test>", "RCPT TO:<c@dest.test>", "RSET", "MAIL FROM:<t@src.test>", "QUIT"):
            said.append(c.say(line))
        c.close()
    return said


def test_limits(folder):
    main = {**MAIN, "smtpd_client_message_rate_limit": "4", "smtpd_client_recipient_rate_limit": "5", "smtpd_client_event_limit_exceptions": "", "mtad_receive_workers": "2"}
    theirs_main = {k: v for k, v in main.items() if not k.startswith("mtad")}
    with Postfix(folder / "p-limits", theirs_main) as postfix, Instance(folder / "m-limits", main) as mta:
        ours, theirs = limited(mta.port), limited(postfix.port)
        assert ours == theirs
        assert any("too much mail" in s for s in ours) and any("too many recipients" in s for s in ours)

        def lines(log, port):
            return [s.replace(str(port), "PORT") for s in re.findall(r"smtpd\[\d+\]: (warning: .* rate limit exceeded: .*)", log)]
        wait_for(lambda: len(lines(postfix.log(), postfix.port)) == len(lines(mta.log(), mta.port)) > 2)
        assert lines(mta.log(), mta.port) == lines(postfix.log(), postfix.port)


SIX = [("2001:db8:1::7", "net.six.test"), ("2001:DB8:0002:0:0:0:0:7", "barred.six.test"), ("2001:db8:2:ff::7", "[UNAVAILABLE]"), ("2001:db8:3::1", "text.six.test"),
       ("::ffff:192.0.2.9", "mapped.test"), ("fe80::1", "link.six.test"), ("::1", "localhost"), ("2001:db8::1%lo", "x"), ("2001:db8:::1", "x"), ("192.0.2.9", "x")]


def from_six(port):
    """What clients of many addresses are told, by XCLIENT over ::1."""
    said = []
    for address, name in SIX:
        c = Client(port, "::1")
        for line in ("EHLO proxy.test", f"XCLIENT NAME={name} ADDR=IPV6:{address}", "EHLO client.test", "MAIL FROM:<s@src.test>", "RCPT TO:<r@else.test>", "RCPT TO:<root@site.test>"):
            said.append(c.say(line))
        c.close()
    c = Client(port, "::1")
    said += [c.say(line) for line in ("EHLO [IPv6:::1]", "MAIL FROM:<s@[IPv6:::1]>", "RCPT TO:<r@[IPv6:2001:db8::1]>", "RCPT TO:<r@[IPv6:::1]>", "RCPT TO:<r@[::1]>")]
    c.close()
    return said


def rejected(log):
    return sorted(re.findall(r"smtpd\[\d+\]: (NOQUEUE: reject: .*)", log))


def test_ipv6_clients(folder):
    (folder / "six").write_text("2001:db8:2::/48 REJECT not from there\n")
    (folder / "six.text").write_text("2001:db8:3 REJECT by its text\n")
    main = {**MAIN, "smtpd_banner": "$myhostname", "inet_protocols": "all", "inet_interfaces": "127.0.0.1, [::1]", "mynetworks": "[::1]/128 [2001:db8:1::]/48", "smtpd_authorized_xclient_hosts": "[::1]",
            "smtpd_client_restrictions": f"check_client_access cidr:{folder}/six, check_client_access texthash:{folder}/six.text",
            "smtpd_relay_restrictions": "permit_mynetworks, reject_unauth_destination", "local_recipient_maps": ""}
    postfix, mta = Postfix(folder / "p-six", main), Instance(folder / "m-six", main)
    for path, port in ((f"{postfix.dir}/config/master.cf", postfix.port), (f"{mta.dir}/master.cf", mta.port)):
        with open(path) as f:
            text = f.read().replace(f"127.0.0.1:{port}", f"[::1]:{port}")
        with open(path, "w") as f:
            f.write(text)
    with postfix, mta:
        ours, theirs = from_six(mta.port), from_six(postfix.port)
        assert list(enumerate(ours)) == list(enumerate(theirs))
        assert any("by its text" in s for s in ours) and any("not from there" in s for s in ours)
        wait_for(lambda: len(rejected(mta.log())) == len(rejected(postfix.log())))
        assert rejected(mta.log()) == rejected(postfix.log())
