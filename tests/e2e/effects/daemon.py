"""
Parameters of the whole daemon: of the queue, of notices, of roles. A group is two daemons: one with all values a, one with all values b; so what is in a group
must not stand in each other's way.
"""
import glob
import os
import smtplib
import time

from mtadtest import ZONE

from effects import Groups, Sink, end, logged, row, send, wait_for

BODY = "Subject: WORD\n\nhello\n"


def deliveries(domain, count=5):
    """In how many deliveries one message for that many recipients leaves."""
    def see(side):
        send(side, BODY, to=[f"r{i}WORD@{domain}" for i in range(count)])

        def all_there():
            some = [m for m in side.world.sink.messages if side.word.encode() in m[2]]
            return some if sum(len(m[1]) for m in some) == count else None
        return f"{len(wait_for(all_there, 15))} deliveries"
    return see


def lmtp_deliveries(side):
    with Sink(f"127.{side.world.net}.203.1", side.world.sink.port, lmtp=True) as sink:
        send(side, BODY, to=[f"r{i}@lmrcpt.test" for i in range(5)])
        wait_for(lambda: len(sink.messages) == 5, 15)
        return f"{sink.dialogue.count(b'DATA')} deliveries"


def commands(pause, **how):
    """When the commands of local deliveries began: whether two of them did so before one could have ended."""
    def see(side):
        for _ in range(how.get("messages", 1)):
            send(side, BODY, to=how["to"])

        def all_there():
            times = []
            for name in glob.glob(f"{side.world.mta.dir}/mail/*.times"):
                with open(name) as f:
                    times += [float(line) for line in f]
            times.sort()
            return times if len(times) == 2 else None
        begun = wait_for(all_there, 15)
        return "together" if begun[1] - begun[0] < pause else "one by one"
    return see


def stopping(side):
    """A delivery that takes two seconds when the daemon is told to stop."""
    with Sink(f"127.{side.world.net}.202.1", side.world.sink.port, {"MAIL": lambda s, a: time.sleep(2)}):
        send(side, BODY, to=("r@slow.test",))
        time.sleep(0.5)
        side.world.mta.stop()
    return "sent" if "status=sent" in side.world.mta.log() else "cut off"


def crowded(side):
    """How long a message waits for its reply when an older one has waited long for a place in the active queue."""
    with Sink(f"127.{side.world.net}.202.1", side.world.sink.port, {"MAIL": lambda s, a: time.sleep(12)}):
        for _ in range(3):
            send(side, BODY, to=("r@slow.test",))
        time.sleep(6.5)
        begun = time.monotonic()
        send(side, BODY, to=("r@slow.test",))
        return "slow" if time.monotonic() - begun > 1.5 else "fast"


def memory(side):
    """How many of three messages under way are in files, as there is no memory for them."""
    held = []
    for i in range(3):
        t = side.connect()
        t.all("EHLO client.test", "MAIL FROM:<s@src.test>", "RCPT TO:<r@later.test>", "DATA")
        t.socket.sendall(b"Subject: x\r\n\r\n" + (b"x" * 70 + b"\r\n") * 12500)
        time.sleep(0.3)
        held.append(t)
    said = spills(side, 500000)
    for t in held:
        t.close()
    return said


def at_once(transport, count=4):
    """How many connections at most there were at a time to a host of this transport's."""
    def see(side):
        now, most = set(), [0]

        def begun(s, _content):
            now.add(s)
            most[0] = max(most[0], len(now))
            time.sleep(0.6)
            now.discard(s)
        address = f"127.{side.world.net}.200.{TRANSPORTS.index(transport) + 1}"
        with Sink(address, side.world.sink.port, {"END": begun}, lmtp=transport == "lmtp") as sink:
            for _ in range(count):
                send(side, BODY, to=(f"r@{transport}.test",))
            wait_for(lambda: len(sink.messages) == count, 20)
        return f"most {most[0]}"
    return see


def attempts(seconds):
    """How often a host that says "later" is asked within that time; each group with this has a host of its own."""
    def see(side):
        asked = []
        with Sink(f"127.{side.world.net}.201.1", side.world.sink.port, {"RCPT": lambda s, a: asked.append(1) or b"450 4.2.0 later"}):
            send(side, BODY, to=("r@later.test",))
            time.sleep(seconds)
        return f"{len(asked)} times"
    return see


