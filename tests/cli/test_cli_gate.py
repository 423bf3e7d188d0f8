#!/usr/bin/env python3
"""gate, as a user meets it: nights of records and of other programs' figures, every exit code, every form of the
report, states that people set, two commands in turn, and what is refused. Arguments and end: harness.py."""
import csv
import io
import json
import math
import os
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree

from harness import ENV, PROGRAM, TMP, main, one_sentence, path, run
from postgres import beside

HEADLINE = "cells regressed"


def day(i):
    return f"2026-{1 + i // 28:02d}-{1 + i % 28:02d}T03:00:00Z"


def new_store(name):
    return ["--store", beside(name) or os.path.join(TMP, name + ".db")]


def put_foreign(store, nights):
    """nights: [(day, {metric: (value, unit, better)})]"""
    rows = ["metric,value,unit,better,date,commit"]
    for i, metrics in nights:
        rows += [f"{m},{v},{u},{b},{day(i)},c{i}" for m, (v, u, b) in metrics.items()]
    run("import", path("nights.csv", "\n".join(rows).encode()), "--source", "server", *store)


def nights_of(values, first=0):
    return [(first + i, {"latency": (v, "ms", "lower"), "throughput": (1000 / v, "req/s", "higher")})
            for i, v in enumerate(values)]


def quiet(n):
    return [100 + math.sin(i) for i in range(n)]


def template():
    row = {"build_commit": "abc1234", "build_number": 6000, "cpu_info": "a CPU", "gpu_info": "", "backends": "CPU",
           "model_filename": "m.gguf", "model_type": "llama 1B Q4_0", "model_size": 7e8, "model_n_params": 1e9,
           "n_batch": 512, "n_ubatch": 512, "n_threads": 2, "type_k": "f16", "type_v": "f16", "n_gpu_layers": 0,
           "n_prompt": 0, "n_gen": 32, "n_depth": 0, "test_time": day(0), "avg_ns": 1e9, "stddev_ns": 0, "avg_ts": 32,
           "stddev_ts": 0, "samples_ns": [10**9] * 5, "samples_ts": [32.0] * 5}
    out = os.path.join(TMP, "template.jsonl")
    run("import", path("llama.json", json.dumps([row]).encode()), "--device", "box", "-o", out)
    with open(out, encoding="utf-8") as f:
        return f.readline()


def put_records(store, nights):
    """nights: [(day, tok/s, {path: value})], as records of llama-bench with five repetitions."""
    lines, form = [], template()
    for i, tok_s, changes in nights:
        r = json.loads(form)
        r["date"] = day(i)
        r["framework"]["version"] = f"b{6000 + i}-commit{i}"
        r["hw_sha256"], r["env_sha256"] = "a" * 64, "b" * 64
        r["speed"]["decode_tok_s"] = {"v": tok_s, "lo": tok_s * 0.99, "hi": tok_s * 1.01}
        for where, value in changes.items():
            at = r
            for key in where.split(".")[:-1]:
                at = at[key]
            at[where.split(".")[-1]] = value
        lines.append(json.dumps(r))
    run("import", path("records.jsonl", "\n".join(lines).encode()), *store)


def verdicts(p):
    return {c["metric"]: c["verdict"] for c in json.loads(p.text)["cells"]}


def test_nothing_there():
    store = new_store("empty")
    assert run("gate", *store).text.startswith("NOTHING TO DECIDE")
    run("gate", "--strict", *store, expect=5)


def test_foreign_nights():
    store = new_store("foreign")
    put_foreign(store, nights_of(quiet(30)))
    p = run("gate", *store)
    assert p.text.startswith("PASS: 0 of 2 " + HEADLINE), p.text
    put_foreign(store, nights_of([110], 30))
    assert "was not run again" in run("gate", *store).text
    run("gate", "--strict", *store, expect=5)
    put_foreign(store, nights_of([110.3, 109.8, 110.1], 31))
    p = run("gate", "--since", day(30), *store, expect=3)
    lines = p.text.split("\n")
    assert lines[0].startswith("FAIL: 2 of 2 cells regressed") and lines[2].startswith("regression"), p.text
    assert "since 2026-02-03 c29..c30" in p.text, p.text
    p = run("gate", "--since", day(30), "--json", *store, expect=3)
    report = json.loads(p.text)
    latency = next(c for c in report["cells"] if c["metric"] == "latency")
    # 4 fresh runs above 30: one choice of C(34, 4); two tests, both as small
    assert abs(latency["p"] - 1 / math.comb(34, 4)) < 1e-12 and abs(latency["p_adj"] - latency["p"]) < 1e-12
    assert latency["n_base"] == 30 and latency["n_new"] == 4 and latency["better"] == "lower"
    assert 9 < latency["effect_pct"] < 11 and latency["ci99"][0] > 1.08 and latency["ci99"][1] < 1.12
    assert latency["suspect_range"] == {"good": "c29", "bad": "c30"}
    assert latency["first_seen"]["date"] == day(30) and latency["state"] == "new"
    assert {c["id"] for c in report["changes"]} == {c["change"] for c in report["cells"]}
    # nobody has to say --since again: the runs since the change belong to it
    assert set(verdicts(run("gate", "--json", *store, expect=3)).values()) == {"regression"}


