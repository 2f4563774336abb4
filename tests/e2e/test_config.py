"""Tables and main.cf edited by mtactl: on a busy daemon, refused, killed in the middle, undone; route, lint, and a reload that the linter refuses."""
import os
import random
import re
import shutil
import subprocess
import threading
import time

import pytest
from mtadtest import BUILD, Instance, Sink, wait_for

MTACTL = f"{BUILD}/mtactl"


def read(path):
    with open(path, "rb") as f:
        return f.read()


def write(path, text):
    with open(path, "w") as f:
        f.write(text)


@pytest.fixture
def site(tmp_path):
    """A configuration with a transport table; nothing runs."""
    os.chmod(tmp_path, 0o755)
    folder = tmp_path / "site"
    mta = Instance(folder, main={"transport_maps": f"texthash:{folder}/transport"})
    mta.table = f"{folder}/transport"
    write(mta.table, "# where mail goes\nold.test\terror:5.1.1 gone\n\n\"quoted key\"  smtp:[a]\nlong.test\n# within\n  smtp:[b]\n")
    yield mta
    mta.stop()


def test_map_statuses(site):
    def run(*args):
        r = site.ctl(*args)
        return r.returncode, r.stdout

    assert run("map", "query", f"texthash:{site.table}", "OLD.test") == (0, "error:5.1.1 gone\n")
    assert run("map", "query", "transport_maps", "old.test") == (0, "error:5.1.1 gone\n")
    assert run("map", "query", site.table, "nobody.test") == (1, "")
    assert run("map", "query", "texthash:/nowhere/at/all", "x") == (65, "")
    assert run("map", "query", "nosuch:/x", "x") == (65, "")
    assert run("map", "query", "no_parameter", "x")[0] == 64
    assert run("map", "query", "transport_maps")[0] == 64
    assert run("map", "query", "inline:{ a = b }", "a") == (0, "b\n")
    assert run("map", "get", "transport_maps", "long.test") == (0, "long.test\tsmtp:[b]\n")
    assert len(run("map", "get", "transport_maps")[1].splitlines()) == 3
    assert run("map", "get", "transport_maps", "nobody.test") == (1, "")
    assert f"texthash:{site.table}\t3\t-\ttrue\ttransport_maps\n" in run("map", "ls")[1]
    assert run("map", "diff", "transport_maps")[0] == 1
    assert run("map", "undo", "transport_maps")[0] == 1


def test_refused_edits_change_nothing(site):
    before, stat = read(site.table), os.stat(site.table)
    for args, status in [
        (("put", "transport_maps", "two words", "x"), 65),
        (("put", "transport_maps", "#comment", "x"), 65),
        (("put", "transport_maps", "key", ""), 65),
        (("del", "transport_maps", "nobody.test"), 1),
        (("put", "static:x", "key", "x"), 65),
        (("put", "transport_maps", "old.test", "smtp:[c]", "--plan"), 0),
    ]:
        assert site.ctl("map", *args).returncode == status, args
    after = os.stat(site.table)
    assert read(site.table) == before and (after.st_ino, after.st_mtime_ns) == (stat.st_ino, stat.st_mtime_ns)
    main = read(f"{site.dir}/main.cf")
    for args, status in [
        (("set", "message_size_limit=lots"), 78),
        (("set", "smtpd_hard_error_limit", "0"), 78),
        (("set", "maximal_queue_lifetime", "101d"), 78),
        (("set", "mynetworks", "0.0.0.0/0"), 78),		# the linter's R101
        (("set", "my networks", "x"), 65),
        (("set", "relayhost"), 64),
        (("set", "transport_maps", "texthash:/nowhere"), 78),
        (("unset", "relayhost"), 1),
        (("set", "relayhost", "[192.0.2.1]", "--plan"), 0),
        (("undo",), 1),
    ]:
        assert site.ctl("config", *args).returncode == status, args
    assert read(f"{site.dir}/main.cf") == main
    assert sorted(n for n in os.listdir(site.dir) if n.startswith(".")) == []


