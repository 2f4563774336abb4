"""Parameters of the SMTP and LMTP client: each is seen at a host of its own, and for both programs where both have it."""
import base64
import select
import socket
import time

from effects import Clients, Sink, end, lines, outcome, post, row, wait_for

with open("/etc/hosts") as hosts:     # a name that only that file knows
    OWN_NAME = [w for line in hosts for w in line.partition("#")[0].split()[1:] if w != "localhost"][0]
PART = ("MIME-Version: 1.0\nSubject: WORD\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: message/rfc822\n\nX-Inner: secret\n\nfind me\n"
        "--b\nX-Part: secret\n\ntext\n--b--\n")
CHECKS = {"subject": "/^Subject: / REPLACE Subject: changed\n", "hello": "/^hello/ REPLACE changed\n", "secret": "/^(X-.*): secret/ REPLACE $1: changed\n",
          "no-a": "/ IN A / IGNORE\n", "bad-srv": "/ IN SRV / WRONG\n", "bad-mx": "/ IN MX / WRONG\n"}
TEXT = "Subject: WORD\n\nhello\n"
EIGHT = "MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\nSubject: WORD\n\nGr\u00fc\u00dfe\n"


def late(moment, seconds=1.7, reply=None):
    """The host takes that long at this moment."""
    def script(_side):
        return {moment: lambda s, a: time.sleep(seconds) or reply}
    return script


def says(moment, reply):
    return lambda side: {moment: lambda s, a: reply}


def two(pause=0.0, first="sent", count=2):
    """Some messages one after the other; how many connections there were."""
    def see(side):
        for i in range(count):
            post(side, TEXT, local=f"r{i}")
            side.log(rf"to=<r{i}@WORD\.test>, .*status={first if i == 0 else 'sent'}")
            time.sleep(pause if i + 1 < count else 0)
        return f"{len(side.peers)} connections"
    return see


def got(text=TEXT):
    def see(side):
        lines(text)(side)
        return side.host.messages[0][2].decode()
    return see


def peer(side):
    post(side)
    side.log(r"to=<r@WORD\.test>, .*status=sent")
    return side.peers[0]


def tried(side):
    """The addresses that were tried, in order."""
    post(side)
    side.log(r"to=<r@WORD\.test>, .*status=deferred")
    lines_ = [line for line in side.world.mta.log().splitlines() if f"]: connect to {side.word}.many.test[" in line]
    return " ".join(line.partition(".test[")[2].partition("]")[0] for line in lines_) or "none"


def order(side):
    """A resolver may begin anywhere, but goes round."""
    n = [int(a.rpartition(".")[2]) for a in tried(side).split()]
    return "in order" if all(b == a % 9 + 1 for a, b in zip(n, n[1:])) and len(n) == 9 else "shuffled"


def families(side):
    post(side)
    side.log(r"to=<r@WORD\.test>, .*status=deferred")
    log = side.world.mta.log()
    return f"{'four' if f']: connect to {side.word}.both.test[127' in log else ''}{'six' if f']: connect to {side.word}.both.test[2001' in log else ''}"


def greeted(side):
    """How many of three hosts were talked to that have no time."""
    seen = []
    hosts = [Sink(a, side.world.sink.port, {"connect": lambda s, a: seen.append(1) or b"421 4.3.2 later"}) for a in side.spare]
    post(side)
    side.log(r"to=<r@WORD\.test>, .*status=deferred")
    for h in hosts:
        h.close()
    return f"{len(seen)} hosts"


def blackhole(side):
    """A host whose queue of connections is full: another one waits."""
    with socket.socket() as s:
        s.bind((side.address, side.world.sink.port))
        s.listen(0)
        held = []
        for _ in range(3):
            c = socket.socket()
            c.setblocking(False)
            c.connect_ex(s.getsockname())
            held.append(c)
        time.sleep(0.2)
        post(side)
        try:
            return side.log(r"to=<r@WORD\.test>, .*status=deferred", 2.5)
        except AssertionError:
            return "it waits"
        finally:
            for c in held:
                c.close()


def after_quit(seconds):
    """Whether the client stays for an answer to QUIT."""
    def see(side):
        result = []

        def quit_(session, _argument):
            ready, _, _ = select.select([session.connection], [], [], seconds)
            result.append("it left" if ready else "it waited")
        side.quit = quit_
        post(side)
        wait_for(lambda: result, 8)
        return result[0]
    return see


