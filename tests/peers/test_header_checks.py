"""
header_checks(5) beside Debian's cleanup(8): the same mail goes to a Postfix and a mtad with the same tables; replies, log lines, kept content and recipients are compared.
"""
import json
import os
import re
import smtplib
import subprocess

import pytest
from mtadtest import BUILD, Instance, wait_for
from postfixtest import Postfix

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="Postfix needs root")

HEADER = r"""
/^Subject: reject-plain/ REJECT
/^Subject: reject-text/ REJECT no such thing here
/^Subject: reject-dsn/ REJECT 5.7.9 with a code
/^Subject: reject-temp/ REJECT 4.7.9 later
/^Subject: reject-bad/ REJECT 2.7.9 a wrong code
/^Subject: warn/ WARN a word
/^Subject: info/ INFO
/^Subject: dunno/ DUNNO
/^Subject: ok/ OK
/^Subject: ignore/ IGNORE
/^Subject: strip/ STRIP why
/^Subject: replace (.*)/ REPLACE X-Was: $1
/^Subject: badreplace/ REPLACE no header
/^Subject: prepend/ PREPEND X-Before: this
/^Subject: badprepend/ PREPEND no header
/^Subject: hold/ HOLD for a look
/^Subject: discard/ DISCARD gone
/^Subject: pass/ PASS enough
/^Subject: bcc/ BCC copy@other.test
/^Subject: badbcc/ BCC copy
/^Subject: redirect/ REDIRECT there@other.test
/^Subject: badredirect/ REDIRECT there
/^Subject: filter/ FILTER smtp:[127.0.0.1]:9
/^Subject: badfilter/ FILTER smtp
/^Subject: unknown/ NOSUCH action
/^Subject: .*folded/ WARN seen over lines
/^X-First:/ WARN first
/^X-Last:/ WARN last
/^Received: .*client\.test/ WARN our own
/^X-Drop:/ IGNORE
/^Content-Type:/ WARN not for header_checks
/^X-Long:/ WARN long
/^Message-Id:/ WARN id
/^Return-Path:/ WARN dropped later
/^\S+ *:.*=\?utf-8/ WARN encoded
/^/ DUNNO
"""
MIME = r"""
/^Content-Type: text\/html/ WARN html
/name="?[^"]*\.exe/ REJECT no programs
/^Content-Disposition:/ REPLACE Content-Disposition: inline
/^X-In-Part:/ IGNORE
/^Content-Description:/ PREPEND X-Described: yes
/^Content-/ WARN mime
/^MIME-Version/ WARN version
"""
NESTED = "/^Subject:/ WARN nested\n/^X-Nested:/ IGNORE\n/^Content-Type/ WARN never\n"
BODY = r"""
/^reject me/ REJECT bad words
/^warn me/ WARN in the body
/^drop me/ IGNORE
/^change (.*)/ REPLACE changed $1
/^before/ PREPEND in front
/^--b/ WARN boundary
/^$/ INFO empty
/^end-of-limit/ WARN still seen
/^xxxxx/ INFO long line
"""


def mail(subject="", extra="", body="hello\n", **more):
    """One mail and its recipients."""
    return {"text": (f"Subject: {subject}\n" if subject else "") + extra + "\n" + body, "to": ["a@site.test", "b@site.test"], **more}


