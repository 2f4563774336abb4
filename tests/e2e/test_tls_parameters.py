"""Each parameter of the clients' TLS, of smtp and of lmtp: a transport of its own, and what is to be seen with it."""
import hashlib
import os
import re
import ssl
import sys
import time

import pytest

sys.path.insert(0, __file__.rsplit("/", 2)[0] + "/lib")
from certs import Authority  # noqa: E402
from mtadtest import Instance, wait_for  # noqa: E402
from tlspeer import TlsSink, server_context  # noqa: E402

ROWS = {"smtp": """
smtp_use_tls = yes | tls
smtp_enforce_tls = yes; smtp_tls_CAfile = $CA | tls
smtp_enforce_tls = yes; smtp_tls_enforce_peername = no | tls
smtp_enforce_tls = yes | refused
smtp_tls_security_level = may; smtp_tls_ciphers = nonsense | refused
smtp_tls_security_level = may; smtp_tls_protocols = TLSv1.2 | TLSv1.2
smtp_tls_security_level = may; smtp_tls_protocols = TLSv1.2; smtp_tls_exclude_ciphers = AES | CHACHA20
smtp_tls_security_level = encrypt; smtp_tls_mandatory_ciphers = nonsense | refused
smtp_tls_security_level = encrypt; smtp_tls_mandatory_protocols = TLSv1.2 | TLSv1.2
smtp_tls_security_level = encrypt; smtp_tls_mandatory_protocols = TLSv1.2; smtp_tls_mandatory_exclude_ciphers = AES | CHACHA20
smtp_tls_security_level = fingerprint; smtp_tls_fingerprint_cert_match = $SHA1; smtp_tls_fingerprint_digest = sha1 | tls
smtp_tls_security_level = fingerprint; smtp_tls_fingerprint_cert_match = AA | refused
smtp_tls_per_site = inline:{mx.good.test=MAY} | tls
smtp_tls_security_level = may; smtp_tls_servername = hostname | sni
smtp_tls_security_level = verify; smtp_tls_trust_anchor_file = $CA | tls
smtp_tls_security_level = verify; smtp_tls_CAfile = $CA; smtp_tls_verify_cert_match = other.example | refused
smtp_tls_security_level = secure; smtp_tls_CAfile = $CA; smtp_tls_secure_cert_match = other.example | refused
smtp_tls_security_level = verify; smtp_tls_CAfile = $CA; smtp_tls_scert_verifydepth = 0 | deep
smtp_tls_security_level = verify; smtp_tls_CApath = $CAPATH | tls
smtp_tls_security_level = verify; smtp_tls_CAfile = $CA; smtp_tls_verify_cert_match = a.b.good.test; tls_wildcard_matches_multiple_labels = yes | wide
smtp_tls_security_level = verify; smtp_tls_CAfile = $CA; smtp_tls_verify_cert_match = a.b.good.test; tls_wildcard_matches_multiple_labels = no | narrow
smtp_tls_security_level = encrypt; smtp_tls_cert_file = $CERT; smtp_tls_key_file = $KEY | client
smtp_tls_security_level = encrypt; smtp_tls_eccert_file = $CERT; smtp_tls_eckey_file = $KEY | client
smtp_tls_security_level = encrypt; smtp_tls_chain_files = $BOTH | client
smtp_tls_security_level = encrypt; smtp_tls_wrappermode = yes | wrapper
smtp_tls_security_level = encrypt; smtp_tls_connection_reuse = yes | reuse
smtp_tls_security_level = encrypt; smtp_starttls_timeout = 1s | slow
smtp_tls_security_level = encrypt; smtp_tls_block_early_mail_reply = yes | early
smtp_tls_note_starttls_offer = yes | clear
""", "lmtp": """
lmtp_use_tls = yes | tls
lmtp_enforce_tls = yes; lmtp_tls_CAfile = $CA | tls
lmtp_enforce_tls = yes; lmtp_tls_enforce_peername = no | tls
lmtp_enforce_tls = yes | refused
lmtp_tls_security_level = may; lmtp_tls_ciphers = nonsense | refused
lmtp_tls_security_level = may; lmtp_tls_protocols = TLSv1.2 | TLSv1.2
lmtp_tls_security_level = may; lmtp_tls_protocols = TLSv1.2; lmtp_tls_exclude_ciphers = AES | CHACHA20
lmtp_tls_security_level = encrypt; lmtp_tls_mandatory_ciphers = nonsense | refused
lmtp_tls_security_level = encrypt; lmtp_tls_mandatory_protocols = TLSv1.2 | TLSv1.2
lmtp_tls_security_level = encrypt; lmtp_tls_mandatory_protocols = TLSv1.2; lmtp_tls_mandatory_exclude_ciphers = AES | CHACHA20
lmtp_tls_security_level = fingerprint; lmtp_tls_fingerprint_cert_match = $SHA1; lmtp_tls_fingerprint_digest = sha1 | tls
lmtp_tls_security_level = fingerprint; lmtp_tls_fingerprint_cert_match = AA | refused
lmtp_tls_per_site = inline:{mx.good.test=MAY} | tls
lmtp_tls_security_level = may; lmtp_tls_servername = hostname | sni
lmtp_tls_security_level = verify; lmtp_tls_trust_anchor_file = $CA | tls
lmtp_tls_security_level = verify; lmtp_tls_CAfile = $CA; lmtp_tls_verify_cert_match = other.example | refused
lmtp_tls_security_level = secure; lmtp_tls_CAfile = $CA; lmtp_tls_secure_cert_match = other.example | refused
lmtp_tls_security_level = verify; lmtp_tls_CAfile = $CA; lmtp_tls_scert_verifydepth = 0 | deep
lmtp_tls_security_level = verify; lmtp_tls_CApath = $CAPATH | tls
lmtp_tls_security_level = verify; lmtp_tls_CAfile = $CA; lmtp_tls_verify_cert_match = a.b.good.test; tls_wildcard_matches_multiple_labels = yes | wide
lmtp_tls_security_level = verify; lmtp_tls_CAfile = $CA; lmtp_tls_verify_cert_match = a.b.good.test; tls_wildcard_matches_multiple_labels = no | narrow
lmtp_tls_security_level = encrypt; lmtp_tls_cert_file = $CERT; lmtp_tls_key_file = $KEY | client
lmtp_tls_security_level = encrypt; lmtp_tls_eccert_file = $CERT; lmtp_tls_eckey_file = $KEY | client
lmtp_tls_security_level = encrypt; lmtp_tls_chain_files = $BOTH | client
lmtp_tls_security_level = encrypt; lmtp_tls_wrappermode = yes | wrapper
lmtp_tls_security_level = encrypt; lmtp_tls_connection_reuse = yes | reuse
lmtp_tls_security_level = encrypt; lmtp_starttls_timeout = 1s | slow
lmtp_tls_security_level = encrypt; lmtp_tls_block_early_mail_reply = yes | early
lmtp_tls_note_starttls_offer = yes | clear
"""}


