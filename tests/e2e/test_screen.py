"""The screener before the dialogue (master.cf: smtpd inet ... postscreen, smtpd pass ... smtpd)."""
import os
import socket
import time

import pytest
from mtadtest import Instance, free_port, wait_for

ZONE = """$ORIGIN .
$TTL 60
. SOA ns. root. 1 3600 600 86400 60
. NS ns.
ns. A 127.0.0.1
2.0.0.127.bad.test. A 127.0.0.2
2.0.0.127.other.test. A 127.0.0.9
3.0.0.127.nice.test. A 127.0.0.1
3.0.0.127.bad.test. A 127.0.0.2
4.0.0.127.filter.test. A 127.0.0.4
"""
MAIN = {"mynetworks": "127.0.0.1", "postscreen_access_list": "permit_mynetworks, inline:{ {127.0.0.66=reject} {127.0.0.77=permit} {127.0.0.78=dunno} }",
        "postscreen_greet_wait": "1s", "postscreen_greet_banner": "mail.site.test please wait", "alias_maps": "", "smtpd_delay_reject": "yes"}


@pytest.fixture(scope="module")
def make(tmp_path_factory):
    started = []

    def start(**main):
        folder = tmp_path_factory.mktemp("screen")
        os.chmod(folder, 0o755)
        port = free_port()
        master = f"127.0.0.1:{port} inet n - y - 1 postscreen\nsmtpd pass - - y - - smtpd\n  -o smtpd_banner=behind\n"
        mta = Instance(folder / "site", {**MAIN, "mtad_receive_workers": "1", **main}, master=master, zone=ZONE)
        mta.port = port
        started.append(mta.start())
        return mta
    yield start
    for mta in started:
        mta.stop()


@pytest.fixture(scope="module")
def plain(make):
    return make(postscreen_greet_action="drop", postscreen_denylist_action="drop", postscreen_greet_ttl="2s")


def connect(mta, source):
    s = socket.create_connection(("127.0.0.1", mta.port), timeout=20, source_address=(source, 0))
    return s, s.makefile("rb")


def talk(mta, source, *lines):
    """The greeting's lines and the last reply."""
    s, f = connect(mta, source)
    greeting = [f.readline()]
    while greeting[-1][3:4] == b"-":
        greeting.append(f.readline())
    answer = b""
    for line in lines:
        s.sendall(line + b"\r\n")
        answer = f.readline()
        while answer[3:4] == b"-":
            answer = f.readline()
    s.close()
    return greeting, answer


def test_new_then_old(plain):
    """A client that waits is let in, and the next time at once, until that is old; the view is the pass line's."""
    began = time.monotonic()
    greeting, answer = talk(plain, "127.0.0.10", b"EHLO x", b"MAIL FROM:<a@b.test>", b"RCPT TO:<root@site.test>")
    assert time.monotonic() - began >= 0.9
    assert greeting == [b"220-mail.site.test please wait\r\n", b"220 behind\r\n"] and answer.startswith(b"250")
    plain.wait_log(r"/postscreen\[\d+\]: CONNECT from \[127\.0\.0\.10\]:\d+ to \[127\.0\.0\.1\]:\d+\n")
    plain.wait_log(r"/postscreen\[\d+\]: PASS NEW \[127\.0\.0\.10\]:\d+\n")
    began = time.monotonic()
    assert talk(plain, "127.0.0.10")[0] == [b"220 behind\r\n"] and time.monotonic() - began < 0.8
    plain.wait_log(r"/postscreen\[\d+\]: PASS OLD \[127\.0\.0\.10\]:\d+\n")
    time.sleep(3.1)     # it holds to the end of a second
    assert len(talk(plain, "127.0.0.10")[0]) == 2


def test_who_speaks_first_is_dropped(plain):
    s, f = connect(plain, "127.0.0.11")
    assert f.readline().startswith(b"220-")
    s.sendall(b"EHLO spammer\r\n")
    assert f.read() == b"521 5.5.1 Protocol error\r\n"
    plain.wait_log(r"/postscreen\[\d+\]: PREGREET 14 after [\d.]+ from \[127\.0\.0\.11\]:\d+: EHLO spammer\\r\\n\n")
    plain.wait_log(r"/postscreen\[\d+\]: DISCONNECT \[127\.0\.0\.11\]:\d+\n")
    assert len(talk(plain, "127.0.0.11")[0]) == 2       # not remembered as good


