"""The commands of Postfix on a running mtad, by their names."""
import json
import os
import pty
import re
import subprocess

import pytest
from mtadtest import BUILD, Instance, wait_for

HOSTILE = b"Subject: \x1b]0;owned\x07 \x1b[2J\n\nbody \x1b[31m \xff line\n.dot\n"


def name(mta, command, *args, stdin=None):
    return subprocess.run([f"{BUILD}/mtactl", command, "-c", mta.dir, *args], capture_output=True, input=stdin, timeout=60)


def text(mta, command, *args, stdin=None):
    r = name(mta, command, *args, stdin=stdin.encode() if stdin else None)
    return r.returncode, r.stdout.decode(), r.stderr.decode()


@pytest.fixture
def ids(mta):
    """Three deferred messages; the second has the null sender."""
    found = [mta.send(sender, "b@dead.test") for sender in ("a@client.test", "", "c@client.test")]
    wait_for(lambda: [x["queue_name"] for x in mta.queue()] == ["deferred"] * 3)
    return found


def test_postqueue_json(mta, ids):
    status, out, _ = text(mta, "postqueue", "-j")
    rows = [json.loads(line) for line in out.splitlines()]
    assert status == 0 and [r["queue_id"] for r in rows] == ids
    assert list(rows[0]) == ["queue_name", "queue_id", "arrival_time", "message_size", "forced_expire", "sender", "recipients"]
    assert [r["sender"] for r in rows] == ["a@client.test", "MAILER-DAEMON", "c@client.test"]
    assert all(list(r["recipients"][0]) == ["address", "delay_reason"] for r in rows)


def test_postqueue_wrong(mta, ids):
    assert text(mta, "postqueue")[0] == 69
    assert text(mta, "postqueue", "-i", "bad/id") == (69, "", "postqueue: fatal: Cannot flush queue ID - invalid name: \"bad/id\"\n")
    assert text(mta, "postqueue", "-i", "deferred") == (0, "", "")
    assert text(mta, "postqueue", "-f", "-p")[0] == 69


def test_postcat_parts(mta, ids):
    qid = ids[0]
    status, whole, err = text(mta, "postcat", "-q", qid)
    assert status == 0 and err == ""
    assert whole.startswith(f"*** ENVELOPE RECORDS deferred/{qid} ***\nmessage_size: ")
    assert "\nsender: a@client.test\n" in whole and "\nrecipient: b@dead.test\n" in whole
    head, content = whole.split(f"*** MESSAGE CONTENTS deferred/{qid} ***\n")
    content, tail = content.split(f"*** HEADER EXTRACTED deferred/{qid} ***\n")
    assert tail == f"*** MESSAGE FILE END deferred/{qid} ***\n"
    header, body = text(mta, "postcat", "-hq", qid)[1], text(mta, "postcat", "-bq", qid)[1]
    assert header + body == content and body.startswith("\n") and header.startswith("Received: ")
    assert text(mta, "postcat", "-bhq", qid)[1] == content
    envelope = text(mta, "postcat", "-eq", qid)[1]
    assert envelope == whole.replace(content, "")
    assert text(mta, "postcat", "-ehq", qid)[1] == whole.replace(body, "")
    verbose = text(mta, "postcat", "-vbhq", qid)[1]
    assert verbose == "".join(f"regular_text: {line}\n" for line in content.splitlines())


def test_postcat_two_and_none(mta, ids):
    status, out, err = text(mta, "postcat", "-hq", ids[0], ids[1], "4ZZZZZ0000z3m")
    assert status == 1 and out.count("Received: ") == 2
    assert err == "postcat: fatal: open queue file 4ZZZZZ0000z3m: No such file or directory\n"
    assert text(mta, "postcat", "-q", "../x") == (1, "", "postcat: fatal: bad mail queue ID: ../x\n")


def test_postcat_daemon_down(mta, ids):
    before = name(mta, "postcat", "-q", ids[0]).stdout
    mta.stop()
    r = name(mta, "postcat", "-q", ids[0])
    assert r.returncode == 0 and r.stdout == before, r.stderr
    assert name(mta, "postqueue", "-j").stdout.count(b"\n") == 3