def rewritten(side):
    send(side, "Subject: WORD\nTo: someone\n\nx\n", to=("x@sink.test",))
    return wait_for(lambda: [m[2].decode().replace("\r", "") for m in side.world.sink.messages if side.word.encode() in m[2]])[0]


def pace(side):
    for i in range(2):
        send(side, BODY, to=(f"r{i}WORD@rat.test",))
    side.log("to=<r0WORD@rat.test>.*status=sent")
    begun = time.monotonic()
    side.log("to=<r1WORD@rat.test>.*status=sent")
    return "slow" if time.monotonic() - begun > 0.5 else "fast"


def paces(side):
    """Two messages by one transport to two destinations."""
    for i in (1, 2):
        send(side, BODY, to=(f"r{i}WORD@pac{i}.test",))
    side.log("to=<r1WORD@pac1.test>.*status=sent")
    begun = time.monotonic()
    side.log("to=<r2WORD@pac2.test>.*status=sent")
    return "slow" if abs(time.monotonic() - begun) > 0.5 else "fast"


def put_off(side):
    send(side, BODY, to=("rWORD@dfr.test",))
    first = side.log("to=<rWORD@dfr.test>.*status=.*")
    if "status=sent" in first:
        return first
    side.world.mta.ctl("flush")
    return first.partition("dsn=")[2] + side.log("to=<rWORD@dfr.test>.*status=(sent)")


def bounced(sender="WORD@src.test", text=BODY, to="x@bounce.test"):
    """The notice that its sender gets."""
    def see(side):
        send(side, text, sender=sender.replace("WORD", side.word), to=(to,))
        return wait_for(lambda: [m[2].decode() for m in side.world.sink.messages if any(side.word.encode() in r for r in m[1])], 15)[0]
    return see


def copy_to(pattern, **how):
    """The line of the log about the copy that a postmaster gets; "none" where there is none."""
    def see(side):
        send(side, BODY, to=("x@bounce.test",), **how)
        try:
            return side.log(pattern, 3)
        except AssertionError:
            return "none"
    return see


def processes(role):
    return lambda side: f"{len(side.world.mta.pids()[role])} of them"


def owner(role):
    def see(side):
        with open(f"/proc/{side.world.mta.pids()[role][0]}/status") as f:
            return [line for line in f if line.startswith("Uid:")][0].split()[1]
    return see


def files(pattern, what):
    """Something is made of the files that this matches, below the side's folder."""
    return lambda side: str(what(sorted(glob.glob(f"{side.world.mta.dir}/{pattern}"))))


def settled(pattern):
    """How many of these there are when no more are made."""
    def see(side):
        count = -1
        while count != (count := len(glob.glob(f"{side.world.mta.dir}/{pattern}"))):
            time.sleep(1)
        return str(count)
    return see


def spills(side, size):
    return f"{sum(1 for f in glob.glob(f'{side.world.mta.dir}/queue/spool/spill/*') if os.path.getsize(f) > size)} files"


def spilled(side):
    """A message of 300 kB: whether it lies in a file of its own."""
    send(side, "Subject: WORD\n\n" + ("x" * 70 + "\n") * 4500, to=("r@later.test",))
    return spills(side, 200000)


def second_session(side):
    with side.connect(), side.connect() as t:
        return t.greeting


def refused_second(side):
    with smtplib.SMTP("127.0.0.1", side.world.mta.port, timeout=20):
        try:
            with smtplib.SMTP("127.0.0.1", side.world.mta.port, timeout=1):
                return "two"
        except OSError:
            return "one"


def tried_again(side):
    """Messages one after the other for a host that nobody answers at: how many were tried."""
    for i in range(7):
        send(side, BODY, to=(f"r{i}WORD@nobody.test",))
        side.log(f"to=<r{i}WORD@nobody.test>.*status=deferred")
    return f"{sum(1 for line in side.world.mta.log().splitlines() if ']: connect to 127.66.9.9' in line)} tries"


