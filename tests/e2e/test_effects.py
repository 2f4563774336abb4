"""Each parameter that is called honoured changes something that can be seen (the tables in effects/)."""
import importlib
import os

import pytest

from effects import judge, run

HERE = os.path.dirname(os.path.abspath(__file__))
TABLES = sorted(n[:-3] for n in os.listdir(f"{HERE}/effects") if n.endswith(".py"))
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="some parameters are about other users")


def table(name):
    spec = importlib.util.spec_from_file_location(f"effects_{name}", f"{HERE}/effects/{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", TABLES)
def test_effects(name, tmp_path):
    faults = []
    for row, (a, b) in run(table(name).world(tmp_path)):
        faults += [f"{row.name}: {fault}" for fault in judge(row, a, b)]
    assert not faults, "\n" + "\n".join(faults)