PARTS = """MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="b"
"""
BODY_PARTS = """preamble
--b
Content-Type: text/html
X-In-Part: x
Content-Description: a part
 folded

text
warn me
--b
Content-Type: message/rfc822
Content-Disposition: attachment

Subject: within
X-Nested: y
MIME-Version: 1.0
Content-Type: multipart/alternative; boundary=bb

--bb
Content-Type: text/html; x=y

html
--bb--
--b--
epilogue
warn me
"""
ACTIONS = [mail(w) for w in (
    "plain", "reject-plain", "reject-text", "reject-dsn", "reject-temp", "reject-bad", "warn", "info", "dunno", "ok", "ignore", "strip", "replace this", "badreplace",
    "prepend", "badprepend", "hold", "discard", "pass", "bcc", "badbcc", "redirect", "badredirect", "filter", "badfilter", "unknown x", "=?utf-8?q?x?=")] + [
    mail("over\n several\n\tlines folded"), mail("pass", "X-Last: 1\n"), mail("discard", "X-Last: 1\n"), mail("hold", "X-Last: 1\nSubject: hold\n"),
    mail("", "X-Last: 1\nX-First: 2\nX-Drop: a\n b\n"), mail("filter", "Subject: redirect\n"), mail("reject-text", "", "warn me\n"), mail("", "Return-Path: <x>\nMessage-Id: <a@b>\n"),
    mail("x", "X-Long: " + "y" * 300 + "\n"), mail("none", "", ""), mail("bcc", "Subject: bcc\nSubject: bcc\n"), mail("warn", "From: x@y.test\n", "hello\n", sender=""),
]
BODIES = [
    mail("x", "", "one\nwarn me\ndrop me\nchange this\nbefore\n\nlast"), mail("x", "", "reject me\n"), mail("x", "", "a\n\nb\n"), mail("x", PARTS, BODY_PARTS),
    mail("x", PARTS, BODY_PARTS.replace("text/html\n", 'text/html; name="a.exe"\n')), mail("x", PARTS, BODY_PARTS.replace("message/rfc822", "text/plain")),
    mail("x", "MIME-Version: 1.0\nContent-Type: message/rfc822\n", "Subject: inner\nContent-Type: text/plain\n\nwarn me\n"),
    mail("x", PARTS, "--b\nSubject: in a part\n\nwarn me\n--bx\nContent-Type: text/plain\n\nmore\n--b--\n"), mail("x", PARTS, "--b\nwarn me\nthere\n--b--\n"),
    mail("x", PARTS.replace("mixed", "digest"), "--b\n\nSubject: inner\n\nwarn me\n--b--\n"), mail("x", "", "xxxxx" * 1000 + "\n"),
    mail("x", "", "warn me " + "z" * 3000 + "\nwarn me too\n"), mail("x", PARTS.replace("mixed; b", "mixed;\n\tb"), BODY_PARTS), mail("x", PARTS, "--b\n"),
    mail("x", PARTS, "--b\nContent-Type: text/html\n"), mail("x", PARTS, "--b\nContent-Type: message/partial\n\nSubject: in it\n\nx\n--b--\n"),
    mail("x", PARTS, "--b\nContent-Type: message/external-body\n\nContent-Type: text/html\n\nx\n--b--\n"), mail("x", PARTS.replace('"b"', "b (comment)"), BODY_PARTS),
    mail("x", "", "y\n" * 60 + "end-of-limit\n"), mail("x", "", "y\n" * 30 + "end-of-limit\n"), mail("x", "", "no header\n" + PARTS + "\n" + BODY_PARTS),
]
DEEP = "".join(f"Content-Type: multipart/mixed; boundary=x{i}y\n\n--x{i}y\n" for i in range(8)) + "\ndeep\n"
BODIES.append(mail("x", "MIME-Version: 1.0\n" + DEEP.partition("\n\n")[0] + "\n", DEEP.partition("\n\n")[2]))
FILES = {"header": HEADER, "mime": MIME, "nested": NESTED, "body": BODY}
SITES = {
    "actions": ({"header_checks": "pcre:DIR/header"}, ACTIONS),
    "actions, regexp": ({"header_checks": "regexp:DIR/header"}, ACTIONS[:30]),
    "all": ({"header_checks": "pcre:DIR/header", "mime_header_checks": "pcre:DIR/mime", "nested_header_checks": "pcre:DIR/nested", "body_checks": "regexp:DIR/body"}, BODIES),
    "headers of parts by default": ({"header_checks": "pcre:DIR/header"}, BODIES),
    "only the body": ({"body_checks": "pcre:DIR/body", "body_checks_size_limit": "100", "mime_nesting_limit": "5"}, BODIES),
    "too deep": ({"mime_header_checks": "pcre:DIR/mime", "mime_nesting_limit": "5"}, BODIES[-1:] + BODIES[3:4]),
    "as deep as may be": ({"mime_header_checks": "pcre:DIR/mime", "mime_nesting_limit": "8"}, BODIES[-1:]),
    "not deep enough": ({"mime_header_checks": "pcre:DIR/mime", "mime_nesting_limit": "7"}, BODIES[-1:]),
    "no structure": ({"mime_header_checks": "pcre:DIR/mime", "body_checks": "pcre:DIR/body", "nested_header_checks": "pcre:DIR/nested", "disable_mime_input_processing": "yes"}, BODIES),
    "switched off": ({"header_checks": "pcre:DIR/header", "body_checks": "pcre:DIR/body", "receive_override_options": "no_header_body_checks"}, ACTIONS[:6] + BODIES[:3]),
    "no addresses mapped": ({"header_checks": "pcre:DIR/header", "virtual_alias_maps": "static:{x@other.test}", "receive_override_options": "no_address_mappings"}, ACTIONS[:3]),
    "a table": ({"header_checks": "texthash:DIR/plain static:{WARN all}"}, ACTIONS[:3]),
}
DEFERRED = {"mail_name": "Postfix", "default_transport": "retry:4.0.0 later", "local_transport": "retry:4.0.0 later", "relay_transport": "retry:4.0.0 later",
            "virtual_transport": "retry:4.0.0 later", "transport_maps": "static:{retry:4.0.0 later}", "local_recipient_maps": "",
            "smtpd_recipient_restrictions": "permit_mynetworks", "smtpd_relay_restrictions": "permit_mynetworks, reject_unauth_destination", "smtpd_reject_unlisted_recipient": "no",
            "smtpd_error_sleep_time": "0", "smtpd_hard_error_limit": "1000", "smtpd_soft_error_limit": "1000"}


