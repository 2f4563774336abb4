"""What mtad does with each parameter: config support, check, diff, comment; and what has no effect is said at start and by the linter, never passed over."""
import json
import os
import subprocess

import pytest
from mtadtest import BUILD, Instance


def ctl(folder, *args):
    r = subprocess.run([f"{BUILD}/mtactl", "-c", str(folder), *args], capture_output=True, text=True, timeout=20)
    return r.returncode, r.stdout, r.stderr


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "main.cf").write_text("myhostname = mail.site.test\nmynetworks = 127.0.0.0/8\nrelayhost = [relay.test],\n# kept\n  more\nrelayhost = [relay.test]\n")
    (tmp_path / "master.cf").write_text("25 inet n - n - - smtpd\nsmtp unix - - n - - smtp\nlocal unix - n n - - local\n")
    return tmp_path


def test_support(tmp_path):
    status, out, _ = ctl(tmp_path, "--json", "config", "support")
    rows = [json.loads(line) for line in out.splitlines()]
    assert status == 0 and len({r["name"] for r in rows if not r["name"].startswith("mtad_")}) == 958
    assert {r["standing"] for r in rows} == {"honoured", "accepted", "planned", "unsupported"}
    assert all(r["summary"] and r["type"] and "default" in r for r in rows)
    planned = ctl(tmp_path, "config", "support", "postscreen_tls_*", "--standing", "unsupported")[1].splitlines()
    assert len(planned) > 20 and all(line.startswith("postscreen_tls_") and line.split("\t")[1] == "unsupported" for line in planned)
    assert ctl(tmp_path, "config", "support", "relayhost")[1] == "relayhost\thonoured\tNext hop of all mail for other domains.\n"
    assert ctl(tmp_path, "config", "support", "nosuch")[0] == 1
    assert ctl(tmp_path, "config", "support", "--standing", "nosuch")[0] == 64


def test_comment(folder):
    before = (folder / "main.cf").read_text()
    assert ctl(folder, "config", "comment", "relayhost", "--plan")[0] == 0 and (folder / "main.cf").read_text() == before
    assert ctl(folder, "config", "comment", "relayhost")[0] == 0
    assert (folder / "main.cf").read_text() == ("myhostname = mail.site.test\nmynetworks = 127.0.0.0/8\n#relayhost = [relay.test],\n# kept\n#  more\n"
                                                "#relayhost = [relay.test]\n")
    assert ctl(folder, "config", "comment", "relayhost")[0] == 1
    assert ctl(folder, "config", "undo")[0] == 0 and (folder / "main.cf").read_text() == before


def test_diff(folder, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "main.cf").write_text("myhostname   =  mail.site.test\nmynetworks =\nmacro = 1\n")
    (other / "master.cf").write_text("25 inet n - n - 7 smtpd\nsmtp unix - - n - - smtp\nrelay unix - - n - - smtp -o a=b\n")
    assert ctl(folder, "config", "diff", str(other))[:2] == (1, (
        "-mynetworks = 127.0.0.0/8\n+mynetworks =\n-relayhost = [relay.test]\n+macro = 1\n"
        "-25/inet = n - n - - smtpd\n+25/inet = n - n - 7 smtpd\n-local/unix = - n n - - local\n+relay/unix = - - n - - smtp -o a=b\n"))
    assert ctl(folder, "config", "diff", str(folder)) == (0, "", "")
    assert ctl(folder, "config", "diff", str(tmp_path / "nowhere"))[0] == 65


def test_check(folder):
    with open(folder / "main.cf", "a") as f:
        f.write("smtpd_milters = inet:localhost:11332\n")
    status, out, _ = ctl(folder, "config", "check")
    assert status == 0 and f"{folder}/main.cf:7: warning: smtpd_milters is not supported in this version" in out
    with open(folder / "main.cf", "a") as f:
        f.write("message_size_limit = lots\n")
    status, out, _ = ctl(folder, "config", "check")
    assert status == 78 and f"{folder}/main.cf:8: error: message_size_limit: \"lots\" is not a number" in out
    (folder / "main.cf").write_text("mynetworks = 0.0.0.0/0\n")
    status, out, _ = ctl(folder, "config", "check")
    assert status == 78 and "main.cf:1: error: " in out and "[R101]" in out


def test_never_silence(tmp_path):
    """In main.cf, in -o of master.cf, and as a transport's own parameter: at start, at mtad -t, and by the linter, with file and line."""
    os.chmod(tmp_path, 0o755)
    with Instance(tmp_path / "site", main={"syslog_facility": "local3", "smtp_use_tls": "no", "transport_time_limit": "5s"}) as mta:
        with open(f"{mta.dir}/master.cf", "a") as f:
            f.write("slow unix - - n - - smtp\n  -o smtp_dns_resolver_options=res_defnames\n")
        lines = open(f"{mta.dir}/main.cf").read().splitlines()
        place = {name: 1 + next(i for i, line in enumerate(lines) if line.startswith(name)) for name in ("syslog_facility", "transport_time_limit")}
        service = 1 + next(i for i, line in enumerate(open(f"{mta.dir}/master.cf")) if line.startswith("slow"))
        wanted = [f"{mta.dir}/main.cf:{place['syslog_facility']}: warning: syslog_facility is not supported",
                  f"{mta.dir}/main.cf:{place['transport_time_limit']}: warning: transport_time_limit is a pattern",
                  f"{mta.dir}/master.cf:{service}: warning: smtp_dns_resolver_options is not supported"]
        said = subprocess.run([f"{BUILD}/mtad", "-t", "-c", mta.dir], capture_output=True, text=True, timeout=20)
        assert said.returncode == 0 and all(w in said.stderr for w in wanted), said.stderr
        assert "smtp_use_tls is not" not in said.stderr
        lint = ctl(mta.dir, "lint")[1]
        assert all(w.split(":")[1] in lint and w.split()[-4] in lint for w in wanted) and lint.count("[P227]") >= 3, lint
        mta.ctl("reload")
        for name in ("syslog_facility", "transport_time_limit", "smtp_dns_resolver_options"):
            mta.wait_log(rf"{name} is (not supported|a pattern)")
