"""
Local delivery beside Debian's local(8), virtual(8) and pipe(8): the same accounts, aliases and .forward files, the same mail; then what lies where,
with which headers, under which user, and what the log says of each recipient.
"""
import contextlib
import os
import pwd
import re
import smtplib
import tempfile
import time

import pytest
from mtadtest import BUILD, Instance, wait_for
from postfixtest import Postfix

pytestmark = [pytest.mark.skipif(os.geteuid() != 0, reason="Postfix needs root"),
              pytest.mark.skipif("asan" in BUILD, reason="commands' environments and times are compared")]

BODY = "From: a@b.test\r\nTo: c@d.test\r\nDate: Sun, 22 Nov 2026 00:00:00 +0000\r\nMessage-Id: <1@b.test>\r\nSubject: x\r\n\r\nFrom me\r\n..dot\r\n>From you\r\nend\r\n"
# Accounts that every Debian has, and that own nothing here.
USERS = ["games", "news", "lp", "list", "irc", "uucp"]
SHOW = """#!/bin/sh
out=$1-$RECIPIENT; shift
{ for a in "$@"; do echo "arg=$a"; done; echo "uid=$(id -u) gid=$(id -g)"; [ -n "$SHOWCWD" ] || pwd; umask; env | grep -v -e ^_= -e ^PWD= -e ^MAIL_CONFIG= -e ^OLDPWD= -e ^SHLVL= | sort; echo --; cat; } > $out.new
mv $out.new $out
"""
AGENT = """#!/bin/sh
case "$1" in
say) cat >/dev/null; echo "all is well"; exit 0;;
late) sleep 20;;
kill) kill -9 $$;;
five) echo "5.7.9 go away now"; exit 1;;
four) echo "4.2.9 later please"; exit 70;;
two) echo "hello there"; echo second line; exit 1;;
*) exit $1;;
esac
"""