def active(side):
    """How many of three messages for a slow host are in the active queue."""
    with Sink(f"127.{side.world.net}.202.1", side.world.sink.port, {"MAIL": lambda s, a: time.sleep(2)}):
        for _ in range(3):
            send(side, BODY, to=("r@slow.test", "s@slow.test"))
        time.sleep(0.6)
        rows = [r for r in side.world.mta.queue() if r["queue_name"] == "active"]
    return f"{len(rows)} active"


def trash(side):
    send(side, BODY, to=("r@later.test",))
    side.world.mta.ctl("hold", "all")
    mta = side.world.mta
    qid = wait_for(lambda: [r for r in mta.queue() if r["queue_name"] != "trash"])[0]["queue_id"]
    mta.ctl("delete", qid)
    time.sleep(1.6)
    return mta.ctl("undelete", qid).stdout + mta.ctl("queue", "ls").stdout


def rate_again(side):
    """Two connections, one unit of time of side b apart."""
    for pause in (1.3, 0):
        with side.connect(client="127.57.0.9") as t:
            last = t.greeting
        time.sleep(pause)
    return last


TRANSPORTS = ["other", "relay", "lmtp", "smtp", "ini", "pos", "virtual", "rat", "dfr"]
FAST = {**{f"{t}_destination_rate_delay": "0" for t in TRANSPORTS if t != "rat"}, **{f"{t}_transport_rate_delay": "0" for t in TRANSPORTS}}
LIMITS = {"relay_domains": "relay.test", "transport_maps": "texthash:FOLDER/transport", "smtpd_client_connection_count_limit": "0", **FAST,
          "ini_destination_concurrency_limit": "20", "pos_destination_concurrency_limit": "20", "pos_initial_destination_concurrency": "1"}
BOUNCES = {"smtpd_reject_unlisted_recipient": "no", "transport_maps": "inline:{{bounce.test=error:5.1.1 no such place}, {site.test=discard:kept}}", "local_recipient_maps": "", "smtpd_client_connection_count_limit": "0"}
QUIET = {"notify_classes": "bounce, 2bounce", **BOUNCES}
LATER = {"transport_maps": "inline:{later.test=smtp:[LATER]}", "minimal_backoff_time": "1s"}
COMMAND = {"mailbox_command": "/bin/sh -c 'date +%s.%N >> FOLDER/mail/$(id -un).times; sleep 0.5'", "local_recipient_maps": "", "smtpd_client_connection_count_limit": "0"}
OPEN = {"smtpd_client_connection_count_limit": "0"}

