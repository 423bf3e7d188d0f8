"""Directories for ONNX Runtime GenAI, as written: onnx.checker on the graph, then onnxruntime on the CPU against our own
engine with the same weights: logits of every position of two chunks of text, and 32 greedy tokens, one position at a time
over the keys and values that came out. Where inputs are rounded to 8 bits, a sum that ends in another last bit puts a
value beside a tie on its other side, and all behind it sees one step more or less: how far that carries is measured with
onnxruntime against itself, a late bit of the norms' weights flipped ("itself"). With onnxruntime-genai
installed its loader generates those 32 tokens too. The embedded model, then random ones of every architecture; or, run as
compare_export_onnx.py WHICHQUANT EXPORT_RAW MODEL DITHER [FORMAT...], another one."""
import json
import os
import subprocess
import sys
import tempfile
from packages import HERE, beside, need, np

onnx, ort, _ = need("onnx", "onnxruntime", "gguf")
try:
    import onnxruntime_genai as genai
except ImportError:
    genai = None

ROOT = os.path.dirname(os.path.dirname(HERE))
RAW = sys.argv[2]
TEXT = os.path.join(ROOT, "datasets/text/eval.txt")
N_CTX, N_CHUNKS, N_GREEDY = 128, 2, 32
# What KLD each may have. Where inputs are rounded, MOST_OF_ITSELF times that of onnxruntime against itself is no more.
ROUNDED, MOST_OF_ITSELF = 1e-5, 4
FORMATS = {"onnx/int4-g32-sym@acc=0": 1e-6, "onnx/int4-g32-asym@acc=0": 1e-6, "onnx/int4-g32-sym": ROUNDED,
           "onnx/int4-g32-asym": ROUNDED, "onnx/int8-g32-sym": ROUNDED, "onnx/int8-g32-asym@acc=0": 1e-6,
           "onnx/int2-g32-asym@acc=0": 1e-6, "onnx/int4-g32-k-quant-mixed": ROUNDED, "onnx/int4-g128-hqq": 1e-6,
           "onnx/int8-dynamic": ROUNDED, "onnx/int8-dynamic-channel": ROUNDED, "onnx/int8-static-minmax": ROUNDED}
# Architecture, window of sliding attention, layers, tied: random weights, each with what is its own.
ARCHS = (("llama", 0, 2, False), ("llama", 48, 2, True), ("qwen2", 0, 2, True), ("qwen3", 0, 2, True), ("gemma3", 48, 7, True),
         ("phi3", 0, 2, False))


def write(model, text, dither, fmt, folder):
    """The directory, and what our engine answers."""
    run = subprocess.run([RAW, model, fmt, folder, text, str(N_CTX), str(N_CHUNKS), str(N_GREEDY), dither],
                         capture_output=True, check=False)
    if run.returncode:
        raise SystemExit(f"{fmt}: {run.stderr.decode()}")
    parts, at = {}, 0
    while at < len(run.stdout):
        end = run.stdout.index(b"\n", at)
        name, n = run.stdout[at:end].decode().split()
        parts[name] = run.stdout[end + 1:end + 1 + int(n)]
        at = end + 1 + int(n)
    tokens = np.frombuffer(parts["tokens"], "<i4").reshape(N_CHUNKS, N_CTX).astype(np.int64)
    return tokens, np.frombuffer(parts["logits"], "<f4").reshape(N_CHUNKS, N_CTX, -1), np.frombuffer(parts["greedy"], "<i4")


class Decoder:
    def __init__(self, folder):
        options = ort.SessionOptions()
        options.intra_op_num_threads = 2
        with open(os.path.join(folder, "genai_config.json"), encoding="utf-8") as f:
            d = json.load(f)["model"]["decoder"]
        self.run = ort.InferenceSession(os.path.join(folder, d["filename"]), options, providers=["CPUExecutionProvider"])
        self.past = [d["inputs"][f"past_{what}_names"] % i for i in range(d["num_hidden_layers"]) for what in ("key", "value")]
        self.shape = (1, d["num_key_value_heads"], 0, d["head_size"])
        self.reset()

    def reset(self):
        self.kv, self.n = [np.zeros(self.shape, np.float32)] * len(self.past), 0

    def step(self, tokens):
        self.n += len(tokens)
        feed = {"input_ids": np.array([tokens], np.int64), "attention_mask": np.ones((1, self.n), np.int64)}
        logits, *self.kv = self.run.run(None, feed | dict(zip(self.past, self.kv)))
        return logits[0]

    def chunks(self, tokens):
        logits = []
        for chunk in tokens:
            self.reset()
            logits.append(self.step(list(chunk)))
        return np.stack(logits)