def on_a_terminal(*command):
    """What the command writes where its standard output is a terminal."""
    ours, theirs = pty.openpty()
    p = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs)
    os.close(theirs)
    got = b""
    while True:
        try:
            some = os.read(ours, 65536)
        except OSError:
            break
        got += some
    os.close(ours)
    return p.wait(30), got


def test_postcat_hostile_bytes(mta):
    """Raw into a pipe, escaped on a terminal."""
    mta.sendmail(HOSTILE, "-i", "-f", "a@site.test", "b@dead.test")
    qid = wait_for(lambda: mta.queue())[0]["queue_id"]
    r = name(mta, "postcat", "-bhq", qid)
    assert b"Subject: \x1b]0;owned\x07 \x1b[2J\n" in r.stdout and r.stdout.endswith(b"\n\nbody \x1b[31m \xff line\n.dot\n")
    status, shown = on_a_terminal(f"{BUILD}/mtactl", "postcat", "-c", mta.dir, "-q", qid)
    assert status == 0 and b"Subject: \\x1b]0;owned\\x07" in shown
    assert b"\x1b" not in shown and b"\x07" not in shown


def test_postsuper(mta, ids):
    a, b, c = ids
    assert text(mta, "postsuper", "-h", a) == (0, "", f"postsuper: {a}: placed on hold\npostsuper: Placed on hold: 1 message\n")
    assert text(mta, "postsuper", "-h", a)[2] == "postsuper: Placed on hold: 0 messages\n"
    assert text(mta, "postsuper", "-H", a)[2] == f"postsuper: {a}: released from hold\npostsuper: Released from hold: 1 message\n"
    assert text(mta, "postsuper", "-h", "ALL", "deferred")[2] == "postsuper: Placed on hold: 3 messages\n"
    assert text(mta, "postsuper", "-H", a, "-H", "ALL", "-r", b)[2] == (
        f"postsuper: {a}: released from hold\npostsuper: {b}: requeued\n"
        "postsuper: Requeued: 1 message\npostsuper: Released from hold: 3 messages\n")
    assert text(mta, "postsuper", "-d", "-", stdin=f"{a}\nbad/id\n{c}\n4ZZZZZ0000z3m\n")[2] == (
        f"postsuper: {a}: removed\npostsuper: warning: invalid mail queue id: bad/id\npostsuper: {c}: removed\n"
        "postsuper: Deleted: 2 messages\n")
    assert [x["queue_id"] for x in mta.queue()] == [b]
    assert mta.ctl("undelete", a).returncode == 0
    assert sorted(x["queue_id"] for x in mta.queue()) == sorted([a, b])
    assert text(mta, "postsuper", "-d", "ALL")[2] == "postsuper: Deleted: 2 messages\n"


def test_postsuper_expires(mta, ids):
    """At once, with a notice to the sender; what is on hold only with -f."""
    a, b, c = ids
    text(mta, "postsuper", "-h", c)
    assert text(mta, "postsuper", "-e", a)[2] == f"postsuper: {a}: expired\npostsuper: Force-expired: 1 message\n"
    assert text(mta, "postsuper", "-e", "-", stdin=f"{c}\n4ZZZZZ0000z3m\n")[2] == "postsuper: Force-expired: 0 messages\n"
    assert text(mta, "postsuper", "-f", "-", stdin=f"{b}\n{c}\n")[2] == (
        f"postsuper: {c}: expired\npostsuper: {b}: expired\npostsuper: Force-expired: 2 messages\npostsuper: Released from hold: 1 message\n")
    for qid in ids:
        mta.wait_log(rf"bounce\[\d+\]: {qid}: (sender non-delivery notification: |undeliverable bounce message discarded)")


def test_postsuper_many_ids(mta, ids):
    """More than one request takes."""
    made_up = "".join(f"4ZZZZZ{i:04}z3m\n" for i in range(1300))
    status, _, err = text(mta, "postsuper", "-d", "-", stdin=made_up + "\n".join(ids) + "\n")
    assert status == 0 and err.endswith("postsuper: Deleted: 3 messages\n") and err.count(": removed\n") == 3


