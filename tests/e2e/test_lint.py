"""mtalint as a program: statuses, formats; it changes nothing of what it reads."""
import json
import os
import subprocess

import pytest
from mtadtest import BUILD, Instance

MASTER = "smtp inet n - n - - smtpd\nsmtp unix - - n - - smtp\nrelay unix - - n - - smtp\nlocal unix - n n - - local\n" \
    "virtual unix - n n - - virtual\nerror unix - - n - - error\n"
SOUND = "myhostname = mail.example.com\nqueue_directory = {0}/queue\nmaillog_file = {0}/log\n"


@pytest.fixture
def site(tmp_path):
    os.chmod(tmp_path, 0o755)
    write(tmp_path, "")
    return tmp_path


def write(folder, more, master=MASTER):
    for name, text in (("main.cf", SOUND.format(folder) + more), ("master.cf", master)):
        (folder / name).write_text(text)
        os.chmod(folder / name, 0o644)


def lint(*args, **env):
    return subprocess.run([f"{BUILD}/mtalint", *map(str, args)], capture_output=True, text=True, timeout=30,
                          env={**os.environ, **env})


def test_sound(site):
    r = lint(site)
    assert (r.returncode, r.stderr) == (0, ""), r.stdout


def test_findings(site):
    write(site, "relayhost = [relay.example.net] # ours\n")
    r = lint("-c", site)
    assert r.returncode == 1
    assert f"{site}/main.cf:4:33: error: " in r.stdout and "[P106]" in r.stdout
    assert lint("--format=quiet", MAIL_CONFIG=str(site)).stdout == ""


def test_nothing_to_read(tmp_path):
    r = lint(tmp_path / "nowhere")
    assert r.returncode == 2
    assert "nowhere" in r.stderr


@pytest.mark.parametrize("args", [["--format=xml"], ["--nonsense"], ["a", "b"], ["--explain", "X999"], ["-o", "noequals"]])
def test_usage(args):
    r = lint(*args)
    assert r.returncode == 64
    assert r.stderr


def test_json(site):
    write(site, "relayhst = [relay.example.net]\n")
    rows = [json.loads(line) for line in lint("--format=json", site).stdout.splitlines()]
    found = [r for r in rows if r["code"] == "P110"]
    assert found[0]["line"] == 4 and found[0]["column"] == 1 and found[0]["text"] == "relayhst"


def test_witness(site):
    write(site, "mynetworks = 0.0.0.0/0\n")
    r = lint(site)
    assert r.returncode == 1 and "client 192.0.2.1 may send to <user@example.net>: 250 by permit_mynetworks" in r.stdout


def test_strict(site):
    write(site, "smtpd_delay_reject = yes\n")
    assert lint(site).returncode == 0
    assert lint("--strict", site).returncode == 1


def test_every_rule_is_explained():
    codes = [line.split()[0] for line in lint("--list").stdout.splitlines()]
    assert len(codes) > 150
    for code in codes[::10]:
        assert lint("--explain", code.lower()).stdout.startswith(code)


def test_a_running_site_has_no_errors(tmp_path):
    os.chmod(tmp_path, 0o755)
    site = Instance(tmp_path / "site")
    r = lint(site.dir)
    assert "error:" not in r.stdout, r.stdout


def test_nothing_is_written(site):
    before = {p: p.stat().st_mtime_ns for p in site.rglob("*")}
    lint(site)
    assert {p: p.stat().st_mtime_ns for p in site.rglob("*")} == before
