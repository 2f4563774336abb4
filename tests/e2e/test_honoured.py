"""Each parameter that is called honoured is read by code outside the catalogue: by its name, as one of a transport's own, or by the default of one that is."""
import glob
import os
import re

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
ROW = re.compile(r'PARAM\((\w+), PARAM_\w+, "((?:[^"\\]|\\.)*)",\s*-?\d+, -?\d+, (\w+), ')


def read(path):
    with open(path, errors="replace") as f:
        return f.read()


def test_honoured_ones_are_read():
    rows = {name: (default, standing) for name, default, standing in ROW.findall(read(f"{TOP}/mtad/conf/params.def"))}
    sources = [read(p) for p in glob.glob(f"{TOP}/mtad/**/*.[ch]", recursive=True) if "/conf/transport.c" not in p] + \
              [read(p) for p in glob.glob(f"{TOP}/mtactl/*.c")]
    text = "\n".join(sources)
    used = set(re.findall(r"\bP_(\w+)", text))
    used |= set(re.findall(r"(?m)^RATE\((\w+), ", read(f"{TOP}/mtad/receive/rates.def")))
    used |= {f"{kind}_{name}" for name in re.findall(r"\bBOTH\([\w>-]+, (\w+)\)", text) for kind in ("smtp", "lmtp")}
    used |= {name for name in rows if f"SPAN(\"{name}\")" in text or f"\"{name}\"" in read(f"{TOP}/mtad/conf/host.c")}
    suffixes = re.findall(r'"(_\w+)", P_', read(f"{TOP}/mtad/conf/transport.c"))
    asked = {s for s in suffixes if f'"{s}"' in text}
    used |= {name for name in rows for s in asked if name.endswith(s)}
    used |= set(re.findall(r"P_(default_\w+|initial_destination_concurrency)", read(f"{TOP}/mtad/conf/transport.c")))
    honoured = {name for name, (_, standing) in rows.items() if standing == "HONOURED"}
    for _ in range(3):
        used |= {n for name in honoured & used for n in re.findall(r"\$[{(]?(\w+)", rows[name][0])} | \
                {n for name in honoured & used for n in re.findall(r"\$\{\{?\$?(\w+)", rows[name][0])}
    assert len(rows) > 958 and len(honoured) > 200
    assert sorted(honoured - used) == []
