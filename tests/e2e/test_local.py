"""What local delivery does beyond mailboxes: virtual(8), pipe(8), aliases(5). The texts are Debian's Postfix's (seen side by side)."""
import os
import pwd
import re

import pytest

from mtadtest import Instance, wait_for

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="mail is delivered with other users' rights")

AGENT = """#!/bin/sh
case "$1" in
say) cat >/dev/null; echo "all is well"; exit 0;;
late) sleep 20;;
kill) kill -9 $$;;
five) echo "5.7.9 go away now"; exit 1;;
four) echo "4.2.9 later please"; exit 70;;
two) echo "hello there"; echo second line; exit 1;;
args) shift; out=$1; shift; { for a in "$@"; do echo "arg=$a"; done; id -u; id -g; pwd; ls /proc/self/fd | wc -l; echo --; cat; } > $out.new;
  mv $out.new $out;;
*) exit $1;;
esac
"""
PIPES = {
    "say": ("", "say"), "late": ("", "late"), "kill": ("", "kill"), "five": ("", "five"), "four": ("", "four"), "two": ("", "two"),
    "args": ("flags=DFROhuXq. directory=/tmp",
             "args @D@/out/args $sender $recipient ${user} ${domain} $(extension) ${mailbox} x${nexthop}y $original_recipient $$"),
    "many": ("flags=BR>", "args @D@/out/many $sender $recipient $client_address $client_helo"),
    "null": ("flags=F null_sender=", "args @D@/out/null <$sender>"),
    "large": ("size=100", "0"), "bad": ("", "0 $nothing"),
    **{f"s{n}": ("", str(n)) for n in (67, 75, 99)},
}
BODY = "Subject: x\r\n\r\nFrom me\r\n..dot\r\nend\r\n"


def outcomes(mtad):
    return {m[1]: (m[2], m[3]) for m in re.finditer(r"to=<([^@>]*@[^>]*)>.* dsn=(\S+), status=(.*)", mtad.log())}


def make(tmp_path, main, extra):
    folder = str(tmp_path)
    os.chmod(folder, 0o755)
    for parent in tmp_path.parents:
        if str(parent).startswith("/tmp/"):
            os.chmod(parent, 0o755)
    os.makedirs(f"{folder}/out")
    os.chmod(f"{folder}/out", 0o777)
    with open(f"{folder}/agent", "w") as f:
        f.write(AGENT)
    os.chmod(f"{folder}/agent", 0o755)
    mtad = Instance(tmp_path, main={"recipient_delimiter": "+", **main}, root=True)
    mtad.master += extra.replace("@D@", folder)
    mtad.write()
    return mtad


def test_pipe(tmp_path):
    lines = "".join(f"{n} unix - n n - - pipe {flags} user=nobody argv=@D@/agent {words}\n" for n, (flags, words) in PIPES.items())
    lines += "missing unix - n n - - pipe user=nobody argv=/no/such/program\nroot unix - n n - - pipe user=root argv=/bin/true\n"
    names = [*PIPES, "missing", "root"]
    main = {"transport_maps": "inline:{" + " ".join(f"{{{n}.test={n}:hop.{n}}}" for n in names) + "}",
            "relay_domains": " ".join(f"{n}.test" for n in names), "late_time_limit": "1s"}
    with make(tmp_path, main, lines) as mtad:
        for n in names:
            if n not in ("many", "null"):
                mtad.send("s@src.test", f"User+Ext@{n.upper()}.test", BODY)
        mtad.send("s@src.test", ["a@many.test", '"b c"@many.test'], BODY)
        mtad.send("", "u@null.test", BODY)
        wait_for(lambda: "User+Ext@LATE.test" in outcomes(mtad) and "u@null.test" in outcomes(mtad))
        seen = {k.split("@")[1].split(".")[0].lower(): v for k, v in outcomes(mtad).items()}
        agent = f"{tmp_path}/agent"
        assert seen["say"] == ("2.0.0", "sent (delivered via say service (all is well))")
        assert seen["late"] == ("5.3.0", f'bounced (Command time limit exceeded: "{agent}")')
        assert seen["kill"] == ("4.3.0", f'deferred (Command died with signal 9: "{agent}")')
        assert seen["five"] == ("5.7.9", "bounced (go away now)")
        assert seen["four"] == ("4.2.9", "deferred (later please)")
        assert seen["two"] == ("5.3.0", f'bounced (Command died with status 1: "{agent}". Command output: hello there second line)')
        assert seen["s67"] == ("5.1.1", "bounced (user unknown)")
        assert seen["s75"] == ("4.3.0", "deferred (temporary failure)")
        assert seen["s99"] == ("5.3.0", f'bounced (Command died with status 99: "{agent}")')
        assert seen["missing"][0] == "4.3.0" and "No such file or directory" in seen["missing"][1]
        assert seen["large"] == ("5.2.3", "bounced (message too large)")
        for name in ("root", "bad"):
            assert seen[name] == ("4.3.5", "deferred (mail system configuration error)")
        assert 'there is no macro "$nothing"' in mtad.log() and "no program is run as root" in mtad.log()
        nobody = pwd.getpwnam("nobody")
        words, text = (tmp_path / "out/args").read_text().split("--\n")
        assert words.splitlines() == [
            "arg=s@src.test", "arg=user+ext@args.test", "arg=user", "arg=args.test", "arg=ext", "arg=user+ext", "arg=xhop.argsy",
            "arg=user+ext@args.test", "arg=$", str(nobody.pw_uid), str(nobody.pw_gid), "/tmp", "4"]
        head = text.splitlines()
        assert head[0].startswith("From s@src.test  ")
        assert head[1:4] == ["Return-Path: <s@src.test>", "X-Original-To: User+Ext@ARGS.test", "Delivered-To: User+Ext@ARGS.test"]
        assert text.endswith("\n\nFrom me\n...dot\nend\n")
        words, text = (tmp_path / "out/many").read_text().split("--\n")
        assert words.splitlines()[:5] == ["arg=s@src.test", "arg=a@many.test", "arg=b c@many.test", "arg=127.0.0.1", "arg=client.test"]
        assert text.startswith("Return-Path: <s@src.test>\n") and text.endswith("\n\n>From me\n..dot\nend\n\n")
        words, text = (tmp_path / "out/null").read_text().split("--\n")
        assert words.startswith("arg=<>\n") and text.startswith("From MAILER-DAEMON  ")


