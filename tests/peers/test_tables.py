"""Lookup tables beside Debian's postmap and postalias: the same texts, the same keys, the same answers."""
import os
import random
import subprocess

import pytest

from mtadtest import BUILD

CASES = 300
ATOMS = ["a", "B", "ab", "c.d", "user", "User", "x+y", "1", "é", "a_b", "q-q", "zz", "=", "%s", "$1", "\\", "(", "[", "*"]
DOMAINS = ["one.test", "Two.TEST", "sub.one.test", "x", ".one.test", "[192.0.2.1]"]


def run(program, *args, stdin=""):
    r = subprocess.run([*program, *args], capture_output=True, input=stdin.encode())
    return r.returncode, r.stdout.decode(errors="replace"), r.stderr.decode(errors="replace")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tables")
    (folder / "main.cf").write_text("compatibility_level = 3.6\n")
    (folder / "master.cf").write_text("")
    for name in ("dynamicmaps.cf", "dynamicmaps.cf.d"):
        if os.path.exists(f"/etc/postfix/{name}"):
            os.symlink(f"/etc/postfix/{name}", folder / name)
    return folder


def both(folder, name, *args, stdin=""):
    theirs = run([name, "-c", str(folder)], *args, stdin=stdin)
    ours = run([f"{BUILD}/mtactl", name, "-c", str(folder)], *args, stdin=stdin)
    return theirs, ours


def key(r):
    return r.choice([lambda: r.choice(ATOMS), lambda: f"{r.choice(ATOMS)}@{r.choice(DOMAINS)}", lambda: r.choice(DOMAINS),
                     lambda: f'"{r.choice(ATOMS)} {r.choice(ATOMS)}"@x', lambda: "@" + r.choice(DOMAINS)])()


def value(r):
    return r.choice(["OK", "two  words", "a@b.test, c@d.test", "smtp:[h]:25", "é", "\ttab", "550 5.7.1 no $1", "x # y", '"q"'])


def text_of_pairs(r):
    lines = []
    for _ in range(60):
        lines.append(r.choice([f"{key(r)} {value(r)}", f"{key(r)}\t {value(r)} ", f"{key(r)} {value(r)}\n   and {value(r)}", "# a comment", "",
                               "   ", f"{key(r)}", f"{key(r)} a\n# no\n b", f"{key(r)}: {value(r)}", '"open x', f"{key(r)} {value(r)}"]))
    return "\n".join(lines) + "\n"


def keys_of(r):
    keys = [key(r) for _ in range(CASES)]
    return "\n".join(k.swapcase() if k.isascii() and r.random() < .3 else k for k in keys) + "\n"


def types(folder):
    """That Debian's Postfix here has."""
    return subprocess.run(["/usr/sbin/postconf", "-c", str(folder), "-m"], capture_output=True, text=True).stdout.split()


def said(text):
    """Each library's file has a name of its own, and its own way to name it."""
    return [line.split(" in '")[0].split(" -- ")[0].replace(".gdbm:", ":").replace(".db:", ":").replace("warning: lmdb:", "warning: ") for line in text.splitlines()]


@pytest.mark.parametrize("kind", ["hash", "btree", "lmdb", "cdb", "texthash"])
def test_pairs(folder, kind):
    if kind not in types(folder):
        pytest.skip(f"no {kind} in this Postfix")
    r = random.Random(kind)
    for n in range(6):
        (folder / "pairs").write_text(text_of_pairs(r))
        table = f"{kind}:{folder}/pairs"
        if kind != "texthash":
            theirs, ours = both(folder, "postmap", table)
            assert theirs[0] == ours[0] == 0
            assert said(theirs[2]) == said(ours[2]), n
        theirs, ours = both(folder, "postmap", "-q", "-", table, stdin=keys_of(r))
        assert theirs[:2] == ours[:2] and theirs[1] != "", n
        if kind == "cdb":     # which Postfix cannot list
            continue
        theirs, ours = both(folder, "postmap", "-s", table)
        assert sorted(theirs[1].splitlines()) == sorted(ours[1].splitlines()), n