@pytest.mark.parametrize("word", ["deferred", "hold", "all", "x or id", "example", "not"])
def test_postsuper_takes_no_selector(mta, ids, word):
    """A word that a selector would understand is an ID here, or none at all."""
    status, _, err = text(mta, "postsuper", "-d", word)
    assert status == 0 and err.endswith("postsuper: Deleted: 0 messages\n"), err
    assert len(mta.queue()) == 3


@pytest.mark.parametrize("args,status", [(["-x"], 1), (["-d"], 1), (["-d", "ALL", "corrupt"], 1), (["-d", "ALL", "maildrop"], 69),
                                         (["-e"], 1), (["-s"], 0), ([], 0)])
def test_postsuper_wrong(mta, ids, args, status):
    got = text(mta, "postsuper", *args)
    assert got[0] == status and (status == 0 or got[2].startswith("postsuper: ")), got
    assert len(mta.queue()) == 3


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user")
def test_rights(mta, ids):
    def other(*words):
        r = subprocess.run([f"{BUILD}/mtactl", words[0], "-c", mta.dir, *words[1:]], capture_output=True, text=True, user=1, group=1, extra_groups=[])
        return r.returncode, r.stderr
    assert other("postsuper", "-d", "ALL") == (1, "postsuper: fatal: use of this command is reserved for the superuser\n")
    assert other("postcat", "-q", ids[0]) == (1, f"postcat: fatal: open queue file {ids[0]}: Permission denied\n")
    assert len(mta.queue()) == 3


def test_postfix_control(mta):
    def control(word):
        return name(mta, "postfix", word).returncode
    assert [control(w) for w in ("status", "check", "reload", "flush", "start", "nosuch", "logrotate")] == [0, 0, 0, 0, 1, 1, 69]
    with open(f"{mta.dir}/main.cf", "a") as f:
        f.write("smtp_tcp_port = 0x\nmessage_size_limit = many\n")
    r = name(mta, "postfix", "check")
    assert r.returncode == 1 and b"message_size_limit" in r.stderr
    assert control("reload") == 1 and control("status") == 0
    assert control("stop") == 0
    mta.process.wait(30)
    assert [control(w) for w in ("status", "stop", "reload", "flush")] == [1, 1, 1, 69]


def test_postfix_start(tmp_path):
    os.chmod(tmp_path, 0o755)
    mta = Instance(tmp_path / "site")
    if os.geteuid() == 0:
        mta.settings.update({"mail_owner": "daemon", "mtad_queue_owner": "bin"})
        mta.write()
    try:
        r = subprocess.run([f"{BUILD}/mtactl", "postfix", "-c", mta.dir, "start"], timeout=60)
        assert r.returncode == 0
        wait_for(lambda: name(mta, "postfix", "status").returncode == 0)
    finally:
        assert name(mta, "postfix", "stop").returncode == 0
    assert name(mta, "postfix", "status").returncode == 1
    assert not os.path.exists(f"{mta.dir}/queue/pid/master.pid")


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "main.cf").write_text("myhostname = mail.site.test\nmydomain=site.test\nmyorigin = $mydomain\nfoo = a,\n   b\n"
                                      "mydestination = $foo\nrelay_domains =\nstray = 1\n")
    (tmp_path / "master.cf").write_text("smtp inet n - y - - smtpd\n  -o { smtpd_banner = x  y }\nrelay unix - - y - 7 smtp\n")
    return tmp_path


@pytest.mark.parametrize("args,out,err", [
    (["myorigin", "mydestination", "relay_domains"], "myorigin = $mydomain\nmydestination = $foo\nrelay_domains =\n", ""),
    (["-x", "myorigin", "mydestination"], "myorigin = site.test\nmydestination = a, b\n", ""),
    (["-h", "foo"], "a, b\n", ""),
    (["nosuch", "myorigin"], "myorigin = $mydomain\n", "postconf: warning: nosuch: unknown parameter\n"),
    (["-d", "myorigin"], "myorigin = $myhostname\n", None),
    (["-n", "queue_directory", "mydomain"], "mydomain = site.test\n", ""),
    (["-M", "smtp/inet"], "smtp       inet  n       -       y       -       -       smtpd -o {smtpd_banner=x  y}\n", None),
    (["-P"], "smtp/inet/smtpd_banner = x y\n", None),
    (["-F", "relay/unix/process_limit"], "relay/unix/process_limit = 7\n", None),
    (["-o", "mydomain=other.test", "-hx", "myorigin"], "other.test\n", ""),
])
def test_postconf(folder, args, out, err):
    r = subprocess.run([f"{BUILD}/mtactl", "postconf", "-c", str(folder), *args], capture_output=True, text=True)
    stray = f"postconf: warning: {folder}/main.cf: unused parameter: stray=1\n"
    assert (r.returncode, r.stdout) == (0, out)
    assert r.stderr == ("" if err is None else err + stray)


