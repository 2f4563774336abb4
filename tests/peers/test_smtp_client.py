"""
What goes out, beside Debian's smtp(8): the same mail through a Postfix and a mtad that pass it on to a recording server; what it got is compared, and what
was logged of it. A site is a listener whose content_filter is a client with settings of its own, so that nothing is ever reloaded.
"""
import difflib
import os
import re
import smtplib

import pytest
from mtadtest import Instance, Sink, free_port, wait_for
from postfixtest import Postfix

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="Postfix needs root")

GENERIC = """bob@site.test bob.outside@public.test
carl carl@public.test
plus@site.test mapped@public.test
plus+known@site.test known@public.test
@inside.test @public.test
@all.test all@public.test
ann@inside.test ann@exception.test
short@site.test short-host
quoted@site.test "a b"@public.test
"with space"@site.test spaceless@public.test
"dots..dots"@site.test dotless@public.test
chain1@site.test chain2@site.test
chain2@site.test chain3@site.test
many@site.test one@public.test, two@public.test
loop@site.test loop@site.test
UPPER@site.test upper@public.test
percent@site.test user%host@public.test
bang@site.test host!user@public.test
named@site.test "A Name" <named@public.test>
root @public.test
long@site.test averyveryveryveryveryveryveryverylonglocalpartofanaddress@a.rather.long.domain.name.public.test
utf@site.test j\u00f6rg@public.test
@[127.0.0.1] @literal.test
"""
ADDRESSES = ["bob@site.test", "BOB@SITE.TEST", "bob+ext@site.test", "carl@site.test", "carl+x@site.test", "carl@other.test", "carl@mail.site.test", "plus@site.test",
             "plus+known@site.test", "plus+un@site.test", "x@inside.test", "x+y@inside.test", "ann@inside.test", "ann+z@inside.test", "any@all.test", "any+b@all.test",
             "short@site.test", "quoted@site.test", '"with space"@site.test', '"dots..dots"@site.test', "chain1@site.test", "many@site.test", "many+m@site.test",
             "loop@site.test", "loop+l@site.test", "upper@site.test", "percent@site.test", "bang@site.test", "named@site.test", "root@site.test", "root+r@site.test",
             "long@site.test", "long+longext@site.test", "utf@site.test", "nobody@plain.test", '"a@b"@inside.test', '"x y"@inside.test', "u@sub.inside.test",
             "u@[127.0.0.1]", "postmaster@inside.test"]
CHECKS = r"""
/^Subject: warn/ WARN a word
/^Subject: bare/ WARN
/^Subject: info/ INFO told
/^Subject: dunno/ DUNNO
/^Subject: ok/ OK
/^Subject: ignore/ IGNORE
/^Subject: strip/ STRIP why
/^Subject: replace (.*)/ REPLACE X-Was: $1
/^Subject: badreplace/ REPLACE no header
/^Subject: emptyreplace/ REPLACE
/^Subject: prepend/ PREPEND X-Before: this
/^Subject: badprepend/ PREPEND no header
/^Subject: emptyprepend/ PREPEND
/^Subject: (reject|hold|discard|pass|bcc|redirect|filter)/ $1 x@other.test
/^Subject: unknown/ NOSUCH action
/^Subject: .*folded/ WARN seen over lines
/^X-Drop:/ IGNORE
/^From: swap/ REPLACE From: bob@site.test
/^Content-Type:/ WARN never
/^X-Long/ WARN long
"""
MIME = r"""
/^Content-Type: text\/html/ WARN html
/^Content-Disposition:/ REPLACE Content-Disposition: inline
/^Content-Description:/ PREPEND X-Described: yes
/^Content-Transfer-Encoding: (8bit|base64)/ WARN encoding
/^X-In-Part:/ IGNORE
/^MIME-Version/ WARN version
"""
NESTED = "/^Subject:/ WARN nested\n/^X-Nested:/ IGNORE\n/^To:/ REPLACE To: hidden\n"
BODY = r"""
/^warn me/ WARN in the body
/^drop me/ IGNORE
/^change (.*)/ REPLACE changed $1
/^before/ PREPEND in front
/^bad$/ NOSUCH
/^--b/ WARN boundary
/^=/ WARN encoded
/^\.$/ REPLACE ..
"""
FILES = {"generic": GENERIC, "checks": CHECKS, "mime": MIME, "nested": NESTED, "body": BODY, "pattern": "/^(.*)@inside\\.test$/ $1@pattern.test\n/^bob\\+/ plus@pattern.test\n"}
ALL_CHECKS = {"smtp_header_checks": "pcre:DIR/checks", "smtp_mime_header_checks": "pcre:DIR/mime", "smtp_nested_header_checks": "regexp:DIR/nested",
              "smtp_body_checks": "pcre:DIR/body"}
