"""transformers' quantized KV cache with optimum-quanto: compare_kv.py QUANTO [FOLDER]. QUANTO is the unpacked wheel. What the
real cache returns while positions are fed one after the other, against the written rule: a window of 128 positions is exact
until the next begins. With FOLDER rows for tests/golden/test_kv_packages.c are written there."""
import sys

sys.path.insert(0, sys.argv[1])
import numpy as np
import torch
from transformers.cache_utils import QuantoQuantizedLayer

RECORD = sys.argv[2] if len(sys.argv) > 2 else None
WINDOW, GROUP, HEADS, DIM = 128, 64, 2, 64


def f16(x):
    return x.half().float()


def rule(x, bits, by_channel):
    """[1, heads, n, dim]: groups of 64 values of a head, or of 64 positions of a channel; every step in f16."""
    g = x.reshape(-1, GROUP, DIM).transpose(1, 2) if by_channel else x.reshape(-1, 1, GROUP)
    lo, hi, top = g.amin(-1, keepdim=True).float(), g.amax(-1, keepdim=True).float(), 2**bits - 1
    scale = f16(f16(hi - lo) / top)
    code = torch.clamp(torch.round(f16(f16(g.float() - lo) / scale)), 0, top)
    code = torch.where(scale > 0, code, torch.zeros(()))
    y = f16(f16(code * scale) + lo)
    return (y.transpose(1, 2) if by_channel else y).reshape(x.shape).half()


torch.manual_seed(0)
x = (torch.randn(1, HEADS, 3 * WINDOW, DIM) * 3).half()
x[0, 0, 0], x[0, 1, :, 5] = 0, 1.25
failed = 0
for bits in (4, 2):
    for axis in (0, -1):
        cache = QuantoQuantizedLayer(nbits=bits, axis_key=axis, axis_value=axis)
        cache.update(x[:, :, :WINDOW], x[:, :, :WINDOW])
        kept = rule(x[:, :, :WINDOW], bits, axis == -1)
        differ, again, at = 0, 0, WINDOW
        while at < 3 * WINDOW:
            seen, _ = cache.update(x[:, :, at:at + 1], x[:, :, at:at + 1])
            at += 1
            edge = (at - 1) // WINDOW * WINDOW
            if edge > kept.shape[2]:
                kept = torch.cat([kept, rule(x[:, :, kept.shape[2]:edge], bits, axis == -1)], 2)
            want = torch.cat([kept, x[:, :, edge:at]], 2)
            fresh = slice(edge - WINDOW, at)
            differ += int((seen[:, :, fresh] != want[:, :, fresh]).sum())
            again = max(again, float((seen != want).float().mean()))
            if RECORD and axis == 0 and bits == 4 and at == WINDOW + 4:
                x[0, 0, :at].numpy().astype("<f2").tofile(f"{RECORD}/quanto-in.f16")
            if RECORD and at == WINDOW + 4:
                name = f"quanto-{bits}bit{'-channel' if axis else ''}.f16"
                seen[0, 0, :].numpy().astype("<f2").tofile(f"{RECORD}/{name}")
        print(f"{bits} bits, axis {axis}: of the newest two windows {differ} values differ; of older ones, which the package "
              f"rounds again and again, at most {100 * again:.2g} %")
        failed += differ
sys.exit(int(failed > 0))