def test_virtual(tmp_path):
    box = f"{tmp_path}/box"
    main = {"virtual_mailbox_domains": "v.test", "virtual_mailbox_base": box, "virtual_uid_maps": "inline:{low@v.test=5, @v.test=2001}",
            "virtual_gid_maps": "static:2002", "virtual_mailbox_limit": "6000",
            "virtual_mailbox_maps": "inline:{ann@v.test=v/ann/, bob@v.test=v/bob, low@v.test=v/low}"}
    os.makedirs(f"{box}/v")
    os.chown(f"{box}/v", 2001, 2002)
    with make(tmp_path, main, "virtual unix - n n - - virtual\n") as mtad:
        for to in ("Ann@v.test", "ann+x@v.test", "bob@v.test", "low@v.test"):
            mtad.send("s@src.test", to, BODY)
        mtad.send("s@src.test", "bob@v.test", BODY + "x" * 8000)
        with mtad.smtp() as s:
            s.ehlo()
            s.mail("s@src.test")
            assert s.rcpt("carl@v.test")[0] == 550
        wait_for(lambda: len(re.findall(" status=", mtad.log())) >= 5)
        log = mtad.log()
        assert "mtad/virtual[" in log and "relay=virtual" in log
        assert "to=<low@v.test>" in log and "dsn=4.3.5, status=deferred (mail system configuration error)" in log
        assert "recipient low@v.test: bad number 5 in virtual_uid_maps" in log
        assert "dsn=5.2.2, status=bounced" in log
        new = [os.path.join(f"{box}/v/ann/new", n) for n in os.listdir(f"{box}/v/ann/new")]
        assert len(new) == 2 and all((os.stat(n).st_uid, os.stat(n).st_gid) == (2001, 2002) for n in new)
        with open(f"{box}/v/bob") as f:
            text = f.read()
        assert text.startswith("From s@src.test  ") and "\nDelivered-To: bob@v.test\n" in text and text.count("\n>From me\n") == 1
        assert os.stat(f"{box}/v/bob").st_uid == 2001


ALIASES = """# names
team: ann, "Bob B" <bob@site.test>, far@far.test
owner-list: ann
list: bob, x@far.test
prog: "|@D@/agent args @D@/out/prog a b"
shell: "|cat > @D@/out/shell; echo $SENDER $RECIPIENT $EXTENSION >> @D@/out/shell; id -un >> @D@/out/shell"
fail: "|exit 75"
file: @D@/out/file
inc: :include:@D@/members
bad: <<<, bob
loop1: loop2
loop2: loop1
ann: ann, bob
gone: nosuchuser
"""


