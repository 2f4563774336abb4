"""
Address rewriting and routing beside Debian's trivial-rewrite(8), asked over its own socket: transport, next hop and recipient of many addresses
under many configurations.
"""
import os
import re
import socket
import subprocess

import pytest
from mtadtest import BUILD, wait_for
from postfixtest import Postfix

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="Postfix needs root")

LOCALS = ["bob", "bob+ext", "bob-ext", "Bob.Smith", "a%b.test", "a%b", "b.test!a", "x@y.test", "postmaster", "user name", "a+b+c", "+", "bob+", "a%b%c.test", "0"]
DOMAINS = ["site.test", "SITE.TEST", "mail.site.test", "sub.site.test", "localhost", "other.test", "sub.other.test", "deep.sub.other.test", "relay.test",
           "sub.relay.test", "valias.test", "sub.valias.test", "vmail.test", "mapped.test", "sub.mapped.test", "deep.sub.mapped.test", "dotted.test", "sub.dotted.test",
           "[127.0.0.1]", "[192.0.2.9]", "[IPv6:::1]", "[IPv6:2001:db8::9]", "127.0.0.1", "1.2.3.4", "example.com.", "example", "ex_ample.com", "-bad.test", "a..b.test",
           "[bad", "xn--mnchen-3ya.test", "münchen.test", "[]", "255", "bob.test"]
SENDERS = ["", "ann@site.test", "ann+x@site.test", "ann@dep.test", "eve@other.test", "ann"]
ADDRESSES = sorted({f"{local}@{domain}" for local in ("bob", "bob+ext", "a%b.test") for domain in DOMAINS} |
                   {f"{local}@{domain}" for local in LOCALS for domain in ("site.test", "other.test", "mapped.test")} |
                   {"bob", "", "@", "@site.test", "bob@", "b.test!bob", "c.test!b.test!bob", "bob%b.test", "a b", "bob@[127.0.0.1]", "a@b@site.test"})

