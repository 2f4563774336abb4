"""Zones signed with ldns-signzone, served by a private nsd; the DS record of the first one is the trust anchor."""
import glob
import os
import subprocess
import time

from mtadtest import free_port, wait_for


def run(*args, cwd):
    done = subprocess.run(args, cwd=cwd, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, f"{args}: {done.stderr}"
    return done.stdout.strip()


class SignedZones:
    """
    zones: name ("test") -> (text, how), how being "signed" (with a DS in its parent), "plain" (none), "bogus" (a DS of another key in its parent). The first one
    is signed and holds the delegations of the others, which are added here. tamper: (old, new) in the first one, after it was signed.
    """

    def __init__(self, folder, zones, tamper=None):
        self.dir = str(folder)
        os.makedirs(self.dir, exist_ok=True)
        self.port = free_port()
        first = next(iter(zones))
        delegations = ""
        for name, (text, how) in reversed(zones.items()):
            head = f"$ORIGIN {name}.\n$TTL 60\n@ SOA ns.{first}. root.{first}. 1 3600 600 86400 60\n@ NS ns.{first}.\n"
            if name == first:
                text += f"ns.{first}. A 127.0.0.1\n" + delegations
            self.write(name, head + text)
            if how != "plain":
                ds = self.sign(name)
            if name != first:
                delegations += f"{name}. NS ns.{first}.\n"
                if how == "signed":
                    delegations += ds + "\n"
                elif how == "bogus":
                    delegations += f"{name}. IN DS 1 13 2 {'AB' * 32}\n"
        self.anchor = f"{self.dir}/anchor"
        with open(self.anchor, "w") as f:
            f.write(ds + "\n")
        if tamper:
            with open(f"{self.dir}/{first}.zone") as f:
                text = f.read()
            assert tamper[0] in text
            self.write(first, text.replace(*tamper))
        self.serve(zones)

    def write(self, name, text):
        with open(f"{self.dir}/{name}.zone", "w") as f:
            f.write(text)

    def sign(self, name):
        ksk = run("ldns-keygen", "-a", "ECDSAP256SHA256", "-k", name, cwd=self.dir)
        zsk = run("ldns-keygen", "-a", "ECDSAP256SHA256", name, cwd=self.dir)
        run("ldns-signzone", "-i", time.strftime("%Y%m%d", time.gmtime(time.time() - 86400)), "-e", time.strftime("%Y%m%d", time.gmtime(time.time() + 864000)),
            "-f", f"{name}.signed", f"{name}.zone", zsk, ksk, cwd=self.dir)
        os.replace(f"{self.dir}/{name}.signed", f"{self.dir}/{name}.zone")
        with open(glob.glob(f"{self.dir}/{ksk}.ds")[0]) as f:
            return f.read().strip()

    def serve(self, zones):
        user = "root" if os.geteuid() == 0 else ""
        text = (f'server:\n ip-address: 127.0.0.1@{self.port}\n username: "{user}"\n zonesdir: "{self.dir}"\n pidfile: ""\n xfrdfile: "{self.dir}/xfrd"\n'
                f' zonelistfile: "{self.dir}/zones"\n database: ""\n xfrdir: "{self.dir}"\n rrl-ratelimit: 0\n server-count: 1\n'
                "remote-control:\n control-enable: no\n")
        text += "".join(f"zone:\n name: \"{name}\"\n zonefile: {name}.zone\n" for name in zones)
        with open(f"{self.dir}/nsd.conf", "w") as f:
            f.write(text)
        self.process = subprocess.Popen(["/usr/sbin/nsd", "-d", "-c", f"{self.dir}/nsd.conf"], stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
        import dns.message
        import dns.query

        def answers():
            assert self.process.poll() is None, self.process.stderr.read().decode()
            try:
                return dns.query.udp(dns.message.make_query(next(iter(zones)) + ".", "SOA"), "127.0.0.1", port=self.port, timeout=1).answer
            except Exception:
                return None
        wait_for(answers, 10, 0.2)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(20)
        self.process.stderr.close()
