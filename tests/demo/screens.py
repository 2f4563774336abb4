#!/usr/bin/python3
"""
The screens in README.md, made by the programs on the demo's queue.

  tests/demo/screens.py BUILD [README.md]	prints them, or puts them between README.md's marks
"""
import getpass
import os
import re
import socket
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
SIZE = "80x24"
MARK = re.compile(r"(<!-- screen: ([a-z-]+) -->\n```\n)(.*?)(```\n)", re.S)


class Demo:
    """The demo's instance, with its troubles, without its console."""

    def __init__(self, build, port=None):
        self.build, self.port = os.path.abspath(build), port or free_port()
        self.folder = tempfile.TemporaryDirectory(prefix="mtad", dir="/tmp")
        os.chmod(self.folder.name, 0o755)
        self.dir = f"{self.folder.name}/run"

    def __enter__(self):
        self.script = subprocess.Popen(["/bin/sh", f"{HERE}/run.sh", self.build, self.dir, str(self.port), "wait"], stdin=subprocess.PIPE,
                                       stdout=subprocess.PIPE, text=True)
        if self.script.stdout.readline() != "ready\n":
            raise RuntimeError("the demo did not start")
        return self

    def __exit__(self, *_):
        self.script.stdin.close()
        self.script.wait(30)
        self.folder.cleanup()

    def run(self, *args):
        r = subprocess.run([f"{self.build}/mtactl", "-c", self.dir, "--table", *args], capture_output=True, text=True, timeout=30)
        return r.stdout

    def show(self, *args):
        words = " ".join(a if re.fullmatch(r"[\w@%+=:,./-]+", a) else f"'{a}'" for a in args)
        return f"$ mtactl {words}\n" + self.run(*args)

    def id_of(self, selector):
        return subprocess.run([f"{self.build}/mtactl", "-c", self.dir, "--json", "queue", "ls", selector], capture_output=True,
                              text=True).stdout.split('"queue_id":"')[1].split('"')[0]

    def console(self, *steps, size=SIZE, meanwhile=None):
        """The screen after the steps of a script."""
        path = f"{self.folder.name}/script"
        with open(path, "w") as f:
            f.write("".join(s + "\n" for s in ("wait 7 deferred  1 hold", *steps, f"save-screen {path}.txt", "quit")))
        p = subprocess.Popen([f"{self.build}/mtatui", "-c", self.dir, "--size", size, "--script", path], stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, text=True, env={**os.environ, "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"})
        if meanwhile is not None:
            meanwhile()
        said = p.communicate(timeout=60)[0]
        if p.returncode != 0:
            raise RuntimeError(f"mtatui: {said}")
        with open(path + ".txt") as f:
            return f.read()


