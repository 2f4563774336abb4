#!/usr/bin/python3
"""Runs the sets of tests and closes with "N passed, N failed".

  tests/run.py --build build/release check|peers|soak [-k NAME]
"""
import argparse
import concurrent.futures
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class Tally:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0

    def add(self, passed=0, failed=0, skipped=0):
        self.passed += passed
        self.failed += failed
        self.skipped += skipped

    def step(self, name, command, timeout=900, env=None):
        """A command that counts as one test."""
        start = time.monotonic()
        try:
            r = subprocess.run(command, capture_output=True, text=True, timeout=timeout, errors="replace",
                               env={**os.environ, **(env or {})}, stdin=subprocess.DEVNULL)
            ok, output = r.returncode == 0, r.stdout + r.stderr
        except subprocess.TimeoutExpired as e:
            ok, output = False, f"no end after {timeout} s\n{e.stdout or ''}"
        print(f"{'ok' if ok else 'FAILED':6} {name} ({time.monotonic() - start:.1f} s)", flush=True)
        if not ok:
            print("\n".join(output.splitlines()[-60:]), flush=True)
        self.add(passed=ok, failed=not ok)
        return output


def unit(tally, build):
    for program in sorted(glob.glob(f"{build}/tests/unit/*/*_test")):
        start = time.monotonic()
        try:
            r = subprocess.run([program], capture_output=True, text=True, timeout=600, errors="replace",
                               stdin=subprocess.DEVNULL)
            status, output = r.returncode, r.stdout + r.stderr
        except subprocess.TimeoutExpired:
            status, output = 1, "no end after 600 s"
        passed = len(re.findall(r"^\[       OK \]", output, re.M))
        skipped = len(re.findall(r"^\[  SKIPPED \] (?!\d+ test)", output, re.M))
        failed = len(re.findall(r"^\[  FAILED  \] (?!\d+ test)", output, re.M)) // 2
        if status != 0 and failed == 0:
            failed = 1
        if status == 0 and passed + skipped == 0:
            status, failed = 1, 1
            output += "\nran no test"
        name = os.path.relpath(program, f"{build}/tests/unit")
        print(f"{'ok' if status == 0 else 'FAILED':6} unit {name}: {passed} ({time.monotonic() - start:.1f} s)", flush=True)
        if status != 0:
            print("\n".join(output.splitlines()[-60:]), flush=True)
        tally.add(passed, failed, skipped)


def pytest_file(build, base, path, extra):
    """One file in a process of its own, with a temporary folder of its own: pytest closes the usual one to others for a moment, under the feet of the
    daemons of other files' tests. Its output, and (passed, failed, skipped)."""
    report = f"{build}/report-{os.path.basename(path)}.xml"
    if os.path.exists(report):
        os.unlink(report)
    env = {**os.environ, "MTAD_BUILD": os.path.abspath(build), "PYTHONDONTWRITEBYTECODE": "1"}
    start = time.monotonic()
    r = subprocess.run(["/usr/bin/python3", "-m", "pytest", "-p", "no:cacheprovider", "-q", "--tb=short", "--durations=3",
                        f"--basetemp={base}", f"--junitxml={report}", path, *extra], env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT, text=True, errors="replace")
    output = f"{r.stdout}== {path} ({time.monotonic() - start:.0f} s)\n"
    shutil.rmtree(base, ignore_errors=True)     # spools are large, and there are many
    if not os.path.exists(report):
        return output, (0, 1, 0)
    suite = ET.parse(report).getroot().find("testsuite")
    n = {k: int(suite.get(k)) for k in ("tests", "failures", "errors", "skipped")}
    failed = n["failures"] + n["errors"]
    if r.returncode not in (0, 1, 5):       # 5: none of the file's tests was asked for
        failed = max(failed, 1)
    return output, (n["tests"] - failed - n["skipped"] if n["tests"] else 0, failed, n["skipped"])


def pytest(tally, build, folder, extra):
    """Most of a test is waiting: a few files at once, the largest first."""
    files = sorted(glob.glob(f"{folder}/test_*.py"), key=os.path.getsize, reverse=True)
    ran = 0
    with tempfile.TemporaryDirectory(prefix="mt", ignore_cleanup_errors=True) as folder_of_all, \
            concurrent.futures.ThreadPoolExecutor(max_workers=(os.cpu_count() or 1) + 1) as pool:
        os.chmod(folder_of_all, 0o755)
        for done in concurrent.futures.as_completed([pool.submit(pytest_file, build, f"{folder_of_all}/{n}", f, extra) for n, f in enumerate(files)]):
            output, counts = done.result()
            print(output, end="", flush=True)
            tally.add(*counts)
            ran += sum(counts)
    if files and ran == 0:
        tally.add(failed=1)


def fuzz(tally, build):
    for program in sorted(glob.glob(f"{build}/fuzz/*_replay")):
        name = os.path.basename(program)[:-len("_replay")]
        tally.step(f"fuzz replay {name}", [program, f"tests/fuzz/seeds/{name}"], 120)


def leftovers(tally, build):
    """No process of ours may be left behind."""
    mine = os.path.abspath(build)
    left = []
    for exe in glob.glob("/proc/[0-9]*/exe"):
        try:
            if os.readlink(exe).startswith(mine + "/"):
                left.append(exe.split("/")[2])
        except OSError:
            pass
    print(f"{'ok' if not left else 'FAILED':6} no process left behind {' '.join(left)}")
    tally.add(passed=not left, failed=bool(left))


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--build", default="build/release")
    p.add_argument("-k", help="only end-to-end tests that match")
    p.add_argument("what", choices=["check", "peers", "soak", "e2e", "unit"])
    a = p.parse_args()
    os.chdir(ROOT)
    tally = Tally()
    extra = ["-k", a.k] if a.k else []
    if a.what in ("check", "unit"):
        tally.step("layers", ["make", "-s", "layers"])
        tally.step("sizes", ["tests/sizes.py"])
        unit(tally, a.build)
        fuzz(tally, a.build)
    if a.what == "check" and "asan" not in a.build and not os.environ.get("NO_FUZZ"):
        tally.step("fuzz, half a minute in all", ["make", "-s", "-j2", "fuzz", "FUZZ_TIME=30"], 600)
    if a.what in ("check", "e2e"):
        pytest(tally, a.build, "tests/e2e", extra)
    if a.what == "peers":
        pytest(tally, a.build, "tests/peers", extra)
    if a.what == "soak":
        unit(tally, a.build)
        pytest(tally, a.build, "tests/e2e", ["-k", "crash"])
    leftovers(tally, a.build)
    tail = f", {tally.skipped} skipped" if tally.skipped else ""
    print(f"{tally.passed} passed, {tally.failed} failed{tail}")
    return tally.failed > 0


sys.exit(main())
