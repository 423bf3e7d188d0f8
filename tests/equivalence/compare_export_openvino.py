"""Models written as OpenVINO directories, in OpenVINO on the CPU: logits of two chunks of text and 32 greedy tokens, against
the own engine's answers for the same weights. With f32 activations (no dynamic quantization, KV cache in f32) and as the
runtime rounds activations (int8 per 32). Run as compare_export_openvino.py WHICHQUANT ANSWERS_RAW TEXT [MODEL...]: the
tiny models of every architecture, the embedded model and those named, which are taken off their grid if quantized."""
import os
import subprocess
import sys
import tempfile
from packages import PROGRAM, beside, need, np

ov, = need("openvino")
answers = beside("answers")
RAW, TEXT = sys.argv[2:4]
N_CTX, N_CHUNKS, N_GEN = 256, 2, 32
print("openvino", ov.__version__.split("-")[0])
core = ov.Core()
failed = 0


class Model:
    def __init__(self, folder, group):
        settings = {"INFERENCE_PRECISION_HINT": "f32", "KV_CACHE_PRECISION": "f32", "DYNAMIC_QUANTIZATION_GROUP_SIZE": group}
        self.request = core.compile_model(os.path.join(folder, "openvino_model.xml"), "CPU", settings).create_infer_request()

    def forget(self):
        self.request.reset_state()
        self.past = 0

    def run(self, ids):
        """Logits of the ids behind what was run before."""
        n = len(ids)
        self.past += n
        out = self.request.infer({"input_ids": np.array([ids], np.int64), "attention_mask": np.ones((1, self.past), np.int64),
                                  "position_ids": np.arange(self.past - n, self.past)[None], "beam_idx": np.zeros(1, np.int32)})
        return np.array(out["logits"][0])

    def logits(self, tokens):
        self.forget()
        return self.run(tokens)

    def greedy(self, prompt, n):
        self.forget()
        found, last = [], self.run(prompt)[-1]
        for _ in range(n):
            found.append(int(last.argmax()))
            last = self.run(found[-1:])[-1]
        return found


def compare(model, fmt, text, n_ctx, dither, limits):
    """limits: KLD allowed with f32 activations and with the runtime's, None: the runtime has none for this format."""
    global failed
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "model")
        subprocess.run([PROGRAM, "quantize", model, "-f", fmt, "-o", out, "-q"] + (["--dither", "--seed", "42"] if dither else []), check=True,
                       stdout=subprocess.DEVNULL)
        for group, numerics, limit in ((0, "weights-only", limits[0]), (32, "-", limits[1])):
            if limit is None:
                continue
            ours = answers.ask(RAW, model, 42 if dither else 0, fmt, numerics, text, n_ctx, N_CHUNKS, N_GEN)
            m = Model(out, group)
            got = np.stack([m.logits(row) for row in ours.tokens])
            line = answers.compared(ours, got, m.greedy(ours.tokens[0], N_GEN))
            ok = line.kld <= limit
            failed += not ok
            print(f"{'ok  ' if ok else 'FAIL'} {os.path.basename(model):<34} {fmt:<24} "
                  f"{'f32 activations ' if group == 0 else 'int8 activations'} {line}", flush=True)


HERE = os.path.dirname(os.path.abspath(__file__))
WIDE = ["int8-asym", "int8-sym", "int4-sym-g128", "int4-asym-g128", "int4-sym-channel", "nf4-g128"]
TINY_MODELS = ["arch/llama.gguf", "arch/qwen2.gguf", "arch/qwen3.gguf", "arch/gemma3.gguf", "arch/phi3.gguf", "hf/mistral"]
TINY = ["int8-asym", "int4-asym-g32", "cb4"]
F32_ONLY = ("nf4", "cb4", "mx", "fp", "nv", "int2", "int3")
if os.environ.get("FORMATS"):
    WIDE = TINY = os.environ["FORMATS"].split()
with tempfile.TemporaryDirectory() as folder:
    embedded = os.path.join(folder, "embedded.gguf")
    subprocess.run([PROGRAM, "quantize", "default", "-f", "base/f32", "-o", embedded, "-q"], check=True, stdout=subprocess.DEVNULL)
    for name in TINY_MODELS:
        for f in TINY:
            compare(os.path.join(HERE, "../golden", name), "openvino/" + f, "random", 64, False,
                    (1e-6, None if f.startswith(F32_ONLY) else 1e-5))
    for model in [embedded] + sys.argv[4:]:
        for f in WIDE:
            compare(model, "openvino/" + f, TEXT, N_CTX, model != embedded, (1e-6, None if f.startswith(F32_ONLY) else 1e-5))
sys.exit(1 if failed else 0)