def early(session, _):
    return b"250 sink.test\r\n250 2.1.0 Ok" if getattr(session, "secured", False) else None


class Row:
    def __init__(self, text, number, lmtp, ca, good):
        settings, self.want = text.rsplit(" | ", 1)
        self.text, self.settings, self.name = text, settings.split("; "), f"row{number}"
        context = server_context(Authority(ca.folder / "middle", "Middle CA", under=ca).issue("mx.good.test") if self.want == "deep" else good)
        if self.want in ("wide", "narrow"):     # two labels for one star
            context = server_context(ca.issue("*.good.test"))
        if self.want == "client":
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(ca.ca_file)
        script = {"slow": {"handshake": lambda s, a: time.sleep(3)}, "early": {"EHLO": early}}.get(self.want)
        self.sink = TlsSink(good, context=context, host="127.0.0.2", lmtp=lmtp, wrapper=self.want == "wrapper", script=script)

    def judge(self, log):
        got = re.search(rf"to=<a@{self.name}\.test>.* status=(\w+) \((.*)\)\n", log)
        line = re.search(rf"TLS connection established to mx\.good\.test\[127\.0\.0\.2\]:{self.sink.port}: (.*)", log)
        line = line.group(1) if line else ""
        sent, hands = got.group(1) == "sent", self.sink.handshakes
        return {"tls": sent and hands, "wide": sent and hands, "narrow": got.group(2) == "Server certificate not verified", "refused": not sent and not self.sink.messages, "deep": got.group(2) == "Server certificate not verified" and hands, "sni": sent and self.sink.names == ["mx.good.test"],
                "client": sent and any(self.sink.clients), "wrapper": sent and hands, "reuse": sent and hands == 1, "clear": sent and not hands and
                "Host offered STARTTLS: [mx.good.test]" in log, "slow": got.group(2) == "Cannot start TLS: handshake failure",
                "early": got.group(2) == "unexpected server message"}.get(self.want, sent and self.want in line)


@pytest.mark.parametrize("family", ROWS)
def test_parameters(tmp_path, family):
    os.chmod(tmp_path, 0o755)
    ca = Authority(tmp_path / "ca")
    good, me = ca.issue("mx.good.test"), ca.issue("mail.site.test")
    hashed = tmp_path / "hashed"
    hashed.mkdir()
    (hashed / "0a1b2c3d.0").write_bytes(ca.ca_file.read_bytes())
    sha1 = hashlib.sha1(good.der()).hexdigest()
    names = {"CAPATH": hashed, "CA": ca.ca_file, "SHA1": ":".join(sha1[i:i + 2] for i in range(0, 40, 2)), "CERT": me.cert, "KEY": me.key, "BOTH": me.both}
    rows = [Row(re.sub(r"\$(\w+)", lambda m: str(names[m.group(1)]), line), n, family == "lmtp", ca, good) for n, line in enumerate(ROWS[family].strip().splitlines())]
    m = Instance(tmp_path / "m", main={"transport_maps": "inline:{ " + ", ".join(f"{r.name}.test={r.name}:[mx.good.test]:{r.sink.port}" for r in rows) + " }",
                                       f"{family}_tls_loglevel": "1"})
    m.master += "".join(f"{r.name} unix - - n - - {family}\n" + "".join(f"  -o {{ {s} }}\n" for s in r.settings) for r in rows)
    m.write()
    try:
        with m:
            for r in rows:
                m.send("a@site.test", f"a@{r.name}.test")

            def done():
                """an outcome of each row"""
                log = m.log()
                return all(re.search(rf"to=<a@{r.name}\.test>.* status=", log) for r in rows)
            wait_for(done, 30, 0.3)
            for r in rows:
                if r.want == "reuse":
                    m.wait_log(rf"to=<a@{r.name}\.test>.* status=sent")
                    m.send("a@site.test", f"a@{r.name}.test")
                    wait_for(lambda r=r: len(r.sink.messages) == 2)
            assert not [r.text for r in rows if not r.judge(m.log())]
    finally:
        for r in rows:
            r.sink.close()