def test_put_and_undo_byte_for_byte(site):
    os.chmod(site.table, 0o640)
    before = read(site.table)
    r = site.ctl("map", "put", "transport_maps", "Old.test", "smtp:[new]")
    assert r.returncode == 0 and "-old.test\terror:5.1.1 gone\n+old.test\tsmtp:[new]\n" in r.stdout
    assert "the value was: error:5.1.1 gone" in r.stderr
    assert read(site.table) == before.replace(b"error:5.1.1 gone", b"smtp:[new]")
    assert os.stat(site.table).st_mode & 0o7777 == 0o640
    assert site.ctl("map", "query", "transport_maps", "old.test").stdout == "smtp:[new]\n"
    assert "+old.test\terror:5.1.1 gone" in site.ctl("map", "diff", "transport_maps").stdout
    assert site.ctl("map", "undo", "transport_maps").returncode == 0
    assert read(site.table) == before
    assert site.ctl("map", "del", "transport_maps", "long.test").returncode == 0
    assert read(site.table) == before.replace(b"long.test\n# within\n  smtp:[b]\n", b"# within\n")
    main = read(f"{site.dir}/main.cf")
    assert site.ctl("config", "set", "relayhost", "=", "[192.0.2.1]").returncode == 0
    assert read(f"{site.dir}/main.cf") == main + b"relayhost = [192.0.2.1]\n"
    assert site.ctl("config", "get", "-h", "relayhost").stdout == "[192.0.2.1]\n"
    assert site.ctl("config", "unset", "relayhost").returncode == 0
    assert site.ctl("config", "undo").returncode == 0
    assert site.ctl("config", "undo").returncode == 0
    assert read(f"{site.dir}/main.cf") == main


def test_an_editor(site, tmp_path):
    def edit(script, answers):
        write(tmp_path / "editor", f"#!/bin/sh\n{script}\n")
        os.chmod(tmp_path / "editor", 0o755)
        return subprocess.run([MTACTL, "-c", site.dir, "map", "edit", "transport_maps"], input=answers, text=True, capture_output=True,
                              timeout=20, env={**os.environ, "VISUAL": f"{tmp_path}/editor", "TMPDIR": str(tmp_path)})

    before = read(site.table)
    assert edit("exit 1", "").returncode == 1
    assert edit("true", "").returncode == 0
    r = edit("echo 'no value' | tr -d ' ' >> \"$1\"", "a\n")
    assert r.returncode == 1 and re.search(rf"{site.table}:\d+: expected", r.stderr)
    assert edit("echo 'new.test smtp:' >> \"$1\"", "n\n").returncode == 1
    assert read(site.table) == before
    r = edit("echo 'new.test smtp:' >> \"$1\"", "y\n")
    assert r.returncode == 0 and "+new.test smtp:" in r.stderr
    assert read(site.table) == before + b"new.test smtp:\n"
    assert [n for n in os.listdir(tmp_path) if "mtactl-edit" in n] == []


