"""What the benchmarks beside other programs share."""
import os
import random
import statistics
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BOOTSTRAP = 2000


def run(*command, errors=subprocess.PIPE):
    """Its stdout; what fails ends the benchmark with the end of what it said. errors: where stderr goes."""
    p = subprocess.run(command, stdout=subprocess.PIPE, stderr=errors, text=True, check=False)
    if p.returncode != 0:
        sys.exit(f"{' '.join(command)}: exit {p.returncode}: {(p.stderr or p.stdout).strip()[-300:]}")
    return p.stdout


def ratio(a, b):
    """Median of a over median of b, 95 % bootstrap interval."""
    rng = random.Random(1)
    draws = sorted(statistics.median(rng.choices(a, k=len(a))) / statistics.median(rng.choices(b, k=len(b)))
                   for _ in range(BOOTSTRAP))
    return statistics.median(a) / statistics.median(b), draws[BOOTSTRAP // 40], draws[-BOOTSTRAP // 40]
