#!/usr/bin/env python3
"""What the calibration predicts of real shapes, beside what `bench --shape` measures of them right afterwards.
Usage: predict_shapes.py WHICHQUANT [SHAPE ...]. Prints a Markdown table. A machine whose memory is shared reads faster or
slower from one minute to the next: a pair counts only where its read bandwidth was the same, within a tenth, when both
were taken; else it is taken again, three times at most, and the last one is marked."""
import json
import os
import statistics
import subprocess
import sys
import tempfile

SHAPES = ["qwen3-0.6b", "llama-3.2-1b", "qwen2.5-1.5b", "qwen3-1.7b", "llama-3.2-3b"]
FORMATS = "gguf/q8_0,gguf/q4_k_m,gguf/q4_0"
SAME, TRIES = 0.1, 3


def run(program, env, *args):
    out = subprocess.run([program, *args, "--json", "-q"], env=env, stdout=subprocess.PIPE, check=True).stdout
    return json.loads(out)


def pair(program, env, shape):
    rates = run(program, env, "calibrate", "--recalibrate", "--budget", "4s")
    rows = run(program, env, "bench", "--shape", shape, "-f", FORMATS, "-p", "128", "-n", "16", "-r", "3")
    return rates["bandwidth"][0]["gb_s"][0], rows


def main():
    program, shapes = os.path.abspath(sys.argv[1]), sys.argv[2:] or SHAPES
    env = {**os.environ, "XDG_DATA_HOME": tempfile.mkdtemp(prefix="whichquant-predict-")}
    off = {"decode": [], "prefill": []}
    print("| shape | format | test | predicted tok/s | measured | off by | GB/s then, now |\n|---|---|---|---|---|---|---|")
    for shape in shapes:
        for attempt in range(TRIES):
            then, rows = pair(program, env, shape)
            now = statistics.median(r["bandwidth_gb_s"] for r in rows)
            if abs(now / then - 1) <= SAME:
                break
        moved = abs(now / then - 1) > SAME
        for r in rows:
            test = "decode" if r["n_gen"] else "prefill"
            if r["status"] != "ok" or r["predicted_ts"] is None:
                continue
            error = r["avg_ts"] / r["predicted_ts"] - 1
            if not moved:
                off[test].append(abs(error))
            print(f"| {shape} | {r['format']} | {test} | {r['predicted_ts']:.1f} ({r['predicted_ts_lo']:.1f}-"
                  f"{r['predicted_ts_hi']:.1f}) | {r['avg_ts']:.1f} | {100 * error:+.0f} %{' (memory moved)' if moved else ''} "
                  f"| {then:.1f}, {now:.1f} |", flush=True)
    for test, errors in off.items():
        if errors:
            print(f"\n{test}: median {100 * statistics.median(errors):.1f} %, largest {100 * max(errors):.1f} %, "
                  f"{sum(e <= 0.1 for e in errors)} of {len(errors)} within 10 %")


if __name__ == "__main__":
    main()
