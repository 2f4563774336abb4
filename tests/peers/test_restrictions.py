"""
Restrictions beside Debian's smtpd (3.7): one Postfix and one mtad, each with a service for every configuration, the same DNS (nsd) and the same policy server. The
same sessions go to both; every reply has to be the same, code, enhanced code and text.
"""
import concurrent.futures
import os
import re
import shutil
import socket
import socketserver
import subprocess
import threading

import pytest
from mtadtest import Instance, free_port, wait_for
from postfixtest import MASTER, NamespacedPostfix

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="Postfix needs root")

NAMESERVER = "127.53.0.1"       # glibc asks port 53 only
ZONE = """$ORIGIN .
$TTL 60
. SOA localhost. root.localhost. 1 3600 600 86400 60
. NS localhost.
client.test. A 127.0.0.2
client.test. MX 10 mx.client.test.
client.test. NS ns.client.test.
mx.client.test. A 127.0.0.22
ns.client.test. A 127.0.0.23
alone.test. A 127.0.0.8
good.test. MX 10 mx.good.test.
mx.good.test. A 127.0.0.9
nullmx.test. MX 0 .
sub.good.test. A 127.0.0.10
good.test. NS ns.good.test.
ns.good.test. A 127.0.0.24
backup.test. MX 10 mx.good.test.
backup.test. MX 20 mail.site.test.
mail.site.test. A 127.0.0.1
site.test. MX 10 mail.site.test.
dead.test. MX 10 no-such.test.
2.0.0.127.in-addr.arpa. PTR host.client.test.
host.client.test. A 127.0.0.2
3.0.0.127.in-addr.arpa. PTR forged.client.test.
forged.client.test. A 127.0.0.99
4.0.0.127.in-addr.arpa. PTR nowhere.client.test.
5.0.0.127.in-addr.arpa. PTR white.listed.test.
white.listed.test. A 127.0.0.5
2.0.0.127.bl.test. A 127.0.0.2
2.0.0.127.bl.test. TXT "see http://bl.test/127.0.0.2"
3.0.0.127.bl.test. A 127.0.0.10
4.0.0.127.bl.test. A 127.0.1.4
host.client.test.rhs.test. A 127.0.0.2
forged.client.test.rhs.test. A 127.0.0.2
helo.test.rhs.test. A 127.0.0.3
bad.test.rhs.test. A 127.0.0.4
bad.test.rhs.test. TXT "a bad domain"
5.0.0.127.wl.test. A 127.0.0.1
white.listed.test.rwl.test. A 127.0.0.1
bad.test. A 127.0.0.12
helo.test. A 127.0.0.13
"""

SITE = {
    "compatibility_level": "3.6", "mail_name": "Mail", "myhostname": "mail.site.test", "mydomain": "site.test", "myorigin": "site.test", "mydestination": "site.test",
    "mynetworks": "127.0.0.1/32", "relay_domains": "relay.test", "local_recipient_maps": "inline:{ {user = x} {root = x} {hold = x} {other = x} }",
    "virtual_alias_domains": "alias.test", "virtual_alias_maps": "inline:{ {a@alias.test = user} }",
    "local_transport": "discard:", "relay_transport": "discard:", "default_transport": "discard:", "recipient_delimiter": "+",
    "smtpd_error_sleep_time": "0", "smtpd_soft_error_limit": "100", "smtpd_hard_error_limit": "100", "smtpd_client_connection_count_limit": "0",
    "inet_protocols": "ipv4", "inet_interfaces": "127.0.0.1", "alias_maps": "", "smtpd_tls_security_level": "none",
    "smtpd_restriction_classes": "strict, open, mixed, loop, deep", "strict": "reject_unknown_sender_domain, reject", "open": "permit",
    "mixed": "check_sender_access inline:{ {bad.test = strict} {good.test = OK} }, reject_non_fqdn_sender",
    "loop": "check_recipient_access inline:{ {other@site.test = loop} }" if False else "reject_unlisted_recipient",
    "deep": "mixed, check_helo_access inline:{ {helo.test = mixed} }, defer_if_permit",
    "smtpd_log_access_permit_actions": "static:all",
    "smtpd_relay_restrictions": "permit_mynetworks, reject_unauth_destination",
}

