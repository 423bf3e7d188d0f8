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
        assert math.isclose(told["surest"]["decode_tok_s_lo"], max(x["decode"][1] for x in found.values() if x["kept"]), rel_tol=1e-9), where
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


# ---- described machines: what is predicted stands in their matrix.csv ----

def published():
    """Models of the catalogue that have a published score for chat."""
    with open(os.path.join(ROOT, "datasets", "models.csv"), encoding="utf-8") as f:
        return {r["id"] for r in csv.DictReader(f)
                if (r["score_mmlu"] or r["score_gsm8k"] or r["score_humaneval"]) and "chat" in r["tasks"]}


def predicted_rows(folder, want, scored):
    rows = []
    for r in read_matrix(folder):
        known = r["decode_tok_s"] and tuple(float(r["decode_tok_s" + x]) for x in ("", "_lo", "_hi"))
        if r["verdict"] not in ("recommended", "ok", "dominated") or not r["kld"] or float(r["kld"]) > want.get("max_kld", 0.1):
            continue
        if not known:
            continue   # a limit on speed is asked for
        assert int(r["peak_bytes"]) <= int(r["usable_bytes"]) and known[0] >= want["min_decode"], r
        rows.append((r["model"], r["format"], known or None, (float(r["task_score"]), r["model"] in scored) if r["task_score"] else None))
    return rows


def test_mixed_fleets():
    devices = ["raspberry-pi-5-8gb", "raspberry-pi-5-16gb", "rtx-4090", "rtx-3060-12gb", "apple-m4-pro", "apple-m2", "intel-n100",
               "jetson-nano-4gb", "t4", "ryzen-ai-max-395"]
    models, scored = ["qwen3-1.7b", "qwen3-4b", "llama-3.2-1b", "gemma-2-2b", "phi-3.5-mini", "qwen2.5-7b"], published()
    ended = {"none": 0, "tie": 0, "found": 0, "mixed": 0, "without": 0}
    for seed in range(16):
        rng = random.Random(seed)
        chosen, asked = rng.sample(devices, rng.randint(2, 5)), rng.sample(models, rng.randint(1, 3))
        want = {"min_decode": rng.choice([0.5, 3, 10, 30]), "max_kld": rng.choice([0.1, 0.02])}
        out, where = os.path.join(TMP, f"mixed{seed}"), []
        args = ["--devices", ",".join(chosen), "--model", ",".join(asked), "--min-decode", str(want["min_decode"]), "--max-kld", str(want["max_kld"])]
        cells = {}
        if seed % 2:   # and one that was measured, under the file's own name of the model
            machine = {"id": "", "label": "", "hw": "", "device": "Lab machine", "usable": 64 * GIB}
            cells = {(asked[0], fmt, "llama.cpp"): {"status": "ok", "decode": (v, v * 0.9, v * 1.1), "cache": False, "peak": GIB,
                                                    "has_kld": True} for fmt, v in zip(FORMATS, rng.sample([2.0, 9.0, 33.0, 60.0, 90.0], 5))}
            records = list(records_of([machine], [cells]))
            where = [path(f"lab{seed}.jsonl", "".join(json.dumps({**r, "model": {**r["model"], "name": r["model"]["name"].upper()}}) + "\n"
                                                      for r in records).encode())]
            ended["mixed"] += 1
        p = run("fleet", "report", *where, *args, "-o", out, "--json", "-q", expect=None)
        assert p.returncode in (0, 4), (seed, p.err)
        need = json.loads(p.text)["needs"][0]
        assert [r["figures"] for r in need["rows"]] == ["measured"] * bool(cells) + ["predicted"] * len(chosen)
        rows = usable_rows([machine], [cells], want) if cells else []
        rows += [predicted_rows(os.path.join(out, d), want, scored) for d in chosen]
        check_standard(need["one_model_in_one_format"], [r["name"] for r in need["rows"]], rows, seed)
        check_rows(need, seed)
        ended[need["one_model_in_one_format"]["verdict"]] += 1
        with open(os.path.join(out, "procurement.csv"), encoding="utf-8", newline="") as f:
            for told, row in zip(need["rows"], csv.DictReader(f)):
                assert all((row[k] or None) == v or (isinstance(v, (int, float)) and math.isclose(float(row[k]), v, rel_tol=1e-9))
                           for k, v in told.items()), (seed, told, row)
        with open(os.path.join(out, "standard.csv"), encoding="utf-8", newline="") as f:
            best = [(r["model"], r["format"]) for r in csv.DictReader(f) if r["best"] == "true" and r["kind"] == "model in a format"]
        told = need["one_model_in_one_format"]["best"]
        assert best == ([(told["model"], told["format"])] if told else []), (seed, best, told)
        without = need["one_model_in_one_format"]["without"]
        if without:   # its speed says so too where it is no measured one
            with open(os.path.join(out, "summary.md"), encoding="utf-8") as f:
                line = next(x for x in f if x.startswith("- Without: "))
            slowest = next(r for r in need["rows"] if r["name"] == without["slowest"])
            assert ("at least est. " in line) == (slowest["figures"] == "predicted"), (seed, line, slowest)
            ended["without"] += 1
    assert ended["without"] >= 2 and ended["none"] >= 2 and ended["tie"] + ended["found"] >= 6 and ended["mixed"] == 8, ended


