"""main.cf's $expansion beside Debian's postconf -x: generated values, from a seed that a failure names."""
import os
import random
import subprocess

import pytest
from mtadtest import BUILD

SEED = int(os.environ.get("EXPANSION_SEED", "1"))
CASES = int(os.environ.get("EXPANSION_CASES", "400"))
BASE = "compatibility_level = 3.6\nmyhostname = mail.site.test\nmydomain = site.test\n"
WORDS = ["a", "one", "two words", "10", "9", "010", "-3", "3.6", "", "a,b", "x/y", "b c  d", "yes", "no", "$$", "a$$b", "q:r", "é", "#", "'s'", '"t"']
OPERATORS = ["==", "!=", "<", "<=", ">", ">=", "<=level", "<level", ">level", ">=level", "=="]


class Maker:
    """Expressions in which a parameter refers to earlier ones only, so that none leads back to itself."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.names = []

    def name(self):
        known = ["myhostname", "mydomain", "undefined_name", "empty_one", "double_bounce_sender", "compatibility_level"]
        return self.random.choice((self.names[-30:] or known) + known)

    def text(self, depth):
        parts = [self.piece(depth) for _ in range(self.random.randint(0, 3))]
        return self.random.choice(["", " "]).join(parts)

    def piece(self, depth):
        kind = self.random.randint(0, 9 if depth > 0 else 4)
        if kind <= 2:
            return self.random.choice(WORDS)
        n = self.name()
        if kind == 3:
            return self.random.choice(["$" + n, "${" + n + "}", "$(" + n + ")", "${ " + n + " }"])
        if kind == 4:
            return self.random.choice(WORDS) + "${" + n + "}"
        if kind in (5, 6):      # an old form: no braces, so nothing in it that would end it
            return "${" + n + self.random.choice("?:") + self.random.choice(["a", "b c", "$mydomain", "", "${mydomain}"]) + "}"
        blank = self.random.choice(["", " "])
        if kind == 7:
            return "${" + n + blank + self.random.choice("?:") + blank + "{" + self.text(depth - 1) + "}" + blank + "}"
        if kind == 8:
            return "${" + n + "?{" + self.text(depth - 1) + "}" + blank + ":" + blank + "{" + self.text(depth - 1) + "}}"
        left, right = (self.random.choice(["$" + n, self.random.choice(WORDS).replace("$$", ""), "${" + n + "}"]) for _ in range(2))
        operator = self.random.choice(OPERATORS)
        if "level" in operator:
            left, right = (self.random.choice(["$compatibility_level", "3.6", "2", "3.10", "0", "3.6.1"]) for _ in range(2))
        return ("${{" + left + "}" + blank + operator + blank + "{" + right + "}" + blank + "?" + blank +
                "{" + self.text(depth - 1) + "}" + self.random.choice([":{" + self.text(depth - 1) + "}", ""]) + "}")

    def line(self, i):
        value = self.text(2)
        name = f"case_{i}"
        self.names.append(name)
        return f"{name} = {value}\n"


def run(program, folder, names):
    r = subprocess.run([*program, "-c", folder, "-x", *names], capture_output=True, timeout=60)
    return r.stdout.decode(errors="replace").splitlines(), r.stderr.decode(errors="replace")


def test_generated_values_expand_as_postconf_expands_them(tmp_path):
    maker = Maker(SEED)
    lines = ["empty_one =\n"] + [maker.line(i) for i in range(CASES)]
    # A name counts as known to postconf only where something that it knows refers to it.
    uses = "smtpd_restriction_classes = " + ", ".join(maker.names + ["empty_one"]) + "\n"
    (tmp_path / "main.cf").write_text(BASE + "".join(lines) + uses)
    (tmp_path / "master.cf").write_text("smtp inet n - n - - smtpd\n")
    theirs, their_words = run(["postconf"], tmp_path, maker.names)
    ours, our_words = run([f"{BUILD}/mtactl", "postconf"], tmp_path, maker.names)
    assert len(theirs) > CASES * 0.9, their_words
    different = [(line, t, o) for line, t, o in zip(lines[1:], theirs, ours) if t != o]
    print(*(f"{line}  postconf: {t}\n  mtactl:   {o}" for line, t, o in different[:20]), sep="\n")
    assert not different and len(ours) == len(theirs), f"EXPANSION_SEED={SEED}: {len(different)} differ\n{our_words}"
    assert sum("$" in line for line in lines) > CASES / 2
