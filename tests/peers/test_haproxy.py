"""A real haproxy before mtad and before Postfix: both versions of the PROXY protocol, health checks, the client's own address in log and Received:."""
import os
import shutil
import smtplib
import subprocess

import pytest

from mtadtest import Instance, free_port, wait_for

CONFIG = """global
  maxconn 100
defaults
  mode tcp
  timeout connect 5s
  timeout client 20s
  timeout server 20s
frontend one
  bind 127.0.0.1:@V1@
  default_backend one
backend one
  option smtpchk EHLO check.test
  server mta 127.0.0.1:@PORT@ send-proxy check inter 300ms
frontend two
  bind 127.0.0.1:@V2@
  default_backend two
backend two
  server mta 127.0.0.1:@PORT@ send-proxy-v2 send-proxy-v2-ssl check check-send-proxy inter 300ms
"""


@pytest.fixture
def site(tmp_path):
    if shutil.which("haproxy", path="/usr/sbin:/usr/bin") is None:
        pytest.skip("no haproxy")
    os.chmod(tmp_path, 0o755)
    mta = Instance(tmp_path / "mta", main={"smtpd_upstream_proxy_protocol": "haproxy", "smtpd_peername_lookup": "no", "mynetworks": "127.0.0.77"})
    v1, v2 = free_port(), free_port()
    (tmp_path / "haproxy.cfg").write_text(CONFIG.replace("@PORT@", str(mta.port)).replace("@V1@", str(v1)).replace("@V2@", str(v2)))
    with mta:
        process = subprocess.Popen(["/usr/sbin/haproxy", "-db", "-f", str(tmp_path / "haproxy.cfg")], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.PIPE)
        yield mta, v1, v2
        process.terminate()
        process.wait(20)


def send(port, source, recipient):
    with smtplib.SMTP(timeout=20, source_address=(source, 0), local_hostname="client.test") as s:
        s.connect("127.0.0.1", port)
        s.ehlo()
        s.mail("a@client.test")
        code, text = s.rcpt(recipient)
        if code == 250:
            s.data("Subject: x\r\n\r\nhello\r\n")
        return code, text.decode()


def test_haproxy(site):
    mta, v1, v2 = site

    def up():
        try:
            return [send(port, "127.0.0.8", "root@site.test")[0] for port in (v1, v2)] == [250, 250]
        except (smtplib.SMTPException, OSError):
            return False
    wait_for(up)
    for n, port in enumerate((v1, v2)):
        source = f"127.0.0.{20 + n}"
        assert send(port, source, "root@site.test")[0] == 250
        mta.wait_log(rf"client=unknown\[{source}\]")
        wait_for(lambda: [m for m in mta.mailbox("root") if f"(unknown [{source}])".encode() in m])
        # Who may relay is decided by the client behind the proxy.
        assert "Relay access denied" in send(port, source, "x@good.test")[1]
        assert send(port, "127.0.0.77", "x@good.test")[0] == 250
    # Health checks of both: with a header of the proxy's own, or of the checking connection.
    mta.wait_log(r"connect from unknown\[127\.0\.0\.1\]")