def flip_late_bits(folder, first):
    """The third last of every third weight of all norms: 2e-7 to 5e-7 of it, what sums in another order come to."""
    graph = onnx.load(os.path.join(folder, "model.onnx"), load_external_data=False).graph
    for tensor in graph.initializer:
        if tensor.name.endswith("norm.weight"):
            place = {e.key: e.value for e in tensor.external_data}
            w = np.memmap(os.path.join(folder, place["location"]), np.uint32, "r+", int(place["offset"]), int(place["length"]) // 4)
            w[first::3] ^= 4
            w.flush()


def sensitivity(folder, tokens, logits):
    """The largest of three such flips."""
    found = []
    for first in range(3):
        flip_late_bits(folder, first)
        found.append(kld(logits, Decoder(folder).chunks(tokens)))
    return max(found)


def log_softmax(x):
    x = x.astype(np.float64)
    x -= x.max(-1, keepdims=True)
    return x - np.log(np.exp(x).sum(-1, keepdims=True))


def kld(p, q):
    """Mean over the positions of the scored half, as everywhere in this program."""
    p, q = log_softmax(p[:, N_CTX // 2:]), log_softmax(q[:, N_CTX // 2:])
    return float((np.exp(p) * (p - q)).sum(-1).mean())


def greedy(decoder, prompt, want):
    """Ids, and where they part how far the two candidates are from each other."""
    decoder.reset()
    logits, ids, gap = decoder.step(list(prompt))[-1], [], None
    for w in want:
        best = int(np.argmax(logits))
        if best != w and gap is None:
            gap = float(logits[best] - logits[w])
        ids.append(best)
        logits = decoder.step([best])[-1]
    return np.array(ids), gap


def generate(folder, prompt, n):
    """By ONNX Runtime GenAI's own loader and loop."""
    model = genai.Model(folder)
    params = genai.GeneratorParams(model)
    params.set_search_options(max_length=len(prompt) + n, do_sample=False)
    generator = genai.Generator(model, params)
    generator.append_tokens(np.array(prompt, np.int32))
    for _ in range(n):
        generator.generate_next_token()
    return np.array(generator.get_sequence(0))[len(prompt):]


def compare(model, text, dither, fmt, limit, label=""):
    with tempfile.TemporaryDirectory() as parent:
        folder = os.path.join(parent, "out")
        tokens, ours, want = write(model, text, dither, fmt, folder)
        onnx.checker.check_model(os.path.join(folder, "model.onnx"))
        decoder = Decoder(folder)
        theirs = decoder.chunks(tokens)
        ids, gap = greedy(decoder, tokens[0, :N_CTX // 2], want)
        by_genai = generate(folder, tokens[0, :N_CTX // 2], N_GREEDY) if genai else None
        d, allowed = kld(ours, theirs), f"{limit:.0e}"
        if d > limit and limit == ROUNDED:
            itself = sensitivity(folder, tokens, theirs)
            limit, allowed = MOST_OF_ITSELF * itself, f"itself {itself:.3g}"
    same = int(np.count_nonzero(ids == want)) if gap is None else int(np.flatnonzero(ids != want)[0])
    ok = d <= limit and np.isfinite(theirs).all()
    agree = "" if by_genai is None else f"  genai {int(np.count_nonzero(by_genai == ids[:len(by_genai)]))}/{len(by_genai)}"
    close = "" if gap is None else f" (then {gap:.2g} apart)"
    print(f"{'ok  ' if ok else 'FAIL'} {label + fmt:<40} max |d logit| {np.abs(ours - theirs).max():.3g}  KLD {d:.3g} ({allowed})  "
          f"top-1 {np.mean(ours.argmax(-1) == theirs.argmax(-1)):.4f}  greedy {same}/{len(want)}{close}{agree}", flush=True)
    return ok


def compare_archs():
    tiny, ok = beside("tiny"), True
    with tempfile.TemporaryDirectory() as folder:
        for arch, window, n_layer, tied in ARCHS:
            path = os.path.join(folder, "tiny.gguf")
            tiny.write(path, arch, n_layer, tied, window=window, spread=0.2)
            label = f"{arch}{f', window {window}' if window else ''}: "
            for fmt in ("onnx/int4-g32-asym@acc=0", "onnx/int8-dynamic"):
                ok &= compare(path, "random", "0", fmt, FORMATS[fmt], label)
    return ok


def main():
    print("onnxruntime", ort.__version__, "onnx", onnx.__version__, "genai", genai.__version__ if genai else "absent")
    ort.set_default_logger_severity(3)
    args = sys.argv[3:]
    model, dither = args[:2] if args else (os.path.join(ROOT, "datasets/models/default.gguf"), "0")
    formats = {f: FORMATS.get(f, ROUNDED) for f in args[2:]} or FORMATS
    ok = all([compare(model, TEXT, dither, fmt, limit) for fmt, limit in formats.items()])
    return 0 if (args or compare_archs()) and ok else 1


sys.exit(main())
