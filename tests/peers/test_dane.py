"""DANE (RFC 7672) with signed zones on a real name server: which hosts get mail, how safe it is, and what is said of the others."""
import os
import re

import pytest
from certs import Authority
from mtadtest import Instance, Sink, free_port, wait_for
from signedzone import SignedZones
from tlspeer import TlsSink

PLAIN = "plain.test"


class World:
    """Hosts by name: each an address of its own, all on one port."""

    def __init__(self, folder):
        self.port = free_port()
        self.ca = Authority(folder / "ca")
        self.zone, self.insecure, self.sinks, self.addresses = "", "", {}, {}

    def host(self, name, certificate, tlsa=(), **more):
        """mx.NAME.test with a server, and NAME.test that points there."""
        address = f"127.0.1.{len(self.addresses) + 2}"
        self.addresses[name] = address
        self.sinks[name] = TlsSink(certificate, host=address, port=self.port, **more) if certificate else Sink(host=address, port=self.port)
        self.zone += f"{name}.test. MX 10 mx.{name}.test.\nmx.{name}.test. A {address}\n"
        self.zone += "".join(f"_{self.port}._tcp.mx.{name}.test. TLSA {r}\n" for r in tlsa)

    def close(self):
        for sink in self.sinks.values():
            sink.close()


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dane")
    os.chmod(folder, 0o755)
    w = World(folder)
    ca, name = w.ca, "mx.{}.test".format
    odd = ca.bad("self-signed", "other.example")
    w.host("ee", odd, [odd.tlsa(3, 1, 1)])
    full = ca.bad("expired", "other.example")
    w.host("full", full, [full.tlsa(3, 0, 0)])
    w.host("agile", odd, [odd.tlsa(3, 1, 2), "3 1 1 " + "00" * 32])
    under = ca.issue(name("ta"))
    under.join(ca.own.cert.read_bytes())
    w.host("ta", under, [ca.own.tlsa(2, 0, 1)])
    middle = Authority(folder / "middle", "Middle CA", under=ca)
    low = middle.issue(name("middle"))
    w.host("middle", low, [middle.own.tlsa(2, 1, 2)])
    domain = ca.issue("domain.test")
    w.host("domain", domain, [ca.own.tlsa(2, 0, 0)])
    wrong = ca.bad("wrong-name", "x")
    wrong.join(ca.own.cert.read_bytes())
    w.host("taname", wrong, [ca.own.tlsa(2, 0, 1)])
    late = ca.bad("expired", name("talate"))
    late.join(ca.own.cert.read_bytes())
    w.host("talate", late, [ca.own.tlsa(2, 0, 1)])
    forged = Authority(folder / "forger", "Forger CA").issue(name("forged"))
    forged.join(ca.own.cert.read_bytes())
    w.host("forged", forged, [ca.own.tlsa(2, 0, 1)])
    w.host("weaker", odd, [odd.tlsa(3, 1, 1), "3 1 2 " + "00" * 64])
    w.host("mismatch", odd, ["3 1 1 " + "AB" * 32])
    w.host("clear", None, [odd.tlsa(3, 1, 1)])
    w.host("unusable", odd, [odd.tlsa(1, 1, 1), odd.tlsa(0, 0, 1), "3 1 1 ABCD", "3 9 1 " + "AB" * 32])
    w.host("unusableclear", None, [odd.tlsa(1, 1, 1)])
    w.host("none", odd)
    w.host("noneclear", None)
    w.host("error", odd, ["3 1 1 " + "CD" * 32])
    w.zone += "alias.test. MX 10 there.alias.test.\nthere.alias.test. CNAME mx.ee.test.\n"
    w.zone += "own.alias.test. MX 10 here.alias.test.\nhere.alias.test. CNAME mx.none.test.\n" + f"_{w.port}._tcp.here.alias.test. TLSA {odd.tlsa(3, 1, 1)}\n"
    plain = f"@ MX 10 mx.ee.test.\nhost.{PLAIN}. A {w.addresses['ee']}\nlocal.{PLAIN}. MX 10 host.{PLAIN}.\n_{w.port}._tcp.host.{PLAIN}. TLSA 3 1 1 {'AB' * 32}\n"
    # Asking for its TLSA records goes round for ever: there is no answer.
    plain += f"lame.{PLAIN}. A {w.addresses['none']}\n_{w.port}._tcp.lame.{PLAIN}. CNAME round.{PLAIN}.\nround.{PLAIN}. CNAME _{w.port}._tcp.lame.{PLAIN}.\n"
    zones = {"test": (w.zone, "signed"), PLAIN: (plain, "plain"), "bogus.test": ("@ MX 10 mx.ee.test.\n", "bogus")}
    with SignedZones(folder / "nsd", zones, tamper=("cd" * 32, "ef" * 32)) as dns:
        w.dns = dns
        yield w
    w.close()


