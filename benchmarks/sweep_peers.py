#!/usr/bin/env python3
"""A sweep beside the same cells by hand: sweep_peers.py --text FILE [--model F16.gguf] [--chunks N]

12 GGUF formats of one model: KL divergence over the chunks of a text, prompt 512 and 128 generated. By hand that is
llama-quantize, llama-perplexity --kl-divergence and llama-bench for each; here it is one command, once for all chunks of
all formats, once raced within --budget. Prints the times, what they were spent on, how well the rankings by KLD and by
decode speed agree (Spearman), and what each would pick: the fastest with a KLD within the limit."""
import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

from side_by_side import ROOT, run

sys.path.insert(0, os.path.join(ROOT, "tools"))
from synthesize import write_model  # noqa: E402

FORMATS = "Q8_0 Q6_K Q5_K_M Q5_K_S Q5_0 Q4_K_M Q4_K_S Q4_0 Q3_K_M Q3_K_S Q2_K IQ4_XS".split()
KLD_LIMIT = 0.1  # the default of whichquant


def timed(*command):
    t0 = time.time()
    return run(*command, errors=subprocess.STDOUT), time.time() - t0


def by_hand(a, folder):
    """format -> (KLD, decode tokens per second), and the seconds of each tool."""
    found, spent = {}, {"base": 0.0, "quantize": 0.0, "perplexity": 0.0, "bench": 0.0}
    tool = {n: os.path.join(a.llama, n) if a.llama else shutil.which(n)
            for n in ("llama-quantize", "llama-perplexity", "llama-bench")}
    base, file = os.path.join(folder, "base.kld"), os.path.join(folder, "q.gguf")
    common = ["-t", str(a.threads), "-c", "512", "--chunks", str(a.chunks)]
    _, spent["base"] = timed(tool["llama-perplexity"], "-m", a.model, "-f", a.text, "--kl-divergence-base", base, *common)
    for f in FORMATS:
        spent["quantize"] += timed(tool["llama-quantize"], a.model, file, f, str(a.threads))[1]
        out, s = timed(tool["llama-perplexity"], "-m", file, "--kl-divergence-base", base, "--kl-divergence", *common)
        spent["perplexity"] += s
        kld = float(re.search(r"Mean\s+KLD:\s+([-\d.naif]+)", out).group(1))
        out, s = timed(tool["llama-bench"], "-m", file, "-p", "512", "-n", "128", "-t", str(a.threads), "-o", "jsonl")
        spent["bench"] += s
        rows = [json.loads(x) for x in out.splitlines() if x.startswith("{")]
        found[f] = (kld, next(r["avg_ts"] for r in rows if r["n_gen"] == 128))
        print(f"by hand: {f}, KLD {kld:.5f}, {found[f][1]:.0f} tok/s", file=sys.stderr)
    return found, spent


def in_one(a, folder, *limits):
    """KLDs, decode speeds, seconds and the answer."""
    out = os.path.join(folder, "sweep" + "".join(limits))
    names = ",".join("gguf/" + f.lower() for f in FORMATS)
    _, seconds = timed(a.program, a.model, "-f", names, "--text", a.text, "--prompt", "512", "--gen", "128", "-t",
                       str(a.threads), "--store", out + ".db", "-o", out, "-q", "--framework", "own", *limits)
    kld, speed = {}, {}
    with open(os.path.join(out, "records.jsonl"), encoding="utf-8") as lines:
        for r in map(json.loads, lines):
            f = r["format"]["name"].split("/")[1].upper()
            if r.get("quality", {}).get("kld") is not None:
                kld[f] = r["quality"]["kld"]
            if (r.get("speed", {}).get("decode_tok_s") or {}).get("v") is not None:
                speed[f] = r["speed"]["decode_tok_s"]["v"]
    with open(os.path.join(out, "decision.json"), encoding="utf-8") as f:
        decision = json.load(f)
    return kld, speed, seconds, decision["headline"]


def spearman(a, b):
    keys = [k for k in a if k in b]
    rank = [{k: i for i, k in enumerate(sorted(keys, key=x.get))} for x in (a, b)]
    n = len(keys)
    return 1 - 6 * sum((rank[0][k] - rank[1][k]) ** 2 for k in keys) / (n * (n * n - 1)) if n > 1 else float("nan")


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--text", required=True)
    p.add_argument("--model", help="an F16 GGUF file; none: a synthesized one of 0.44 B parameters")
    p.add_argument("--chunks", type=int, default=8)
    p.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    p.add_argument("--budget", default="60s", help="of the raced sweep (60s)")
    p.add_argument("--llama", help="folder of llama.cpp's tools")
    p.add_argument("--program", default=os.path.join(ROOT, "build/cli/whichquant"))
    a = p.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if not a.model:
            a.model = os.path.join(folder, "f16.gguf")
            write_model(a.model, "peer 0.44B", 24, 1024, 4096, 16, 8, 32000)
        runs = [in_one(a, folder, "--chunks", str(a.chunks)), in_one(a, folder, "--budget", a.budget)]
        found, spent = by_hand(a, folder)
    total = sum(spent.values())
    within = [f for f in FORMATS if found[f][0] <= KLD_LIMIT] or [min(FORMATS, key=lambda f: found[f][0])]
    print(f"by hand {total:.0f} s ({', '.join(f'{name} {s:.0f} s' for name, s in spent.items())}): "
          f"fastest within {KLD_LIMIT}: {max(within, key=lambda f: found[f][1])}")
    for what, (kld, speed, seconds, headline) in zip((f"{a.chunks} chunks", "raced"), runs):
        print(f"whichquant, {what}: {seconds:.0f} s, {total / seconds:.1f} times as fast; rank correlation: "
              f"KLD {spearman({f: x[0] for f, x in found.items()}, kld):.3f}, "
              f"decode {spearman({f: x[1] for f, x in found.items()}, speed):.3f}; {headline}")


main()
