"""Lookup tables in the running daemon: compiled ones are built, handed over, replaced; patterns; what cannot be written."""
import os
import smtplib
import subprocess

import pytest

from mtadtest import BUILD, Instance, wait_for

ROOT_ONLY = pytest.param(True, marks=pytest.mark.skipif(os.getuid() != 0, reason="needs root"))


def rcpt(mta, address):
    with smtplib.SMTP("127.0.0.1", mta.port, timeout=20) as s:
        s.ehlo("client.test")
        s.mail("from@site.test")
        code, text = s.rcpt(address)
    return code, text.decode()


def post(name, *args):
    subprocess.run([f"{BUILD}/mtactl", name, *args], check=True, capture_output=True)


@pytest.fixture(params=[False, ROOT_ONLY], ids=["user", "root"])
def site(request, tmp_path):
    os.chmod(tmp_path, 0o755)
    (tmp_path / "relay").write_text("one.test x\nTWO.test x\n")
    (tmp_path / "known").write_text("a@one.test x\n@two.test x\n")
    (tmp_path / "patterns").write_text("/^pat[0-9]+@one\\.test$/ x\n/(/ bad\n")
    (tmp_path / "union").write_text("u@one.test x\n")
    mta = Instance(tmp_path / "mta", root=request.param, main={
        "relay_domains": f"hash:{tmp_path}/relay", "smtpd_relay_restrictions": "reject_unauth_destination",
        "relay_recipient_maps": f"lmdb:{tmp_path}/known regexp:{tmp_path}/patterns unionmap:{{cdb:{tmp_path}/union}}"})
    mta.write()
    os.chmod(f"{mta.dir}/mail", 0o755)        # the linter would refuse a reload
    mta.start()
    yield mta, tmp_path
    mta.stop()


def test_compiled_and_patterns(site):
    mta, folder = site
    assert {"relay.gdbm", "known.gdbm", "union.gdbm"} <= set(os.listdir(folder))
    for address, code in (("a@one.test", 250), ("A@One.Test", 250), ("b@one.test", 550), ("any@two.test", 250), ("pat12@one.test", 250),
                          ("pat@one.test", 550), ("u@one.test", 250), ("a@three.test", 554)):
        assert rcpt(mta, address)[0] == code, address
    assert "patterns:2: warning: Unmatched ( or \\(: skipping this rule" in mta.errors() + mta.log()
    assert "relay.gdbm with 2 entries, as it was not there" in mta.log()
    assert "/etc/aliases" not in mta.log()          # not mentioned, so nothing is written there
    # Built anew by hand: in use a moment later, without a reload.
    (folder / "relay").write_text("one.test x\nthree.test x\n")
    (folder / "known").write_text("a@three.test x\n")
    assert rcpt(mta, "a@three.test")[0] == 554      # the text alone changes nothing
    post("postmap", f"hash:{folder}/relay", f"lmdb:{folder}/known")
    wait_for(lambda: rcpt(mta, "a@three.test")[0] == 250)
    assert rcpt(mta, "any@two.test")[0] == 554 and rcpt(mta, "a@one.test")[0] == 550
    post("postmap", "-d", "three.test", f"hash:{folder}/relay")
    wait_for(lambda: rcpt(mta, "a@three.test")[0] == 554)
    # A reload builds what is older than its text.
    (folder / "relay").write_text("four.test x\n")
    said = mta.ctl("reload")
    assert said.returncode == 0, said.stdout + said.stderr
    wait_for(lambda: "relay.gdbm with 1 entries, as its text was newer" in mta.log())
    wait_for(lambda: rcpt(mta, "x@four.test")[0] == 550)
    # A damaged file fails lookups for the time being, and ends no process.
    pids = mta.pids()
    good = (folder / "relay.gdbm").read_bytes()
    (folder / "relay.new").write_bytes(good[:5000])
    os.rename(folder / "relay.new", folder / "relay.gdbm")
    wait_for(lambda: rcpt(mta, "x@four.test")[0] == 451)
    (folder / "relay.new").write_bytes(good)
    os.rename(folder / "relay.new", folder / "relay.gdbm")
    wait_for(lambda: rcpt(mta, "x@four.test")[0] == 550)
    assert mta.pids() == pids


def test_missing_and_not_writable(tmp_path):
    os.chmod(tmp_path, 0o755)
    tables = tmp_path / "tables"
    tables.mkdir()
    (tables / "relay").write_text("one.test x\n")
    (tables / "relay.gdbm").symlink_to("/proc/nosuch/file")       # cannot be replaced where the folder is not ours; root may
    os.unlink(tables / "relay.gdbm")
    os.chmod(tables, 0o555)
    mta = Instance(tmp_path / "mta", main={"relay_domains": f"hash:{tables}/relay", "relay_recipient_maps": f"hash:{tables}/nosuch"})
    with mta:
        if os.getuid() != 0:
            assert "run \"postmap" in mta.log() and not os.path.exists(tables / "relay.gdbm")
        code, text = rcpt(mta, "a@one.test")
        assert code == 451, text
        assert f"hash:{tables}/nosuch: there is no {tables}/nosuch" in mta.log()
        os.chmod(tables, 0o755)
        (tables / "nosuch").write_text("a@one.test x\n")
        # Its text alone is enough, until it is compiled.
        wait_for(lambda: rcpt(mta, "a@one.test")[0] == 250)
        post("postmap", f"hash:{tables}/nosuch")
        wait_for(lambda: "nosuch.gdbm changed and is taken" in mta.log())
        assert rcpt(mta, "a@one.test")[0] == 250 and rcpt(mta, "b@one.test")[0] == 550
