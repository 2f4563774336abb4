"""
What a parameter changes, seen from outside. A row of a table (tests/e2e/effects/) names a parameter, two values (None: its default), how it is observed, and what
is to be seen with each: an expression that one observation has and the other has not. A parameter without an effect cannot pass.

All rows of one kind share one mtad: each side of a row has a service of its own in master.cf with the value as -o, on an address of its own.
"""
import collections
import concurrent.futures
import os
import re
import socket
import subprocess
import time

from mtadtest import BUILD, SLOW, Instance, Sink, free_port, wait_for

Row = collections.namedtuple("Row", "name a b see want_a want_b also")
SIDES = "ab"


def row(name, a, b, see, want_a, want_b, **also):
    """`also`: other settings of both sides."""
    return Row(name, a, b, see, want_a, want_b, also)


def options(settings):
    """As master.cf has them."""
    return "".join(f"  -o {{ {k} = {v} }}\n" for k, v in settings.items() if v is not None)


class Side:
    """One side of a row: where it is, and a word that stands in nothing else."""

    def __init__(self, world, row, number, side):
        self.world, self.row, self.side = world, row, side
        n = 2 * number + SIDES.index(side)
        self.address = f"127.{world.net}.{n // 200}.{n % 200 + 1}"
        self.spare = [f"127.{world.net + i}.{n // 200}.{n % 200 + 1}" for i in (2, 3, 4)]
        self.client = f"127.{world.net + 1}.{n // 200}.{n % 200 + 1}"
        self.word = f"w{world.net}x{number}{side}"
        self.service = f"t{number}{side}"

    @property
    def settings(self):
        return {**self.row.also, self.row.name: getattr(self.row, self.side)}

    def connect(self, port=None, client=None):
        return Talk(getattr(self, "server", self.address), port or self.world.mta.port, client or self.client)

    def log(self, pattern, seconds=10):
        """The rest of the first line that has it (WORD and CLIENT stand for this side's)."""
        rx = re.compile(pattern.replace("WORD", self.word).replace("CLIENT", re.escape(self.client)) + ".*")
        return wait_for(lambda: rx.search(self.world.mta.log()), seconds).group(0)


class Talk:
    """A dialogue, line by line; what was said is kept."""

    def __init__(self, host, port, client):
        self.socket = socket.create_connection((host, port), 20, (client, 0))
        self.file = self.socket.makefile("rb")
        self.greeting = self.reply()

    def reply(self):
        """All lines of a reply, joined by "|"; "closed" at the end."""
        lines = []
        while True:
            try:
                line = self.file.readline()
            except ConnectionError:
                line = b""
            if not line:
                return "closed"
            lines.append(line.decode(errors="replace").rstrip("\r\n"))
            if line[3:4] != b"-":
                return "|".join(lines)

    def say(self, line):
        try:
            self.socket.sendall(line.encode() + b"\r\n")
        except OSError:
            return "closed"
        return self.reply()

    def all(self, *lines):
        last = self.greeting
        for line in lines:
            last = self.say(line)
        return last

    def close(self):
        self.file.close()
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class World:
    """The shared mtad of a table, and the host that its mail goes to unless a row says otherwise."""
    net = 50

    def __init__(self, folder, rows, main, root=False):
        self.rows = rows
        self.sides = [(Side(self, r, i, "a"), Side(self, r, i, "b")) for i, r in enumerate(rows)]
        self.sink = Sink(f"127.{self.net}.255.1")
        self.mta = Instance(folder, main, smtp_port=self.sink.port, root=root)
        self.mta.settings["relayhost"] = f"[{self.sink.host}]"
        self.mta.settings.update(main)
        self.mta.master += "virtual unix - n n - - virtual\n" + self.listener() + "".join(self.services(s) for pair in self.sides for s in pair)
        self.mta.write()

    def services(self, side):
        return ""

    def listener(self):
        return ""

    def begin(self):
        """Once the daemon is there."""

    def run(self):
        """Both observations of each row, many at once: number of the row -> (a, b), or what went wrong."""
        with self.mta, concurrent.futures.ThreadPoolExecutor(24) as pool:
            self.begin()
            jobs = [[pool.submit(self.observe, s) for s in pair] for pair in self.sides]
            seen = [tuple(j.result() for j in pair) for pair in jobs]
        self.sink.close()
        return seen

    @staticmethod
    def observe(side):
        try:
            return str(side.row.see(side))
        except Exception as e:      # it is that row's failure, and no other's
            return f"FAILED {type(e).__name__}: {e}"


