#!/usr/bin/env python3
"""The own engine beside llama.cpp on the same GGUF files: peers.py [--source MODEL] [--types LIST] [--rounds N]

Takes an F16 model, else writes a llama of 311 M parameters (4 layers, width 2048, 32/8 heads, vocabulary 32000) with
random weights, lets llama-quantize make every type of it, and runs both programs in turn, prompt 512 and 32 generated, one repetition a
turn. Prints medians, their ratio with a 95 % bootstrap interval, and the share of the read bandwidth that our decoding
reaches. llama-bench and llama-quantize are taken from --llama FOLDER or PATH; --build FOLDER makes them there from the
source package of llama-cpp-python (pip, cmake; clang-16, because gcc 12 breaks its AMX path)."""
import argparse
import glob
import json
import os
import shutil
import statistics
import sys
import tarfile

from side_by_side import ROOT, ratio, run

sys.path.insert(0, os.path.join(ROOT, "tools"))
from synthesize import write_model  # noqa: E402

TYPES = "Q8_0 Q4_0 Q4_1 Q5_0 Q5_1 Q4_K Q5_K Q6_K Q3_K Q2_K IQ4_NL IQ4_XS IQ3_S TQ2_0 F16"
NAMED = {"Q4_K": "Q4_K_S", "Q5_K": "Q5_K_S", "Q3_K": "Q3_K_S"}  # llama-quantize knows mixtures; --pure keeps their type
PROMPT, GENERATED = 512, 32


def build_llama(folder):
    os.makedirs(folder, exist_ok=True)
    run(sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", ":all:", "-d", folder, "llama-cpp-python")
    with tarfile.open(sorted(glob.glob(os.path.join(folder, "llama_cpp_python-*.tar.gz")))[-1]) as t:
        t.extractall(folder, filter="data")
    source = sorted(glob.glob(os.path.join(folder, "llama_cpp_python-*", "vendor", "llama.cpp")))[-1]
    clang = ["-DCMAKE_C_COMPILER=clang-16", "-DCMAKE_CXX_COMPILER=clang++-16"] if shutil.which("clang++-16") else []
    run("cmake", "-S", source, "-B", os.path.join(folder, "build"), "-DCMAKE_BUILD_TYPE=Release", "-DGGML_NATIVE=ON",
        "-DLLAMA_CURL=OFF", "-DBUILD_SHARED_LIBS=OFF", *clang)
    run("cmake", "--build", os.path.join(folder, "build"), "-j", str(os.cpu_count()), "--target", "llama-bench", "llama-quantize")
    return os.path.join(folder, "build", "bin")


def find_llama(folder):
    found = {n: os.path.join(folder, n) if folder else shutil.which(n) for n in ("llama-bench", "llama-quantize")}
    for name, path in found.items():
        if not path or not os.path.exists(path):
            sys.exit(f"no {name}: give --llama FOLDER, or --build FOLDER to make it there")
    return found["llama-bench"], found["llama-quantize"]


def make_models(folder, types, quantize, threads, source):
    source = source or os.path.join(folder, "f16.gguf")
    if not os.path.exists(source):
        write_model(source, "peer", 4, 2048, 5632, 32, 8, 32000)
    models = {}
    for t in types:
        models[t] = source if t == "F16" else os.path.join(folder, t.lower() + ".gguf")
        if not os.path.exists(models[t]):
            run(quantize, "--pure", source, models[t], NAMED.get(t, t), str(threads))
    return models


def llama_speeds(program, model, threads):
    rows = [json.loads(x) for x in run(program, "-m", model, "-p", str(PROMPT), "-n", str(GENERATED), "-r", "1", "-t",
                                       str(threads), "-o", "jsonl").splitlines() if x.startswith("{")]
    return [next(r["avg_ts"] for r in rows if r["n_gen"] == n) for n in (0, GENERATED)]


def own_speeds(program, model, threads):
    """Prefill and decode in tokens per second, share of the bandwidth that was measured beside it."""
    rows = json.loads(run(program, "bench", model, "-p", str(PROMPT), "-n", str(GENERATED), "-r", "1", "-t", str(threads),
                          "--framework", "own", "--json", "-q"))
    rows = {r["n_gen"]: r for r in rows if r["framework"] == "own"}
    return [rows[0]["avg_ts"], rows[GENERATED]["avg_ts"], rows[GENERATED]["bandwidth_share"]]


def show(speeds, file):
    print("| type | decode, own | decode, llama.cpp | ratio | bandwidth | prefill, own | prefill, llama.cpp | ratio |", file=file)
    print("|---|--:|--:|--:|--:|--:|--:|--:|", file=file)
    for t, (own, llama) in speeds.items():
        cells = [t]
        for at in (1, 0):
            a, b = [x[at] for x in own], [x[at] for x in llama]
            r = ratio(a, b)
            cells += [f"{statistics.median(a):.0f}", f"{statistics.median(b):.0f}", f"{r[0]:.2f} ({r[1]:.2f}-{r[2]:.2f})"]
            cells += [f"{100 * statistics.median(x[2] for x in own):.0f} %"] if at else []
        print("| " + " | ".join(cells) + " |", file=file)


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--source", help="F16 model that the types are made of")
    p.add_argument("--types", default=TYPES.replace(" ", ","))
    p.add_argument("--rounds", type=int, default=7)
    p.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    p.add_argument("--llama", help="folder of llama-bench and llama-quantize")
    p.add_argument("--build", help="folder to build them in")
    p.add_argument("--models", default="peers-models", help="folder of the models, kept")
    p.add_argument("--program", default=os.path.join(ROOT, "build/cli/whichquant"))
    a = p.parse_args()
    bench, quantize = find_llama(build_llama(a.build) if a.build else a.llama)
    os.makedirs(a.models, exist_ok=True)
    types = a.types.split(",")
    models = make_models(a.models, types, quantize, a.threads, a.source)
    speeds = {t: ([], []) for t in types}
    for i in range(a.rounds):
        for t in types:
            turns = [(speeds[t][0], own_speeds, a.program), (speeds[t][1], llama_speeds, bench)]
            for into, measure, program in turns if i % 2 else reversed(turns):
                into.append(measure(program, models[t], a.threads))
            print(f"round {i + 1} of {a.rounds}, {t}", file=sys.stderr)
    show(speeds, sys.stdout)


main()