class Pair:
    """One mtad and one Postfix with the same settings and files, each in a folder of its own; `@D@` stands for that."""

    def __init__(self, base, main, files=None, master="", prepare=None):
        self.base = base
        os.chmod(base, 0o755)
        self.dirs = [f"{base}/m", f"{base}/p"]
        fill = lambda text, d: text.replace("@D@", d)
        for d in self.dirs:
            for sub in ("", "/out", "/h", "/mail"):
                os.makedirs(d + sub, exist_ok=True)
                os.chmod(d + sub, 0o755)
            os.chmod(f"{d}/out", 0o777)
            os.chmod(f"{d}/mail", 0o1777)
            for name, text in {"show": SHOW, "agent": AGENT, **(files or {})}.items():
                mode = 0o755 if name in ("show", "agent") else 0o644
                uid = 0
                if isinstance(text, tuple):
                    text, mode, uid = text
                os.makedirs(os.path.dirname(f"{d}/{name}"), exist_ok=True)
                with open(f"{d}/{name}", "w") as f:
                    f.write(fill(text, d))
                os.chmod(f"{d}/{name}", mode)
                os.chown(f"{d}/{name}", uid, uid)
            if prepare:
                prepare(d)
        common = {"recipient_delimiter": "+", "relayhost": "[127.0.0.9]:9", "local_recipient_maps": "", "command_time_limit": "20s", **main}
        self.mtad = Instance(self.dirs[0], main={k: fill(v, self.dirs[0]) for k, v in common.items()}, root=True)
        self.mtad.master += "virtual unix - n n - - virtual\n" + fill(master, self.dirs[0])
        self.mtad.write()
        self.postfix = Postfix(self.dirs[1], main={k: fill(v, self.dirs[1]) for k, v in common.items()})
        with open(f"{self.dirs[1]}/config/master.cf", "a") as f:
            f.write(fill(master, self.dirs[1]))

        if files and "aliases" in files:    # mtad makes its own
            done = self.postfix.run("postalias", f"hash:{self.dirs[1]}/aliases")
            print("postalias:", done.returncode, done.stderr)

    def __enter__(self):
        self.stack = contextlib.ExitStack()
        self.stack.enter_context(self.mtad)
        self.stack.enter_context(self.postfix)
        return self

    def __exit__(self, *what):
        return self.stack.__exit__(*what)

    def send(self, sender, recipients, body=BODY):
        for port in (self.mtad.port, self.postfix.port):
            with smtplib.SMTP("127.0.0.1", port, local_hostname="cl.test", timeout=30) as s:
                s.sendmail(sender, recipients if isinstance(recipients, list) else [recipients], body)

    def plain(self, text, which):
        text = text.replace(self.dirs[which], "@D@")
        text = re.sub(r"\b[A-Za-z0-9]{10,20}(?= *[:(;]| for |\n)", lambda m: "ID" if re.search(r"\d", m[0]) and not m[0].isdigit() else m[0], text)
        return text

    def message(self, raw, which):
        """A delivered message without what has to differ: dates, queue IDs, and the headers that intake adds."""
        text = self.plain(raw, which)
        text = re.sub(r"^From (\S+)  .*", r"From \1  DATE", text, flags=re.M)
        return re.sub(r"^Received:.*\n([ \t].*\n)*", "", text, flags=re.M)

    def files(self, which):
        """Everything that was delivered to: path, mode, owner and content."""
        found = {}
        d = self.dirs[which]
        for sub in ("out", "mail", "h"):
            for folder, _, names in os.walk(f"{d}/{sub}"):
                for n in names:
                    path = os.path.join(folder, n)
                    if n.endswith((".forward", ".new", ".lock")) or "/keep/" in path:
                        continue
                    st = os.lstat(path)
                    with open(path, errors="replace") as f:
                        raw = f.read()
                    short = path[len(d) + 1:]
                    maildir = re.match(r"(.*)/(new|cur|tmp)/", short)
                    name = maildir[1] + "/" if maildir else short
                    for one in [raw] if maildir or "\nFrom " not in raw else re.split(r"\n(?=From \S+  )", raw):
                        found.setdefault(name, []).append((oct(st.st_mode & 0o777), st.st_uid, st.st_gid, self.message(one, which).strip("\n")))
        return {k: sorted(v) for k, v in found.items()}

    def outcomes(self, which):
        """(recipient, dsn, status and text) of each line about a delivery here."""
        log = (self.mtad, self.postfix)[which].log()
        found = set()
        for m in re.finditer(r"to=<([^>]*)>, (?:orig_to=<([^>]*)>, )?relay=(\S+), .*dsn=(\S+), status=(.*)", log):
            if m[3] in ("none",) or re.match(r"\S+\[", m[3]):
                continue
            found.add((m[1].lower(), (m[2] or "").lower(), m[3], m[4], re.sub(r"forwarded as \w+.*|(?<=/tmp/)\d+\.[MP][^:]*", "forwarded", self.plain(m[5], which)).replace(" )", ")").replace("SOFTBOUNCE", "deferred")))
        return found

    def forwarded(self, which):
        """(sender, recipient) of mail that went on."""
        log = (self.mtad, self.postfix)[which].log()
        senders = dict(re.findall(r"/qmgr\[\d+\]: (\w+): from=<([^>]*)>", log))
        return sorted({(senders.get(m[1]), m[2]) for m in re.finditer(r"/(?:smtp|error)\[\d+\]: (\w+): to=<([^>]*)>", log)})

    def settle(self, marks, seconds=15):
        """Until each of them has the mark of the last message, and nothing more is logged."""
        def quiet():
            a, b = len(self.mtad.log()), len(self.postfix.log())
            done = all(all(re.search(m, log) for m in marks) for log in (self.mtad.log(), self.postfix.log()))
            time.sleep(0.5)
            return done and (a, b) == (len(self.mtad.log()), len(self.postfix.log()))
        wait_for(quiet, seconds)


@contextlib.contextmanager
def pair(main, files=None, master="", prepare=None):
    with tempfile.TemporaryDirectory(prefix="mtad-local-", dir="/tmp") as base:
        p = Pair(base, main, files, master, prepare)
        with p:
            yield p


def only(a, b, known=()):
    a, b = ({x for x in s if not any(re.search(k, str(x)) for k in known)} for s in (a, b))
    return "".join(f"  mtad    {x}\n" for x in sorted(a - b, key=str)) + "".join(f"  postfix {x}\n" for x in sorted(b - a, key=str))


def differences(ours, theirs, known=()):
    out = []
    if isinstance(ours, set):
        return only(ours, theirs, known)
    for k in sorted(set(ours) | set(theirs), key=str):
        if isinstance(ours.get(k), list) and isinstance(theirs.get(k), list):
            x = only(set(ours[k]), set(theirs[k]), known)
            if x:
                out.append(f"{k}: {len(ours[k])} {len(theirs[k])}\n{x}")
            continue
        a = ours.get(k) if isinstance(ours, dict) else k in ours
        b = theirs.get(k) if isinstance(theirs, dict) else k in theirs
        if a != b and not any(re.search(r, str(k)) for r in known):
            out.append(f"{k}\n    mtad:    {a}\n    postfix: {b}")
    return "\n".join(out)