def test_changes(folder):
    """-i, -r, -w, -d on a compiled table."""
    r = random.Random(7)
    table = f"hash:{folder}/changed"
    (folder / "changed").write_text(text_of_pairs(r))
    both(folder, "postmap", table)
    for n in range(10):
        option = r.choice(["-i", "-ri", "-wi"])
        theirs, ours = both(folder, "postmap", option, table, stdin=text_of_pairs(r))
        assert theirs[0] == ours[0] == 0
        words = r.choice([["-d", key(r)], ["-d", "-"]])
        theirs, ours = both(folder, "postmap", *words, table, stdin="\n".join(key(r) for _ in range(5)) + "\n")
        assert theirs[0] == ours[0], (n, words)
        theirs, ours = both(folder, "postmap", "-s", table)
        assert sorted(theirs[1].splitlines()) == sorted(ours[1].splitlines()), n


def test_aliases(folder):
    r = random.Random(11)
    names = ["root", "Post.Master", '"two words"', "owner-list", "a", "B", "list", "x@y"]
    values = ["me", "me, you", "me ,you,  they", '|"/bin/cmd a, b"', '"|/bin/cmd x"', ":include:/etc/list", "/var/mail/file", "\\me, you@x.test",
              "a,\n\tb,\n  c", "a b", ""]
    for n in range(8):
        lines = [f"{r.choice(names)}:{r.choice(['', ' ', '	'])}{r.choice(values)}" for _ in range(25)] + ["no colon", "# c", ""]
        r.shuffle(lines)
        (folder / "aliases").write_text("\n".join(lines) + "\n")
        table = f"hash:{folder}/aliases"
        theirs, ours = both(folder, "postalias", table)
        assert (theirs[0], theirs[2].replace(".db:", ".gdbm:")) == (ours[0], ours[2]), n
        theirs, ours = both(folder, "postalias", "-s", table)
        kept = [line for line in theirs[1].splitlines() if not line.startswith(("@:", "YP_"))]
        assert sorted(kept) == sorted(ours[1].splitlines()), n


PARTS = ["a", "b", ".", "x*", "a+", "(b)", "(a|b)", "[a-c]", "[^b]", "^", "$", "a?", "(.)(.)", "\\.", "q", "[[:digit:]]", "one", "@", "z{2}", "(c*)"]
TEXTS = ["$1", "${1}-$2", "$(2)", "plain", "$$x", "a $1 b", "$3", "$x", "${1", "$", "$0"]


def text_of_patterns(r):
    lines = []
    for _ in range(30):
        end = r.choice("//////|,")
        pattern = "".join(r.choice(PARTS) for _ in range(r.randint(1, 4)))
        if end in pattern:
            end = "/"
        rule = f"{r.choice(['', '', '', '!'])}{end}{pattern}{end}{r.choice(['', '', '', 'i', 'm', 'x'])}"
        lines.append(r.choice([f"{rule} {r.choice(TEXTS)}", f"{rule}\t{r.choice(TEXTS)}", rule, f"if {rule}", "endif", f"IF {rule} extra",
                               "# c", f"{rule} {r.choice(TEXTS)}\n   more", "noise", "/open x", f"/{pattern}/Q x"]))
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("kind", ["regexp", "pcre"])
def test_patterns(folder, kind):
    r = random.Random(kind)
    subjects = ["a", "b", "ab", "abc", "one.test", "a@one.test", "qq", "zz", "1", "x", "", "aXbX", "a.b", "AB", "user@One.Test", "é", "c1", "$"]
    for n in range(15):
        (folder / "patterns").write_text(text_of_patterns(r))
        keys = "\n".join("".join(r.choice(subjects) for _ in range(r.randint(1, 3))) for _ in range(CASES)) + "\n"
        theirs, ours = both(folder, "postmap", "-q", "-", f"{kind}:{folder}/patterns", stdin=keys)
        assert theirs[:2] == ours[:2], n


