#!/usr/bin/env python3
"""GPTQ's solve and AWQ's scales as the packages compute them, beside this program's, on the same weights and inputs.

    compare_solve.py CODEC_RAW PACKAGES

Uses auto_gptq/quantization/gptq.py (the class itself, on the CPU) and autoawq's quantizer methods. Printed: values that
differ, and the error of the layer's outputs of both, over that of plain rounding.
"""
import ast
import pathlib
import subprocess
import sys
import types
from typing import Dict, List, Optional

import numpy as np
import torch
import torch.nn as nn

RAW, PACKAGES = sys.argv[1], pathlib.Path(sys.argv[2])
N, K, TOKENS = 256, 512, 2048


def own(w, codec, algorithm, bits, sym, group, x):
    gram = (x.astype(np.float64).T @ x.astype(np.float64) / len(x)).astype(np.float32)
    mean = np.abs(x).mean(0).astype(np.float32)
    data = w.tobytes() + (gram.tobytes() + mean.tobytes() if algorithm else b"")
    command = [RAW, codec, *map(str, (bits, sym, group, 0, *w.shape))] + ([algorithm] if algorithm else [])
    return np.frombuffer(subprocess.run(command, input=data, capture_output=True, check=True).stdout,
                         np.float32).reshape(w.shape)


def error(w, y, x):
    d = (y - w).astype(np.float64) @ x.astype(np.float64).T
    return float((d * d).mean())


def source(path, drop=()):
    """A file's own definitions, without the imports that want more than torch."""
    tree = ast.parse(path.read_text())
    keep = [n for n in tree.body if not isinstance(n, (ast.Import, ast.ImportFrom)) and
            getattr(n, "name", "") not in drop]
    return compile(ast.Module(keep, []), str(path), "exec")


def gptq(w, x, bits, sym, group, act_order):
    import logging
    import math
    import os
    import time
    folder = PACKAGES / "auto_gptq/auto_gptq/quantization"
    conv = type("Conv1D", (), {})
    scope = {"torch": torch, "nn": nn, "math": math, "os": os, "time": time, "getLogger": logging.getLogger,
             "transformers": types.SimpleNamespace(Conv1D=conv, pytorch_utils=types.SimpleNamespace(Conv1D=conv)),
             "__name__": "gptq"}
    exec(source(folder / "quantizer.py"), scope)
    exec(source(folder / "gptq.py"), scope)
    torch.cuda.synchronize = lambda *a: None
    layer = nn.Linear(K, N, bias=False)
    layer.weight.data = torch.from_numpy(w.copy())
    g = scope["GPTQ"](layer)
    g.quantizer.configure(bits, perchannel=True, sym=sym)
    g.add_batch(torch.from_numpy(x)[None], None)
    g.fasterquant(percdamp=0.01, group_size=group, actorder=act_order)
    return layer.weight.data.numpy()


def awq_methods():
    tree = ast.parse(next(PACKAGES.glob("autoawq-*/awq/quantize/quantizer.py")).read_text())
    cls = next(n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == "AwqQuantizer")
    for n in cls.body:
        if isinstance(n, ast.FunctionDef):
            n.decorator_list = []
    names = ("pseudo_quantize_tensor", "_compute_best_scale", "_compute_loss", "_compute_best_clip")
    cls.body = [n for n in cls.body if isinstance(n, ast.FunctionDef) and n.name in names]
    cls.name, cls.bases = "Awq", []
    scope = {"torch": torch, "nn": nn, "Optional": Optional, "List": List, "Dict": Dict,
             "get_best_device": lambda: "cpu", "clear_memory": lambda *a: None}
    exec(compile(ast.Module([cls], []), "quantizer.py", "exec"), scope)
    return scope["Awq"]


class Layer(nn.Linear):
    """The search keeps the weights with .cpu(): a copy on the GPU it was written for, none here."""

    def state_dict(self, *args, **kwargs):
        return {k: v.clone() for k, v in super().state_dict(*args, **kwargs).items()}


@torch.no_grad()
def awq(w, x, group):
    """One layer with its own outputs as the block's, in f32: scale search, fold, clip search, round."""
    q = awq_methods()()
    q.group_size, q.zero_point, q.w_bit, q.duo_scaling, q.max_chunk_memory = group, True, 4, True, 1 << 30
    q._module_forward = lambda inp, module, kwargs: module(inp)
    layer = Layer(K, N, bias=False)
    layer.weight.data = torch.from_numpy(w.copy())
    t = torch.from_numpy(x)
    weight = layer.weight.view(-1, group)
    w_mean = (weight.abs() / (weight.abs().amax(1, keepdim=True) + 1e-6)).view(layer.weight.shape).mean(0)
    s = q._compute_best_scale(t, w_mean, t.abs().mean(0), layer, [layer], layer(t), {})
    scaled = layer.weight.data * s
    most = q._compute_best_clip(scaled, t / s, n_sample_token=TOKENS).repeat_interleave(group, 1).view(scaled.shape)
    clipped = scaled.clamp(-most, most)
    return (q.pseudo_quantize_tensor(clipped.half())[0].float() / s).numpy()


def show(name, w, x, theirs, ours, plain):
    base = error(w, plain, x)
    differ = np.abs(theirs - ours) > 1e-3 * np.abs(w).max()
    print(f"{name:28} differ {differ.mean() * 100:6.3f} %   error over rounding: package {error(w, theirs, x) / base:.4f}, "
          f"here {error(w, ours, x) / base:.4f}")


def main():
    torch.set_num_threads(1)
    r = np.random.default_rng(3)
    factors = r.standard_normal((40, K)) * r.lognormal(0, 0.8, K)
    x = (r.standard_normal((TOKENS, 40)) @ factors * 0.2 + 0.3 * r.standard_normal((TOKENS, K))).astype(np.float32)
    w = (r.standard_normal((N, K)) * 0.04).astype(np.float32)
    for bits, sym, group, act in ((2, 0, 128, 0), (3, 1, 128, 0), (4, 1, 128, 0), (4, 0, 128, 0), (4, 0, 32, 0),
                                  (4, 1, 0, 0), (8, 1, 128, 0), (4, 1, 128, 1), (3, 0, 64, 1)):
        name = f"gptq {bits} bit g{group}{' sym' if sym else ''}{' act order' if act else ''}"
        theirs = gptq(w, x, bits, bool(sym), group or -1, bool(act))
        ours = own(w, "gptq", "gptq_act_order" if act else "gptq", bits, sym, group, x)
        show(name, w, x, theirs, ours, own(w, "gptq", None, bits, sym, group, x))
    for group in (128, 64):
        show(f"awq 4 bit g{group}", w, x, awq(w, x, group), own(w, "awq", "awq", 4, 0, group, x),
             own(w, "awq", None, 4, 0, group, x))


main()