# ---- users ----

def search_users(steps, ttft_ms, each):
    """steps: {n: (ttft_p95 or None, tok/s of all, ok)}"""
    best = 0
    for n in sorted(steps):
        p95, rate, ok = steps[n]
        if not ok or p95 is None or p95 > ttft_ms or (each is not None and rate / n < each):
            return best
        best = n
    return best


def test_users():
    empty = reached = 0
    for seed in range(20):
        rng = random.Random(seed)
        machine = {"id": "ab" * 16, "label": "rack", "hw": "cd" * 32, "device": "Test CPU", "usable": 16 * GIB}
        steps = {n: (None if rng.random() < 0.04 else 100 * n * rng.uniform(0.3, 3), rng.uniform(20, 400), rng.random() > 0.05)
                 for n in (1, 2, 4, 8, 16, 32) if rng.random() < 0.8}
        records = [record(machine, "m", "gguf/q4_0", "llama.cpp", decode=(20, 19, 21), kld=0.05, peak=GIB)]
        for n, (p95, rate, ok) in steps.items():
            records.append(record(machine, "m", "as served", "endpoint", streams=n, decode=(rate, rate, rate), ttft_p95=p95,
                                  status="ok" if ok else "failed", reason="" if ok else "connection refused"))
            records.append(record(machine, "m", "as served", "endpoint", streams=n, decode=(9999, 9999, 9999), ttft_p95=1,
                                  date="2026-01-01T00:00:00Z"))   # an earlier run of the same: does not count
        rng.shuffle(records)
        folder = collected(f"users{seed}", [machine], records)
        each = rng.choice([None, 5.0, 15.0])
        args = ["--need", "a: --max-ttft 2s" + (f" --min-decode {each}" if each else ""), "--need", "b: --min-decode 1"]
        a, b = (n["rows"][0] for n in json.loads(run("fleet", "report", folder, *args, "--json", "-q", expect=None).text)["needs"])
        want = search_users(steps, 2000, each) if steps else None
        assert a["users"] == want and b["users"] is None, (seed, a["users"], want, steps)
        assert b["decode_tok_s"] == 20, "speeds of several users are none of one"
        if want:
            assert math.isclose(a["users_tok_s_each"], steps[want][1] / want) and math.isclose(a["users_ttft_p95_ms"], steps[want][0])
            assert (a["users_note"] == "the largest number tried") == (want == max(steps)), a
        empty += want is None
        reached += bool(want)
    assert reached >= 8, (reached, empty)
    folder = collected("nobody", [machine], records[:0] + [record(machine, "m", "gguf/q4_0", "llama.cpp", decode=(20, 19, 21), kld=0.05, peak=GIB)])
    row = json.loads(run("fleet", "report", folder, "--max-ttft", "2s", "--json", "-q", expect=None).text)["needs"][0]["rows"][0]
    assert row["users"] is None and row["users_note"] == "not measured"


