#!/usr/bin/env python3
"""Change-point detectors on the same simulated nightly series: this program, apache-otava, MongoDB's
signal-processing-algorithms, ruptures, and simple rules. Precision, recall, F1 (a hit is within 3 nights) and flat series with
any alarm. Series, seeds and scoring stand here; docs/CHANGE_POINTS.md has the results.

usage: changepoint_peers.py WHICHQUANT [--seeds 1-8] [--series 120] [--only 'NAME;...'] [--json FILE]
       changepoint_peers.py --write FOLDER --seeds N      the series of one seed and their true changes, as CSV
       changepoint_peers.py WHICHQUANT --read FOLDER      the same on what stands there (tests/fixtures/series)
       changepoint_peers.py WHICHQUANT --power            how soon one step is found
Needs the packages of `pip install apache-otava==0.8.0 ruptures==1.1.10` and, without its service dependencies,
`pip install --no-deps signal-processing-algorithms==2.1.6; pip install more_itertools structlog`; detectors that are not there
are left out and named."""
import argparse
import csv
import io
import json
import math
import os
import random
import statistics
import subprocess
import sys
import time

TOLERANCE, SHORTEST, LONGEST, MARGIN = 3, 60, 160, 8


def student(r, df):
    return r.gauss(0, 1) / math.sqrt(sum(r.gauss(0, 1) ** 2 for _ in range(df)) / df) / math.sqrt(df / (df - 2))


def noise(r, n):
    """Relative noise: Student's t with 4 degrees of freedom, a coefficient of variation of 0.5 to 3 %, and in 3 of 10
    series correlated from night to night (AR(1))."""
    cv, phi = r.uniform(0.005, 0.03), r.uniform(0.3, 0.6) if r.random() < 0.3 else 0.0
    at, out = 0.0, []
    for _ in range(n):
        at = phi * at + math.sqrt(1 - phi * phi) * student(r, 4)
        out.append(cv * at)
    return out


def places(r, n, k):
    while True:
        at = sorted(r.sample(range(MARGIN, n - MARGIN), k))
        if all(b - a >= MARGIN for a, b in zip(at, at[1:])):
            return at


def series(seed, index, flat):
    """(values, true changes). A change of 3 to 20 %, up or down; 2 % of nights are isolated spikes of 10 to 30 %."""
    r = random.Random(f"{seed}/{index}/{flat}")
    n = r.randint(SHORTEST, LONGEST)
    y = noise(r, n)
    at = [] if flat else places(r, n, r.randint(1, 3))
    for a in at:
        step = r.choice((-1, 1)) * math.log(1 + r.uniform(0.03, 0.20))
        for i in range(a, n):
            y[i] += step
    for i in range(n):
        if r.random() < 0.02:
            y[i] += r.choice((-1, 1)) * math.log(1 + r.uniform(0.10, 0.30))
    level = math.exp(r.uniform(0, 6))
    return [level * math.exp(v) for v in y], at


def hits(found, true):
    """How many of the true changes have a found one within the tolerance, each found one used once, nearest first."""
    pairs = sorted((abs(f - t), i, k) for i, f in enumerate(found) for k, t in enumerate(true) if abs(f - t) <= TOLERANCE)
    used_f, used_t = set(), set()
    for _, i, k in pairs:
        if i not in used_f and k not in used_t:
            used_f.add(i)
            used_t.add(k)
    return len(used_t)


def score(found, true):
    """found, true: lists of lists; those of flat series have no true change."""
    hit = sum(hits(f, t) for f, t in zip(found, true))
    n_found = sum(len(f) for f, t in zip(found, true) if t)
    n_true = sum(len(t) for t in true)
    p, r = hit / n_found if n_found else 0.0, hit / n_true if n_true else 0.0
    flat = [f for f, t in zip(found, true) if not t]
    return {"precision": p, "recall": r, "f1": 2 * p * r / (p + r) if p + r else 0.0,
            "flat_alarms": sum(bool(f) for f in flat), "flat": len(flat), "changes": n_true}


# ---- detectors: all series -> the indices found in each ----

def as_csv(all_values):
    text = io.StringIO()
    w = csv.writer(text)
    w.writerow(["time", "value", "series"])
    for i, values in enumerate(all_values):
        w.writerows((k, repr(v), i) for k, v in enumerate(values))
    return text.getvalue()


