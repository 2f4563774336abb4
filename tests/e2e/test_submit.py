"""sendmail and its kin, with the daemon up and down."""
import os
import re
import subprocess

import pytest
from mtadtest import BUILD, wait_for


def test_sendmail(mta, good):
    mta.sendmail(b"Subject: hi\n\n.\nbody\n", "-i", "-f", "a@site.test", "b@good.test")
    wait_for(lambda: good.messages)
    sender, recipients, content = good.messages[0]
    assert sender.startswith(b"FROM:<a@site.test>")
    assert content.endswith(b"\r\n\r\n.\r\nbody\r\n")
    head = content.split(b"\r\n\r\n")[0]
    assert re.search(rb"^Received: by mail\.site\.test \(mtad, from userid \d+\)\r\n\tid \w+; ", head, re.M), head
    for name in (b"From: ", b"Date: ", b"Message-I"):
        assert re.search(b"^" + name, head, re.M | re.I), head
    mta.wait_log(r"pickup\[\d+\]: \w+: uid=\d+ from=<a@site\.test>")


def test_a_dot_ends_without_i(mta, good):
    mta.sendmail(b"Subject: hi\n\nbefore\n.\nafter\n", "-f", "a@site.test", "b@good.test")
    wait_for(lambda: good.messages)
    assert good.messages[0][2].endswith(b"\r\n\r\nbefore\r\n")


def test_recipients_from_the_headers(mta, good):
    mta.sendmail(b"From: Ann <ann@site.test>\nTo: Bob <b@good.test>, \"C, D\" <c@good.test>\nCc: (a comment) d@good.test\n"
                 b"Bcc: hidden@good.test\nSubject: t\n\nx\n", "-t", "-i")
    wait_for(lambda: good.messages)
    _, recipients, content = good.messages[0]
    assert {re.search(rb"<(.*?)>", r).group(1) for r in recipients} == {b"b@good.test", b"c@good.test", b"d@good.test", b"hidden@good.test"}
    assert b"hidden" not in content


def test_daemon_down_then_up(mta, good):
    mta.stop()
    r = mta.sendmail(b"Subject: while down\n\nx\n", "-f", "a@site.test", "b@good.test")
    assert r.returncode == 0
    assert len(os.listdir(f"{mta.dir}/queue/maildrop")) == 1
    mta.start()
    wait_for(lambda: good.messages, 30)
    assert b"Subject: while down" in good.messages[0][2]
    wait_for(lambda: not os.listdir(f"{mta.dir}/queue/maildrop"))


def test_smtp_on_standard_input(mta, good):
    r = subprocess.run([f"{BUILD}/mtactl", "sendmail", "-C", mta.dir, "-bs"], capture_output=True, timeout=60, env={**os.environ, "MAIL_CONFIG": mta.dir},
                       input=b"EHLO x\r\nMAIL FROM:<a@site.test>\r\nRCPT TO:<b@good.test>\r\nDATA\r\nSubject: bs\r\n\r\nx\r\n.\r\nQUIT\r\n")
    assert b"queued as" in r.stdout, r.stdout + r.stderr
    wait_for(lambda: good.messages)


def test_by_the_name_sendmail(mta, good, tmp_path):
    """As cron, PHP and others call it: by a link of that name."""
    os.symlink(f"{BUILD}/mtactl", tmp_path / "sendmail")
    r = subprocess.run([str(tmp_path / "sendmail"), "-FCronDaemon", "-i", "-odi", "-oem", "-oi", "-t", "-f", "a@site.test"], capture_output=True,
                       timeout=60, env={**os.environ, "MAIL_CONFIG": mta.dir}, input=b"To: b@good.test\nSubject: Cron\n\nx\n")
    assert r.returncode == 0, r.stderr
    wait_for(lambda: good.messages)
    assert re.search(rb"^From: \"?CronDaemon\"? <a@site\.test>|^From: a@site\.test \(CronDaemon\)", good.messages[0][2], re.M), good.messages[0][2]


def test_mailq(mta, tmp_path):
    os.symlink(f"{BUILD}/mtactl", tmp_path / "mailq")
    env = {**os.environ, "MAIL_CONFIG": mta.dir}
    r = subprocess.run([str(tmp_path / "mailq")], capture_output=True, text=True, env=env)
    assert r.returncode == 0 and "Mail queue is empty" in r.stdout, r.stdout + r.stderr
    qid = mta.send("a@client.test", "b@dead.test")
    wait_for(lambda: [x for x in mta.queue() if x["queue_name"] == "deferred"])
    r = subprocess.run([str(tmp_path / "mailq")], capture_output=True, text=True, env=env)
    assert re.match(r"----Queue ID----- --Size-- ---Arrival Time---- --Sender/Recipient------\n", r.stdout), r.stdout
    assert re.search(rf"^{qid}\s+\d+ \w{{3}} \w{{3}} [ \d]\d \d\d:\d\d:\d\d a@client\.test\n", r.stdout, re.M), r.stdout
    assert re.search(r"^\s*\(.*Connection refused\)\n\s+b@dead\.test$", r.stdout, re.M), r.stdout
    assert re.search(r"^-- \d+ Kbytes in 1 Request\.$", r.stdout, re.M), r.stdout


@pytest.mark.parametrize("args,status", [(["-i"], 64), (["--no-such"], 64), (["-t", "-i"], 64)])
def test_wrong_use(mta, args, status):
    r = mta.sendmail(b"Subject: nobody\n\nx\n", *args, check=False)
    assert r.returncode == status and r.stderr, (r.returncode, r.stderr)


def test_too_large(mta):
    r = mta.sendmail(b"Subject: x\n\n" + b"0123456789\n" * 1200000, "b@good.test", check=False)
    assert r.returncode not in (0, 64) and b"size" in r.stderr.lower(), (r.returncode, r.stderr)
