"""What the tests of the command line share: the program as a user starts it, in a folder and with a store of its own.
The test's arguments: PROGRAM SOURCE_ROOT [TEST ...]. Ends with `N passed, N failed, N skipped`; the exit code is 1 where
one failed, else 77 where one was skipped: meson and the summary count the file as skipped, not as passed."""
import atexit
import csv
import os
import shutil
import subprocess
import sys
import tempfile
import time
import traceback

PROGRAM, ROOT = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
TMP = tempfile.mkdtemp(prefix="whichquant-cli-")
ENV = {**os.environ, "XDG_DATA_HOME": TMP, "NO_COLOR": "1", "LC_ALL": "C"}


class Skip(Exception):
    pass


def run(*args, expect=0, stdin=None, stdout=subprocess.PIPE, env=None, timeout=300):
    p = subprocess.run([PROGRAM, *args], stdout=stdout, stderr=subprocess.PIPE, stdin=stdin or subprocess.DEVNULL,
                       env=env or ENV, cwd=TMP, timeout=timeout)
    err = p.stderr.decode("utf-8", "replace")
    assert expect is None or p.returncode == expect, f"{args}: exit {p.returncode}, wanted {expect}; stderr: {err[-600:]}"
    p.err, p.text = err, (p.stdout or b"").decode("utf-8", "replace")
    return p


def path(name, data=b""):
    full = os.path.join(TMP, name)
    with open(full, "wb") as f:
        f.write(data)
    return full


def one_sentence(p):
    lines = [line for line in p.err.strip().split("\n") if line.startswith("whichquant: ")]
    assert len(lines) == 1 and len(lines[0]) > 25, f"wanted one sentence: {p.err!r}"
    return lines[0]


def read_matrix(folder):
    with open(os.path.join(folder, "matrix.csv"), encoding="utf-8") as f:
        return list(csv.DictReader(f))


def main(tests):
    """tests: a module's globals()."""
    count = {"ok": 0, "FAIL": 0, "SKIP": 0}
    for name, test in list(tests.items()):
        if not name.startswith("test_") or (sys.argv[3:] and name not in sys.argv[3:]):
            continue
        started, end, why = time.time(), "ok", ""
        try:
            test()
        except Skip as e:
            end, why = "SKIP", f": {e}"
        except Exception:
            end, why = "FAIL", "\n" + traceback.format_exc()
        count[end] += 1
        print(f"{end:4} {name} ({time.time() - started:.1f} s){why}", flush=True)
    print(f"{count['ok']} passed, {count['FAIL']} failed, {count['SKIP']} skipped")
    if not count["FAIL"]:
        atexit.register(shutil.rmtree, TMP, ignore_errors=True)  # at the end: servers of a test may still write there
    return 1 if count["FAIL"] else 77 if count["SKIP"] else 0
