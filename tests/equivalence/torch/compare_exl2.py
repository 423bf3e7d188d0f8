#!/usr/bin/env python3
"""EXL2 as ExLlamaV2 makes and reads it, on the CPU, beside this program's.

    compare_exl2.py CODEC_RAW FOLDER INCLUDES... [--record]

FOLDER: the unpacked wheel of exllamav2; INCLUDES: folders of CUDA's headers. AdaptiveQuantizer and AdaptiveGPTQ run as they
are (conversion/adaptivegptq.py), and what they call in the CUDA library are its own kernels, compiled for the host
(exl2_host.cpp). Printed: values that differ, and the error of the layer's outputs over that of plain rounding; then
whether the package's reconstruction of what it packed gives what its solver meant. --record makes tests/golden/hf/exl2
out of the package's tensors and values.
"""
import ast
import ctypes
import gc
import math
import pathlib
import re
import subprocess
import sys
import tempfile
import types

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "../../golden/hf"))
import make_quant  # noqa: E402

RAW, PACKAGE, INCLUDES = sys.argv[1], pathlib.Path(sys.argv[2]) / "exllamav2", [a for a in sys.argv[3:] if a[0] != "-"]
KERNELS = {"pack_tensor.cu": ("pack_rows_4_kernel", "pack_columns_kernel"),
           "quantize.cu": ("fused_quantize_adjust_kernel", "quantize_err_kernel", "vv_mul_sub_kernel"),
           "q_matrix.cu": ("shuffle_kernel", "reconstruct_kernel")}


def build():
    text = ""
    for file, names in KERNELS.items():
        source = (PACKAGE / "exllamav2_ext/cuda" / file).read_text()
        for name in names:
            text += re.search(r"(template\s*<[^>]*>\s*)?__global__ void " + name + r"\b.*?\n}\n", source, re.S)[0]
        if file == "pack_tensor.cu":
            text = re.search(r"__forceinline__ __device__ uint32_t wshift.*?\n}\n", source, re.S)[0] + text
    folder = pathlib.Path(tempfile.mkdtemp())
    (folder / "kernels.inc").write_text(text)
    subprocess.run(["g++", "-std=c++17", "-O2", "-shared", "-fPIC", "-ffp-contract=off", f"-I{folder}",
                    f"-I{PACKAGE}/exllamav2_ext", *(f"-I{i}" for i in INCLUDES), "-o", folder / "host.so",
                    HERE / "exl2_host.cpp"], check=True)
    return ctypes.CDLL(str(folder / "host.so"))


HOST = build()
PARAMS = types.SimpleNamespace(scale_bits=4)


def p(t):
    assert t.is_contiguous()
    return ctypes.c_void_p(t.data_ptr())


f32 = ctypes.c_float


class Ext:
    """The calls of exllamav2_ext that the quantizer makes (ext_quant.cpp, cpp/quantize_func.cpp)."""

    @staticmethod
    def quantize_err(x, out, scale, qzero, maxq, norm, min_p, max_p, grid):
        HOST.host_err(p(x), p(out), p(scale), *x.shape, f32(qzero), f32(maxq), f32(norm), f32(min_p), f32(max_p), grid)

    @staticmethod
    def quantize_range(quant, scale, out_q, qzero, maxq, h, weights, error, a, b):
        rows, n = weights.shape
        for c in range(a, b):
            HOST.host_adjust(p(weights), p(quant), p(scale), p(out_q), p(h), p(error), c, rows, n, f32(qzero), f32(maxq))
            HOST.host_mul_sub(p(h[c, c:]), p(error[c]), p(weights[c]), b - c, n)
        weights[b:].addmm_(h[a:b, b:].T, error[a:b], beta=1.0, alpha=-1.0)

    @staticmethod
    def pack_rows_4(x, out):
        HOST.host_pack_rows(p(x), p(out), *out.shape)

    @staticmethod
    def pack_columns(x, out, bits):
        HOST.host_pack_columns(p(x), p(out), *out.shape, bits)


def quantizer():
    text = (PACKAGE / "conversion/adaptivegptq.py").read_text().replace('"cuda:0"', '"cpu"')
    text = text.replace("torch.device(current_device)", '"cpu"')
    tree = ast.parse(text)
    tree.body = [n for n in tree.body if not isinstance(n, (ast.Import, ast.ImportFrom))]
    scope = {"gc": gc, "torch": torch, "nn": nn, "F": F, "math": math, "ext_c": Ext, "none_tensor": None, "__name__": "x"}
    exec(compile(tree, "adaptivegptq.py", "exec"), scope)
    return scope["AdaptiveGPTQ"]


def solve(w, x, bits, shares, groups):
    """bits, shares, groups per zone; the layer after quantize()."""
    layer = nn.Linear(w.shape[1], w.shape[0], bias=False)
    layer.weight.data = torch.from_numpy(w.copy())
    g = quantizer()(layer)
    g.configure(dict(zip(bits, groups)), list(bits), list(shares))
    g.add_batch(torch.from_numpy(x))
    g.prepare()
    g.quantize(keep_qweight=True)
    return g