def test_killed_in_the_middle(site):
    """Whatever moment kill -9 comes at, the table is the old one or the new one."""
    base = "".join(f"host{i}.test\tsmtp:[relay{i % 7}.test]\n" for i in range(60000))
    write(site.table, base + "counter.test\t0\n")
    done = 0
    for i in range(1, 31):
        p = subprocess.Popen([MTACTL, "-c", site.dir, "map", "put", "transport_maps", "counter.test", str(i)],
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(random.uniform(0, 0.12))
        p.kill()
        p.wait()
        text = read(site.table).decode()
        assert text.startswith(base)
        number = re.fullmatch(r"counter\.test\t(\d+)\n", text[len(base):])
        assert number and int(number[1]) in (done, i)
        done = int(number[1])
    assert site.ctl("map", "put", "transport_maps", "counter.test", "last").returncode == 0
    assert read(site.table).endswith(b"counter.test\tlast\n")
    assert [n for n in os.listdir(site.dir) if n.startswith(".")] == [".transport.before"]


def test_two_at_once(site):
    """Many at a time: each that says it wrote is in the table; the others say why not."""
    def put(i):
        status[i] = site.ctl("map", "put", "transport_maps", f"h{i}.test", "smtp:").returncode

    status = {}
    threads = [threading.Thread(target=put, args=(i,)) for i in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    text = read(site.table).decode()
    for i, s in status.items():
        assert s in (0, 75)
        assert (f"h{i}.test\tsmtp:" in text or f"h{i}.test  smtp:" in text or f"\nh{i}.test" in text) == (s == 0)
    assert 0 in status.values()


def test_on_a_busy_daemon(site):
    """A table edited and reloaded while mail flows: nothing is lost, and the change holds."""
    with Sink("127.0.0.2", site.remote_port) as sink:
        site.start()
        stop = threading.Event()
        sent = []

        def flood():
            while not stop.is_set():
                site.send("a@site.test", ["b@good.test"])
                sent.append(1)

        t = threading.Thread(target=flood)
        t.start()
        try:
            wait_for(lambda: len(sent) > 5)
            assert "5.1.1" in site.ctl("route", "x@old.test").stdout
            assert site.ctl("route", "x@old.test").returncode == 1
            r = site.ctl("map", "put", "transport_maps", "old.test", "smtp:[mx.good.test]")
            assert r.returncode == 0 and "mtad uses it now" in r.stderr
            r = site.ctl("config", "set", "relayhost=", "--reload")
            assert r.returncode == 0 and "the change is in use" in r.stderr, r.stderr
            r = site.ctl("route", "x@old.test")
            assert r.returncode == 0 and "[mx.good.test]" in r.stdout
            site.send("a@site.test", ["x@old.test"])
            count = len(sent)
            wait_for(lambda: len(sent) > count + 5)
        finally:
            stop.set()
            t.join()
        wait_for(lambda: any("x@old.test" in str(m) for m in sink.messages))
        wait_for(lambda: len(sink.messages) >= len(sent) + 1)
        site.wait_empty()


def test_the_linter_refuses_a_reload(site):
    site.start()
    text = read(f"{site.dir}/main.cf").decode()
    write(f"{site.dir}/main.cf", text.replace("127.0.0.0/8 [::1]/128", "0.0.0.0/0"))
    line = 1 + text[:text.index("mynetworks")].count("\n")
    r = site.ctl("reload")
    assert r.returncode != 0 and f"{site.dir}/main.cf:{line}: error: " in r.stderr and "[R101]" in r.stderr
    site.wait_log(rf"master\[\d+\]: error: .*main\.cf:{line}: .*\[R101\]")
    site.wait_log("reload refused")
    assert site.ctl("lint").returncode == 1 and "[R101]" in site.ctl("lint").stdout
    write(f"{site.dir}/main.cf", text)
    assert site.ctl("reload").returncode == 0
    r = subprocess.run([f"{BUILD}/mtad", "-t", "-c", site.dir], capture_output=True, text=True, timeout=20)
    assert r.returncode == 0


def test_findings_are_logged_at_start(site):
    with open(f"{site.dir}/main.cf", "a") as f:
        f.write("mynetwroks = 10.0.0.0/8\n")
    site.start()
    site.wait_log(r"master\[\d+\]: error: .*main\.cf:\d+: mynetwroks .*\[P110\]")
    r = subprocess.run([f"{BUILD}/mtad", "-t", "-c", site.dir], capture_output=True, text=True, timeout=20)
    assert r.returncode == 0 and "[P110]" in r.stderr


def test_route(site):
    rows = {address: site.rows("route", address)[0] for address in ("someone@good.test", "root", "nobody-here@site.test", "x@old.test")}
    assert (rows["someone@good.test"]["class"], rows["someone@good.test"]["transport"], rows["someone@good.test"]["nexthop"]) == \
        ("default", "smtp", "good.test")
    assert rows["root"]["rewritten"] == "root@site.test" and rows["root"]["class"] == "local" and rows["root"]["accepted"]
    assert not rows["nobody-here@site.test"]["accepted"] and rows["nobody-here@site.test"]["code"] == 550
    assert rows["x@old.test"]["transport"] == "error" and any("transport_maps" in s["text"] for s in rows["x@old.test"]["steps"])
    assert site.ctl("route", "nobody-here@site.test").returncode == 1
    assert "User unknown" in site.ctl("--table", "route", "nobody-here@site.test").stdout


def test_explain(site):
    row = site.rows("config", "explain", "transport_maps")[0]
    assert row["set"][0]["file"] == f"{site.dir}/main.cf" and row["set"][0]["counts"] and row["standing"] == "honoured"
    r = site.ctl("config", "explain", "transprot_maps")
    assert r.returncode == 1 and "did you mean transport_maps" in r.stderr


@pytest.mark.skipif(shutil.which("postconf") is None, reason="Debian's postconf is not here")
def test_config_get_as_postconf(site):
    """What is set, and defaults that do not depend on the system: line for line as Debian's postconf."""
    with open(f"{site.dir}/main.cf", "a") as f:
        f.write("own = x $myhostname\nrelay_domains = $mydestination\n  ${own} ${nothing?yes}${nothing:no}\nempty =\n")

    def postconf(*args):
        r = subprocess.run(["postconf", "-c", site.dir, *args], capture_output=True, text=True, timeout=20)
        return [line for line in r.stdout.splitlines() if not line.startswith(("mtad_", "mail_owner", "config_directory"))]

    def ours(*args):
        return [line for line in site.ctl("config", "get", *args).stdout.splitlines() if not line.startswith(("mtad_", "mail_owner", "config_directory"))]

    assert ours("-n") == postconf("-n")
    assert ours("-n", "-x") == postconf("-n", "-x")
    names = ["mydestination", "relay_domains", "maximal_backoff_time", "smtpd_sender_restrictions", "transport_maps", "bounce_queue_lifetime"]
    for flags in ([], ["-x"], ["-d"], ["-h"]):
        assert ours(*flags, *names) == postconf(*flags, *names), flags
    r = site.ctl("config", "get", "nothing_known", "mydestination")
    assert r.returncode == 1 and r.stdout.startswith("mydestination = ")
