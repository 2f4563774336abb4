"""Tables that change under a running daemon: in use a moment later, at once where mtactl made the change, and never half of one."""
import os
import smtplib
import time

import pytest

from mtadtest import SLOW, Instance, wait_for


def rcpt(mta, address):
    with smtplib.SMTP("127.0.0.1", mta.port, timeout=20) as s:
        s.ehlo("client.test")
        s.mail("from@site.test")
        return s.rcpt(address)[0]


def generation(mta):
    return mta.rows("status")[0]["generation"]


def put(path, text):
    """As an editor: a new file in the place of the old one."""
    with open(f"{path}.new", "w") as f:
        f.write(text)
    os.rename(f"{path}.new", path)


@pytest.fixture
def site(tmp_path):
    os.chmod(tmp_path, 0o755)
    for name, text in {"relay": "one.test x\n", "known": "@one.test x\n", "pat": "/^x@one/ x\n", "perl": "/^y@one\\.test$/ x\n", "hosts": "198.51.100.1 OK\n",
                       "headers": "/^X-Never:/ HOLD\n", "transport": "nowhere.test error:5.1.1 gone\n", "aliases": "root: one\n", "virtual": "v@site.test one\n"}.items():
        (tmp_path / name).write_text(text)
    mta = Instance(tmp_path / "mta", main={
        "relay_domains": f"texthash:{tmp_path}/relay", "smtpd_relay_restrictions": "reject_unauth_destination",
        "relay_recipient_maps": f"regexp:{tmp_path}/pat unionmap:{{pcre:{tmp_path}/perl}} hash:{tmp_path}/known",
        "header_checks": f"pcre:{tmp_path}/headers", "transport_maps": f"texthash:{tmp_path}/transport", "alias_maps": f"hash:{tmp_path}/aliases",
        "virtual_alias_maps": f"hash:{tmp_path}/virtual"})
    mta.write()
    os.chmod(f"{mta.dir}/mail", 0o755)
    with mta:
        yield mta, tmp_path


def test_changed_texts(site):
    mta, folder = site
    pids = mta.pids()
    assert rcpt(mta, "a@two.test") == 554
    put(folder / "relay", "one.test x\ntwo.test x\n")
    put(folder / "pat", "/@two/ x\n")
    wait_for(lambda: rcpt(mta, "a@two.test") == 250, 5)
    # In place, written over some time: as long as somebody has it open for writing, nothing of it counts.
    with open(folder / "perl", "w") as f:
        f.write("/^never@two/ x\n")
        f.flush()
        time.sleep(2.5)
        assert rcpt(mta, "y@one.test") == 250 and "perl changed" not in mta.log()
        f.write("/^z@one/ x\n")
    put(folder / "known", "")
    wait_for(lambda: "perl changed and is taken" in mta.log(), 5)
    # A longer text that is damaged: the old one goes on, and the log says where and why. Said once.
    put(folder / "relay", "one.test x\ntwo.test x\nthree.test x\nbroken\n")
    line = wait_for(lambda: [x for x in mta.log().splitlines() if "relay changed and is not taken" in x], 5)[0]
    assert f"the old one goes on: {folder}/relay:4: expected format: key whitespace value" in line
    put(folder / "pat", "/@two/ x\n/(/ x\n")
    mta.wait_log(r"pat changed and is not taken, the old one goes on: \S+/pat:2: Unmatched")
    assert rcpt(mta, "a@three.test") == 554 and rcpt(mta, "a@two.test") == 250
    r = mta.ctl("map", "look")
    assert r.returncode == 0 and f"refused: {folder}/relay:4: expected" in r.stdout and f"refused: {folder}/pat:2:" in r.stdout, r.stdout
    assert mta.log().count("relay changed and is not taken") == 1
    # Gone: the old one goes on. There again, and right.
    os.unlink(folder / "relay")
    mta.wait_log("relay changed and is not taken, the old one goes on: cannot open")
    assert rcpt(mta, "a@two.test") == 250
    put(folder / "relay", "three.test x\n")
    wait_for(lambda: rcpt(mta, "a@two.test") == 554, 5)
    put(folder / "pat", "/@two|@three/ x\n")
    wait_for(lambda: rcpt(mta, "a@three.test") == 250, 5)
    assert mta.pids() == pids