REFUSED = ("deferred", r"Server certificate not verified", "4.7.5")
MISSING = ("deferred", r"TLS is required, but was not offered by host mx\.{0}\.test\[127\.0\.1\.\d+\]", "4.7.4")
# domain: (status, text, dsn), and the word of the log line.
OUTCOMES = {
    "ee.test": ("sent", "Verified"), "full.test": ("sent", "Verified"), "agile.test": ("sent", "Verified"), "ta.test": ("sent", "Verified"),
    "middle.test": ("sent", "Verified"), "domain.test": ("sent", "Verified"), "alias.test": ("sent", "Verified"), "own.alias.test": ("sent", "Verified"),
    "taname.test": (REFUSED, "Untrusted"), "talate.test": (REFUSED, "Untrusted"),
    "forged.test": (REFUSED, "Untrusted"), "mismatch.test": (REFUSED, "Untrusted"),
    "clear.test": (MISSING, None), "unusableclear.test": (MISSING, None),
    "unusable.test": ("sent", "Untrusted"), "none.test": ("sent", "Untrusted"), "noneclear.test": ("sent", None), "[mx.ee.test]": ("sent", "Verified"),
    "error.test": (("deferred", r"TLSA lookup error for mx\.error\.test:\d+", "4.7.5"), None),
    PLAIN: ("sent", "Trusted"), f"local.{PLAIN}": ("sent", "Untrusted"),
    "bogus.test": (("deferred", r"Host or domain name not found\. Name service error for name=bogus\.test type=MX: Host not found, try again", "4.4.3"), None),
}


def site(folder, world, **main):
    return Instance(folder, smtp_port=world.port, main={
        "mtad_dns_zone": "", "mtad_dns_servers": f"127.0.0.1@{world.dns.port}", "mtad_dns_anchor": world.dns.anchor, "mtad_dns_timeout": "3s",
        "smtp_dns_support_level": "dnssec", "smtp_tls_security_level": "dane", "smtp_tls_loglevel": "2",
        "transport_maps": "inline:{ literal.test=smtp:[mx.ee.test] }", **main})


def outcome(m, queue_id, seconds=30):
    got = m.wait_log(rf"{queue_id}: to=<[^>]*>, relay=([^,]*), .*dsn=(\S+), status=(\w+) \((.*)\)\n", seconds)
    return got.group(3), got.group(4), got.group(2), got.group(1)


def send_all(m, domains):
    return {d: m.send("a@site.test", "user@literal.test" if d.startswith("[") else f"user@{d}") for d in domains}


def test_outcomes(tmp_path, world):
    os.chmod(tmp_path, 0o755)
    with site(tmp_path / "m", world) as m:
        ids = send_all(m, OUTCOMES)
        wrong = {}
        for domain, (expected, word) in OUTCOMES.items():
            got = outcome(m, ids[domain])
            name = domain.split(".")[0]
            if expected == "sent":
                ok = got[0] == "sent"
            else:
                ok = got[0] == expected[0] and re.fullmatch(expected[1].replace("{0}", name), got[1]) and got[2] == expected[2]
            if not ok:
                wrong[domain] = got
        assert not wrong, wrong
        for domain, (expected, word) in OUTCOMES.items():
            if word and re.fullmatch(r"\w+\.test", domain) and domain not in ("alias.test", PLAIN):
                assert re.search(rf"{word} TLS connection established to mx\.{domain.split('.')[0]}\.test\[", m.log()), (domain, word)
        assert re.search(r"Verified TLS connection established to there\.alias\.test\[", m.log())
        assert re.search(r"Trusted TLS connection established to mx\.ee\.test\[", m.log())
        assert re.search(r"certificate verification failed for mx\.mismatch\.test\[127\.0\.1\.\d+\]:\d+: num=65:no matching DANE TLSA records", m.log())
        # The base domain of the records is what is asked for by SNI.
        assert "mx.ee.test" in world.sinks["ee"].names and "mx.ta.test" in world.sinks["ta"].names
        for name in ("taname", "talate", "forged", "mismatch", "clear", "unusableclear", "error"):
            assert not world.sinks[name].messages, name


