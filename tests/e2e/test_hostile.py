"""
Every view of the console in every size and look, and every command of mtactl on a terminal, at a site where all that comes from outside is made to do harm:
nothing but what the programs mean to say to the terminal gets there.
"""
import glob
import os
import re
import threading
import unicodedata

import pexpect
import pytest
from mtadtest import BUILD, ROOT, SLOW, ZONE, Instance, Sink, wait_for
from test_console import Screen
from test_console_live import Client

# A title, a print-out, device attributes as ESC, as C1 in UTF-8; an order of writing; a step back; colours that nothing of ours has.
EVIL = "ev\x1b]0;owned\x07\x1b[5i\u009bc\x1b[5;35;46m\u202e\x08il"
RAW = EVIL.encode() + b"\x9b5i\xff"
LOOKS = {"color": {}, "mono": {"NO_COLOR": "1"}, "ascii": {"LANG": "C", "TERM": "vt100"}}
SIZES = [(80, 24), (200, 50)]

# What a terminal library or mtactl says: moves, erasing, scrolling, modes, styles, character sets. Nothing that answers, prints or names.
SAYS = re.compile(rb"\x1b(\[[?>]?[0-9;]*[A-HJ-MPSTX@bdfhlmrgZ]|\[2[23];0;0t|[()][0AB]|[=>78MEDH]|\[![p])")
STYLE = re.compile(rb"\x1b\[[0-9;]*m")
STYLES_OF_EVIL = b"\x1b[5;35;46m"


def check(raw, says, where):
    assert STYLES_OF_EVIL not in raw, where
    rest = says.sub(b"", raw).decode("utf-8")       # whole characters only
    for i, c in enumerate(rest):
        bad = unicodedata.category(c) in ("Cc", "Cf", "Cs", "Co") and c not in "\r\n\t\b\x0e\x0f\0"
        assert not bad, (where, c, rest[max(i - 60, 0):i + 20])


def put(path, data):
    with open(path, "wb") as f:
        f.write(data)


def submit(mta, n, rcpt, content):
    """Addresses with more than ASCII go as UTF-8."""
    with mta.smtp() as s:
        s.ehlo()
        s.command_encoding = "utf-8"
        wide = not rcpt.isascii()
        s.docmd("MAIL", f"FROM:<s{n}{chr(0x202e) if wide else ''}@site.test> BODY=8BITMIME{' SMTPUTF8' if wide else ''}")
        code, text = s.docmd("RCPT", f"TO:<{rcpt}>")
        assert code == 250, (rcpt, text)
        code, text = s.data(content)
        assert code == 250, text
        return text.decode().split(" as ")[1].strip()


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("screens")
    os.chmod(folder, 0o755)
    zone = ZONE + "evil.test. MX 10 ev\\027]0\\;owned\\007\\155c.evil.test.\n*.evil.test. A 127.0.0.3\n"
    mta = Instance(folder / "site", zone=zone)
    here = mta.dir
    table = f"{here}/ev\x1b[5i\u202e\u009bil"
    mta.settings.update(transport_maps=f"texthash:{here}/transport, inline:{{ {{weird.test = nosuch:}} }}", virtual_alias_maps=f"texthash:{table}",
                        mysitemacro=EVIL, smtpd_banner="$myhostname ESMTP", debug_peer_list="127.0.0.3",
                        check_map=f"cidr:{here}/nets")
    mta.write()
    put(f"{here}/transport", b"slow.test\tsmtp:[127.0.0.3]\nno.test\terror:5.0.0 " + RAW + b"\n# " + RAW + b"\n" + RAW + b"\tlocal:\n")
    put(table, b"a@site.test\tb@dead.test\n")
    put(f"{here}/nets", RAW + b"\n10.0.0.0/8 " + RAW + b"\n")
    with open(f"{here}/main.cf", "ab") as f:
        f.write(b"# " + RAW + b"\n# lint: disable=" + RAW + b"\n")
    reply = {"RCPT": lambda s, a: b"451 4.3.0 " + RAW}
    sink = Sink("127.0.0.3", mta.remote_port, reply)
    try:
        fill(mta)
        yield mta
    finally:
        mta.stop()
        sink.close()


