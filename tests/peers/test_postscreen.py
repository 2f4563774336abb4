"""The screener beside Debian's postscreen (3.7): one of each with a line of master.cf for every configuration, the same DNS (nsd), the same clients: what these
are told, and what the log says of them."""
import concurrent.futures
import os
import re
import socket
import ssl
import subprocess

import pytest

from certs import Authority
from mtadtest import Instance, free_port, wait_for
from postfixtest import MASTER, NamespacedPostfix

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="Postfix needs root")
NAMESERVER = "127.0.0.54"
ZONE = """$ORIGIN test.
$TTL 60
@ SOA localhost. root.localhost. 1 3600 600 86400 60
1.1.0.127.bl A 127.0.0.2
2.1.0.127.bl A 127.0.0.2
3.1.0.127.bl A 127.0.0.2
4.1.0.127.bl A 127.0.0.9
5.1.0.127.bl A 127.0.0.2
5.1.0.127.bl A 127.0.0.4
5.1.0.127.second A 127.0.0.3
6.1.0.127.wl A 127.0.0.1
6.1.0.127.bl A 127.0.0.2
7.1.0.127.bl A 127.0.0.2
"""
# Time enough for lists; who is not made to wait for anything else goes on when they have answered.
SITES = "postscreen_dnsbl_sites=bl.test=127.0.0.[2..4]*2,second.test*1,wl.test*-5 postscreen_greet_wait=10s"
LISTS = f"{SITES} postscreen_greet_banner="
ACL = "postscreen_access_list=inline:{{127.0.2.1=permit},{127.0.2.2=reject},{127.0.2.3=dunno}},permit_mynetworks"
DEEP = "postscreen_pipelining_enable=yes postscreen_non_smtp_command_enable=yes postscreen_bare_newline_enable=yes postscreen_bare_newline_action=enforce"
CONFIGS = {
    "greet": "",
    "greet_enforce": "postscreen_greet_action=enforce",
    "greet_drop": "postscreen_greet_action=drop",
    "lists": f"{LISTS} postscreen_dnsbl_action=ignore",
    "lists_enforce": f"{LISTS} postscreen_dnsbl_action=enforce postscreen_dnsbl_reply_map=inline:{{bl.test=block.example}}",
    "lists_greet": f"{SITES} postscreen_dnsbl_action=enforce postscreen_greet_action=enforce",
    "lists_drop": f"{LISTS} postscreen_dnsbl_action=drop postscreen_dnsbl_threshold=3 postscreen_dnsbl_allowlist_threshold=-2",
    "access": f"{ACL} postscreen_denylist_action=enforce",
    "access_drop": f"{ACL} postscreen_denylist_action=drop respectful_logging=no",
    "access_ignore": ACL,
    "deep": f"postscreen_greet_banner= {DEEP}",
    "deep_drop": f"postscreen_greet_banner= {DEEP} postscreen_pipelining_action=drop postscreen_bare_newline_action=drop",
    "deep_enforce": f"postscreen_greet_banner= {DEEP} postscreen_non_smtp_command_action=enforce postscreen_bare_newline_action=ignore postscreen_pipelining_action=ignore",
    "words": f"postscreen_greet_banner= {DEEP} postscreen_helo_required=yes postscreen_disable_vrfy_command=yes postscreen_command_count_limit=6 "
             "postscreen_discard_ehlo_keywords=dsn,etrn postscreen_reject_footer=call\\nus postscreen_forbidden_commands=FROB",
    "soft": f"postscreen_greet_action=enforce soft_bounce=yes line_length_limit=600 {DEEP}",
    "veto": "postscreen_allowlist_interfaces=!127.0.0.1,!127.0.4.1,static:all",
    "filter": f"postscreen_greet_banner= {DEEP} postscreen_command_filter=inline:{{{{FROB=NOOP}}}}",
    "tls": f"postscreen_greet_banner= {DEEP} postscreen_tls_security_level=may",
    "tls_must": f"postscreen_greet_banner= {DEEP} postscreen_tls_security_level=encrypt",
    "tls_use": f"postscreen_greet_banner= {DEEP} postscreen_tls_security_level= postscreen_use_tls=yes",
    "tls_enforce": f"postscreen_greet_banner= {DEEP} postscreen_tls_security_level= postscreen_enforce_tls=yes",
    "maps": f"postscreen_greet_banner= {DEEP} postscreen_discard_ehlo_keyword_address_maps=inline:{{{{127.0.13.1=size,vrfy}}}} "
            "postscreen_reject_footer_maps=pcre:@DIR@/footers",
    "slow": f"postscreen_greet_banner= {DEEP} postscreen_command_time_limit=1s",
    "slow_tls": f"postscreen_greet_banner= {DEEP} postscreen_starttls_timeout=1s",
    "proxy_slow": "postscreen_upstream_proxy_protocol=haproxy postscreen_upstream_proxy_timeout=1s",
    "proxy": "postscreen_upstream_proxy_protocol=haproxy",
    "few": "postscreen_client_connection_count_limit=1",
}
MAIL = ["EHLO h.test", "MAIL FROM:<a@b.test>", "RCPT TO:<root@site.test>", "QUIT"]
# Configuration, the client's address (0: any), what it does: a line each (several where "\n" stands in them), "early": before the greeting, "tls", "close".
SESSIONS = [
    ("greet", 0, MAIL), ("greet", 0, ["early", "EHLO spammer\r\n", *MAIL[1:]]), ("greet", 0, ["EHLO x", "close"]),
    ("greet_enforce", 0, ["early", "EHLO a\\b\tc\x01\xff 12\r\n", *MAIL[1:]]), ("greet_enforce", 0, ["early", "EHLO x\r\nMAIL FROM:<a@b>\r\n", "RCPT TO:<x@y>", "DATA"]),
    ("greet_enforce", 0, MAIL), ("greet_enforce", 0, ["early", "GET / HTTP/1.1\r\n"]), ("greet_enforce", 0, ["early", "EHLO x\r\n", "close"]),
    ("greet_drop", 0, ["early", "QUIT\r\n"]), ("greet_drop", 0, MAIL),
    ("lists", "127.0.1.1", MAIL), ("lists_enforce", "127.0.1.2", MAIL), ("lists_greet", "127.0.1.3", ["early", "HELO x\r\n", *MAIL[1:]]),
    ("lists_enforce", "127.0.1.4", MAIL), ("lists_drop", "127.0.1.5", []), ("lists_drop", "127.0.1.6", MAIL),
    ("lists_drop", "127.0.1.7", MAIL),
    ("access", "127.0.2.1", MAIL), ("access", "127.0.2.2", ["HELO x", "MAIL FROM:<\"q d\"@b.test>", "RCPT TO:<@x,@y:z@t.test>", "RCPT to: plain@t.test", "VRFY x", "QUIT"]),
    ("access", "127.0.2.3", MAIL), ("access_drop", "127.0.2.2", []), ("access_drop", "127.0.2.1", ["QUIT"]), ("access_ignore", "127.0.2.2", MAIL),
    ("deep", 0, MAIL), ("deep", 0, ["EHLO x\r\nMAIL FROM:<a@b.test>\r\n", *MAIL[2:]]), ("deep", 0, ["EHLO x\n", *MAIL[1:]]), ("deep", 0, ["EHLO x", "Subject: hello there"]),
    ("deep", 0, ["EHLO x", "CONNECT a:25 HTTP/1.0"]), ("deep", 0, ["EHLO x", "MAIL FROM:<a@b>", "DATA"]), ("deep", 0, ["HELO", "EHLO", "DATA x"]), ("deep", 0, ["BDAT 3 LAST"]),
    ("deep", 0, ["MAIL", "RCPT TO:<x@y>", "MAIL FROM:<>", "MAIL FROM:<x>", "RSET", "NOOP", "AUTH PLAIN", "XCLIENT x=y", "FROB x", "VRFY", "VRFY x", "ETRN", "ETRN x", "", "QUIT x"]),
    ("deep", 0, ["EHLO x", "MAIL FROM:<a@b>", "RCPT TO:<a>", "close"]), ("deep", 0, ["EHLO x", "close"]), ("deep", 0, ["\xe9\xff x"]), ("deep", 0, ["EHLO " + "x" * 3000]),
    ("deep_drop", 0, ["EHLO x\r\nNOOP\r\n"]), ("deep_drop", 0, ["NOOP\n"]), ("deep_drop", 0, MAIL),
    ("deep_enforce", 0, ["EHLO x", "GET x y", *MAIL[1:]]), ("deep_enforce", 0, ["EHLO x\n", "NOOP\r\nNOOP\r\n", *MAIL[1:]]),
    ("words", 0, ["EHLO x", *MAIL[1:]]), ("words", 0, ["MAIL FROM:<a@b>", "ETRN x", "VRFY x", "NOOP", "HELO x", "NOOP", "NOOP"]), ("words", 0, ["EHLO x", "frob y z"]),
    ("words", 0, ["NOOP"] * 6 + ["QUIT"]),
    ("soft", 0, ["early", "HELO x\r\n", *MAIL[1:]]), ("soft", 0, ["early", "HELO x\r\n", "NOOP " + "y" * 700]), ("veto", 0, MAIL), ("filter", 0, ["FROB", "NOOP", "GROB", "QUIT"]),
    ("tls", 0, ["EHLO x", "STARTTLS", "tls", "EHLO x", "STARTTLS", *MAIL[1:]]), ("tls_must", 0, ["EHLO x", "MAIL FROM:<>", "NOOP", "STARTTLS", "tls", *MAIL]),
    ("tls_use", 0, ["EHLO x", *MAIL[1:]]), ("tls_enforce", 0, ["EHLO x", *MAIL[1:]]), ("maps", "127.0.13.1", MAIL), ("maps", 0, MAIL),
    ("slow", 0, ["EHLO x", "greeting"]), ("proxy_slow", 0, ["early", "greeting"]),
    ("proxy", 0, ["early", "PROXY TCP4 127.0.9.9 127.0.9.8 4711 25\r\n", *MAIL]), ("proxy", 0, ["early", "EHLO x\r\n"]),
]