ACCESS = """
{ plain@any.test = REJECT }
{ text@any.test = REJECT go away }
{ dsn@any.test = REJECT 5.1.9 go away }
{ wrongdsn@any.test = REJECT 4.1.9 go away }
{ defer@any.test = DEFER }
{ defertext@any.test = DEFER later please }
{ ok@any.test = OK }
{ number@any.test = 1234567 }
{ three@any.test = 550 }
{ code@any.test = 550 no such thing }
{ codedsn@any.test = 571 5.7.8 no such thing }
{ code4@any.test = 451 4.4.9 not now }
{ code4bare@any.test = 451 not now }
{ end421@any.test = 421 4.7.9 go }
{ end521@any.test = 521 5.7.9 go }
{ dip@any.test = DEFER_IF_PERMIT }
{ diptext@any.test = DEFER_IF_PERMIT 4.5.9 perhaps }
{ dir@any.test = DEFER_IF_REJECT }
{ dirtext@any.test = DEFER_IF_REJECT maybe }
{ dunno@any.test = DUNNO }
{ rule@any.test = reject_unlisted_recipient, reject }
{ class@any.test = strict }
{ nosuch@any.test = nosuch_restriction }
{ info@any.test = INFO a word }
{ warn@any.test = WARN a word }
{ hold@any.test = HOLD for a look }
{ discard@any.test = DISCARD gone }
{ filter@any.test = FILTER smtp }
{ prepend@any.test = PREPEND X-A: b }
{ badprepend@any.test = PREPEND nothing }
{ redirect@any.test = REDIRECT user }
{ lower@any.test = reject in lower case }
{ small@any.test = ok }
{ table@any.test = check_client_access static:REJECT }
{ permit@any.test = permit }
{ defers@any.test = defer }
{ warnif@any.test = warn_if_reject reject }
{ dotted.test = REJECT the domain }
{ .below.test = REJECT by a dot }
{ user@ = REJECT the user }
{ long+ext@ = REJECT with extension }
{ <> = REJECT the empty sender }
""".replace("\n", " ")
ADDRESSES = "{ 127.0.0.2 = REJECT by address } { 127.0.0.3 = DUNNO } { 127.0.0 = REJECT by network } { unknown = WARN nameless }"
NAMES = "{ host.client.test = OK } { client.test = REJECT by domain } { unknown = REJECT nameless }"

C = {}      # name -> (settings, cases); a case: (client, helo, sender, recipients[, more commands])
U = "user@site.test"


def config(name, settings, *cases):
    C[name] = (settings, [(c + ("127.0.0.7", "helo.test", "a@good.test", [U])[len(c):]) if not isinstance(c, dict) else c for c in cases])


def case(client="127.0.0.7", helo="helo.test", sender="a@good.test", rcpts=(U,), **more):
    return {"client": client, "helo": helo, "sender": sender, "rcpts": list(rcpts), **more}


config("base", {}, *[case(client=c, rcpts=[U, "x@far.test", "u@relay.test", "nobody@site.test", "a@alias.test", "b@alias.test", "postmaster"])
                     for c in ("127.0.0.1", "127.0.0.2", "127.0.0.3")])
KEYS = re.findall(r"\{ (\S+@any\.test) =", ACCESS)
config("sender_access", {"sender": f"check_sender_access inline:{{{ACCESS}}}"}, *[case(sender=k) for k in KEYS],
       case(sender=""), case(sender="x@dotted.test"), case(sender="x@a.dotted.test"), case(sender="x@below.test"), case(sender="x@a.below.test"),
       case(sender="user@elsewhere.test"), case(sender="user+y@elsewhere.test"), case(sender="long+ext@x.test"), case(sender="PLAIN@ANY.TEST"),
       case(sender="plain+more@any.test"))
config("recipient_access", {"recipient": f"check_recipient_access inline:{{{ACCESS} {{user+a@site.test = REJECT 5.1.8 ext}} {{other@ = 450 other}} {{site.test = INFO here}} {{relay.test = OK}} }}, reject"},
       case(rcpts=[U, "user+a@site.test", "user+b@site.test", "other@site.test", "root@site.test", "x%y@relay.test", "x@relay.test", "postmaster"]))