def send(port, m):
    """The reply to the content."""
    with smtplib.SMTP("127.0.0.1", port, local_hostname="client.test", timeout=30) as s:
        s.ehlo()
        s.mail(m.get("sender", "sender@plain.test"))
        for r in m["to"]:
            assert s.rcpt(r)[0] == 250
        code, text = s.data(m["text"].replace("\n", "\r\n").encode())
        return code, text.decode()


def queue(command, folder):
    """What is in the queue, by queue ID."""
    out = subprocess.run([*command, "-c", folder, "-j"], capture_output=True, text=True, timeout=60).stdout
    return {r["queue_id"]: r for r in map(json.loads, out.splitlines())}


def content(command, folder, queue_id):
    """As it is kept, without what differs from one to the other."""
    out = subprocess.run([*command, "-c", folder, "-q", "-hb", queue_id], capture_output=True, text=True, timeout=60).stdout
    return re.sub(r"(?m)^(Received:|Message-Id: <.*@mail.site.test>|Date:).*(\n[ \t].*)*\n", "", out)


LINE = re.compile(r"cleanup\[\d+\]: ([0-9A-Za-z]+): ((?:reject|warning|info|filter|pass|discard|hold|prepend|replace|redirect|bcc|strip): .*)")


def recipients(row, said):
    """Postfix keeps them until it delivers to where they are redirected to; mtad replaces them at once."""
    to = [line.split(": ")[-1] for line in said if line.startswith("redirect:")]
    return to or sorted(r["address"] for r in row["recipients"])


def results(port, mails, queue_command, cat_command, folder, log):
    replies = [send(port, m) for m in mails]
    ids = [t.split()[-1] if c == 250 else "" for c, t in replies]

    def settled():
        rows.update(queue(queue_command, folder))
        return all(i in rows and rows[i]["queue_name"] != "active" for i, m in zip(ids, mails) if i and "Subject: discard" not in m["text"])

    rows = {}
    wait_for(settled, 30)
    lines = {}
    for queue_id, text in LINE.findall(log()):
        lines.setdefault(queue_id, []).append(re.sub(r"id [0-9A-Za-z]{10,}.*? from", "ID from", text))
    order = list(lines)
    refused = iter([q for q in order if q not in ids])
    made = []
    for (code, text), i in zip(replies, ids):
        said = lines.get(i or next(refused, None), []) if i or code != 250 else []
        row = rows.get(i)
        made.append({"reply": (code, "queued" if i else text), "log": said,
                     "queue": row and ("hold" if row["queue_name"] == "hold" else "deferred", row["sender"], recipients(row, said)),
                     "content": content(cat_command, folder, i) if row else None})
    return made


@pytest.mark.parametrize("site", SITES)
def test_checks_do_what_cleanup_does(tmp_path_factory, site):
    folder = tmp_path_factory.mktemp("checks")
    for p in (folder, folder.parent):
        os.chmod(p, 0o755)
    for name, text in {**FILES, "plain": "nothing WARN never\n"}.items():
        (folder / name).write_text(text)
    extra, mails = SITES[site]
    settings = {**DEFERRED, **{k: v.replace("DIR", str(folder)) for k, v in extra.items()}}
    with Postfix(folder / "postfix", settings) as postfix, Instance(folder / "mtad", settings) as mta:
        theirs = results(postfix.port, mails, ["postqueue"], ["postcat"], f"{postfix.dir}/config", postfix.log)
        ours = results(mta.port, mails, [f"{BUILD}/mtactl", "postqueue"], [f"{BUILD}/mtactl", "postcat"], mta.dir, mta.log)
    if site == "too deep":      # when it is found, within one message
        for r in theirs + ours:
            r["log"].sort()
    different = [(m["text"][:60], k, t[k], o[k]) for m, t, o in zip(mails, theirs, ours) for k in t if t[k] != o[k]]
    print(f"{len(mails)} sent", *(f"== {m!r} {k}\n  postfix {t!r}\n  mtad    {o!r}" for m, k, t, o in different), sep="\n")
    assert not different
