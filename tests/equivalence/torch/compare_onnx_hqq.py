"""compare_onnx_hqq.py WHICHQUANT: ONNX Runtime's HQQ quantizer on 2^20 weights, codes, scales and float zero points."""
import subprocess
import sys

import numpy as np
import torch
from onnxruntime.quantization.matmul_nbits_quantizer import HQQWeightOnlyQuantConfig, HQQWeightOnlyQuantizer

quantizer = HQQWeightOnlyQuantizer(HQQWeightOnlyQuantConfig(block_size=128, bits=4))


def package(w):
    codes, scale, zero = quantizer.quantize_internal(torch.from_numpy(w), bits=4, group_size=128)
    return codes.numpy().astype(np.uint8), scale.numpy(), zero.numpy()


def own(w):
    n, k = w.shape
    out = subprocess.run([sys.argv[1], "codec", "onnx/int4-g128-hqq", "--rows", str(n), "--cols", str(k), "--emit", "codes"],
                         input=w.tobytes(), capture_output=True, check=True).stdout
    packed = np.frombuffer(out[:n * k // 2], np.uint8)
    rest = np.frombuffer(out[n * k // 2:], np.float32).reshape(2, n, k // 128)
    return np.stack([packed & 15, packed >> 4], 1).reshape(n, k), rest[0], rest[1]


failed = 0
for name, seed, spread in (("normal", 1, 0), ("rows of other sizes", 2, 2)):
    rng = np.random.default_rng(seed)
    w = (rng.standard_normal((1024, 1024)) * 0.05 * np.exp(spread * rng.standard_normal((1024, 1)))).astype(np.float32)
    (a, sa, za), (b, sb, zb) = own(w), package(w)
    near = np.abs(za - zb) < 1e-4
    error = [float(np.mean(((q - np.repeat(z, 128, 1)) * np.repeat(s, 128, 1) - w) ** 2)) for q, s, z in ((a, sa, za), (b, sb, zb))]
    ok = np.count_nonzero(a != b) < 5e-5 * a.size and np.count_nonzero(sa != sb) == 0
    failed += not ok
    print(f"{'ok  ' if ok else 'FAIL'} {name}: {np.count_nonzero(a != b)} of {a.size} codes, {np.count_nonzero(sa != sb)} of {sa.size} scales differ, "
          f"{np.count_nonzero(~near)} zero points by more than 1e-4; mean squared error {error[0]:.6g}, package {error[1]:.6g}")
sys.exit(1 if failed else 0)