def test_postconf_all(folder):
    r = subprocess.run([f"{BUILD}/mtactl", "postconf", "-c", str(folder)], capture_output=True, text=True)
    names = [line.split(" =")[0] for line in r.stdout.splitlines()]
    assert names == sorted(names) and len(names) > 800 and "foo" in names and "stray" not in names


def test_postconf_of_a_wrong_configuration(folder):
    """Who mends it must see it."""
    with open(folder / "main.cf", "a") as f:
        f.write("message_size_limit = many\nno equals sign here\n")
    r = subprocess.run([f"{BUILD}/mtactl", "postconf", "-c", str(folder), "message_size_limit"], capture_output=True, text=True)
    assert (r.returncode, r.stdout) == (0, "message_size_limit = many\n") and "line 10" in r.stderr


@pytest.mark.parametrize("args,status", [(["-e", "a"], 1), (["-X", "a=b"], 1), (["-#"], 1), (["-nd"], 1), (["-Z"], 1), (["-c", "/nosuch"], 1)])
def test_postconf_wrong(folder, args, status):
    before = (folder / "main.cf").read_text()
    r = subprocess.run([f"{BUILD}/mtactl", "postconf", "-c", str(folder), *args], capture_output=True, text=True)
    assert r.returncode == status and r.stderr.startswith("postconf: ") and r.stdout == ""
    assert (folder / "main.cf").read_text() == before


def test_postmap(tmp_path):
    table = tmp_path / "table"
    table.write_text("a one\nb two words\n")

    def postmap(*args, stdin=""):
        r = subprocess.run([f"{BUILD}/mtactl", "postmap", *args], capture_output=True, text=True, input=stdin)
        return r.returncode, r.stdout, r.stderr
    assert postmap("-q", "a", f"texthash:{table}") == (0, "one\n", "")
    assert postmap("-q", "zz", f"texthash:{table}") == (1, "", "")
    assert postmap("-q", "-", f"texthash:{table}", stdin="b\nzz\na\n") == (0, "b\ttwo words\na\tone\n", "")
    assert postmap("-q", "zz", f"texthash:{table}", "inline:{zz=1}") == (0, "1\n", "")
    assert postmap("-q", "x", "static:$y") == (0, "$y\n", "")
    for args, status in ((["-q", "a", "nosuch:x"], 1), (["-q", "a", "texthash:/nosuch"], 1), (["-q", "a"], 1), ([], 1),
                         (["-bq", "x", f"texthash:{table}"], 1), (["-s", "static:x"], 1), ([f"texthash:{table}"], 1), (["-s", "-q", "a", f"texthash:{table}"], 1),
                         (["-q", "a", f"hash:{table}"], 1), (["-d", "a", f"hash:{table}"], 1), ([f"hash:{table}x"], 1)):
        got = postmap(*args)
        assert got[0] == status and got[2].startswith("postmap: "), (args, got)
    assert os.listdir(tmp_path) == ["table"]
    assert postmap("-s", f"texthash:{table}")[1] in ("a\tone\nb\ttwo words\n", "b\ttwo words\na\tone\n")