GROUPS = [
    [row("default_destination_recipient_limit", None, "3", deliveries("rcpt-other.test"), "^1 ", "^2 ", **LIMITS),
     row("relay_destination_recipient_limit", None, "2", deliveries("rcpt-relay.test"), "^1 ", "^3 "),
     row("smtp_destination_recipient_limit", None, "1", deliveries("rcpt-smtp.test"), "^1 ", "^5 "),
     row("delay_logging_resolution_limit", "6", "0", logged("to=<rWORD@dest.test>.*", end(to=("rWORD@dest.test",))), r"delays=\S*0\.\d\d", r"delays=\d/\d/\d/\d,"),
     row("lmtp_destination_recipient_limit", None, "2", lmtp_deliveries, "^1 ", "^3 "),
     row("virtual_destination_recipient_limit", None, "2", deliveries("rcpt-virtual.test"), "^1 ", "^3 "),
     row("virtual_destination_concurrency_limit", None, "1", at_once("virtual"), "^most [234]", "^most 1"),
     row("default_destination_concurrency_limit", None, "1", at_once("other"), "^most [34]", "^most 1"),
     row("relay_destination_concurrency_limit", None, "1", at_once("relay"), "^most [34]", "^most 1"),
     row("lmtp_destination_concurrency_limit", None, "1", at_once("lmtp"), "^most [234]", "^most 1"),
     row("smtp_destination_concurrency_limit", None, "1", at_once("smtp"), "^most [34]", "^most 1"),
     row("initial_destination_concurrency", None, "1", at_once("ini"), "^most [34]", "^most [12]"),
     row("default_destination_concurrency_positive_feedback", None, "0.01", at_once("pos", 8), "^most [2-8]", "^most 1"),
     row("default_transport_rate_delay", None, "1s", paces, "fast", "slow"),
     row("defer_transports", None, "retired, dfr", put_off, "^to=<.*status=sent", r"^4\.3\.2, status=deferred \(deferred transport\).*status=sent"),
     row("default_destination_rate_delay", None, "1s", pace, "fast", "slow")],
    [row("propagate_unmatched_extensions", None, "", logged("to=<new[^>]*>, .*status=.*", end(to=("list+x@dest.test",))), r"to=<new\+x@", "to=<new@",
         recipient_delimiter="+", virtual_alias_maps="inline:{list@dest.test=new@new.test}", transport_maps="inline:{new.test=discard:x}", **OPEN),
     row("remote_header_rewrite_domain", None, "far.test", rewritten, "To: someone\n", "To: someone@far.test\n", local_header_rewrite_clients="")],
    [row("maximal_backoff_time", None, "1s", attempts(6.6), "^[34] times", "^[567] times", **LATER)],
    [row("minimal_backoff_time", None, "1s", attempts(2.5), "^1 times", "^[23] times", transport_maps=LATER["transport_maps"])],
    [row("bounce_size_limit", None, "100", bounced(text=BODY + "needle\n" + ("x" * 70 + "\n") * 20), "needle", "(?s)^(?!.*needle)", **BOUNCES),
     row("notify_classes", None, "bounce, 2bounce", copy_to("to=<postmaster@site.test>.*", sender="WORD@src.test"), "^none$", "status=sent")],
    [row("bounce_notice_recipient", None, "watch@watch.test", copy_to("to=<(postmaster@site|watch@watch).test>.*", sender="WORD@src.test"), "postmaster@site", "watch@watch", **QUIET),
     row("double_bounce_sender", None, "dbl", copy_to("from=<(double-bounce|dbl)@mail.site.test>.*", sender="WORD@src.test"), "double-bounce", "dbl", notify_classes="bounce")],
    [row("2bounce_notice_recipient", None, "watch@watch.test", copy_to("to=<(postmaster@site|watch@watch).test>.*", sender="WORD@bounce.test"), "postmaster@site", "watch@watch",
         notify_classes="2bounce", **BOUNCES)],
    [row("internal_mail_filter_classes", None, "bounce", logged("info: header Subject: Undelivered.*|to=<WORD@src.test>.*", end(sender="WORD@src.test", to=("x@bounce.test",))),
         "^to=<", "^info", header_checks="pcre:FOLDER/info", **BOUNCES)],
    [row("mtad_receive_workers", "1", "3", processes("receive"), "^1 ", "^3 "), row("mtad_send_workers", "1", "3", processes("send"), "^1 ", "^3 "),
     row("mail_owner", "daemon", "games", owner("receive"), "^1$", "^5$"), row("mtad_queue_owner", "bin", "man", owner("queue"), "^2$", "^6$"),
     row("mtad_segment_size", "8388608", "1048576", files("queue/spool/segments/*", lambda f: os.path.getsize(f[0])), "^8388608$", "^1048576$"),
     row("mtad_segment_reserve", "2", "9", settled("queue/spool/segments/*"), "^[3-8]$", "^(9|1.)$"),
     row("multi_instance_name", None, "second", logged(r"\S+\[\d+\]: connect from \S+\[CLIENT\].*", lambda s: s.connect().close()), "^mtad/smtpd", "^second/smtpd"),
     row("mtad_spill_size", None, "100000", spilled, "^0 files", "^1 files", transport_maps="inline:{later.test=smtp:[LATER]}", **OPEN)],
    [row("default_process_limit", None, "1", refused_second, "two", "one", mtad_park_idle_sessions="no")],
    [row("mtad_park_idle_sessions", "no", "yes", refused_second, "one", "two", default_process_limit="1")],
    [row("default_destination_concurrency_failed_cohort_limit", None, "100", tried_again, "^1 tries", "^7 tries", initial_destination_concurrency="1", transport_maps="inline:{nobody.test=smtp:[127.66.9.9]}", **OPEN)],
    [row("default_destination_concurrency_negative_feedback", None, "0.01", tried_again, "^4 tries", "^5 tries", transport_maps="inline:{nobody.test=smtp:[127.66.9.9]}", **OPEN)],
    [row("qmgr_message_active_limit", None, "1", active, "^3 active", "^1 active", transport_maps="inline:{slow.test=smtp:[SLOW]}", **OPEN)],
    [row("qmgr_message_recipient_limit", None, "2", active, "^3 active", "^1 active", transport_maps="inline:{slow.test=smtp:[SLOW]}", **OPEN)],
    [row("mtad_trash_time", None, "1s", trash, "undeleted", r"^\s*$", transport_maps="inline:{later.test=smtp:[LATER]}")],
    [row("local_destination_concurrency_limit", None, "1", commands(0.3, messages=2, to=("games@site.test",)), "together", "one by one", **COMMAND)],
    [row("local_destination_recipient_limit", None, "5", commands(0.3, to=("games@site.test", "man@site.test")), "together", "one by one", **COMMAND)],
    [row("delay_notice_recipient", None, "watch@watch.test", logged("to=<(postmaster@site|watch@watch).test>.*", end(to=("r@later.test",))), "postmaster@site", "watch@watch",
         notify_classes="delay", delay_warning_time="1s", **LATER)],
    [row("mtad_stop_time", None, "0s", stopping, "sent", "cut off", transport_maps="inline:{slow.test=smtp:[SLOW]}")],
    [row("maillog_file", "FOLDER/log", "FOLDER/other", lambda s: " ".join(n for n in os.listdir(s.world.mta.dir) if n in ("log", "other")), "^log$", "^other$"),
     row("queue_directory", "FOLDER/queue", "FOLDER/q2", lambda s: " ".join(n for n in os.listdir(s.world.mta.dir) if n in ("queue", "q2")), "^queue$", "^q2$")],
    [row("mtad_dns_zone", "FOLDER/zone", "FOLDER/zone2", logged("to=<r@only2.test>.*", end(to=("r@only2.test",))), "not found", "Connection refused",
         transport_maps="inline:{only2.test=smtp:}")],
    [row("inet_protocols", "ipv4", "all", logged("to=<r@six.test>.*", end(to=("r@six.test",))), r"relay=none.*(not found|no .*address|unable)", "::1.*Connection refused",
         transport_maps="inline:{six.test=smtp:[six.test]}", mtad_dns_zone="FOLDER/zone2")],
    [row("mtad_memory_limit", None, "1048576", memory, "^0 files", "^[123] files", transport_maps="inline:{later.test=discard:x}", mtad_receive_workers="1", mtad_spill_size="10000000", **OPEN)],
    [row("in_flow_delay", "0s", "3s", crowded, "fast", "slow", qmgr_message_active_limit="1", transport_maps="inline:{slow.test=smtp:[SLOW]}", **OPEN)],
    [row("anvil_rate_time_unit", None, "1s", rate_again, "^421 4.7.0", "^220", smtpd_client_connection_rate_limit="1", smtpd_client_event_limit_exceptions="")],
    [row("default_filter_nexthop", None, "elsewhere", logged("to=<rWORD@dest.test>.*", end(to=("rWORD@dest.test",))), r"sent \((?!elsewhere)", r"sent \(elsewhere", content_filter="discard:")],
]
ROWS = [r for g in GROUPS for r in g]


def world(folder):
    (folder / "transport").write_text("rcpt-other.test other:[SINK]\nrcpt-relay.test relay:[SINK]\nrcpt-smtp.test smtp:[SINK]\n" + "".join(
        f"{t}.test {t}:{'inet:' if t == 'lmtp' else ''}[127.NET.200.{i + 1}]{':PORT' if t == 'lmtp' else ''}\n" for i, t in enumerate(TRANSPORTS) if t not in ("rat", "dfr")) + "rat.test rat:[SINK]\ndfr.test dfr:[SINK]\npac1.test pac:[SINK]\npac2.test pac:[SINK]:PORT\nlmrcpt.test lmtp:inet:[127.NET.203.1]:PORT\nrcpt-virtual.test virtual:[SINK]\n")
    (folder / "zone2").write_text(ZONE + "only2.test. A 127.66.9.9\nsix.test. AAAA ::1\n")
    (folder / "info").write_text("/^Subject: Undelivered/ INFO\n")
    master = "".join(f"{t} unix - - y - - smtp\n" for t in ("other", "ini", "pos", "rat", "virtual", "dfr", "pac"))
    return Groups(folder, [g for g in GROUPS if g], master)
