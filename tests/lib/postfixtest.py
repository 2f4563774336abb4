"""Debian's Postfix as a private instance on loopback: an oracle and a peer. Needs root, as Postfix does."""
import os
import re
import shutil
import signal
import socket
import subprocess

from mtadtest import free_port, wait_for

MASTER = """127.0.0.1:@PORT@ inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
local unix - n n - - local
virtual unix - n n - - virtual
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
tlsmgr unix - - n 1000? 1 tlsmgr
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


class Postfix:
    def __init__(self, folder, main=None):
        self.dir = str(folder)
        self.port = free_port()
        for d in ("", "/queue", "/data", "/config", "/mail"):
            os.makedirs(self.dir + d, exist_ok=True)
            os.chmod(self.dir + d, 0o755)
        shutil.chown(f"{self.dir}/data", "postfix")
        os.chmod(f"{self.dir}/mail", 0o1777)
        settings = {
            "compatibility_level": "3.6", "queue_directory": f"{self.dir}/queue", "data_directory": f"{self.dir}/data",
            "command_directory": "/usr/sbin", "daemon_directory": "/usr/lib/postfix/sbin",
            "maillog_file": f"{self.dir}/log", "maillog_file_prefixes": self.dir, "myhostname": "mail.site.test",
            "mydomain": "site.test", "myorigin": "site.test", "mydestination": "site.test, $myhostname, localhost",
            "mynetworks": "127.0.0.0/8", "inet_interfaces": "127.0.0.1", "inet_protocols": "ipv4", "alias_maps": "",
            "disable_dns_lookups": "yes", "smtp_host_lookup": "native", "smtpd_peername_lookup": "yes",
            "mail_spool_directory": f"{self.dir}/mail/", "smtp_tls_security_level": "none", "smtpd_tls_security_level": "none",
            "enable_long_queue_ids": "yes", **(main or {})}
        self.settings = settings
        self.write({})
        with open(f"{self.dir}/config/master.cf", "w") as f:
            f.write(MASTER.replace("@PORT@", str(self.port)))

    def write(self, extra):
        """main.cf with these over its own settings; returns its text."""
        text = "".join(f"{k} = {v}\n" for k, v in {**self.settings, **extra}.items())
        path = f"{self.dir}/config/main.cf"
        with open(path, "w") as f:
            f.write(text)
        os.utime(path, (1, 1))      # not "just changed", which Postfix would wait for
        return text

    def reconfigure(self, extra):
        """
        A running one with other settings. Not for one with its own log file: many reloads in a row can bring its log daemon to a standstill.
        Processes from before may serve for a moment yet: the greeting tells.
        """
        self.generation = getattr(self, "generation", 0) + 1
        text = self.write({**extra, "smtpd_banner": f"$myhostname ESMTP generation {self.generation}"})
        with open(f"{self.dir}/queue/pid/master.pid") as f:
            os.kill(int(f.read()), signal.SIGHUP)
        wait_for(self.is_current, 30)
        return text

    def is_current(self):
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=10) as s:
                return f"generation {self.generation}\r\n".encode() in s.makefile("rb").readline()
        except OSError:
            return False

    def run(self, *words):
        return subprocess.run([words[0], "-c", f"{self.dir}/config", *words[1:]], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60)

    def log(self):
        try:
            with open(f"{self.dir}/log", errors="replace") as f:
                return f.read()
        except FileNotFoundError:
            return ""

    def wait_log(self, pattern, seconds=20):
        return wait_for(lambda: re.search(pattern, self.log()), seconds)

    def __enter__(self):
        for word in ("check", "start"):
            r = self.run("postfix", word)
            if r.returncode != 0:
                raise AssertionError(f"postfix {word}: {r.stderr}{r.stdout}{self.log()}")
        return self

    def __exit__(self, kind, value, trace):
        if kind is not None:
            print("-- Postfix:", self.log()[-4000:], sep="\n")
        self.run("postfix", "stop")


class NamespacedPostfix(Postfix):
    """With a resolv.conf of its own, which names that server."""

    def __init__(self, nameserver, *args, **more):
        self.nameserver = nameserver
        super().__init__(*args, **more)

    def run(self, *words):
        if words != ("postfix", "start"):
            return super().run(*words)
        with open(f"{self.dir}/resolv.conf", "w") as f:
            f.write(f"nameserver {self.nameserver}\noptions timeout:2 attempts:2\n")
        return subprocess.run(["unshare", "-m", "sh", "-c", f"mount --bind {self.dir}/resolv.conf /etc/resolv.conf && exec postfix -c {self.dir}/config start"],
                              capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60)
