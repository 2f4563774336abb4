"""Parameters of the SMTP server: what it says to a client, and when."""
import socket
import time

from effects import Servers, end, logged, mail, rcpt, replies, reply, row, slow

HELO = "EHLO client.test"
MAIN = {"smtpd_error_sleep_time": "0", "smtpd_client_connection_count_limit": "0", "relay_domains": "relay.test", "relay_recipient_maps": "inline:{r@relay.test=x}",
        "virtual_alias_domains": "valias.test", "virtual_alias_maps": "inline:{r@valias.test=r@dest.test}", "virtual_mailbox_domains": "vmail.test",
        "virtual_mailbox_maps": "inline:{r@vmail.test=r}", "local_recipient_maps": "inline:{r=x}"}
BAD = "FOO"
ERRORS = ["FOO"] * 6


def idle(side):
    with side.connect() as t:
        t.say(HELO)
        t.socket.settimeout(2.5)
        try:
            return t.reply()
        except socket.timeout:
            return "still there"


def early(side):
    """Two commands at once before EHLO's answer."""
    with side.connect() as t:
        t.socket.sendall(b"EHLO client.test\r\nNOOP\r\nMAIL FROM:<s@src.test>\r\n")
        time.sleep(0.1)
        return " / ".join(t.reply() for _ in range(3))


def bare_newline(side):
    with side.connect() as t:
        t.all(HELO, "MAIL FROM:<s@src.test>", "RCPT TO:<r@dest.test>", "DATA")
        t.socket.sendall(b"Subject: x\r\n\r\none\ntwo\r\n.\r\n")
        return t.reply()


def trickle(*before, pieces):
    """The reply to a request that comes in pieces, half a second apart: together they take longer than smtpd_timeout (2 s), no wait is as long as that."""
    def see(side):
        with side.connect() as t:
            t.all(HELO, *before)
            try:
                for piece in pieces:
                    t.socket.sendall(piece)
                    time.sleep(0.5)
                t.socket.sendall(b"\r\n.\r\n" if before else b"\r\n")
            except OSError:
                pass
            return t.reply()
    return see


SLOW_NOOP = trickle(pieces=[b"N", b"O", b"O", b"P", b" "])
SLOW_DATA = trickle("MAIL FROM:<s@src.test>", "RCPT TO:<r@dest.test>", "DATA", pieces=[b"a line of content\r\n"] * 5)


def connections(count, keep):
    """The greeting of the last of several from one address."""
    def see(side):
        held = []
        for _ in range(count):
            t = side.connect()
            last = t.greeting
            if keep:
                held.append(t)
            else:
                t.say("QUIT")
                t.close()
        for t in held:
            t.close()
        return last
    return see


def recipients(count):
    return lambda side: replies(HELO, "MAIL FROM:<s@src.test>", *[f"RCPT TO:<r{i}@dest.test>" for i in range(count)])(side)


def named(side):
    with side.connect(client="127.0.0.1") as t:
        return t.all(HELO, "MAIL FROM:<s@src.test>", "RCPT TO:<r@dest.test>")


def dialogue(side):
    reply(HELO, "QUIT")(side)
    side.log(r"disconnect from \S+\[CLIENT\]")
    lines = [line.partition("]: ")[2] for line in side.world.mta.log().splitlines() if f"[{side.client}]: 220" in line]
    return lines[0] if lines else "none"


def notes(side):
    """What only the second level shows."""
    reply(HELO, "QUIT")(side)
    side.log(r"disconnect from \S+\[CLIENT\]")
    return " ".join(line for line in side.world.mta.log().splitlines() if f"[{side.client}]" in line and ("]: > " in line or line.endswith(": the session ends")))