config("client_access", {"client": f"check_client_access inline:{{{ADDRESSES}}}"}, *[case(client=f"127.0.0.{i}") for i in range(1, 7)])
config("client_names", {"client": f"check_client_access inline:{{{NAMES}}}"}, *[case(client=f"127.0.0.{i}") for i in range(1, 7)])
config("client_cidr", {"client": "check_client_access cidr:@DIR@/clients.cidr"}, *[case(client=f"127.0.0.{i}") for i in range(1, 7)])
config("client_bare", {"client": f"inline:{{{ADDRESSES}}}"}, case(client="127.0.0.2"), case(client="127.0.0.4"))
config("parents", {"client": f"check_client_access inline:{{{NAMES} {{.listed.test = REJECT dot}} }}", "parent_domain_matches_subdomains": "debug_peer_list"},
       *[case(client=f"127.0.0.{i}") for i in (2, 3, 5)])
config("reverse", {"client": f"check_reverse_client_hostname_access inline:{{{NAMES}}}"}, *[case(client=f"127.0.0.{i}") for i in range(2, 7)])
config("helo_access", {"helo": "check_helo_access inline:{ {helo.test = REJECT helo} {test = OK} {[127.0.0.1] = REJECT literal} {1.2.3.4 = REJECT number} }, reject"},
       *[case(helo=h) for h in ("helo.test", "a.helo.test", "x.test", "[127.0.0.1]", "1.2.3.4", "other", "HELO.TEST")])
STATUS = ["5.1.0", "5.1.1", "5.1.2", "5.1.3", "5.1.4", "5.1.5", "5.1.6", "5.1.7", "5.1.8", "5.1.9", "5.1.10", "5.1.11", "5.7.27", "5.7.28", "5.2.1", "2.1.5", "5.7"]
STATUSES = " ".join(f"{{s{i}@x.test = REJECT {s} text}} {{s{i}.x.test = REJECT {s} text}}" for i, s in enumerate(STATUS))
config("status", {"sender": f"check_sender_access inline:{{{STATUSES}}}", "helo": f"check_helo_access inline:{{{STATUSES}}}",
                  "recipient": f"check_recipient_access inline:{{{STATUSES}}}, reject", "relay": "permit"},
       *[case(sender=f"s{i}@x.test", rcpts=[U]) for i in range(len(STATUS))], *[case(helo=f"s{i}.x.test") for i in range(len(STATUS))],
       case(rcpts=[f"s{i}@x.test" for i in range(len(STATUS))]))
config("helo_checks", {"helo": "reject_invalid_helo_hostname, reject_non_fqdn_helo_hostname, reject_unknown_helo_hostname"},
       *[case(helo=h) for h in ("helo.test", "no-such.test", "host", "[1.2.3.4]", "[1.2.3.400]", "[IPv6:::1]", "[x]", "1.2.3.4", "a_b.test", "a..b", "-a.test", "a!b", "x.fail.test",
                                "nullmx.test", "good.test")])
config("helo_defer", {"helo": "reject_unknown_helo_hostname", "unknown_helo_hostname_tempfail_action": "defer", "unknown_hostname_reject_code": "550"},
       case(helo="x.fail.test"), case(helo="no-such.test"))
config("sender_domain", {"sender": "reject_non_fqdn_sender, reject_unknown_sender_domain"},
       *[case(sender=s) for s in ("a@good.test", "a@no-such.test", "a@nullmx.test", "a@alone.test", "a@x.fail.test", "a", "a@host", "a@[1.2.3.4]", "", "a@site.test", "a@relay.test",
                                  "a@sub.good.test", "a@dead.test")])
config("sender_domain_defer", {"sender": "reject_unknown_sender_domain", "unknown_address_tempfail_action": "defer", "unknown_address_reject_code": "554"},
       case(sender="a@x.fail.test"), case(sender="a@no-such.test"))
config("sender_defer_then_reject", {"sender": "reject_unknown_sender_domain", "recipient": "reject"}, case(sender="a@x.fail.test"))
config("recipient_domain", {"recipient": "reject_non_fqdn_recipient, reject_unknown_recipient_domain", "relay": "permit_mynetworks, reject"},
       *[case(client="127.0.0.1", rcpts=[r]) for r in ("a@good.test", "a@no-such.test", "a@nullmx.test", "a@x.fail.test", "a@host", U)])