def test_states():
    store = new_store("states")
    put_foreign(store, [(i, {"latency": (v, "ms", "lower")}) for i, v in enumerate(quiet(30) + [110, 110.5, 109, 110])])
    p = run("gate", "--since", day(30), "--json", *store, expect=3)
    change = json.loads(p.text)["cells"][0]["change"]
    run("history", "acknowledge", change, *store)
    p = run("gate", "--since", day(30), *store)
    assert "1 of 1 cells regressed (1 set aside)" in p.text and "acknowledged: does not fail the gate" in p.text
    run("history", "noise", change, *store)
    run("gate", *store)
    run("history", "accept", change, *store)
    p = run("gate", "--strict", *store, expect=5)
    assert "3 of 8 runs" in p.text, p.text
    put_foreign(store, [(40 + i, {"latency": (110 + math.sin(i), "ms", "lower")}) for i in range(8)])
    assert run("gate", "--strict", *store).text.startswith("PASS")


def test_records():
    store = new_store("records")
    put_records(store, [(i, 32 + 0.1 * math.sin(i), {}) for i in range(20)])
    assert verdicts(run("gate", "--json", *store)) == {"decode_tok_s": "none", "weights_bytes": "none"}
    put_records(store, [(20, 32, {"memory.weights_bytes": 735000000})])  # 5 % more: no repetition tells more of it
    p = run("gate", "--json", *store, expect=3)
    assert verdicts(p) == {"decode_tok_s": "none", "weights_bytes": "regression"}
    memory = next(c for c in json.loads(p.text)["cells"] if c["kind"] == "memory")
    assert memory["p"] is None and memory["method"] == "threshold" and abs(memory["ratio"] - 1.05) < 1e-3
    run("gate", "--fail-on", "speed,quality", *store)
    run("gate", "--min-effect", "6%", *store)


def test_environment_changed():
    store = new_store("environment")
    put_records(store, [(i, 32 + 0.1 * math.sin(i), {}) for i in range(12)] + [(12, 20, {"env_sha256": "c" * 64})])
    p = run("gate", *store)
    assert "fingerprint changed" in p.text, p.text
    run("gate", "--strict", *store, expect=6)


def test_failed_and_missing():
    store = new_store("failed")
    put_records(store, [(i, 32 + 0.1 * math.sin(i), {}) for i in range(12)] +
                [(12, 32, {"status": "crashed", "reason": "signal 11"})])
    p = run("gate", *store)
    assert "crashed: signal 11" in p.text, p.text
    run("gate", "--strict", *store, expect=7)
    run("gate", "--fail-on", "missing", *store, expect=3)


def test_forms():
    store, out = new_store("forms"), os.path.join(TMP, "forms")
    put_foreign(store, [(i, {"a|b <i>x</i>": (v, "ms", "lower"), "throughput": (1000 / v, "req/s", "higher")})
                        for i, v in enumerate(quiet(30) + [110, 110.5, 109, 110])])
    p = run("gate", "--since", day(30), "-o", out, "--md", *store, expect=3)
    assert p.text.startswith("**FAIL: 2 of 2 cells regressed**\n") and "<i>" not in p.text and "How decided: " in p.text
    table = [line for line in p.text.split("\n") if line.startswith("| regression")]
    assert len(table) == 2 and all(line.replace("\\|", "").count("|") == 8 for line in table), table
    assert sorted(os.listdir(out)) == ["gate-action-bigger.json", "gate-action-smaller.json", "gate-bencher.json",
                                       "gate.csv", "gate.json", "gate.md", "gate.xml"]
    read = lambda name: open(os.path.join(out, name), encoding="utf-8", newline="").read()
    assert read("gate.md") == p.text
    report = json.loads(read("gate.json"))
    assert list(report) == ["schema", "tool", "generated_at", "baseline", "policy", "summary", "cells", "changes"]
    assert report["schema"] == 1 and report["summary"]["regressed"] == 2 and report["baseline"]["runs"] == 30
    suite = ElementTree.fromstring(read("gate.xml")).find("testsuite")
    assert suite.get("tests") == "2" and suite.get("failures") == "2" and suite.get("errors") == "0"
    assert {c.get("name") for c in suite} == {"a|b <i>x</i>", "throughput"}
    bigger, smaller = json.loads(read("gate-action-bigger.json")), json.loads(read("gate-action-smaller.json"))
    assert [b["unit"] for b in bigger] == ["req/s"] and [s["unit"] for s in smaller] == ["ms"]
    assert set(bigger[0]) == {"name", "unit", "value", "range", "extra"} and bigger[0]["value"] < 9.2
    bencher = json.loads(read("gate-bencher.json"))
    measure = next(iter(bencher.values()))["throughput"]
    assert measure["lower_value"] <= measure["value"] <= measure["upper_value"]
    rows = list(csv.DictReader(io.StringIO(read("gate.csv"))))
    assert len(rows) == 34 and rows[0]["commit"] == "c0" and rows[-1]["time"] == day(33)
    assert float(rows[30]["throughput"]) == 1000 / 110 or abs(float(rows[30]["throughput"]) - 1000 / 110) < 1e-8
    assert run("gate", "--since", day(30), "--csv", *store, expect=3).text == read("gate.csv")


