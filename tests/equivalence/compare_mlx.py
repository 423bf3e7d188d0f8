"""MLX on the CPU: quantize and dequantize of every mode, in the three float types."""
from packages import Table, codec, need, np, weights

mx = need("mlx.core")[0].core
TYPES = {"f32": mx.float32, "f16": mx.float16, "bf16": mx.bfloat16}
print("mlx", mx.__version__)
t = Table()
w = weights()


def raw(a):
    return np.array(a.view(mx.uint16) if a.dtype in (mx.float16, mx.bfloat16) else a).tobytes()


for bits in (2, 3, 4, 5, 6, 8):
    for group in (32, 64, 128):
        for name, dtype in TYPES.items():
            a = mx.array(w).astype(dtype)
            q, s, b = mx.quantize(a, group_size=group, bits=bits)
            fmt = f"mlx/{bits}bit-g{group}@dtype={name}"
            t.row(fmt, codec(fmt, w), raw(q) + raw(s) + raw(b))
            y = mx.dequantize(q, s, b, group_size=group, bits=bits).astype(mx.float32)
            t.row(fmt + " values", codec(fmt, w, "weights"), np.array(y))
for mode, bits, group in (("mxfp4", 4, 32), ("mxfp8", 8, 32), ("nvfp4", 4, 16)):
    a = mx.array(w)
    q, s = mx.quantize(a, group_size=group, bits=bits, mode=mode)[:2]
    t.row(f"mlx/{mode}", codec(f"mlx/{mode}", w), np.array(q).tobytes() + np.array(s).tobytes())
    y = mx.dequantize(q, s, group_size=group, bits=bits, mode=mode).astype(mx.float32)
    t.row(f"mlx/{mode} values", codec(f"mlx/{mode}", w, "weights"), np.array(y))
t.done()