def judge(row, a, b):
    """What is wrong with a row's two observations: nothing, where the parameter does what it says."""
    faults = []
    for side, seen, want, other in (("a", a, row.want_a, row.want_b), ("b", b, row.want_b, row.want_a)):
        if seen.startswith("FAILED") or not re.search(want, seen):
            faults.append(f"{side} ({getattr(row, side)!r}): {want!r} is not in {seen!r}")
        elif re.search(other, seen):
            faults.append(f"{side} ({getattr(row, side)!r}): {seen!r} has what the other value is told by")
    return faults


class Routes(World):
    """A row is two configurations that "mtactl" is asked about; no daemon runs."""

    def __init__(self, folder, rows, main):
        self.rows = rows
        self.sides = [(Side(self, r, i, "a"), Side(self, r, i, "b")) for i, r in enumerate(rows)]
        for side in (s for pair in self.sides for s in pair):
            side.folder = f"{folder}/{side.service}"
            site = Instance(side.folder, {**main, **{k: v for k, v in side.settings.items() if v is not None}}, smtp_port=25)
            for name in [k for k, v in site.settings.items() if v == "DEFAULT"]:
                del site.settings[name]
            site.master += "virtual unix - n n - - virtual\n"
            site.write()

    def run(self):
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            jobs = [[pool.submit(self.observe, s) for s in pair] for pair in self.sides]
            return [tuple(j.result() for j in pair) for pair in jobs]


def tool(*words, link=None, text=None):
    """What mtactl, under another name perhaps, says of a configuration; without its folder's name."""
    def see(side):
        command = [link] if link else ["mtactl", "-c", side.folder]
        r = subprocess.run(command + [w.replace("FOLDER", side.folder) for w in words], executable=f"{BUILD}/mtactl", capture_output=True, text=True, input=text, timeout=20 * SLOW)
        return (r.stdout + r.stderr).replace(side.folder, "FOLDER")
    return see


def route(address, sender=None):
    return tool("route", address, *(("--from", sender) if sender is not None else ()))


class Agents(World):
    """A row is a transport of the delivery agent under "_program" (local); `who` says which recipient of a side's gets there, or the row under "_to"."""
    net = 70

    def __init__(self, folder, rows, who):
        self.folder, self.who, self.transports = str(folder), who, []
        os.chmod(folder, 0o755)
        for name in ("out", "mbox", "box", "vbox", "fwd"):
            os.mkdir(f"{folder}/{name}")
            os.chmod(f"{folder}/{name}", 0o1777)
        for name in ("v", "one", "two", "one/v", "two/v"):
            os.mkdir(f"{folder}/vbox/{name}")
            os.chmod(f"{folder}/vbox/{name}", 0o1777)
        super().__init__(folder / "site", rows, {
            "transport_maps": f"texthash:{folder}/transport", "recipient_delimiter": "+", "local_recipient_maps": "", "virtual_mailbox_domains": "v.test",
            "virtual_mailbox_maps": "static:x/", "smtpd_client_connection_count_limit": "0", "local_destination_concurrency_limit": "100"}, root=True)
        self.write(f"{folder}/transport", "".join(self.transports))
        for name in ["some"] + [s.word for pair in self.sides for s in pair]:
            self.write(f"{folder}/fwd/{name}", "elsewhere@dest.test\n")
            os.chown(f"{folder}/fwd/{name}", 5, 60)

    @staticmethod
    def write(path, text):
        with open(path, "w") as f:
            f.write(text)

    def services(self, side):
        program = side.row.also.get("_program", "local")
        for name in [f"mbox/{side.word}", f"box/{side.word}"] + [f"box/{n}{side.word}" for n in ("one", "two")]:
            os.mkdir(f"{self.folder}/{name}")
            os.chmod(f"{self.folder}/{name}", 0o1777)
        own = {"alias_maps": "", "mail_spool_directory": "FOLDER/box/WORD/", **{k: v for k, v in side.settings.items() if k[0] != "_" and v is not None}}
        self.transports.append(f"{(side.row.also.get('_to') or self.who[program]).replace('WORD', side.word)} {side.service}:\n")
        side.server = "127.0.0.1"
        text = f"{side.service} unix - n n - - {program}\n{options(own)}{side.row.also.get('_tail', '')}"
        return text.replace("FOLDER", self.folder).replace("WORD", side.word).replace("//tmp", "/tmp")


class Half(World):
    """One of two daemons."""

    def __init__(self, folder, rows, side, net, master):
        self.rows, self.net = rows, net
        self.sink = Sink(f"127.{net}.255.1")
        self.mta = Instance(f"{folder}/{side}", smtp_port=self.sink.port, root=True)
        settings = {"relayhost": f"[{self.sink.host}]"}
        for r in rows:
            settings.update(r.also)
        settings.update({r.name: getattr(r, side) for r in rows})
        names = {"FOLDER": self.mta.dir, "LATER": f"127.{net}.201.1", "SLOW": f"127.{net}.202.1", "SINK": self.sink.host, "PORT": str(self.sink.port), "NET": str(net)}
        self.mta.settings.update({k: v for k, v in ((k, self.fill(v, names)) for k, v in settings.items()) if v is not None})
        self.mta.master += master
        self.mta.write()
        for name in os.listdir(folder.parent):
            if os.path.isfile(folder.parent / name):
                with open(folder.parent / name) as f, open(f"{self.mta.dir}/{name}", "w") as out:
                    out.write(self.fill(f.read(), names))

    @staticmethod
    def fill(text, names):
        for name, value in names.items() if text else ():
            text = text.replace(name, value)
        return text


