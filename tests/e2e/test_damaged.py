"""Damaged tables and configurations: each gives file, line where there is one, and reason; no program and no role ends by it."""
import os
import random
import smtplib
import subprocess

import pytest

from mtadtest import BUILD, Instance, wait_for

HUGE = b"x" * 2000000
# Type, text, the line and the reason that are told.
TEXTS = [
    ("texthash", b"a b\n" + HUGE + b" y\nb c\n", 2, "longer than 1048576 bytes"), ("texthash", b"a b\nk\0ey v\n", 2, "NUL byte"), ("texthash", b"a\n", 1, "expected format"),
    ("texthash", b"a b\n\"x y\n", 2, "unbalanced"), ("texthash", b"k" * 2000 + b" v\n", 1, "key is too long"), ("cidr", b"10.0.0.0/8 OK\n1.2.3\0.4 x\n", 2, "NUL byte"),
    ("cidr", b"10.0.0.0/33 x\n", 1, "from 0 to 32"), ("cidr", b"10.0.0.1/8 x\n", 1, "10.0.0.0/8"), ("cidr", b"if 10.0.0.0/8\n10.1.1.1 x\n", 2, "IF without"),
    ("cidr", b"endif\n", 1, "ENDIF without"), ("cidr", b"10.0.0.0/8 " + HUGE + b"\n", 1, "longer than"), ("cidr", b"if\n", 1, "no address pattern"),
    ("cidr", b"1.2.3.4\n", 1, "no lookup result"), ("cidr", b"if 10.0.0.0/8\n" * 60, 51, "IFs within IFs"), ("pcre", b"/a/ x\n/b\0c/ y\n", 2, "NUL byte"),
    ("pcre", b"/(/ x\n", 1, "missing closing parenthesis"), ("pcre", b"if /a/\n/b/ x\n", 2, "no matching ENDIF"), ("pcre", b"/a/ x\nendif\n", 2, "ENDIF without"),
    ("pcre", b"/" + HUGE + b"/ x\n", 1, "longer than"), ("pcre", b"/" + b"(" * 100000 + b"/ x\n", 1, "too deeply nested"), ("pcre", b"/(a+)+$/ $9\n", 1, "out of range"),
    ("pcre", b"/a/Q x\n", 1, "unknown pcre option"), ("pcre", b"/a\n", 1, "no closing"), ("pcre", b"noise\n", 1, "unrecognized request"), ("pcre", b"/a/ ${1\n", 1, "skipping"),
    ("regexp", b"/a/ x\n/[/ y\n", 2, "skipping"), ("regexp", b"/" + b"(" * 100000 + b"/ x\n", 1, "too deeply nested"),
    ("regexp", b"/a{1,2000}{1,2000}/ x\n", 1, "written out, is too large"), ("regexp", b"/((a{1,99}){1,99}){1,99}/ x\n", 1, "is too large"), ("regexp", b"\xff\xfe/a/ x\n", 1, "unrecognized"),
    ("regexp", b"/a/ x\n/b/ $3\n", 2, "out of range"), ("regexp", b"if /a/\n" * 60 + b"endif\n", 51, "IFs within IFs"),
]
MAIN = [
    (b"myhostname = a.test\nno equals sign\n", "main.cf:2:"), (b"message_size_limit = many\n", "main.cf:1:"), (b"mydestination = ${a\n", "main.cf"), (b"relay_domains = $relay_domains\n", "main.cf"),
    (b"transport_maps = nosuch:/x\n", "main.cf:1:"), (b"mynetworks = 10.0.0.0/99\n", "main.cf:1:"), (b"smtpd_timeout = 5x\n", "main.cf:1:"), (b"mynetworks = /nosuch/file\n", "main.cf:1:"),
    (b"transport_maps = texthash:/nosuch/file\n", "main.cf:1:"), (b"myhostname = a\0b\n", "main.cf"), (b"= x\n", "main.cf:1:"), (b"a = " + b"$b" * 70000 + b"\nb = " + b"x" * 100000 + b"\nmynetworks = $a\n", "main.cf"),
]
MASTER = [(b"smtp inet n\n", "master.cf:1:"), (b"smtp nosuch n - y - - smtpd\n", "master.cf:1:"), (b"smtp inet n - y - - smtpd -o\n", "master.cf:1:"), (b"   -o a=b\n", "master.cf"),
          (b"smtp inet n - y - x smtpd\n", "master.cf:1:"), (b"smtp inet n - y - - smtpd -o {a = b\n", "master.cf:1:"), (b"smtp\0 inet n - y - - smtpd\n", "master.cf")]