def test_dane_only_and_insecure_mx(tmp_path, world):
    os.chmod(tmp_path, 0o755)
    with site(tmp_path / "m", world, smtp_tls_security_level="may", smtp_tls_dane_insecure_mx_policy="encrypt",
              smtp_tls_policy_maps="inline:{ ee.test=dane-only, none.test=dane-only, unusable.test=dane-only, plain.test=dane-only, local.plain.test=dane }") as m:
        expected = {"ee.test": ("sent", None), "none.test": ("deferred", "no TLSA records found"), "unusable.test": ("deferred", "TLSA records unusable"),
                    PLAIN: ("deferred", "non DNSSEC destination"), f"local.{PLAIN}": ("sent", None)}
        ids = send_all(m, expected)
        for domain, (status, text) in expected.items():
            got = outcome(m, ids[domain])
            assert got[0] == status and (text is None or (got[1] == text and got[2] == "4.7.5")), (domain, got)
        m.wait_log(r"warning: TLS policy lookup for none\.test/mx\.none\.test: no TLSA records found")


def test_without_dnssec_nothing_is_secure(tmp_path, world):
    """No trust anchor for the zone: DANE does not apply, and says nothing of servers."""
    os.chmod(tmp_path, 0o755)
    with site(tmp_path / "m", world, smtp_dns_support_level="enabled") as m:
        ids = send_all(m, ["mismatch.test", "clear.test"])
        wait_for(lambda: all(outcome(m, i)[0] == "sent" for i in ids.values()))
        m.wait_log(r"warning: mismatch\.test: dane configured with dnssec lookups disabled")


def test_parameters(tmp_path, world):
    """What the parameters of DANE change, each by a transport of its own: with its default, and set."""
    os.chmod(tmp_path, 0o755)
    rows = [("tls_dane_digests", "sha256", "agile.test", "sent Verified", "deferred Untrusted"),
            ("tls_dane_digest_agility", "off", "weaker.test", "deferred Untrusted", "sent Verified"),
            ("tls_dane_trust_anchor_digest_enable", "no", "ta.test", "sent Verified", "sent Untrusted"),
            ("smtp_tls_force_insecure_host_tlsa_lookup", "yes", f"[lame.{PLAIN}]", "sent Untrusted", "deferred TLSA lookup error")]
    maps = " ".join(f"a{i}@x.test=smtp:{hop} b{i}@x.test=own{i}:{hop}" for i, (_, _, hop, _, _) in enumerate(rows))
    m = site(tmp_path / "m", world, transport_maps=f"inline:{{ {maps} }}")
    m.master += "".join(f"own{i} unix - - y - - smtp -o {name}={value}\n" for i, (name, value, *_) in enumerate(rows))
    m.write()
    with m:
        ids = {f"{side}{i}": m.send("a@site.test", f"{side}{i}@x.test") for i in range(len(rows)) for side in "ab"}
        for i, (name, _, hop, *wanted) in enumerate(rows):
            for side, want in zip("ab", wanted):
                got = outcome(m, ids[f"{side}{i}"])
                word, _, rest = want.partition(" ")
                assert got[0] == word, (name, side, got)
                if rest.startswith("TLSA"):
                    assert got[1].startswith(rest), (name, got)
        for name, word in (("agile", "Verified Untrusted"), ("weaker", "Untrusted Verified"), ("ta", "Verified Untrusted")):
            for w in word.split():
                assert re.search(rf"{w} TLS connection established to mx\.{name}\.test\[", m.log()), (name, w)
