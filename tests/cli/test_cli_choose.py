#!/usr/bin/env python3
"""The answer without a model file, as a user meets it: devices that are not here, limits, what cannot run. The pick is held
against an exhaustive search of its own over the rows that --json prints. Arguments and end: harness.py."""
import csv
import json
import math
import os

from harness import ROOT, TMP, main, one_sentence, path, run

with open(os.path.join(ROOT, "datasets/models.csv"), encoding="utf-8") as f:
    MODELS = {row["id"]: row for row in csv.DictReader(f)}
PI, LAPTOP = ["--device", "raspberry-pi-5-8gb"], ["--ram", "16G", "--bandwidth", "51.2", "--isa", "avx2", "--cores", "8"]


def ask(*args, expect=0):
    return json.loads(run(*args, "--json", expect=expect).text)


def scored(row):
    published = any(MODELS[row["model"]][k] for k in ("score_mmlu", "score_gsm8k", "score_humaneval"))
    return published and (row["task"] == "code" or "chat" in MODELS[row["model"]]["tasks"])


# ---- an independent search ----

def key(row, objective):
    if objective == "speed":
        return row["decode_tok_s"] or -math.inf
    if objective == "memory":
        return -row["peak_bytes"]
    score = row["task_score"]
    return row["params_b"] - 1e6 if score is None else score if scored(row) else score - 1e3


def fits(row, limits):
    """Every limit by itself, from the row's figures and the catalogue."""
    usable = min(row["usable_bytes"], limits.get("ram", math.inf))
    kld, decode = row["kld"], row["decode_tok_s"]
    return (row["peak_bytes"] <= usable and kld is not None and kld <= limits.get("kld", math.inf)
            and (decode is None or decode >= limits.get("decode", 0))
            and row["weights_bytes"] <= limits.get("disk", math.inf)
            and (row["ttft_ms"] is None or row["ttft_ms"] <= limits.get("ttft", math.inf))
            and ("licence" not in limits or MODELS[row["model"]]["licence"] in limits["licence"])
            and int(MODELS[row["model"]]["context"]) >= row["ctx"])


def better(a, b, objective):
    """Is a at least as good in everything and better in something?"""
    def figures(r):
        return key(r, objective), r["decode_tok_s"] or 0, -r["peak_bytes"]
    fa, fb = figures(a), figures(b)
    return all(x >= y for x, y in zip(fa, fb)) and fa != fb


def search(rows, limits, objective):
    rows = [r for r in rows if fits(r, limits)]
    if not rows:
        return None
    best = max(rows, key=lambda r: (key(r, objective), -r["peak_bytes"]))
    if objective == "balanced" and best["task_score"] is not None:
        alike = [r for r in rows if r["model"] == best["model"] and r["task_score"] >= 0.99 * best["task_score"]]
        best = max(alike, key=lambda r: (r["decode_tok_s"] or 0, -r["peak_bytes"]))
        while better_ones := [r for r in rows if better(r, best, objective)]:
            best = better_ones[0]
    return best


def candidates(device, *args):
    """All rows under limits that bind nothing: what is left out is never recommended, whatever is asked."""
    rows = ask(*device, *args, "--min-decode", "0.000001", "--max-kld", "1000")["rows"]
    trust = ("fell back", "ternary", "unverified", "not comparable")
    return [r for r in rows if r["verdict"] not in ("unsupported", "failed")
            and not any(word in (r["reason"] or "") for word in trust)]


SETS = [
    ([], {"decode": 10, "kld": 0.1}, "balanced"),
    (["--min-decode", "2"], {"decode": 2, "kld": 0.1}, "balanced"),
    (["--min-decode", "5", "--max-kld", "0.03"], {"decode": 5, "kld": 0.03}, "balanced"),
    (["--min-decode", "1", "--max-kld", "0.01"], {"decode": 1, "kld": 0.01}, "balanced"),
    (["--min-decode", "3", "--ram", "2G"], {"decode": 3, "kld": 0.1, "ram": 2 << 30}, "balanced"),
    (["--min-decode", "4", "--ram", "3G"], {"decode": 4, "kld": 0.1, "ram": 3 << 30}, "balanced"),
    (["--min-decode", "1", "--disk", "1G"], {"decode": 1, "kld": 0.1, "disk": 1 << 30}, "balanced"),
    (["--min-decode", "2", "--license", "apache-2.0"], {"decode": 2, "kld": 0.1, "licence": ["apache-2.0"]}, "balanced"),
    (["--min-decode", "2", "--license", "mit,apache-2.0"], {"decode": 2, "kld": 0.1, "licence": ["mit", "apache-2.0"]},
     "balanced"),
    (["--objective", "quality"], {}, "quality"),
    (["--objective", "quality", "--min-decode", "6"], {"decode": 6}, "quality"),
    (["--objective", "speed"], {"kld": 0.1}, "speed"),
    (["--objective", "memory"], {"kld": 0.1}, "memory"),
    (["--objective", "memory", "--max-kld", "0.005"], {"kld": 0.005}, "memory"),
]


