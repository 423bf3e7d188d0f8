"""transformers' quantized KV cache with hqq: compare_kv_hqq.py CODEC_RAW [FOLDER]. The real cache, on the CPU, is given windows of
128 positions of two heads; beside it the codec hqq_kv, each window by itself, as the engine stores it (both heads at once).
With FOLDER rows for tests/golden/test_kv_packages.c are written there. Results of the last run: README.md."""
import subprocess
import sys

import numpy as np
import torch
from transformers.cache_utils import HQQQuantizedLayer

RAW = sys.argv[1]
RECORD = sys.argv[2] if len(sys.argv) > 2 else None
WINDOW, WINDOWS, HEADS, DIM = 128, 8, 2, 64


def own(x, bits):
    """[1, heads, n, dim] as one matrix."""
    w = x.float().numpy().reshape(-1, DIM)
    out = subprocess.run([RAW, "hqq_kv", *map(str, (bits, 0, 64, 0, *w.shape))], input=w.tobytes(), capture_output=True,
                         check=True).stdout
    return torch.from_numpy(np.frombuffer(out, np.float32).copy()).reshape(x.shape).half()


def stored(cache):
    return cache._dequantize(cache._quantized_keys)


def rms(x):
    return float(x.float().pow(2).mean().sqrt())


def inputs():
    """Random ones, zeros, a channel that never changes, an outlier, and values as small as those of normed heads."""
    x = torch.randn(1, HEADS, WINDOWS * WINDOW, DIM) * 3
    x[0, 0, 0], x[0, 1, :, 5], x[0, 0, 7, 9], x[0, 1, 20] = 0, 1.25, 300, 0.375
    yield "wide", x.half()
    yield "narrow", (x / 30).half()


def record(x, bits):
    cache = HQQQuantizedLayer(nbits=bits, axis_key=1, axis_value=1)
    cache.update(x[:, :, :WINDOW], x[:, :, :WINDOW])
    seen, _ = cache.update(x[:, :, WINDOW:WINDOW + 4], x[:, :, WINDOW:WINDOW + 4])
    for name, y in (("in", x[:, :, :WINDOW + 4]), (f"{bits}bit", seen)):
        y[0].numpy().astype("<f2").tofile(f"{RECORD}/hqq-{name}.f16")


torch.manual_seed(0)
failed = False
for name, x in inputs():
    for bits in (8, 4, 2, 1):
        cache = HQQQuantizedLayer(nbits=bits, axis_key=1, axis_value=1)
        encoded, fresh, codes = [], [], 0
        for at in range(0, WINDOWS * WINDOW, WINDOW):
            new = x[:, :, at:at + WINDOW]
            cache.update(new, new)
            theirs, ours = stored(cache)[:, :, at:], own(new, bits)
            step = cache._quantized_keys[1]["scale"].reshape(1, HEADS, -1, 1)[:, :, at:]
            fresh.append(int((theirs != ours).sum()))
            codes += int(((theirs - ours).abs() > step / 2).sum())
            encoded.append(ours)
        theirs, ours = stored(cache), torch.cat(encoded, 2)
        old = slice(0, (WINDOWS - 1) * WINDOW)
        moved, error = (theirs != ours)[:, :, old].float().mean(), [rms((y - x)[:, :, old]) for y in (theirs, ours)]
        print(f"{name}, {bits} bits: of {new.numel()} values of a window {fresh} differ when it is stored, {codes} codes "
              f"in all; after {WINDOWS} windows {100 * moved:.2g} % of the older ones, "
              f"rms error {error[0]:.6g} and {error[1]:.6g}")
        failed |= sum(fresh) > x.numel() // 400 or codes > 2 or abs(error[0] / error[1] - 1) > 0.05
        if RECORD and name == "wide":
            record(x, bits)
sys.exit(int(failed))
