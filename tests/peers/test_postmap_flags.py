"""Each option of postmap, postalias and newaliases beside Debian's: what is printed, the exit status, what the file holds and who may read it."""
import os
import random
import shutil
import subprocess

import pytest

from mtadtest import BUILD

TEXT = "A one\nb two words\n# c\nC  x\n   and more\n\"a b\" quoted\n\nd\nA again\n"
MESSAGE = """From: a@b.test
Subject: one
\tand more
X-Empty:
Mime-Version: 1.0
Content-Type: multipart/mixed; boundary=XX

preamble
--XX
Content-Type: text/plain
X-Part: 1

part body
.

--XX
Content-Type: message/rfc822

Subject: inner
To: x

inner body
--XX
Content-Type: multipart/alternative; boundary="YY"

--YY
Content-Type: text/html

<a>
--YY--
--XX--
epilogue
"""


@pytest.fixture
def folders(tmp_path):
    """One for each side, so that neither sees the other's files."""
    made = []
    for side in ("theirs", "ours"):
        folder = tmp_path / side
        folder.mkdir()
        os.chmod(folder, 0o755)
        (folder / "main.cf").write_text(f"compatibility_level = 3.6\nalias_database = hash:{folder}/aliases\nalias_maps =\n")
        (folder / "master.cf").write_text("")
        for name in ("dynamicmaps.cf", "dynamicmaps.cf.d"):
            if os.path.exists(f"/etc/postfix/{name}"):
                os.symlink(f"/etc/postfix/{name}", folder / name)
        (folder / "t").write_text(TEXT)
        (folder / "u").write_text("b other\nz last\n")
        (folder / "lower").write_text("a one\n")
        (folder / "p").write_text("/^(.*)$/ [$1]\n")
        (folder / "sub").write_text("/^Subject: (.*)/ $1\n/body/ yes\n")
        (folder / "aliases").write_text("Root: me , you\nlist: |\"/bin/x a,b\",\n :include:/x\nbad line\na@b: c\n\"two words\": x\n")
        (folder / "f1").write_text("one\n")
        (folder / "f2").write_text("two")
        (folder / "files").write_text(f"a {folder}/f1\nb {folder}/f1, {folder}/f2\nc {folder}/nosuch\nd\n")
        (folder / "notb64").write_text("q !!!\n")
        (folder / "m").write_text(MESSAGE)
        made.append(folder)
    return made


def run(folder, program, words, stdin="", umask=0o022):
    args = [w.replace("@", str(folder)) if "@" in w and "DIR" not in w else w.replace("DIR", str(folder)) for w in words]
    r = subprocess.run([*program, *args], capture_output=True, input=stdin.encode(), umask=umask, cwd=folder)
    clean = [s.decode(errors="replace").replace(str(folder), "DIR") for s in (r.stdout, r.stderr)]
    return r.returncode, *clean


def both(folders, name, *words, stdin="", conf=True):
    words = (["-c", "DIR"] if conf else []) + list(words)
    return run(folders[0], [f"/usr/sbin/{name}"], words, stdin), run(folders[1], [f"{BUILD}/mtactl", name], words, stdin)


def same(folders, name, *words, stdin="", errors=True, conf=True):
    """Output and exit status; what is said, but for the names of compiled files."""
    theirs, ours = both(folders, name, *words, stdin=stdin, conf=conf)
    assert theirs[:2] == ours[:2], (words, theirs, ours)
    if errors:
        assert theirs[2].replace(".db:", ".gdbm:") == ours[2], words
    return theirs


def entries(folders, table):
    theirs, ours = both(folders, "postmap", "-s", table)
    assert (theirs[0], sorted(theirs[1].splitlines())) == (ours[0], sorted(ours[1].splitlines())), table
    return sorted(theirs[1].splitlines())


def test_building(folders):
    same(folders, "postmap", "hash:DIR/t", "btree:DIR/u")
    assert entries(folders, "hash:DIR/t") == ["\"a b\"\tquoted", "a\tone", "b\ttwo words", "c\tx   and more"]
    for words in (["-w"], ["-r"], ["-o"], ["-v"], ["-n"], ["-N"], ["-u"], ["-wo"], ["-f"], ["-fr"], ["-p"]):
        same(folders, "postmap", *words, "hash:DIR/t", errors=words != ["-v"])
        entries(folders, "hash:DIR/t")
    # The last of a key where -r says so.
    same(folders, "postmap", "-r", "hash:DIR/t")
    same(folders, "postmap", "-q", "a", "hash:DIR/t")


