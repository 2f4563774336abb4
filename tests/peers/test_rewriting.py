"""
What becomes of a new message's addresses, beside Debian's cleanup(8): the same mail goes to a Postfix and a mtad that deliver nothing, and both queues are read.
"""
import contextlib
import json
import os
import re
import smtplib
import subprocess
import tempfile

import pytest
from mtadtest import BUILD, Instance, wait_for
from postfixtest import Postfix

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="Postfix needs root")

CANONICAL = """bob bob.canonical
ann@site.test Ann.Outside@other.test
@old.test @new.test
@older.test @old.test
carl@other.test carl@other.test
loop1@other.test loop2@other.test
loop2@other.test loop1@other.test
plus@other.test mapped@other.test
plus+known@other.test known@other.test
quoted@other.test "a b"@other.test
short host-only
many@other.test one@other.test, two@other.test
"""
VIRTUAL = """all@valias.test bob, ann@site.test, carl@other.test, bob
self@valias.test self@valias.test, copy@other.test
chain1@valias.test chain2@valias.test
chain2@valias.test chain3@valias.test, x@other.test
chain3@valias.test end@other.test
@catch.test catcher@other.test
known@catch.test known@other.test
@domain.test @moved.test
plus@valias.test target@other.test
plus+known@valias.test known@other.test
bob virtualbob@other.test
loop1@valias.test loop2@valias.test
loop2@valias.test loop1@valias.test
quoted@valias.test "c d"@other.test
local@valias.test bob
self2 self2, other2@other.test
dup@valias.test all@valias.test, carl@other.test
deep@other.test deeper@other.test
"""
BCC = "bob@site.test copy-bob@other.test\n@other.test copy-all@other.test\nann@site.test copy-ann\n@valias.test all@valias.test\n"
RECIPIENTS = ["bob@site.test", "bob", "bob+x@site.test", "ann@site.test", "ANN@SITE.TEST", "x@old.test", "x+y@old.test", "x@older.test", "carl@other.test",
              "plus@other.test", "plus+known@other.test", "plus+un@other.test", "quoted@other.test", "short@site.test", "many@other.test",
              "all@valias.test", "self@valias.test", "chain1@valias.test", "y@catch.test", "y+z@catch.test", "known@catch.test", "known+q@catch.test", "u@domain.test",
              "u+v@domain.test", "plus@valias.test", "plus+known@valias.test", "plus+un@valias.test", "quoted@valias.test", "local@valias.test", "self2@site.test",
              "dup@valias.test", "deep@other.test", "nobody@plain.test", "x@deep.host.masq.test", "x@masq.test", "root@deep.host.masq.test", "x@a.not.masq.test",
              "x@not.masq.test", "x@b.sub.masq.test", '"a b"@old.test', "x@[127.0.0.1]", "x@host"]