# ---- power and prices ----

def test_power_and_prices():
    machines = [{"id": f"{i}{i}" * 16, "label": name, "hw": "ab" * 32, "device": "Test CPU", "usable": 8 * GIB}
                for i, name in enumerate(("one", "two", "three"))]
    records = [record(m, "m", "gguf/q4_0", "llama.cpp", decode=(20.0 * (i + 1), 19, 61), kld=0.05, peak=GIB, energy=0.5 if i == 0 else None)
               for i, m in enumerate(machines)]
    prices = path("fleet-prices.csv", b"device,price,currency,date\none,500,EUR,2026-11-01\ntwo,500,EUR,2026-08-01\n"
                                      b"three,100,USD,2026-12-24\nrtx-4090,1899,EUR,2026-08-24\n")
    env = {**os.environ, "XDG_DATA_HOME": TMP, "LC_ALL": "C", "SOURCE_DATE_EPOCH": "1795305600"}   # 2026-11-22
    folder = collected("priced", machines, records)
    p = run("fleet", "report", folder, "--device", "rtx-4090", "--model", "m,qwen3-4b", "--prices", prices, "--json", "-q", env=env)
    rows = json.loads(p.text)["needs"][0]["rows"]
    assert [(r["price_age_days"], r["price_note"]) for r in rows] == [(21, None), (113, "old"), (-32, "ahead"), (90, None)], rows
    assert rows[0]["watts_from"] == "rapl" and rows[0]["watts"] == 10 and rows[0]["tok_s_per_watt"] == 2
    assert rows[1]["watts"] is None and rows[3]["watts_from"] == "rated" and rows[3]["watts"] == 450
    assert [r["tok_s_per_1000"] for r in rows[:3]] == [40, 80, 600]
    text = run("fleet", "report", folder, "--device", "rtx-4090", "--model", "m,qwen3-4b", "--prices", prices, "--md", "-q", env=env).text
    assert "Most for the money: two, 80.0 tok/s per 1000 EUR" not in text and "per 1000 EUR" in text
    assert "Most for the money: three, 600 tok/s per 1000 USD" in text and "2026-08-01, 113 days old" in text and "after this report" in text


# ---- upgrades: where they start, by asking about machines on both sides ----

def described(name, **more):
    return path(name, json.dumps({"name": name, "class": "mini-pc", "os": "linux", "memory_gib": 8, "usable_gib": 5, "cores": 8,
                                  "bandwidth_gb_s": 60, "isa": ["avx2", "fma", "f16c"], "backends": ["cpu"], **more}).encode())