def test_rights(folders):
    for mode in (0o600, 0o640, 0o644, 0o666, 0o604):
        for options in ([], ["-p"]):
            for folder, file in zip(folders, ("t.db", "t.gdbm")):
                if os.path.exists(folder / file):
                    os.unlink(folder / file)
                os.chmod(folder / "t", mode)
            same(folders, "postmap", *options, "hash:DIR/t")
            assert os.stat(folders[0] / "t.db").st_mode == os.stat(folders[1] / "t.gdbm").st_mode, (oct(mode), options)


def test_asking(folders):
    same(folders, "postmap", "hash:DIR/t", "hash:DIR/u")
    for key in ("a", "A", "a b", "nosuch", "b", "", "c", "d", "é"):
        same(folders, "postmap", "-q", key, "hash:DIR/t", errors=key != "")
        same(folders, "postmap", "-q", key, "hash:DIR/u", "hash:DIR/t", errors=key != "")
        same(folders, "postmap", "-fq", key, "hash:DIR/t", errors=key != "")
    for stdin in ("a\nb\nnosuch\n", "nosuch\n", "", "a", "z\na\n"):
        same(folders, "postmap", "-q", "-", "hash:DIR/u", "hash:DIR/t", stdin=stdin)
    for words in (["-q", "a", "hash:DIR/none"], ["-q", "a", "texthash:DIR/none"], ["-q", "a", "nosuchtype:x"], ["-s", "regexp:DIR/p"], ["-s", "static:x"]):
        theirs, ours = both(folders, "postmap", *words)
        assert theirs[:2] == ours[:2] and theirs[2] != "" and ours[2] != "", words


def test_changing(folders):
    r = random.Random(4)
    same(folders, "postmap", "hash:DIR/t")
    for words, stdin in ((["-i"], "new 1\n"), (["-i"], "A dup\n"), (["-ri"], "A dup\n"), (["-wi"], "A three\nq 2\n"), (["-i"], "bad\n"), (["-fi"], "KEPT case\n"),
                         (["-d", "A"], ""), (["-d", "A"], ""), (["-d", "nosuch"], ""), (["-d", "-"], "b\nnosuch\n"), (["-d", "-"], "nosuch\n"), (["-d", "-"], ""),
                         (["-fd", "KEPT"], ""), (["-d", "a b"], ""), (["-i"], "")):
        same(folders, "postmap", *words, "hash:DIR/t", stdin=stdin)
        entries(folders, "hash:DIR/t")
    for n in range(10):
        text = "".join(f"{r.choice('abcdefgh')} {n}\n" for _ in range(5))
        same(folders, "postmap", r.choice(["-i", "-ri", "-wi"]), "btree:DIR/inc", stdin=text)
        entries(folders, "btree:DIR/inc")
    for words in (["-d", "a", "hash:DIR/none"], ["-d", "a", "texthash:DIR/t"], ["-i", "texthash:DIR/t"], ["texthash:DIR/t"], ["hash:DIR/none"]):
        theirs, ours = both(folders, "postmap", *words)
        assert theirs[:2] == ours[:2] and theirs[2] != "" and ours[2] != "", words


@pytest.mark.parametrize("table", ["p", "sub"])
def test_messages(folders, table):
    messages = [MESSAGE, "", "\n", "From: a\n", "From: a\n\n", "From: a\nbody", " x\nFrom: a\n", "From a b\nSubject: x\n\nbody\n", "Fr om: a\n\nbody\n",
                "Subject: x\n y\n\tz\n\n\n\nend\n", "Subject : x\n\nb\n", "A: 1\n\n" + "x" * 1000 + "\nbody\n", MESSAGE.replace("XX", "Q Q"), "\nSubject: body\n",
                "Content-Type: multipart/mixed; boundary=a\nMIME-Version: 1.0\n\n--a\nX: 1\nbody\n--a--\n", "Content-Type: message/rfc822\nMIME-Version: 1.0\n\nSubject: n\n\nbody\n"]
    for options in ("-h", "-b", "-hb", "-hm", "-bm", "-hbm", "-bu", "-hU"):
        for message in messages:
            same(folders, "postmap", options, "-q", "-", f"pcre:DIR/{table}", stdin=message)