SITES = {
    "nothing": {},
    "generic": {"smtp_generic_maps": "texthash:DIR/generic"},
    "generic, carried over": {"smtp_generic_maps": "texthash:DIR/generic", "propagate_unmatched_extensions": "canonical, generic"},
    "generic by patterns": {"smtp_generic_maps": "pcre:DIR/pattern, texthash:DIR/generic"},
    "checks": ALL_CHECKS,
    "both": {**ALL_CHECKS, "smtp_generic_maps": "texthash:DIR/generic"},
    "header checks alone": {"smtp_header_checks": "pcre:DIR/checks"},
    "body checks alone": {"smtp_body_checks": "pcre:DIR/body"},
    "xforward": {"smtp_send_xforward_command": "yes", "smtp_connection_cache_on_demand": "no"},
    "no DSN": {"smtp_discard_ehlo_keywords": "dsn, silent-discard"},
    "7 bits": {**ALL_CHECKS, "smtp_generic_maps": "texthash:DIR/generic", "smtp_discard_ehlo_keywords": "8bitmime, smtputf8, silent-discard", "smtp_connection_cache_on_demand": "no"},
}
MAIN = {"local_recipient_maps": "", "smtpd_recipient_restrictions": "permit_mynetworks", "smtpd_relay_restrictions": "permit_mynetworks, reject",
        "smtpd_reject_unlisted_recipient": "no", "recipient_delimiter": "+", "smtputf8_enable": "no", "smtpd_discard_ehlo_keywords": "smtputf8",
        "virtual_alias_maps": "inline:{{alias@valias.test = real@other.test}, {two@valias.test = one@other.test, two@other.test}}", "virtual_alias_domains": "valias.test",
        "recipient_canonical_maps": "inline:{{canon@other.test = canonical@other.test}}", "smtp_line_length_limit": "998",
        "default_destination_concurrency_limit": "20", "in_flow_delay": "0"}
USUAL = "Date: Sun, 22 Nov 2026 06:00:00 +0000\nMessage-ID: <{tag}@client.test>\nFrom: sender@plain.test\nTo: rcpt@plain.test\n"