def test_the_pick_is_that_of_an_exhaustive_search():
    n = 0
    for device in (PI, LAPTOP, ["--device", "rtx-4090"]):
        rows = candidates(device)
        for args, limits, objective in SETS:
            if device is LAPTOP and "--ram" in args:
                continue  # there it describes the machine
            expected = search(rows, limits, objective)
            answer = ask(*device, *args)
            pick = answer["recommended"]
            assert pick and expected, (device, args)
            same = (pick["model"], pick["format"], pick["framework"]) == (expected["model"], expected["format"],
                                                                          expected["framework"])
            equal = (key(pick, objective), pick["peak_bytes"]) == (key(expected, objective), expected["peak_bytes"])
            assert same or equal, (device, args, pick["model"], pick["format"], expected["model"], expected["format"])
            n += 1
    for task in ("code", "reason", "translate"):
        rows = candidates(PI, "--task", task)
        pick, expected = ask(*PI, "--task", task, "--min-decode", "3")["recommended"], search(rows, {"decode": 3, "kld": 0.1},
                                                                                              "balanced")
        assert (pick["model"], pick["format"]) == (expected["model"], expected["format"]), (task, pick["model"])
        assert pick["task"] == task
        n += 1
    assert n >= 30, n


def test_no_row_is_better_than_the_pick():
    for device in (PI, LAPTOP, ["--device", "iphone-15-pro"], ["--device", "rtx-4090"]):
        answer = ask(*device)
        pick = answer["recommended"]
        assert pick["rank"] == 1 and pick["verdict"] == "recommended" and answer["verdict"] in ("recommended", "tie")
        assert pick["decode_tok_s_lo"] < pick["decode_tok_s"] < pick["decode_tok_s_hi"]
        assert pick["peak_bytes"] <= pick["usable_bytes"] and pick["command"]
        for row in answer["rows"]:
            if row["verdict"] in ("ok", "dominated"):
                assert not better(row, pick, "balanced"), (device, row["model"], row["format"])


# ---- cannot run ----

def test_a_large_model_on_a_small_board():
    p = run(*PI, "--model", "llama-3.3-70b", expect=4)
    first = p.text.split("\n")
    assert first[0].startswith("NO ") and "cannot run llama-3.3-70b even at the smallest format" in " ".join(first[:3])
    text = " ".join(p.text.split())
    assert "short" in text and "TRY" in text and "which fits" in text and "cloud" in text
    answer = ask(*PI, "--model", "llama-3.3-70b", expect=4)
    assert answer["verdict"] == "nothing-fits" and answer["binding_limit"] == "memory" and answer["recommended"] is None
    least = min(r["peak_bytes"] for r in answer["rows"])
    assert least > answer["rows"][0]["usable_bytes"]
    alternative = answer["nearest"].split()[0]
    assert float(MODELS[alternative]["params_b"]) < 2.5, alternative
    assert "cloud" not in ask(*PI, "--model", "llama-3.3-70b", "--offline", expect=4)["nearest"]
    assert run(*PI, "llama-3.3-70b", expect=4).text.startswith("NO ")  # as an argument


def test_a_microcontroller():
    p = run("--device", "esp32-s3", expect=4)
    assert "the catalogue's models on Espressif" in p.text, p.text
    assert p.text.startswith("NO ") and "cannot run any model of the catalogue" in " ".join(p.text.split())


