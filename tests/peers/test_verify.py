"""
Address verification beside Debian's verify(8): the same sessions to a Postfix and a mtad, whose probes go to one scripted server; replies, what the
probes said, and the log.
"""
import contextlib
import os
import re
import smtplib
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from mtadtest import Instance, Sink
from postfixtest import Postfix

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="Postfix needs root")

SCRIPT = {
    "RCPT": lambda s, a: {b"<no@": b"550 5.1.1 <no> nobody here", b"<soft": b"450 4.2.0 try again", b"<bare": b"553 not allowed"}.get(bytes(a[3:7] if b"<no@" in a else a[3:8])),
    "MAIL": lambda s, a: None,
    "DATA": lambda s, a: b"451 4.3.0 no content now" if any(b"<data" in r for r in s.accepted) else None,
}


@contextlib.contextmanager
def pair(main):
    with tempfile.TemporaryDirectory(prefix="mtad-verify-", dir="/tmp") as base, contextlib.closing(Sink("127.0.0.1", script=SCRIPT)) as sink:
        os.chmod(base, 0o755)
        common = {"relayhost": f"[127.0.0.1]:{sink.port}", "relay_domains": "far.test", "address_verify_poll_count": "5",
                  "address_verify_poll_delay": "1s", "address_verify_map": "", "unverified_recipient_reject_code": "550", "virtual_alias_domains": "va.test",
                  "virtual_alias_maps": "inline:{one@va.test=yes@far.test, {many@va.test=a@far.test, b@far.test}, gone@va.test=no@far.test}",
                  "virtual_mailbox_domains": "vm.test", "virtual_mailbox_maps": "inline:{box@vm.test=box, dir@vm.test=dir/}", "virtual_uid_maps": "static:2001",
                  "virtual_gid_maps": "static:2001", "virtual_mailbox_base": base, "alias_maps": "inline:{list=games, cmd=games}", "local_recipient_maps": "",
                  "transport_maps": "inline:{ {err@far.test=error:5.7.9 not this one}, {ret@far.test=retry:4.7.8 not now}, {disc@far.test=discard:}, "
                                    "{nowhere@far.test=nosuch:}, {pipe@far.test=agent:}}",
                  "smtpd_recipient_restrictions": "reject_unverified_recipient, permit", **main}
        common = {k: v.replace("@PORT@", str(sink.port)) for k, v in common.items()}
        line = "agent unix - n n - - pipe user=nobody argv=/bin/true $recipient\nvirtual unix - n n - - virtual\n"
        mtad = Instance(f"{base}/m", main=common, root=True)
        mtad.master += line
        mtad.write()
        postfix = Postfix(f"{base}/p", main=common)
        with open(f"{base}/p/config/master.cf", "a") as f:
            f.write(line.split("virtual unix")[0])
        with mtad, postfix:
            yield mtad, postfix, sink


def reply(port, sender, recipient):
    with smtplib.SMTP("127.0.0.1", port, local_hostname="cl.test", timeout=60) as s:
        s.ehlo()
        mail = s.mail(sender)[0]
        code, text = s.rcpt(recipient)
        s.rset()
        return recipient, mail, code, re.sub(r"127\.0\.0\.1:\d+", "ADDR", text.decode())


def replies(port, sessions):
    """What RCPT got, of each session (sender, recipient); they wait for their probes at the same time."""
    with ThreadPoolExecutor(6) as pool:
        return list(pool.map(lambda x: reply(port, *x), sessions))


def both(peers, sessions):
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(lambda p: replies(p.port, sessions), peers[:2]))


def lines(log):
    return sorted({(m[1], m[3], re.sub(r"\[[^]]*\]:\d+", "", m[4])) for m in re.finditer(r"to=<([^>]*)>, (orig_to=<[^>]*>, )?relay=[^,]*,.* dsn=(\S+), status=((?:un)?deliverable .*)", log)})


def same_lines(mtad, postfix):
    """Postfix's probes may take longer than a session waits."""
    end = time.monotonic() + 10
    while True:
        a, b = lines(mtad.log()), lines(postfix.log())
        if a == b:
            return
        assert time.monotonic() < end, "\n".join(f"mtad {x}" for x in a if x not in b) + "\n" + "\n".join(f"postfix {x}" for x in b if x not in a)
        time.sleep(0.2)


RECIPIENTS = ["yes@far.test", "no@far.test", "soft@far.test", "bare@far.test", "err@far.test", "ret@far.test", "disc@far.test", "nowhere@far.test",
              "pipe@far.test", "games@site.test", "nobody-such@site.test", "list@site.test", "one@va.test", "many@va.test", "gone@va.test", "box@vm.test", "dir@vm.test",
              "box+x@vm.test"]


def test_recipients():
    with pair({}) as peers:
        mtad, postfix, sink = peers
        ours, theirs = both(peers, [("s@src.test", r) for r in RECIPIENTS])
        assert ours == theirs, "\n".join(f"{a}\n{b}" for a, b in zip(ours, theirs) if a != b)
        same_lines(mtad, postfix)
        assert b"DATA" not in sink.dialogue and not sink.messages
        assert mtad.queue() == []
        senders = {d for d in sink.dialogue if d.startswith(b"MAIL")}
        assert all(d.startswith(b"MAIL FROM:<double-bounce@site.test>") for d in senders), senders
        asked = len(sink.dialogue)
        assert [r[1:] for r in replies(mtad.port, [("s@src.test", r) for r in ("YES@far.test", *RECIPIENTS[1:])])] == [r[1:] for r in ours] and len(sink.dialogue) == asked, "from the cache"