class Pair:
    """The two of them, a sink each, and a port for each site."""

    def __init__(self, folder):
        self.sinks = [Sink("127.0.0.1"), Sink("127.0.0.1")]
        self.sites = list(SITES)
        self.runs = 0
        self.ports = [[free_port() for _ in SITES] for _ in range(2)]
        for name, text in FILES.items():
            with open(f"{folder}/{name}", "w") as f:
                f.write(text)
        lines = ["".join(self.lines(i, n, folder) for n in range(len(SITES))) for i in range(2)]
        self.postfix = Postfix(f"{folder}/postfix", MAIN)
        with open(f"{folder}/postfix/config/master.cf", "a") as f:
            f.write(lines[0])
        self.mtad = Instance(f"{folder}/mtad", MAIN)
        self.mtad.master += lines[1]
        self.mtad.write()

    def lines(self, which, n, folder):
        site = "".join(f"  -o {{ {k} = {v.replace('DIR', str(folder))} }}\n" for k, v in SITES[self.sites[n]].items())
        return (f"127.0.0.1:{self.ports[which][n]} inet n - n - - smtpd\n  -o content_filter=site{n}:[127.0.0.1]:{self.sinks[which].port}\n"
                f"site{n} unix - - n - - smtp\n  -o syslog_name=here/site{n}\n{site}")

    def __enter__(self):
        self.postfix.__enter__()
        self.mtad.__enter__()
        return self

    def __exit__(self, *why):
        self.mtad.__exit__(*why)
        self.postfix.__exit__(*why)
        for s in self.sinks:
            s.close()

    def send(self, which, site, tag, text, sender, recipients, mail_options=(), rcpt_options=()):
        with smtplib.SMTP("127.0.0.1", self.ports[which][self.sites.index(site)], local_hostname="client.test", timeout=30) as s:
            s.ehlo()
            code, reply = s.mail(sender, list(mail_options))
            assert code == 250, (sender, reply)
            for r in recipients:
                code, reply = s.rcpt(r, list(rcpt_options))
                assert code == 250, (r, reply)
            text = f"X-Tag: {tag}.\n{text}"
            code, reply = s.data(text.replace("\n", "\r\n").encode("latin-1"))
            assert code == 250, reply
            return reply.decode().split()[-1]

    def arrived(self, which, tags):
        """By tag: what the server got of it, in any order."""
        def all_there():
            found = {t: [] for t in tags}
            with self.sinks[which].lock:
                for sender, recipients, content in self.sinks[which].messages:
                    tag = re.match(rb"(?s).*?^X-Tag: (.*?)\.\r$", content, re.M)
                    if tag and tag[1].decode() in found:
                        found[tag[1].decode()].append((re.sub(rb" SIZE=\d+", b"", sender), sorted(recipients), plain(content)))
            return found if all(found.values()) else None
        return wait_for(all_there, 30)

    def both(self, site, mails):
        """Sends each, and returns what became of them here and there, with the log's lines: (name, theirs, ours)."""
        self.runs += 1
        tags = [f"{site}/{self.runs}/{i}" for i in range(len(mails))]
        ids = [[self.send(which, site, tag, text=m["text"].replace("{tag}", str(n)), sender=m.get("sender", "sender@plain.test"),
                          recipients=m.get("to", ["rcpt@plain.test"]), mail_options=m.get("mail", ()), rcpt_options=m.get("rcpt", ()))
                for n, (tag, m) in enumerate(zip(tags, mails))] for which in range(2)]
        got = [self.arrived(which, tags) for which in range(2)]
        logs = [[sorted(re.findall(rf"\]: {i}: (?!to=|removed|conversion|host )(.*)", log)) for i in ids[which]]
                for which, log in enumerate([self.client_log(self.postfix.log()), self.client_log(self.mtad.log())])]
        return [(m["text"], (sorted(got[0][t]), logs[0][n]), (sorted(got[1][t]), logs[1][n])) for n, (t, m) in enumerate(zip(tags, mails))]

    @staticmethod
    def client_log(text):
        return "\n".join(line for line in text.splitlines() if re.search(r"here/site\d+/smtp\[", line))


def plain(content):
    """Without the trace; headers unfolded, as where they are folded is each program's own."""
    header, _, body = content.partition(b"\r\n\r\n")
    lines = re.sub(rb"\r\n[ \t]+", b" ", header).split(b"\r\n")
    return [re.sub(rb"\s*([,;:(])\s*", rb"\1", re.sub(rb"\s+", b" ", line)) for line in lines if not re.match(rb"(?i)received:|resent-message-id:|resent-date:", line)], body


def shown(got):
    return [str(x)[:1500] for sender, recipients, (header, body) in got for x in (sender, *recipients, *header, *body.split(b"\r\n"))]


