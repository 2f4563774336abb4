"""Clients with IPv6 addresses: listeners, names, networks, tables, block lists and limits."""
import ipaddress
import os
import socket
import struct

import pytest
from mtadtest import ZONE, Instance, free_port, wait_for
from smtptalk import Talk


def nibbles(address):
    return ".".join(reversed(ipaddress.IPv6Address(address).exploded.replace(":", "")))


NAMED, FORGED, NAMELESS, LISTED, BARRED = "2001:db8::7", "2001:db8::8", "2001:db8::9", "2001:db8:1::66", "2001:db8:bad:1::1"
DNS = ZONE + f"""{nibbles(NAMED)}.ip6.arpa. PTR six.client.test.
six.client.test. AAAA {NAMED}
{nibbles(FORGED)}.ip6.arpa. PTR lies.client.test.
lies.client.test. AAAA 2001:db8::ffff
{nibbles(LISTED)}.list.test. A 127.0.0.2
{nibbles(LISTED)}.list.test. TXT "listed"
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("six")
    os.chmod(folder, 0o755)
    (folder / "access").write_text("2001:db8:bad::/48 554 5.7.1 Not from there\n192.0.2.66 554 5.7.1 Nor from there\n::/0 DUNNO\n")
    both, strict, proxied = free_port(), free_port(), free_port()
    mta = Instance(folder / "site", {
        "inet_protocols": "all", "inet_interfaces": "127.0.0.1, [::1]", "mynetworks": "192.0.2.0/24 [::1]/128",
        "smtpd_client_restrictions": f"check_client_access cidr:{folder}/access, reject_rbl_client list.test", "local_recipient_maps": "", "alias_maps": ""},
        zone=DNS, root=os.geteuid() == 0)
    mta.both, mta.strict, mta.proxied = both, strict, proxied
    mta.master = (f"[::1]:{mta.port} inet n - y - - smtpd\n{both} inet n - y - - smtpd\n"
                  f"[::1]:{proxied} inet n - y - - smtpd\n  -o smtpd_upstream_proxy_protocol=haproxy\n"
                  f"[::1]:{strict} inet n - y - - smtpd\n  -o smtpd_upstream_proxy_protocol=haproxy\n  -o syslog_name=mtad/strict\n  -o smtpd_client_message_rate_limit=2\n")
    mta.write()
    with mta:
        yield mta


class Proxied(Talk):
    """Through a proxy that says who the client is: PROXY version 2."""

    def __init__(self, port, address):
        self.s = socket.create_connection(("::1", port), timeout=30)
        self.s.sendall(b"\r\n\r\n\0\r\nQUIT\n\x21\x21" + struct.pack(">H", 36) + socket.inet_pton(socket.AF_INET6, address) +
                       socket.inet_pton(socket.AF_INET6, "::1") + struct.pack(">HH", 4000, 25))
        self.f = self.s.makefile("rb")
        assert self.read().startswith(b"220")
        assert self.say(b"EHLO client.test").startswith(b"250")


def as_client(mta, address, port=None):
    return Proxied(port or mta.proxied, address)


def mail(talk, rcpt=b"root@site.test"):
    said = talk.say(b"MAIL FROM:<a@b.test>")
    return talk.say(b"RCPT TO:<%s>" % rcpt) if said.startswith(b"250") else said


@pytest.mark.parametrize("host, which", [("::1", "port"), ("::1", "both"), ("127.0.0.1", "both")])
def test_listeners_and_received(site, host, which):
    talk = Talk(getattr(site, which), host)
    assert talk.say(b"EHLO client.test").startswith(b"250")
    assert mail(talk).startswith(b"250")
    talk.say(b"DATA")
    name = f"v{which}{len(host)}"
    id = talk.say(f"Subject: {name}\r\n\r\nx\r\n.".encode()).split()[-1].decode()
    talk.close()
    text = wait_for(lambda: [m for m in site.mailbox("root") if f"Subject: {name}\n".encode() in m])[0].decode()
    address = "[IPv6:::1]" if host == "::1" else "[127.0.0.1]"
    assert f"Received: from client.test (localhost {address})\n\tby mail.site.test (mtad) with ESMTP id {id}" in text.replace("\r", "")
    assert f"{id}: client=localhost[{host}]" in site.log()


def test_networks(site):
    """[::1]/128 is in mynetworks, 127.0.0.1 is not."""
    for host, code in (("::1", b"250"), ("127.0.0.1", b"454")):
        talk = Talk(site.both, host)
        talk.say(b"EHLO client.test")
        assert mail(talk, b"x@good.test").startswith(code)
        talk.close()


@pytest.mark.parametrize("address, name", [(NAMED, "six.client.test"), (FORGED, "unknown"), (NAMELESS, "unknown"), ("2001:DB8:0:0:0:0:0:7", "six.client.test")])
def test_names(site, address, name):
    talk = as_client(site, address)
    said = mail(talk, b"x@good.test").decode()
    shown = NAMED if address.endswith(":7") else address
    assert said.startswith("454 4.7.1 <x@good.test>: Relay access denied"), said
    site.wait_log(rf"NOQUEUE: reject: RCPT from {name}\[{shown}\]: 454")
    if address == FORGED:
        site.wait_log(rf"hostname lies.client.test does not resolve to address {FORGED}")
    talk.close()


@pytest.mark.parametrize("address, said", [("::ffff:192.0.2.66", "554 5.7.1 <unknown[192.0.2.66]>: Client host rejected: Nor from there"), (BARRED, f"554 5.7.1 <unknown[{BARRED}]>: Client host rejected: Not from there"),
                                           (LISTED, f"554 5.7.1 Service unavailable; Client host [{LISTED}] blocked using list.test; listed")])
def test_tables_and_lists(site, address, said):
    talk = as_client(site, address)
    assert mail(talk).decode().strip() == said
    talk.close()


def test_a_network_is_one_client(site):
    """smtpd_client_ipv6_prefix_length = 84: what a site gets by the shortest prefix is one client, the next one another."""
    codes = []
    for address in ("2001:db8:5::1", "2001:db8:5::fff:2", "2001:db8:5::3", "2001:db8:5:0:0:1000::4", "2001:db8:5:1::5"):
        talk = as_client(site, address, site.strict)
        codes.append(talk.say(b"MAIL FROM:<a@b.test>")[:3].decode())
        talk.close()
    assert codes == ["250", "250", "450", "250", "250"]
    site.wait_log(r"warning: Message delivery request rate limit exceeded: 3 from unknown\[2001:db8:5::3\] for service")
