"""mtatui's views of files: lookup tables and the configuration, read, checked and changed; and what it shows of a message."""
import os
import re
import time

import pytest
import test_console
from mtadtest import SLOW, wait_for
from test_console import HOSTILE

LOOKS = [(80, 24, {"NO_COLOR": "1"}), (80, 24, {"LANG": "C"}), (200, 50, {}), (200, 50, {"TERM": "vt100"})]
LOOK_NAMES = ["80-mono", "80-color-ascii", "200-color", "200-mono"]
BAD_BYTES = (b"\x1b]0;", b"\x07", b"\x1b[31m red", b"\x1b[41m", b"\xc2\x9b", b"\xe2\x80\xae", b"\xff", b"\x9b")


class Screen(test_console.Screen):
    """On a terminal that has no more than pyte knows: xterm repeats characters, scrolls by lines and tabs backwards."""

    def __init__(self, *args, **options):
        super().__init__(*args, **{"TERM": "linux", **options})


def put(path, text):
    with open(path, "wb") as f:
        f.write(text if isinstance(text, bytes) else text.encode())


def get(path):
    with open(path, "rb") as f:
        return f.read()


@pytest.fixture
def site(mta):
    """A site with a few tables, and a main.cf that has something to complain of."""
    put(f"{mta.dir}/transport", "# where mail goes\nslow.test\tsmtp:[127.0.0.4]\ngood.test   smtp:\n\nbad.test error:5.1.2 go away\n")
    put(f"{mta.dir}/nets", "10.0.0.0/8 OK\n192.0.2.1/24 REJECT not you\n")
    mta.settings.update(transport_maps=f"texthash:{mta.dir}/transport",
                        mynetworks=f"127.0.0.0/8, cidr:{mta.dir}/nets", mysitemacro="foo")
    mta.write()
    wait_for(lambda: mta.ctl("reload").returncode == 0)
    return mta


def open_table(s, name="transport"):
    s.keys("M")
    s.wait("USED BY")
    s.wait(r"/transport")
    s.keys(f"/{name}\r")
    s.keys("\r")
    s.wait(rf"table {name}")


def check_look(s, look):
    colored = re.search(rb"\x1b\[[0-9;]*(3[0-7]|4[0-7]|38;5)[0-9;]*m", s.raw)
    assert bool(colored) == (look in ({}, {"LANG": "C"}))
    if "LANG" in look:
        assert all(ord(c) < 128 for c in s.text())


@pytest.mark.parametrize("cols,rows,look", LOOKS, ids=LOOK_NAMES)
def test_tables(site, cols, rows, look):
    with Screen(site, cols=cols, rows=rows, **look) as s:
        s.keys("M")
        s.wait(r"TYPE +FILE +ENTRIES +STATE +USED BY")
        s.wait(r"!cidr .*nets +2 1 wrong")
        s.wait(r"texthash .*3 ok +transport_maps|texthash .*3 ok +transport_")
        s.keys("/nets\r")
        s.wait(r"nets:2: ")
        s.wait("Enter ?Open")
        s.keys("w")
        s.wait("key to ask for:")
        s.keys("10.1.2.3\r")
        s.wait(r"10\.1\.2\.3: OK +\$ mtactl map query")
        s.keys("\r")
        s.wait(r"! +2 192\.0\.2\.1/24")
        s.keys("q")
        open_table(s)
        s.wait(r"LINE +KEY +VALUE")
        s.wait(r"2 slow\.test +smtp:\[127\.0\.0\.4\]")
        s.wait(r"5 bad\.test +error:5\.1\.2 go away")
        s.keys("/go away\r")
        s.wait("transport: 3/3")
        s.keys("wgood.test\r")
        s.wait(r"good\.test: smtp: ")
        s.wait("transport: 2/3")
        s.keys("wnone.test\r")
        s.wait(r"none\.test: not in the table")
        s.keys("?")
        s.wait("edit the entry's value")
        s.keys("q")
        check_look(s, look)
        assert s.end() == 0


@pytest.mark.parametrize("cols,rows,look", LOOKS, ids=LOOK_NAMES)
def test_configuration(site, cols, rows, look):
    with Screen(site, cols=cols, rows=rows, **look) as s:
        s.keys("C")
        s.wait(r"configuration: (\d+ errors?, \d+ warning|\d+ finding)")
        s.wait(r"== .*/main\.cf")
        s.keys("/mysitemacro\r")
        s.wait(r"(?m)^W +\d+ mysitemacro = foo")
        s.wait(r"W P111 warning: mysitemacro is no known parameter")
        s.keys("]\r")
        s.wait("about [A-Z][0-9]+")
        s.keys("q")
        s.keys("/mysitemacro\r")
        s.keys("\r")
        s.wait("about P111")
        s.wait(r"main\.cf:\d+:1")
        s.wait("For example:")
        s.wait(r"\$ mtactl lint --explain P111")
        s.keys("qg/^mynetworks\r")
        s.wait("not found")
        s.keys("/mynetworks =\ri")
        s.wait("about mynetworks")
        s.wait(r"set in .*")
        s.wait("127.0.0.0/8")
        s.keys("q/== \r")
        s.keys("G")
        s.wait("discard|error|local")
        s.wait("Enter ?Explain")
        check_look(s, look)
        assert s.end() == 0


