"""Each parameter that is called honoured changes something that can be seen (the tables in effects/)."""
import glob
import importlib
import os
import re

import pytest

from effects import judge, run

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
TABLES = sorted(n[:-3] for n in os.listdir(f"{HERE}/effects") if n.endswith(".py"))


def table(name):
    spec = importlib.util.spec_from_file_location(f"effects_{name}", f"{HERE}/effects/{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.skipif(os.geteuid() != 0, reason="some parameters are about other users")
@pytest.mark.parametrize("name", TABLES)
def test_effects(name, tmp_path):
    os.chmod(tmp_path, 0o755)
    faults = []
    for row, (a, b) in run(table(name).world(tmp_path)):
        faults += [f"{row.name}: {fault}" for fault in judge(row, a, b)]
    assert not faults, "\n" + "\n".join(faults)


ROW = re.compile(r'PARAM\((\w+), PARAM_\w+, "((?:[^"\\]|\\.)*)",\s*-?\d+, -?\d+, (\w+), ')


def set_somewhere(name, default, texts):
    """The test files that give it another value than its default: as "name": "value", name="value" or name = value."""
    rx = re.compile(rf'(?<![\w$]){name}["\']?\]?\s*[:=,]\s*(?:f?["\'])?([^"\'\n]+)')
    return [path for path, text in texts.items() if name in text and any(m.group(1).strip() != default for m in rx.finditer(text))]


def test_every_honoured_one_has_a_row():
    with open(f"{TOP}/mtad/conf/params.def") as f:
        honoured = {name: default for name, default, standing in ROW.findall(f.read()) if standing == "HONOURED"}
    rows = {r.name for t in TABLES for r in table(t).ROWS}
    assert len(rows) > 250 and sorted(rows - set(honoured)) == []
    texts = {}
    for kind in ("e2e/test_*.py", "peers/test_*.py", "unit/*/*.c"):
        for path in glob.glob(f"{TOP}/tests/{kind}"):
            name = os.path.relpath(path, f"{TOP}/tests")
            if "honoured" not in name and "effects" not in name and "/lint/" not in name and "/conf/" not in name:
                with open(path, errors="replace") as f:
                    texts[path] = f.read()
    seen = {n for n, default in honoured.items() if n in rows or set_somewhere(n, default, texts)}
    # The two clients are one program, which reads each such parameter by one of two names: BOTH(lmtp, name).
    bare = [n for n in honoured if n not in seen and not (n.startswith("lmtp_") and "smtp_" + n[5:].replace("lhlo", "ehlo") in seen)]
    assert sorted(bare) == [], "honoured, but neither a row of effects/ nor another test sets these"
