#!/usr/bin/env python3
"""What `whichquant bench` says of a framework beside what the framework's own benchmark says of the same artifact:
framework_peers.py [--frameworks LIST] [--rounds N] MODEL.gguf

Both sides take turns on the same files, with the same prompt and answer lengths, threads and repetitions a turn. Prints
medians and their ratio with a 95 % bootstrap interval. The other side is llama-bench for llama.cpp (--llama FOLDER or
PATH), mlx_lm.benchmark for mlx, and for openvino-genai the metrics that its pipeline returns (its wheel has no program).
onnxruntime's wheels have no benchmark. The Python of the frameworks: --python."""
import argparse
import json
import os
import re
import shutil
import statistics
import sys
import tempfile

from side_by_side import ROOT, ratio, run

PIPELINE = """
import sys, numpy as np, openvino as ov, openvino_genai as genai
path, n_prompt, n_gen, threads, reps = sys.argv[1], *map(int, sys.argv[2:])
pipe = genai.LLMPipeline(path, "CPU", INFERENCE_NUM_THREADS=threads)
def metrics(n, new, first=0):
    config = genai.GenerationConfig(max_new_tokens=new, min_new_tokens=new, ignore_eos=True, do_sample=False)
    ids = ov.Tensor(np.arange(new + first, n + new + first, dtype=np.int64)[None])  # no prompt twice: it keeps those that it saw
    return pipe.generate(genai.TokenizedInputs(ids, ov.Tensor(np.ones((1, n), np.int64))), config).perf_metrics
metrics(n_prompt, 2)
metrics(2, n_gen)  # as whichquant: both phases have run before either is timed
print(np.mean([1e3 * n_prompt / metrics(n_prompt, 1, 9 * i).get_ttft().mean for i in range(reps)]),
      np.mean([1e3 / metrics(1, n_gen, 9 * i).get_tpot().mean for i in range(reps)]))
"""


class LlamaCpp:
    name, format, file = "llama.cpp", "gguf/q4_k_m", "model.gguf"

    def other(self, a, artifact):
        program = os.path.join(a.llama, "llama-bench") if a.llama else shutil.which("llama-bench")
        if not program:
            sys.exit("no llama-bench: give --llama FOLDER")
        out = run(program, "-m", artifact, "-p", str(a.prompt), "-n", str(a.gen), "-r", str(a.reps), "-t", str(a.threads), "-o", "jsonl")
        rows = [json.loads(x) for x in out.splitlines() if x.startswith("{")]
        return [next(r["avg_ts"] for r in rows if r["n_gen"] == n) for n in (0, a.gen)]


class MLX:
    name, format, file = "mlx", "mlx/4bit-g64", "mlx"
    prompt, gen = 128, 16  # its CPU backend is slow; its benchmark counts a step of generation into the prompt

    def other(self, a, artifact):
        out = run(a.python, "-m", "mlx_lm", "benchmark", "--model", artifact, "-p", str(a.prompt), "-g", str(a.gen), "-n",
                  str(a.reps))
        found = re.search(r"Averages: prompt_tps=([\d.]+), generation_tps=([\d.]+)", out)
        # it divides all tokens by the time since the first one: a step more than were timed
        return [float(found.group(1)), float(found.group(2)) * (a.gen - 1) / a.gen]


class OpenVINOGenAI:
    name, format, file = "openvino-genai", "openvino/int8-asym", "openvino"

    def other(self, a, artifact):
        return [float(x) for x in run(a.python, "-c", PIPELINE, artifact, str(a.prompt), str(a.gen), str(a.threads),
                                      str(a.reps)).split()]


FRAMEWORKS = {f.name: f for f in (LlamaCpp(), MLX(), OpenVINOGenAI())}


def own(a, framework, artifact):
    rows = json.loads(run(a.program, "bench", artifact, "--framework", framework.name, "--python", a.python, "-p", str(a.prompt),
                          "-n", str(a.gen), "-r", str(a.reps), "-t", str(a.threads), "--json", "-q"))
    rows = {r["n_gen"]: r["avg_ts"] for r in rows if r["framework"] == framework.name}
    return [rows[0], rows[a.gen]]


def compare(a, framework, folder):
    artifact = os.path.join(folder, framework.file)
    run(a.program, "quantize", a.model, "-f", framework.format, "-o", artifact, *(["--dither"] if a.dither else []))
    speeds = ([], [])
    for i in range(a.rounds):
        turns = [(speeds[0], lambda: own(a, framework, artifact)), (speeds[1], lambda: framework.other(a, artifact))]
        for into, measure in turns if i % 2 else reversed(turns):
            into.append(measure())
        print(f"{framework.name}: round {i + 1} of {a.rounds}", file=sys.stderr)
    for at, phase in enumerate(("prefill", "decode")):
        x, y = ([s[at] for s in side] for side in speeds)
        r = ratio(x, y)
        print(f"| {framework.name}, {framework.format} | {phase} {(a.prompt, a.gen)[at]} | {statistics.median(x):.1f} | "
              f"{statistics.median(y):.1f} | {r[0]:.3f} ({r[1]:.3f}-{r[2]:.3f}) |", flush=True)


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("model")
    p.add_argument("--frameworks", default=",".join(FRAMEWORKS))
    p.add_argument("--rounds", type=int, default=7)
    p.add_argument("--reps", type=int, default=5, help="repetitions a turn, of which the mean is taken")
    p.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    p.add_argument("--dither", action="store_true", help="for a model that is quantized already")
    p.add_argument("--llama", help="folder of llama-bench, also for whichquant")
    p.add_argument("--python", default=sys.executable, help="the Python that has the frameworks")
    p.add_argument("--program", default=os.path.join(ROOT, "build/cli/whichquant"))
    a = p.parse_args()
    if a.llama:
        os.environ["LLAMA_CPP_PATH"] = a.llama
    print("| framework, format | test | whichquant, tok/s | its own, tok/s | ratio |\n|---|---|--:|--:|--:|")
    with tempfile.TemporaryDirectory() as folder:
        for name in a.frameworks.split(","):
            f = FRAMEWORKS[name]
            a.prompt, a.gen = getattr(f, "prompt", 512), getattr(f, "gen", 64)
            compare(a, f, folder)


main()