REJECT_CLIENT = {"smtpd_client_restrictions": "reject"}
ROWS = [
    row("smtpd_banner", None, "$myhostname at your service", reply(), r"^220 mail\.site\.test ESMTP mtad$", "^220 mail.site.test at your service$"),
    row("mail_name", None, "Other", reply(), "^220 mail.site.test ESMTP mtad$", "^220 mail.site.test ESMTP Other$"),
    row("myhostname", None, "name.other.test", reply(HELO), r"^250-mail\.site\.test", r"^250-name\.other\.test"),
    row("disable_vrfy_command", None, "yes", reply(HELO, "VRFY r@site.test"), "^252 2.0.0 r@site.test", "^502 5.5.1 VRFY command is disabled"),
    row("invalid_hostname_reject_code", None, "555", reply("HELO -bad-", "MAIL FROM:<s@src.test>", "RCPT TO:<r@dest.test>"), "^501 5.5.2 <-bad->", "^555 5.5.2 <-bad->",
        smtpd_helo_restrictions="reject_invalid_helo_hostname"),
    row("non_fqdn_reject_code", None, "514", rcpt("r@dest.test", "s@short"), "^504 5.5.2 <s@short>: Sender address rejected", "^514 5.5.2",
        smtpd_sender_restrictions="reject_non_fqdn_sender"),
    row("defer_code", None, "451", rcpt("r@dest.test"), "^450 4.3.2 <", "^451 4.3.2 <", smtpd_sender_restrictions="defer"),
    row("reject_code", None, "556", rcpt("r@dest.test"), "^554 5.7.1 <", "^556 5.7.1 <", smtpd_sender_restrictions="reject"),
    row("relay_domains_reject_code", None, "557", rcpt("r@dest.test"), "^554 5.7.1 <r@dest.test>: Relay access denied", "^557 5.7.1", mynetworks="127.0.0.9/32",
        smtpd_relay_restrictions="reject_unauth_destination"),
    row("line_length_limit", "600", None, reply(HELO, "NOOP " + "x" * 900), "^500 5.5.2|^421", "^250 2.0.0 Ok"),
    row("message_size_limit", None, "5000", reply(HELO, "MAIL FROM:<s@src.test> SIZE=9000"), "^250 2.1.0", "^552 5.3.4 Message size exceeds fixed limit"),
    row("smtpd_recipient_limit", None, "2", recipients(3), r"250 2\.1\.5 Ok$", "452 4.5.3 Error: too many recipients$"),
    row("smtpd_recipient_overshoot_limit", None, "1", recipients(6), "too many recipients$", "closed$|421 4.7.0 .* too many errors", smtpd_recipient_limit="1",
        smtpd_hard_error_limit="2"),
    row("smtpd_soft_error_limit", None, "1", slow(HELO, *ERRORS[:3]), "fast", "slow", smtpd_error_sleep_time="1"),
    row("smtpd_error_sleep_time", "0", "1s", slow(HELO, *ERRORS[:3]), "fast", "slow", smtpd_soft_error_limit="1"),
    row("smtpd_hard_error_limit", None, "3", replies(HELO, *ERRORS), "500 5.5.2 Error: command not recognized$", "closed$"),
    row("smtpd_junk_command_limit", None, "2", replies(HELO, *["NOOP"] * 8), "250 2.0.0 Ok$", "closed$", smtpd_hard_error_limit="2"),
    row("smtpd_noop_commands", None, "FOO", reply(HELO, BAD), "^500|^502", "^250 2.0.0 Ok"),
    row("smtpd_forbidden_commands", None, "FOO", reply(HELO, BAD), "^500|^502", "^221 2.7.0 Error: I can break rules, too. Goodbye."),
    row("smtpd_helo_required", None, "yes", reply("MAIL FROM:<s@src.test>"), "^250 2.1.0 Ok", "^503 5.5.1 Error: send HELO/EHLO first"),
    row("smtpd_timeout", None, "1s", idle, "still there", "^421 4.4.2 mail.site.test Error: timeout exceeded"),
    row("smtpd_per_request_deadline", None, "yes", SLOW_NOOP, "^250 2.0.0 Ok", "^421 4.4.2", smtpd_timeout="2s"),
    row("smtpd_per_record_deadline", None, "yes", SLOW_NOOP, "^250 2.0.0 Ok", "^421 4.4.2", smtpd_timeout="2s"),
    row("smtpd_min_data_rate", "1", "100000", SLOW_DATA, "^250 2.0.0 Ok", "^421 4.4.2", smtpd_timeout="2s", smtpd_per_request_deadline="yes"),
    row("smtpd_command_filter", None, "inline:{FOO=NOOP}", reply(HELO, BAD), "^500|^502", "^250 2.0.0 Ok"),
    row("smtpd_reject_filter_maps", None, "inline:{ {500 5.5.2 error: command not recognized = 450 4.9.9 other words} }", replies(HELO, BAD), "500 5.5.2 Error: command not recognized$",
        "450 4.9.9 other words$"),
    row("smtpd_discard_ehlo_keyword_address_maps", None, "static:{pipelining, 8bitmime}", reply(HELO), "PIPELINING.*SMTPUTF8", "^(?!.*PIPELINING)(?!.*8BITMIME)", smtpd_discard_ehlo_keywords="dsn"),
    row("smtpd_hide_client_session", None, "yes", mail(cleanup=False), r"Received: from client\.test \(.*with ESMTP id", r"Received: by mail\.site\.test \(mtad\)\|\tid \w+\|\tfor <r@dest\.test>; "),
    row("smtpd_discard_ehlo_keywords", None, "pipelining", reply(HELO), "PIPELINING", "^(?!.*PIPELINING)"),
    row("smtputf8_enable", None, "no", reply(HELO), "SMTPUTF8", "^(?!.*SMTPUTF8)"),
    row("strict_smtputf8", None, "yes", reply(HELO, "MAIL FROM:<é@src.test>"), "^250", "^501 5.1.7"),
    row("smtpd_authorized_verp_clients", None, "127.0.0.0/8", reply(HELO, "MAIL FROM:<s@src.test> XVERP"), "^555 5.5.4 Unsupported option: XVERP", "^250"),
    row("strict_rfc821_envelopes", None, "yes", reply(HELO, "MAIL FROM:s@src.test"), "^250", "^501 5.1.7"),
    row("smtpd_forbid_bare_newline", None, "reject", bare_newline, "^250", "^550 5.5.2 .*bare <LF> received", smtpd_forbid_bare_newline_exclusions=""),
    row("smtpd_forbid_bare_newline_exclusions", None, "", bare_newline, "^250", "^550 5.5.2", smtpd_forbid_bare_newline="reject"),
    row("smtpd_forbid_bare_newline_reject_code", None, "521", bare_newline, "^550 5.5.2", "^521 5.5.2", smtpd_forbid_bare_newline="reject",
        smtpd_forbid_bare_newline_exclusions=""),
    row("smtpd_forbid_unauth_pipelining", "no", None, early, "^250.*250 2.0.0 Ok / 250 2.1.0", "^554 5.5.0 Error: SMTP protocol synchronization"),
    row("smtpd_client_port_logging", None, "yes", logged(r" connect from \S+\[CLIENT\]", reply()), r"connect from \S+\]$", r"connect from \S+\]:\d+$"),
    row("smtpd_client_restrictions", None, "reject", rcpt("r@dest.test"), "^250", "^554 5.7.1 <[^>]*>: Client host rejected"),
    row("smtpd_helo_restrictions", None, "reject", rcpt("r@dest.test"), "^250", "^554 5.7.1 <client.test>: Helo command rejected"),
    row("smtpd_sender_restrictions", None, "reject", rcpt("r@dest.test"), "^250", "^554 5.7.1 <s@src.test>: Sender address rejected"),
    row("smtpd_recipient_restrictions", None, "reject", rcpt("r@dest.test"), "^250", "^554 5.7.1 <r@dest.test>: Recipient address rejected"),
    row("smtpd_relay_restrictions", None, "reject", rcpt("r@dest.test"), "^250", "^554 5.7.1 <r@dest.test>: Recipient address rejected"),
    row("smtpd_data_restrictions", None, "reject", reply(HELO, "MAIL FROM:<s@src.test>", "RCPT TO:<r@dest.test>", "DATA"), "^354", "^554 5.7.1 <DATA>: Data command"),
    row("smtpd_end_of_data_restrictions", None, "reject", end(cleanup=False), "^250", "^554 5.7.1 <END-OF-MESSAGE>"),
    row("smtpd_etrn_restrictions", None, "reject", reply(HELO, "ETRN dest.test"), "^(?!554)", "^554 5.7.1 <dest.test>: Etrn command rejected"),
    row("smtpd_delay_reject", None, "no", replies(HELO, "MAIL FROM:<s@src.test>"), r"^220.*250 2\.1\.0 Ok$", "^554 5.7.1 <[^>]*>: Client host|^220.*554 5.7.1", **REJECT_CLIENT),
    row("smtpd_relay_before_recipient_restrictions", None, "no", rcpt("r@dest.test"), "^450 4.3.2", "^554 5.7.1",
        smtpd_relay_restrictions="defer", smtpd_recipient_restrictions="reject"),
    row("smtpd_reject_unlisted_recipient", None, "no", rcpt("nobody@site.test"), "^550 5.1.1 <nobody@site.test>: Recipient address rejected: User unknown", "^250"),
    row("smtpd_reject_unlisted_sender", None, "yes", rcpt("r@dest.test", "nobody@site.test"), "^250", "^550 5.1.0 <nobody@site.test>: Sender address rejected"),
    row("soft_bounce", None, "yes", rcpt("r@dest.test"), "^554 5.7.1 <", "^454 4.7.1 <", smtpd_sender_restrictions="reject"),
    row("show_user_unknown_table_name", None, "no", rcpt("nobody@site.test"), "User unknown in local recipient table", "User unknown$"),
    row("unknown_local_recipient_reject_code", None, "451", rcpt("nobody@site.test"), "^550", "^451"),
    row("unknown_relay_recipient_reject_code", None, "451", rcpt("nobody@relay.test"), "^550 5.1.1 .*in relay recipient table", "^451"),
    row("unknown_virtual_alias_reject_code", None, "451", rcpt("nobody@valias.test"), "^550 5.1.1 .*in virtual alias table", "^451"),
    row("unknown_virtual_mailbox_reject_code", None, "451", rcpt("nobody@vmail.test"), "^550 5.1.1 .*in virtual mailbox table", "^451"),
    row("allow_untrusted_routing", None, "yes", rcpt("u%other.test@relay.test"), "^554 5.7.1 .*Relay access denied", "^250|^550 5.1.1", mynetworks="127.0.0.9/32",
        smtpd_relay_restrictions="reject_unauth_destination", relay_recipient_maps=""),
    row("mynetworks", None, "127.0.0.9/32", rcpt("r@dest.test"), "^250", "^(554|454) [45].7.1 .*Relay access denied"),
    row("smtpd_client_connection_count_limit", "2", "1", connections(2, True), "^220", "^421 4.7.0 mail.site.test Error: too many connections from ",
        smtpd_client_event_limit_exceptions=""),
    row("smtpd_client_connection_rate_limit", None, "2", connections(3, False), "^220", "^421 4.7.0 mail.site.test Error: too many connections from ",
        smtpd_client_event_limit_exceptions=""),
    row("smtpd_client_event_limit_exceptions", None, "", connections(2, False), "^220", "^421 4.7.0", smtpd_client_connection_rate_limit="1"),
    row("cleanup_service_name", "cleanup", "picky", end(cleanup=False), "^250", "^550 5.7.1 picky"),
    row("content_filter", None, "discard:filter", logged("to=<rWORD@dest.test>.*", end(to=("rWORD@dest.test",), cleanup=False)), "relay=127.52.255.1.*status=sent",
        "relay=none.*status=sent \\(filter"),
    row("receive_override_options", None, "no_header_body_checks", end("Subject: WORD refuse me\n\nx\n", cleanup=False), "^550 5.7.1 refused", "^250", cleanup_service_name="checked"),
    row("smtpd_peername_lookup", None, "no", named, r"localhost\[127.0.0.1\]", r"unknown\[127.0.0.1\]", smtpd_client_restrictions="reject"),
    row("local_recipient_maps", None, "inline:{nobody=x}", rcpt("nobody@site.test"), "^550", "^250"),
    row("relay_recipient_maps", None, "inline:{nobody@relay.test=x}", rcpt("nobody@relay.test"), "^550", "^250"),
    row("local_header_rewrite_clients", "permit_mynetworks", None, mail("Subject: WORD\nTo: someone\n\nx\n", cleanup=False), r"To: someone@site\.test\|", r"To: someone\|"),
    row("syslog_name", None, "mtad/extra", logged(r"\S+\[\d+\]: connect from \S+\[CLIENT\]", reply()), "^smtpd|^mtad/smtpd", "^mtad/extra/smtpd"),
    row("debug_peer_list", None, "127.0.0.0/8", dialogue, "none", "^> \\S+: 220 "),
    row("debug_peer_level", "1", None, notes, "> (?!.*session ends)", "> .*the session ends", debug_peer_list="127.0.0.0/8"),
]
FILES = {"picky": "/^Subject/ REJECT picky\n", "checked": "/refuse me/ REJECT refused\n"}


def world(folder):
    w = Servers(folder, ROWS, MAIN)
    for name, text in FILES.items():
        (folder / name).write_text(text)
        w.mta.master += f"{name} unix n - y - 0 cleanup\n  -o header_checks=pcre:{folder}/{name}\n"
    w.mta.write()
    return w