ALIASES = """# names
team: games, "Bob B" <news@site.test>, far@far.test
owner-owned: games
owned: news, x@far.test
owned2: owned3
owner-owned2: lp
owned3: news, y@far.test
owner-incl: lp
incl: :include:@D@/members
inclplain: :include:@D@/members
inclowned: :include:@D@/members.games
inclmissing: :include:@D@/nowhere
inclworld: :include:@D@/members.world
inclempty: :include:@D@/members.empty
inclrel: :include:members
inclcmd: :include:@D@/members.cmd
prog: "|@D@/show @D@/out/prog a b"
shell: "|cat > @D@/out/$RECIPIENT; echo $SENDER $RECIPIENT $EXTENSION $LOCAL $USER >> @D@/out/$RECIPIENT; id -un >> @D@/out/$RECIPIENT"
fail75: "|exit 75"
fail67: "|exit 67"
fail1: "|echo no; exit 1"
failx: "|/no/such/program"
file: @D@/out/file
maildir: @D@/out/maildir/
nodir: @D@/none/file
execfile: @D@/out/exe
devnull: /dev/null
bad: <<<, news
bad2: news, "unclosed
comment: news (the other, one), games (x)
group: friends: news, games;
loop1: loop2
loop2: loop1
games: games, news
uucp: \\\\uucp
back: \\lp
backalias: \\team
gone: nosuchuser
gonetoo: nosuchuser, news
twice: news, news@site.test, NEWS, "|@D@/agent say", "|@D@/agent say"
ext: news, far@far.test
ext+known: lp
nested: nest1
nest1: nest2, far@far.test
nest2: news, games
empty:
route: a%b@far.test, c!d, @far.test:e@other.test
quoted: "news", "a b"@far.test
long.name: news
UPPER: lp
"""
NAMES = ["team", "owned", "owned2", "incl", "inclplain", "inclowned", "inclmissing", "inclworld", "inclempty", "inclrel", "inclcmd", "prog", "shell", "fail75",
         "fail67", "fail1", "failx", "file", "maildir", "nodir", "execfile", "devnull", "bad", "bad2", "comment", "group", "loop1", "games", "uucp", "back",
         "backalias", "gone", "gonetoo", "twice", "ext", "ext+known", "ext+un", "nested", "empty", "route", "quoted", "long.name", "upper", "Team", "nosuch",
         "postmaster", "MAILER-DAEMON", "owner-owned", "news+e", "shell", "shell+ok", "prog+e/x", "prog+ok"]
MEMBERS = "# who\ngames\nout@far.test, lp\n"
MEMBER_FILES = {"members": MEMBERS, "members.games": ('"|@D@/show @D@/out/inclowned"\nnews\n', 0o644, 5), "members.world": (MEMBERS, 0o666, 0),
                "members.empty": "# none\n", "members.cmd": '"|@D@/agent say"\n@D@/out/inclfile\n'}


def executable(d):
    with open(f"{d}/out/exe", "w") as f:
        f.write("x\n")
    os.chmod(f"{d}/out/exe", 0o755)
    os.chown(f"{d}/out/exe", 65534, 65534)


def compare(p, known=()):
    bad = [differences(p.outcomes(0), p.outcomes(1), known), differences(p.files(0), p.files(1), known), differences(set(p.forwarded(0)), set(p.forwarded(1)))]
    assert not any(bad), "\n\n".join(bad)


# What differs on purpose (docs/deviations.md): an empty list is an error; what cannot be parsed is refused as a whole; words of a command.
KNOWN = ["inclempty", "bad2?@", "unclosed", "< < <", "failx", "X-Original-To: bad@", r"\(temporary failure\)", "cannot change to directory"]


def test_aliases():
    main = {"alias_maps": "hash:@D@/aliases", "propagate_unmatched_extensions": "canonical, virtual, alias"}
    with pair(main, {"aliases": ALIASES, **MEMBER_FILES}, prepare=executable) as p:
        for n in NAMES:
            p.send("s@src.test", f"{n}@site.test")
        p.send("s@src.test", "last@site.test")
        p.settle([r"to=<last@site.test>"])
        compare(p, KNOWN)