def test_upgrades():
    models = ["--model", "qwen3-0.6b,qwen3-1.7b,qwen3-4b,qwen3-8b,qwen2.5-7b"]

    def ask(file, *limits):
        p = run("fleet", "report", "--device", file, *models, *limits, "--json", "-q", expect=None)
        return json.loads(p.text)["needs"][0]["rows"][0]

    def pick(r):
        return (r["model"], r["format"])

    now = ask(described("box.json"), "--min-decode", "0.5")
    start = now["more_usable_bytes"]
    assert now["model"] and start > 5 * GIB
    below = ask(described("below.json", usable_gib=(start - 4096) / GIB), "--min-decode", "0.5")
    above = ask(described("above.json", usable_gib=(start + 4096) / GIB), "--min-decode", "0.5")
    assert pick(below) == pick(now) and pick(above) != pick(now) and above["task_score"] > now["task_score"], (now, below, above)
    assert now["more_memory_gib"] > 8 and now["more_memory_choice"]
    fast = ask(described("box2.json", usable_gib=7), "--min-decode", "18")
    first = fast["more_bandwidth_gb_s"]
    assert fast["more_bandwidth_gb_s_lo"] < first < (fast["more_bandwidth_gb_s_hi"] or math.inf) and first > 60, fast
    below = ask(described("slow.json", usable_gib=7, bandwidth_gb_s=first * 0.995), "--min-decode", "18")
    above = ask(described("fast.json", usable_gib=7, bandwidth_gb_s=first * 1.005), "--min-decode", "18")
    assert pick(below) == pick(fast) and pick(above) != pick(fast), (fast, below, above)
    assert fast["more_bandwidth_choice"].startswith(above["model"] + " "), (fast, above)
    none = ask(described("tiny.json", memory_gib=1, usable_gib=0.2, bandwidth_gb_s=10), "--min-decode", "0.5")
    assert none["format"] is None and none["more_usable_bytes"] and none["binding_limit"] == "memory"
    least = min(int(r["peak_bytes"]) for r in tiny_rows() if r["verdict"] == "cannot-run" and float(r["kld"] or 9) <= 0.1)
    assert none["more_usable_bytes"] == least, (none["more_usable_bytes"], least)


def tiny_rows():
    out = os.path.join(TMP, "tiny-out")
    run("decide", "--device", os.path.join(TMP, "tiny.json"), "--model", "qwen3-0.6b,qwen3-1.7b,qwen3-4b,qwen3-8b,qwen2.5-7b",
        "--min-decode", "0.5", "-o", out, "-q", expect=4)
    return read_matrix(out)


# ---- other machines' quality, twins, imports ----

def test_whose_figures():
    a = {"id": "aa" * 16, "label": "twin", "hw": "11" * 32, "device": "Same CPU", "usable": 8 * GIB}
    b = {**a, "id": "bb" * 16}
    records = [record(a, "m", "gguf/q8_0", "llama.cpp", kld=0.003, peak=GIB),
               record(b, "m", "gguf/q8_0", "llama.cpp", decode=(30, 29, 31), peak=GIB)]
    rows = json.loads(run("fleet", "report", collected("twins", [a, b], records), "--json", "-q").text)["needs"][0]["rows"]
    assert [r["name"] for r in rows] == ["twin (aaaaaaaa)", "twin (bbbbbbbb)"]
    assert rows[1]["kld"] == 0.003 and rows[1]["decode_tok_s"] == 30 and rows[0]["decode_tok_s"] is None
    bench = [{"build_commit": "abc", "cpu_info": "Phone SoC", "gpu_info": "", "backends": "CPU", "model_filename": "m.gguf",
              "model_type": "llama 1B Q8_0", "model_size": GIB, "model_n_params": 10 ** 9, "n_threads": 4, "n_prompt": 0, "n_gen": 64,
              "n_depth": 0, "avg_ts": 12.0, "stddev_ts": 0.1, "samples_ns": [5333333333] * 5, "test_time": "2026-11-01T00:00:00Z"}]
    phone = path("phone.json", json.dumps(bench).encode())
    p = run("fleet", "report", os.path.join(TMP, "twins"), phone, "--json", "-q")
    assert [r["device"] for r in json.loads(p.text)["needs"][0]["rows"]] == ["Same CPU", "Same CPU", "Phone SoC"]


# ---- sets of limits; what is refused ----

