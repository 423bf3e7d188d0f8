"""Folders that `quantize -f mlx/...` writes, loaded and run by mlx_lm: ids of texts, logits and greedy tokens against
the program's own kernels on weights encoded in memory. EQUIVALENCE_MODELS names more models, separated by colons,
EQUIVALENCE_FORMATS other formats, by spaces.
Usage: compare_mlx_lm.py WHICHQUANT LOGITS_RAW"""
import json
import os
import shutil
import subprocess
import sys
import tempfile

from packages import PROGRAM, Table, need, np

mx = need("mlx.core")[0].core
mlx_lm, tokenizers = need("mlx_lm", "tokenizers")
RAW, SEED, N_TOKENS, N_GREEDY = sys.argv[2], "42", 128, 32
ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
FORMATS = ["mlx/2bit-g64", "mlx/3bit-g64", "mlx/4bit-g64", "mlx/6bit-g64", "mlx/8bit-g64", "mlx/mixed-3-6"]
TEXTS = ["", "a", "Hello, world", "  two spaces before", "a trailing space ", "line\nbreak\n\nand\r\nmore\t tabs",
         "don't DON'T we'Ve", "12345 67 8.90 1e-7", "na\u00efve caf\u00e9 \u4f60\u597d \u0416\u0443\u043a \U0001f600!",
         "\u2581low line", "x = {'key': [1, 2, 3]}  # comment", "int main(void)\n{\n\treturn 0;\n}\n", "   ", "\n\n\n",
         "e\u0301 cafe\u0301 \u1112\u1161\u11ab \u0995\u09c7\u09be", "<s>in text</s>", "\U0001f468\u200d\U0001f469\u200d\U0001f467"]


class Own:
    """The program's engine with f32 activations."""

    def __init__(self, model, fmt, dither):
        self.p = subprocess.Popen([RAW, model, fmt, dither], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, line):
        self.p.stdin.write(line.encode("ascii") + b"\n")
        self.p.stdin.flush()
        answer = self.p.stdout.readline()
        if not answer:
            raise SystemExit("logits_raw ended")
        return json.loads(answer)

    def ids(self, text):
        return self.ask("ids " + json.dumps(text))

    def logits(self, ids):
        n = self.ask("logits " + json.dumps(ids))
        return np.frombuffer(self.p.stdout.read(4 * n), "<f4").reshape(len(ids), -1)

    def greedy(self, n, ids):
        return self.ask(f"greedy {n} " + json.dumps(ids))

    def close(self):
        self.p.stdin.close()
        self.p.wait()


def log_softmax(x):
    x = x.astype(np.float64)
    x = x - x.max(-1, keepdims=True)
    return x - np.log(np.exp(x).sum(-1, keepdims=True))


def kld(a, b):
    a, b = log_softmax(a), log_softmax(b)
    return float((np.exp(a) * (a - b)).sum(-1).mean())


def greedy(model, ids, n):
    cache = mlx_lm.models.cache.make_prompt_cache(model)
    x, out = mx.array([ids]), []
    for _ in range(n):
        out.append(int(mx.argmax(model(x, cache=cache)[0, -1])))
        x = mx.array([[out[-1]]])
    return out


def write(model, fmt, dither):
    folder = os.path.join(tempfile.mkdtemp(), "out")
    run = subprocess.run([PROGRAM, "quantize", model, "-f", fmt, "-o", folder] + (["--dither", "--seed", SEED] if dither else []),
                         capture_output=True, text=True, check=False)
    if run.returncode:
        raise SystemExit(f"{fmt}: {run.stderr}")
    return folder


def compare_ids(t, name, own, folder):
    tok = tokenizers.Tokenizer.from_file(os.path.join(folder, "tokenizer.json"))
    auto = need("transformers")[0].AutoTokenizer.from_pretrained(folder)
    with open(os.path.join(folder, "tokenizer.json"), encoding="utf-8") as f:
        added = [a["content"] for a in json.load(f)["added_tokens"]]
    texts = TEXTS + [f"x{a} y{a}{a}\n" for a in added[:8] + added[-8:]]
    with open(os.path.join(ROOT, "datasets/text/eval.txt"), encoding="utf-8") as f:
        text = f.read()
    texts += [text[i:i + 2000] for i in range(0, 100000, 2000)]
    differ = [x for x in texts if not own.ids(x) == tok.encode(x).ids == auto(x)["input_ids"]]
    t.failed += bool(differ)
    print(f"{'FAIL' if differ else 'ok  '} {name + ' ids':<44} {len(differ)} of {len(texts)} texts differ {differ[:2]!r:.100}")


def compare(t, name, path, fmt, dither):
    """Files in f32 against the weights encoded in memory. In 16-bit ones all that is plain was rounded: against what is
    read back; and mlx multiplies f16 scales by f32 inputs without rounding the weight: its dequantize rounds it."""
    folder = write(path, fmt, dither)
    wide = fmt.endswith("dtype=f32")
    memory = Own(path, fmt, SEED if dither else "-")
    own = memory if wide else Own(folder, "-", "-")
    if fmt == FORMATS[0]:
        compare_ids(t, name, memory, folder)
    model, _ = mlx_lm.load(folder)
    with open(os.path.join(folder, "config.json"), encoding="utf-8") as f:
        n = min(N_TOKENS, json.load(f)["max_position_embeddings"] // 2)
    with open(os.path.join(ROOT, "datasets/text/eval.txt"), encoding="utf-8") as f:
        ids = memory.ids(f.read(4 * n))[:n]
    run = lambda: np.array(model(mx.array([ids]))[0].astype(mx.float32))
    want = own.logits(ids)
    if not wide:
        as_it_is = kld(memory.logits(ids), run())
        print(f"     {name} {fmt}: KLD {as_it_is:.2g} as it runs, to the weights encoded in memory")
        model = model if "fp" in fmt else mlx_lm.utils.dequantize_model(model)
    model.set_dtype(mx.float32)
    have = run()
    a, b = greedy(model, ids[:16], N_GREEDY), own.greedy(N_GREEDY, ids[:16])
    same = next((i for i in range(N_GREEDY) if a[i] != b[i]), N_GREEDY)
    t.failed += same < N_GREEDY
    print(f"     {name} {fmt}: largest difference of logits {np.abs(have - want).max():.2g} of {np.abs(want).max():.3g}, "
          f"{same} of {N_GREEDY} greedy tokens the same")
    t.close(f"{name} {fmt}: KLD", abs(kld(want, have)), 1e-6)
    memory.close()
    if not wide:
        own.close()
    shutil.rmtree(os.path.dirname(folder))


table = Table()
print("mlx", mx.__version__, "mlx_lm", mlx_lm.__version__)
models = [(os.path.join(ROOT, "datasets/models/default.gguf"), False)]
models += [(p, True) for p in os.environ.get("EQUIVALENCE_MODELS", "").split(":") if p]
FORMATS = os.environ.get("EQUIVALENCE_FORMATS", " ".join(FORMATS)).split()
for path, dither in models:
    name = os.path.basename(path).split(".")[0]
    for fmt in FORMATS:
        compare(table, name, path, fmt, dither)
        compare(table, name, path, fmt + "@dtype=f32", dither)
    compare(table, name, path, "mlx/mxfp4", dither)
table.done()