OTHER_ALIASES = """owned: news, x@far.test, "|@D@/show @D@/out/owned"
owner-owned: games+o@other.test
owned2: owned3, games
owner-owned2: lp
owned3: news, y@far.test
owner-owned3: irc
over: under, z@far.test
owner-over: list
under: news, w@far.test
file: @D@/out/file
maildir: @D@/out/maildir/
nest1: nest2
nest2: news, far@far.test, "|@D@/show @D@/out/nest2"
inclown: :include:@D@/members.games
cmdfail: "|echo 5.7.3 not here; exit 1"
cmdtime: "|sleep 30"
"""
VARIANTS = {
    "expand owner": {"expand_owner_alias": "yes", "prepend_delivered_header": "file, forward"},
    "reset owner": {"reset_owner_alias": "yes", "frozen_delivered_to": "no", "prepend_delivered_header": "command"},
    "no special owner": {"owner_request_special": "no", "frozen_delivered_to": "no"},
    "restricted": {"allow_mail_to_commands": "include", "allow_mail_to_files": "forward, include", "duplicate_filter_limit": "2"},
    "allowed": {"allow_mail_to_commands": "alias, forward, include", "command_execution_directory": "@D@/h/$local/${extension?e}${extension:none}",
                "command_expansion_filter": "abcdefghijklmnopqrstuvwxyz", "command_time_limit": "1s", "local_command_shell": "/bin/sh -c",
                "export_environment": "LANG MYVAR=hello", "import_environment": "MAIL_CONFIG LANG=de", "default_privs": "irc"},
    "directory": {"command_execution_directory": "@D@/h/a$domain", "execution_directory_expansion_filter": "abcdefghijklmnopqrstuvwxyz/-0123456789_",
                  "soft_bounce": "yes"},
}


def directories(d):
    for sub in ("a", "owned/none", "owned/e", "nest2/none", "inclown/none", "cmdfail/none", "cmdtime/none", "asite_test"):
        os.makedirs(f"{d}/h/{sub}")


@pytest.mark.parametrize("name", VARIANTS)
def test_alias_parameters(name):
    with pair({"alias_maps": "hash:@D@/aliases", **VARIANTS[name]}, {"aliases": OTHER_ALIASES, **MEMBER_FILES}, prepare=directories) as p:
        for n in ("owned", "owned+x", "owned2", "over", "file", "maildir", "nest1", "inclown", "cmdfail", "cmdtime"):
            if n != "cmdtime" or name == "allowed":
                p.send("s@src.test", f"{n}@site.test")
        p.send("", "file@site.test")
        p.send("s@src.test", "last@site.test")
        p.settle([r"to=<last@site.test>"])
        compare(p, KNOWN)


# The accounts' own homes do not matter: forward_path leads elsewhere, with all that may stand in it.
FORWARD_MAIN = {"alias_maps": "", "forward_path": "@D@/h/$user${extension?.$extension}.forward, @D@/h/{$local}.forward, @D@/h/$user.forward",
                "propagate_unmatched_extensions": "canonical, virtual, forward"}


def forwards(d):
    def put(name, text, mode=0o644, uid=None):
        path = f"{d}/h/{name}.forward"
        with open(path, "w") as f:
            f.write(text.replace("@D@", d))
        os.chmod(path, mode)
        user = pwd.getpwnam(re.split("[.{}]", name.strip("{"))[0])
        os.chown(path, user.pw_uid if uid is None else uid, user.pw_gid)
    os.makedirs(f"{d}/h/keep")
    put("games", f"\\games, r@far.test\n# not this\nnews\n\"|@D@/show @D@/out/games a\"\n")
    put("games.known", "lp, k@far.test\n")
    put("news", "news, also@far.test\n")
    put("lp", "@D@/out/lpfile-@D@\n".replace("-@D@", ""), mode=0o666)
    put("list", "r@far.test\n", uid=5)
    put("irc", "")
    put("uucp", f"@D@/out/uucpfile, @D@/out/uucpdir/, :include:@D@/h/keep/more\n")
    put("proxy", '"|@D@/agent two"\n')
    put("backup", "<<<\n")
    with open(f"{d}/h/keep/more", "w") as f:
        f.write("more@far.test\n")
    os.chmod(f"{d}/h/keep/more", 0o644)
    with open(f"{d}/h/keep/secret", "w") as f:
        f.write("secret@far.test\n")
    os.symlink(f"{d}/h/keep/secret", f"{d}/h/www-data.forward")
    os.mkdir(f"{d}/h/man.forward")
    os.makedirs(f"{d}/h/box")
    os.chmod(f"{d}/h/box", 0o1777)