config("unknown_client", {"client": "reject_unknown_client_hostname"}, *[case(client=f"127.0.0.{i}") for i in range(1, 7)])
config("unknown_client_550", {"client": "reject_unknown_client", "unknown_client_reject_code": "550"}, *[case(client=f"127.0.0.{i}") for i in range(2, 6)])
config("unknown_reverse", {"client": "reject_unknown_reverse_client_hostname"}, *[case(client=f"127.0.0.{i}") for i in range(1, 7)])
config("rbl", {"client": "reject_rbl_client bl.test"}, *[case(client=f"127.0.0.{i}") for i in range(1, 6)])
config("rbl_filter", {"client": "reject_rbl_client bl.test=127.0.0.[3..11;15]"}, *[case(client=f"127.0.0.{i}") for i in range(2, 5)])
config("rbl_reply", {"client": "permit_mynetworks, reject_rbl_client bl.test", "maps_rbl_reject_code": "521",
                     "default_rbl_reply": "$rbl_code 5.7.77 $rbl_class $rbl_what by $rbl_domain${rbl_reason?: $rbl_reason} $client $helo_name $sender $sender_domain ${recipient:none}"},
       case(client="127.0.0.2"), case(client="127.0.0.3", sender="we$ird@good.test"), case(client="127.0.0.1"))
config("rbl_maps", {"client": "reject_rbl_client bl.test", "rbl_reply_maps": "texthash:@DIR@/rbl"}, case(client="127.0.0.2"))
config("rbl_fail", {"client": "reject_rbl_client fail.test, reject_rbl_client bl.test"}, case(client="127.0.0.2"), case(client="127.0.0.6"))
config("rhsbl", {"sender": "reject_rhsbl_sender rhs.test", "helo": "reject_rhsbl_helo rhs.test=127.0.0.4", "client": "reject_rhsbl_client rhs.test"},
       case(client="127.0.0.2"), case(client="127.0.0.3"), case(sender="x@bad.test"), case(sender=""), case(sender="x@[1.2.3.4]"))
config("rhsbl_more", {"client": "reject_rhsbl_reverse_client rhs.test", "recipient": "reject_rhsbl_helo rhs.test, reject_rhsbl_recipient rhs.test"},
       case(client="127.0.0.3"), case(helo="x.test"), case(helo="helo.test"))
config("dnswl", {"client": "permit_dnswl_client wl.test, permit_rhswl_client rwl.test, reject"}, case(client="127.0.0.5"), case(client="127.0.0.2"))
config("dnswl_relay", {"relay": "permit_dnswl_client wl.test, reject_unauth_destination"}, case(client="127.0.0.5", rcpts=["x@far.test", U]))
config("dnswl_fail", {"recipient": "permit_dnswl_client fail.test, reject"}, case())
config("mx_access", {"sender": "check_sender_mx_access inline:{ {mx.good.test = REJECT mx name} {127.0.0.22 = 554 5.1.8 mx address} {127.0.0.8 = REJECT fabricated} {127.0.0.12 = OK} }"},
       *[case(sender=s) for s in ("a@good.test", "a@client.test", "a@alone.test", "a@nullmx.test", "a@no-such.test", "a@bad.test", "a@x.fail.test", "", "a@[127.0.0.22]", "a@dead.test")])
config("ns_access", {"sender": "check_sender_ns_access inline:{ {ns.good.test = REJECT ns name} {127.0.0.23 = REJECT ns address} }", "client": "check_client_ns_access static:DUNNO",
                     "helo": "check_helo_mx_access inline:{ {127.0.0.13 = REJECT helo mx} }"},
       *[case(sender=s, helo="x.test") for s in ("a@good.test", "a@sub.good.test", "a@client.test", "a@x.client.test")], case())
config("a_access", {"sender": "check_sender_a_access inline:{ {127.0.0.12 = REJECT a} }", "client": "check_client_a_access inline:{ {127.0.0.2 = REJECT client a} }",
                    "recipient": "check_recipient_mx_access inline:{ {127.0.0.1 = REJECT our own} }"},
       case(sender="a@bad.test"), case(client="127.0.0.2"), case(), case(client="127.0.0.3"))
