"""Certificates for tests, made with openssl: a site's own authority, good ones, and the seven kinds of bad ones.

    ca = Authority(folder)
    good = ca.issue("mx.test", names=["mx.test", "*.wild.test"])     good.cert, good.key, good.both, good.der()
    for kind in BAD: bad = ca.bad(kind, "mx.test")
"""
import base64
import hashlib
import pathlib
import subprocess

# What is wrong with each. "tlsa" is a good certificate: the record published for it is another's.
BAD = ("expired", "not-yet", "wrong-name", "self-signed", "unknown-issuer", "key-usage", "tlsa")

KEYS = {"ec": ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"], "rsa": ["-newkey", "rsa:2048"], "ed25519": ["-newkey", "ed25519"]}


def openssl(*args, stdin=None):
    done = subprocess.run(["openssl", *map(str, args)], input=stdin, capture_output=True, timeout=60)
    assert done.returncode == 0, f"openssl {args}: {done.stderr.decode()}"
    return done.stdout


class Certificate:
    def __init__(self, base):
        self.cert, self.key, self.both = base.with_suffix(".crt"), base.with_suffix(".key"), base.with_suffix(".pem")

    def join(self, chain=b""):
        """The file of smtpd_tls_chain_files: the key, its certificate, those above it."""
        if chain:
            self.cert.write_bytes(self.cert.read_bytes() + chain)
        self.both.write_bytes(self.key.read_bytes() + self.cert.read_bytes())
        self.both.chmod(0o600)
        self.key.chmod(0o600)

    def der(self):
        return openssl("x509", "-in", self.cert, "-outform", "DER")

    def public_key(self):
        return openssl("pkey", "-pubin", "-outform", "DER", stdin=openssl("x509", "-in", self.cert, "-noout", "-pubkey"))

    def fingerprint(self, digest="sha256", public_key=False):
        h = hashlib.new(digest, self.public_key() if public_key else self.der()).hexdigest().upper()
        return ":".join(h[i:i + 2] for i in range(0, len(h), 2))

    def tlsa(self, usage=3, selector=1, matching=1):
        """The data of a TLSA record that fits it: "3 1 1 ABCD..."."""
        data = self.public_key() if selector == 1 else self.der()
        data = {0: lambda d: d, 1: lambda d: hashlib.sha256(d).digest(), 2: lambda d: hashlib.sha512(d).digest()}[matching](data)
        return f"{usage} {selector} {matching} {data.hex().upper()}"

    def sni_value(self):
        return base64.b64encode(self.both.read_bytes()).decode()


class Authority:
    """A root that signs; `under` makes one below another."""

    def __init__(self, folder, name="Test CA", under=None, key="ec"):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.name, self.above = name, under
        base = self.folder / name.replace(" ", "-").lower()
        self.own = Certificate(base)
        self.ca_file = self.own.cert
        self._make(self.own, name, key, under or self,
                   ["basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign,cRLSign", "subjectKeyIdentifier=hash"], None, None)
        self.own.join()
        self.count = 0

    def _make(self, made, cn, key, issuer, extensions, start, end):
        csr = made.key.with_suffix(".csr")
        openssl("req", "-new", *KEYS[key], "-nodes", "-keyout", made.key, "-out", csr, "-subj", f"/CN={cn}")
        conf = made.key.with_suffix(".ext")
        conf.write_text("[v3]\n" + "".join(e + "\n" for e in extensions))
        # "openssl ca" alone takes any times; it wants a database of its own.
        db = made.key.with_suffix(".db")
        db.mkdir(exist_ok=True)
        (db / "index").write_text("")
        cnf = db / "cnf"
        cnf.write_text("[ca]\ndefault_ca=d\n[d]\ndatabase=%s/index\nnew_certs_dir=%s\ndefault_md=sha256\npolicy=p\nrand_serial=yes\nunique_subject=no\n"
                       "[p]\ncommonName=supplied\n" % (db, db))
        signer = ["-selfsign", "-keyfile", made.key] if issuer.own is made else ["-cert", issuer.own.cert, "-keyfile", issuer.own.key]
        openssl("ca", "-batch", "-notext", "-config", cnf, "-in", csr, "-out", made.cert, "-extfile", conf, "-extensions", "v3", *signer,
                "-startdate", start or "20200101000000Z", "-enddate", end or "20490101000000Z")

    def chain(self):
        """Those between the end and the root, the root left out."""
        return b"" if self.above is None else self.own.cert.read_bytes() + self.above.chain()

    def issue(self, cn, names=None, key="ec", usage="serverAuth,clientAuth", start=None, end=None, key_usage="digitalSignature,keyEncipherment", as_name=None):
        self.count += 1
        made = Certificate(self.folder / (as_name or f"{self.name.replace(' ', '-').lower()}-{self.count}"))
        extensions = ["basicConstraints=CA:FALSE", f"keyUsage=critical,{key_usage}"]
        if usage:
            extensions.append(f"extendedKeyUsage={usage}")
        if names is None:
            names = [cn]
        if names:
            extensions.append("subjectAltName=" + ",".join(f"DNS:{n}" for n in names))
        self._make(made, cn, key, self, extensions, start, end)
        made.join(self.chain())
        return made

    def bad(self, kind, name, **more):
        if kind == "expired":
            return self.issue(name, start="20200101000000Z", end="20210101000000Z", **more)
        if kind == "not-yet":
            return self.issue(name, start="20480101000000Z", **more)
        if kind == "wrong-name":
            return self.issue("other.example", names=["other.example"], **more)
        if kind == "self-signed":
            self.count += 1
            made = Certificate(self.folder / f"self-signed-{self.count}")
            alone = type("Alone", (), {"own": made})()
            self._make(made, name, more.get("key", "ec"), alone, ["basicConstraints=CA:FALSE", f"subjectAltName=DNS:{name}"], None, None)
            made.join()
            return made
        if kind == "unknown-issuer":
            return Authority(self.folder / "stranger", "Unknown CA").issue(name, **more)
        if kind == "key-usage":
            return self.issue(name, usage="codeSigning", **more)
        assert kind == "tlsa", kind
        return self.issue(name, **more)
