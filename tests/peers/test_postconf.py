"""postconf beside Debian's own, on twenty configurations as sites have them: what it shows, and what it makes of a file."""
import os
import re
import shutil
import subprocess

import pytest
from mtadtest import BUILD

pytestmark = pytest.mark.skipif(shutil.which("postconf") is None, reason="Debian's postfix is not installed")
SITES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "sites")
NAMES = sorted(os.listdir(SITES))

# What differs by the host or by the program, whatever the configuration: docs/deviations.md.
OWN = r"(config_directory|mail_version|mail_name|alternate_config_directories)\b"


LEGACY = ("fallback_relay", "postscreen_whitelist_interfaces", "smtpd_client_connection_limit_exceptions", "virtual_maps")


def run(program, folder, *args):
    r = subprocess.run([*program, "-c", str(folder), *args], capture_output=True, timeout=60)
    out = [line for line in r.stdout.decode().replace(str(folder), "DIR").splitlines() if not re.match(OWN, line)]
    return r.returncode, out, r.stderr.decode().replace(str(folder), "DIR")


def both(folder, *args):
    return run(["postconf"], folder, *args), run([f"{BUILD}/mtactl", "postconf"], folder, *args)


def unused(text):
    return sorted(set(re.findall(r"unused parameter: (.*)", text)))


def test_there_are_twenty():
    assert len(NAMES) >= 20


@pytest.mark.parametrize("site", NAMES)
@pytest.mark.parametrize("option", ["-n", "-nf", "-nH", "-nh", "-M", "-Mf", "-P", "-Pf", "-PH", "-F", "-Ff", "-Fh", "-C user -n", "-C service -n"])
def test_shown(site, option):
    theirs, ours = both(f"{SITES}/{site}", *option.split())
    if option == "-Fh":             # theirs has the program and its first argument without a blank between
        theirs, ours = ((r[0], [re.sub(r"\s", "", line) for line in r[1]], r[2]) for r in (theirs, ours))
    if option == "-C user -n":      # older names are names of the catalogue here
        theirs[1][:] = [line for line in theirs[1] if line.split(" =")[0] not in LEGACY]
    assert ours[:2] == theirs[:2]
    assert unused(ours[2]) == unused(theirs[2])


@pytest.mark.parametrize("site", NAMES)
@pytest.mark.parametrize("option", ["-nx", "-Px", "-Mx"])
def test_expanded(site, option):
    theirs, ours = both(f"{SITES}/{site}", *option.split())

    def plain(lines):
        return [re.sub(r"/var/(spool|lib)/(postfix|mtad)\b", r"/var/\1/MTA", re.sub(r"\b(Postfix|mtad)\b(?!/)", "MTA", line)) for line in lines]
    assert ours[0] == theirs[0] and plain(ours[1]) == plain(theirs[1])


EDITS = [
    ["-e", "relayhost = [c.test]"],
    ["new_name=1"],
    ["relayhost="],
    ["-X", "mynetworks", "relayhost", "nosuch"],
    ["-#", "mydestination", "mynetworks", "relayhost"],
    ["-M", "smtp/inet=smtp inet n - n - - smtpd -o x=y"],
    ["-M", "new/unix=new unix - - n - - smtp -o { a = b  c } -v"],
    ["-M#", "smtp/inet"],
    ["-MX", "*/unix"],
    ["-M#", "local/*"],
    ["-F", "smtp/inet/chroot=n", "local/unix/process_limit=7"],
    ["-F", "smtp/inet/command=smtpd -v -o q=r"],
    ["-F", "*/*/chroot=n"],
    ["-P", "smtp/inet/smtpd_timeout=4", "*/unix/syslog_name=zz"],
    ["-PX", "*/*/smtpd_banner", "*/*/stress"],
]


@pytest.mark.parametrize("site", NAMES)
def test_edits(site, tmp_path):
    """The same bytes afterwards, the same status. Where Postfix moves the comments around a line that it changed, they are left out."""
    def said(text, args):
        moved = args[0] in ("-F", "-P", "-PX")
        return [line for line in text.split("\n") if line.strip() and not line.lstrip().startswith("#")] if moved else text
    for args in EDITS:
        result = []
        for program in (["postconf"], [f"{BUILD}/mtactl", "postconf"]):
            copy = tmp_path / "site"
            shutil.rmtree(copy, ignore_errors=True)
            shutil.copytree(f"{SITES}/{site}", copy)
            status, out, _ = run(program, copy, *args)
            result.append((status, out, (copy / "main.cf").read_text(), said((copy / "master.cf").read_text(), args)))
        assert result[0] == result[1], args


