#!/usr/bin/env python3
"""fleet report, held against an exhaustive search of its own: seeded fleets of measured and described machines, with
ties, missing cells, machines on which nothing fits, unknown quality and speeds; users, prices, upgrades; what is
refused. Arguments and end: harness.py."""
import csv
import json
import math
import os
import random
import sys

from harness import ROOT, TMP, main, one_sentence, path, read_matrix, run

GIB = 1 << 30
FORMATS = {"gguf/q4_0": 0.08, "gguf/q4_k_m": 0.04, "gguf/q5_k_m": 0.02, "gguf/q6_k": 0.008, "gguf/q8_0": 0.002}
N_FLEETS = 60


# ---- fleets as files ----

def record(machine, model, fmt, framework, **known):
    """A line of records.jsonl; known: decode (v, lo, hi), kld, peak, status, streams, ttft_p95, energy, date, cache."""
    r = {"schema": 1, "tool_version": "0.1.0", "date": known.get("date", "2026-11-20T10:00:00Z"), "run_id": "r",
         "cell_id": f"{model}|{fmt}|{framework}|{known.get('streams', 0)}|{known.get('part', '')}", "hw_sha256": machine["hw"],
         "device": machine["device"], "status": known.get("status", "ok"), "reason": known.get("reason", ""),
         "model": {"name": model, "sha256": known.get("sha", ""), "synthesized": False}, "format": {"name": fmt},
         "framework": {"name": framework, "backend": "cpu"},
         "workload": {"n_prompt": 512, "n_gen": 64, "streams": known.get("streams", 0)},
         "speed": {}, "quality": {}, "memory": {}, "energy": {}}
    if known.get("decode"):
        v, lo, hi = known["decode"]
        r["speed"].update({"from": "measured", "decode_tok_s": {"v": v, "lo": lo, "hi": hi}})
    if known.get("cache"):
        r["speed"]["cache_resident"] = True
    if known.get("ttft_p95"):
        r["speed"]["ttft_p95_ms"] = known["ttft_p95"]
    if known.get("kld") is not None:
        r["quality"] = {"from": "measured", "n_chunks": 20, "kld": known["kld"], "kld_lo": known["kld"], "kld_hi": known["kld"]}
    if known.get("peak"):
        r["memory"] = {"from": "measured", "peak_rss_bytes": known["peak"], "weights_bytes": known["peak"] // 2}
    if known.get("energy"):
        r["energy"] = {"from": "rapl", "energy_j_per_tok": known["energy"]}
    if machine.get("id"):
        r["fleet"] = {"machine": machine["id"], "label": machine["label"]}
    return r


def collected(name, machines, records):
    folder = os.path.join(TMP, name)
    os.makedirs(folder)
    with open(os.path.join(folder, "records.jsonl"), "w", encoding="utf-8") as f:
        f.writelines(json.dumps(r) + "\n" for r in records)
    with open(os.path.join(folder, "machines.json"), "w", encoding="utf-8") as f:
        json.dump({"fleet_schema": 1, "machines": [
            {"id": m["id"], "label": m["label"], "features": [],
             "fingerprints": [{"cpu": {"brand": m["device"], "cores": 4},
                               "memory": {"total_bytes": m["usable"], "available_bytes": m["usable"]}}]}
            for m in machines]}, f)
    return folder


def make_fleet(seed):
    """(machines, cells): cells[machine][model][format][framework] = what was measured, None: nothing."""
    rng = random.Random(seed)
    speeds = [8.0, 12.5, 20.0, 20.0, 31.0, 55.0]
    models = ["alpha-1b", "beta-3b"][:1 + (seed % 3 == 0)]
    machines, cells = [], []
    for i in range(rng.randint(1, 5)):
        machines.append({"id": f"{i:02x}{seed:06x}" + "0" * 24, "label": "twin" if seed % 5 == 0 else f"node{i}", "hw": "ab" * 32,
                         "device": "Test CPU", "usable": rng.choice([1, 2, 4, 8]) * GIB})
        cells.append({})
        hopeless = rng.random() < 0.12
        for model in models:
            for k, fmt in enumerate(FORMATS):
                for framework in ("llama.cpp", "ollama"):
                    kind = rng.random()
                    # of a format that its usual framework was not tried in, a row stands for that one: another matter
                    if kind < (0.15 if framework == "llama.cpp" else 0.6) or (framework == "ollama" and
                                                                              (model, fmt, "llama.cpp") not in cells[i]):
                        continue
                    v = rng.choice(speeds)
                    half = rng.choice([0, 0.01, 0.2, 0.6])
                    cells[i][model, fmt, framework] = {
                        "status": "cannot-run" if hopeless or kind > 0.94 else "ok",
                        "decode": None if 0.88 < kind < 0.94 else (v, v * (1 - half), v * (1 + half)),
                        "cache": 0.85 < kind < 0.88, "peak": int(rng.choice([0.5, 0.9, 1.5, 3]) * GIB * (1 + k / 4)),
                        "has_kld": rng.random() < 0.6}
    return models, machines, cells


def kld_of(model, fmt):
    return FORMATS[fmt] * (1 if model == "alpha-1b" else 0.7)


def records_of(machines, cells):
    for m, of in zip(machines, cells):
        for (model, fmt, framework), c in of.items():
            if c["status"] != "ok":
                yield record(m, model, fmt, framework, status=c["status"], reason="too large")
                continue
            yield record(m, model, fmt, framework, decode=c["decode"], cache=c["cache"], peak=c["peak"],
                         kld=kld_of(model, fmt) if c["has_kld"] else None)


# ---- the search ----

def usable_rows(machines, cells, want):
    """rows[machine] = [(model, format, decode or None)] within the limits, from what was measured alone."""
    def measured_quality(i, model, fmt):
        return any(c["has_kld"] and c["status"] == "ok" for (mo, fo, _), c in cells[i].items() if (mo, fo) == (model, fmt))

    rows = []
    for i, m in enumerate(machines):
        rows.append([])
        for (model, fmt, framework), c in cells[i].items():
            timed_here = any(x["status"] == "ok" and x["decode"] for (mo, fo, _), x in cells[i].items() if (mo, fo) == (model, fmt))
            lent = timed_here and any(measured_quality(o, model, fmt) for o in range(len(machines)) if o != i)
            decode = c["decode"] and not c["cache"] and c["decode"]
            if c["status"] != "ok" or c["peak"] > m["usable"] or not (measured_quality(i, model, fmt) or lent):
                continue
            if kld_of(model, fmt) > want.get("max_kld", 0.1):
                continue
            if "min_decode" in want and not (c["decode"] and c["decode"][0] >= want["min_decode"]):
                continue
            rows[-1].append((model, fmt, decode or None, None))
    return rows


def search(rows, skip=None):
    """Every key by brute force: {key: (complete, n_run, v, lo, hi, score)} and the best of those that are kept."""
    here = [r for i, r in enumerate(rows) if i != skip]
    found = {}
    for key in {(m, f) for r in rows for m, f, _, _ in r}:
        mine = [[x for x in r if x[:2] == key] for r in here]
        best = [max((x for x in of if x[2]), key=lambda x: x[2][:2], default=None) for of in mine]   # the surer of equals
        timed = [b for b in best if b]
        scores = [x[3] for of in mine for x in of[:1] if x[3]]
        found[key] = {"complete": len(timed) == len(here) > 0, "n_run": sum(bool(of) for of in mine), "timed": len(timed),
                      "decode": tuple(min(b[2][k] for b in timed) for k in range(3)) if timed else None,
                      "score": min((s for s, _ in scores), default=None), "published": bool(scores) and all(p for _, p in scores)}
    full = [k for k in found.values() if k["complete"]]
    top = max(full, key=lambda k: (k["published"], k["score"] or 0), default=None)
    for k in found.values():
        k["kept"] = k["complete"] and not clearly_more(top, k)
    kept = {key: k for key, k in found.items() if k["kept"]}
    best = max(kept, key=lambda key: (kept[key]["decode"][0], [-ord(c) for c in key[0] + "\0" + key[1]]), default=None)
    most = max((k["decode"][0] for k in kept.values()), default=None)
    ties = sorted(key for key in kept if kept[key]["decode"][0] == most)
    return found, (ties[0] if ties else None) if best else None


def clearly_more(a, b):
    if a["published"] != b["published"]:
        return a["published"]
    return a["score"] is not None and (b["score"] is None or 0.99 * a["score"] > b["score"])


def check_standard(told, names, rows, where):
    found, best = search(rows)
    assert len(told["candidates"]) == len(found), where
    for c in told["candidates"]:
        k = found[c["model"], c["format"]]
        assert (c["complete"], c["kept"], c["machines"], c["timed"]) == (k["complete"], k["kept"], k["n_run"], k["timed"]), (where, c, k)
        got = (c["decode_tok_s"], c["decode_tok_s_lo"], c["decode_tok_s_hi"])
        assert (got[0] is None) == (k["decode"] is None) and all(math.isclose(x, y, rel_tol=1e-9) for x, y in zip(got, k["decode"] or ())), (where, c, k)
    if best is None:
        assert told["verdict"] == "none" and told["best"] is None and told["surest"] is None and told["tied"] == [], where
    else:
        b, k = told["best"], found[best]
        assert (b["model"], b["format"]) == best, (where, b, best)
        slowest = {names[i] for i, r in enumerate(rows) if max(x[2][0] for x in r if x[:2] == best and x[2]) == k["decode"][0]}
        assert b["slowest"] in slowest, (where, b["slowest"], slowest)
        tied = {key for key, x in found.items() if x["kept"] and x["decode"][2] >= k["decode"][1]}
        assert {(t["model"], t["format"]) for t in told["tied"]} == tied and told["verdict"] == ("tie" if len(tied) > 1 else "found"), where
        assert told["surest"]["decode_tok_s_lo"] == max(x["decode"][1] for x in found.values() if x["kept"]), where
    now, dropped = found.get(best), None
    for i in range(len(rows) if len(rows) > 1 else 0):
        less, key = search(rows, skip=i)
        if key and (now is None or clearly_more(less[key], now) or (not clearly_more(now, less[key]) and less[key]["decode"][0] > now["decode"][0])):
            now, dropped = less[key], (i, key)
    without = told["without"]
    assert (without is None) == (dropped is None), (where, without, dropped)
    if dropped:
        assert (without["machine"], (without["model"], without["format"])) == (names[dropped[0]], dropped[1]), (where, without, dropped)
        assert math.isclose(without["decode_tok_s"], now["decode"][0], rel_tol=1e-9), where


def check_rows(need, where):
    for r in need["rows"]:
        if r["decode_tok_s"] and r["watts"]:
            assert math.isclose(r["tok_s_per_watt"] * r["watts"], r["decode_tok_s"], rel_tol=1e-9), (where, r)
        if r["decode_tok_s"] and r["price"]:
            assert math.isclose(r["tok_s_per_1000"] * r["price"] / 1000, r["decode_tok_s"], rel_tol=1e-9), (where, r)
        assert (r["format"] is None) == (r["verdict"] in ("nothing-fits", "undecided")), (where, r)


def test_measured_fleets():
    ended = {"none": 0, "tie": 0, "found": 0, "without": 0, "empty": 0, "lent": 0}
    for seed in range(N_FLEETS):
        models, machines, cells = make_fleet(seed)
        records = list(records_of(machines, cells))
        if not records:
            continue
        rng = random.Random(1000 + seed)
        wants = {"easy": {"max_kld": rng.choice([0.1, 0.03])}, "hard": {"max_kld": 0.1, "min_decode": rng.choice([10, 20, 40])}}
        folder = collected(f"fleet{seed}", machines, records)
        args = [x for n, w in wants.items() for x in ("--need", f"{n}: " + " ".join(f"--{k.replace('_', '-')} {v}" for k, v in w.items()))]
        p = run("fleet", "report", folder, *args, "--json", "-q", expect=None)
        assert p.returncode in (0, 4), (seed, p.returncode, p.err)
        told = json.loads(p.text)
        assert told["machines"] == len(machines)
        for need in told["needs"]:
            rows = usable_rows(machines, cells, wants[need["need"]])
            at = [r["machine"] for r in need["rows"]]
            order = [next(i for i, m in enumerate(machines) if m["id"] == x) for x in at]   # as records name them first
            names = [r["name"] for r in need["rows"]]
            assert len(set(names)) == len(machines), names
            check_standard(need["one_model_in_one_format"], names, [rows[i] for i in order], (seed, need["need"]))
            check_rows(need, seed)
            for i, r in zip(order, need["rows"]):
                assert (r["format"] is not None) <= bool(rows[i]), (seed, r, rows[i])
                assert not r["format"] or (r["model"], r["format"]) in {x[:2] for x in rows[i]}
                ended["empty"] += not rows[i]
            ended[need["one_model_in_one_format"]["verdict"]] += 1
            ended["without"] += need["one_model_in_one_format"]["without"] is not None
    assert all(ended[k] >= 5 for k in ("none", "tie", "found", "without", "empty")), ended


if __name__ == "__main__":
    sys.exit(main(globals()))