def test_edited_route(site, good):
    """A transport table is changed: the difference is seen, written after a yes, and after a reload the daemon routes anew."""
    path = f"{site.dir}/transport"
    before = get(path)
    os.chmod(path, 0o640)
    queue_id = site.send("s@site.test", "rcpt@slow.test")
    wait_for(lambda: [r for r in site.queue() if r["queue_name"] == "deferred"])
    with Screen(site) as s:
        s.wait("1 deferred")
        open_table(s)
        s.keys("e")
        s.wait(r"value: smtp:\[127\.0\.0\.4\]")
        s.keys("\x15smtp:[127.0.0.2]\r")
        s.wait(r"-slow\.test +smtp:\[127\.0\.0\.4\]")
        s.wait(r"\+slow\.test +smtp:\[127\.0\.0\.2\]")
        s.wait(r"Write this to .*/transport\?")
        s.wait(r"\$ mtactl map put texthash:")
        assert get(path) == before
        s.keys("n")
        s.wait("nothing was changed")
        assert get(path) == before
        s.wait(r"slow\.test +smtp:\[127\.0\.0\.4\]")
        s.keys("e\x15smtp:[127.0.0.2]\ry")
        s.wait("written; it is in use within a second or two")
        assert get(path) == before.replace(b"127.0.0.4", b"127.0.0.2")
        assert os.stat(path).st_mode & 0o777 == 0o640
        s.wait(r"slow\.test +smtp:\[127\.0\.0\.2\]")
        s.keys("R")
        s.wait("is in use")
        s.keys("1")
        s.wait(queue_id)
        s.keys("r")
        s.wait("Requeue 1 message")
        s.keys("y")
        wait_for(lambda: good.messages)
        s.wait("queue empty")
        open_table(s)
        s.keys("z")
        s.wait(r"\+slow\.test +smtp:\[127\.0\.0\.4\]")
        s.wait(r"\$ mtactl map undo")
        s.keys("y")
        s.wait(r"2 slow\.test +smtp:\[127\.0\.0\.4\]")
        assert get(path) == before
        assert s.end() == 0


def test_entries_added_and_deleted(site):
    path = f"{site.dir}/transport"
    before = get(path)
    with Screen(site) as s:
        open_table(s)
        s.keys("a")
        s.wait("new key:")
        s.keys("new.test\r")
        s.wait("value:")
        s.keys("local:\r")
        s.wait(r"\+new\.test +local:")
        s.keys("y")
        s.wait("transport: 1/4")
        assert get(path).startswith(before) and b"new.test" in get(path)
        s.keys("/new.test\rd")
        s.wait(r"-new\.test +local:")
        s.keys("y")
        s.wait("/3 ")
        assert get(path) == before
        s.keys("agood.test\r")          # it is there: its value comes
        s.wait("value: smtp:")
        s.keys("\x1b")
        s.wait("transport: 2/3")
        assert get(path) == before
        assert s.end() == 0


def test_refused_edits_leave_files(site):
    table, main = f"{site.dir}/nets", f"{site.dir}/main.cf"
    table_before, main_before = get(table), get(main)
    with Screen(site, cols=120) as s:
        open_table(s, "nets")
        s.keys("a10.9.8.7/8\r")
        s.keys("OK\r")
        s.wait(r"refused: ")
        assert get(table) == table_before
        s.keys("jd")
        s.wait(r"line 2 is no entry")
        s.keys("C")
        s.wait(r"(\d+ errors?, |findings?)")
        s.keys("/mtad_segment_size\re")
        s.wait(r"config set mtad_segment_size = ")
        s.keys("x\r")
        s.wait(r"refused: main\.cf:\d+: mtad_segment_size")
        s.keys("arelay_domain = x\r")
        s.wait(r"P110 error, line \d+: relay_domain is no known parameter")
        s.wait(r"\+relay_domain = x")
        s.keys("n")
        s.wait("nothing was changed")
        s.keys("anonsense\r")
        s.wait("type it as name = value")
        assert get(main) == main_before
        assert s.end() == 0
    with Screen(site, "--readonly") as s:
        open_table(s)
        s.keys("e")
        s.wait("read-only")
        s.keys("Ca")
        s.wait("read-only")
        assert s.end() == 0