def reconstruct(t, n, k):
    """[n][k] as QMatrix::reconstruct has it; the kernels want q_scale_max / 256, and where each width ends."""
    groups = t["q_groups"].tolist()
    end, row, where = [0] * 6, 0, [8, 6, 5, 4, 3, 2]
    group_map = []
    for i in range(len(groups) // 2):
        last = groups[2 * i + 3] if 2 * i + 3 < len(groups) else t["q_weight"].shape[0]
        rows = (last - groups[2 * i + 1]) * 32 // groups[2 * i]
        row += rows
        for j in range(rows):
            group_map += [i, rows - j]
        for j in range(where.index(groups[2 * i]), 6):
            end[j] = row
    perm, group_map = torch.argsort(t["q_invperm"]).short(), torch.tensor(group_map, dtype=torch.short)
    out = torch.zeros((k, t["q_weight"].shape[1]), dtype=torch.half)
    top = t["q_scale_max"].clone()
    top *= 1 / 256
    weight = t["q_weight"].clone()
    HOST.host_reconstruct(p(weight), p(perm), p(t["q_scale"]), p(top), p(group_map), k,
                          out.shape[1], len(groups) // 2, p(out), (ctypes.c_int * 6)(*end))
    return out.T[:n].float().contiguous().numpy()


def inputs(r, k, tokens=2048):
    factors = r.standard_normal((40, k)) * r.lognormal(0, 0.8, k)
    return (r.standard_normal((tokens, 40)) @ factors * 0.2 + 0.3 * r.standard_normal((tokens, k))).astype(np.float32)


def own(w, x, bits, wide, percent, group, algorithm):
    gram = (x.astype(np.float64).T @ x.astype(np.float64) / len(x)).astype(np.float32)
    data = w.tobytes() + (gram.tobytes() + np.abs(x).mean(0).astype(np.float32).tobytes() if algorithm else b"")
    command = [RAW, "exl2", f"{bits},{wide},{percent}", "0", str(group), "0", *map(str, w.shape)] + [algorithm] * bool(algorithm)
    return np.frombuffer(subprocess.run(command, input=data, capture_output=True, check=True).stdout, np.float32).reshape(w.shape)


def error(w, y, x):
    d = (y - w).astype(np.float64) @ x.astype(np.float64).T
    return float((d * d).mean())


def compare():
    r = np.random.default_rng(3)
    for k, bits, wide, percent, group in ((512, 2, 3, 5, 64), (512, 3, 4, 10, 128), (576, 3, 4, 25, 128), (512, 4, 0, 0, 128),
                                          (576, 4, 0, 0, 32), (512, 4, 5, 10, 64), (512, 5, 6, 25, 32), (512, 6, 8, 15, 128),
                                          (512, 8, 0, 0, 128)):
        x, w = inputs(r, k), (r.standard_normal((256, k)) * 0.04).astype(np.float32)
        zones = ((wide, bits), (percent / 100, 1 - percent / 100), (group, group)) if percent else ((bits,), (1,), (group,))
        g = solve(w, x, *zones)
        theirs = g.quant[g.invperm].T.contiguous().numpy()
        packed = reconstruct({n[2:]: t for n, t in g.pack("m", PARAMS).items()}, *w.shape)
        ours, plain = own(w, x, bits, wide, percent, group, "exl2"), own(w, x, bits, wide, percent, group, None)
        base = error(w, plain, x)
        print(f"k {k}, {bits} bits" + (f", {wide} in {percent} %" if percent else "") + f", g{group}: differ "
              f"{(np.abs(theirs - ours) > 1e-3 * np.abs(w).max()).mean() * 100:.3f} %, error over rounding: package "
              f"{error(w, theirs, x) / base:.4f}, here {error(w, ours, x) / base:.4f}; packed and reconstructed: "
              f"{int((packed != theirs).sum())} differ")


def record():
    w, tensors, values, r = make_quant.base_weights(), {}, {}, np.random.default_rng(9)
    for i, name in enumerate(make_quant.linear_names()):
        x = w[name + ".weight"].astype(np.float32)
        n, k = x.shape
        bits = (((6, 3), (4, 2), (8, 4), (5, 4), (5,), (3, 2), (8, 5, 3))[i])
        shares = {1: (1,), 2: (0.5, 0.5), 3: (0.25, 0.25, 0.5)}[len(bits)]
        g = solve(x, inputs(r, k), bits, shares, [32] * len(bits))
        parts = {key.rsplit(".", 1)[1]: t for key, t in g.pack(name, PARAMS).items()}
        tensors.update({f"{name}.{part}": t.numpy() for part, t in parts.items()})
        values[name] = reconstruct(parts, n, k)
    tensors.update(make_quant.rest(w))
    make_quant.save("exl2", tensors, {"quant_method": "exl2", "version": "0.3.2", "bits": 4.0, "head_bits": 16}, values,
                    "exllamav2 0.3.2: AdaptiveGPTQ and pack(), values by reconstruct_kernel, kernels compiled for the host")


torch.set_num_threads(1)
with torch.inference_mode():
    record() if "--record" in sys.argv else compare()