def refused_then_late(_side):
    return {"RCPT": lambda s, a: b"550 5.1.1 nobody" if a.startswith(b"TO:<r0@") else None, "RSET": lambda s, a: time.sleep(1.7)}


def quit_script(side):
    return {"QUIT": lambda s, a: side.quit(s, a)}


def stuck(side):
    """The host takes no bytes of the content for a while."""
    post(side, "Subject: WORD\n\n" + ("x" * 70 + "\n") * 120000)
    return side.log(r"to=<r@WORD\.test>, .*status=", 10)


def stuck_script(side):
    return {
        "connect": lambda s, a: s.connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 262144),
        "DATA": lambda s, a: (s.wfile.write(b"354 go ahead\r\n"), s.wfile.flush(), time.sleep(2.5), side.host.content(s)) and b""}


def other_script(verb, reply, seconds=0):
    """What the host says to a command that Sink does not know."""
    def script(side):
        side.others = []

        def other(_session, line):
            if not line.upper().startswith(verb):
                return None
            side.others.append(line.decode())
            time.sleep(seconds)
            return reply
        return {"OTHER": other}
    return script


def plain(side):
    """Name and password as the host got them."""
    post(side)
    side.log(r"to=<r@WORD\.test>, .*status=sent")
    return base64.b64decode(side.others[0].split()[2]).decode().replace("\0", "/")


def logins(side):
    """How often a password that is wrong is tried for two messages."""
    for i, pause in enumerate((1.6, 0)):
        post(side, local=f"r{i}")
        side.log(rf"to=<r{i}@WORD\.test>, .*status=")
        time.sleep(pause)
    return f"{len(side.others)} logins"


def dripping(side):
    """The host takes the content in small parts, always some before the time is over."""
    post(side, "Subject: WORD\n\n" + ("x" * 70 + "\n") * 120000)
    return side.log(r"to=<r@WORD\.test>, .*status=", 15)


def dripping_script(side):
    def data(s, _argument):
        s.wfile.write(b"354 go ahead\r\n")
        s.wfile.flush()
        for _ in range(5):
            time.sleep(0.6)
            s.rfile.read(500000)
        side.host.content(s)
        return b""
    return {"connect": lambda s, a: s.connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 262144), "DATA": data}


def masked(side):
    """What the host was greeted with, and what was said of its own greeting."""
    post(side)
    side.log(r"to=<r@WORD\.test>, .*status=sent")
    told = [line.partition("workarounds: ")[2] for line in side.world.mta.log().splitlines() if "enabling PIX workarounds" in line and f"for {side.address}[" in line]
    return f"{side.host.dialogue[0][:4].decode()} {told or 'silent'}"


def ends(side):
    begun = time.monotonic()
    post(side)
    side.log(r"to=<r@WORD\.test>, .*status=sent")
    return "slow" if time.monotonic() - begun > 3.9 else "fast"


PIX = {"_script": says("connect", b"220 *****************************"), "PREFIX_pix_workaround_threshold_time": "0s", "PREFIX_pix_workaround_delay_time": "1s"}
LOGIN = {"_extensions": ("PIPELINING", "AUTH PLAIN"), "PREFIX_sasl_auth_enable": "yes", "PREFIX_sasl_security_options": "noanonymous", "PREFIX_sasl_password_maps": "static:me:se|cret"}
SENT, DEFERRED, BOUNCED = "status=sent", "status=deferred", "status=bounced"
MANY = {"_hop": "[WORD.many.test]", "_zone": [f"WORD.many.test. A 127.66.0.{i}" for i in range(1, 10)], "_silent": True}
HOSTS = {"_hop": "[WORD.hosts.test]", "_silent": True}
MX = {"_hop": "WORD.mx.test", "_zone": ["WORD.mx.test. MX 10 WORD.host.test.", "WORD.host.test. A ADDR", "WORD.mx.test. A 127.66.0.1"]}
SRV = {"_hop": "WORD.srv.test:submission", "_zone": ["_submission._tcp.WORD.srv.test. SRV 10 0 PORT WORD.host.test.", "WORD.host.test. A ADDR", "WORD.srv.test. A 127.66.0.1"]}
NO_SRV = {"_hop": "WORD.nosrv.test:submission", "_zone": ["WORD.nosrv.test. A 127.66.0.1"], "_silent": True}
NO_ADDRESS = {"_hop": "WORD.mx.test", "_zone": ["WORD.mx.test. MX 10 WORD.none.test."], "_silent": True}
SIX = {"inet_protocols": "all", "_hop": "[WORD.six.test]", "_zone": ["WORD.six.test. A ADDR", "WORD.six.test. AAAA 2001:db8::1", "WORD.six.test. AAAA 2001:db8::2"]}
VIA = r"connect to WORD\.six\.test\[2001"