class Groups:
    """Groups of rows: for each two daemons, one with all values a, one with all values b. A row's `also` is in both. Files of the folder are copied to each."""

    def __init__(self, folder, groups, master=""):
        self.rows, self.groups = [r for g in groups for r in g], []
        for number, rows in enumerate(groups):
            where = folder / f"g{number}"
            where.mkdir()
            halves = [Half(where, rows, side, 130 + 2 * number + SIDES.index(side), master) for side in SIDES]
            sides = [[Side(half, r, i, side) for half, side in zip(halves, SIDES)] for i, r in enumerate(rows)]
            for side in (s for pair in sides for s in pair):
                side.address, side.client = "127.0.0.1", side.client.replace(f"127.{side.world.net + 1}.", f"127.{side.world.net}.9")
            self.groups.append((halves, sides))

    @staticmethod
    def run_group(group):
        halves, sides = group
        with halves[0].mta, halves[1].mta, concurrent.futures.ThreadPoolExecutor(24) as pool:
            jobs = [[pool.submit(World.observe, s) for s in pair] for pair in sides]
            seen = [tuple(j.result() for j in pair) for pair in jobs]
        for half in halves:
            half.sink.close()
        return seen

    def run(self):
        with concurrent.futures.ThreadPoolExecutor(6) as pool:
            return [seen for group in pool.map(self.run_group, self.groups) for seen in group]


# -- what a server says ------------------------------------------------------------------------

class Servers(World):
    """A row is an smtpd service, with a cleanup service of its own where the row sets something under "cleanup"."""
    net = 52

    def services(self, side):
        name = side.row.name
        of_cleanup = getattr(side.row.see, "cleanup", False)
        own = {**({} if of_cleanup else {name: getattr(side.row, side.side)}), **side.row.also}
        lines = ""
        if of_cleanup:
            own["cleanup_service_name"] = side.service
            lines = f"{side.service} unix n - y - 0 cleanup\n" + options({**side.row.also, name: getattr(side.row, side.side)})
        return f"{side.address}:{self.mta.port} inet n - y - - smtpd\n{options(own)}{lines}".replace("WORD", side.word)


def reply(*lines):
    """The reply to the last of these."""
    def see(side):
        with side.connect() as t:
            return t.all(*(line.replace("WORD", side.word) for line in lines))
    return see


def replies(*lines):
    def see(side):
        with side.connect() as t:
            return " / ".join([t.greeting] + [t.say(line.replace("WORD", side.word)) for line in lines])
    return see


def rcpt(address, sender="s@src.test"):
    return reply("EHLO client.test", f"MAIL FROM:<{sender}>", f"RCPT TO:<{address}>")


def slow(*lines, over=0.7):
    """Whether the dialogue took longer than that."""
    def see(side):
        begun = time.monotonic()
        with side.connect() as t:
            t.all(*lines)
        return "slow" if time.monotonic() - begun > over else "fast"
    return see


def send(side, text, sender="s@src.test", to=("r@dest.test",), eight="", ehlo="EHLO client.test"):
    """The replies to the recipients, and to the end of data, of a message with the side's word in it."""
    with side.connect() as t:
        t.all(ehlo, f"MAIL FROM:<{sender.replace('WORD', side.word)}>{eight}")
        said = [t.say(f"RCPT TO:<{r.replace('WORD', side.word)}>") for r in to]
        begun = t.say("DATA")
        if not begun.startswith("354"):
            return said + [" / ".join(said + [begun])]
        t.socket.sendall(text.replace("WORD", side.word).replace("\n", "\r\n").encode("utf-8", "surrogateescape") + b".\r\n")
        return said + [t.reply()]


def arrived(side, count=1, seconds=15):
    """What the sink got with the side's word in it: the recipients and the content of each copy."""
    word = side.word.encode()

    def found():
        some = [m for m in side.world.sink.messages if word in m[2] or any(word in r for r in m[1])]
        return some if len(some) >= count else None
    found.__doc__ = f"{count} messages with {side.word}"
    return wait_for(found, seconds)


