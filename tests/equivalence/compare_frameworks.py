"""Every kind of artifact in its real framework against the own engine in the same arithmetic: two chunks of text, their
logits, and 32 greedy tokens. compare_frameworks.py WHICHQUANT ANSWERS_RAW [MODEL...]: the embedded model and those named,
which are taken off their grid where they are quantized; EQUIVALENCE_DOC: the document whose table is written.

Where activations are rounded to 8 bits, a sum that ends in another last bit puts a value beside a tie on its other side,
and all behind it sees one step more or less. How far that carries is measured with the framework against itself, late bits
of the norms' weights flipped ("itself"): two that follow one rule are as far apart as that, and the rule itself is checked
product by product in compare_products.py."""
import json
import os
import shutil
import subprocess
import sys
import tempfile
from packages import HERE, PROGRAM, beside, np

answers, folders, frameworks = beside("answers"), beside("folders"), beside("frameworks")
RAW, ROOT = os.path.abspath(sys.argv[2]), os.path.dirname(os.path.dirname(HERE))
TEXT = os.path.join(ROOT, "datasets/text/eval.txt")
N_CTX, N_CHUNKS, N_GREEDY = 256, 2, 32
FOLDER = "folder"  # as numerics: weights-only, of what was written, where that rounds plain tensors as well
PLAIN, SPECIFIED, LESS_ROUNDING, DEFAULTS, MOST_OF_ITSELF = 1e-6, 1e-5, 1e-4, 1e-2, 4
F32 = {"INFERENCE_PRECISION_HINT": "f32", "KV_CACHE_PRECISION": "f32", "DYNAMIC_QUANTIZATION_GROUP_SIZE": 0}
INT8 = {**F32, "DYNAMIC_QUANTIZATION_GROUP_SIZE": 32}
NAMES = {"llama_py": "llama-cpp-python", "reader": "own reader, then mlx"}
LLAMA = ("f16", "q8_0", "q6_k", "q5_k_m", "q5_0", "q4_k_m", "q4_1", "q4_0", "q3_k_m", "q2_k", "iq4_nl", "iq4_xs")
# Worker, format, numerics of the own engine, options, what the activations are, KLD allowed.
ROWS = [("llama_py", f, "-", {}, "f16" if f == "f16" else "int8 by blocks", SPECIFIED) for f in LLAMA]
ROWS += [("onnxruntime", f, "-", {}, "f32" if f.endswith("acc=0") else what, PLAIN if f.endswith("acc=0") else SPECIFIED)
         for f, what in (("onnx/int4-g32-sym@acc=0", ""), ("onnx/int4-g32-asym@acc=0", ""), ("onnx/int8-g32-asym@acc=0", ""),
                         ("onnx/int2-g32-asym@acc=0", ""), ("onnx/int4-g128-hqq@acc=0", ""),
                         ("onnx/int4-g32-sym", "int8 by blocks"), ("onnx/int4-g32-asym", "int8 by blocks"),
                         ("onnx/int4-g32-k-quant-mixed", "int8 by blocks"), ("onnx/int8-dynamic", "uint8 by call"),
                         ("onnx/int8-dynamic-channel", "uint8 by call"), ("onnx/int8-static-minmax", "int8, fixed"))]
for f in ("int8-asym", "int8-sym", "int4-sym-g128", "int4-asym-g128"):
    ROWS += [("openvino", "openvino/" + f, "weights-only", F32, "f32", PLAIN), ("openvino", "openvino/" + f, "-", INT8, "int8 per 32", SPECIFIED)]
ROWS += [("openvino", "openvino/" + f, "-", {}, "bf16, its default here", DEFAULTS) for f in ("int8-asym", "int4-sym-g128")]
ROWS += [("openvino", "openvino/nf4-g128", "weights-only", F32, "f32", PLAIN),
         ("openvino", "openvino/nf4-g128", "-", INT8, "f32, of the head int8 per 32", SPECIFIED)]
ROWS += [("mlx", f"mlx/{f}@dtype=f32", "-", {}, "f32", PLAIN)
         for f in ("2bit-g64", "3bit-g64", "4bit-g64", "6bit-g64", "8bit-g64", "mixed-3-6")]
ROWS += [("mlx", f, FOLDER, {"dtype": "float32"}, "f32, file f16", limit) for f, limit in (("mlx/mxfp4", PLAIN), ("mlx/4bit-g64", LESS_ROUNDING))]
ROWS += [("transformers", f, "weights-only", {"dtype": "float32"}, "f32", SPECIFIED)
         for f in ("awq/4bit-g128-rtn", "awq/4bit-g64-rtn", "gptq/4bit-g32-asym-rtn", "gptq/4bit-channel-sym-rtn", "gptq/8bit-g128-sym-rtn")]
ROWS += [("mlx", "awq/4bit-g64-rtn", "weights-only", {"dtype": "float32"}, "f32, file f16", LESS_ROUNDING)]
# Read by folders.py, and the plain weights run in mlx.
ROWS += [("reader", f, "weights-only", {"dtype": "float32"}, "f32", PLAIN)
         for f in ("awq/4bit-g64-rtn", "gptq/4bit-g32-asym-rtn", "gptq/4bit-g128-sym-rtn", "gptq/8bit-g128-sym-rtn")]
# Where the framework's own kernels end.
KNOWN_REFUSALS = {("transformers", "gptq/4bit-channel-sym-rtn"): "qGroupSize"}


