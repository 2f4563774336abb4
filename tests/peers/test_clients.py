"""Mail programs that people use send through mtad."""
import os
import shutil
import subprocess

import pytest
from mtadtest import BUILD, wait_for


def run(*words, **kw):
    r = subprocess.run(words, capture_output=True, timeout=60, **kw)
    assert r.returncode == 0, r.stdout.decode() + r.stderr.decode()
    return r


def test_swaks(mta, good):
    run("swaks", "--server", "127.0.0.1", "--port", str(mta.port), "--from", "a@client.test", "--to", "b@good.test,c@good.test",
        "--header", "Subject: from swaks", "--body", "hello\n.\n..\nend")
    wait_for(lambda: good.messages)
    assert b"Subject: from swaks\r\n" in good.messages[0][2] and b"\r\nhello\r\n.\r\n..\r\nend" in good.messages[0][2]
    assert len(good.messages[0][1]) == 2


def test_swaks_pipeline(mta, good):
    run("swaks", "--pipeline", "--server", "127.0.0.1", "--port", str(mta.port), "--from", "a@client.test", "--to", "b@good.test")
    wait_for(lambda: good.messages)


def test_msmtp(mta, good):
    run("msmtp", "--host=127.0.0.1", f"--port={mta.port}", "--auth=off", "--tls=off", "--from=a@client.test", "b@good.test",
        input=b"Subject: from msmtp\n\n.dot\nlast line has no end")
    wait_for(lambda: good.messages)
    assert good.messages[0][2].endswith(b"\r\n.dot\r\nlast line has no end\r\n")


def test_mutt(mta, good, tmp_path):
    """mutt hands over by sendmail, as it does on a server."""
    (tmp_path / "muttrc").write_text(f"set sendmail=\"{BUILD}/mtactl sendmail -C {mta.dir} -oem -oi\"\nset from=a@site.test\nset use_from=yes\n"
                                     f"set envelope_from=yes\nset record=\"\"\nset folder={tmp_path}\n")
    (tmp_path / "file").write_text("from mutt, with umlauts: äöü\n")
    with open(tmp_path / "file", "rb") as f:
        run("mutt", "-n", "-F", str(tmp_path / "muttrc"), "-s", "x", "b@good.test", stdin=f,
            env={**os.environ, "HOME": str(tmp_path), "TERM": "dumb", "MAIL_CONFIG": mta.dir})
    wait_for(lambda: good.messages)
    assert b"Subject: x\r\n" in good.messages[0][2] and good.messages[0][0].startswith(b"FROM:<a@site.test>")


@pytest.mark.skipif(not shutil.which("smtp-source"), reason="needs Debian's postfix package")
def test_smtp_source(mta, good):
    run("smtp-source", "-s", "20", "-m", "200", "-l", "5000", "-f", "a@client.test", "-t", "b@good.test", f"127.0.0.1:{mta.port}")
    wait_for(lambda: len(good.messages) == 200)
    mta.wait_empty()
