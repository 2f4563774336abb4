"""README's screens are what the programs print today: the same form, whatever the IDs, times and counts."""
import sys

from mtadtest import BUILD, ROOT
from test_walk import demo_port

sys.path.insert(0, f"{ROOT}/tests/demo")
import screens  # noqa: E402


def test_readme_is_up_to_date():
    with open(f"{ROOT}/README.md") as f:
        shown = {m[2]: m[3] for m in screens.MARK.finditer(f.read())}
    made = screens.screens(BUILD, demo_port())
    assert set(shown) == set(made)
    for name, text in made.items():
        assert screens.mask(shown[name]) == screens.mask(text), f"{name}: make screens\n{text}"
