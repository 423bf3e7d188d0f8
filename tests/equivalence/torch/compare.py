#!/usr/bin/env python3
"""Runs the packages that need torch on the same weights as this program and counts the values that differ.

    compare.py CODEC_RAW PACKAGES [--record DIR]

CODEC_RAW is the tests/equivalence/codec_raw program of a build; PACKAGES a folder with the unpacked sources of hqq,
autoawq and gptqmodel (pure Python files of them are loaded, not the packages: their imports want a GPU).
torch, torchao and bitsandbytes are imported. --record writes the small golden files of tests/golden/torch.
Not part of CI: torch is a download of gigabytes. Versions and results of the last run: README.md.
"""
import importlib.util
import pathlib
import subprocess
import sys
import types

import numpy as np
import torch

RAW, PACKAGES = sys.argv[1], pathlib.Path(sys.argv[2])
RECORD = pathlib.Path(sys.argv[4]) if len(sys.argv) > 4 else None


def own(codec, w, bits=0, sym=0, group=0, kind=0):
    out = subprocess.run([RAW, codec, *map(str, (bits, sym, group, kind, *w.shape))], input=w.tobytes(),
                         capture_output=True, check=True).stdout
    return np.frombuffer(out, np.float32).reshape(w.shape)


def load(path, name, stubs=()):
    for stub in stubs:
        sys.modules.setdefault(stub, types.ModuleType(stub))
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def method(path, cls, name):
    """One function out of a file whose imports are not wanted."""
    import ast
    tree = ast.parse(path.read_text())
    body = tree.body if cls is None else next(n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == cls).body
    node = next(n for n in body if isinstance(n, ast.FunctionDef) and n.name == name)
    node.decorator_list = []
    scope = {"torch": torch, "nn": torch.nn, "Optional": None.__class__, "Tensor": torch.Tensor}
    from typing import Optional, List, Dict
    scope.update(Optional=Optional, List=List, Dict=Dict)
    exec(compile(ast.Module([node], []), str(path), "exec"), scope)
    return scope[name]


def find(pattern):
    return next(PACKAGES.glob(pattern))


# ---- the other side: decoded weights as f32 ----

def bnb_4bit(w, kind, nested):
    from bitsandbytes import functional as F
    q, s = F.quantize_4bit(torch.from_numpy(w), blocksize=64, compress_statistics=nested, quant_type=kind)
    s.dtype = torch.float16  # what the layer computes in
    return F.dequantize_4bit(q, s).float().numpy()


def bnb_int8(w):
    from bitsandbytes import functional as F
    q, s, _ = F.int8_vectorwise_quant(torch.from_numpy(w).half())
    return torch.ops.bitsandbytes.int8_vectorwise_dequant(q, s).numpy()


def torchao_int8(w):
    from torchao.quantization.quantize_.workflows.int8.int8_tensor import Int8Tensor
    from torchao.quantization.granularity import PerRow
    return Int8Tensor.from_hp(torch.from_numpy(w), PerRow()).dequantize().numpy()


def torchao_int4(w, group=128):
    from torchao.quantization import quant_primitives as p
    x = torch.from_numpy(w).bfloat16()
    block = (1, group)
    s, z = p._choose_qparams_affine_tinygemm(x, p.MappingType.ASYMMETRIC, block, torch.int32, 0, 15,
                                             scale_dtype=torch.bfloat16, zero_point_dtype=torch.bfloat16)
    q = p._quantize_affine_tinygemm(x, block, s, z, torch.int32, 0, 15)
    return p._dequantize_affine_tinygemm(q, block, s, z, torch.int32, 0, 15,
                                         output_dtype=torch.bfloat16).float().numpy()


def fp8(w, dtype, per_tensor):
    from torchao.quantization import quant_primitives as p
    x = torch.from_numpy(w)
    s = p._choose_scale_float8(x, list(x.shape) if per_tensor else [1, x.shape[1]], dtype)
    q = p._quantize_affine_float8(x, s, dtype)
    return (q.float() * s).numpy()