def fill(mta):
    """Mail, failures, actions: something for every view."""
    mta.start()
    with Client(mta, helo=EVIL) as client:
        client.say(f"MAIL FROM:<\"{EVIL}\"@site.test>")
        client.say(EVIL)
    mime = (f"Subject: {EVIL} =?utf-8?Q?=1B]0;owned=07=C2=9Bc=E2=80=AE?=\r\nFrom: =?iso-8859-1?Q?=1B[5i=9B?= <a@b>\r\n{EVIL}: x\r\n"
            "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain; charset=utf-8\r\n"
            f"Content-Transfer-Encoding: quoted-printable\r\n\r\n=1B[5i=C2=9Bc=E2=80=AE {EVIL}\r\n--b\r\n"
            "Content-Type: application/x; name*=utf-8''%1B%5B5i%C2%9Bc%E2%80%AE\r\n\r\n").encode() + RAW + b"\r\n--b--\r\n"
    mta.ids = [submit(mta, n, rcpt, mime) for n, rcpt in enumerate(
        ["r@evil.test", "r@two.test", "r@dead.test", "r@weird.test", "r@slow.test", "held@dead.test", "u\u202e\u009bx@dead.test", "gone@dead.test"])]
    wait_for(lambda: len([r for r in mta.queue() if r["queue_name"] == "deferred"]) == len(mta.ids))
    assert mta.ctl("hold", mta.ids[5], "--reason", EVIL).returncode == 0
    assert mta.ctl("delete", mta.ids[7], "--reason", EVIL).returncode == 0
    assert mta.ctl("dest", "suspend", "dead.test", "--reason", EVIL).returncode == 0


# A view: how to get there from the one before, keys and what they show in turn.
VIEWS = {
    "overview": ["", "6 deferred"],
    "trouble": ["\r", "What helps"],
    "queue": ["0", "1/7"],
    "message": ["/held@dead.test\r", "1/1", "\r", "Envelope"],
    "destinations": ["0\t", "smtp +dead.test"],
    "mtactl": [":queue count\r", "MESSAGES +RECIPIENTS"],
    "sessions": ["7", r"in +(smtpd +)?localhost"],
    "trace": [":trace\r", "trace of all +live"],
    "log": ["8", "nosuch"],
    "journal": ["9", "root +(dest )?suspend"],
    "tables": ["M", "/transport"],
    "table": ["M", "/transport", "/site/transport\r\r", "LINE +KEY"],
    "change": ["M", "/transport", "/site/transport\r\r", "LINE +KEY", "je", "value", "x\r", r"\+\S+\s.*x"],
    "configuration": ["C", "mysitemacro|myhostname"],
    "about": ["C", "mysitemacro|myhostname", "/mysitemacro\ri", "about"],
    "help": ["?", "everywhere"],
}


def test_every_view_is_here():
    names = {name for path in glob.glob(f"{ROOT}/tui/view_*.c")
             for name in re.findall(r'^const struct view_ops.*?\.name = "([^"]*)"|^\t\.name = "([^"]*)",\n\t\.size', open(path).read(), re.M)
             for name in name if name}
    assert names == set(VIEWS)


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("cols,rows", SIZES)
def test_views(site, cols, rows, look):
    with Client(site, helo=EVIL) as client, Screen(site, cols=cols, rows=rows, **LOOKS[look]) as s:
        s.wait("WHY MAIL WAITS")
        for name, steps in VIEWS.items():
            for keys, seen in zip(steps[::2], steps[1::2]):
                s.keys(keys)
                s.wait(seen)
            if name == "trace":
                client.say(f"NOOP {EVIL}")
                s.wait("NOOP ev")
            assert len(s.screen.display) == rows and s.screen.display[-1].strip(), name
            if look == "ascii":
                assert s.text().isascii(), name
            check(s.raw, SAYS, name)
            s.raw = b"" if name != "help" else s.raw
            s.keys("n" if name == "change" else "")
        assert s.end() == 0