def test_files(folders):
    for options in (["-F"], ["-Fr"]):
        same(folders, "postmap", *options, "hash:DIR/files")
    entries(folders, "hash:DIR/files")
    for key in ("a", "b", "c", "nosuch"):
        same(folders, "postmap", "-Fq", key, "hash:DIR/files")
    same(folders, "postmap", "-Fq", "-", "hash:DIR/files", stdin="a\nx\n")
    same(folders, "postmap", "-Fi", "hash:DIR/files", stdin=f"z {folders[0]}/f2\n")
    entries(folders, "hash:DIR/files")
    same(folders, "postmap", "hash:DIR/notb64")
    same(folders, "postmap", "-Fs", "hash:DIR/notb64")
    theirs, ours = both(folders, "postmap", "-Fq", "q", "hash:DIR/notb64")
    assert theirs[:2] == ours[:2] == (1, "") and theirs[2].replace(".db", "") == ours[2].replace(".gdbm", "")
    (folders[0] / "one").write_text(f"a {folders[0]}/f1\n")
    (folders[1] / "one").write_text(f"a {folders[1]}/f1\n")
    same(folders, "postmap", "-Fq", "a", "texthash:DIR/one")
    same(folders, "postmap", "-Fq", "a", "inline:{a=DIR/f1}")


def test_what_does_not_go_together(folders):
    for words in (["-h", "-q", "x", "pcre:DIR/p"], ["-b", "pcre:DIR/p"], ["-m", "-q", "-", "pcre:DIR/p"], ["-hm", "-d", "x", "hash:DIR/t"], ["-s", "-q", "a", "hash:DIR/t"],
                  ["-i", "-s", "-q", "x", "hash:DIR/t"], ["-s", "-d", "x", "hash:DIR/t"], ["-q", "a", "-d", "b", "hash:DIR/t"]):
        same(folders, "postmap", *words)
    for name in ("postmap", "postalias"):
        for words in ([], ["-Z", "hash:DIR/t"], ["-q"], ["-q", "a"]):
            theirs, ours = both(folders, name, *words)
            assert theirs[:2] == ours[:2] and theirs[2] != "" and ours[2] != "", (name, words)
    same(folders, "postalias", "-h", "hash:DIR/t", errors=False)
    theirs, ours = both(folders, "postmap", "-c", "/nosuch", "-q", "a", "texthash:DIR/lower", conf=False)
    assert theirs[:2] == ours[:2] or theirs[0] != 0


def test_postalias(folders):
    for words in ([], ["-w"], ["-r"], ["-o"], ["-p"], ["-n"], ["-N"], ["-f"], ["-u"]):
        same(folders, "postalias", *words, "hash:DIR/aliases")
        theirs, ours = both(folders, "postalias", "-s", "hash:DIR/aliases")
        kept = sorted(line for line in theirs[1].splitlines() if not line.startswith(("@:", "YP_")))
        assert (theirs[0], kept) == (ours[0], sorted(ours[1].splitlines())), words
    same(folders, "postalias", "hash:DIR/aliases")
    for key in ("root", "ROOT", "list", "two words", "nosuch"):
        same(folders, "postalias", "-q", key, "hash:DIR/aliases")
    same(folders, "postalias", "-q", "-", "hash:DIR/aliases", stdin="root\nlist\nx\n")
    same(folders, "postalias", "-i", "hash:DIR/aliases", stdin="new: target, other\n")
    same(folders, "postalias", "-q", "new", "hash:DIR/aliases")
    same(folders, "postalias", "-d", "new", "hash:DIR/aliases")
    same(folders, "postalias", "-d", "new", "hash:DIR/aliases")


def test_newaliases(folders):
    env = {**os.environ}
    results = []
    for folder, program in zip(folders, (["/usr/sbin/sendmail", "-I"], [f"{BUILD}/mtactl", "newaliases"])):
        r = subprocess.run(program, capture_output=True, text=True, env={**env, "MAIL_CONFIG": str(folder)})
        results.append((r.returncode, r.stdout, r.stderr.replace(str(folder), "DIR").replace(".db:", ".gdbm:").replace("postalias:", "newaliases:")))
    assert results[0] == results[1]
    same(folders, "postalias", "-q", "root", "hash:DIR/aliases")


def test_postfix_is_here():
    assert shutil.which("postmap", path="/usr/sbin")