MAP = """mapped.test smtp:[mx.mapped.test]:2525
.mapped.test relay:sub-hop
.dotted.test :dot-hop
bob@other.test lmtp:unix:private/lmtp
bob+ext@other.test smtp:ext-hop
sub.relay.test :
site.test local:
relay.test error:5.1.2 no mail for relay
vmail.test virtual:
deep.sub.other.test retry:4.4.0 later
"""
SENDER_HOST = "ann@site.test [sender.relay]:587\n@dep.test dep-relay\neve@other.test DUNNO\n"
SENDER_TRANSPORT = "ann@site.test smtp:by-sender\n@dep.test error:5.7.1 not you\n<> relay:null-hop\neve@other.test DUNNO\n"
RELOCATED = "bob new@other.test\nbob@relay.test bob@new.test\n@gone.test all of it\npostmaster@other.test a b c\n@vmail.test moved.test\nbob@valias.test x\n"
CLASSES = {"relay_domains": "relay.test", "virtual_alias_domains": "valias.test", "virtual_mailbox_domains": "vmail.test"}
SITES = {
    "plain": {},
    "classes": CLASSES,
    "relayhost": {**CLASSES, "relayhost": "[gw.test]:587"},
    "map": {**CLASSES, "transport_maps": "texthash:DIR/transport"},
    "map, parents": {**CLASSES, "transport_maps": "texthash:DIR/transport", "parent_domain_matches_subdomains": "transport_maps relay_domains"},
    "map, no parents": {**CLASSES, "transport_maps": "texthash:DIR/transport", "parent_domain_matches_subdomains": ""},
    "map with star": {**CLASSES, "transport_maps": "texthash:DIR/transport inline:{{*=smtp:star-hop}}", "relayhost": "gw.test"},
    "map, delimiter": {**CLASSES, "transport_maps": "texthash:DIR/transport", "recipient_delimiter": "+-"},
    "sender relayhost": {**CLASSES, "relayhost": "gw.test", "sender_dependent_relayhost_maps": "texthash:DIR/sender_host"},
    "sender transport": {**CLASSES, "sender_dependent_default_transport_maps": "texthash:DIR/sender_transport"},
    "both by sender": {**CLASSES, "sender_dependent_default_transport_maps": "texthash:DIR/sender_transport",
                       "sender_dependent_relayhost_maps": "texthash:DIR/sender_host", "transport_maps": "texthash:DIR/transport"},
    "by sender, delimiter": {**CLASSES, "recipient_delimiter": "+", "sender_dependent_relayhost_maps": "texthash:DIR/sender_host"},
    "transports": {**CLASSES, "local_transport": "lmtp:unix:private/x", "virtual_transport": "lmtp:inet:vhost:24", "relay_transport": "smtp:[inner]",
                   "default_transport": "smtp:out"},
    "transports by name": {**CLASSES, "local_transport": "local:$myhostname", "relay_transport": "relay", "virtual_transport": "virtual", "default_transport": "error:nothing leaves"},
    "no hacks": {"swap_bangpath": "no", "allow_percent_hack": "no"},
    "no bang": {"swap_bangpath": "no"},
    "no percent": {"allow_percent_hack": "no"},
    "no append": {"append_at_myorigin": "yes", "append_dot_mydomain": "no"},
    "append": {"append_dot_mydomain": "yes", "remote_header_rewrite_domain": "domain.invalid"},
    "numeric": {"resolve_numeric_domain": "yes"},
    "null domain": {"resolve_null_domain": "yes"},
    "quoted": {"resolve_dequoted_address": "no"},
    "empty recipient": {"empty_address_recipient": "postmaster"},
    "table names hidden": {**CLASSES, "show_user_unknown_table_name": "no"},
    "empty sender": {**CLASSES, "sender_dependent_default_transport_maps": "texthash:DIR/sender_transport", "empty_address_default_transport_maps_lookup_key": "<>"},
    "empty sender relayhost": {"relayhost": "gw.test", "sender_dependent_relayhost_maps": "inline:{{<>=null-relay}}"},
    "relocated": {**CLASSES, "relocated_maps": "texthash:DIR/relocated", "recipient_delimiter": "+", "transport_maps": "texthash:DIR/transport"},
    "relocated, bare": {"relocated_maps": "texthash:DIR/relocated"},
    "wild classes": {"relay_domains": "relay.test .other.test", "virtual_alias_domains": "inline:{valias.test=x}", "mydestination": "site.test, /DIR/list, !sub.site.test, localhost"},
}


def settings(name, folder):
    """With a domain of the site's own, by which its services are known from those of the site before."""
    site = {"virtual_alias_domains": "", **SITES[name]}
    site["virtual_alias_domains"] += f" {marker(name)}"
    return {k: v.replace("/DIR/", f"{folder}/").replace("DIR", str(folder)) for k, v in site.items()}


def marker(name):
    return f"site{list(SITES).index(name)}.marker.test"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("routing")
    for p in (path, path.parent):
        os.chmod(p, 0o755)
    for name, text in (("transport", MAP), ("sender_host", SENDER_HOST), ("sender_transport", SENDER_TRANSPORT), ("relocated", RELOCATED), ("list", "sub.site.test\nbob.test\n")):
        (path / name).write_text(text)
    return path


@pytest.fixture(scope="module")
def postfix(folder):
    # Without its log daemon, which many reloads in a row can bring to a standstill.
    with Postfix(folder / "postfix", {"maillog_file": ""}) as p:
        yield p