class Client:
    """Somebody who talks SMTP to the demo, slowly."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.file = self.socket.makefile("rwb")
        self.file.readline()
        self.say("EHLO scanner.example")

    def say(self, line):
        self.file.write(line.encode() + b"\r\n")
        self.file.flush()
        while self.file.readline()[3:4] == b"-":
            pass

    def close(self):
        self.file.close()
        self.socket.close()


def free_port():
    """One whose neighbour 25 above is free as well."""
    while True:
        with socket.socket() as one, socket.socket() as two:
            one.bind(("127.0.0.1", 0))
            port = one.getsockname()[1]
            try:
                two.bind(("0.0.0.0", port + 25))
                return port
            except (OSError, OverflowError):
                continue


def traced(demo, client):
    """Goes on talking when somebody looks."""
    for _ in range(200):
        if os.path.exists(f"{demo.folder.name}/looks"):
            break
        time.sleep(0.05)
    time.sleep(0.5)     # the daemon has heard of it
    client.say("MAIL FROM:<scan@scanner.example>")
    client.say("RCPT TO:<nobody@elsewhere.example>")
    client.say("RCPT TO:<no.such.user@demo.test>")


def delivery(demo):
    """The dialogue of one, while it is made."""
    words = ["trace", "mx.shop.test", "--count", "21"]
    p = subprocess.Popen([f"{demo.build}/mtactl", "-c", demo.dir, "--table", *words], stdout=subprocess.PIPE, text=True)
    for _ in range(200):
        clients = re.search(r"clients (\d+)", demo.run("status"))
        if clients and int(clients[1]) > 1:
            break
        time.sleep(0.05)
    time.sleep(0.5)
    demo.run("release", "@shop.test")
    return f"$ mtactl {' '.join(words)}\n" + p.communicate(timeout=30)[0]


def screens(build, port=None):
    made = {}
    with Demo(build, port) as demo:
        back = demo.id_of("@back.test")
        made["queue-console"] = demo.console("wait WHY MAIL WAITS", "wait suspended by", "wait LAST WARNINGS", "wait OLDEST MESSAGE", size="80x22")
        made["why-console"] = demo.console("wait no-transport", "keys <Enter>", "wait would help", size="80x22")
        made["queue-controller"] = demo.show("queue", "ls", "@back.test") + "\n" + demo.show("why", back)
        made["message-console"] = demo.console("keys 1", f"wait {back}", "keys /<C-u>@back.test<Enter>", "wait 1/2", "keys <Enter>", "wait would help",
                                               "keys ccc", "wait Offer", size="80x18")
        made["message-controller"] = demo.show("cat", back)
        made["map-console"] = demo.console("wait no-transport", "keys <Enter>", "wait edit line 4", "keys e<Home><Del><Enter>", "wait Write this",
                                           size="80x14")
        made["map-controller"] = demo.show("map", "put", "transport_maps", "partner.test", "smtp:[mx.partner.test]", "--plan")
        made["lint-console"] = demo.console("keys C", "wait 1 error", "keys ]", size="80x16")
        made["lint-controller"] = demo.show("lint")
        made["route-controller"] = demo.show("route", "mia@partner.test") + "\n" + demo.show("route", "ivy@shop.test")
        made["simulate-controller"] = demo.show("simulate", "client=192.0.2.7,mail.example.net", "helo=mail.example.net", "from=eve@example.net",
                                                "rcpt=someone@elsewhere.example")
        client = Client(demo.port)
        made["debug-console"] = demo.console("keys 7", "wait scanner.example", "keys <Enter>", "wait live",
                                             f"save-screen {demo.folder.name}/looks", "wait Recipient addr",
                                             size="80x16", meanwhile=lambda: traced(demo, client))
        client.close()
        made["debug-controller"] = demo.show("debug", "peer", "add", "mx.shop.test", "2", "--for", "10m") + "\n" + delivery(demo)
    return {name: tidy(text, demo.dir) for name, text in made.items()}


def tidy(text, folder):
    return "\n".join(line.rstrip() for line in text.replace(folder, "run").splitlines()).rstrip("\n") + "\n"


def mask(text):
    """The form alone: without IDs, times, counts and who ran it."""
    text = re.sub(rf"\b(root|{re.escape(getpass.getuser())})\b", "USER", text)
    text = re.sub(r"\b(?=[A-Za-z]*[0-9])[0-9B-DF-HJ-NP-TV-Zb-df-hj-np-tv-z]{11,16}\b", "ID", text)
    text = re.sub(r"\b(Mon|Tue|Wed|Thu|Fri|Sat|Sun), ", "", text)
    text = re.sub(r"\b(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)\b", "MONTH", text)
    text = re.sub(r"(\bin \d+[smhd]\b|\b\d+[smhd] ago\b|\bnow\b)", "WHEN", text)
    text = re.sub(r"[+-]\d{4} \(\w+\)", "ZONE", text)
    text = re.sub(r"~+", "~", text)
    text = re.sub(r"\d+(\.\d+)?([smhdKMGT]\b|/s)?", "N", text)
    return [" ".join(line.split()) for line in text.splitlines()]


def put_into(path, made):
    with open(path) as f:
        text = f.read()
    missing = set(made) ^ {m[2] for m in MARK.finditer(text)}
    if missing:
        sys.exit(f"{path}: marks and screens differ: {' '.join(sorted(missing))}")
    with open(path, "w") as f:
        f.write(MARK.sub(lambda m: m[1] + made[m[2]] + m[4], text))


if __name__ == "__main__":
    made = screens(sys.argv[1], 12500 if len(sys.argv) > 2 else None)
    if len(sys.argv) > 2:
        put_into(sys.argv[2], made)
    else:
        for name, text in made.items():
            print(f"== {name}\n{text}")
