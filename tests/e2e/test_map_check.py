"""map check and map dump: what is wrong with tables, found before mail is."""
import json
import os
import subprocess

import pytest

from mtadtest import BUILD

FILES = {
    "transport": "a.test smtp:[mx.a.test]\nb.test nosuch:[x]\nA.test smtp:[other]\nbad\nlocal.test :\n",
    "virtual": "info@virt.test root@site.test\nsales@virt.test nobody-here@site.test, far@else.test\n@all.test keep@else.test\n",
    "aliases": "postmaster: root\nlist: root, nosuchuser, \"|/bin/cat\", /dev/null, :include:/nosuch/list\nlist: again\nself: \\nosuchuser2\nno colon\n",
    "cidr": "10.0.0.0/8 OK\n10.1.0.0/16 REJECT\nif 192.0.2.0/24\n192.0.2.1 OK\nendif\n192.0.2.1 REJECT\n!10.0.0.0/8 DUNNO\n300.1.1.1 x\n2001:db8::/32 OK\n2001:db8:1::/48 x\nif 10.0.0.0/8\n",
    "pcre": "/^a/ OK\n/^b(/ x\nif /x/\n/^c/ OK\n/./ WARN\n/^d/ never\nendif\n/^d/ OK\n/^a/ again\n/.*/ all\n/^z/ never\n",
    "regexp": "/one/ x\nendif\n/two/ y\n",
    "good": "x y\n",
}
NAMES = {"transport_maps": "hash:@/transport", "virtual_alias_maps": "texthash:@/virtual", "alias_maps": "hash:@/aliases", "header_checks": "pcre:@/pcre",
         "body_checks": "regexp:@/regexp", "relay_domains": "cdb:@/good", "mynetworks": "cidr:@/cidr", "virtual_alias_domains": "virt.test all.test"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("check")
    for name, text in FILES.items():
        (folder / name).write_text(text)
    values = {k: v.replace("@", str(folder)) for k, v in NAMES.items()}
    (folder / "main.cf").write_text("compatibility_level = 3.6\nmyhostname = mail.site.test\nmydomain = site.test\nmyorigin = site.test\nmydestination = site.test\n" +
                                    "".join(f"{k} = {v}\n" for k, v in values.items()))
    for table in ("transport", "good"):
        subprocess.run([f"{BUILD}/mtactl", "postmap", f"hash:{folder}/{table}"], check=True, capture_output=True)
    os.utime(folder / "transport.gdbm", (1, 1))
    return folder


def run(folder, *args):
    r = subprocess.run([f"{BUILD}/mtactl", "-c", str(folder), *args], capture_output=True, text=True, timeout=30)
    return r.returncode, r.stdout, r.stderr


def check(folder, table):
    status, out, err = run(folder, "--json", "map", "check", table)
    assert err == ""
    return status, {(row.get("line", 0), row["level"], row["message"]) for row in map(json.loads, out.splitlines())}


def some(found, line, level, *words):
    assert any(a == line and b == level and all(w in c for w in words) for a, b, c in found), (line, level, words, found)


def test_findings(folder):
    status, found = check(folder, "transport_maps")
    assert status == 65
    some(found, 0, "warning", "older than the text")
    some(found, 2, "warning", "b.test", "nosuch", "master.cf")
    some(found, 3, "warning", "A.test", "line 1")
    some(found, 4, "error", "expected format")
    assert len(found) == 4, found
    status, found = check(folder, "virtual_alias_maps")
    some(found, 2, "warning", "sales@virt.test leads to nobody-here@site.test", "5.1.1")
    assert (status, len(found)) == (1, 1), found
    status, found = check(folder, "alias_maps")
    some(found, 0, "warning", "not compiled", "postalias")
    some(found, 2, "warning", "leads to nosuchuser,", "User unknown")
    some(found, 2, "warning", ":include:/nosuch/list")
    some(found, 3, "warning", "line 2 has the same key")
    some(found, 4, "warning", "nosuchuser2")
    some(found, 5, "error", "need")
    assert status == 65
    status, found = check(folder, "mynetworks")
    assert status == 65
    some(found, 2, "warning", "10.0.0.0/8 on line 1")
    some(found, 8, "error", "300.1.1.1")
    some(found, 10, "warning", "2001:db8::/32 on line 9")
    some(found, 11, "error", "IF without")
    assert len(found) == 4, found
    status, found = check(folder, "header_checks")
    assert status == 65
    some(found, 2, "error", "pcre" if False else "skipping")
    some(found, 6, "warning", "/./ on line 5")
    some(found, 9, "warning", "/^a/ on line 1")
    some(found, 11, "warning", "/.*/ on line 10")
    assert len(found) == 4, found
    status, found = check(folder, "body_checks")
    some(found, 2, "error", "ENDIF")
    assert check(folder, "relay_domains") == (0, set())


def test_all_and_presentation(folder):
    status, out, err = run(folder, "map", "check")
    assert status == 65 and f"{folder}/transport:2: warning: b.test is routed by" in out and out.count("\n") >= 18, out
    assert run(folder, "map", "check", "relay_domains") == (0, "", "")
    assert run(folder, "map", "check", "nosuch")[0] == 64
    assert run(folder, "map", "check", f"texthash:{folder}/nosuch")[0] == 65
    status, out, err = run(folder, "map", "check", f"hash:{folder}/nosuch")
    assert status == 65 and "no such file" in out


def test_damaged(folder):
    good = (folder / "good.gdbm").read_bytes()
    try:
        (folder / "good.gdbm").write_bytes(good[:3000])
        status, found = check(folder, "relay_domains")
        assert status == 65
        some(found, 0, "error", "good.gdbm")
    finally:
        (folder / "good.gdbm").write_bytes(good)


def test_dump(folder):
    assert run(folder, "map", "dump", "relay_domains") == (0, "x\ty\n", "")
    status, out, err = run(folder, "map", "dump", "virtual_alias_maps")
    assert status == 0 and sorted(out.splitlines()) == sorted(line.replace(" ", "\t", 1) for line in FILES["virtual"].splitlines())
    status, out, err = run(folder, "map", "dump", f"hash:{folder}/transport")
    assert sorted(out.splitlines()) == ["a.test\tsmtp:[mx.a.test]", "b.test\tnosuch:[x]", "local.test\t:"]
    status, out, err = run(folder, "map", "dump", "mynetworks")
    assert status == 0 and out.splitlines()[:5] == ["10.0.0.0/8\tOK", "10.1.0.0/16\tREJECT", "if 192.0.2.0/24\t", "192.0.2.1\tOK", "endif\t"]
    assert run(folder, "map", "dump", "static:x")[0] == 65 and run(folder, "map", "dump", f"texthash:{folder}/nosuch")[0] == 65
    rows = [json.loads(line) for line in run(folder, "--json", "map", "dump", "relay_domains")[1].splitlines()]
    assert rows == [{"table": f"cdb:{folder}/good", "key": "x", "value": "y"}]
    # What the daemon has, and postmap -s prints the same.
    r = subprocess.run([f"{BUILD}/mtactl", "postmap", "-s", f"hash:{folder}/transport"], capture_output=True, text=True)
    assert sorted(r.stdout.splitlines()) == sorted(run(folder, "map", "dump", f"hash:{folder}/transport")[1].splitlines())