ASKED = [("mysql", b"hosts\n"), ("mysql", b"hosts = x\nquery = SELECT %q\nexpansion_limit = many\n"), ("pgsql", b"\0\n"), ("pgsql", b"query = %z\nhosts = x\n"), ("sqlite", b"nothing = here\n"),
         ("sqlite", b"dbpath = /nosuch/db\nquery = SELECT 1\n"), ("ldap", b"server_host = ldap://127.0.0.1:1\nversion = many\n"), ("ldap", b"= x\n"), ("memcache", b"memcache =\n"), ("memcache", b"noise\n")]


def check(folder, main=b"", master=None):
    (folder / "main.cf").write_bytes(b"queue_directory = %s/queue\n" % str(folder).encode() if b"\n" not in main else main)
    if master is not None:
        (folder / "master.cf").write_bytes(master)
    r = subprocess.run([f"{BUILD}/mtad", "-t", "-u", "-c", str(folder)], capture_output=True, timeout=60)
    return r.returncode, r.stderr.decode(errors="replace")


@pytest.mark.parametrize("number", range(len(TEXTS)))
def test_texts(tmp_path, number):
    kind, text, line, why = TEXTS[number]
    (tmp_path / "table").write_bytes(text)
    status, said = check(tmp_path, f"smtpd_client_restrictions = check_client_access {kind}:{tmp_path}/table\nheader_checks = \n".encode())
    told = [x for x in said.splitlines() if f"{tmp_path}/table:{line}:" in x]
    assert status == 0 and any(why in x for x in told), said[-1500:]


def test_configurations(tmp_path):
    for main, place in MAIN:
        status, said = check(tmp_path, main)
        assert status == 78 if place.endswith(":") else status in (0, 78), (main[:60], status, said[-500:])
        assert status == 0 or place in said, (main[:60], status, said[-500:])
    for master, place in MASTER:
        status, said = check(tmp_path, b"myhostname = mail.a.test\n", master)
        assert status == 78 and place in said, (master, status, said[-500:])


def test_flipped_configurations(tmp_path):
    """Bits and pieces of a good configuration changed: it starts, or says where it is wrong."""
    r = random.Random(5)
    good = (b"myhostname = mail.a.test\nmydestination = a.test, $myhostname\nmynetworks = 10.0.0.0/8 [::1]/128\nrelayhost = [mx.a.test]:25\nsmtpd_timeout = ${stress?10}${stress:300}s\n"
            b"transport_maps = inline:{a.test=local:}\nsmtpd_recipient_restrictions = permit_mynetworks,\n  reject_unauth_destination\nmessage_size_limit = 1000000\n",
            b"smtp inet n - y - - smtpd\n  -o smtpd_client_restrictions=reject -o { mynetworks = 1.2.3.4 5.6.7.8 }\nlocal unix - n n - - local\nsmtp unix - - y - - smtp\n")
    for n in range(60):
        texts = [bytearray(t) for t in good]
        text = texts[n % 2]
        for _ in range(r.choice([1, 2, 8])):
            at = r.randrange(len(text))
            if r.random() < .5:
                text[at] ^= 1 << r.randrange(8)
            else:
                del text[at:at + r.choice([1, 5, 40])]
                text[at:at] = r.choice([b"", b"{", b"}", b"$", b"\0", b"\n", b"=", b"${"])
        status, said = check(tmp_path, bytes(texts[0]), bytes(texts[1]))
        assert status in (0, 78) and (status == 0 or ".cf" in said), (n, status, said[-500:], texts)


def test_files_that_say_how_to_ask(tmp_path):
    for kind, text in ASKED:
        (tmp_path / "how").write_bytes(text)
        r = subprocess.run([f"{BUILD}/mtactl", "-c", str(tmp_path), "map", "query", f"{kind}:{tmp_path}/how", "key"], capture_output=True, text=True, timeout=30)
        assert r.returncode in (65, 75) and r.stdout == "" and r.stderr.strip() != "", (kind, text, r)