@pytest.mark.parametrize("kind", ["regexp", "pcre", "cidr"])
def test_rules_in_the_name(folder, kind):
    """pcre:{{/pattern/ text}, {...}}: rules where the table is named."""
    r = random.Random(kind + "{}")
    subjects = ["a", "b", "ab", "abc", "one.test", "zz", "1", "", "aXbX", "é", "10.0.0.1", "10.9.0.1", "192.168.0.7", "2001:db8::1"]
    keys = "\n".join("".join(r.choice(subjects) for _ in range(1 if kind == "cidr" else r.randint(1, 3))) for _ in range(CASES)) + "\n"

    def rule():
        if kind == "cidr":
            return r.choice(["", "", "!"]) + r.choice(["10.0.0.0/8", "10.0.0.1", "192.168.0.0/16", "2001:db8::/32", "0.0.0.0/0"]) + " " + r.choice(["x", "two words", "550 {no}"])
        pattern = "".join(r.choice(PARTS) for _ in range(r.randint(1, 3)))
        return r.choice([f"{r.choice(['', '', '!'])}/{pattern}/{r.choice(['', 'i'])}  {r.choice(['x', 'two words', '{in} braces', '$$1', '${1}'])}",
                         f"if /{pattern}/}}, {{/a/ y$1}}, {{endif"])
    for n in range(6):
        spec = f"{kind}:{{{r.choice(['', ' '])}" + r.choice([", ", ",", " "]).join(f"{{{r.choice(['', ' '])}{rule()}}}" for _ in range(r.randint(1, 6))) + "}"
        theirs, ours = both(folder, "postmap", "-q", "-", spec, stdin=keys)
        assert theirs[:2] == ours[:2], spec
    # postmap takes a second for each of these.
    for spec in ("{ }", "{{/a/ b}", "{{/a/ b} c}", "{{/a\\}/ b}}") if kind == "pcre" else ():
        theirs, ours = both(folder, "postmap", "-q", "a", f"{kind}:{spec}")
        assert theirs[:2] == ours[:2], spec


def test_cidr(folder):
    r = random.Random(5)

    def network():
        if r.random() < .3:
            bits = r.choice([16, 32, 33, 48, 64, 128])
            return r.choice([f"2001:db8::/{bits}", "2001:db8::1", "::/0", f"2001:db8:8000::/{bits}"])
        bits = r.choice([0, 8, 9, 16, 24, 31, 32, 33])
        return r.choice(["10.0.0.0", "10.128.0.0", "10.0.1.0", "192.168.0.0", "10.0.0.1", "0.0.0.0"]) + r.choice([f"/{bits}", ""])
    for n in range(10):
        lines = [r.choice([f"{network()} {value(r)}", f"!{network()} {value(r)}", f"if {network()}", f"if !{network()}", "endif", "# c", network(),
                           "noise x", f"! {network()} x"]) for _ in range(25)]
        (folder / "networks").write_text("\n".join(lines) + "\n")
        keys = "\n".join(r.choice([f"10.{r.choice([0, 1, 128, 200])}.{r.choice([0, 1])}.{r.randint(0, 3)}", f"192.168.0.{r.randint(0, 9)}", "2001:db8::1",
                                   "2001:db8:8000::1", "2001:db9::", "::1", "name", "1.2.3"]) for _ in range(CASES)) + "\n"
        theirs, ours = both(folder, "postmap", "-q", "-", f"cidr:{folder}/networks", stdin=keys)
        assert theirs[:2] == ours[:2], n


def test_inner(folder):
    """inline, static, unionmap, pipemap, randmap, fail, environ."""
    keys = "a\nA\nb\nx\nc d\n\n"
    specs = ["inline:{a=1,b=2}", "inline:{ {a = one two} b=2 }", "inline:{a=1,a=2}", "static:x", "static:{two words}", "unionmap:{inline:{a=1},inline:{a=2,b=3}}",
             "unionmap:{static:x,inline:{a=2,b=3}}", "pipemap:{inline:{a=b},inline:{b=c}}", "pipemap:{inline:{a=b},inline:{c=b}}", "randmap:{one}",
             "pipemap:{inline:{x=y},fail:z}", "environ:x", "pipemap:{unionmap:{inline:{a=1},inline:{a=2}},inline:{{1,2=both}}}", "fail:x", "unionmap:{static:a,fail:b}"]
    for spec in specs:
        theirs, ours = both(folder, "postmap", "-q", "-", spec, stdin=keys)
        assert theirs[:2] == ours[:2], spec


