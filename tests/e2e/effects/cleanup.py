"""Parameters of cleanup: what is done to a message as it comes in. Mail goes to one host, where it is looked at."""
from effects import Servers, end, logged, mail, row

ANN, BOB = "ann@src.test", "bob@dest.test"
MAIN = {"smtpd_client_connection_count_limit": "0", "local_header_rewrite_clients": "permit_mynetworks",
        "smtp_destination_concurrency_limit": "100", "mydestination": "site.test, localhost"}
BODY = "Subject: WORD\n\nhello\n"
PART = "MIME-Version: 1.0\nSubject: WORD\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: message/rfc822\n\nX-Inner: secret\n\nfind me\n--b\nX-Part: secret\n\ntext\n--b--\n"
DEEP = ("MIME-Version: 1.0\nSubject: WORD\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: multipart/mixed; boundary=c\n\n"
        "--c\nContent-Type: multipart/mixed; boundary=d\n\n--d\nContent-Type: multipart/mixed; boundary=e\n\n--e\n\ntext\n--e--\n--d--\n--c--\n--b--\n")
TO = {"sender": ANN, "to": (BOB,)}
HEADERS = "Subject: WORD\nFrom: ann@src.test\nTo: bob@dest.test\n\nx\n"


def both(see):
    see.cleanup = True
    return see


def table(*pairs):
    return "inline:{" + ",".join(f"{{{k}={v}}}" for k, v in pairs) + "}"


def plain(name, a, b, want_a, want_b, text=BODY, **also):
    how = {k: also.pop(k) for k in ("sender", "to", "count", "eight", "ehlo") if k in also}
    return row(name, a, b, mail(text, **{**TO, **how}), want_a, want_b, **also)


CANON = {"canonical_maps": table((ANN, "ann@new.test"), (BOB, "bob@new.test"))}
SCANON = {"sender_canonical_maps": table((ANN, "ann@new.test"))}
RCANON = {"recipient_canonical_maps": table((BOB, "bob@new.test"))}
MASQ = {"masquerade_domains": "short.test"}
LONG = "sender@a.short.test"
SPLIT = table(("list@dest.test", "one@dest.test, two@dest.test"))
CHAIN = table(("a@chain.test", "b@chain.test"), ("b@chain.test", "c@chain.test"), ("c@chain.test", "d@dest.test"))