def ours(program, *args):
    def run(all_values, seed):
        p = subprocess.run([program, "changes", "-", "--json", "-q", *args], input=as_csv(all_values), capture_output=True,
                           text=True, check=True)
        found = [[] for _ in all_values]
        for c in json.loads(p.stdout)["changes"]:
            found[int(c["series"])].append(c["index"])
        return found
    return run


def each(fn):
    return lambda all_values, seed: [sorted(fn(v, seed)) for v in all_values]


def otava(min_magnitude):
    from otava.analysis import compute_change_points
    return each(lambda v, seed: [c.index for c in compute_change_points(list(v), min_magnitude=min_magnitude)[0]])


def otava_permutations():
    from otava.analysis import compute_change_points_orig
    return each(lambda v, seed: [c.index for c in compute_change_points_orig(list(v), max_pvalue=0.01, seed=seed)[0]])


def mongodb():
    import numpy
    from signal_processing_algorithms.energy_statistics.energy_statistics import e_divisive

    def find(v, seed):
        numpy.random.seed(seed)
        return [int(i) for i in e_divisive(list(v), pvalue=0.05, permutations=100)]
    return each(find)


def pelt(model, factor):
    """The penalty is the user's to choose: factor * ln n for values scaled by their robust noise."""
    import numpy
    import ruptures

    def find(v, seed):
        y = numpy.log(numpy.array(v))
        step = numpy.diff(y)
        y /= 1.4826 * float(numpy.median(abs(step - numpy.median(step)))) / math.sqrt(2)
        return ruptures.Pelt(model=model, min_size=3, jump=1).fit(y.reshape(-1, 1)).predict(pen=factor * math.log(len(v)))[:-1]
    return each(find)


def weighted_t():
    """The rule of Mozilla's Perfherder, from its description: linearly weighted means of 12 values before and after, t > 7, a
    local maximum."""
    def t_at(v, i):
        w = [1 - k / 12 for k in range(12)]
        left, right = v[i - 12:i][::-1], v[i:i + 12]
        ml, mr = (sum(a * b for a, b in zip(w, x)) / sum(w) for x in (left, right))
        var = lambda x, m: sum(a * (b - m) ** 2 for a, b in zip(w, x)) / sum(w)
        s = math.sqrt((var(left, ml) + var(right, mr)) / 12 * 12 / 11)
        return abs(ml - mr) / s if s else 0.0

    def find(v, seed):
        t = {i: t_at(v, i) for i in range(12, len(v) - 11)}
        return [i for i in t if t[i] > 7 and t[i] == max(t.get(k, 0) for k in range(i - 6, i + 7))]
    return each(find)


def ratio_to_previous(limit):
    return each(lambda v, seed: [i for i in range(1, len(v)) if not 1 / limit < v[i] / v[i - 1] < limit])


def fence():
    """Outside three interquartile ranges of the last 30 values, when the night before was not."""
    def find(v, seed):
        out, was = [], False
        for i in range(10, len(v)):
            q = statistics.quantiles(v[max(0, i - 30):i], n=4)
            now = not q[0] - 3 * (q[2] - q[0]) < v[i] < q[2] + 3 * (q[2] - q[0])
            out += [i] if now and not was else []
            was = now
        return out
    return each(find)


def detectors(program):
    """name: (how it is made, its version)"""
    def version(package):
        from importlib.metadata import version as of
        return f"{package} {of(package)}"
    otava_name, spa, rup = "apache-otava", "signal-processing-algorithms", "ruptures"
    rules = lambda: "a rule"
    own = lambda: subprocess.run([program, "--version"], capture_output=True, text=True).stdout.strip()
    return {
        "this program": (lambda: ours(program), own),
        "this program, any effect": (lambda: ours(program, "--min-effect", "0"), own),
        "MongoDB e_divisive": (mongodb, lambda: version(spa)),
        "Otava": (lambda: otava(0.0), lambda: version(otava_name)),
        "Otava, 2 %": (lambda: otava(0.02), lambda: version(otava_name)),
        "Otava, permutations": (otava_permutations, lambda: version(otava_name)),
        "PELT l2, 2 ln n": (lambda: pelt("l2", 2), lambda: version(rup)),
        "PELT l2, 6 ln n": (lambda: pelt("l2", 6), lambda: version(rup)),
        "PELT l1, 3 ln n": (lambda: pelt("l1", 3), lambda: version(rup)),
        "weighted t > 7 (Perfherder)": (weighted_t, rules),
        "10 % against the night before": (lambda: ratio_to_previous(1.1), rules),
        "3 IQR fence of 30 nights": (fence, rules),
    }