def six(side):
    post(side)
    try:
        side.log(r"to=<r@WORD\.test>, .*status=", 8)
    except AssertionError:
        pass
    return f"{'six first' if f'connect to {side.word}.six.test[2001' in side.world.mta.log() else 'four'}, {side.log(r'to=<r@WORD.test>, .*status=').partition('status=')[2][:8]}"


def bound6(side):
    """No other address than ::1 is there to be bound to; one that is not is said."""
    post(side)
    side.log(r"to=<r@WORD\.test>, .*status=deferred")
    return side.log(f"{side.row.also['_program']}.*warning: bind {getattr(side.row, side.side)}")


# What both programs have; the name without its prefix.
BOTH = [
    row("helo_name", None, "hello.name.test", lines(), "^(EHLO|LHLO) mail.site.test", "^(EHLO|LHLO) hello.name.test"),
    row("discard_ehlo_keywords", None, "size", lines(), "MAIL FROM:<s@src.test> SIZE=", "MAIL FROM:<s@src.test>(?! SIZE)"),
    row("bind_address", None, "127.61.9.9", peer, r"^127\.(0|60)", r"^127\.61\.9\.9"),
    row("bind_address6", "2001:db8:9::a", "2001:db8:9::b", bound6, "2001:db8:9::a", "2001:db8:9::b", inet_protocols="all", _hop="[IPv6:::1]", _silent=True),
    row("address_preference", "ipv4", "ipv6", six, "four, sent", "six first", **SIX),
    row("balance_inet_protocols", None, "no", families, "^foursix$", "^(four|six)$", PREFIX_mx_address_limit="2", PREFIX_randomize_addresses="no", inet_protocols="all",
        _hop="[WORD.both.test]", _silent=True, _zone=[f"WORD.both.test. A 127.66.0.{i}" for i in (1, 2, 3)] + [f"WORD.both.test. AAAA 2001:db8::{i}" for i in (1, 2, 3)]),
    row("connect_timeout", "30s", "1s", blackhole, "it waits", "timed out", _silent=True),
    row("connection_cache_on_demand", None, "no", two(), "^1 connections", "^2 connections"),
    row("connection_cache_destinations", None, "WORD.test, [ADDR]", two(), "^2 connections", "^1 connections", PREFIX_connection_cache_on_demand="no"),
    row("connection_cache_time_limit", "10s", "1s", two(1.5), "^1 connections", "^2 connections"),
    row("connection_reuse_count_limit", None, "1", two(), "^1 connections", "^2 connections"),
    row("connection_reuse_time_limit", None, "1s", two(0.7, count=4), "^1 connections", "^2 connections", PREFIX_connection_cache_time_limit="10s"),
    row("helo_timeout", None, "1s", outcome(), SENT, "timed out while performing the (EHLO|LHLO) handshake", _script=late("EHLO")),
    row("mail_timeout", None, "1s", outcome(), SENT, "timed out while sending MAIL FROM", _script=late("MAIL")),
    row("rcpt_timeout", None, "1s", outcome(), SENT, "timed out while sending RCPT TO", _script=late("RCPT")),
    row("data_init_timeout", None, "1s", outcome(), SENT, "timed out while sending DATA command", _script=late("DATA")),
    row("data_done_timeout", None, "1s", outcome(), SENT, "timed out while sending end of data", _script=late("END")),
    row("data_xfer_timeout", None, "1s", stuck, SENT, "timed out while sending message body", _script=stuck_script),
    row("rset_timeout", None, "1s", two(0, "bounced"), "^1 connections", "^2 connections", _script=refused_then_late, PREFIX_connection_cache_time_limit="10s"),
    row("quit_timeout", None, "1s", after_quit(2), "it waited", "it left", _script=quit_script, PREFIX_skip_quit_response="no", PREFIX_connection_cache_on_demand="no"),
    row("skip_quit_response", "yes", "no", after_quit(1), "it left", "it waited", _script=quit_script, PREFIX_connection_cache_on_demand="no"),
    row("skip_5xx_greeting", None, "no", outcome(), DEFERRED, BOUNCED, _script=says("connect", b"554 5.3.2 go away")),
    row("quote_rfc821_envelope", None, "no", lines(local='"a b"'), 'RCPT TO:<"a b"@', "RCPT TO:<a b@"),
    row("line_length_limit", None, "0", lambda s: (lines("Subject: WORD\n\n" + "x" * 1500 + "\n")(s), str(max(len(x) for x in s.host.messages[0][2].splitlines())))[1], "^99.$|^100.$", "^1500$"),
    row("mx_address_limit", None, "1", lambda s: str(len(tried(s).split())), "^5$", "^1$", **MANY),
    row("mx_session_limit", None, "1", greeted, "^2 hosts", "^1 hosts", **HOSTS),
    row("randomize_addresses", None, "no", order, "shuffled", "in order", PREFIX_mx_address_limit="0", **MANY),
    row("host_lookup", None, "native", outcome(), "not found", "Connection refused", _hop=f"[{OWN_NAME}]", _silent=True, inet_protocols="all"),
    row("fallback_relay", None, "[127.60.255.1]:PORT", outcome(), "Connection refused", r"relay=127\.60\.255\.1.*status=sent", _silent=True),
    row("generic_maps", None, "inline:{s@src.test=gen@out.test}", lines(), "MAIL FROM:<s@src.test>", "MAIL FROM:<gen@out.test>"),
    row("header_checks", None, "pcre:FOLDER/subject", got(), "Subject: w", "Subject: changed"),
    row("body_checks", None, "pcre:FOLDER/hello", got(), r"\r\nhello", r"\r\nchanged"),
    row("mime_header_checks", None, "pcre:FOLDER/secret", got(PART), "X-Part: secret", "X-Part: changed"),
    row("nested_header_checks", None, "pcre:FOLDER/secret", got(PART), "X-Inner: secret", "X-Inner: changed"),
    row("dns_reply_filter", None, "pcre:FOLDER/no-a", outcome(), SENT, r"dsn=4\.7\.0.*name=w.*\.host\.test type=A: DNS reply filter drops all results", _hop="[WORD.host.test]", _zone=["WORD.host.test. A ADDR"]),
    row("cname_overrides_servername", None, "yes", outcome(), r"relay=\w+\.alias\.test\[", r"relay=\w+\.host\.test\[", _hop="[WORD.alias.test]", _zone=["WORD.alias.test. CNAME WORD.host.test.", "WORD.host.test. A ADDR"]),
    row("sasl_password_result_delimiter", None, "|", plain, "^/me/se.cret$", "^/me:se/cret$", _script=other_script(b"AUTH", b"235 2.7.0 ok"), **LOGIN),
    row("sasl_auth_cache_time", None, "1s", logins, "^1 logins", "^2 logins", _script=other_script(b"AUTH", b"535 5.7.8 wrong"), PREFIX_sasl_auth_cache_name="any:name", **LOGIN),
    row("xforward_timeout", None, "1s", outcome(), SENT, "timed out while sending XFORWARD", _script=other_script(b"XFORWARD", b"250 2.0.0 Ok", 1.7), PREFIX_send_xforward_command="yes",
        _extensions=("XFORWARD NAME ADDR PROTO HELO SOURCE PORT IDENT",)),
    row("per_record_deadline", None, "yes", dripping, SENT, "timed out while sending message body", _script=dripping_script, PREFIX_data_xfer_timeout="2s", PREFIX_min_data_rate="100000000"),
    row("pix_workarounds", None, "", masked, "^(HELO|LHLO) ..disable_esmtp delay_dotcrlf for ", "^(EHLO|LHLO) silent", **PIX),
    row("pix_workaround_maps", None, "inline:{ADDR=delay_dotcrlf}", masked, "^(HELO|LHLO) ..disable_esmtp delay_dotcrlf for ", "^(EHLO|LHLO) ..delay_dotcrlf for", **PIX),
    row("pix_workaround_threshold_time", None, "0s", masked, "^(EHLO|LHLO) silent", "^(HELO|LHLO) ..disable_esmtp", **{**PIX, "PREFIX_pix_workaround_threshold_time": None}),
    row("pix_workaround_delay_time", "1s", "4s", ends, "fast", "slow", **{**PIX, "PREFIX_pix_workaround_delay_time": None}),
    row("tcp_port", "3", "2", outcome(), r"\]:3:", r"\]:2:", _silent=True, _port=False),
]
LMTP_NAMES = {"helo_name": "lhlo_name", "helo_timeout": "lhlo_timeout", "discard_ehlo_keywords": "discard_lhlo_keywords"}