ROWS = [
    plain("always_add_missing_headers", None, "yes", r"^(?!.*\|From: )", r"\|From: ann@src.test\|", ehlo="EHLO x", local_header_rewrite_clients=""),
    plain("always_bcc", None, "copy@bcc.test", r"^(?!.*copy@bcc)", r"copy@bcc\.test", count=1),
    plain("sender_bcc_maps", None, table((ANN, "copy@bcc.test")), r"^(?!.*copy@bcc)", r"copy@bcc\.test"),
    plain("recipient_bcc_maps", None, table((BOB, "copy@bcc.test")), r"^(?!.*copy@bcc)", r"copy@bcc\.test"),
    row("header_checks", None, "pcre:FOLDER/refuse", end(), "^250", "^550 5.7.1 refused"),
    row("body_checks", None, "pcre:FOLDER/hello", end(), "^250", "^550 5.7.1 hello there"),
    row("body_checks_size_limit", None, "3", end("Subject: WORD\n\nfirst\nhello\n"), "^550 5.7.1 hello there", "^250", body_checks="pcre:FOLDER/hello"),
    row("mime_header_checks", None, "pcre:FOLDER/secret", end(PART), "^250", "^550 5.7.1 a secret"),
    row("nested_header_checks", None, "pcre:FOLDER/secret", end(PART), "^250", "^550 5.7.1 a secret"),
    row("disable_mime_input_processing", None, "yes", end(PART), "^550 5.7.1 a secret", "^250", mime_header_checks="pcre:FOLDER/secret"),
    row("mime_nesting_limit", None, "1", end(DEEP), "^250", "^550 5.6.0", mime_header_checks="pcre:FOLDER/never", header_checks="pcre:FOLDER/never"),
    row("header_size_limit", None, "300", mail(f"Subject: WORD\nX-Long: {'y' * 80}\n {'y' * 400}\n {'z' * 400}\n\nx\n", **TO), "z{400}", "^(?!.*z{400})"),
    row("strict_7bit_headers", None, "yes", end("Subject: WORD gr\u00fc\u00dfe\n\nx\n"), "^250", "^550 5.6.0 improper use of 8-bit data in message header"),
    row("message_reject_characters", None, r"\001\176", end(BODY + "a~b\n"), "^250", "^550 5.7.1 disallowed character"),
    plain("message_strip_characters", None, r"\176", "a~b", r"^(?!.*a~b).*\|ab", BODY + "a~b\n"),
    row("strict_8bitmime", None, "yes", end("Subject: WORD gr\u00fc\u00dfe\n\nx\n"), "^250", "^550 5.6.0 improper use of 8-bit data in message header"),
    row("strict_8bitmime_body", None, "yes", end("Subject: WORD\n\ngr\u00fc\u00dfe\n"), "^250", "^550 5.6.0 improper use of 8-bit data in message body"),
    row("strict_mime_encoding_domain", None, "yes", end(PART.replace("Subject:", "Content-Transfer-Encoding: base64\nSubject:")), "^250",
        "^550 5.6.0 invalid message/. or multipart/. encoding domain"),
    row("hopcount_limit", None, "3", end("Received: a\nReceived: b\nReceived: c\nReceived: d\n" + BODY), "^250", "^554 5.4.0 Error: too many hops"),
    plain("message_drop_headers", None, "x-drop", r"X-Drop: yes", r"^(?!.*X-Drop)", "X-Drop: yes\n" + BODY),
    plain("undisclosed_recipients_header", None, "To: nobody that we name:;", r"^(?!.*nobody that)", r"To: nobody that we name:;", local_header_rewrite_clients="permit_mynetworks",
          always_add_missing_headers="yes"),
    plain("canonical_maps", None, CANON["canonical_maps"], r"FROM:<ann@src.*TO:<bob@dest.*From: ann@src", r"FROM:<ann@new.*TO:<bob@new.*From: ann@new", HEADERS),
    plain("canonical_classes", None, "envelope_sender", r"FROM:<ann@new.*From: ann@new", r"FROM:<ann@new.*From: ann@src", HEADERS, **CANON),
    plain("sender_canonical_maps", None, SCANON["sender_canonical_maps"], "FROM:<ann@src", "FROM:<ann@new"),
    plain("sender_canonical_classes", None, "header_sender", "FROM:<ann@new", "FROM:<ann@src.*From: ann@new", HEADERS, **SCANON),
    plain("recipient_canonical_maps", None, RCANON["recipient_canonical_maps"], "TO:<bob@dest", "TO:<bob@new"),
    plain("recipient_canonical_classes", None, "header_recipient", "TO:<bob@new", "TO:<bob@dest.*To: bob@new", HEADERS, **RCANON),
    plain("masquerade_domains", None, "short.test", "FROM:<sender@a.short", "FROM:<sender@short", sender=LONG),
    plain("masquerade_classes", None, "header_sender", "FROM:<sender@short", "FROM:<sender@a.short", sender=LONG, **MASQ),
    plain("masquerade_exceptions", None, "sender", "FROM:<sender@short", "FROM:<sender@a.short", sender=LONG, **MASQ),
    plain("virtual_alias_maps", None, SPLIT, "TO:<list@dest", "TO:<(one|two)@dest.*(one|two)@dest", to=("list@dest.test",)),
    row("virtual_alias_recursion_limit", None, "1", end(to=("a@chain.test",)), "^250", "^451 4.3.0", virtual_alias_maps=CHAIN),
    row("virtual_alias_expansion_limit", None, "1", end(to=("list@dest.test",)), "^250", "^451 4.3.0", virtual_alias_maps=SPLIT),
    row("virtual_alias_address_length_limit", None, "15", end(to=("list@dest.test",)), "^250", "^5|^4", virtual_alias_maps=table(("list@dest.test", "long-address@dest.test"))),
    row("duplicate_filter_limit", None, "1", both(lambda s: str(mail("Subject: WORD\n\nx\n", to=("a@dest.test", "b@dest.test", "c@dest.test", "c@dest.test"))(s).count("TO:<c@"))), "^1$", "^2$"),
    row("enable_original_recipient", None, "no", logged("to=<newWORD@dest.test>.* relay", end(to=("list@dest.test",))), "orig_to=<list@dest.test>", "^(?!.*orig_to)",
        virtual_alias_maps=table(("list@dest.test", "newWORD@dest.test"))),
]
FILES = {"refuse": "/^Subject/ REJECT refused\n", "hello": "/^hello/ REJECT hello there\n", "secret": "/secret/ REJECT a secret\n",
         "never": "/^never-ever/ REJECT never\n"}


def world(folder):
    def local(v):
        return v.replace("FOLDER", str(folder)) if isinstance(v, str) else v
    rows = [r._replace(a=local(r.a), b=local(r.b), also={k: local(v) for k, v in r.also.items()}) for r in ROWS]
    for name, text in FILES.items():
        (folder / name).write_text(text)
    return Servers(folder, rows, MAIN)