def test_aliases(tmp_path):
    main = {"alias_maps": f"hash:{tmp_path}/aliases", "propagate_unmatched_extensions": "canonical, virtual, alias",
            "mtad_dns_zone": f"{tmp_path}/zone", "relayhost": "[127.0.0.9]:9", "local_recipient_maps": ""}
    with open(f"{tmp_path}/aliases", "w") as f:
        f.write(ALIASES.replace("@D@", str(tmp_path)).replace("ann", "games").replace("bob", "news"))
    with open(f"{tmp_path}/members", "w") as f:
        f.write("# who\ngames\nout@far.test\n")
    with make(tmp_path, main, "") as mtad:
        for to in ("team", "list", "prog", "shell+e;x", "fail", "file", "inc", "bad", "loop1", "games", "gone"):
            mtad.send("s@src.test", f'{to}@site.test' if ";" not in to else f'"{to}"@site.test', BODY)
        wait_for(lambda: all(any(k.strip('"').startswith(n) for k in outcomes(mtad))
                             for n in ("team", "list", "prog", "shell", "fail", "file", "inc", "bad", "loop2", "games", "nosuchuser")))
        mtad.wait_log("to=<far@far.test>")
        mtad.wait_log("to=<x@far.test>")
        mtad.wait_log("to=<out@far.test>")
        seen = {k.strip('"').split("@")[0].split("+")[0]: v for k, v in outcomes(mtad).items()}
        assert seen["team"][1].startswith("sent (forwarded"), seen
        assert seen["prog"] == ("2.0.0", f"sent (delivered to command: {tmp_path}/agent args {tmp_path}/out/prog a b)")
        assert seen["fail"] == ("4.3.0", "deferred (temporary failure)")
        assert seen["file"] == ("2.0.0", f"sent (delivered to file: {tmp_path}/out/file)")
        assert seen["bad"] == ("5.1.3", "bounced (bad recipient address syntax: <<<, news)")
        assert seen["loop2"] == ("5.4.6", "bounced (alias database loop for loop2)")
        assert seen["nosuchuser"] == ("5.1.1", 'bounced (unknown user: "nosuchuser")')
        nobody = pwd.getpwnam("nobody")
        words, text = (tmp_path / "out/prog").read_text().split("--\n")
        assert words.splitlines() == ["arg=a", "arg=b", str(nobody.pw_uid), str(nobody.pw_gid), f"{tmp_path}/queue", "4"]
        assert "\nX-Original-To: prog@site.test\nDelivered-To: prog@site.test\n" in text
        tail = (tmp_path / "out/shell").read_text().splitlines()[-2:]
        assert tail == ["s@src.test shell+e_x@site.test e_x", "nobody"]
        assert os.stat(tmp_path / "out/file").st_uid == nobody.pw_uid
        wait_for(lambda: len(mtad.mailbox("games")) == 3)
        games = mtad.mailbox("games")
        assert any(b"Delivered-To: team@site.test\n" in m for m in games)
        wait_for(lambda: len(mtad.mailbox("news")) == 5)
        # A message to the alias with an owner goes out in the owner's name.
        new = re.search(r"(\S+): to=<x@far.test>", mtad.log())[1]
        assert f"{new}: from=<owner-list@site.test>" in mtad.log()
        assert "Delivered-To: list@site.test" in mtad.ctl("cat", new).stdout
        assert mtad.ctl("doctor").returncode == 0


def test_forwarding_refused_for_good(tmp_path):
    """Not tried without end: the recipient has failed, and the sender is told."""
    main = {"alias_maps": "inline:{ {team = a@far.test}, {step1 = step2@site.test}, {step2 = step3@site.test}, {step3 = a@far.test} }",
            "relayhost": "[127.0.0.9]:9", "local_recipient_maps": "", "hopcount_limit": "4"}
    with make(tmp_path, main, "") as mtad:
        for sender, hops, to in (("s@src.test", 2, "team"), ("", 2, "team"), ("s@src.test", 1, "team"), ("s@src.test", 2, "step1")):
            mtad.send(sender, f"{to}@site.test", "Received: from a by b; Sun, 22 Nov 2026 00:00:00 +0000\r\n" * hops + BODY)
        mtad.wait_log("to=<a@far.test>")
        notices = lambda: re.findall(r"sender non-delivery notification: ", mtad.log())
        wait_for(lambda: len(notices()) >= 2)
        wait_for(lambda: len(mtad.queue()) == 3)    # the one that goes on, two bounces
        assert len(notices()) == 2, "each is logged once"
        mtad.wait_log("to=<step1@site.test>.* dsn=5.4.0")
        failed = re.findall(r"to=<(\w+)@site.test>.* dsn=5.4.0, status=bounced \((.*)\)", mtad.log())
        assert sorted(to for to, _ in failed)[-2:] == ["team", "team"] and len(failed) == 3, failed
        assert failed[0][1] == "the message cannot be forwarded: 554 5.4.0 Error: too many hops"
        assert "undeliverable bounce message discarded" in mtad.log()
        for m in mtad.queue():
            assert [r["address"] for r in m["recipients"]][0] in ("a@far.test", "s@src.test")
        assert any("554 5.4.0 Error: too many hops" in " ".join(mtad.ctl("cat", m["queue_id"]).stdout.split()) for m in mtad.queue())
        assert mtad.ctl("doctor").returncode == 0


def test_forwarding_survives_a_crash(tmp_path):
    main = {"alias_maps": "inline:{ {team = a@far.test, b@far.test} }", "relayhost": "[127.0.0.9]:9", "local_recipient_maps": ""}
    with make(tmp_path, main, "") as mtad:
        for _ in range(20):
            mtad.send("s@src.test", "team@site.test", BODY)
        mtad.kill_all()
        mtad.start()
        wait_for(lambda: len([r for r in mtad.queue() if any("far.test" in x["address"] for x in r["recipients"])]) == 20, 30)
        wait_for(lambda: len(mtad.queue()) == 20, 30)
