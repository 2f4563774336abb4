#!/usr/bin/python3
"""No function over 100 lines, no source file over 600: prints each that is, exits 1."""
import re
import subprocess
import sys

START = re.compile(r"^([a-z_][A-Za-z0-9_]*)\(")


def functions(path):
    name, start, at = None, None, 0
    with open(path, encoding="utf-8", errors="replace") as f:
        for number, line in enumerate(f, 1):
            if START.match(line):
                name, at = START.match(line).group(1), number
            elif line.startswith("{") and name:
                start = number
            elif line.startswith("}"):
                if start:
                    yield name, at, number - start
                name = start = None


def main():
    files = subprocess.run(["git", "ls-files", "*.c", "*.h"], capture_output=True, text=True, check=True).stdout.split()
    bad = 0
    for path in files:
        for name, at, lines in functions(path):
            if lines > 100:
                print(f"{path}:{at}: {name} has {lines} lines")
                bad += 1
        count = sum(1 for _ in open(path, encoding="utf-8", errors="replace"))
        if count > 600:
            print(f"{path}: {count} lines")
            bad += 1
    print("sizes: clean" if bad == 0 else f"sizes: {bad} too long")
    return bad > 0


sys.exit(main())
