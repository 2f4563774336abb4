"""Notices beside those of Debian's Postfix: templates as postconf -b and -t show them, and the parts of what comes back."""
import os
import subprocess

import pytest

from mtadtest import BUILD

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="Postfix needs root")

FILES = {
    "plain": "failure_template = <<EOF\nSubject: hi\n\nbody $myhostname $$ ${mydomain} $delay_warning_time_hours $maximal_queue_lifetime_days $(myhostname)\nEOF\n",
    "conditions": "failure_template = <<EOF\nSubject: hi\n\n${myhostname?{yes}:{no}} ${nosuch:none} $delay_warning_time_seconds\nEOF\n",
    "all": "".join(f"{n}_template = <<{n}\nCharset: utf-8\nFrom: A <a>\nSubject: {n}\n{'Postmaster-Subject: C' + chr(10) if n in ('failure', 'delay') else ''}\n\u00fc {n}\n{n}\n"
                   for n in ("failure", "delay", "success", "verify")),
    "no header": "failure_template = <<EOF\nno header here\n\nbody\nEOF\n",
    "header, then text": "failure_template = <<EOF\nSubject: a\n b\n\nbody\nEOF\n",
    "twice": "failure_template = <<EOF\nSubject: a\n\na\nEOF\n# and\nfailure_template = <<X Y\nSubject: b\n\nb\nX Y\n",
    "no end": "failure_template = <<EOF\nSubject: a\n\nbody\n",
    "unknown": "foo_template = <<EOF\nSubject: a\n\nbody\nEOF\n",
    "unknown header": "failure_template = <<EOF\nX-Foo: a\n\nbody\nEOF\n",
    "no text": "failure_template = <<EOF\nSubject: a\nEOF\n",
    "empty": "failure_template = <<EOF\nSubject:\n\nbody\nEOF\n",
    "8-bit header": "failure_template = <<EOF\nSubject: gr\u00fcn\n\nbody\nEOF\n",
    "8-bit text": "failure_template = <<EOF\nSubject: x\n\ngr\u00fcn\nEOF\n",
    "syntax": "failure_template = <<EOF\nSubject: x\n\n${\nEOF\n",
    "no =": "failure_template <<EOF\nSubject: x\n\nx\nEOF\n",
}
# Postfix looks at names only where it fills them in.
ONLY_EXPANDED = ("syntax", "conditions")


def blocks(text):
    """Name of the block -> its lines."""
    out, name = {}, None
    for line in text.split("\n"):
        if line.endswith("= <<EOF"):
            name = line.split()[0]
            out[name] = []
        elif name:
            out[name].append(line)
    return out


def test_postconf_shows_the_same(tmp_path):
    (tmp_path / "main.cf").write_text("compatibility_level = 3.6\nmyhostname = mail.site.test\nmydomain = site.test\ndelay_warning_time = 4h\n")
    (tmp_path / "master.cf").write_text("")
    for name in ("main.cf", "master.cf"):
        os.utime(tmp_path / name, (1, 1))
    own = {flag: blocks(subprocess.run([f"{BUILD}/mtactl", "postconf", "-c", tmp_path, flag], capture_output=True, text=True, timeout=20).stdout) for flag in ("-b", "-t")}
    builtin = {flag: blocks(subprocess.run(["postconf", "-c", tmp_path, flag], capture_output=True, text=True, timeout=20).stdout) for flag in ("-b", "-t")}
    assert all(list(own[f]) == list(builtin[f]) for f in own)
    for name, text in FILES.items():
        path = tmp_path / "templates"
        path.write_text(text)
        os.utime(path, (1, 1))      # not "just changed", which Postfix would wait for
        for flag in ("-b", "-t") if name not in ONLY_EXPANDED else ("-b",):
            theirs = subprocess.run(["postconf", "-c", tmp_path, flag, path], capture_output=True, text=True, timeout=20)
            ours = subprocess.run([f"{BUILD}/mtactl", "postconf", "-c", tmp_path, flag, path], capture_output=True, text=True, timeout=20)
            assert ours.returncode == theirs.returncode, (name, flag, ours.stderr, theirs.stderr)
            assert bool(ours.stderr) == bool(theirs.stderr), (name, flag)
            if theirs.returncode == 0:
                # A block is the file's in both, or each one's own.
                a, b = blocks(ours.stdout), blocks(theirs.stdout)
                assert {k: v for k, v in a.items() if v != own[flag][k]} == {k: v for k, v in b.items() if v != builtin[flag][k]}, (name, flag)