def hqq(w, bits, group=64):
    core = find("hqq-*/hqq/core")
    optimize = load(core / "optimize.py", "hqq_optimize")
    x = torch.from_numpy(w).reshape(-1, group)
    lo, hi = x.min(1, keepdim=True)[0], x.max(1, keepdim=True)[0]
    top = round(2 ** bits - 1)
    denom = hi - lo
    scale = torch.where(denom.abs() <= 1e-4, torch.full_like(denom, 1.0), top / denom).clamp(max=2e4)
    zero = -lo * scale
    zero = torch.round(zero) if bits == 4 else zero
    q, scale, zero = optimize.optimize_weights_proximal(tensor=x, scale=scale, zero=zero, min_max=[0, top], axis=1,
                                                        device="cpu")
    half = torch.float16
    return ((q.to(half) - zero.to(half)) * (1.0 / scale).to(half)).float().numpy().reshape(w.shape)


def awq(w, group=128):
    quantizer = find("autoawq-*/awq/quantize/quantizer.py")
    f = method(quantizer, "AwqQuantizer", "pseudo_quantize_tensor")
    this = types.SimpleNamespace(group_size=group, zero_point=True, w_bit=4)
    x, s, z = f(this, torch.from_numpy(w).half())
    s, z = s.repeat_interleave(group, 1), z.repeat_interleave(group, 1)
    code = torch.round((x + z * s) / s).to(torch.int)  # awq/modules/linear/gemm.py, from_linear
    return ((code - z.to(torch.int)) * s).float().numpy()


def gptq(w, bits, sym, group=128):
    path = find("gptqmodel-*/gptqmodel/quantization/quantizer.py")
    fit, quantize = method(path, "Quantizer", "find_params"), method(path, None, "quantize")
    quantize.__globals__["_replace_zero_scale"] = lambda s, z: (s, z)
    this = types.SimpleNamespace(maxq=torch.tensor(2 ** bits - 1), _maxq_value=2 ** bits - 1, perchannel=True,
                                 qcfg=types.SimpleNamespace(sym=sym, mse=0.0),
                                 requires_groupwise_processing=lambda: False)
    out = np.empty_like(w)
    for k in range(0, w.shape[1], group):
        x = torch.from_numpy(w[:, k:k + group].copy())
        fit(this, x, weight=True)
        fake = quantize(x, this.scale, this.zero, this._maxq_value, False)
        code = torch.round((fake + this.zero * this.scale) / this.scale)  # the pack pass
        half = this.scale.half()
        out[:, k:k + group] = (half * (code - this.zero).half()).float().numpy()
    return out


def bitnet(w):
    x = torch.from_numpy(w)
    g = x.abs().mean().clamp(min=1e-5)
    return ((x * (1.0 / g)).round().clamp(-1, 1) * g).numpy()


CASES = [  # name, the other side, own side, relative tolerance (0: every bit)
    ("bnb_nf4", lambda w: bnb_4bit(w, "nf4", False), ("bnb_nf4", 4, 0, 64)),
    ("bnb_nf4_nested", lambda w: bnb_4bit(w, "nf4", True), ("bnb_nf4", 4, 0, 64, 1)),
    ("bnb_fp4", lambda w: bnb_4bit(w, "fp4", False), ("bnb_fp4", 4, 0, 64)),
    ("bnb_int8", bnb_int8, ("bnb_int8",)),
    ("torchao_int8", torchao_int8, ("torchao_int8",)),
    ("torchao_int4", torchao_int4, ("torchao_int4", 4, 0, 128)),
    ("fp8_e4m3_row", lambda w: fp8(w, torch.float8_e4m3fn, False), ("fp8_e4m3",)),
    ("fp8_e4m3_tensor", lambda w: fp8(w, torch.float8_e4m3fn, True), ("fp8_e4m3", 8, 0, -1)),
    ("fp8_e5m2_row", lambda w: fp8(w, torch.float8_e5m2, False), ("fp8_e5m2",)),
    ("fp8_e5m2_tensor", lambda w: fp8(w, torch.float8_e5m2, True), ("fp8_e5m2", 8, 0, -1)),
    ("hqq2", lambda w: hqq(w, 2), ("hqq", 2, 0, 64)),
    ("hqq3", lambda w: hqq(w, 3), ("hqq", 3, 0, 64)),
    ("hqq4", lambda w: hqq(w, 4), ("hqq", 4, 0, 64)),
    ("hqq8", lambda w: hqq(w, 8), ("hqq", 8, 0, 64)),
    ("awq", awq, ("awq", 4, 0, 128)),
    ("gptq4_sym", lambda w: gptq(w, 4, True), ("gptq", 4, 1, 128)),
    ("gptq4_asym", lambda w: gptq(w, 4, False), ("gptq", 4, 0, 128)),
    ("gptq2_sym", lambda w: gptq(w, 2, True), ("gptq", 2, 1, 128)),
    ("gptq3_sym", lambda w: gptq(w, 3, True), ("gptq", 3, 1, 128)),
    ("gptq3_asym", lambda w: gptq(w, 3, False), ("gptq", 3, 0, 128)),
    ("gptq8_sym", lambda w: gptq(w, 8, True), ("gptq", 8, 1, 128)),
    ("bitnet_i2_s", bitnet, ("bitnet", 2, 1, -1, 0)),
    ("bitnet_tl1", bitnet, ("bitnet", 2, 1, -1, 1)),
    ("bitnet_tl2", bitnet, ("bitnet", 2, 1, -1, 2)),
]