def options(text):
    """"a=b c=d" as -o's; "~" is a blank in a value."""
    return "".join(f" -o {{ {word.replace('=', ' = ', 1).replace('~', ' ')} }}" for word in text.split(" ") if word)


def lines_of(address, ports, folder):
    return "".join(f"{address}:{ports[name]} inet n - n - 1 postscreen{options(text.replace('@DIR@', str(folder)))} -o postscreen_cache_map=btree:$data_directory/{name}\n" for name, text in CONFIGS.items()) + \
        "smtpd pass - - n - - smtpd -o { smtpd_banner = behind }\n"


class Client:
    def __init__(self, address, source):
        self.socket = socket.create_connection(address, timeout=10, source_address=(source, 0))
        self.port = self.socket.getsockname()[1]
        self.file = self.socket.makefile("rb")
        self.told = []

    def read(self):
        """A reply. False: nothing more comes."""
        lines = []
        try:
            while not lines or lines[-1][3:4] == "-":
                line = self.file.readline().decode(errors="replace")
                lines.append(line.rstrip("\r\n") if line else "EOF")
        except ConnectionError:
            lines.append("EOF")
        except TimeoutError:
            lines.append("nothing")
        self.told.append(lines)
        return lines[-1] not in ("EOF", "nothing")

    def step(self, step):
        if step == "greeting":
            return self.read()
        if step == "tls":
            self.socket = ssl._create_unverified_context().wrap_socket(self.socket)
            self.file = self.socket.makefile("rb")
            return True
        data = step.encode("latin-1")
        data += b"" if data.endswith(b"\n") else b"\r\n"
        try:
            self.socket.sendall(data)
        except OSError:
            return False
        return all(self.read() for _ in range(data.count(b"\n")))

    def close(self):
        self.file.close()
        self.socket.close()