VARIANTS = {
    "senders": ({"smtpd_recipient_restrictions": "permit", "smtpd_sender_restrictions": "reject_unverified_sender", "unverified_sender_reject_code": "550",
                 "unverified_sender_defer_code": "451", "address_verify_sender": "<>"},
                [(s, "games@site.test") for s in ("yes@far.test", "no@far.test", "soft@far.test", "", "nobody-such@site.test", "games@site.test", "list@site.test")]),
    "texts": ({"unverified_recipient_reject_reason": "not one of ours", "unverified_recipient_reject_code": "450", "unverified_recipient_defer_code": "250",
               "address_verify_sender": "prober", "smtp_address_verify_target": "data"},
              [("s@src.test", r) for r in ("yes@far.test", "no@far.test", "soft@far.test", "data@far.test")]),
    "defer": ({"unverified_recipient_tempfail_action": "defer", "smtpd_recipient_restrictions": "reject_unverified_recipient, check_recipient_access "
               "static:REJECT", "address_verify_poll_count": "1"}, [("s@src.test", r) for r in ("yes@far.test", "no@far.test", "soft@far.test")]),
    "defer if permit": ({"smtpd_recipient_restrictions": "reject_unverified_recipient, check_recipient_access static:REJECT"},
                        [("s@src.test", r) for r in ("yes@far.test", "no@far.test", "soft@far.test")]),
    "routes": ({"address_verify_transport_maps": "inline:{ {yes@far.test=error:5.7.7 by its own map} }", "address_verify_relayhost": "[127.0.0.9]:9",
                "address_verify_local_transport": "error:5.7.6 local", "address_verify_virtual_transport": "discard:"},
               [("s@src.test", r) for r in ("yes@far.test", "no@other.test", "games@site.test", "box@vm.test")]),
    "more routes": ({"relayhost": "", "address_verify_default_transport": "error:5.7.5 default", "address_verify_relay_transport": "error:5.7.4 relay",
                     "transport_maps": ""}, [("s@src.test", r) for r in ("no@other.test", "yes@far.test")]),
    "by sender": ({"relayhost": "", "transport_maps": "", "address_verify_sender": "prober@site.test", "relay_domains": "",
                   "address_verify_sender_dependent_default_transport_maps": "inline:{ {prober@site.test=error:5.7.3 by sender} }"},
                  [("s@src.test", "no@other.test")]),
    "relay by sender": ({"address_verify_relayhost": "[127.0.0.9]:9", "transport_maps": "", "address_verify_sender": "prober@site.test", "relay_domains": "",
                         "address_verify_sender_dependent_relayhost_maps": "inline:{ {prober@site.test=[127.0.0.1]:@PORT@} }"},
                        [("s@src.test", "yes@far.test")]),
    "lmtp": ({"transport_maps": "inline:{ {far.test=lmtp:inet:127.0.0.1:@PORT@} }", "lmtp_address_verify_target": "data", "address_verify_sender": "prober"},
             [("s@src.test", r) for r in ("yes@far.test", "no@far.test", "data@far.test")]),
    "sender texts": ({"smtpd_recipient_restrictions": "permit", "smtpd_sender_restrictions": "reject_unverified_sender, check_sender_access static:REJECT",
                      "unverified_sender_reject_reason": "no such sender", "unverified_sender_tempfail_action": "defer"},
                     [(s, "games@site.test") for s in ("no@far.test", "soft@far.test")]),
    "no bad ones": ({"address_verify_negative_cache": "no", "address_verify_poll_count": "3"}, [("s@src.test", r) for r in ("yes@far.test", "no@far.test")]),
    "warn": ({"smtpd_recipient_restrictions": "warn_if_reject reject_unverified_recipient, permit"},
             [("s@src.test", r) for r in ("yes@far.test", "no@far.test", "soft@far.test")]),
}


@pytest.mark.parametrize("name", VARIANTS)
def test_parameters(name):
    main, sessions = VARIANTS[name]
    with pair(main) as peers:
        mtad, postfix, sink = peers
        ours, theirs = both(peers, sessions)
        assert ours == theirs, "\n".join(f"{a}\n{b}" for a, b in zip(ours, theirs) if a != b)
        if "address_verify_negative_cache" not in main:     # Postfix does not log what it does not keep
            same_lines(mtad, postfix)
        warned = [sorted(re.findall(r"reject_warning: .*", re.sub(r":\d+", "", p.log()))) for p in (mtad, postfix)]
        assert warned[0] == warned[1]
        senders = {d for d in sink.dialogue if d.startswith(b"MAIL")}
        wanted = {"<>": b"MAIL FROM:<>", "prober@site.test": b"MAIL FROM:<prober@site.test>", "prober": b"MAIL FROM:<prober@site.test>"}.get(main.get("address_verify_sender"), b"MAIL FROM:<double-bounce@site.test>")
        assert all(d.startswith(wanted) for d in senders), senders
        assert not sink.messages and mtad.queue() == []