def named(prefix, r):
    name = LMTP_NAMES.get(r.name, r.name) if prefix == "lmtp_" else r.name
    also = {"_program": "smtp", **r.also}
    also = {k.replace("PREFIX_", prefix): v for k, v in also.items()}
    if prefix == "lmtp_":
        also["_program"] = "lmtp"
    return r._replace(name=prefix + name, also=also)


SMTP = [
    row("smtp_always_send_ehlo", None, "no", lines(), "^EHLO", "^HELO", _script=says("connect", b"220 sink.test plain old")),
    row("smtp_never_send_ehlo", None, "yes", lines(), "^EHLO", "^HELO"),
    row("smtp_dns_support_level", None, "disabled", outcome(), r"relay=w\d+x\d+.\.host\.test", r"127\.66\.0\.1", **MX),
    row("disable_dns_lookups", None, "yes", outcome(), r"relay=w\d+x\d+.\.host\.test", r"127\.66\.0\.1", **MX),
    row("lmtp_dns_support_level", None, "disabled", outcome(), "not found", "Connection refused", _hop=f"[{OWN_NAME}]", _silent=True, inet_protocols="all", _program="lmtp"),
    row("smtp_defer_if_no_mx_address_found", None, "yes", outcome(), BOUNCED, DEFERRED, **NO_ADDRESS),
    row("ignore_mx_lookup_error", None, "yes", outcome(), r"dsn=4\.4\.3.*type=MX: Host not found, try again", r"127\.66\.0\.1\]:\d+: Connection refused", smtp_dns_reply_filter="pcre:FOLDER/bad-mx", **MX),
    row("use_srv_lookup", None, "smtp submission", outcome(), r"127\.66\.0\.1\]:587: Connection refused", r"relay=w\w+\.host\.test.*status=sent", **SRV),
    row("ignore_srv_lookup_error", None, "yes", outcome(), r"dsn=4\.4\.3.*type=SRV: Host not found, try again", "587: Connection refused", use_srv_lookup="submission", smtp_dns_reply_filter="pcre:FOLDER/bad-srv", **SRV),
    row("allow_srv_lookup_fallback", None, "yes", outcome(), r"dsn=5\.4\.4.*name=_submission\._tcp\.w\w+\.nosrv\.test type=SRV: Host not found", "587: Connection refused", use_srv_lookup="submission", **NO_SRV),
    row("known_tcp_ports", None, "smtp=25, there=odd=PORT", outcome(), "bad destination", SENT, _hop="[ADDR]:odd"),
    row("enable_idna2003_compatibility", None, "yes", outcome(), r"relay=xn--[\w-]+\.sharp\.test", r"relay=strassew\w+\.sharp\.test", _hop="[stra\u00dfeWORD.sharp.test]",
        _zone=[f"{n}.sharp.test. A ADDR" for n in ("*", "strasseWORD")]),
    row("disable_mime_output_conversion", None, "yes", lambda s: (lines(EIGHT, eight=" BODY=8BITMIME")(s), s.host.messages[0][2].decode())[1], "=C3=BC", "\u00fc",
        _extensions=("PIPELINING",)),
]
ROWS = [named(p, r) for r in BOTH for p in ("smtp_", "lmtp_")] + SMTP


def world(folder):
    for name, text in CHECKS.items():
        (folder / name).write_text(text)
    return Clients(folder, ROWS, {"mtad_send_workers": "1"})