FORWARD_VARIANTS = {
    "plain": {},
    "commands": {"allow_mail_to_commands": "alias", "allow_mail_to_files": "alias", "prepend_delivered_header": "",
                 "frozen_delivered_to": "no", "mailbox_size_limit": "0"},
    "luser": {"luser_relay": "games+$local", "mailbox_command_maps": 'inline:{ {news = @D@/show @D@/out/news "a b" $USER} }',
              "mailbox_command": "@D@/show @D@/out/mailbox", "forward_path": ""},
    "home": {"home_mailbox": "../../../@D@/h/box/m", "mail_spool_directory": "/var/mail", "forward_path": ""},
    "luser far": {"luser_relay": "$user${extension?{-$extension}}@far.test", "home_mailbox": "../../../@D@/h/box/x/", "forward_path": "$shell/.forward, $home/no"},
    "filter": {"luser_relay": "news", "forward_expansion_filter": "abcdefghijklmnopqrstuvwxyz/-0123456789.", "mail_spool_directory": "@D@/h/box"},
}
FORWARD_NAMES = ["games", "Games", "games+known", "games+un", "news", "lp", "list", "irc", "uucp", "proxy", "www-data", "man", "nobody-here", "no+ext", "daemon"]


@pytest.mark.parametrize("name", FORWARD_VARIANTS)
def test_forward(name):
    with pair({**FORWARD_MAIN, **FORWARD_VARIANTS[name]}, prepare=forwards) as p:
        # Homes that are not there are another matter.
        names = [n for n in FORWARD_NAMES if n[:2].lower() in ("ga", "no")] if "home_mailbox" in FORWARD_VARIANTS[name] else FORWARD_NAMES
        for n in names:
            p.send("s@src.test", f"{n}@site.test")
        p.send("s@src.test", "root@site.test")
        p.settle([r"to=<root@site.test>"])
        compare(p, KNOWN)


TRANSPORTS = """deliver unix - n n - - pipe flags=DORF user=irc argv=@D@/show @D@/out/deliver-$recipient $sender $recipient $nexthop $original_recipient $user $extension
fallback unix - n n - - pipe flags=R user=irc argv=@D@/show @D@/out/fallback-$recipient $sender $recipient $nexthop
"""
TRANSPORT_VARIANTS = {
    "mailbox": {"mailbox_transport": "deliver:some.hop", "alias_maps": "hash:@D@/aliases"},
    "maps": {"mailbox_transport_maps": "inline:{games=deliver:by.map, nobody-here=deliver}", "fallback_transport_maps": "inline:{no=fallback:mapped}",
             "fallback_transport": "fallback:all.others", "alias_maps": "hash:@D@/aliases"},
}


@pytest.mark.parametrize("name", TRANSPORT_VARIANTS)
def test_transports(name):
    """Handed to another transport: mtad makes a message of it, Postfix hands it over; what arrives is the same."""
    with pair(TRANSPORT_VARIANTS[name], {"aliases": "owned: irc, news\nowner-owned: uucp\nteam: lp, nobody-here\n"}, master=TRANSPORTS) as p:
        for n in ("games+x", "no+ext", "owned", "team", "\\games"):
            p.send("s@src.test", f"{n}@site.test")
        p.settle([r"to=<no\+ext@site.test>, relay=(?!local)"])
        bad = differences(p.files(0), p.files(1))
        assert not bad, bad
        far = lambda which: {o for o in p.outcomes(which) if o[2] != "local"}
        assert {(to, relay, dsn, text) for to, _, relay, dsn, text in far(0)} == {(to, relay, dsn, text) for to, _, relay, dsn, text in far(1)}


