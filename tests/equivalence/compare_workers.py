"""Frameworks behind the worker protocol, on the artifacts that the program writes for them: the KL divergence of what
each answers from what the own engine answers in the same arithmetic (`eval --framework`), and a measurement of its speed.
compare_workers.py WHICHQUANT [MODEL [TEXT]]; the Python is EQUIVALENCE_PYTHON. A framework that is not there, and a
container that is not written yet, is named and left out; nothing there at all is a skip."""
import json
import os
import subprocess
import sys

PROGRAM = os.path.abspath(sys.argv[1])
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
MODEL = sys.argv[2] if len(sys.argv) > 2 else "default"
TEXT = sys.argv[3] if len(sys.argv) > 3 else os.path.join(ROOT, "datasets/text/eval.txt")
CHUNKS = "2"
# (format, largest mean KLD). Without rounded activations only the order of sums differs: 4e-7. Where activations are
# rounded to 8 bits, a last bit of a sum moves some of them to the next code, in every layer anew: two runs that both
# follow the rule stand 1e-4 to 1e-3 apart on the embedded model (3e-3 on SmolLM2-135M; llama-perplexity's own logits
# stand exactly there too). The limits tell a wrong rule from that, not more. ONNX's dynamic int8 has one scale a call:
# onnxruntime-genai is asked token by token, the own engine chunk by chunk.
FORMATS = {
    "gguf": [("f16", 1e-5), ("q8_0", 1e-3), ("q6_k", 1e-3), ("q5_k_m", 1e-3), ("q4_k_m", 1e-3), ("q4_0", 1e-3),
             ("q3_k_m", 1e-3), ("q2_k", 1e-3), ("iq4_nl", 1e-3)],
    "onnx": [("onnx/int8-dynamic", 1e-2), ("onnx/int4-g32-sym", 1e-3)],
    "openvino": [("openvino/int8-asym", 2e-3), ("openvino/int4-sym-g128", 2e-3)],
    "mlx": [("mlx/4bit-g64", 1e-3), ("mlx/8bit-g64", 1e-3)],
}


def run(*args):
    p = subprocess.run([PROGRAM, *args, "--json", "-q"], capture_output=True, text=True, stdin=subprocess.DEVNULL,
                       env={**os.environ, **({"WHICHQUANT_PYTHON": os.environ["EQUIVALENCE_PYTHON"]}
                                             if "EQUIVALENCE_PYTHON" in os.environ else {})})
    return p.returncode, p.stdout, (p.stderr.strip().split("\n") or [""])[-1]


def main():
    found = [f for f in json.loads(run("list", "frameworks")[1]) if f["found"] and f["name"] not in ("own", "llama.cpp")]
    compared = bad = 0
    for f in found:
        for name, limit in [x for c in (f["loads"] or "").split() for x in FORMATS.get(c, [])]:
            code, out, said = run("eval", MODEL, "-f", name, "--text", TEXT, "--chunks", CHUNKS, "--framework", f["name"])
            if code:
                print(f"{f['name']:18} {name:24} not compared: {said}")
                bad += not any(w in said for w in ("unsupported", "not written", "shows no logits", "Failed to load"))
                continue
            q = json.loads(out)
            compared += 1
            bad += not q["kld"] <= limit
            print(f"{f['name']:18} {name:24} KLD {q['kld']:.2e} (99 % {q['kld_p99']:.2e}, max {q['kld_max']:.2e}), "
                  f"same top {100 * q['top1_agreement']:.2f} %{'' if q['kld'] <= limit else '  MORE THAN ' + str(limit)}")
    if not compared and not bad:
        print("skipped: EQUIVALENCE_PYTHON has none of the frameworks (tests/equivalence/make_venv.sh)")
        return 77
    print(f"{compared} compared, {bad} bad")
    return bad > 0


sys.exit(main())