def mail(text="Subject: WORD\n\nhello\n", count=1, cleanup=True, **how):
    """A message is sent; what arrives: envelope and content in one text, with line ends as "|"."""
    def see(side):
        said = send(side, text, **how)
        if not said[-1].startswith("250"):
            return said[-1]
        got = sorted(f"{s.decode()} -> {b','.join(r).decode()}: {c.decode(errors='replace')}" for s, r, c in arrived(side, count))
        return " // ".join(got).replace("\r\n", "|")
    see.cleanup = cleanup
    return see


def end(text="Subject: WORD\n\nhello\n", cleanup=True, **how):
    """The reply at the end of data."""
    def see(side):
        return send(side, text, **how)[-1]
    see.cleanup = cleanup
    return see


def logged(pattern, see):
    """Something is done, and the line of the log counts."""
    def look(side):
        see(side)
        return side.log(pattern)
    look.cleanup = getattr(see, "cleanup", False)
    return look


# -- what a client does ------------------------------------------------------------------------

class Clients(World):
    """
    A row is a transport of the program under "_program" (smtp), with a domain whose mail it gets, and a host of its own. Other words that are no parameters: "_script"
    (a function of the side: what the host says, as Sink), "_hop" (the next hop; ADDR stands for the host's address), "_zone" (records; WORD, ADDR).
    """
    net = 60

    def __init__(self, folder, rows, main):
        self.zone_text, self.folder = [], str(folder)
        self.transports = []
        super().__init__(folder, rows, {"smtpd_client_connection_count_limit": "0", "transport_maps": f"texthash:{folder}/transport", "mtad_dns_zone": f"{folder}/zone2", "compatibility_level": "3.6", **main})
        (folder / "transport").write_text("".join(self.transports))
        (folder / "zone2").write_text("$ORIGIN .\n$TTL 60\n. SOA ns. root. 1 3600 600 86400 60\n. NS ns.\nns. A 127.0.0.1\n" + "\n".join(self.zone_text) + "\n")

    def services(self, side):
        words = {k: v for k, v in side.row.also.items() if k[0] == "_"}
        program = words.get("_program", "smtp")
        hop = words.get("_hop", "[ADDR]")
        port = f":{self.sink.port}" if program == "lmtp" and words.get("_port", True) else ""
        if program == "lmtp":
            hop = "inet:" + hop
        self.transports.append(f"{side.word}.test {side.service}:{hop.replace('ADDR', side.address).replace('WORD', side.word)}{port}\n")
        self.zone_text += [z.replace("ADDR", side.address).replace("WORD", side.word).replace("PORT", str(self.sink.port)) for z in words.get("_zone", [])]
        self.zone_text += [f"{side.word}.hosts.test. A {a}" for a in side.spare] if "hosts.test" in hop else []
        side.peers = []
        side.server = "127.0.0.1"
        side.host = None
        own = {k: v for k, v in side.settings.items() if k[0] != "_"}
        return f"{side.service} unix - - y - - {program}\n" + options({k: v and v.replace("ADDR", side.address).replace("PORT", str(self.sink.port)).replace("FOLDER", self.folder) for k, v in own.items()})

    @staticmethod
    def observe(side):
        """The host is there before the mail comes."""
        words = side.row.also
        script = words.get("_script", lambda s: {})(side)
        connect = script.get("connect")

        def note(session, argument):
            side.peers.append(session.client_address[0])
            return connect(session, argument) if connect else None
        script["connect"] = note
        if words.get("_silent"):
            return World.observe(side)
        try:
            with Sink(side.address, side.world.sink.port, script, lmtp=words.get("_program") == "lmtp",
                      **({"extensions": words["_extensions"]} if "_extensions" in words else {})) as side.host:
                return World.observe(side)
        except OSError as e:
            return f"FAILED {e}"


def post(side, text="Subject: WORD\n\nhello\n", local="r", **how):
    """One message to this side's domain; nothing is waited for."""
    said = send(side, text, to=(f"{local}@{side.word}.test",), **how)
    assert said[-1].startswith("250"), said


def outcome(text="Subject: WORD\n\nhello\n", seconds=10, **how):
    """The log line of the delivery."""
    def see(side):
        post(side, text, **how)
        return side.log(r"to=<[^>]*@WORD\.test>, .*status=", seconds)
    return see


def lines(text="Subject: WORD\n\nhello\n", **how):
    """What the host was told, once it has the message."""
    def see(side):
        post(side, text, **how)
        side.log(r"to=<[^>]*@WORD\.test>, .*status=sent")
        return " / ".join(d.decode(errors="replace") for d in side.host.dialogue)
    return see


def run(world):
    return list(zip(world.rows, world.run()))


__all__ = ["SLOW", "Clients", "lines", "outcome", "post", "Agents", "Groups", "Routes", "Row", "Servers", "route", "tool", "Sink", "Talk", "World", "arrived", "end", "free_port", "judge", "logged", "mail", "rcpt", "replies", "reply", "row", "run",
           "send", "slow", "wait_for"]
