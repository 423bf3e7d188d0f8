#!/usr/bin/env python3
"""EXL3: the values that tests/golden/hf/exl3 was recorded with (make_quant.py), beside those of the package itself.

    compare_exl3.py EXL3_HOST FOLDER

FOLDER: the unpacked wheel of exllamav3, of which LinearEXL3.get_weight_tensor, unpack_bf, the rotations and the order of
a tile's steps run as they are, on the CPU; EXL3_HOST: exl3_host.cpp, which stands in for the one call into its CUDA library,
reconstruct. Printed: values that differ, of all widths and codebooks."""
import ast
import functools
import math
import pathlib
import subprocess
import sys
import types

import numpy as np
import torch

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE / "../../golden/hf"))
import make_quant  # noqa: E402

HOST, PACKAGE = sys.argv[1], pathlib.Path(sys.argv[2]) / "exllamav3"


def definitions(path, scope, *names):
    tree = ast.parse((PACKAGE / path).read_text())
    keep = [n for n in ast.walk(tree) if getattr(n, "name", "") in names]
    for n in keep:
        n.decorator_list = []
        n.returns = None
        for a in n.args.args:
            a.annotation = None
    exec(compile(ast.Module(keep, []), path, "exec"), scope)


def package():
    s = {"torch": torch, "math": math, "os": __import__("os"), "glob": __import__("glob"), "lru_cache": functools.lru_cache,
         "had_k": 128, "had_n": 128, "_HAD_MAX_GEMM_ROWS": 1 << 19, "had_dict": None, "primes": None,
         "__file__": str(PACKAGE / "util/hadamard.py")}
    definitions("util/hadamard.py", s, "load_constants", "sylvester", "get_hadamard", "get_hadamard_dt")
    definitions("modules/quant/exl3_lib/quantize.py", s, "tensor_core_perm", "preapply_had_l", "preapply_had_r")
    definitions("modules/quant/exl3.py", s, "get_weight_tensor", "unpack_bf")
    return s


def weights(s, trellis, twice, book, suh, svh):
    """get_weight_tensor of a layer that is nothing but its tensors."""
    kt, nt, _ = trellis.shape

    def inner():
        steps = subprocess.run([HOST, str(twice), str(book)], input=trellis.tobytes(), check=True,
                               stdout=subprocess.PIPE).stdout
        steps = torch.from_numpy(np.frombuffer(steps, np.float16).copy()).view(kt, nt, 256)
        tiles = torch.empty_like(steps)
        tiles[:, :, s["tensor_core_perm"]("cpu").long()] = steps
        return tiles.view(kt, nt, 16, 16).permute(0, 2, 1, 3).reshape(16 * kt, 16 * nt).contiguous()

    layer = types.SimpleNamespace(su=None, sv=None, suh=torch.from_numpy(suh), svh=torch.from_numpy(svh),
                                  get_inner_weight_tensor=inner)
    return s["get_weight_tensor"](layer).numpy().T.astype(np.float32)


def main():
    s, rng = package(), np.random.default_rng(5)
    bits = rng.integers(0, 65536, 16, dtype=np.uint16)
    signs = 1 - 2.0 * np.unpackbits(bits.view(np.uint8), bitorder="little")
    packed = s["unpack_bf"](types.SimpleNamespace(transformers_fix=False), torch.from_numpy(bits.view(np.int16)))
    print("su: signs that differ:", int((packed.numpy() != signs).sum()))
    for twice, book in [(2 * b, book) for b in range(1, 9) for book in range(3)] + [(3, 2), (5, 2), (7, 2)]:
        trellis = rng.integers(0, 65536, (32, 64, 8 * twice), dtype=np.uint16)
        suh = (rng.choice([-1, 1], 512) * rng.uniform(0.5, 2, 512)).astype(np.float16)
        svh = (rng.choice([-1, 1], 1024) * rng.uniform(0.02, 0.2, 1024)).astype(np.float16)
        ours = make_quant.exl3_values(HOST, trellis, twice, book, suh, svh)
        theirs = weights(s, trellis, twice, book, suh, svh)
        differ = ours != theirs
        worst = np.abs(ours - theirs)[differ] / np.abs(theirs).max() if differ.any() else np.zeros(1)
        print(f"{twice / 2} bits, {('3inst', 'mcg', 'mul1')[book]}: {differ.sum()} of {differ.size} differ, by at most "
              f"{worst.max():.1e} of the largest")


main()