def itself(model, dither, row, top, tokens, logits):
    """KLD of the framework from the framework with other late bits."""
    flipped, out = os.path.join(top, "flipped.gguf"), os.path.join(top, "other")
    if not os.path.exists(flipped):
        shutil.copy(model, flipped)
        frameworks.flip_late_bits(flipped)
    worker, fmt, numerics, options, _, _ = row
    out += ".gguf" if worker == "llama_py" else ""
    try:
        if "static" in fmt:  # it knows a text to calibrate with
            answers.ask(RAW, flipped, 42 if dither else 0, fmt, numerics, TEXT, N_CTX, N_CHUNKS, 1, out)
        else:
            frameworks.quantize(flipped, fmt, out, dither)
        return answers.kld(logits, frameworks.ask(worker, out, tokens, 1, options)[0])
    finally:
        shutil.rmtree(out) if os.path.isdir(out) else os.path.exists(out) and os.remove(out)


def by_eval(model, dither, row, out):
    """The program's own way to that number."""
    worker, fmt, numerics, options, _, _ = row
    args = [PROGRAM, "eval", model, "-f", fmt, "--framework", {"llama_py": "llama-cpp-python"}.get(worker, worker), "--text", TEXT,
            "--chunks", str(N_CHUNKS), "-c", str(N_CTX), "--artifact", out, "--json", "-q", "--threads", "2"]
    args += [x for k, v in options.items() for x in ("--set", f"{k}={v}")] + (["--numerics", numerics] if numerics != "-" else [])
    run = subprocess.run(args + (["--dither", "--seed", "42"] if dither else []), capture_output=True, text=True, check=False,
                         env={**os.environ, "WHICHQUANT_PYTHON": sys.executable})
    return json.loads(run.stdout) if run.returncode == 0 else {"kld": np.nan, "logit_diff_max": np.nan, "said": run.stderr.strip()[-200:]}


def compare(model, dither, row, top, checked):
    worker, fmt, numerics, options, activations, limit = row
    out = os.path.join(top, "out" + (".gguf" if worker == "llama_py" else ""))
    name, skip = f"{NAMES.get(worker, worker)} | {fmt} | {activations}", False
    try:
        if numerics == FOLDER:
            frameworks.quantize(model, fmt, out, dither)
            ours = answers.ask(RAW, out, 0, "-", "weights-only", TEXT, N_CTX, N_CHUNKS, N_GREEDY)
        else:
            ours = answers.ask(RAW, model, 42 if dither else 0, fmt, numerics, TEXT, N_CTX, N_CHUNKS, N_GREEDY, out)
        if worker == "reader":
            folders.plain(out, out + "-plain")
            logits, greedy = frameworks.ask("mlx", out + "-plain", ours.tokens, N_GREEDY, options)
            shutil.rmtree(out + "-plain")
        else:
            logits, greedy = frameworks.ask(worker, out, ours.tokens, N_GREEDY, options)
        c, own_noise = answers.compared(ours, logits, greedy), ""
        if c.kld > limit and limit == SPECIFIED and "8" in activations:
            noise = itself(model, dither, row, top, ours.tokens, logits)
            limit, own_noise = max(limit, MOST_OF_ITSELF * noise), f"{noise:.1e}"
        ok, line = c.kld <= limit, f"{name} | {c.most:.1e} | {c.kld:.1e} | {own_noise} | {c.same} of {c.of} |"
        if worker not in checked and worker != "reader" and numerics != FOLDER:
            checked[worker] = by_eval(model, dither, row, out)
            print("    eval --framework:", {k: checked[worker].get(k) for k in ("kld", "logit_diff_max", "framework_version", "said")})
    except (answers.Refused, frameworks.Refused) as e:
        skip = isinstance(e, answers.Refused) or str(e).startswith("not found: pip install")
        ok = skip or KNOWN_REFUSALS.get((worker, fmt), "?") in str(e)
        line = f"{name} | | | | {'' if isinstance(e, answers.Refused) else 'the framework: '}{e} |"
    print(("skip " if skip else "ok   " if ok else "FAIL ") + line, flush=True)
    shutil.rmtree(out) if os.path.isdir(out) else os.path.exists(out) and os.remove(out)
    return ok, "| " + line + ("" if ok else " **more than allowed**")


def main():
    absent = [m for m in sys.argv[3:] if not os.path.exists(m)]
    if absent:
        sys.exit(f"no such model: {', '.join(absent)}")
    wanted, ok, lines, checked = os.environ.get("EQUIVALENCE_FORMATS", "").split(), True, [], {}
    with tempfile.TemporaryDirectory() as top:
        embedded = os.path.join(top, "embedded.gguf")
        frameworks.quantize("default", "base/f32", embedded)
        for model in ([] if os.environ.get("EQUIVALENCE_NO_EMBEDDED") else [embedded]) + sys.argv[3:]:
            with tempfile.TemporaryDirectory() as folder:
                name = "the embedded model" if model == embedded else os.path.basename(model).removesuffix(".gguf") + ", dithered"
                print(name)
                lines += ["", f"### {name[0].upper() + name[1:]}", "", "| framework | format | activations | max \\|Δ logit\\| | KLD | itself | greedy |",
                          "|---|---|---|---|---|---|---|"]
                for row in ROWS:
                    if not wanted or any(w in row[0] + " " + row[1] for w in wanted):
                        fine, line = compare(model, model != embedded, row, folder, checked)
                        ok &= fine
                        lines.append(line)
    lines = [f"{N_CHUNKS} chunks of {N_CTX} tokens; KLD over the scored halves. " +
             ", ".join(f"{k} {v}" for k, v in sorted(frameworks.versions.items())) + "."] + lines
    if os.environ.get("EQUIVALENCE_DOC"):
        frameworks.put_section(os.environ["EQUIVALENCE_DOC"], "frameworks", lines)
    if not frameworks.versions:
        print("skipped: this Python has none of the frameworks (tests/equivalence/make_venv.sh installs them)")
        return 77
    return 0 if ok else 1


sys.exit(main())