SENDERS = ["ann@site.test", "x@old.test", "y@deep.host.masq.test", "root@deep.host.masq.test", "plus+un@other.test", "bob", "", "x@a.not.masq.test", "bob+e@site.test"]
MASQUERADE = "!not.masq.test sub.masq.test masq.test"
BASE = {"virtual_alias_domains": "valias.test catch.test domain.test"}
SITES = {
    "nothing": {},
    "canonical": {"canonical_maps": "texthash:DIR/canonical"},
    "canonical, delimiter": {"canonical_maps": "texthash:DIR/canonical", "recipient_delimiter": "+"},
    "canonical, nothing carried over": {"canonical_maps": "texthash:DIR/canonical", "recipient_delimiter": "+", "propagate_unmatched_extensions": ""},
    "canonical of recipients": {"recipient_canonical_maps": "texthash:DIR/canonical"},
    "canonical of senders": {"sender_canonical_maps": "texthash:DIR/canonical", "recipient_delimiter": "+"},
    "canonical by class": {"canonical_maps": "texthash:DIR/canonical", "canonical_classes": "envelope_sender"},
    "both": {"canonical_maps": "inline:{{bob@other.test = last@other.test}, {bob.canonical@site.test = bob@other.test}}", "recipient_canonical_maps": "texthash:DIR/canonical"},
    "virtual": {"virtual_alias_maps": "texthash:DIR/virtual"},
    "virtual, delimiter": {"virtual_alias_maps": "texthash:DIR/virtual", "recipient_delimiter": "+"},
    "virtual, nothing carried over": {"virtual_alias_maps": "texthash:DIR/virtual", "recipient_delimiter": "+", "propagate_unmatched_extensions": "canonical"},
    "all": {"canonical_maps": "texthash:DIR/canonical", "virtual_alias_maps": "texthash:DIR/virtual", "recipient_delimiter": "+-",
            "masquerade_domains": MASQUERADE, "masquerade_classes": "envelope_sender, envelope_recipient"},
    "masquerade": {"masquerade_domains": MASQUERADE, "masquerade_classes": "envelope_sender, envelope_recipient", "masquerade_exceptions": "root"},
    "masquerade by default": {"masquerade_domains": "$mydomain masq.test"},
    "copies": {"recipient_bcc_maps": "texthash:DIR/bcc", "sender_bcc_maps": "texthash:DIR/bcc", "virtual_alias_maps": "texthash:DIR/virtual", "recipient_delimiter": "+"},
    "always a copy": {"always_bcc": "archive", "virtual_alias_maps": "texthash:DIR/virtual"},
    "patterns": {"virtual_alias_maps": "pcre:DIR/pattern", "canonical_maps": "regexp:DIR/regexp", "recipient_delimiter": "+"},
    "append": {"append_dot_mydomain": "yes", "canonical_maps": "texthash:DIR/canonical"},
}
FILES = {"canonical": CANONICAL, "virtual": VIRTUAL, "bcc": BCC, "pattern": "/^(.*)@catch\\.test$/ $1@caught.test, keep@other.test\n/^plus\\+(.*)@/ ext-$1@other.test\n",
         "regexp": "/^(.*)@old\\.test$/ $1@new.test\n/^BOB@/ upper@other.test\n"}
DEFERRED = {"soft_bounce": "yes", "default_transport": "retry:4.0.0 later", "local_transport": "retry:4.0.0 later", "relay_transport": "retry:4.0.0 later",
            "virtual_transport": "retry:4.0.0 later", "transport_maps": "static:{retry:4.0.0 later}", "local_recipient_maps": "",
            "smtpd_recipient_restrictions": "permit_mynetworks", "smtpd_relay_restrictions": "permit_mynetworks, reject_unauth_destination", "smtpd_reject_unlisted_recipient": "no",
            "smtpd_error_sleep_time": "0", "smtpd_hard_error_limit": "1000", "smtpd_soft_error_limit": "1000"}


def send(port, sender, recipients, header="Subject: x\n"):
    """The queue ID, or what refused the message."""
    with smtplib.SMTP("127.0.0.1", port, local_hostname="client.test", timeout=30) as s:
        s.ehlo()
        reply = s.mail(sender)
        for r in recipients:
            code, text = s.rcpt(r)
            if code != 250:
                return f"refused: {code}"
        code, text = s.data(f"{header}\nbody\n".replace("\n", "\r\n").encode())
        return text.decode().split()[-1] if code == 250 else f"refused: {code} {reply[0]}"


def envelopes(command, folder, ids):
    """By queue ID: the sender, and the recipients in any order; both queues may be a little behind."""
    rows = {}

    def read():
        out = subprocess.run([*command, "-c", folder, "-j"], capture_output=True, text=True, timeout=60).stdout
        rows.update({r["queue_id"]: r for r in map(json.loads, out.splitlines())})
        wanted = [i for i in ids if not i.startswith("refused")]
        return all(i in rows and rows[i]["queue_name"] == "deferred" for i in wanted)

    wait_for(read, 30)
    return [i if i.startswith("refused") else (rows[i]["sender"], sorted(r["address"].replace('"', "").lower() for r in rows[i]["recipients"]))
            for i in ids]