config("mx_backup", {"relay": "permit_mx_backup, reject_unauth_destination", "recipient": "permit"},
       case(rcpts=["x@backup.test", "x@good.test", "x@no-such.test", "x@x.fail.test", U, "x@relay.test"]))
config("mx_backup_networks", {"relay": "permit_mx_backup, reject_unauth_destination", "permit_mx_backup_networks": "127.0.0.9"}, case(rcpts=["x@backup.test", "x@good.test"]))
config("classes", {"sender": "mixed", "recipient": "deep"}, case(sender="a@bad.test"), case(sender="a@good.test"), case(sender="a"), case(sender="a@x.test"), case(helo="x.test"))
config("warn", {"client": "warn_if_reject reject_unknown_client_hostname, warn_if_reject check_client_access static:{REJECT x}", "sender": "warn_if_reject strict",
                "recipient": "warn_if_reject defer_if_permit, warn_if_reject check_recipient_access static:{DEFER_IF_REJECT y}"},
       case(sender="a@no-such.test"), case(sender="a@x.fail.test"))
config("defer_both", {"recipient": "defer_if_permit, defer_if_reject, reject"}, case())
config("defers", {"recipient": "check_sender_access inline:{ {dip@any.test = DEFER_IF_PERMIT first} }, defer_if_permit, check_recipient_access inline:{ {hold@site.test = REJECT no} }"},
       case(sender="dip@any.test", rcpts=[U, "hold@site.test"]), case(rcpts=[U, "hold@site.test"]))
config("no_delay", {"client": "check_client_access inline:{ {127.0.0.2 = REJECT at once} {127.0.0.3 = 421 gone} }", "helo": "reject_non_fqdn_helo_hostname",
                    "sender": "check_sender_access inline:{ {bad.test = REJECT sender} }", "smtpd_delay_reject": "no"},
       case(client="127.0.0.2"), case(client="127.0.0.3"), case(helo="host"), case(sender="a@bad.test"), case())
config("soft", {"recipient": "reject", "soft_bounce": "yes"}, case(), case(client="127.0.0.1", sender="<"))
config("codes", {"client": "check_client_access inline:{ {127.0.0.2 = REJECT} {127.0.0.3 = DEFER} }", "access_map_reject_code": "550", "access_map_defer_code": "451",
                 "sender": "check_sender_access inline:{ {x@y.test = defer} {r@y.test = reject} }", "reject_code": "556", "defer_code": "421"},
       case(client="127.0.0.2"), case(client="127.0.0.3"), case(sender="r@y.test"), case(sender="x@y.test"))
config("data", {"data": "reject_multi_recipient_bounce, check_sender_access inline:{ {d@y.test = REJECT in data} }, reject_unauth_pipelining",
                "end": "check_sender_access inline:{ {e@y.test = REJECT at the end} {p@y.test = PREPEND X: y} {f@y.test = DISCARD} }, check_recipient_access inline:{ {hold@site.test = 450 one} }"},
       *[case(sender=s, rcpts=r) for s in ("d@y.test", "e@y.test", "", "p@y.test", "f@y.test") for r in ([U], [U, "root@site.test"])], case(rcpts=["hold@site.test"]),
       case(rcpts=["hold@site.test", U]))
config("multi_bounce_rcpt", {"recipient": "reject_multi_recipient_bounce"}, case(sender="", rcpts=[U, "root@site.test"]))
config("footer", {"recipient": "reject", "smtpd_reject_footer": r"\c. See $server_name for $client_address\nor not"}, case(), case(sender="<"))
config("footer_line", {"recipient": "check_recipient_access static:{450 no code}", "smtpd_reject_footer": "call us", "smtpd_reject_footer_maps": "regexp:@DIR@/footers"},
       case(), case(rcpts=["x@far.test"]))
config("etrn", {"etrn": "check_etrn_access inline:{ {bad.test = REJECT etrn} }, permit_mynetworks, reject"}, case(etrn=["bad.test", "x.bad.test", "relay.test"]),
       case(client="127.0.0.1", etrn=["bad.test"]))
