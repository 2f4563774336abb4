"""Parameters of the server's TLS: what is agreed on with a client, as the log tells it."""
import re
import ssl
import subprocess
import time

from certs import Authority
from effects import Servers, reply, row
from mtadtest import wait_for

HELO = "EHLO client.test"
V12 = ssl.TLSVersion.TLSv1_2
EC128, EC256 = "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384"
ASKED = {"smtpd_tls_ask_ccert": "yes"}
MANDATORY = {"smtpd_tls_security_level": "encrypt"}


def secure(side, ctx, session=None):
    with side.connect() as t:
        assert t.all(HELO, "STARTTLS").startswith("220")
        with ctx.wrap_socket(t.socket, session=session) as s:
            s.sendall(b"EHLO client.test\r\n")
            s.recv(4096)
            return s.session


def context(side, most=None, ciphers=None, cert=None):
    ctx = ssl._create_unverified_context()
    if most:
        ctx.maximum_version = most
    if ciphers:
        ctx.set_ciphers(ciphers)
    if cert:
        folder = side.world.folder
        ctx.load_cert_chain(folder / f"{cert}.crt", folder / f"{cert}.key")
    return ctx


def agreed(**how):
    """What the log says of the connection."""
    def see(side):
        secure(side, context(side, **how))
        return side.log(r"\w+ TLS connection \w+ from \S+\[CLIENT\]: ")
    return see


def again(wait=0):
    """Of the second connection of a client that would resume the first one's session."""
    def see(side):
        ctx = context(side, most=V12)
        session = secure(side, ctx)
        time.sleep(wait)
        secure(side, ctx, session)
        said = re.compile(rf"TLS connection (\w+) from \S+\[{re.escape(side.client)}\]: ")
        return wait_for(lambda: (lambda found: found[1] if len(found) == 2 else None)(said.findall(side.world.mta.log())))
    return see


def group(side):
    """For Diffie-Hellman over a finite field, of those that openssl offers."""
    done = subprocess.run(["openssl", "s_client", "-connect", f"{side.address}:{side.world.mta.port}", "-starttls", "smtp", "-groups", "ffdhe3072:ffdhe2048"],
                          input="QUIT\n", capture_output=True, text=True, timeout=20)
    return done.stdout[done.stdout.index("Server Temp Key"):].split("\n")[0]


ROWS = [
    row("smtpd_tls_CApath", None, "FOLDER/hashed", agreed(cert="client"), "^Untrusted", "^Trusted", **ASKED),
    row("smtpd_tls_ccert_verifydepth", "0", None, agreed(cert="deep"), "^Untrusted", "^Trusted", smtpd_tls_CAfile="FOLDER/test-ca.crt", **ASKED),
    row("tls_trust_server_ccerts", None, "yes", agreed(cert="server"), "^Untrusted", "^Trusted", smtpd_tls_CAfile="FOLDER/test-ca.crt", **ASKED),
    row("smtpd_tls_eccert_file", None, "FOLDER/ec.pem", agreed(), "server-signature RSA", "server-signature ECDSA", smtpd_tls_chain_files="", smtpd_tls_cert_file="FOLDER/rsa.pem"),
    row("smtpd_tls_cipherlist", None, EC128, agreed(most=V12), EC256, EC128),
    row("smtpd_tls_mandatory_ciphers", None, "high", agreed(most=V12), EC256, EC128, tls_high_cipherlist=EC128, **MANDATORY),
    row("smtpd_tls_mandatory_exclude_ciphers", None, "AES256", agreed(most=V12), "AES256", "AES128|CHACHA20", **MANDATORY),
    row("smtpd_tls_mandatory_protocols", None, "<=TLSv1.2", agreed(), r"TLSv1\.3", r"TLSv1\.2", **MANDATORY),
    row("tls_export_cipherlist", EC256, EC128, agreed(most=V12), EC256, EC128, smtpd_tls_ciphers="export"),
    row("tls_low_cipherlist", EC256, EC128, agreed(most=V12), EC256, EC128, smtpd_tls_ciphers="low"),
    row("tls_null_cipherlist", EC256, EC128, agreed(most=V12), EC256, EC128, smtpd_tls_ciphers="null"),
    row("smtpd_tls_eecdh_grade", "strong", "ultra", agreed(), r"ECDHE \(prime256v1\)", r"ECDHE \(secp384r1\)"),
    row("tls_eecdh_strong_curve", None, "secp521r1", agreed(), r"ECDHE \(prime256v1\)", r"ECDHE \(secp521r1\)", smtpd_tls_eecdh_grade="strong"),
    row("tls_eecdh_ultra_curve", None, "secp521r1", agreed(), r"ECDHE \(secp384r1\)", r"ECDHE \(secp521r1\)", smtpd_tls_eecdh_grade="ultra"),
    row("tls_ffdhe_auto_groups", "ffdhe2048", "ffdhe3072", group, "2048", "3072"),
    row("tls_session_ticket_cipher", None, "", again(), "^reused$", "^established$"),
    row("smtpd_tls_session_cache_timeout", None, "1s", again(2.5), "^reused$", "^established$"),
    row("smtpd_use_tls", None, "yes", reply(HELO), r"ETRN\|250-ENHANCED", "250-STARTTLS", smtpd_tls_security_level=""),
]


class TlsServers(Servers):
    net = 56

    def __init__(self, folder, rows, main):
        self.folder = folder / "pki"
        ca = Authority(self.folder)
        for name, more in (("ec", {}), ("rsa", {"key": "rsa"}), ("client", {}), ("server", {"usage": "serverAuth"})):
            ca.issue("mail.site.test", as_name=name, **more)
        Authority(self.folder, "Middle CA", under=ca).issue("deep.test", as_name="deep")
        (self.folder / "hashed").mkdir()
        (self.folder / "hashed" / "0a1b2c3d.0").write_bytes(ca.ca_file.read_bytes())
        super().__init__(folder / "site", rows, {k: v.replace("FOLDER", str(self.folder)) for k, v in main.items()})

    def services(self, side):
        return super().services(side).replace("FOLDER", str(self.folder))


def world(folder):
    return TlsServers(folder, ROWS, {"smtpd_tls_security_level": "may", "smtpd_tls_chain_files": "FOLDER/rsa.pem FOLDER/ec.pem", "smtpd_tls_loglevel": "1",
                                     "smtpd_client_connection_count_limit": "0"})