STATUS = [
    ["-e"], ["-X"], ["-#"], ["-M#"], ["-MX"], ["-e", "relayhost"], ["-e", "a b=3"], ["-X", "a=b"], ["-e", "x=a\n b"], ["-n", "-X", "relayhost"],
    ["-e", "-d", "x=y"], ["-F", "smtp/inet/nofield=n"], ["-F", "smtp/inet/private=q"], ["-F", "smtp/inet/wakeup=x"], ["-C", "nonsense", "-n"],
    ["-X", "-o", "a=b", "relayhost"], ["-nM"], ["-MF"], ["-Fd"], ["-Pd"], ["-Mn"], ["-ea"], ["-n", "x=y"], ["-xe", "x=y"], ["-he", "x=y"], ["-ap"], ["-lm"],
    ["-dn"], ["-M", "d/unix=d unix - - n"], ["-M", "d=x"], ["-P", "d/unix=x"], ["-PX", "d/unix"], ["-P#", "d/unix/a"], ["-FX", "d/unix/chroot"],
    ["-P", "smtp/inet/bar=x y"], ["-F", "nosuch/unix/chroot=n"], ["-P", "nosuch/unix/zz=1"], ["-M", "smtp/inet", "nosuch/unix"], ["nosuch_parameter"],
    ["-h", "myhostname"], ["-H", "myhostname"], ["-o", "relayhost=zz", "relayhost"], ["-xd", "default_transport"], ["-p", "myhostname"], ["-z"],
]


@pytest.mark.parametrize("args", STATUS, ids=[" ".join(a).replace("\n", "-") for a in STATUS])
def test_status(args, tmp_path):
    """Status and output; of fatal errors the same words, but for the usage."""
    shutil.copytree(f"{SITES}/debian", tmp_path / "site")
    theirs, ours = both(tmp_path / "site", *args)

    def words(text):
        return [line for line in text.splitlines() if "usage:" not in line and "invalid option" not in line and "unused parameter" not in line]
    assert ours[:2] == theirs[:2] and words(ours[2]) == words(theirs[2])


def test_no_files(tmp_path):
    for args in (["-n"], ["-M"], ["-e", "a=b"]):
        theirs, ours = both(tmp_path, *args)
        assert ours[:2] == theirs[:2], args
    (tmp_path / "main.cf").write_text("myhostname = a.test\ncompatibility_level = 3.6\n")
    theirs, ours = both(tmp_path, "-n")
    assert ours[:2] == theirs[:2]


def test_what_is_built_in(tmp_path):
    """Of what Postfix was built with, mtad has a part, or says that it has not."""
    (tmp_path / "main.cf").write_text("")
    (theirs, ours) = both(tmp_path, "-m")
    assert set(theirs[1]) - set(ours[1]) <= {"internal", "nis"} and set(ours[1]) - set(theirs[1]) <= {"gdbm"}
    assert set(run([f"{BUILD}/mtactl", "postconf"], tmp_path, "-l")[1]) == {"fcntl", "dotlock"}
    assert run([f"{BUILD}/mtactl", "postconf"], tmp_path, "-a")[:2] == (0, ["dovecot", "gsasl"])
    assert run([f"{BUILD}/mtactl", "postconf"], tmp_path, "-A")[:2] == (0, ["gsasl"])
    (theirs, ours) = both(tmp_path, "-T", "public-key-algorithms")
    assert set(theirs[1]) - {"ed25519", "ed448"} <= set(ours[1]) <= {"dsa", "ecdsa", "ed25519", "ed448", "rsa"}
    for mode in ("compile-version", "run-version"):
        status, out, _ = run([f"{BUILD}/mtactl", "postconf"], tmp_path, "-T", mode)
        assert status == 0 and re.fullmatch(r"GnuTLS 3\.\d+\.\d+", out[0])
