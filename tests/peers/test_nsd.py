"""MX records served by a real name server."""
import os
import subprocess

import pytest
from mtadtest import ZONE, Instance, Sink, free_port, wait_for


@pytest.fixture
def nsd(tmp_path):
    port = free_port()
    os.makedirs(tmp_path / "nsd", exist_ok=True)
    (tmp_path / "nsd/zone").write_text(ZONE)
    user = "root" if os.geteuid() == 0 else ""
    (tmp_path / "nsd/nsd.conf").write_text(
        f'server:\n ip-address: 127.0.0.1@{port}\n username: "{user}"\n zonesdir: "{tmp_path}/nsd"\n pidfile: ""\n xfrdfile: "{tmp_path}/nsd/xfrd"\n'
        f' zonelistfile: "{tmp_path}/nsd/zones"\n database: ""\n xfrdir: "{tmp_path}/nsd"\n rrl-ratelimit: 0\n server-count: 1\n'
        'remote-control:\n control-enable: no\nzone:\n name: "."\n zonefile: zone\n')
    process = subprocess.Popen(["/usr/sbin/nsd", "-d", "-c", str(tmp_path / "nsd/nsd.conf")], stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
    import dns.message
    import dns.query

    def answers():
        assert process.poll() is None, process.stderr.read().decode()
        try:
            return dns.query.udp(dns.message.make_query("good.test.", "MX"), "127.0.0.1", port=port, timeout=1).answer
        except Exception:
            return None
    wait_for(answers, 10, 0.2)
    yield port
    process.terminate()
    process.wait(20)


def test_mx_from_nsd(tmp_path, nsd):
    os.chmod(tmp_path, 0o755)
    with Instance(tmp_path / "site", {"mtad_dns_zone": "", "mtad_dns_servers": f"127.0.0.1@{nsd}"}) as mta:
        with Sink("127.0.0.2", mta.remote_port) as sink:
            for domain in ("good.test", "two.test", "alias.test", "x.many.test"):
                mta.send("a@client.test", f"b@{domain}")
            wait_for(lambda: len(sink.messages) == 4)
            mta.wait_log(r"to=<b@two\.test>, relay=mx\.good\.test\[127\.0\.0\.2\]")
            mta.send("", "b@nowhere.test")
            mta.wait_log(r"to=<b@nowhere\.test>, relay=none, .*dsn=5\.4\.4, status=bounced")
            mta.send("", "b@nullmx.test")
            mta.wait_log(r"to=<b@nullmx\.test>, relay=none, .*dsn=5\.1\.10, status=bounced")


def test_a_dead_name_server_defers(tmp_path):
    os.chmod(tmp_path, 0o755)
    with Instance(tmp_path / "site", {"mtad_dns_zone": "", "mtad_dns_servers": f"127.0.0.1@{free_port()}", "mtad_dns_timeout": "2s"}) as mta:
        qid = mta.send("a@client.test", "b@good.test")
        wait_for(lambda: [r for r in mta.queue() if r["queue_name"] == "deferred"], 30)
        mta.wait_log(rf"{qid}: to=<b@good\.test>, relay=none, .*dsn=4\.4\.3, status=deferred \(Host or domain name not found\. Name service error")