WORDS = ["a", "b", "A", "ab", "c d", "x=y", "1", "one.test", "u@one.test", "", "zz", "é", "{", "}", ","]


def inline_spec(r):
    pairs = []
    for _ in range(r.randint(1, 5)):
        k, v = r.choice(["a", "b", "ab", "1", "zz", "A", "one.test"]), r.choice(["1", "b", "ab", "x-y", "$1", "zz", "u@one.test"])
        pairs.append(r.choice([f"{k}={v}", f"{k} = {v}", "{" + f"{k} = {v} {v}" + "}"]) if r.random() < .5 else f"{k}={v}")
    return "inline:{ " + ", ".join(p if p.startswith("{") or " " not in p else "{" + p + "}" for p in pairs) + " }"


def static_spec(r):
    return r.choice([f"static:{r.choice(['x', 'a,b', '$1', 'é', '=', 'x:y'])}", "static:{ " + r.choice(["two words", "x", "a, b", "k = v"]) + " }"])


def inner(r):
    return r.choice([inline_spec, inline_spec, static_spec])(r)


def union_spec(r):
    return "unionmap:{ " + ", ".join(inner(r) for _ in range(r.randint(1, 3))) + " }"


def pipe_spec(r):
    return "pipemap:{ " + ", ".join(r.choice([inner, inline_spec])(r) for _ in range(r.randint(1, 3))) + " }"


@pytest.mark.parametrize("make", [inline_spec, static_spec, union_spec, pipe_spec])
def test_generated_inner(folder, make):
    """At least 300 questions of each type."""
    r = random.Random(make.__name__)
    for n in range(16):
        spec = make(r)
        keys = "\n".join(r.choice(WORDS) for _ in range(25)) + "\n"
        theirs, ours = both(folder, "postmap", "-q", "-", spec, stdin=keys)
        assert theirs[:2] == ours[:2], (n, spec)


def test_generated_environ(folder, monkeypatch):
    r = random.Random(3)
    for name in ("MTAD_T1", "MTAD_t2", "MTAD_EMPTY", "lower"):
        monkeypatch.setenv(name, "" if name.endswith("EMPTY") else r.choice(["x", "two words", "é"]))
    keys = "\n".join(r.choice(["MTAD_T1", "MTAD_t2", "mtad_t2", "MTAD_EMPTY", "lower", "LOWER", "HOME", "nosuch", "", "a=b"]) for _ in range(CASES)) + "\n"
    theirs, ours = both(folder, "postmap", "-q", "-", "environ:x", stdin=keys)
    assert theirs[:2] == ours[:2] and theirs[1] != ""


def test_generated_randmap(folder):
    """One of several, whatever the key."""
    keys = "\n".join(str(n) for n in range(CASES)) + "\n"
    for values in (["one"], ["a", "b"], ["x", "y", "z"]):
        spec = "randmap:{ " + ", ".join(v if " " not in v else "{" + v + "}" for v in values) + " }"
        for status, out, _ in both(folder, "postmap", "-q", "-", spec, stdin=keys):
            lines = [line.split("\t") for line in out.splitlines()]
            assert status == 0 and [k for k, _ in lines] == keys.split() and {v for _, v in lines} == set(values), spec


def test_fail(folder):
    """Each key ends it with an error, so each is a run of its own."""
    for key in ("a", "b c", "é"):
        theirs, ours = both(folder, "postmap", "-q", key, "fail:x")
        assert theirs[:2] == ours[:2] == (1, "") and "query error" in theirs[2] and "query error" in ours[2], key