def differ(results):
    bad = [(name, theirs, ours) for name, theirs, ours in results if theirs != ours]
    for name, theirs, ours in bad:
        print(f"== {name[:2000]}\n  postfix {theirs[1]}\n  mtad    {ours[1]}")
        if theirs[0] != ours[0]:
            print(*difflib.ndiff(shown(theirs[0]), shown(ours[0])), sep="\n")
    return bad


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    path = tmp_path_factory.mktemp("client")
    for p in (path, path.parent):
        os.chmod(p, 0o755)
    with Pair(path) as p:
        yield p


def generic_mails():
    mails = [{"text": USUAL + f"\n{a}\n", "to": [a]} for a in ADDRESSES]
    mails += [{"text": USUAL + f"\nfrom {a}\n", "sender": a} for a in ADDRESSES]
    mails += [{"text": f"Date: Sun, 22 Nov 2026 06:00:00 +0000\nMessage-ID: <{{tag}}@client.test>\nFrom: {a}\nTo: \"Some, One\" <{a}>, other@plain.test (a comment)\n"
                       f"Cc: group: {a}, x@inside.test;\nReply-To: <{a}>\nX-Other: {a}\nSubject: {a}\n\nin headers\n"} for a in ADDRESSES]
    mails += [{"text": USUAL + "".join(f"{h}: bob@site.test\n" for h in ["Sender", "Bcc", "Resent-From", "Resent-To", "Resent-Cc", "Resent-Sender", "Resent-Reply-To", "Errors-To",
                                                                        "Return-Receipt-To", "Disposition-Notification-To", "Apparently-To", "Mail-Followup-To",
                                                                        "Delivered-To", "X-Original-To", "List-Post", "Mail-Copies-To", "Resent-Bcc"]) + "\nnames\n"}]
    mails += [{"text": USUAL + "\nnull sender\n", "sender": ""}, {"text": USUAL + "\nmany\n", "to": ADDRESSES}]
    mails += [{"text": USUAL.replace("rcpt@plain.test", "undisclosed-recipients:;").replace("sender@plain.test", "\"Bob (x)\" <bob@site.test> (Bob)") + "\nodd\n"}]
    return mails


@pytest.mark.parametrize("site", ["nothing", "generic", "generic, carried over", "generic by patterns"])
def test_addresses_go_out_as_generic_maps_say(pair, site):
    results = pair.both(site, generic_mails())
    assert len(results) > 100
    assert not differ(results)


SUBJECTS = ["warn", "bare", "info", "dunno", "ok", "ignore", "strip", "replace what", "badreplace", "emptyreplace", "prepend", "badprepend", "emptyprepend",
            "reject", "hold", "discard", "pass", "bcc", "redirect", "filter", "unknown", "is\n folded over", "warn " + "x" * 100, "warn" + " y" * 40 + "\n more"]
MULTIPART = """MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="b1"
X-Drop: gone

a preamble
--b1
Content-Type: text/html; charset=utf-8
Content-Transfer-Encoding: 8bit
Content-Description: a text
X-In-Part: gone

warn me
change this line
gr\u00fc\u00dfe = h\u00e9
--b1
Content-Type: message/rfc822

Subject: warn nested
To: someone@other.test
X-Nested: gone
MIME-Version: 1.0
Content-Type: text/plain

drop me
before me
inside
--b1
Content-Disposition: attachment; filename=x
Content-Transfer-Encoding: base64

aGVsbG8=
--b1--
an epilogue
"""


def check_mails():
    mails = [{"text": USUAL + f"Subject: {s}\n\nhello\n"} for s in SUBJECTS]
    mails += [{"text": USUAL.replace("From: sender", "From: swap").replace("rcpt@", "bob@") + "X-Drop: 1\n\nhello\n"},
              {"text": USUAL + "X-Long: " + "z" * 3000 + "\n\n" + "y" * 3000 + "\nwarn me\n"},
              {"text": USUAL + "Content-Type: text/html\n\nwarn me\ndrop me\ndrop me\nchange a b\nbefore\nbad\n\n.\n..\n.dot\nend"},
              {"text": USUAL + "MIME-Version: 1.0\nContent-Type: text/plain; charset=latin1\nContent-Transfer-Encoding: 8bit\n\ngr\u00fc\u00dfe\n= x\nwarn me \u00fc\n"},
              {"text": USUAL + MULTIPART}, {"text": USUAL + MULTIPART, "mail": ["BODY=8BITMIME"]}, {"text": USUAL + "\n"}, {"text": USUAL + "Subject: ignore\nSubject: ignore\n\n\n\n"},
              {"text": USUAL + "Subject: ignore\nContent-Type: multipart/mixed; boundary=x\n\n--x\n\nwarn me\n--x\nwarn: me\n\ndrop me\n--x--\n"}]
    return mails


