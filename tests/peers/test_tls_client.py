"""
TLS of the client side beside Postfix's: every level against a good certificate and the kinds of bad ones, servers without TLS and such as refuse it. The same
servers, authorities and policy table for both: the same outcome, reason and log line. With Debian's smtpd as the server, and posttls-finger: test_tls_acceptance.
"""
import os
import re

import pytest
from certs import BAD, Authority
from mtadtest import Instance, Sink, wait_for
from postfixtest import Postfix
from tlspeer import TlsSink, server_context

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="Postfix needs root")
CERTIFICATES = ("good",) + tuple(k for k in BAD if k != "tlsa")
KINDS = CERTIFICATES + ("no-tls", "refuses")
LEVELS = {"none": "none", "may": "may", "encrypt": "encrypt", "verify": "verify", "secure": "secure match=nexthop", "secure-other": "secure match=.other.test:a.test",
          "fingerprint": "fingerprint match={print}", "key": "fingerprint match={key}", "print-of-another": "fingerprint match=" + ":".join(["AB"] * 32),
          "bad-entry": "encrypt match=x", "tls1.2": "encrypt protocols=TLSv1.2"}


class Cell:
    def __init__(self, kind, level, sink):
        self.kind, self.level, self.sink = kind, level, sink
        self.nexthop = f"[localhost]:{sink.port}"
        self.user = f"{kind}.{level}"


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("matrix")
    os.chmod(folder, 0o755)
    ca = Authority(folder / "ca")
    made = {kind: ca.issue("localhost") if kind == "good" else ca.bad(kind, "localhost") for kind in CERTIFICATES}
    made["refuses"] = made["good"]
    contexts = {kind: server_context(c) for kind, c in made.items()}
    cells = []
    for kind in KINDS:
        for level in LEVELS:
            if kind == "no-tls":
                sink = Sink(host="127.0.0.1")
            else:
                script = {"STARTTLS": lambda s, a: b"454 4.7.0 not now"} if kind == "refuses" else None
                sink = TlsSink(made[kind], context=contexts[kind], host="127.0.0.1", script=script)
            cells.append(Cell(kind, level, sink))
    policy, transport = folder / "policy", folder / "transport"
    policy.write_text("".join(f"{c.nexthop} " + LEVELS[c.level].format(print=made.get(c.kind, made["good"]).fingerprint(),
                                                                      key=made.get(c.kind, made["good"]).fingerprint(public_key=True)) + "\n" for c in cells))
    transport.write_text("".join(f"{c.user}@matrix.test smtp:{c.nexthop}\n" for c in cells))
    main = {"smtp_tls_policy_maps": f"texthash:{policy}", "transport_maps": f"texthash:{transport}", "smtp_tls_CAfile": str(ca.ca_file), "smtp_tls_loglevel": "1",
            "smtp_tls_fingerprint_digest": "sha256", "alias_maps": "", "local_recipient_maps": "", "smtp_host_lookup": "native"}
    yield folder, main, cells
    for c in cells:
        c.sink.close()


def outcomes(log, cells):
    """user -> (status, dsn, reason, word of the handshake and protocol, why it is not trusted)."""
    found = {}

    def done():
        text = log()
        return all(re.search(rf"to=<{c.user}@matrix\.test>,.* status=", text) for c in cells) and text
    text = wait_for(done, 60, 0.5)
    for c in cells:
        got = re.search(rf"to=<{c.user}@matrix\.test>,.* dsn=(\S+), status=(\w+) \((.*)\)\n", text)
        tls = re.search(rf"(\w+) TLS connection established to localhost\[127\.0\.0\.1\]:{c.sink.port}: (TLSv\S+) with cipher \S+ \((\d+/\d+) bits\)", text)
        why = re.search(rf"((?:\w+ )?certificate verification failed) for localhost\[127\.0\.0\.1\]:{c.sink.port}: (.*)\n", text)
        found[c.user] = (got.group(2), got.group(1), "" if got.group(2) == "sent" else got.group(3), tls and tls.groups(), why and why.groups())
    return found


def submit(port, cells):
    import smtplib
    with smtplib.SMTP("127.0.0.1", port, local_hostname="client.test", timeout=60) as s:
        for c in cells:
            s.sendmail("a@site.test", [f"{c.user}@matrix.test"], "Subject: x\r\n\r\nhello\r\n")


def test_matrix(tmp_path, world):
    folder, main, cells = world
    os.chmod(tmp_path, 0o755)
    with Postfix(tmp_path / "postfix", main) as postfix:
        submit(postfix.port, cells)
        theirs = outcomes(postfix.log, cells)
    delivered = {c.user: len(c.sink.messages) for c in cells}
    with Instance(tmp_path / "mtad", main={**main, "inet_protocols": "ipv4"}) as m:
        submit(m.port, cells)
        ours = outcomes(m.log, cells)
    differ = {u: (theirs[u], ours[u]) for u in theirs if theirs[u] != ours[u]}
    for user, (postfix_has, mtad_has) in differ.items():
        print(user, "\n   Postfix:", postfix_has, "\n   mtad:   ", mtad_has)
    assert not differ
    assert all(len(c.sink.messages) == 2 * delivered[c.user] for c in cells)