config("tls", {"client": "permit_mynetworks, permit_tls_all_clientcerts, permit_tls_clientcerts, reject_plaintext_session"}, case(), case(client="127.0.0.1"))
config("plaintext_550", {"client": "reject_plaintext_session", "plaintext_reject_code": "550"}, case())
config("naked", {"helo": "permit_naked_ip_address, reject"}, case(helo="127.0.0.2"), case())
config("null_key", {"sender": "check_sender_access inline:{ {null = REJECT null} {<> = OK} }", "smtpd_null_access_lookup_key": "null"}, case(sender=""))
config("broken", {"sender": "check_sender_access fail:x"}, case(), case(sender=""))
config("broken_warned", {"sender": "warn_if_reject check_sender_access fail:x"}, case())
config("relay_last", {"recipient": "reject", "smtpd_relay_before_recipient_restrictions": "no"}, case(rcpts=["x@far.test", U]))
config("policy", {"client": "check_policy_service inet:127.0.0.1:@POLICY@", "recipient": "check_policy_service { inet:127.0.0.1:@POLICY@, timeout=5s, policy_context=ctx }",
                  "data": "check_policy_service inet:127.0.0.1:@POLICY@", "end": "check_policy_service inet:127.0.0.1:@POLICY@"},
       case(sender="reject@policy.test"), case(sender="defer@policy.test"), case(sender="dunno@policy.test", rcpts=[U, "root@site.test"]), case(sender="list@policy.test"),
       case(sender="bad@policy.test"), case(sender="dunno@policy.test"))
config("policy_down", {"recipient": "check_policy_service { inet:127.0.0.1:1, try_limit=1, { default_action = 421 4.3.9 no policy } }"}, case())
config("policy_down_default", {"recipient": "check_policy_service inet:127.0.0.1:1", "smtpd_policy_service_retry_delay": "1s", "smtpd_policy_service_try_limit": "1"}, case())

config("maps_rbl", {"client": "reject_maps_rbl", "maps_rbl_domains": "wl.test, bl.test"}, case(client="127.0.0.2"), case(client="127.0.0.5"), case(client="127.0.0.6"))
config("multi_bounce_code", {"data": "reject_multi_recipient_bounce", "multi_recipient_bounce_reject_code": "554"}, case(sender="", rcpts=[U, "root@site.test"]))
config("tempfail", {"sender": "reject_unknown_sender_domain", "helo": "reject_unknown_helo_hostname", "reject_tempfail_action": "defer", "recipient": "reject"},
       case(sender="a@x.fail.test"), case(helo="x.fail.test"))
config("expansion", {"client": "reject_rbl_client bl.test", "smtpd_expansion_filter": "abcdefgh123 ./:"}, case(client="127.0.0.2"))
config("policy_defaults", {"recipient": "check_policy_service inet:127.0.0.1:1", "smtpd_policy_service_default_action": "DEFER_IF_PERMIT 4.3.8 no word", "smtpd_policy_service_try_limit": "1"},
       case())
config("policy_context", {"recipient": "check_policy_service inet:127.0.0.1:@POLICY@", "smtpd_policy_service_policy_context": "a context"}, case(sender="dunno@policy.test"))

LISTS = {"client": "smtpd_client_restrictions", "helo": "smtpd_helo_restrictions", "sender": "smtpd_sender_restrictions", "relay": "smtpd_relay_restrictions",
         "recipient": "smtpd_recipient_restrictions", "data": "smtpd_data_restrictions", "end": "smtpd_end_of_data_restrictions", "etrn": "smtpd_etrn_restrictions"}


class PolicyHandler(socketserver.StreamRequestHandler):
    answers = {"reject": "REJECT 5.7.7 policy", "defer": "DEFER_IF_PERMIT policy wants", "dunno": "DUNNO", "list": "reject_unlisted_recipient, reject", "bad": "nosuch thing"}

    def handle(self):
        asked = {}
        for line in self.rfile:
            line = line.decode().rstrip("\n")
            if line:
                asked.__setitem__(*line.split("=", 1))
                continue
            self.server.asked.append(asked)
            self.wfile.write(f"action={self.answers.get(asked['sender'].split('@')[0], 'DUNNO')}\n\n".encode())
            asked = {}