# Each row of commands.def, on a terminal; ID and HELD stand for queue IDs, TABLE and NETS for tables.
COMMANDS = {
    "status": [[]], "queue ls": [[], ["deferred", "--total"]], "queue show": [["ID"], ["HELD"], ["WIDE"]], "queue count": [["--by", "reason"], ["--by", "subject"], ["--by", "sender"]],
    "queue top": [[]], "queue shape": [["--by", "sender"]], "queue export": [["HELD"]], "cat": [["ID"], ["WIDE"], ["HELD", "--headers"]],
    "why": [["age >= 0"]], "story": [["ID"], ["HELD"], ["WIDE"]],
    "hold": [["WIDE", "--reason", EVIL, "--plan"], ["WIDE", "--reason", EVIL]], "release": [["WIDE", "--reason", EVIL]],
    "requeue": [["WIDE", "--reason", EVIL]], "flush": [["WIDE", "--reason", EVIL]], "delete": [["WIDE", "--plan"], ["WIDE", "--reason", EVIL]],
    "undelete": [["WIDE", "--reason", EVIL]], "bounce": [["WIDE", "--plan"]], "apply": [["1"]], "journal": [[]], "undo": [[]],
    "doctor": [[]], "dest ls": [[]], "dest suspend": [["two.test", "--reason", EVIL]], "dest resume": [["two.test", "--reason", EVIL]],
    "session ls": [[]], "cache ls": [["verify"], ["screen"], [EVIL]], "cache del": [["screen", EVIL]], "trace": [["--count", "1"]], "log": [[], ["text ~ owned"]],
    "debug peer add": [[EVIL], ["127.0.0.9"]], "debug peer ls": [[]], "debug peer del": [["127.0.0.9"], [EVIL]],
    "map ls": [[]], "map types": [[]], "map look": [[]], "map dump": [["TABLE"], ["EVIL"], ["NETS"]], "map check": [[], ["EVIL"], ["TABLE"], [EVIL]], "map build": [[], ["EVIL"]], "map query": [["TABLE", "no.test"], ["TABLE", EVIL], [EVIL, "x"], ["NETS", "10.1.1.1"], ["EVIL", "a@site.test"]], "map get": [["TABLE"], ["NETS"], ["EVIL"]],
    "map put": [["TABLE", "x.test", EVIL, "--plan"], ["TABLE", "x.test", "smtp:" + EVIL], ["NETS", EVIL, "OK"], ["EVIL", "b@site.test", "c@d.test"]],
    "map del": [["TABLE", "no.test"], ["EVIL", "b@site.test"]], "map edit": [["TABLE", "--plan"]], "map diff": [["TABLE"], ["EVIL"]], "map undo": [["TABLE"], ["EVIL"]],
    "config get": [["mysitemacro"], ["-n"], ["-x", "mysitemacro"], ["virtual_alias_maps"]], "config set": [["mysitemacro", "x" + EVIL, "--plan"], ["mysitemacro", "x"], [EVIL, "y"]],
    "config unset": [["mysitemacro", "--plan"]], "config explain": [["mysitemacro"], [EVIL]], "config undo": [[]],
    "config support": [[]], "config check": [[]], "config diff": [[]], "config comment": [["mysitemacro", "--plan"], [EVIL]],
    "route": [["r@evil.test"], ["no@no.test"], [f'"{EVIL}"@slow.test']], "simulate": [[f"client=127.0.0.9,{EVIL}", "helo=" + EVIL, "from=a@b.test", "rcpt=r@evil.test"], ["client=1.2.3.4", EVIL]], "lint": [[], ["--format", "gcc"], ["--format", "json"]],
    "sasl passwd": [[EVIL]], "sasl ls": [[]], "sasl del": [[EVIL]],
    "reload": [[]], "spool dump": [[]], "spool check": [[]], "help": [["queue", "ls"]], "stop": [[]], "tls probe": [["no.test"], [EVIL], ["slow.test", "--level", EVIL]],
}
NAMES = {"postqueue": [["-p"]], "mailq": [[]], "postcat": [["-q", "ID"], ["-vq", "WIDE"]], "postconf": [["-n"], ["mysitemacro"]], "postmap": [["-q", "no.test", "TABLE"]],
         "postsuper": [["-h", "ID"]], "sendmail": [["-v", EVIL]],
         "mtalint": [["DIR"]], "mtad": [["-t", "-c", "DIR"]]}
ON_TERMINAL = {**os.environ, "TERM": "xterm-256color", "LANG": "C.UTF-8", "EDITOR": "sed -i s/no.test/n.test/"}


def terminal(command, env=None):
    """What a command writes to a terminal, and what it is there."""
    child = pexpect.spawn(command[0], command[1:], env={**ON_TERMINAL, **(env or {})}, timeout=20 * SLOW, dimensions=(24, 80), echo=False)
    child.expect(pexpect.EOF)
    child.close()
    return child.before, child.exitstatus


def test_every_command_is_here():
    with open(f"{ROOT}/mtad/ctl/commands.def") as f:
        assert set(re.findall(r'^COMMAND\(\w+, "([^"]+)"', f.read(), re.M)) == set(COMMANDS)


def test_commands(site):
    words = {"DIR": site.dir, "ID": site.ids[0], "HELD": site.ids[5], "WIDE": site.ids[6], "TABLE": f"texthash:{site.dir}/transport", "NETS": f"cidr:{site.dir}/nets",
             "EVIL": f"texthash:{site.dir}/ev\x1b[5i\u202e\u009bil"}
    shown = {}
    for name, runs in [*COMMANDS.items(), *NAMES.items()]:
        for args in runs:
            if name == "trace":
                say_soon = threading.Timer(0.5, lambda: Client(site, helo=EVIL))
                say_soon.start()
            program = [f"{BUILD}/mtactl", "-c", site.dir, *name.split()]
            if name in NAMES:
                program = [f"{BUILD}/{name}"] if os.path.exists(f"{BUILD}/{name}") else [f"{BUILD}/mtactl", name]
            raw, status = terminal([*program, *(words.get(a, a) for a in args)], {"MAIL_CONFIG": site.dir})
            check(raw, STYLE, (name, args))
            shown.setdefault(name, []).append((status, raw))
    for name, results in shown.items():
        assert all(status in (0, 1, 64, 65, 69, 78) for status, _ in results), (name, results)   # never a fault of our own, nor a signal
        assert name == "map query" or all(raw.strip() for status, raw in results if status != 0), (name, results)    # who says no says why