def test_checks_and_routes(site):
    """header_checks in receive, transport_maps in queue, on the very next message."""
    mta, folder = site
    mta.send("a@site.test", "root@site.test", "Subject: x\r\nX-Mark: 1\r\n\r\nhello\r\n")
    r = mta.ctl("map", "put", "header_checks", "/^X-Mark:/", "REJECT marked")
    assert r.returncode == 0 and "mtad uses it now" in r.stderr, r.stderr
    with pytest.raises(AssertionError, match="marked"):
        mta.send("a@site.test", "root@site.test", "Subject: x\r\nX-Mark: 1\r\n\r\nhello\r\n")
    assert mta.ctl("map", "undo", "header_checks").returncode == 0
    mta.send("a@site.test", "root@site.test", "Subject: x\r\nX-Mark: 1\r\n\r\nhello\r\n")
    for text in ("first", "second", "third"):
        assert mta.ctl("map", "put", "transport_maps", "one.test", f"discard:{text}").returncode == 0
        queue_id = mta.send("a@site.test", "x@one.test")
        assert f"({text})" in mta.wait_log(f"{queue_id}: to=<x@one.test>.*\n").group(0)


def test_live_at_once(site):
    """After map put, del, edit, undo, build returned, the next question sees it. Fifty changes in a row, each by another command."""
    mta, folder = site
    before = {name: (folder / name).read_bytes() for name in ("relay", "known", "perl", "virtual", "aliases")}

    def ctl(*args, **env):
        r = mta.ctl(*args)
        assert r.returncode == 0, (args, r.stderr)
    for n in range(5):
        ctl("map", "put", "relay_domains", f"d{n}.test", "x")
        ctl("map", "put", f"hash:{folder}/known", f"@d{n}.test", "x")
        assert rcpt(mta, f"a@d{n}.test") == 250
        ctl("map", "del", f"hash:{folder}/known", f"@d{n}.test")
        assert rcpt(mta, f"a@d{n}.test") == 550
        ctl("map", "put", f"pcre:{folder}/perl", f"/^p@d{n}\\.test$/", "x")
        assert rcpt(mta, f"p@d{n}.test") == 250
        ctl("map", "undo", f"pcre:{folder}/perl")
        assert rcpt(mta, f"p@d{n}.test") == 550
        ctl("map", "undo", "relay_domains")
        assert rcpt(mta, f"a@d{n}.test") == 554
    assert {name: (folder / name).read_bytes() for name in before} == {**before, "known": before["known"]}
    # Built by hand, and the daemon told.
    with open(folder / "known", "a") as f:
        f.write("@site2.test x\n")
    (folder / "relay").write_text("site2.test x\n")
    ctl("map", "look")
    assert rcpt(mta, "a@site2.test") == 550
    ctl("map", "build", f"hash:{folder}/known")
    assert rcpt(mta, "a@site2.test") == 250
    # In local and in virtual expansion.
    ctl("map", "put", "alias_maps", "list", "/dev/null")
    queue_id = mta.send("a@site.test", "list@site.test")
    assert "/dev/null" in mta.wait_log(f"{queue_id}: to=<list@site.test>.*\n").group(0)
    ctl("map", "put", "virtual_alias_maps", "v@site.test", "three@site.test")
    assert rcpt(mta, "v@site.test") == 250
    queue_id = mta.send("a@site.test", "v@site.test")
    mta.wait_log(f"{queue_id}: to=<three@site.test>, orig_to=<v@site.test>")
    ctl("map", "undo", "alias_maps")
    ctl("map", "undo", "virtual_alias_maps")
    assert all((folder / name).read_bytes() == before[name] for name in ("virtual", "aliases"))


def test_refused_by_the_daemon(site):
    """What mtactl cannot see and the daemon refuses is said, and the exit status says it, too."""
    mta, folder = site
    (folder / "relay").write_text("one.test x\nbroken\n")
    mta.wait_log("relay changed and is not taken")
    r = mta.ctl("map", "put", "relay_domains", "four.test", "x")
    assert r.returncode in (0, 65)
    assert r.returncode == 65 or rcpt(mta, "a@four.test") != 554
    # Many changes at once cost one look: commands side by side all end.
    start = time.monotonic()
    for n in range(10):
        assert mta.ctl("map", "look").returncode == 0
    assert time.monotonic() - start < 5 * SLOW
