"""Debian's Dovecot as a private authentication server. Needs root, as its master does."""
import os
import shutil
import signal
import subprocess

from mtadtest import children, wait_for

CONF = """
base_dir = {dir}/run
state_dir = {dir}/run
log_path = {dir}/log
info_log_path = {dir}/log
protocols =
listen = 127.0.0.1
ssl = no
default_internal_user = dovecot
default_login_user = dovenull
disable_plaintext_auth = no
auth_mechanisms = {mechanisms}
auth_failure_delay = {delay}
auth_verbose = yes
auth_debug = no
passdb {{
  driver = passwd-file
  args = scheme=PLAIN username_format=%u {dir}/users
}}
userdb {{
  driver = static
  args = uid=nobody gid=nogroup home=/tmp
}}
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service auth {{
  unix_listener {socket} {{
    mode = 0666
  }}
{inet}}}
"""


class Dovecot:
    def __init__(self, folder, users, mechanisms="plain login cram-md5 digest-md5 scram-sha-1 scram-sha-256", port=None, socket=None, delay="0 secs"):
        self.dir = str(folder)
        self.socket = socket or f"{self.dir}/auth"
        os.makedirs(f"{self.dir}/run", exist_ok=True)
        os.chmod(self.dir, 0o755)
        with open(f"{self.dir}/users", "w") as f:
            f.writelines(f"{user}:{{PLAIN}}{password}\n" for user, password in users.items())
        os.chmod(f"{self.dir}/users", 0o644)
        inet = f"  inet_listener {{\n    address = 127.0.0.1\n    port = {port}\n  }}\n" if port else ""
        with open(f"{self.dir}/dovecot.conf", "w") as f:
            f.write(CONF.format(dir=self.dir, mechanisms=mechanisms, socket=self.socket, inet=inet, delay=delay))
        self.process = None

    def log(self):
        try:
            with open(f"{self.dir}/log", errors="replace") as f:
                return f.read()
        except FileNotFoundError:
            return ""

    def start(self):
        shutil.rmtree(f"{self.dir}/run", ignore_errors=True)
        os.makedirs(f"{self.dir}/run")
        self.process = subprocess.Popen(["/usr/sbin/dovecot", "-F", "-c", f"{self.dir}/dovecot.conf"], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=open(f"{self.dir}/stderr", "ab"))

        def up():
            """Dovecot's authentication socket"""
            if self.process.poll() is not None:
                with open(f"{self.dir}/stderr", errors="replace") as f:
                    raise AssertionError(f"dovecot ended: {f.read()}{self.log()}")
            return os.path.exists(self.socket)
        wait_for(up)
        return self

    def stop(self):
        if self.process is None:
            return
        """Its authentication process would live on while somebody is connected to it."""
        left = children(self.process.pid)
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(20)
        self.process = None
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass

    def __enter__(self):
        return self.start()

    def __exit__(self, kind, value, trace):
        if kind is not None:
            print("-- Dovecot:", self.log()[-3000:], sep="\n")
        self.stop()