def talk(address, session):
    """All that it is told, reply by reply, to the end, unless it hangs up."""
    _, source, steps = session
    client = Client(address, source)
    early = steps[:1] == ["early"]
    good = early or client.read()
    for step in steps[early:]:
        if not good or step == "close":
            break
        good = client.step(step)
        # What came before its time is answered behind the rest of the greeting, or in its place.
        if early and good and not step.startswith(("PROXY", "greeting")):
            early = False
            good = not client.told[-1][-1].startswith("220") or client.read()
    else:
        while good:
            good = client.read()
    client.close()
    return client.port, client.told


def same_words(text):
    return re.sub(r"127\.0\.4\.1", "127.0.0.1", text)


def logged(text, source, port):
    """What postscreen says of this client, without time and process."""
    who = re.escape(f"[{source}]:{port}")
    found = [m.group(1) for m in re.finditer(rf"/postscreen\[\d+\]: (.*{who}.*)", text)]
    found = [re.sub(r" after [\d.]+ from", " after T from", line) for line in found]
    return [same_words(re.sub(r"\]:\d+", "]:P", line)) for line in found]


@pytest.fixture(scope="module")
def nameserver(tmp_path_factory):
    folder = tmp_path_factory.mktemp("nsd")
    (folder / "test").write_text(ZONE)
    (folder / "nsd.conf").write_text(
        f'server:\n ip-address: {NAMESERVER}@53\n username: root\n zonesdir: "{folder}"\n pidfile: ""\n xfrdfile: "{folder}/xfrd"\n'
        f' zonelistfile: "{folder}/zones"\n database: ""\n xfrdir: "{folder}"\n rrl-ratelimit: 0\n server-count: 1\n'
        'remote-control:\n control-enable: no\nzone:\n name: "test"\n zonefile: test\n')
    process = subprocess.Popen(["/usr/sbin/nsd", "-d", "-c", str(folder / "nsd.conf")], stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
    import dns.message
    import dns.query

    def answers():
        assert process.poll() is None, process.stderr.read().decode()
        try:
            return dns.query.udp(dns.message.make_query("1.1.0.127.bl.test.", "A"), NAMESERVER, timeout=1).answer
        except Exception:
            return None
    try:
        wait_for(answers, 10, 0.1)
        yield
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture(scope="module")
def both(tmp_path_factory, nameserver):
    folder = tmp_path_factory.mktemp("postscreen")
    os.chmod(folder, 0o755)
    (folder / "footers").write_text("/^450/ come again\n")
    chain = str(Authority(folder / "ca").issue("mail", names=["mail.site.test"]).both)
    main = {"mynetworks": "192.0.2.1", "smtpd_peername_lookup": "no", "postscreen_greet_wait": "1s", "postscreen_greet_banner": "wait", "smtpd_banner": "$myhostname ready",
            "smtpd_tls_security_level": "may", "smtpd_tls_chain_files": chain, "smtpd_tls_loglevel": "1", "maximal_queue_lifetime": "1d", "smtpd_relay_restrictions": "reject_unauth_destination"}
    ports = {name: free_port() for name in CONFIGS}
    postfix = NamespacedPostfix(NAMESERVER, folder / "postfix", main)
    with open(f"{postfix.dir}/config/master.cf", "w") as f:
        f.write(MASTER.replace("@PORT@", str(postfix.port)) + lines_of("127.0.0.1", ports, folder) + "dnsblog unix - - n - 0 dnsblog\ntlsproxy unix - - n - 0 tlsproxy\n")
    mtad = Instance(folder / "mtad", {**main, "alias_maps": "", "mtad_dns_zone": "", "mtad_dns_servers": f"{NAMESERVER}@53", "inet_interfaces": "127.0.0.1",
                                      "smtpd_tls_protocols": ">=TLSv1.2"}, lines_of("127.0.4.1", ports, folder))
    with postfix, mtad:
        yield ports, postfix, mtad


def compare(both, sessions):
    ports, postfix, mtad = both
    # A client of its own for each session: what one did is not remembered of another.
    jobs = [(name, source or f"127.0.10.{i + 1}", steps) for i, (name, source, steps) in enumerate(sessions)]
    differ = []
    with concurrent.futures.ThreadPoolExecutor(60) as pool:
        want = pool.map(lambda j: talk(("127.0.0.1", ports[j[0]]), j), jobs)
        got = pool.map(lambda j: talk(("127.0.4.1", ports[j[0]]), j), jobs)
        want, got = list(want), list(got)
    for job, (wport, w), (gport, g) in zip(jobs, want, got):
        source = (job[1], wport), (job[1], gport)
        if job[2][1:2] and job[2][1].startswith("PROXY"):
            source = ("127.0.9.9", 4711), ("127.0.9.9", 4711)
        # The last line of a client that hangs up may be on its way yet.
        end = re.escape(f"[{source[1][0]}]:{source[1][1]}")
        wait_for(lambda: re.search(rf"(DISCONNECT|PASS \w+|\w+LISTED) {end}|haproxy read", mtad.log()), 5)
        wait_for(lambda: re.search(rf"(DISCONNECT|PASS \w+|\w+LISTED) \[{source[0][0]}\]:{source[0][1]}|haproxy read", postfix.log()), 5)
        logs = logged(postfix.log(), *source[0]), logged(mtad.log(), *source[1])
        if w != g or logs[0] != logs[1]:
            differ.append(f"{job}:\n" + "".join(f"    Postfix {x}\n    mtad    {y}\n" for x, y in ((w, g), logs) if x != y))
    assert not differ, f"{len(differ)} of {len(jobs)} sessions differ:\n" + "\n".join(differ)


def test_sessions(both):
    assert len(SESSIONS) >= 50
    compare(both, SESSIONS)


def test_too_many(both):
    """One more connection than a client may have: what it is told, now and at its first command."""
    ports, postfix, mtad = both
    told, logs = [], []
    for server, address in ((postfix, "127.0.0.1"), (mtad, "127.0.4.1")):
        clients = [Client((address, ports["few"]), "127.0.11.1") for _ in range(2)]
        second = clients[1]
        if second.read() and second.told[-1][-1][:3] == "220":
            second.step("EHLO x")
        end = rf"DISCONNECT \[127.0.11.1\]:{second.port}"
        server.wait_log(end)
        told.append(second.told)
        logs.append(logged(server.log(), "127.0.11.1", second.port))
        for c in clients:
            c.close()
    assert told[0] == told[1]
    assert logs[0] == logs[1]


def test_slow_handshake(both):
    """Postfix's tlsproxy minds main.cf alone."""
    ports, _, mtad = both
    client = Client(("127.0.4.1", ports["slow_tls"]), "127.0.11.2")
    assert client.read() and client.step("EHLO x") and client.step("STARTTLS") and not client.read() and client.told[-1] == ["EOF"]
    mtad.wait_log(rf"HANGUP after [\d.]+ from \[127.0.11.2\]:{client.port} in tests after SMTP handshake")
    client.close()


def test_again(both):
    """Who passed is known, and is let in at once; who failed is tested anew, and what was passed halfway holds."""
    again = [("greet", "127.0.12.1", MAIL), ("greet", "127.0.12.1", MAIL), ("deep", "127.0.12.2", MAIL), ("deep", "127.0.12.2", MAIL), ("greet_enforce", "127.0.12.3", ["early", "HELO x\r\n", "close"]),
             ("greet_enforce", "127.0.12.3", MAIL), ("deep_enforce", "127.0.12.4", ["EHLO x\r\nNOOP\r\n", *MAIL[1:]]), ("deep_enforce", "127.0.12.4", MAIL),
             ("deep", "127.0.12.5", ["EHLO x", "close"]), ("deep", "127.0.12.5", MAIL)]
    for turn in (again[::2], again[1::2]):
        compare(both, turn)