def test_settings(site):
    """A setting is changed, taken out, and all of that undone, with the rest of main.cf as it was."""
    main = f"{site.dir}/main.cf"
    before = get(main) + b"# the end\n"
    put(main, before)
    with Screen(site) as s:
        s.keys("C")
        s.wait(r"(\d+ errors?, |findings?)")
        s.keys("/mysitemacro\re")
        s.wait("config set mysitemacro = foo")
        s.keys("\x15message_size_limit = 20480000\r")
        s.wait(r"\+message_size_limit = 20480000")
        s.wait(r"\$ mtactl config set 'message_size_limit = 20480000'")
        s.keys("y")
        s.wait("written; it")
        s.keys("R")
        s.wait("is in use")
        assert b"message_size_limit = 20480000\n" in get(main)
        with site.smtp() as smtp:
            smtp.ehlo()
            assert smtp.esmtp_features["size"] == "20480000"
        s.keys("/mysitemacro\rd")
        s.wait("-mysitemacro = foo")
        s.keys("y")
        s.wait("written; it")
        assert b"mysitemacro" not in get(main)
        s.keys("z")
        s.wait(r"\+mysitemacro = foo")
        s.keys("y")
        s.wait("written; it")
        assert get(main) == before + b"message_size_limit = 20480000\n"
        assert s.end() == 0


def test_editor(site):
    """$EDITOR gets the terminal; a text that is wrong is refused, and not lost."""
    path, script = f"{site.dir}/transport", f"{site.dir}/editor"
    before = get(path)
    put(script, f"#!/bin/sh\ntest -t 0 || exit 1\nls -l \"$1\" >{site.dir}/listing\nsed -f {site.dir}/sed \"$1\" >\"$1.new\" && mv \"$1.new\" \"$1\"\n")
    os.chmod(script, 0o755)
    put(f"{site.dir}/sed", "s/^good.test.*/alone/\n")
    with Screen(site, EDITOR=script, VISUAL="", cols=100) as s:
        open_table(s)
        s.keys("E")
        s.wait(r"refused \(E goes on\): .*transport:3: ")
        assert get(path) == before
        assert get(f"{site.dir}/listing").startswith(b"-rw-------")
        put(f"{site.dir}/sed", "s/^alone/good.test local:/\n")
        s.keys("E")
        s.wait(r"\+good\.test local:")
        s.keys("y")
        s.wait("written; it")
        assert get(path) == before.replace(b"good.test   smtp:", b"good.test local:")
        put(script, "#!/bin/sh\nexit 3\n")
        s.keys("E")
        s.wait("editor .* failed; nothing was changed")
        put(script, f"#!/bin/sh\nsed -i -f {site.dir}/sed \"$1\"\n")
        put(f"{site.dir}/sed", "s/^127.*smtpd$/& -o nonsense/\n")
        s.keys("C")
        s.wait(r"(\d+ errors?, |findings?)")
        s.keys("/ smtpd\rE")
        s.wait(r"refused \(E goes on\): master\.cf:1: -o nonsense")
        assert b"nonsense" not in get(f"{site.dir}/master.cf")
        assert s.end() == 0


def test_files_that_change(site):
    """Both views follow the files, and the cursor stays where it was."""
    path, main = f"{site.dir}/transport", f"{site.dir}/main.cf"
    with Screen(site, cols=100) as s:
        open_table(s)
        s.keys("G")
        s.wait("transport: 3/3")
        put(path, b"a.test smtp:\nb.test smtp:\n" + get(path))
        s.wait("transport: 5/5")
        os.rename(path, path + ".away")
        s.wait("No such file")
        os.rename(path + ".away", path)
        s.wait(r"transport: \d/5")
        s.keys("C")
        s.wait(r"(\d+ errors?, |findings?)")
        s.keys("/mynetworks =\r")
        put(main, b"# one\n# two\n# three\n" + get(main))
        s.wait("3 # three")
        time.sleep(0.3)
        s.keys("e")
        s.wait("config set .*ks = 127")
        s.keys("\x1b")
        put(main, get(main).replace(b"mysitemacro = foo\n", b""))
        s.wait(r"configuration: .*")
        wait_for(lambda: s.read() or "mysitemacro" not in s.text())
        assert s.end() == 0


def test_large_table(site):
    """Of 100,000 entries only those on the screen are looked at."""
    put(f"{site.dir}/transport", "".join(f"host{i}.example.com smtp:[relay{i % 100}.example.net]:25\n" for i in range(100000)))
    with Screen(site) as s:
        open_table(s)
        s.wait("transport: 1/100000")
        start = time.monotonic()
        for i in range(20):
            s.child.send("\x06j")
        s.keys("G")
        s.wait(r"100000 host99999\.example\.com")
        s.keys("/host7777.ex\r")
        s.wait("7778/100000")
        assert time.monotonic() - start < 3 * SLOW
        assert s.end() == 0