def test_postmap_builds(tmp_path):
    table = tmp_path / "table"
    table.write_text("A one\nb two words\n")
    os.chmod(table, 0o640)

    def run(name, *args, stdin=""):
        r = subprocess.run([f"{BUILD}/mtactl", name, *args], capture_output=True, text=True, input=stdin)
        return r.returncode, r.stdout, r.stderr
    assert run("postmap", f"hash:{table}") == (0, "", "")
    assert sorted(os.listdir(tmp_path)) == ["table", "table.gdbm"]
    assert os.stat(f"{table}.gdbm").st_mode & 0o777 == 0o640
    for kind in ("hash", "btree", "lmdb", "cdb", "gdbm", "dbm"):
        assert run("postmap", "-q", "a", f"{kind}:{table}") == (0, "one\n", "")
    before = os.stat(f"{table}.gdbm").st_ino
    assert run("postmap", "-i", f"hash:{table}", stdin="c three\na again\n") == (0, "", f'postmap: warning: {table}.gdbm: duplicate entry: "a"\n')
    assert os.stat(f"{table}.gdbm").st_ino != before                     # replaced, not written to
    assert run("postmap", "-ri", f"hash:{table}", stdin="A new\n") == (0, "", "")
    assert sorted(run("postmap", "-s", f"hash:{table}")[1].splitlines()) == ["a\tnew", "b\ttwo words", "c\tthree"]
    assert run("postmap", "-d", "B", f"hash:{table}") == (0, "", "") and run("postmap", "-d", "B", f"hash:{table}") == (1, "", "")
    assert run("postmap", "-d", "-", f"hash:{table}", stdin="x\nc\n") == (0, "", "")
    assert run("postmap", "-s", f"hash:{table}") == (0, "a\tnew\n", "")
    table.write_text("a x\nA y\nbad\n")
    said = run("postmap", f"hash:{table}")
    assert said == (0, "", f'postmap: warning: {table}.gdbm: duplicate entry: "a"\npostmap: warning: {table}, line 3: expected format: key whitespace value\n')
    assert run("postmap", "-w", f"hash:{table}")[2].count("\n") == 1 and run("postmap", "-q", "a", f"hash:{table}")[1] == "x\n"
    # Rebuilding fails: the old file stays.
    with open(f"{table}.gdbm", "r+b") as f:
        f.truncate(100)
    status, out, err = run("postmap", "-q", "a", f"hash:{table}")
    assert status == 1 and out == "" and "build it again" in err
    (tmp_path / "aliases").write_text("Root: me ,  you\n\"two words\": |\"/bin/x a,b\",\n  :include:/x\na@b: c\n")
    (tmp_path / "main.cf").write_text(f"alias_database = hash:{tmp_path}/aliases\n")
    said = run("newaliases", "-c", str(tmp_path))
    assert said == (0, "", f"newaliases: warning: {tmp_path}/aliases, line 4: name must be local\n")
    assert sorted(run("postalias", "-s", f"hash:{tmp_path}/aliases")[1].splitlines()) == ["root:\tme, you", 'two words:\t|"/bin/x a,b", :include:/x']


def test_by_link(mta, ids, tmp_path):
    for command, args in (("postcat", ["-q", ids[0]]), ("postsuper", ["-h", "ALL"]), ("postconf", ["-n"]), ("postfix", ["status"])):
        os.symlink(f"{BUILD}/mtactl", tmp_path / command)
        r = subprocess.run([str(tmp_path / command), *args], env={**os.environ, "MAIL_CONFIG": mta.dir}, capture_output=True)
        assert r.returncode == 0, (command, r.stderr)


def test_map_build(tmp_path):
    (tmp_path / "t").write_text("a one\nbad\n")
    (tmp_path / "u").write_text("b two\n")
    (tmp_path / "main.cf").write_text(f"transport_maps = hash:{tmp_path}/t\nrelay_domains = cdb:{tmp_path}/u\n")

    def ctl(*args):
        r = subprocess.run([f"{BUILD}/mtactl", "-c", str(tmp_path), *args], capture_output=True, text=True, stdin=subprocess.DEVNULL)
        return r.returncode, r.stdout, r.stderr
    assert "pcre\tread as it is\n" in ctl("map", "types")[1]
    status, out, err = ctl("map", "build", "transport_maps")
    assert (status, out) == (0, f"built {tmp_path}/t.gdbm: 1 entries\n") and f"{tmp_path}/t, line 2: expected format" in err
    assert sorted(ctl("map", "build")[1].splitlines()) == [f"built {tmp_path}/{n}.gdbm: 1 entries" for n in "tu"]
    assert ctl("map", "query", f"hash:{tmp_path}/t", "a")[:2] == (0, "one\n")
    assert ctl("map", "build", "static:x")[0] == 65
