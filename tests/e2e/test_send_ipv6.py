"""Mail to servers with IPv6 addresses: how next hops name them, which family comes first, what is bound to."""
import re
import sys

import pytest

sys.path.insert(0, __file__.rsplit("/", 2)[0] + "/lib")
from mtadtest import ZONE, Instance, Sink  # noqa: E402

# 2001:db8::/32 leads nowhere.
RECORDS = """six.test. MX 10 mx.six.test.
mx.six.test. AAAA ::1
both.test. A 127.0.0.2
both.test. AAAA ::1
lost.test. MX 10 mx.lost.test.
mx.lost.test. AAAA 2001:db8::25
mx.lost.test. A 127.0.0.2
order.test. MX 10 a.order.test.
order.test. MX 20 b.order.test.
a.order.test. AAAA ::1
b.order.test. A 127.0.0.2
"""
# Recipient's domain: next hop, by a transport whose options are the last part.
HOPS = {"plain": "smtp:[::1]", "tagged": "smtp:[IPv6:::1]", "bare": "smtp:::1", "port": "smtp:[::1]:{port}", "mx": "smtp:six.test", "name": "smtp:[mx.six.test]",
        "first6": "first6:[both.test]", "first4": "first4:[both.test]", "away": "first6:lost.test", "order": "first4:order.test", "only4": "only4:[both.test]",
        "none4": "only4:six.test", "only6": "only6:[both.test]", "none6": "only6:good.test", "bound": "bound:[::1]"}
MASTER = """first6 unix - - y - - smtp -o smtp_address_preference=ipv6
first4 unix - - y - - smtp -o smtp_address_preference=ipv4
only4 unix - - y - - smtp -o inet_protocols=ipv4
only6 unix - - y - - smtp -o inet_protocols=ipv6
bound unix - - y - - smtp -o smtp_bind_address6=::1 -o smtp_bind_address=127.0.0.9
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    peers = {}

    def note(name):
        return {"RCPT": lambda s, a: peers.__setitem__(re.search(rb"@(\w+)\.at", a)[1].decode(), (name, s.client_address[0])) and None}
    with Sink("::1", script=note("six")) as six, Sink("127.0.0.2", six.port, note("four")):
        maps = " ".join(f"{{ {name}.at = {hop.format(port=six.port)} }}" for name, hop in HOPS.items())
        m = Instance(tmp_path_factory.mktemp("ipv6") / "m", smtp_port=six.port, zone=ZONE + RECORDS, main={
            "inet_protocols": "all", "transport_maps": f"inline:{{ {maps} }}", "smtp_connection_cache_on_demand": "no"})
        m.master += MASTER
        m.write()
        with m:
            m.ids = {name: m.send("a@site.test", f"u@{name}.at") for name in HOPS}
            yield m, peers, six.port


def test_where_it_went(site):
    m, peers, port = site
    wanted = {"plain": "::1[::1]", "tagged": "::1[::1]", "bare": "::1[::1]", "port": "::1[::1]", "mx": "mx.six.test[::1]", "name": "mx.six.test[::1]",
              "first6": "both.test[::1]", "first4": "both.test[127.0.0.2]", "away": "mx.lost.test[127.0.0.2]", "order": "a.order.test[::1]",
              "only4": "both.test[127.0.0.2]", "only6": "both.test[::1]", "bound": "::1[::1]"}
    for name, relay in wanted.items():
        got = m.wait_log(rf"{m.ids[name]}: to=<[^>]*>, relay=(\S+), .*status=(\w+) ")
        assert got.group(1) == f"{relay}:{port}" and got.group(2) == "sent", (name, got.group(0))
        assert peers[name] == (("six", "::1") if "::1" in relay else ("four", "127.0.0.1")), name
    m.wait_log(rf"connect to mx\.lost\.test\[2001:db8::25\]:{port}: ")


def test_families_that_are_off(site):
    m, peers, _ = site
    for name, record in (("none4", "name=mx.six.test type=A"), ("none6", "name=mx.good.test type=AAAA")):
        got = m.wait_log(rf"{m.ids[name]}: to=<[^>]*>, relay=none, .*dsn=(\S+), status=(\w+) \((.*)\)\n")
        assert got.group(1) == "5.4.4" and got.group(2) == "bounced" and record in got.group(3), got.group(0)
        assert name not in peers
