"""Parameters of local(8) and virtual(8): each side is a transport of its own, whose mailboxes lie in a folder of its own."""
import glob
import os
import time

from effects import Agents, end, row, wait_for

BODY = "Subject: WORD\n\nhello\n"
WHO = {"local": "games+WORD@site.test", "virtual": "WORD@v.test"}


def to_whom(side):
    return (side.row.also.get("_to") or WHO[side.row.also.get("_program", "local")]).replace("WORD", side.word)


def outcome(seconds=8):
    """The log line of the delivery, or that there was none in time."""
    def see(side):
        end(BODY, to=(to_whom(side),))(side)
        try:
            return side.log(r"to=<([^>]*WORD@|[^>]*@[^>]*>, orig_to=<[^>]*WORD)[^>]*>, .*status=.*", seconds)
        except AssertionError:
            return "it waits"
    return see


def after(*patterns):
    """What the first file that matches has to say once there is one; FOLDER and WORD stand for what they are."""
    def see(side):
        outcome()(side)
        names = [p.replace("FOLDER", side.world.folder).replace("WORD", side.word) for p in patterns]
        return wait_for(lambda: [n for p in names for n in glob.glob(p) if os.path.getsize(n)], 8)[0]
    return see


def text(path):
    """The content of a file that the delivery makes."""
    def see(side):
        name = after(path)(side)
        with open(name) as f:
            return f.read()
    return see


def owner(path, what):
    return lambda side: f"{what} {getattr(os.stat(after(path)(side)), 'st_' + what)}"


def locked(age=0):
    """The mailbox has a lock of that age before the mail comes."""
    def look(side):
        folder = f"{side.world.folder}/mbox/{side.word}"
        for name in ("games.lock", "lock.lock"):
            with open(f"{folder}/{name}", "w") as f:
                f.write("1")
            os.chown(f"{folder}/{name}", 5, 60)
        time.sleep(age)
        return outcome(4)(side)
    return look


def foreign(side):
    """The mailbox is somebody else's."""
    name = f"{side.world.folder}/mbox/{side.word}/games"
    with open(name, "w"):
        pass
    os.chown(name, 9, 9)
    os.chmod(name, 0o666)
    return outcome()(side)


SENT, DEFERRED, BOUNCED = "status=sent", "status=deferred", "status=bounced"
ALI = {"_to": "ali+WORD@site.test"}
MBOX = {"mail_spool_directory": "FOLDER/mbox/WORD", "deliver_lock_attempts": "1"}
OUT = "FOLDER/out/WORD"
V = {"_program": "virtual", "virtual_mailbox_maps": "inline:{WORD@v.test=v/WORD/}", "virtual_uid_maps": "static:2001", "virtual_gid_maps": "static:2002", "virtual_mailbox_base": "FOLDER/vbox"}
VBOX = {**V, "virtual_mailbox_base": "FOLDER/mbox/WORD", "virtual_mailbox_maps": "inline:{WORD@v.test=lock}", "deliver_lock_attempts": "1"}
FILTER = "inline:{{2.0.0 delivered to maildir=2.1.9 said so}}"
NEW = "FOLDER/vbox/v/WORD/new/*"