def test_access_list(plain):
    assert talk(plain, "127.0.0.1")[0] == [b"220 behind\r\n"]
    assert talk(plain, "127.0.0.77")[0] == [b"220 behind\r\n"]
    plain.wait_log(r"/postscreen\[\d+\]: ALLOWLISTED \[127\.0\.0\.77\]:\d+\n")
    assert talk(plain, "127.0.0.66")[0] == [b"521 5.3.2 Service currently unavailable\r\n"]
    plain.wait_log(r"/postscreen\[\d+\]: DENYLISTED \[127\.0\.0\.66\]:\d+\n")
    assert len(talk(plain, "127.0.0.78")[0]) == 2


def test_hang_up(plain):
    s, f = connect(plain, "127.0.0.12")
    f.readline()
    f.close()
    s.close()
    plain.wait_log(r"/postscreen\[\d+\]: HANGUP after [\d.]+ from \[127\.0\.0\.12\]:\d+ in tests before SMTP handshake\n")


def test_lists(make):
    mta = make(postscreen_dnsbl_sites="bad.test*2 other.test=127.0.0.[8..10] nice.test*-5 filter.test=127.0.0.2", postscreen_dnsbl_threshold="3",
               postscreen_dnsbl_action="enforce", postscreen_dnsbl_allowlist_threshold="-2", postscreen_greet_banner="", postscreen_dnsbl_max_ttl="1",
               postscreen_dnsbl_timeout="4s")
    greeting, answer = talk(mta, "127.0.0.2", b"EHLO h.test", b"MAIL FROM:<a@b.test>", b"RCPT TO:<root@site.test>")
    assert greeting == [b"220 mail.site.test ESMTP mtad\r\n"]
    assert answer == b"550 5.7.1 Service unavailable; client [127.0.0.2] blocked using bad.test\r\n"
    mta.wait_log(r"/postscreen\[\d+\]: DNSBL rank 3 for \[127\.0\.0\.2\]:\d+\n")
    mta.wait_log(r"/postscreen\[\d+\]: NOQUEUE: reject: RCPT from \[127\.0\.0\.2\]:\d+: 550 5\.7\.1 Service unavailable; client \[127\.0\.0\.2\] "
                 r"blocked using bad\.test; from=<a@b\.test>, to=<root@site\.test>, proto=ESMTP, helo=<h\.test>\n")
    began = time.monotonic()
    assert talk(mta, "127.0.0.3", b"EHLO x", b"MAIL FROM:<a@b.test>", b"RCPT TO:<root@site.test>")[1].startswith(b"250")
    assert time.monotonic() - began < 0.9               # well known: spared the wait
    assert talk(mta, "127.0.0.4", b"EHLO x", b"MAIL FROM:<a@b.test>", b"RCPT TO:<root@site.test>")[1].startswith(b"250")
    mta.wait_log(r"PASS NEW \[127\.0\.0\.4\]")


def test_older_names_and_limit(make):
    mta = make(postscreen_blacklist_action="drop", postscreen_dnsbl_sites="nice.test*-1", postscreen_dnsbl_whitelist_threshold="-1",
               postscreen_dnsbl_ttl="2", postscreen_greet_wait="2s", postscreen_pre_queue_limit="10")
    assert talk(mta, "127.0.0.66")[0] == [b"521 5.3.2 Service currently unavailable\r\n"]
    assert talk(mta, "127.0.0.3")[0][-1] == b"220 behind\r\n"
    waiting = [connect(mta, f"127.0.0.{n}") for n in range(20, 30)]
    for _, f in waiting:
        assert f.readline().startswith(b"220-")
    assert talk(mta, "127.0.0.30")[0] == [b"421 4.3.2 All screening ports are busy\r\n"]
    assert waiting[0][1].readline() == b"220 behind\r\n"
    for s, _ in waiting:
        s.close()
    # What is known outlives the daemon, and a state process that is killed.
    wait_for(lambda: b"127.0.0.3" in open(f"{mta.dir}/data/postscreen_cache.gdbm", "rb").read())
    assert mta.stop() == 0
    mta.start()
    assert talk(mta, "127.0.0.3")[0] == [b"220 behind\r\n"]
    mta.wait_log(r"PASS OLD \[127\.0\.0\.3\]")
    old = mta.pids()["state"]
    os.kill(old[0], 9)
    wait_for(lambda: mta.pids().get("state", old) != old)
    wait_for(lambda: len(talk(mta, "127.0.0.20")[0]) == 1)
    # What is known can be seen, and forgotten.
    known = {row["address"]: row for row in mta.rows("cache", "ls", "screen")}
    assert known["127.0.0.3"]["dnsbl"] > time.time() and known["127.0.0.3"]["greet"] > time.time() and "pipelining" not in known["127.0.0.20"]
    assert mta.ctl("cache", "del", "screen", "127.0.0.20").returncode == 0 and mta.ctl("cache", "del", "screen", "127.0.0.20").returncode == 1
    assert mta.ctl("cache", "del", "scren", "127.0.0.20").returncode == 64
    assert "127.0.0.20" not in mta.ctl("cache", "ls", "screen").stdout and "127.0.0.3\tgreet=" in mta.ctl("cache", "ls", "screen").stdout
    assert len(talk(mta, "127.0.0.20")[0]) == 2
    counted = next(row["stats"] for row in mta.rows("status") if row["role"] == "receive")
    assert counted["screened"] >= 3 and counted["screen_passed"] >= 3


