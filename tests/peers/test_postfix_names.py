"""The commands of Postfix's names beside Debian's own: the same fields, shape and status for the same messages."""
import json
import os
import re
import smtplib
import subprocess

import pytest
from mtadtest import BUILD, Instance, wait_for
from postfixtest import Postfix

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="Postfix needs root")

MESSAGES = [("a@client.test", ["b@dead.test", "c@dead.test"]), ("", ["b@dead.test"]), ("d@client.test", ["b@dead.test"])]
CONTENT = (b"Subject: hi\r\nFrom: me@client.test\r\nMessage-Id: <1@client.test>\r\nDate: Sun, 22 Nov 2026 00:00:00 +0000\r\n"
           b"\r\nbody \x1b[31m \xff line\r\n..dot\r\n\r\nend\r\n")


class Side:
    def __init__(self, instance, folder, program):
        self.port, self.folder, self.program = instance.port, folder, program

    def run(self, command, *args, stdin=""):
        words = [f"{BUILD}/mtactl", command] if self.program == "mtad" else [command]
        r = subprocess.run([*words, "-c", self.folder, *args], capture_output=True, input=stdin.encode(), timeout=60)
        return r.returncode, r.stdout.decode("latin-1"), r.stderr.decode("latin-1")

    def queue(self):
        return [json.loads(line) for line in self.run("postqueue", "-j")[1].splitlines()]

    def fill(self):
        self.run("postsuper", "-d", "ALL")
        self.ids = []
        with smtplib.SMTP("127.0.0.1", self.port, local_hostname="client.test", timeout=30) as s:
            s.ehlo()
            for sender, recipients in MESSAGES:
                assert s.mail(sender)[0] == 250
                assert all(s.rcpt(r)[0] == 250 for r in recipients)
                self.ids.append(s.data(CONTENT)[1].decode().split()[-1])
        wait_for(lambda: [r["queue_name"] for r in self.queue()] == ["deferred"] * len(MESSAGES))

    def plain(self, text):
        """Without what must differ: IDs, places in Postfix's tree, names of the host and the program, times."""
        for i, qid in enumerate(self.ids):
            text = text.replace(qid, f"ID{i}")
        text = re.sub(r" (deferred|active|incoming)/\w/", r" \1/", text)
        text = re.sub(r"\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4}", "TIME", text)
        text = re.sub(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d \+0000", "TIME", text)
        return text.replace("(Postfix)", "(MTA)").replace("(mtad)", "(MTA)").replace(self.folder, "DIR")


@pytest.fixture(scope="module")
def sides(tmp_path_factory):
    folder = tmp_path_factory.mktemp("names")
    os.chmod(folder, 0o755)
    os.chmod(folder.parent, 0o755)
    settings = {"relayhost": "[127.0.0.1]:1", "defer_transports": "smtp"}
    with Postfix(folder / "postfix", settings) as postfix, Instance(folder / "mtad", settings) as mta:
        yield Side(postfix, f"{folder}/postfix/config", "postfix"), Side(mta, mta.dir, "mtad")


@pytest.fixture
def both(sides):
    for side in sides:
        side.fill()
    return sides


def test_queue_json(both):
    def shape(side):
        rows = sorted(side.queue(), key=lambda r: side.ids.index(r["queue_id"]))
        return [[(k, type(v).__name__) for k, v in r.items()] + [r["queue_name"], r["sender"], r["forced_expire"]]
                + [(list(x), x["address"]) for x in r["recipients"]] for r in rows]
    assert shape(both[0]) == shape(both[1])
    # Blanks and order too, for those who read it without JSON.
    assert [re.match(r'\{"queue_name": "deferred", "queue_id": "\w+", "arrival_time": \d+, "message_size": \d+, "forced_expire": false, "sender": "',
                     s.run("postqueue", "-j")[1]) is not None for s in both] == [True, True]


def records(side, *options):
    status, out, err = side.run("postcat", *options, "-q", side.ids[0])
    return status, side.plain(out), err


@pytest.mark.parametrize("option", ["-h", "-b", "-hb"])
def test_postcat_content(both, option):
    assert records(both[0], option) == records(both[1], option)


def test_postcat_records(both):
    """Each record that is mtad's is Postfix's too, with the same text and in the same order; what we know is in no other place."""
    status, theirs, _ = records(both[0])
    status2, ours, err = records(both[1])
    assert (status, err) == (0, "") and status == status2
    theirs, ours = (re.sub(r"(client_port)=\d+", r"\1=N", x).splitlines() for x in (theirs, ours))
    # The sizes differ by the program's name and the ID's length in Received:, the offset and flags are of Postfix's file.
    assert len(theirs[1]) == len(ours[1]) and theirs[1].split()[3] == ours[1].split()[3] == "2"
    assert int(ours[1].split()[1]) == int(ours[1].split()[5]) == len(both[1].run("postcat", "-hb", "-q", both[1].ids[0])[1])
    theirs[1] = ours[1] = "message_size"
    left = iter(theirs)
    assert all(line in left for line in ours), [line for line in ours if line not in theirs]
    missing = {re.sub(r"=.*|: .*", "", line) if "named_attribute" not in line else line.split("=")[0] for line in theirs if line not in ours}
    assert missing == {"original_recipient"} | {f"named_attribute: {x}" for x in (
        "rewrite_context", "encoding", "log_message_origin", "reverse_client_name", "server_address",
        "server_port", "client_address_type", "dsn_orig_rcpt")} - ({"named_attribute: encoding"} if not any("encoding" in x for x in theirs) else set())


@pytest.mark.parametrize("args", [["-q", "4ZZZZZ0000z3m"], ["-q", "bad/id"], ["-h", "-q", "4ZZZZZ0000z3m"]])
def test_postcat_wrong(both, args):
    assert both[0].run("postcat", *args) == both[1].run("postcat", *args)


STEPS = [
    [["-h", "ID0"], ["-h", "ID0"], ["-H", "ID0"], ["-H", "ID0"], ["-h", "ALL"], ["-h", "ALL"], ["-H", "ALL"], ["-d", "ALL"], ["-d", "ALL"]],
    [["-h", "ALL", "deferred"], ["-H", "ALL", "hold"], ["-d", "ALL", "hold"], ["-d", "ALL", "deferred"]],
    [["-h", "ID0", "-h", "ID1", "-d", "ID2", "-H", "ID0"], ["-d", "ID2"], ["-d", "4ZZZZZ0000z3m"], ["-d", "bad/id"], ["-d", "all"]],
    [["-d", "ALL", "nosuch"], ["-d", "ALL", "corrupt"], ["-s"], []],
]


@pytest.mark.parametrize("steps", STEPS)
def test_postsuper(both, steps):
    for step in steps:
        got = []
        for side in both:
            status, out, err = side.run("postsuper", *[side.ids[int(w[2])] if w.startswith("ID") else w for w in step])
            got.append((status, out, side.plain(err)))
        assert got[0] == got[1], step


def test_postsuper_stdin(both):
    got = []
    for side in both:
        status, out, err = side.run("postsuper", "-d", "-", stdin=f"{side.ids[0]}\n\n {side.ids[1]}\nbad/id\n4ZZZZZ0000z3m\n{side.ids[2]}\n")
        got.append((status, out, side.plain(err), [r["queue_id"] == side.ids[1] for r in side.queue()]))
    assert got[0] == got[1]


@pytest.mark.parametrize("args", [[], ["-i", "bad/id"], ["-i", "4ZZZZZ0000z3m"], ["-s", "x y"], ["-s", "other.test"], ["-f"]])
def test_postqueue_status(both, args):
    assert both[0].run("postqueue", *args) == both[1].run("postqueue", *args)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("conf")
    (folder / "main.cf").write_text("compatibility_level = 3.6\nmyhostname = mail.site.test\nmydomain=site.test\nmynetworks = 127.0.0.0/8,\n    10.0.0.0/8\n\n"
                                    "# a comment\nmyorigin = $mydomain\nfoo = bar\nmydestination = $foo, site.test\nstray = 3\nrelay_domains =\n"
                                    "relay_destination_concurrency_limit = 4\nsmtpd_recipient_restrictions = permit_mynetworks,\n\treject\n")
    (folder / "master.cf").write_text("smtp      inet  n       -       y       -       -       smtpd\n  -o foo_x=1 -o smtpd_tls_security_level=encrypt\n"
                                      "  -o { smtpd_recipient_restrictions = permit_mynetworks, reject }\npickup unix n - y 60 1 pickup\n"
                                      "relay unix - - y - - smtp\n        -o syslog_name=postfix/$service_name\n"
                                      "uucp unix - n n - - pipe\n  flags=Fqhu user=uucp argv=uux -r -n -z -a$sender - $nexthop!rmail ($recipient)\n")
    return str(folder)


@pytest.mark.parametrize("args", [
    ["myorigin", "mydestination"], ["-x", "myorigin", "mydestination"], ["-h", "myorigin"], ["-H", "myorigin"], ["nosuch", "myorigin"],
    ["foo", "stray"], ["-n"], ["-nx"], ["-hn"], ["-Hn"], ["-d", "myorigin", "myhostname", "foo"], ["-n", "myorigin", "queue_directory"],
    ["-n", "nosuch"], ["-nd"], ["-M"], ["-M", "smtp/inet"], ["-M", "smtp", "inet"], ["-M", "nosuch/unix"], ["-P"], ["-P", "smtp/inet"],
    ["-P", "smtp/inet/foo_x"], ["-F", "smtp/inet"], ["-F", "*/*/chroot"], ["-o", "myorigin=x", "-n", "myorigin"], ["mynetworks", "mydomain"],
    ["relay_destination_concurrency_limit", "relay_initial_destination_concurrency"]], ids=" ".join)
def test_postconf(folder, args):
    def run(*program):
        r = subprocess.run([*program, "-c", folder, *args], capture_output=True, text=True)
        return r.returncode, r.stdout, sorted(r.stderr.splitlines())     # Postfix's warnings come in no order
    assert run("postconf") == run(f"{BUILD}/mtactl", "postconf")


@pytest.mark.parametrize("args", [["-q", "a", "texthash:TABLE"], ["-q", "zz", "texthash:TABLE"], ["-q", "-", "texthash:TABLE"],
                                  ["-q", "a", "inline:{a=1}", "static:x"], ["-q", "zz", "inline:{a=1}", "static:x"]], ids=" ".join)
def test_postmap(folder, args):
    with open(f"{folder}/table", "w") as f:
        f.write("a one\nb  two words \n")

    def run(*program):
        words = [a.replace("TABLE", f"{folder}/table") for a in args]
        r = subprocess.run([*program, "-c", folder, *words], capture_output=True, text=True, input="b\nzz\na\n")
        return r.returncode, r.stdout, r.stderr
    assert run("postmap") == run(f"{BUILD}/mtactl", "postmap")