class Rewriter:
    """trivial-rewrite's socket: attributes as name NUL value NUL, an empty one at the end."""

    def __init__(self, postfix):
        self.path = f"{postfix.dir}/queue/private/rewrite"
        self.connect()

    def connect(self):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(20)
        self.socket.connect(self.path)
        self.data = b""
        self.answer()

    def answer(self):
        while b"\0\0" not in self.data or not re.match(rb"(?:[^\0]+\0[^\0]*\0)*\0", self.data):
            piece = self.socket.recv(65536)
            assert piece, "trivial-rewrite hung up"
            self.data += piece
        end = re.match(rb"(?:[^\0]+\0[^\0]*\0)*\0", self.data).end()
        words, self.data = self.data[:end - 1].split(b"\0")[:-1], self.data[end:]
        return [(words[i].decode(), words[i + 1].decode()) for i in range(0, len(words), 2)]

    def ask(self, **attributes):
        text = "".join(f"{k}\0{v}\0" for k, v in attributes.items()) + "\0"
        for last in (False, True):      # a server process may have served its time
            try:
                self.socket.sendall(text.encode())
                return self.answer()
            except (OSError, AssertionError):
                if last:
                    raise
                self.connect()


def services_of(postfix, site):
    """A process from before the reload may answer yet, or be about to end; None then."""
    try:
        rewriter = Rewriter(postfix)
        answer = rewriter.ask(request="resolve", sender="", address=f"x@{marker(site)}")
    except (OSError, AssertionError):
        return None
    return rewriter if CLASS.get(int(answer[-1][1]) & 0x1f00) == "virtual alias" else None


CLASS = {0x100: "local", 0x200: "virtual alias", 0x400: "virtual mailbox", 0x800: "relay", 0x1000: "default"}


def theirs(rewriter, kind, word, address):
    if kind == "rewrite":       # there in its quoted form
        return dict(rewriter.ask(request="rewrite", rule=word, address=address))["address"].replace('"', "")
    answer = rewriter.ask(request="resolve", sender=word, address=address)
    flags, values = int(answer[-1][1]), dict(answer[:-1])
    if flags & 0xc:
        return "error" if flags & 4 else "fail"
    routed = " routed" if flags & 2 else ""
    return f"{values['transport']}\t{values['nexthop']}\t{values['recipient']}\t{CLASS[flags & 0x1f00]}{routed}"


def questions(site):
    for address in ADDRESSES:
        yield "resolve", "ann@site.test", address
    for sender in SENDERS:
        for address in ("bob@other.test", "bob@relay.test", "bob@vmail.test", "bob@mapped.test", "bob@site.test", "bob@unknown.test"):
            yield "resolve", sender, address
    for address in ("bob", "bob@host", "bob@host.test", "bob@host.test.", "b.test!bob", "bob%b.test", "bob%b", "a@b@c", "@host", "bob@", "bob@[1.2.3.4]", "c!b.test!bob%d"):
        yield "rewrite", "local", address
        if "remote_header_rewrite_domain" in SITES[site]:   # else headers of others are left alone altogether
            yield "rewrite", "remote", address


@pytest.mark.parametrize("site", SITES)
def test_routes_and_rewrites_as_trivial_rewrite_does(postfix, folder, site):
    text = postfix.reconfigure(settings(site, folder))
    own = folder / ("site " + site)
    own.mkdir()
    (own / "main.cf").write_text(re.sub(r"^(queue|data|command|daemon)_directory.*\n|^maillog.*\n", "", text, flags=re.M))
    (own / "master.cf").write_text(open(f"{postfix.dir}/config/master.cf").read())
    asked = list(questions(site))
    rewriter = wait_for(lambda: services_of(postfix, site), 20)
    expected = [theirs(rewriter, *q) for q in asked]
    r = subprocess.run([f"{BUILD}/tests/route_query", str(own)], input="".join("\t".join(q) + "\n" for q in asked), capture_output=True, text=True, timeout=60)
    assert r.returncode == 0, r.stderr
    answers = r.stdout.split("\n")[:-1]
    assert len(answers) == len(asked)
    different = [(q, e, a) for q, e, a in zip(asked, expected, answers) if e != a]
    print(f"{len(asked)} asked", *(f"{q}\n  postfix {e!r}\n  mtad    {a!r}" for q, e, a in different), sep="\n")
    assert not different