ROWS = [
    row("alias_maps", "inline:{x=y}", "inline:{ali=games}", outcome(), BOUNCED, SENT, **ALI),
    row("allow_mail_to_commands", None, "", outcome(), SENT, f"{BOUNCED}|{DEFERRED}", alias_maps="inline:{{ali=|/bin/true}}", **ALI),
    row("allow_mail_to_files", None, "", outcome(), SENT, f"{BOUNCED}|{DEFERRED}", alias_maps=f"inline:{{{{ali={OUT}}}}}", **ALI),
    row("command_expansion_filter", None, "z", text(OUT), "^x=w", "^x=_", mailbox_command=f"/bin/sh -c 'echo x=$EXTENSION > {OUT}'"),
    row("command_time_limit", None, "1s", outcome(), SENT, "Command time limit exceeded", mailbox_command="sleep 2"),
    row("default_privs", None, "games", text(OUT), "^nobody", "^games", alias_maps=f"inline:{{{{ali=|id -un > {OUT}}}}}", **ALI),
    row("deliver_lock_attempts", None, "1", locked(), "it waits", DEFERRED, mail_spool_directory=MBOX["mail_spool_directory"]),
    row("deliver_lock_delay", "10s", "1s", locked(), "it waits", DEFERRED, **{**MBOX, "deliver_lock_attempts": "2"}),
    row("stale_lock_time", None, "1s", locked(2.3), DEFERRED, SENT, **{**MBOX, "deliver_lock_attempts": "2"}),
    row("mailbox_delivery_lock", None, "fcntl", locked(), DEFERRED, SENT, **MBOX),
    row("export_environment", None, "TZ FOO=bar", text(OUT), "^(?!.*FOO=bar)", "FOO=bar", mailbox_command=f"env | tr '\\n' ' ' > {OUT}"),
    row("fallback_transport", None, "discard:fb", outcome(), BOUNCED, r"forwarded as|sent \(fb\)", alias_maps="inline:{x=y}", **ALI),
    row("fallback_transport_maps", None, "inline:{ali=discard:fb}", outcome(), BOUNCED, r"forwarded as|sent \(fb\)", alias_maps="inline:{x=y}", **ALI),
    row("luser_relay", None, "lost@dest.test", outcome(), BOUNCED, SENT, alias_maps="inline:{x=y}", **ALI),
    row("forward_path", "FOLDER/nowhere", "FOLDER/fwd/some", outcome(), r"delivered to maildir", "forwarded as"),
    row("forward_expansion_filter", None, "z", outcome(), "forwarded as", r"delivered to maildir", forward_path="FOLDER/fwd/$extension"),
    row("local_command_shell", None, "/bin/false -c", outcome(), SENT, "Command died with status 1", mailbox_command="/bin/true"),
    row("mailbox_command", None, "/bin/true", outcome(), "delivered to maildir", "delivered to command: /bin/true"),
    row("mailbox_command_maps", None, "inline:{games=/bin/true}", outcome(), "delivered to maildir", "delivered to command: /bin/true"),
    row("mailbox_size_limit", None, "10", outcome(), SENT, f"{BOUNCED}|{DEFERRED}", **MBOX),
    row("mailbox_transport", None, "discard:mt", outcome(), "delivered to maildir", r"forwarded as|sent \(mt\)"),
    row("mailbox_transport_maps", None, "inline:{games=discard:mt}", outcome(), "delivered to maildir", r"forwarded as|sent \(mt\)"),
    row("mail_spool_directory", "FOLDER/box/oneWORD/", "FOLDER/box/twoWORD/", after("FOLDER/box/???WORD/games/new/*"), "/one", "/two"),
    row("require_home_directory", None, "yes", outcome(), SENT, DEFERRED, _to="nobody+WORD@site.test"),
    row("strict_mailbox_ownership", None, "no", foreign, DEFERRED, SENT, **MBOX),
    row("virtual_mailbox_base", "FOLDER/vbox/one", "FOLDER/vbox/two", after("FOLDER/vbox/???/v/WORD/new/*"), "/one/", "/two/", **V),
    row("virtual_mailbox_maps", "inline:{WORD@v.test=one/WORD/}", "inline:{WORD@v.test=two/WORD/}", after("FOLDER/vbox/???/WORD/new/*"), "/one/", "/two/", **V),
    row("virtual_uid_maps", "static:2001", "static:2003", owner(NEW, "uid"), "2001", "2003", **V),
    row("virtual_gid_maps", "static:2002", "static:2004", owner(NEW, "gid"), "2002", "2004", **V),
    row("virtual_minimum_uid", None, "3000", outcome(), SENT, DEFERRED, **V),
    row("virtual_mailbox_limit", None, "10", outcome(), SENT, f"{BOUNCED}|{DEFERRED}", **VBOX),
    row("local_delivery_status_filter", None, FILTER, outcome(), "dsn=2.0.0, status=sent .delivered", "dsn=2.1.9, status=sent .said so"),
    row("virtual_delivery_status_filter", None, FILTER, outcome(), "dsn=2.0.0, status=sent .delivered", "dsn=2.1.9, status=sent .said so", **V),
    row("pipe_delivery_status_filter", None, "inline:{{5.1.1 user unknown=4.1.9 wait: user unknown}}", outcome(), "dsn=5.1.1, status=bounced", "dsn=4.1.9, status=deferred .wait: user unknown",
        _program="pipe", _to="WORD@pipe.test", _tail="  user=games argv=/bin/sh -c {exit 67}\n"),
    row("virtual_mailbox_lock", None, "fcntl", locked(), DEFERRED, SENT, **VBOX),
]


def world(folder):
    return Agents(folder, ROWS, WHO)