def test_needs():
    one = ["fleet", "report", "--device", "raspberry-pi-5-8gb", "--model", "qwen3-1.7b", "-q", "--json"]
    line = json.loads(run(*one, "--need", "chat: --ctx 2048 --min-decode 2", "--need", "x: --ram 1G", expect=None).text)["needs"]
    as_csv = json.loads(run(*one, "--needs", path("n.csv", b"name,ctx,min-decode,ram\r\nchat,2048,2,\r\nx,,,1G\r\n"), expect=None).text)["needs"]
    as_json = json.loads(run(*one, "--needs", path("n.json", b'{"chat": {"ctx": 2048, "min-decode": 2}, "x": {"ram": "1G"}}'), expect=None).text)["needs"]
    listed = json.loads(run(*one, "--needs", path("l.json", b'[{"name": "chat", "ctx": 2048, "min-decode": 2}, {"name": "x", "ram": "1G"}]'),
                            expect=None).text)["needs"]
    assert line == as_csv == as_json == listed and [n["need"] for n in line] == ["chat", "x"]
    assert line[0]["rows"][0]["format"] and line[1]["rows"][0]["format"] is None and line[1]["rows"][0]["binding_limit"] == "memory"
    out = os.path.join(TMP, "named alike")
    run(*one, "--need", "a b: --ctx 2048", "--need", "a_b: --ctx 1024", "--need", "c: --ctx 1024", "-o", out)
    assert sorted(os.listdir(os.path.join(out, "raspberry-pi-5-8gb"))) == ["a_b", "a_b-2", "c"]
    both = json.loads(run(*one, "--min-decode", "2", "--need", "a: --ctx 2048", "--need", "b: --min-decode 3").text)["needs"]
    assert "at least 2 tok/s" in both[0]["limits"] and "at least 3 tok/s" in both[1]["limits"], both


def test_refused():
    def refuse(*args, words, code=2):
        p = run("fleet", "report", *args, "-q", expect=code)
        assert words in one_sentence(p) and not p.text, (p.err, p.text)

    pi = ["--device", "raspberry-pi-5-8gb"]
    refuse(words="no machine")
    refuse(*pi, "--need", "--ctx 8192", words="a name, a colon and limits")
    refuse(*pi, "--need", ": --ctx 8192", words="needs a name")
    refuse(*pi, "--need", "a: --contexts 8192", words="is no limit")
    refuse(*pi, "--need", "a: --ctx", words="needs a value")
    refuse(*pi, "--need", "a: --ctx many", words="whole number")
    refuse(*pi, "--need", "a: --license 'mit", words="quote")
    refuse(*pi, "--need", "a: --ctx 1024", "--need", "A: --ctx 2048", words="twice")
    refuse(*pi, *[x for i in range(17) for x in ("--need", f"n{i}: --ctx 1024")], words="more than 16")
    refuse(*pi, "--needs", path("bad.csv", b"ctx\n8192\n"), words="first line", code=1)
    refuse(*pi, "--needs", path("empty.csv", b"name,ctx\n"), words="no set", code=1)
    refuse(*pi, "--needs", path("bad.json", b'{"a": {"ctx": [1]}}'), words="a number or a text", code=1)
    refuse(*pi, "--needs", path("zero.csv", b"name,ctx\na,\0"), words="zero bytes", code=1)
    refuse(*pi, "--needs", os.path.join(TMP, "no.csv"), words="no.csv", code=1)
    refuse(os.path.join(TMP, "nowhere"), words="nowhere", code=1)
    os.makedirs(os.path.join(TMP, "bare"))
    refuse(os.path.join(TMP, "bare"), words="neither records.jsonl nor machines.json", code=1)
    refuse(path("broken.jsonl", b'{"schema": 1, "cell_id": "x", "status": "ok"}\n{"schema": 1, "cell'), words="line 2", code=1)
    refuse(path("newer.jsonl", b'{"schema": 99, "cell_id": "x"}\n'), words="schema 99", code=1)
    os.makedirs(os.path.join(TMP, "odd"))
    with open(os.path.join(TMP, "odd", "machines.json"), "w", encoding="utf-8") as f:
        f.write('{"machines": [{"label": "x"}]}')
    refuse(os.path.join(TMP, "odd"), words='without "id"', code=1)


if __name__ == "__main__":
    sys.exit(main(globals()))