def damaged(good, r):
    b, at = bytearray(good), r.randrange(len(good))
    kind = r.choice(["cut", "flip", "flip", "zero", "head", "ones"])
    if kind == "cut":
        return bytes(b[:at])
    for _ in range(r.choice([1, 5, 40])):
        i = r.randrange(len(b) if kind == "flip" else min(len(b), 4096))
        if kind in ("flip", "head"):
            b[i] ^= 1 << r.randrange(8)
    if kind in ("zero", "ones"):
        b[at:at + 512] = (b"\0" if kind == "zero" else b"\xff") * len(b[at:at + 512])
    return bytes(b)


def test_compiled(tmp_path):
    """Programs: an answer or a reason, never an end by a signal, never silence."""
    r = random.Random(1)
    (tmp_path / "t").write_text("".join(f"key{n} value number {n}\n" for n in range(800)))
    table = f"hash:{tmp_path}/t"

    def postmap(*args, stdin=""):
        return subprocess.run([f"{BUILD}/mtactl", "postmap", *args], capture_output=True, text=True, errors="replace", input=stdin, timeout=30)
    assert postmap(table).returncode == 0
    good = (tmp_path / "t.gdbm").read_bytes()
    others = [b"", b"\0" * 5000, b"GDBM", good[4096:] + good[:4096], (tmp_path / "t").read_bytes(), b"\x1f\x8b" + good]
    for bad in others + [damaged(good, r) for _ in range(50)]:
        (tmp_path / "t.gdbm").write_bytes(bad)
        for got in (postmap("-s", table), postmap("-q", "-", table, stdin="key1\nkey77\nnosuch\n"), postmap("-q", "key5", table)):
            assert got.returncode in (0, 1), got
            assert got.returncode == 0 or "t.gdbm" in got.stderr or got.args[2] == "-q" and got.stderr == "", got
    assert postmap(table).returncode == 0 and (tmp_path / "t.gdbm").stat().st_size == len(good)


def test_compiled_in_roles(tmp_path):
    """The same handed to the daemon, for tables that receive, queue, send and local ask: mail goes on or waits, and every process stays."""
    r = random.Random(2)
    os.chmod(tmp_path, 0o755)
    names = ("relay", "transport", "aliases", "generic", "virtual")
    for name in names:
        (tmp_path / name).write_text("".join(f"k{n}.test{':' if name == 'aliases' else ''} x{n}\n" for n in range(300)))
    mta = Instance(tmp_path / "mta", main={"relay_domains": f"hash:{tmp_path}/relay", "transport_maps": f"hash:{tmp_path}/transport", "alias_maps": f"hash:{tmp_path}/aliases",
                                           "smtp_generic_maps": f"hash:{tmp_path}/generic", "virtual_alias_maps": f"hash:{tmp_path}/virtual"})
    with mta:
        pids = mta.pids()
        good = {name: (tmp_path / f"{name}.gdbm").read_bytes() for name in names}
        for n in range(8):
            for name in names:
                (tmp_path / "new").write_bytes(damaged(good[name], r))
                os.rename(tmp_path / "new", tmp_path / f"{name}.gdbm")
            assert mta.ctl("map", "look").returncode == 0
            for recipient in ("root@site.test", "x@k5.test", "y@good.test"):
                with smtplib.SMTP("127.0.0.1", mta.port, timeout=20) as s:
                    s.ehlo("client.test")
                    if s.mail("a@k7.test")[0] == 250 and s.rcpt(recipient)[0] == 250:
                        assert s.data("Subject: x\r\n\r\nhello\r\n")[0] in (250, 451)
        for name in names:
            (tmp_path / "new").write_bytes(good[name])
            os.rename(tmp_path / "new", tmp_path / f"{name}.gdbm")
        assert mta.ctl("map", "look").returncode == 0
        assert mta.send("a@site.test", "root@site.test")
        wait_for(lambda: len(mta.mailbox("root")) > 0)
        wait_for(lambda: mta.pids() == pids)    # a delivery is a process for its time
