"""Real frameworks on artifacts that `quantize` writes: what they answer, and what the documents say of it."""
import json
import os
import re
import subprocess
import sys
import tempfile
from packages import HERE, PROGRAM, np

versions = {}  # of the frameworks that answered


class Refused(Exception):
    """One sentence: who does not take it, and why."""


def quantize(model, fmt, out, dither=False):
    run = subprocess.run([PROGRAM, "quantize", model, "-f", fmt, "-o", out, "-q"] + (["--dither", "--seed", "42"] if dither else []),
                         capture_output=True, text=True, check=False)
    if run.returncode:
        raise Refused((run.stderr.strip().splitlines() or ["it said nothing"])[-1].removeprefix("whichquant: "))


def ask(worker, artifact, tokens, n_gen, options=None):
    """Logits f32[chunks][n_ctx][vocabulary], None where the framework shows none, and ids. In a child: what crashes is a row."""
    with tempfile.TemporaryDirectory() as folder:
        asked, answers = (os.path.join(folder, n) for n in ("asked.npz", "answers.npz"))
        np.savez(asked, tokens=np.asarray(tokens, np.int64), n_gen=n_gen, options=json.dumps(options or {}))
        try:
            run = subprocess.run([sys.executable, os.path.join(HERE, "run_framework.py"), worker, artifact, asked, answers],
                                 capture_output=True, text=True, check=False, timeout=900, stdin=subprocess.DEVNULL)
        except subprocess.TimeoutExpired as e:
            raise Refused(f"{worker} did not end in {e.timeout:.0f} s") from e
        if run.returncode or not os.path.exists(answers):
            said = (run.stderr.strip().splitlines() or ["it said nothing"])[-1]
            raise Refused(said if run.returncode == 1 else f"ended by signal {-run.returncode}: {said}")
        got = np.load(answers)
        versions[str(got["name"])] = str(got["version"])
        return (got["logits"] if got["logits"].ndim == 3 else None), got["greedy"].tolist()


def flip_late_bits(path):
    """The third last bit of every third weight of a GGUF file's norms: 2e-7 to 5e-7 of them, what sums in another order
    come to."""
    import gguf
    for t in gguf.GGUFReader(path, "r+").tensors:
        if t.name.endswith("norm.weight"):
            t.data.view(np.uint32)[::3] ^= 4


def put_section(path, name, lines):
    """Between the comments that name it, in a document."""
    with open(path, encoding="utf-8") as f:
        text = f.read()
    begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
    found = re.search(re.escape(begin) + ".*?" + re.escape(end), text, re.S)
    if not found:
        raise SystemExit(f"{path} has no place for {name}")
    with open(path, "w", encoding="utf-8") as f:
        f.write(text[:found.start()] + begin + "\n".join(lines) + "\n" + end + text[found.end():])
