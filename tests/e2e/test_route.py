"""mtactl route: what maps make of an address, each step with the line that decided it, and the hosts that the send role would try."""
import pytest
from mtadtest import Instance


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    zone = "many.test. MX 20 second.many.test.\nmany.test. MX 10 first.many.test.\nfirst.many.test. A 127.0.0.21\nsecond.many.test. A 127.0.0.22\n" \
           "nomail.test. MX 0 .\nalone.test. A 127.0.0.23\n"
    folder = tmp_path_factory.mktemp("route")
    mta = Instance(folder / "site", {"virtual_alias_domains": "va.test", "relay_domains": "relay.test", "local_recipient_maps": "",
                                     "sender_dependent_relayhost_maps": "inline:{{boss@site.test=[127.0.0.9]:99}}"}, zone=zone)
    files = {"virtual": "# people\na@va.test b@relay.test,\n  c@many.test\n", "transport": "relay.test lmtp:unix:private/lmtp\n",
             "canonical": "/^old-(.*)@site.test$/ $1@site.test\n", "aliases": "x: y\nteam: root, a@va.test\n"}
    for name, text in files.items():
        with open(f"{mta.dir}/{name}", "w") as f:
            f.write(text)
    mta.settings.update(virtual_alias_maps=f"texthash:{mta.dir}/virtual", transport_maps=f"texthash:{mta.dir}/transport",
                        canonical_maps=f"regexp:{mta.dir}/canonical", alias_maps=f"inline:{{ {{team = root, a@va.test}} }}")
    mta.write()
    return mta      # not started: it works from the files


def hosts(row):
    return [(h["host"], h["address"], h.get("preference")) for h in row["hosts"]]


def test_expansion(site):
    b, c = site.rows("route", "a@va.test")
    assert (b["rewritten"], b["class"], b["transport"], b["nexthop"]) == ("b@relay.test", "relay", "lmtp", "unix:private/lmtp")
    assert b["hosts"] == [{"path": "private/lmtp"}]
    assert (c["rewritten"], c["class"], c["nexthop"]) == ("c@many.test", "default", "many.test")
    for row in (b, c):
        step = row["steps"][0]
        assert step["text"] == "virtual_alias_maps: a@va.test becomes b@relay.test, c@many.test"
        assert (step["table"], step["key"], step["line"]) == (f"texthash:{site.dir}/virtual", "a@va.test", 2)
        with open(f"{site.dir}/main.cf") as f:
            assert f.read().splitlines()[step["set"] - 1].startswith("virtual_alias_maps")
    assert [s["line"] for s in b["steps"] if s["text"].startswith("transport_maps")] == [1]


def test_hosts(site):
    row, = site.rows("route", "x@many.test")
    assert hosts(row) == [("first.many.test", "127.0.0.21", 10), ("second.many.test", "127.0.0.22", 20)]
    row, = site.rows("route", "x@alone.test")
    assert hosts(row) == [("alone.test", "127.0.0.23", None)]
    for name, dsn, text in (("nomail.test", "5.1.10", "does not accept mail"), ("nowhere.test", "5.4.4", "not found")):
        r = site.ctl("--json", "route", f"x@{name}")
        row, = site.rows("route", f"x@{name}")
        assert r.returncode == 1 and row["hosts"] == [] and row["hosts_dsn"] == dsn and text in row["hosts_failed"]
    r = site.ctl("-o", "transport_maps=inline:{many.test=esmtp:x}", "--json", "route", "x@many.test")
    assert r.returncode == 1 and 'master.cf has no transport \\"esmtp\\"' in r.stdout, r
    row, = site.rows("route", "x@many.test", "--no-dns")
    assert "hosts" not in row


def test_sender(site):
    row, = site.rows("route", "x@many.test", "--from", "boss@site.test")
    assert row["nexthop"] == "[127.0.0.9]:99" and hosts(row) == [("127.0.0.9", "127.0.0.9", None)] and row["hosts"][0]["port"] == 99
    row, = site.rows("route", "x@many.test", "--from", "else@site.test")
    assert row["nexthop"] == "many.test"


def test_canonical_and_aliases(site):
    row, = site.rows("route", "old-team@site.test")
    assert row["rewritten"] == "team@site.test" and row["class"] == "local"
    first, last = row["steps"][0], row["steps"][-1]
    assert first["text"] == "canonical: old-team@site.test becomes team@site.test" and first["line"] == 1
    assert last["text"] == "alias_maps: team becomes root, a@va.test"
    shown = site.ctl("--table", "route", "old-team@site.test").stdout
    assert f"[regexp:{site.dir}/canonical, line 1]" in shown and "becomes root, a@va.test" in shown


def test_a_loop(site):
    r = site.ctl("-o", "virtual_alias_maps=inline:{ {a@va.test = b@va.test}, {b@va.test = a@va.test} }", "--table", "route", "a@va.test")
    assert r.returncode == 1 and "no route now  virtual_alias_maps: unreasonable nesting at" in r.stdout, r