def test_no_service_behind(tmp_path):
    port = free_port()
    mta = Instance(tmp_path / "site", MAIN, master=f"127.0.0.1:{port} inet n - y - 1 postscreen\nother pass - - y - - smtpd\n")
    r = mta.ctl("config", "check")
    assert r.returncode == 78 and 'to a service "smtpd" of type pass, which is not there' in r.stdout + r.stderr, r.stdout + r.stderr
    mta = Instance(tmp_path / "site", {**MAIN, "smtpd_service_name": "other"}, master=mta.master)
    assert mta.ctl("config", "check").returncode == 0
    mta = Instance(tmp_path / "site", {**MAIN, "smtpd_service_name": "other", "postscreen_greet_action": "bite"}, master=mta.master)
    r = mta.ctl("config", "check")
    assert r.returncode == 78 and 'postscreen_greet_action: "bite" is none of' in r.stdout + r.stderr


def test_how_long_it_holds(make):
    """Each test has its time; what a list says holds as long as its record, within bounds. What has ended for long enough is forgotten."""
    mta = make(postscreen_greet_banner="", postscreen_pipelining_enable="yes", postscreen_bare_newline_enable="yes", postscreen_non_smtp_command_enable="yes",
               postscreen_pipelining_ttl="1000s", postscreen_non_smtp_command_ttl="2000s", postscreen_bare_newline_ttl="3000s", postscreen_dnsbl_min_ttl="500s",
               postscreen_dnsbl_sites="bad.test*2", postscreen_dnsbl_threshold="9", postscreen_cache_cleanup_interval="1s", postscreen_cache_retention_time="1d")

    def record(address):
        """What the file says, in seconds from now."""
        times = mta.ctl("map", "query", f"btree:{mta.dir}/data/postscreen_cache", address).stdout.strip()
        return [int(t) - round(time.time()) if int(t) > 1 else int(t) for t in times.split(";")] if times else None

    greeting, answer = talk(mta, "127.0.0.2", b"EHLO h.test", b"MAIL FROM:<a@b.test>", b"RCPT TO:<root@site.test>", b"QUIT")
    assert greeting == [b"220 mail.site.test ESMTP mtad\r\n"] and answer == b"221 2.0.0 Bye\r\n"
    mta.wait_log(r"RCPT from \[127\.0\.0\.2\]:\d+: 450 4\.3\.2 Service currently unavailable; from=<a@b\.test>")
    mta.wait_log(r"PASS NEW \[127\.0\.0\.2\]")
    wait_for(lambda: record("127.0.0.2"))
    got = record("127.0.0.2")
    assert got[0] == 1 and all(want - 20 < seconds <= want + 1 for seconds, want in zip(got[1:], (500, 1000, 2000, 3000))), got
    assert talk(mta, "127.0.0.2")[0] == [b"220 behind\r\n"]
    # Cleaned at a reload and each second: with a time long over it goes, and the client is a new one.
    mta.settings.update(postscreen_dnsbl_min_ttl="1s", postscreen_dnsbl_max_ttl="1", postscreen_pipelining_enable="no", postscreen_bare_newline_enable="no",
                        postscreen_non_smtp_command_enable="no", postscreen_cache_retention_time="1s")
    mta.write()
    assert mta.ctl("reload").returncode == 0
    assert talk(mta, "127.0.0.9")[0] == [b"220 behind\r\n"]
    wait_for(lambda: record("127.0.0.9"))
    assert record("127.0.0.2") is not None