def edges():
    """Groups that are easy to get wrong, 12 rows of 256: W0 of the specification, ties, constants, signs, outliers."""
    v = [-37, 12, 90, -64, 5, -1, 33, -100, 71, -18, 44, 0, -52, 27, -9, 83, -75, 60, -3, 16, -28, 97, -46, 8, -11, 39,
         -88, 22, -57, 3, 66, -24]
    r = np.random.default_rng(7)
    w = r.standard_normal((12, 256)).astype(np.float32) * np.float32(0.03)
    w[0] = np.tile(np.array(v, np.float32) / 128, 8)
    w[1] = np.tile(np.r_[-1.0, np.arange(-15, 16) / 16], 8)
    w[2] = np.abs(w[2])
    w[3] = -np.abs(w[3])
    w[4] = 0.375
    w[5, 100] = 40
    w[6, ::3] = 0
    w[7] *= 1e-4
    w[8] = np.round(w[8] * 64) / 64
    w[9, :128] = 0.0
    w[10] = w[10].astype(np.float16)
    w[11] = np.tile(np.r_[-0.0, np.arange(31) / 31], 8)
    return w


def bulk():
    r = np.random.default_rng(11)
    return (r.standard_normal((1024, 1024)) * r.lognormal(-4, 0.5, (1024, 1))).astype(np.float32)


def report(name, what, theirs, ours):
    differ = (theirs.view(np.uint32) != ours.view(np.uint32)) & ~((theirs == 0) & (ours == 0))
    differ &= ~(np.isnan(theirs) & np.isnan(ours))
    worst = float(np.nanmax(np.abs(theirs - ours) / np.maximum(np.abs(theirs), 1e-9))) if differ.any() else 0.0
    print(f"{name:18} {what:6} {theirs.size:8} values, {int(differ.sum()):6} differ, worst relative {worst:.3g}, "
          f"NaN there {int(np.isnan(theirs).sum())}")
    return differ


def main():
    only = sys.argv[5:] if len(sys.argv) > 5 else None
    small, large = edges(), bulk()
    if RECORD:
        RECORD.mkdir(parents=True, exist_ok=True)
        small.tofile(RECORD / "input.f32")
    for name, other, mine in CASES:
        if only and name not in only:
            continue
        theirs = np.ascontiguousarray(other(small).astype(np.float32))
        differ = report(name, "edges", theirs, own(mine[0], small, *mine[1:]))
        for i, j in list(zip(*np.nonzero(differ)))[:3]:
            print("   ", i, j, small[i, j], theirs[i, j], own(mine[0], small, *mine[1:])[i, j])
        if RECORD:
            if name not in ("bitnet_tl1", "bitnet_tl2"):  # the values of i2_s
                theirs.tofile(RECORD / f"{name}.f32")
        report(name, "random", np.ascontiguousarray(other(large).astype(np.float32)), own(mine[0], large, *mine[1:]))


torch.set_num_threads(1)
main()