MESSAGE = b"""From: =?iso-8859-1?Q?J=F6rg?= <a@site.test>\r
To: b@dead.test\r
Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r
X-Mailer: seldom seen\r
MIME-Version: 1.0\r
Content-Type: multipart/mixed; boundary="outer"\r
\r
preamble\r
--outer\r
Content-Type: multipart/alternative; boundary=inner\r
\r
--inner\r
Content-Type: text/plain; charset=iso-8859-1\r
Content-Transfer-Encoding: quoted-printable\r
\r
Caf=E9 and a line that =\r
goes on\r
--inner\r
Content-Type: text/html\r
\r
<p>Hello</p>\r
--inner--\r
--outer\r
Content-Type: application/pdf\r
Content-Disposition: attachment; filename*=utf-8''%1B%5B41mbill%E2%80%AE.pdf\r
Content-Transfer-Encoding: base64\r
\r
JVBERi0xLjQKJSVFT0YK\r
--outer--\r
"""


@pytest.mark.parametrize("cols,rows,look", LOOKS, ids=LOOK_NAMES)
def test_message(mta, cols, rows, look):
    queue_id = mta.send("a@site.test", "b@dead.test", MESSAGE)
    wait_for(lambda: [r for r in mta.queue() if r["queue_name"] == "deferred"])
    seen = []
    with Screen(mta, cols=cols, rows=rows, **look) as s:
        s.keys("1")
        s.wait(queue_id)
        s.keys("\r")
        s.wait("Why")
        s.wait("Envelope")
        wait_for(lambda: s.keys("\x06") or seen.append(s.text()) or "not shown" in seen[-1])
        s.keys("g")
        for _ in range(6):
            seen.append(s.text())
            s.keys("\x06")
        seen = "\n".join(seen)
        accent, sharp = ("?", "?") if "LANG" in look else ("\u00e9", "\u00fc\u00df")
        for pattern in (r"multipart/mixed", r"1\.1 +text/plain +iso-8859-1 +quoted-printable", r"1\.2 +text/html",
                        r"2 +application/pdf \\x1b\[41mbill\\u202e\.pdf +attachment +base64", r"Subject: Gr" + re.escape(sharp[0]),
                        rf"Caf{re.escape(accent)} and a line that goes on", r"\(not text: not shown\)"):
            assert re.search(pattern, seen), pattern
        assert "seldom seen" not in seen
        s.keys("gH")
        wait_for(lambda: s.keys("c") or "X-Mailer: seldom seen" in s.text())
        s.keys("v")
        wait_for(lambda: s.keys("c") or "Content, raw" in s.text())
        wait_for(lambda: s.keys("\x06") or "=E9 and a line that =" in s.text())
        check_look(s, look)
        assert s.end() == 0
        for bad in (b"\x1b[41m", b"\xe2\x80\xae"):
            assert bad not in s.raw


def test_hostile_bytes(site):
    hostile = HOSTILE.encode() + b" \x9b2J \xff \x08\x08"
    put(f"{site.dir}/transport", b"slow.test error:" + hostile + b"\n" + hostile.replace(b" ", b"_") + b"\tlocal:\n")
    put(f"{site.dir}/nets", hostile + b"\n")
    bad_main = (get(f"{site.dir}/main.cf") + b"# " + hostile + b"\n" + b"mail_name = " + hostile + b"\nb\x1b]0;x\x07\x9b = " + hostile + b"\n")
    with Screen(site, cols=120, rows=40) as s:
        s.keys("M")
        s.wait("nets +1 1 wrong")
        s.keys("/nets\r")
        s.wait("nets:1:")
        s.keys("\r")
        s.wait("owned")
        s.keys("e")
        s.wait("line 1 is no entry")
        s.keys("q")
        open_table(s)
        s.wait("gnp.e")
        s.keys("wslow.test\r")
        s.wait(r"slow\.test: error:evil")
        s.keys("e")
        s.wait("value: error:evil")
        s.keys("x\r")
        s.wait(r"\+slow")
        s.keys("njea\r")
        s.wait(r"\+.*owned")
        s.keys("nd")
        s.wait(r"-.*owned")
        put(f"{site.dir}/main.cf", bad_main)
        s.keys("nC")
        s.wait(r"(\d+ errors?, |findings?)")
        s.keys("/mail_name\ri")
        s.wait("about mail_name")
        s.wait("owned")
        s.keys("qe")
        s.wait("config set mail_name = evil")
        s.keys("x\r")
        s.wait(r"refused: main\.cf:21: ")
        s.keys("G")
        s.keys("/b.x1b\r")
        s.keys("]\r")
        s.wait("about ")
        s.keys("q")
        assert s.end() == 0
        for bad in BAD_BYTES:
            assert bad not in s.raw, bad