def test_zero_candidates():
    answer = ask(*PI, "--license", "nobody-has-this", expect=4)
    assert answer["binding_limit"] == "licence" and answer["recommended"] is None
    answer = ask(*PI, "--model", "qwen3-8b", "--min-decode", "500", expect=4)
    assert answer["binding_limit"] == "decode speed", answer["binding_limit"]
    assert ask(*PI, "--ram", "1M", expect=4)["binding_limit"] == "memory"


# ---- the screen ----

def test_scores_are_shares():
    scores = [r["task_score"] for r in ask(*PI)["rows"] if r["task_score"] is not None]
    assert len(scores) > 1000 and 0 < min(scores) < max(scores) < 1, (min(scores), max(scores))


def test_first_screen():
    for args in (PI, ["decide", *PI], LAPTOP):
        lines = run(*args).text.split("\n")
        assert lines[0].startswith("USE ") and lines[1].startswith("WHY "), lines[:3]
        run_at = next(i for i, line in enumerate(lines) if line.startswith("RUN "))
        assert run_at <= 3 and any(word in lines[run_at] for word in ("llama-server", "ollama", "hf download", "mlx"))
        head = next(i for i, line in enumerate(lines) if " model " in line)
        rows = [line for line in lines[head + 1:head + 6]]
        assert all("(" in line for line in rows) and rows[0].startswith(">"), rows
        models = [line.split()[2 if line.split()[1].isdigit() else 1] if line[0] == ">" else line.split()[0] for line in rows]
        assert len({line[1:30] for line in rows}) == 5 and models, rows
        assert "more with -v" in lines[head + 6]


def test_report_of_a_described_machine():
    folder = os.path.join(TMP, "choice")
    run(*LAPTOP, "-o", folder)
    with open(os.path.join(folder, "matrix.csv"), encoding="utf-8") as f:
        rows = list(csv.DictReader(f))
    assert rows[0]["recommended"] == "true" and len({r["model"] for r in rows}) >= 60
    assert {"micro", "small", "medium", "large"} == {r["model_class"] for r in rows}
    assert {"1-2 bit", "3-4 bit", "5-8 bit", "16 bit"} == {r["precision_class"] for r in rows}
    assert all(r["speed_from"] in ("predicted", "") for r in rows)
    assert os.path.exists(os.path.join(folder, "report.html"))


def test_a_device_file():
    good = path("device.json", json.dumps({"name": "my laptop", "class": "laptop", "memory_gib": 16, "bandwidth_gb_s": 51.2,
                                           "isa": ["avx2"], "backends": ["cpu"]}).encode())
    assert ask("--device", good)["recommended"]["device"] == "my laptop"
    one_sentence(run("--device", path("broken.json", b"{"), expect=1))


# ---- bad input ----

def test_names_that_are_none():
    assert "raspberry-pi-5-8gb" in one_sentence(run("--device", "raspbery-pi-5-8gb", expect=2))
    assert "qwen3-8b" in one_sentence(run(*PI, "--model", "qwen3-8bb", expect=2))
    assert "gguf/q4_k_m" in one_sentence(run(*PI, "--format", "gguf/q4_k_mm", expect=2))
    one_sentence(run(*PI, "--framework", "llama.dll", expect=2))
    one_sentence(run("no-such-model-or-file", expect=1))


def test_contradictions():
    for args in (PI + LAPTOP[2:4], ["--bandwidth", "34"], PI + ["--ctx", "256"], PI + ["--ctx", "512", "--prompt", "512"],
                 PI + ["--max-ttft", "10ms", "--min-decode", "20"], ["--ram", "8G", "--bandwidth", "34000"],
                 ["--ram", "8G", "--bandwidth", "34", "--isa", "neon,avx2"], ["--ram", "8G", "--bandwidth", "fast"]):
        one_sentence(run(*args, expect=2))
    assert ask("--ram", "16G", "--vram", "24G", "--disk", "100G", "--estimate", "-q")["recommended"], "a large GPU in a small machine"


def test_here():
    """This machine before anything is measured: at once, and marked as a prediction."""
    answer = ask("--estimate", "-q")
    assert answer["recommended"]["speed_from"] == "predicted" and answer["device"]["hw_sha256"]
    answer = ask("qwen3-4b", "--estimate", "-q")
    assert {r["model"] for r in answer["rows"]} == {"qwen3-4b"}


if __name__ == "__main__":
    raise SystemExit(main(globals()))