EXITS = [64, 65, 66, 67, 68, 69, 70, 71, 72, 73, 74, 75, 76, 77, 78, 1, 99]
PIPES = {
    "say": ("", "@D@/agent say"), "late": ("", "@D@/agent late"), "kill": ("", "@D@/agent kill"), "five": ("flags=X", "@D@/agent five"),
    "four": ("", "@D@/agent four"), "two": ("", "@D@/agent two"),
    "all": ("flags=DFROhuXq. directory=/tmp", "@D@/show @D@/out/all $sender $recipient ${user} ${domain} $extension ${mailbox} x${nexthop}y "
            "$original_recipient $$ $client_hostname"),
    "many": ("flags=BRh> eol=\\r\\n", "@D@/show @D@/out/many $sender $recipient $client_address $client_protocol $client_helo x$(user)y"),
    "quote": ("flags=q", "@D@/show @D@/out/quote $sender $recipient ${user} $mailbox"),
    "plainq": ("", "@D@/show @D@/out/plainq $sender $recipient ${user} $mailbox"),
    "null": ("flags=F null_sender=", "@D@/show @D@/out/null <$sender>"), "nullname": ("flags=FR null_sender=nobody@x.test", "@D@/show @D@/out/nullname <$sender>"),
    "large": ("size=100", "@D@/agent 0"), "group": ("user=nobody:games", "@D@/show @D@/out/group"), "blank": ("flags=Bu", "@D@/show @D@/out/blank $recipient"),
    **{f"s{n}": ("", f"@D@/agent {n}") for n in EXITS},
}


def test_pipe():
    lines = "".join(f"{n} unix - n n - - pipe {flags} {'' if 'user=' in flags else 'user=nobody'} argv={words}\n" for n, (flags, words) in PIPES.items())
    main = {"transport_maps": "inline:{" + " ".join(f"{{{n}.test={n}:hop.{n}}}" for n in PIPES) + "}", "relay_domains": " ".join(f"{n}.test" for n in PIPES),
            "late_time_limit": "1s", "command_time_limit": "10s", "all_destination_recipient_limit": "1"}
    with pair(main, master=lines) as p:
        for n in PIPES:
            if n not in ("many", "null", "nullname", "quote", "plainq"):
                p.send("S.s@Src.test", f"User+Ext@{n.upper()}.test")
        p.send("s@src.test", ["D@Many.test", "a+x@many.test", '"b c"@many.test'])
        p.send('"s t"@src.test', '"b c+E"@quote.test')
        p.send('"s t"@src.test', '"b c+E"@plainq.test')
        p.send("", "u@null.test")
        p.send("", "u@nullname.test")
        p.settle([r"to=<u@nullname.test>", r"status=.*time limit"])
        compare(p, KNOWN)


VIRTUAL = {"virtual_mailbox_domains": "v.test, w.test", "virtual_mailbox_base": "@D@/h", "virtual_uid_maps": "inline:{low@v.test=5, bad@v.test=x, @v.test=2001, no@w.test=3000}",
           "virtual_gid_maps": "static:2002", "virtual_mailbox_limit": "3000", "mailbox_size_limit": "3000", "message_size_limit": "2900", "local_recipient_maps": "",
           "virtual_mailbox_maps": "inline:{ann@v.test=v/ann/, bob@v.test=v/bob, low@v.test=v/low, bad@v.test=v/bad, @w.test=w/all/, none@v.test=none/x, "
                                   "big@v.test=v/big, other@v.test=v/other, deep@v.test=v/deep/er/, abs@v.test=/v/abs, link@v.test=v/link}"}


def virtual_boxes(d):
    os.makedirs(f"{d}/h/v")
    os.chown(f"{d}/h/v", 2001, 2002)
    for name, uid, text in (("big", 2001, "x\n" * 1400), ("other", 5, "")):
        with open(f"{d}/h/v/{name}", "w") as f:
            f.write(text)
        os.chown(f"{d}/h/v/{name}", uid, 2002)
    os.symlink(f"{d}/h/v/bob", f"{d}/h/v/link")


@pytest.mark.parametrize("more", [{}, {"strict_mailbox_ownership": "no", "virtual_minimum_uid": "1", "virtual_mailbox_base": "@D@/h/"}], ids=["usual", "lenient"])
def test_virtual(more):
    with pair({**VIRTUAL, **more}, prepare=virtual_boxes) as p:
        for to in ("Ann@v.test", "ann+x@v.test", "bob@v.test", "low@v.test", "bad@v.test", "any@w.test", "no@w.test", "none@v.test", "big@v.test", "other@v.test",
                   "deep@v.test", "abs@v.test", "link@v.test"):
            p.send("s@src.test", to)
        p.send("", "bob@v.test")
        p.send("s@src.test", "bob@v.test", BODY.replace("end", "Delivered-To: bob@v.test"))
        p.send("s@src.test", "bob@v.test", "Delivered-To: bob@v.test\r\n" + BODY)
        p.settle([r"to=<link@v.test>", "(?s)(to=<bob@v.test>.*){3}"])
        compare(p, KNOWN)