HEADERS = """From: bob
To: ann@site.test, "Old, One" <x@old.test>, short
Cc: group: plus+un@other.test, bob@host;
 , nobody@plain.test (a comment)
Reply-To: <root@deep.host.masq.test>
Sender: x@a.not.masq.test
Resent-To: y@deep.host.masq.test
Bcc: bob
Errors-To: bob+e
X-Other: bob
Subject: bob, ann@site.test
"""
HEADER_SITES = {
    "nothing": {}, "canonical": SITES["canonical, delimiter"], "by class": {**SITES["canonical by class"], "canonical_classes": "header_sender"},
    "masquerade": {"masquerade_domains": MASQUERADE}, "all": SITES["all"], "strangers": {"local_header_rewrite_clients": ""},
    "strangers with a domain": {"local_header_rewrite_clients": "", "remote_header_rewrite_domain": "domain.invalid", **SITES["canonical"]},
}


def headers(command, folder, queue_id):
    """Unfolded, white space made one: where lines are folded is each program's own."""
    out = subprocess.run([*command, "-c", folder, "-qh", queue_id], capture_output=True, text=True, timeout=60).stdout
    lines = re.sub(r"\s*\n\s+", " ", out).splitlines()
    wanted = {line.split(":")[0].lower() for line in HEADERS.splitlines()}
    return [re.sub(r"\s*([,;:<])\s*", r"\1", re.sub(r"\s+", " ", line)) for line in lines if line.split(":")[0].lower() in wanted]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("rewriting")
    for p in (path, path.parent):
        os.chmod(p, 0o755)
    for name, text in FILES.items():
        (path / name).write_text(text)
    return path


@pytest.fixture(scope="module")
def postfix(folder):
    with Postfix(folder / "postfix", {**BASE, **DEFERRED, "maillog_file": ""}) as p:
        yield p


@contextlib.contextmanager
def both(folder, postfix, site):
    """The two of them with the settings of a site, and empty queues."""
    site = {k: v.replace("DIR", str(folder)) for k, v in site.items()}
    postfix.run("postsuper", "-d", "ALL")
    postfix.reconfigure(site)
    with Instance(tempfile.mkdtemp(dir=folder), {**BASE, **DEFERRED, **site}) as mta:
        yield postfix, mta


@pytest.mark.parametrize("site", HEADER_SITES)
def test_headers_become_what_cleanup_makes_of_them(folder, postfix, site):
    with both(folder, postfix, HEADER_SITES[site]) as (postfix, mta):
        ids = [send(p.port, "sender@plain.test", ["nobody@plain.test"], HEADERS) for p in (postfix, mta)]
        theirs = headers(["postcat"], f"{postfix.dir}/config", ids[0])
        ours = headers([f"{BUILD}/mtactl", "postcat"], mta.dir, ids[1])
    assert len(theirs) > 8
    assert ours == theirs


@pytest.mark.parametrize("site", SITES)
def test_envelopes_become_what_cleanup_makes_of_them(folder, postfix, site):
    mails = [("sender@plain.test", [r]) for r in RECIPIENTS] + [(s, ["nobody@plain.test"]) for s in SENDERS]
    mails += [("sender@plain.test", RECIPIENTS[:20]), ("ann@site.test", RECIPIENTS[10:]), ("x@old.test", ["a@other.test", "a@other.test", "A@other.test"])]
    with both(folder, postfix, SITES[site]) as (postfix, mta):
        theirs = [send(postfix.port, *m) for m in mails]
        ours = [send(mta.port, *m) for m in mails]
        theirs = envelopes(["postqueue"], f"{postfix.dir}/config", theirs)
        ours = envelopes([f"{BUILD}/mtactl", "postqueue"], mta.dir, ours)
    different = [(m, t, o) for m, t, o in zip(mails, theirs, ours) if t != o]
    print(f"{len(mails)} sent", *(f"{m}\n  postfix {t}\n  mtad    {o}" for m, t, o in different), sep="\n")
    assert not different
