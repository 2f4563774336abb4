"""TLS towards other servers: levels, policies, good and bad certificates, what falls back to clear text and what never does."""
import json
import re
import ssl
import sys

import pytest

sys.path.insert(0, __file__.rsplit("/", 2)[0] + "/lib")
from certs import Authority  # noqa: E402
from mtadtest import Instance, Sink, wait_for  # noqa: E402
from tlspeer import TlsSink, server_context  # noqa: E402


@pytest.fixture(scope="module")
def ca(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def good(ca):
    return ca.issue("mx.good.test")


def site(folder, sink, ca=None, **main):
    settings = {"smtp_tls_loglevel": "1", "minimal_backoff_time": "1s", "maximal_backoff_time": "1s", "queue_run_delay": "1s", **main}
    if ca:
        settings["smtp_tls_CAfile"] = str(ca.ca_file)
    return Instance(folder, main=settings, smtp_port=sink.port)


def status(m, queue_id, seconds=20):
    """(status, text, dsn) of its first attempt."""
    got = m.wait_log(rf"{queue_id}: to=<[^>]*>, .*dsn=(\S+), status=(\w+) \((.*)\)\n", seconds)
    return got.group(2), got.group(3), got.group(1)


def deliver(m, sink, to="user@good.test"):
    return status(m, m.send("a@site.test", to))


LINE = r"{} TLS connection established to mx\.good\.test\[127\.0\.0\.2\]:\d+: TLSv1\.3 with cipher TLS_AES_\d+_GCM_SHA\d+ \((128/128|256/256) bits\)"


@pytest.mark.parametrize("level,more,word", [
    ("may", {}, "Trusted"),
    ("encrypt", {}, "Trusted"),
    ("verify", {}, "Verified"),
    ("secure", {"smtp_tls_secure_cert_match": "hostname"}, "Verified"),
])
def test_levels(tmp_path, ca, good, level, more, word):
    with TlsSink(good) as sink, site(tmp_path / "m", sink, ca, smtp_tls_security_level=level, **more) as m:
        assert deliver(m, sink)[0] == "sent"
        m.wait_log(LINE.format(word))
        assert sink.handshakes == 1 and len(sink.messages) == 1
        assert [w.split(b" ")[0] for w in sink.dialogue] == [b"EHLO", b"STARTTLS", b"EHLO", b"MAIL", b"RCPT", b"DATA", b"QUIT"]
        assert sink.names == [None]


def test_without_tls(tmp_path, good):
    with TlsSink(good) as sink, site(tmp_path / "m", sink, smtp_tls_note_starttls_offer="yes") as m:
        assert deliver(m, sink)[0] == "sent"
        assert sink.handshakes == 0
        m.wait_log(r"Host offered STARTTLS: \[mx\.good\.test\]")


def test_required_and_not_offered(tmp_path, ca):
    with Sink(host="127.0.0.2") as sink, site(tmp_path / "m", sink, ca, smtp_tls_security_level="encrypt") as m:
        assert deliver(m, sink) == ("deferred", "TLS is required, but was not offered by host mx.good.test[127.0.0.2]", "4.7.4")
        assert not sink.messages
        assert b"MAIL" not in b" ".join(sink.dialogue)


def test_required_and_refused(tmp_path, ca, good):
    script = {"STARTTLS": lambda s, a: b"454 4.7.0 TLS not available"}
    with TlsSink(good, script=script) as sink, site(tmp_path / "m", sink, ca, smtp_tls_security_level="encrypt") as m:
        assert deliver(m, sink) == ("deferred", "TLS is required, but host mx.good.test[127.0.0.2] refused to start TLS: "
                                    "454 4.7.0 TLS not available", "4.7.0")
    with TlsSink(good, script=script) as sink, site(tmp_path / "n", sink, ca, smtp_tls_security_level="may") as m:
        assert deliver(m, sink)[0] == "sent"
        assert sink.handshakes == 0


def no_tls(session, _):
    """Answers STARTTLS and then speaks something else."""
    session.wfile.write(b"500 what is this?\r\n" * 3)
    session.wfile.flush()
    raise Sink.Hangup


def test_broken_handshake(tmp_path, ca, good):
    """Optional TLS: new mail waits, older mail goes in clear text. Demanded TLS: never."""
    with TlsSink(good, script={"handshake": no_tls}) as sink:
        with site(tmp_path / "m", sink, ca, smtp_tls_security_level="may") as m:
            queue_id = m.send("a@site.test", "user@good.test")
            assert status(m, queue_id) == ("deferred", "Cannot start TLS: handshake failure", "4.7.5")
            m.wait_log(rf"{queue_id}: Cannot start TLS: handshake failure\n(.*\n)*.*{queue_id}: to=.*status=sent")
            assert re.search(r"SSL_connect error to mx\.good\.test\[127\.0\.0\.2\]:\d+: ", m.log())
            assert len(sink.messages) == 1
        with site(tmp_path / "n", sink, ca, smtp_tls_security_level="encrypt") as m:
            queue_id = m.send("a@site.test", "user@good.test")
            # Tried again and again, old by then: still not in clear text.
            wait_for(lambda: len(re.findall(rf"{queue_id}: to=.*status=deferred \(Cannot start TLS: handshake failure\)", m.log())) >= 2)
            assert len(sink.messages) == 1


def test_bad_certificates(tmp_path, ca, good):
    """One site, a policy a host; the whole matrix beside Postfix is in tests/peers."""
    cells = [("expired", "verify", "verified"), ("self-signed", "secure", "verified"), ("wrong-name", "verify", "verified"),
             ("expired", "encrypt", None), ("wrong-name", "may", None)]
    for kind, level, refusal in cells:
        with TlsSink(ca.bad(kind, "mx.good.test")) as sink, \
                site(tmp_path / f"{kind}-{level}", sink, ca, smtp_tls_policy_maps=f"inline:{{ good.test={level} }}") as m:
            got = deliver(m, sink)
            if refusal:
                assert got[0] == "deferred" and got[2] == "4.7.5" and re.fullmatch(f"Server certificate not {refusal}", got[1]), (kind, level, got)
                assert not sink.messages
            else:
                assert got[0] == "sent", (kind, level, got)


def test_fingerprint(tmp_path, ca, good):
    for match, expected in ((good.fingerprint(), "sent"), (good.fingerprint(public_key=True).lower(), "sent"), ("AA:BB", "deferred")):
        with TlsSink(good) as sink, site(tmp_path / expected / str(len(match)) / match[:2], sink,
                                         smtp_tls_policy_maps=f"inline:{{ {{ good.test = fingerprint match={match} }} }}") as m:
            got = deliver(m, sink)
            assert got[0] == expected
            if expected == "deferred":
                assert got[1:] == ("Server certificate not verified", "4.7.5")


def test_policy_attributes(tmp_path, ca, good):
    policy = "texthash:" + str(tmp_path / "policy")
    (tmp_path / "policy").write_text(
        "good.test secure match=hostname servername=sni.test protocols=TLSv1.2 ciphers=high connection_reuse=yes\n"
        ".two.test none\n[mx.good.test] encrypt\nplain.test secure match=\nrelay.test dane-only\n")
    with TlsSink(good) as sink, site(tmp_path / "m", sink, ca, smtp_tls_policy_maps=policy, smtp_tls_security_level="may") as m:
        assert deliver(m, sink)[0] == "sent"
        m.wait_log(r"Verified TLS connection established to mx\.good\.test\[127\.0\.0\.2\]:\d+: TLSv1\.2 with cipher ECDHE-ECDSA-AES256-GCM-SHA384 \(256/256 bits\)")
        assert sink.names == ["sni.test"]
        assert deliver(m, sink)[0] == "sent"
        assert sink.handshakes == 1 and "conn_use=2" in m.log()
        got = deliver(m, sink, "user@plain.test")
        assert got == ("deferred", "client TLS configuration problem", "4.7.5")
        assert 'warning: smtp_tls_policy_maps, next-hop destination "plain.test": attribute "match" has empty value' in m.log()
        got = deliver(m, sink, "user@relay.test")
        assert got == ("deferred", "client TLS configuration problem", "4.7.5")
        assert "relay.test: dane-only configured with dnssec lookups disabled" in m.log()
        assert sink.handshakes == 1


def test_no_reuse(tmp_path, ca, good):
    with TlsSink(good) as sink, site(tmp_path / "m", sink, ca, smtp_tls_security_level="encrypt") as m:
        for _ in range(2):
            assert deliver(m, sink)[0] == "sent"
        assert sink.handshakes == 2


def test_trust_anchor(tmp_path, ca, good):
    other = Authority(tmp_path / "other", "Other CA")
    for anchor, expected in ((ca, "sent"), (other, "deferred")):
        with TlsSink(good) as sink, site(tmp_path / expected, sink, other, smtp_tls_policy_maps=f"inline:{{ {{ good.test = verify tafile={anchor.ca_file} }} }}") as m:
            assert deliver(m, sink)[0] == expected


def test_wrapper_and_client_certificate(tmp_path, ca, good):
    context = server_context(good)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(ca.ca_file)
    me = ca.issue("mail.site.test")
    with TlsSink(good, context=context, wrapper=True) as sink, \
            site(tmp_path / "m", sink, ca, smtp_tls_security_level="verify", smtp_tls_wrappermode="yes", smtp_tls_chain_files=str(me.both)) as m:
        assert deliver(m, sink)[0] == "sent"
        assert sink.clients == [me.der()]
        assert sink.dialogue[0].startswith(b"EHLO") and b"STARTTLS" not in sink.dialogue


def test_ca_path_and_renewal(tmp_path, ca, good):
    """Authorities from a directory; one that comes later is taken without a reload."""
    folder = tmp_path / "certs"
    folder.mkdir()
    (folder / "00000000.0").write_bytes(Authority(tmp_path / "other", "Other CA").ca_file.read_bytes())
    with TlsSink(good) as sink, site(tmp_path / "m", sink, smtp_tls_CApath=str(folder), smtp_tls_security_level="verify") as m:
        queue_id = m.send("a@site.test", "user@good.test")
        assert status(m, queue_id)[:2] == ("deferred", "Server certificate not verified")
        (folder / "00000001.0").write_bytes(ca.ca_file.read_bytes())
        m.wait_log(rf"{queue_id}: to=.*status=sent")


def test_renewed_certificate_of_the_client(tmp_path, ca, good):
    """Taken without a reload once it is whole; what does not fit together is said, and the one in use stays. Mail goes on all the while."""
    context = server_context(good)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(ca.ca_file)
    first, second = ca.issue("mail.site.test"), ca.issue("mail.site.test")
    cert, key = tmp_path / "cert", tmp_path / "key"
    cert.write_bytes(first.cert.read_bytes())
    key.write_bytes(first.key.read_bytes())
    with TlsSink(good, context=context) as sink, site(tmp_path / "m", sink, ca, smtp_tls_security_level="encrypt", smtp_tls_cert_file=str(cert), smtp_tls_key_file=str(key),
                                                      smtp_tls_policy_maps="inline:{ { two.test = verify tafile=/nowhere/at/all } }") as m:
        assert deliver(m, sink)[0] == "sent" and sink.clients == [first.der()]
        cert.write_bytes(second.cert.read_bytes())
        m.wait_log(r"warning: .*/cert changed and is not taken, the one in use stays: cannot use certificate .* the private key does not belong to the certificate")
        assert deliver(m, sink)[0] == "sent" and sink.clients[1:] == [first.der()]
        key.write_bytes(second.key.read_bytes())
        m.wait_log(r"changed and is taken")
        wait_for(lambda: deliver(m, sink)[0] == "sent" and sink.clients[-1] == second.der())


def test_probe_and_why(tmp_path, ca, good):
    """What the controller says of a server beforehand, and of the mail afterwards, is one thing."""
    cells = {"good.test": (good, 0, "Verified", None), "two.test": (ca.bad("expired", "mx.good.test"), 1, None, "certificate has expired"),
             "plain.test": (None, 1, None, "TLS is required, but was not offered by host")}
    with TlsSink(good) as sink, TlsSink(cells["two.test"][0]) as late, Sink(host="127.0.0.2") as clear:
        port = {"good.test": sink.port, "two.test": late.port, "plain.test": clear.port}
        routes = ", ".join(f"{d}=smtp:[mx.good.test]:{p}" for d, p in port.items())
        with site(tmp_path / "m", sink, ca, smtp_tls_security_level="verify", transport_maps=f"inline:{{ {routes} }}") as m:
            ids = {}
            for domain, (certificate, status, word, detail) in cells.items():
                r = m.ctl("--json", "tls", "probe", f"[mx.good.test]:{port[domain]}")
                assert r.returncode == status, (domain, r.stdout, r.stderr)
                row = json.loads(r.stdout)
                assert row["level"] == "verify" and row["delivered"] == (status == 0)
                if certificate:
                    assert row["chain"][0]["sha256"] == certificate.fingerprint() and row["chain"][0]["key_sha256"] == certificate.fingerprint(public_key=True)
                    assert row["chain"][0]["names"] == ["mx.good.test"] and row["protocol"] == "TLSv1.3"
                    assert {v["level"]: v["delivered"] for v in row["levels"]} == {
                        "none": True, "may": True, "encrypt": True, "dane": True, "dane-only": False, "verify": status == 0, "secure": status == 0}
                assert word is None or row["tls"] == word
                assert detail is None or detail in row.get("detail", "") + row["reason"]
                text = m.ctl("tls", "probe", f"[mx.good.test]:{port[domain]}").stdout
                assert ("the configuration's level is verify: delivers, Verified" in text) == (status == 0), text
                ids[domain] = m.send("a@site.test", f"user@{domain}")
                assert globals()["status"](m, ids[domain])[0] == ("sent" if status == 0 else "deferred")
            for domain, code in (("two.test", "tls-certificate"), ("plain.test", "no-tls")):
                why = m.rows("why", ids[domain])
                assert code in json.dumps(why) and "mtactl tls probe" in json.dumps(why), why
            assert m.ctl("tls", "probe", "good.test", "--level", "sure").returncode == 64
            assert m.ctl("tls", "probe", "nowhere.test").returncode == 1


def test_lmtp(tmp_path, ca, good):
    with TlsSink(good, lmtp=True) as sink, \
            site(tmp_path / "m", sink, lmtp_tls_CAfile=str(ca.ca_file), lmtp_tls_security_level="secure", lmtp_tls_secure_cert_match="nexthop",
                 transport_maps=f"inline:{{ good.test=lmtp:[127.0.0.2]:{sink.port} }}", lmtp_tls_policy_maps=f"inline:{{ {{ [127.0.0.2]:{sink.port} = secure match=mx.good.test }} }}",
                 lmtp_tls_loglevel="1") as m:
        assert deliver(m, sink)[0] == "sent"
        m.wait_log(r"Verified TLS connection established to 127\.0\.0\.2\[127\.0\.0\.2\]:\d+: TLSv1\.3")


def test_injected_replies_are_forgotten(tmp_path, ca, good):
    """What a meddler puts behind the reply to STARTTLS is no reply inside TLS (CVE-2011-0411, the client's side)."""
    script = {"STARTTLS": lambda s, a: b"220 go ahead\r\n250-sink.test\r\n250 AUTH PLAIN"}
    with TlsSink(good, script=script) as sink, site(tmp_path / "m", sink, ca, smtp_tls_security_level="encrypt") as m:
        got = deliver(m, sink)
        assert got[0] == "sent" or got[1] == "Cannot start TLS: handshake failure"
