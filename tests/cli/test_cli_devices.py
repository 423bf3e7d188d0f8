#!/usr/bin/env python3
"""Devices side by side, as a user meets them: report with several --device and --prices, its files, what is refused.
Arguments and end: harness.py."""
import csv
import json
import os
import sys

from harness import TMP, main, path, read_matrix, run

PRICES = b"device,price,currency,date\nraspberry-pi-5-8gb,79.90,EUR,2026-11-02\nrtx-4090,1899,EUR,2026-11-02\n"
MODEL = ["--model", "qwen3-4b"]


def test_side_by_side():
    prices, out = path("prices.csv", PRICES), os.path.join(TMP, "side")
    p = run("report", "--device", "raspberry-pi-5-8gb", "--device", "rtx-4090", *MODEL, "--min-decode", "0.1", "--prices", prices,
            "-o", out, "--json")
    told = json.loads(p.text)
    with open(os.path.join(out, "procurement.csv"), encoding="utf-8", newline="") as f:
        rows = list(csv.DictReader(f))
    assert [r["device"] for r in rows] == ["raspberry-pi-5-8gb", "rtx-4090"] == [r["device"] for r in told]
    for r, price in zip(rows, (79.9, 1899)):
        best = next(m for m in read_matrix(os.path.join(out, r["device"])) if m["recommended"] == "true")
        assert (r["model"], r["format"], r["framework"]) == (best["model"], best["format"], best["framework"])
        assert r["decode_tok_s"] == best["decode_tok_s"] and float(r["decode_tok_s"]) > 0
        assert best["device"] == r["name"], (best["device"], r["name"])
        backends = {m["backend"] for m in read_matrix(os.path.join(out, r["device"])) if m["verdict"] != "unsupported"}
        assert backends and backends <= {"cpu", "cuda", "vulkan", "opencl", "gpu"}, backends
        assert abs(float(r["tok_s_per_1000"]) * price / 1000 / float(r["decode_tok_s"]) - 1) < 1e-8
        assert abs(float(r["tok_s_per_watt"]) * float(r["watts"]) / float(r["decode_tok_s"]) - 1) < 1e-8
        assert r["price_date"] == "2026-11-02"
    with open(os.path.join(out, "report.html"), encoding="utf-8") as f:
        page = f.read()
    assert page.endswith("</html>\n") and "79.90 EUR" in page and "are different models" not in page
    assert sorted(os.listdir(out)) == ["fleet.json", "procurement.csv", "raspberry-pi-5-8gb", "report.html", "rtx-4090",
                                       "standard.csv", "summary.md"]


def test_forms():
    two = ["report", "--devices", "raspberry-pi-5-8gb,rtx-4090", *MODEL, "--min-decode", "0.1"]
    assert run(*two, "--csv").text.startswith("device,name,verdict,model,format,framework,")
    assert run(*two, "--md").text.startswith("# Devices side by side")
    text = run(*two).text
    assert "Raspberry Pi 5" in text and "tok/s" in text and "RTX 4090" in text
    assert run("--device", "raspberry-pi-5-8gb", "--device", "rtx-4090", *MODEL, "--min-decode", "0.1").text == text


def test_nothing_fits():
    p = run("report", "--device", "esp32-s3", "--device", "raspberry-pi-5-8gb", "--model", "llama-3.3-70b", expect=4)
    assert p.text.count("cannot run") >= 2, p.text


def test_refused():
    def refuse(*args, words, code):
        p = run("report", *args, expect=code)
        assert words in p.err, p.err
        assert len([line for line in p.err.split("\n") if line.startswith("whichquant: ")]) == 1, p.err

    out = os.path.join(TMP, "refused")
    bad = path("bad.csv", b"device,price,currency,date\nrtx-4090,1899,EUR,yesterday\n")
    two = ["--device", "raspberry-pi-5-8gb", "--device", "rtx-4090", *MODEL]
    refuse(*two, "--prices", bad, "-o", out, words="\"yesterday\" is no date", code=1)
    refuse(*two, "--prices", os.path.join(TMP, "none.csv"), "-o", out, words="none.csv", code=1)
    refuse("--prices", path("p.csv", PRICES), words="--prices needs devices", code=2)
    refuse("--device", "rtx-4090", "--device", "rtx-4090", *MODEL, words="named twice", code=2)
    refuse("--device", "rtx-4090", "--device", "raspbery-pi-5", words="raspberry-pi-5", code=2)
    p = run("explain", "gguf/q8_0", *two, expect=2)
    assert "takes one device" in p.err, p.err
    assert not os.path.exists(out), "a refused report leaves nothing"


if __name__ == "__main__":
    sys.exit(main(globals()))