@pytest.mark.parametrize("site", ["checks", "both", "header checks alone", "body checks alone", "7 bits"])
def test_headers_and_lines_go_out_as_checks_say(pair, site):
    results = pair.both(site, check_mails())
    assert any(theirs[1] for _, theirs, _ in results)
    assert not differ(results)


# NOTIFY=SUCCESS of an alias is not here: Postfix reports "expanded" at once and takes it off; mtad hands it on (docs/deviations.md).
def dsn_mails():
    mails = [{"mail": m, "rcpt": r, "to": [to]} for to in ("rcpt@plain.test", "alias@valias.test", "two@valias.test", "canon@other.test")
             for m, r in [([], []), (["RET=FULL", "ENVID=abc"], ["NOTIFY=SUCCESS,FAILURE,DELAY"]), (["RET=HDRS", "ENVID=a+20b+3Dc"], ["NOTIFY=NEVER"]),
                          (["ENVID=x+2By"], ["ORCPT=rfc822;first@plain.test"]), ([], ["NOTIFY=FAILURE", "ORCPT=rfc822;a+2Bb+20c@plain.test"]),
                          ([], ["NOTIFY=DELAY", "ORCPT=x400;/S+3Dsome/"]), (["RET=FULL"], ["NOTIFY=success"]), (["BODY=8BITMIME"], [])]
             if "valias" not in to or not any("SUCCESS" in x.upper() for x in r)]
    mails += [{"to": [a], "rcpt": r} for a in ("bob+ext@site.test", '"with space"@site.test', "plus+un@site.test") for r in ([], ["ORCPT=rfc822;other@plain.test"])]
    return [{"text": USUAL + f"\nnumber {i}\n", **m} for i, m in enumerate(mails)]


@pytest.mark.parametrize("site", ["nothing", "generic", "no DSN", "7 bits"])
def test_the_next_server_is_told_what_the_sender_asked_for(pair, site):
    results = pair.both(site, dsn_mails())
    assert len(results) > 30
    assert not differ(results)


@pytest.mark.parametrize("extensions", [("XFORWARD NAME ADDR PROTO HELO SOURCE PORT IDENT",), ("PIPELINING", "XFORWARD ADDR HELO"), ("XFORWARD NAME PROTO SOURCE", "PIPELINING")])
def test_the_next_server_hears_whose_mail_it_is(pair, extensions):
    before, begun = [s.extensions for s in pair.sinks], [len(s.sessions) for s in pair.sinks]
    for s in pair.sinks:
        s.extensions = extensions
    ids = [pair.send(which, "xforward", "x", USUAL + "\nhello\n", "sender@plain.test", ["rcpt@plain.test"]) for which in range(2)]
    # Sessions of mail before this one may still be ending: they are not what is looked at.
    talks = wait_for(lambda: (lambda t: t if all(len(x) == 1 and b"QUIT" in x[0] for x in t) else None)([s.sessions[n:] for s, n in zip(pair.sinks, begun)]))
    for s, usual in zip(pair.sinks, before):
        s.extensions = usual
    # What came as client's port is not kept with a message here.
    said = [[re.sub(rb" PORT=\d+| SIZE=\d+", b"", line).replace(queue_id.encode(), b"ID") for line in talk[0]] for talk, queue_id in zip(talks, ids)]
    assert any(line.startswith(b"XFORWARD") for line in said[0])
    assert said[1] == said[0]
