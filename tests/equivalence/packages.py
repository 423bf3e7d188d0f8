"""What the comparisons with real packages share: weights that tempt an implementation to differ, the program's codec
command, and a table of differences. Each script is run as `script.py WHICHQUANT`; exit 77: its package is missing."""
import hashlib
import importlib.util
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:] = [p for p in sys.path if os.path.abspath(p) != HERE]  # the folder torch here is no package
PYTHON = os.environ.get("EQUIVALENCE_PYTHON")
if PYTHON and not os.environ.get("EQUIVALENCE_CHILD"):
    os.execve(PYTHON, [PYTHON] + sys.argv, {**os.environ, "EQUIVALENCE_CHILD": "1"})


def beside(name):
    """A module of this folder."""
    spec = importlib.util.spec_from_file_location(name, os.path.join(HERE, name + ".py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def need(*modules):
    """The modules, or a plain skip."""
    found = []
    for name in modules:
        try:
            found.append(__import__(name))
        except ImportError:
            print(f"skipped: no Python package {name} (tests/equivalence/make_venv.sh installs what is compared)")
            sys.exit(77)
    return found


np, = need("numpy")
PROGRAM = sys.argv[1] if len(sys.argv) > 1 else "build/cli/whichquant"


# With a second argument, a folder: the hashes of what the packages wrote for the awkward rows alone are added to a file
# there, for tests/golden/test_awkward.c.
RECORD = sys.argv[2] if len(sys.argv) > 2 else None
N_AWKWARD = 13


def weights(rows=1024, cols=1024, seed=1):
    """Normal weights; the first rows are awkward: see the comments."""
    if RECORD:
        rows, cols = N_AWKWARD, 1024
    rng = np.random.default_rng(seed)
    w = (rng.standard_normal((rows, cols)) * 0.05).astype(np.float32)
    w[0] = 0
    w[1] = 0.3  # constant
    w[2] = -0.3
    w[3] = np.abs(w[3])  # one sign
    w[4] = -np.abs(w[4])
    w[5, 7] = 60  # an outlier
    w[6, ::2] = -0.0
    w[7] = np.resize(np.concatenate([[-1.0], np.arange(-15, 16) / 16]), cols)  # ties of 4-bit grids
    w[8] = np.resize(np.concatenate([[7.5], np.arange(-15, 16) / 2]), cols)
    w[9] *= 1e-5
    w[10] *= 1e-9
    w[11] = np.resize(np.array([1.0, 0.0]), cols)
    w[12] = rng.integers(-8, 8, cols) / 8  # values on a grid
    if RECORD:
        w.astype("<f4").tofile(os.path.join(RECORD, "awkward.f32"))
    return w


def codec(fmt, w, emit="codes"):
    run = subprocess.run([PROGRAM, "codec", fmt, "--rows", str(w.shape[0]), "--cols", str(w.shape[1]), "--emit", emit],
                         input=np.ascontiguousarray(w, dtype="<f4").tobytes(), capture_output=True, check=False)
    if run.returncode:
        raise SystemExit(f"codec {fmt}: {run.stderr.decode()}")
    if emit == "codes":
        return run.stdout
    return np.frombuffer(run.stdout, "<f4").reshape(w.shape)


class Table:
    """One line a comparison; allowed: differing elements that are explained in `why`."""

    def __init__(self):
        self.failed = 0

    def row(self, name, got, want, allowed=0, why="", record=True):
        if RECORD and isinstance(want, bytes) and record and "," not in name:
            with open(os.path.join(RECORD, "awkward.sha256"), "a", encoding="ascii") as f:
                f.write(f"{hashlib.sha256(want).hexdigest()} {name.split()[0]}\n")
        a = np.frombuffer(got, np.uint8) if isinstance(got, bytes) else np.ascontiguousarray(got).view(np.uint8).ravel()
        b = np.frombuffer(want, np.uint8) if isinstance(want, bytes) else np.ascontiguousarray(want).view(np.uint8).ravel()
        n = abs(a.size - b.size) + int(np.count_nonzero(a[:b.size] != b[:a.size]))
        ok = n <= allowed and a.size == b.size
        self.failed += not ok
        first = ""
        if not ok and a.size == b.size:
            i = int(np.flatnonzero(a != b)[0])
            first = f"  first at byte {i}: {a[i]:02x} instead of {b[i]:02x}"
        print(f"{'ok  ' if ok else 'FAIL'} {name:<44} {n} of {b.size} bytes differ{first}{'  ' + why if n and why else ''}")

    def close(self, name, error, limit):
        ok = error <= limit
        self.failed += not ok
        print(f"{'ok  ' if ok else 'FAIL'} {name:<44} relative error {error:.2g}, {limit:.0e} allowed")

    def placement(self, name, have, want):
        """What each matrix got: two dictionaries by name."""
        differ = sorted(n for n in have.keys() | want.keys() if have.get(n) != want.get(n))
        self.failed += bool(differ)
        shown = " ".join(f"{n}: {have.get(n)} instead of {want.get(n)}" for n in differ[:3])
        print(f"{'FAIL' if differ else 'ok  '} {name:<44} {len(differ)} of {len(want)} matrices differ {shown}")

    def done(self):
        sys.exit(1 if self.failed else 0)