def ab(*args, expect=0, **kw):
    return run("gate", "--ab", *args, expect=expect, **kw)


def printing(factor, counter):
    return (f"echo >> {counter}; echo metric,value,unit; "
            f"awk 'END{{print \"speed,\" {factor}*(100+(NR*7%20)/10) \",tok/s\"}}' {counter}")


def test_ab():
    counter, out = path("counter"), os.path.join(TMP, "ab")
    p = ab(printing(1, counter), printing(0.9, counter), "-o", out, expect=3)
    assert p.text.startswith("FAIL: 1 of 1 metrics regressed") and "speed\n            -" in p.text, p.text
    with open(os.path.join(out, "gate.json"), encoding="utf-8") as f:
        report = json.load(f)
    assert report["baseline"]["kind"] == "command" and report["baseline"]["runs"] == 10
    assert abs(report["cells"][0]["p"] - 2 / math.comb(20, 10)) < 1e-12
    p = ab(printing(1, counter), printing(1, counter))
    assert p.text.startswith("PASS: 0 of 1 metrics regressed") and "\n~ " in p.text
    assert ab(printing(1, counter), printing(1.2, counter)).text.startswith("PASS: 0 of 1 metrics regressed, 1 improved")
    p = ab("true", "sleep 0.2", "--metric", "wall", "--runs", "6", expect=3)
    assert "wall_s" in p.text
    run("gate", "--ab", "--strict", "--runs", "4", "echo metric,value; echo a,1; echo b,1",
        "echo metric,value; echo a,1; echo b,2", expect=5)  # 2 / C(8, 4) is no evidence among two


def test_ab_refused():
    def refused(*args, words, code):
        assert words in one_sentence(ab(*args, expect=code)), args

    ok = "echo metric,value; echo a,1"
    refused(ok, words="give two commands", code=2)
    refused(ok, ok, "--runs", "2", words="--runs 2", code=2)
    refused(ok, ok, "--metric", "speed", words="--metric speed", code=2)
    refused(ok, "echo broken model >&2; exit 7", words="ended with code 7; it said last: broken model", code=1)
    refused("/nonexistent/program", ok, words="command A", code=1)
    refused(ok, "echo hello", words="holds no figures", code=1)
    refused(ok, "sleep 30", "--timeout", "500ms", words="took longer than", code=1)


def test_ab_interrupted():
    """Ctrl-C keeps what was measured, and says so by its code."""
    marker = os.path.join(TMP, "fifth")
    command = f"echo x >> {marker}; sleep 0.1; echo metric,value; echo a,1"
    p = subprocess.Popen([PROGRAM, "gate", "--ab", command, command, "--runs", "200"], env=ENV, cwd=TMP,
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    end = time.time() + 60
    while time.time() < end and not (os.path.exists(marker) and os.path.getsize(marker) > 20):
        time.sleep(0.05)
    p.send_signal(signal.SIGINT)
    out, err = p.communicate(timeout=60)
    assert p.returncode == 130, (p.returncode, err)
    assert b"of 1 metrics regressed" in out, (out, err)


def test_refused():
    def refused(*args, words, code):
        assert words in one_sentence(run("gate", *args, expect=code)), args

    store = new_store("refused")
    refused("--fail-on", "speed,none", *store, words="none with others", code=2)
    refused("--fail-on", "speeed", *store, words="--fail-on speeed", code=2)
    refused("--since", "yesterday", *store, words="--since yesterday", code=2)
    refused("--min-effect", "200%", *store, words="--min-effect", code=2)
    refused("--baseline-runs", "5", *store, words="can never have the 8", code=2)
    refused("--baseline-runs", "5000", *store, words="at most 1000", code=2)
    refused("--reruns", "500", *store, words="at most 32", code=2)
    refused("something", *store, words="need --ab", code=2)
    refused("--store", path("no.db", b"this is no database, whatever it is called" * 9), words="is not a database", code=1)
    file = path("a-file", b"x")
    put_foreign(store, nights_of(quiet(10)))
    assert file in one_sentence(run("gate", "-o", file, *store, expect=1))


if __name__ == "__main__":
    sys.exit(main(globals()))
