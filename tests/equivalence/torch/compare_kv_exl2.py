"""ExLlamaV2's quantized KV cache: compare_kv_exl2.py WHICHQUANT HOST_LIBRARY [FOLDER]. The library is exl2_kv_host.cpp, the
package's own device functions compiled for the host. Codes, scales and values of rows of 64 against `codec exl2_kv`; with
FOLDER rows for tests/golden/test_kv_packages.c are written there."""
import ctypes
import subprocess
import sys

import numpy as np

PROGRAM, LIBRARY = sys.argv[1], ctypes.CDLL(sys.argv[2])
RECORD = sys.argv[3] if len(sys.argv) > 3 else None
DIM = 64


def package(bits, x):
    x = x.astype("<f2").reshape(-1)
    codes, scales, out = np.zeros(x.size * bits // 8, np.uint8), np.zeros(x.size // 32, "<f2"), np.zeros_like(x)
    LIBRARY.cache(bits, *(a.ctypes.data_as(ctypes.c_void_p) for a in (x, codes, scales, out)), x.size)
    return codes, scales, out


def program(bits, x, emit):
    args = [PROGRAM, "codec", f"exl2_kv@bits={bits},scale=f16,group=32", "--rows", str(x.shape[0]), "--cols", str(DIM)]
    return subprocess.run([*args, "--emit", emit], input=x.astype("<f4").tobytes(), capture_output=True, check=True).stdout


rng, failed = np.random.default_rng(1), 0
x = rng.standard_normal((2048, DIM)) * np.exp(rng.uniform(-3, 3, (2048, 1)))
x[0], x[1], x[2, 5] = 0, 1.5, 300  # an outlier, as keys have them
x[3] *= 1e-4
x[4] = np.arange(DIM) / 8
x = x.astype(np.float16).astype(np.float32)
for bits in (4, 8):
    codes, scales, out = package(bits, x)
    mine = program(bits, x, "codes")
    values = np.frombuffer(program(bits, x, "weights"), "<f4")
    differ = [int(np.count_nonzero(np.frombuffer(mine[:codes.size], np.uint8) != codes)),
              int(np.count_nonzero(np.frombuffer(mine[codes.size:], "<f2") != scales)),
              int(np.count_nonzero(values != out.astype(np.float32)))]
    print(f"{bits} bits: of {codes.size} bytes of codes, {scales.size} scales and {out.size} values {differ} differ")
    failed += sum(differ)
    if RECORD:
        with open(f"{RECORD}/exl2-kv{bits}.f16", "wb") as f:
            f.write(x[:32].astype("<f2").tobytes() + out[:32 * DIM].tobytes())
sys.exit(int(failed > 0))