def data(seed, n):
    made = [series(seed, i, False) for i in range(n)] + [series(seed, i, True) for i in range(n // 2)]
    return [v for v, _ in made], [t for _, t in made]


def power(program, n=200):
    """Of one step after 60 nights, without spikes and correlation: the share that is found within the tolerance, by size, noise and
    nights since."""
    nights = (5, 7, 10, 15, 30)
    print("| step | noise | " + " | ".join(f"{k} nights" for k in nights) + " |")
    for step in (0.03, 0.05, 0.10):
        for cv in (0.01, 0.02, 0.03):
            shares = []
            for k in nights:
                r = random.Random(f"power/{step}/{cv}/{k}")
                made = [[100 * math.exp(cv * student(r, 4) - (math.log(1 + step) if i >= 60 else 0)) for i in range(60 + k)]
                        for _ in range(n)]
                shares.append(sum(hits(f, [60]) for f in ours(program)(made, 0)) / n)
            print(f"| {step:.0%} | {cv:.0%} | " + " | ".join(f"{100 * x:.0f} %" for x in shares) + " |", flush=True)


def read(folder):
    values, true = {}, {}
    with open(os.path.join(folder, "nights.csv"), encoding="utf-8") as f:
        for r in csv.DictReader(f):
            values.setdefault(int(r["series"]), []).append(float(r["value"]))
    with open(os.path.join(folder, "nights-changes.csv"), encoding="utf-8") as f:
        for r in csv.DictReader(f):
            true.setdefault(int(r["series"]), []).append(int(r["index"]))
    return [values[i] for i in sorted(values)], [true.get(i, []) for i in sorted(values)]


def bake_off(program, seeds, source, only):
    rows = {}
    for name, (make, version) in detectors(program).items():
        if only and name not in only:
            continue
        try:
            run = make()
        except ImportError as e:
            print(f"left out: {name}: {e}", file=sys.stderr)
            continue
        per_seed, started = [], time.time()
        for seed in seeds:
            values, true = source(seed)
            per_seed.append({"seed": seed, **score(run(values, seed), true)})
        rows[name] = {"version": version(), "per_seed": per_seed, "seconds": time.time() - started}
        print_row(name, rows[name])
    return rows


def mean_and_error(per_seed, key):
    x = [s[key] for s in per_seed]
    return statistics.mean(x), statistics.stdev(x) / math.sqrt(len(x)) if len(x) > 1 else float("nan")


def print_row(name, row):
    s = row["per_seed"]
    p, r, (f, err) = mean_and_error(s, "precision")[0], mean_and_error(s, "recall")[0], mean_and_error(s, "f1")
    print(f"| {name} | {row['version']} | {p:.3f} | {r:.3f} | {f:.3f} ± {1.96 * err:.3f} | "
          f"{sum(x['flat_alarms'] for x in s)} of {sum(x['flat'] for x in s)} |", flush=True)


def write(folder, seed, n):
    values, true = data(seed, n)
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "nights.csv"), "w", encoding="utf-8") as f:
        f.write("time,value,series\n")
        f.writelines(f"{k},{v:.5g},{i}\n" for i, x in enumerate(values) for k, v in enumerate(x))
    with open(os.path.join(folder, "nights-changes.csv"), "w", encoding="utf-8") as f:
        f.write("series,index\n")
        f.writelines(f"{i},{k}\n" for i, x in enumerate(true) for k in x)


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("program", nargs="?")
    a.add_argument("--seeds", default="1-8")
    a.add_argument("--series", type=int, default=120, help="with changes, per seed; half as many flat ones")
    a.add_argument("--only", default="")
    a.add_argument("--json")
    a.add_argument("--write")
    a.add_argument("--read")
    a.add_argument("--power", action="store_true")
    o = a.parse_args()
    lo, _, hi = o.seeds.partition("-")
    seeds = list(range(int(lo), int(hi or lo) + 1))
    seeds = seeds[:1] if o.read else seeds
    if o.power:
        return power(os.path.abspath(o.program))
    if o.write:
        return write(o.write, seeds[0], o.series)
    source = (lambda seed: read(o.read)) if o.read else (lambda seed: data(seed, o.series))
    rows = bake_off(os.path.abspath(o.program), seeds, source, [x for x in o.only.split(";") if x])
    if o.json:
        with open(o.json, "w", encoding="utf-8") as f:
            json.dump({"seeds": seeds, "detectors": rows}, f, indent=1)
            f.write("\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