class PolicyServer(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


class Dialogue:
    def __init__(self, where, client):
        self.socket = socket.create_connection(where, 30, (client, 0))
        self.file = self.socket.makefile("rb")

    def reply(self):
        lines = []
        while True:
            line = self.file.readline().decode(errors="replace").rstrip("\r\n")
            lines.append(re.sub(r"queued as \w+", "queued as ID", line))
            if line[3:4] != "-":
                return lines

    def say(self, line):
        try:
            self.socket.sendall(line.encode() + b"\r\n")
            return self.reply()
        except OSError:
            return [""]


def talk(where, c):
    d = Dialogue(where, c["client"])
    said = [("connect", d.reply())]

    def say(line):
        said.append((line, d.say(line)))
        return said[-1][1][-1]
    if say(f"EHLO {c['helo']}")[:1] == "2":
        said[-1] = (said[-1][0], said[-1][1][-1][:3])       # what is offered differs
    for domain in c.get("etrn", []):
        say(f"ETRN {domain}")
    say(f"MAIL FROM:<{c['sender']}>")
    for r in c["rcpts"]:
        say(f"RCPT TO:<{r}>")
    if say("DATA").startswith("354"):
        say("Subject: x\r\n\r\nhello\r\n.")
    say("QUIT")
    d.socket.close()
    return said


def settings_of(number, name, values, fill):
    """Macros in main.cf, and the -o of a master.cf line that name them."""
    main, options = {}, []
    for key, value in values.items():
        param = LISTS.get(key, key)
        text = fill(value)
        main[f"c{number}_{key}"] = text.replace("$", "$$") if "$" in text else text
        options.append(f" -o {param}=$c{number}_{key}")
    return main, "".join(options)


def make(address, ports, fill):
    """main.cf, and the lines of master.cf. Both servers have the same ports, at different addresses: a test process has no more than a hundred."""
    main, lines = dict(SITE), ""
    for number, (name, (values, cases)) in enumerate(C.items()):
        raw = any("$" in v for v in values.values()) or "smtpd_reject_footer" in values or "smtpd_expansion_filter" in values
        if raw:     # texts with macros of their own stand where nothing fills them in
            options = "".join(f" -o {{ {LISTS.get(k, k)} = {fill(v)} }}" for k, v in values.items())
        else:
            m, options = settings_of(number, name, values, fill)
            main.update(m)
        lines += f"{address}:{ports[name]} inet n - n - - smtpd{options}\n"
    return main, lines


@pytest.fixture(scope="module")
def nameserver(tmp_path_factory):
    folder = tmp_path_factory.mktemp("nsd")
    # A domain with name servers of its own is a zone of its own.
    head, lines = "$ORIGIN .\n$TTL 60\n", ZONE.splitlines()
    for domain in ("client.test", "good.test"):
        own = [line for line in lines if re.match(rf"(\S+\.)?{domain}\. ", line)]
        lines = [line for line in lines if line not in own]
        (folder / domain).write_text(f"{head}{domain}. SOA localhost. root.localhost. 1 3600 600 86400 60\n" + "\n".join(own) + "\n")
    (folder / "zone").write_text("\n".join(lines) + "\n")
    (folder / "nsd.conf").write_text(
        f'server:\n ip-address: {NAMESERVER}@53\n username: root\n zonesdir: "{folder}"\n pidfile: ""\n xfrdfile: "{folder}/xfrd"\n'
        f' zonelistfile: "{folder}/zones"\n database: ""\n xfrdir: "{folder}"\n rrl-ratelimit: 0\n server-count: 1\n'
        'remote-control:\n control-enable: no\nzone:\n name: "."\n zonefile: zone\nzone:\n name: "fail.test"\n zonefile: nosuch\n'
        'zone:\n name: "client.test"\n zonefile: client.test\nzone:\n name: "good.test"\n zonefile: good.test\n')
    process = subprocess.Popen(["/usr/sbin/nsd", "-d", "-c", str(folder / "nsd.conf")], stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
    import dns.message
    import dns.query

    def answers():
        assert process.poll() is None, process.stderr.read().decode()
        try:
            return dns.query.udp(dns.message.make_query("good.test.", "MX"), NAMESERVER, timeout=1).answer
        except Exception:
            return None
    try:
        wait_for(answers, 10, 0.1)
        yield folder
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture(scope="module")
def both(tmp_path_factory, nameserver):
    folder = tmp_path_factory.mktemp("restrictions")
    os.chmod(folder, 0o755)
    (folder / "clients.cidr").write_text("127.0.0.2/32 REJECT exactly\n127.0.0.3 DUNNO\n!127.0.0.4/30 REJECT not those\n127.0.0.0/24 450 4.7.3 the rest\n")
    (folder / "rbl").write_text("bl.test 450 4.7.5 $rbl_what mapped\n")
    (folder / "footers").write_text("/Relay access/ footer of $$client_address\n")
    servers = []
    for _ in range(2):
        server = PolicyServer(("127.0.0.1", 0), PolicyHandler)
        server.asked = []
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)

    def fill_for(server):
        return lambda v: v.replace("@DIR@", str(folder)).replace("@POLICY@", str(server.server_address[1]))
    ports = {name: free_port() for name in C}
    main, lines = make("127.0.0.1", ports, fill_for(servers[0]))
    postfix = NamespacedPostfix(NAMESERVER, folder / "postfix", main)
    with open(f"{postfix.dir}/config/master.cf", "w") as f:
        f.write(MASTER.replace("@PORT@", str(postfix.port)) + lines)
    main, lines = make("127.0.1.1", ports, fill_for(servers[1]))
    main.update({"mtad_dns_zone": "", "mtad_dns_servers": f"{NAMESERVER}@53"})
    main.pop("compatibility_level")
    instance = Instance(folder / "mtad", main, lines)
    with postfix, instance:
        yield instance, ports, servers[1].asked, postfix, servers[0].asked
    for server in servers:
        server.shutdown()
        server.server_close()


def test_replies(both):
    _, ports, _, _, _ = both
    jobs = [(name, c) for name, (_, cases) in C.items() for c in cases]
    assert len(C) >= 40 and len(jobs) >= 200
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        want = list(pool.map(lambda j: talk(("127.0.0.1", ports[j[0]]), j[1]), jobs))
        got = list(pool.map(lambda j: talk(("127.0.1.1", ports[j[0]]), j[1]), jobs))
    differ = []
    for (name, c), w, g in zip(jobs, want, got):
        if w != g:
            differ.append(f"{name} {c}:\n" + "\n".join(f"    {x[0]}:\n      Postfix {x[1]}\n      mtad    {y[1]}" for x, y in zip(w, g) if x != y)
                          + ("" if len(w) == len(g) else f"\n    {len(w)} and {len(g)} commands"))
    assert not differ, f"{len(differ)} of {len(jobs)} sessions differ:\n" + "\n".join(differ)


def steady(asked):
    """What does not depend on who asks."""
    leave = ("client_port", "server_port", "server_address", "instance", "queue_id", "size")
    return sorted(tuple(sorted((k, v) for k, v in {**a, "has_queue_id": str(a["queue_id"] != "")}.items() if k not in leave)) for a in asked)


def test_policy_attributes(both):
    """A policy server hears the same of both, one question for each restriction."""
    _, _, mtad, _, postfix = both
    assert len(postfix) >= 15
    assert set(postfix[0]) == set(mtad[0])
    assert steady(postfix) == steady(mtad)
    for asked in (mtad, postfix):
        for a in asked:
            assert a["client_port"].isdigit() and a["server_port"].isdigit() and a["instance"], a
        assert {int(a["size"]) > 0 for a in asked if a["protocol_state"] == "END-OF-MESSAGE"} == {True}
    by = {}
    for a in mtad:
        by.setdefault(a["instance"], set()).add(a["sender"])
    assert all(len(senders) == 1 for senders in by.values()) and len(by) > 3


def log_lines(text):
    found = re.findall(r"smtpd\[\d+\]: (?:NOQUEUE|[0-9A-Za-z]+): ((?:reject|permit|hold|discard|filter|redirect|bcc|info|warn|reject_warning): .*)", text)
    return sorted(re.sub(r"127\.0\.1\.1", "127.0.0.1", line) for line in found)


def test_log(both):
    """What restrictions log of a session is the same, line by line."""
    instance, _, _, postfix, _ = both
    want, got = log_lines(postfix.log()), log_lines(instance.log())
    assert len(want) > 250
    missing, more = list(want), []
    for line in got:
        if line in missing:
            missing.remove(line)
        else:
            more.append(line)
    assert (missing, more) == ([], []), "\n".join(["only Postfix:", *missing, "only mtad:", *more])
