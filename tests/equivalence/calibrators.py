"""Prints what ONNX Runtime's calibrators find for the three batches of tests/unit/test_histogram.c, in C."""
from packages import need, np

need("onnxruntime")
from onnxruntime.quantization.calibrate import HistogramCollector
from onnxruntime.quantization.quant_utils import compute_scale_zp


def batch(which, n):
    i = np.arange(n, dtype=np.int64)
    v = ((i * 7919 + which * 104729) % 20011 - 10005) / 10005
    return (v * v * v * (1 + which) + (which == 2) * (i % 997 == 0) * 4).astype(np.float32)


for sizes in ((4000, 4000, 4000), (20000, 300, 0)):
    for method, bins, codes in (("percentile", 2048, 128), ("entropy", 128, 128)):
        c = HistogramCollector(method, False, bins, codes, 99.999 if method == "percentile" else None, "same")
        for w, n in enumerate(sizes):
            if n:
                c.collect({"x": [batch(w, n)]})
        lo, hi = c.compute_collection_result()["x"][:2]
        z, s = compute_scale_zp(np.float32(lo), np.float32(hi), np.int8(-128), np.int8(127))
        print(f"    {{{{{', '.join(map(str, sizes))}}}, {int(method == 'entropy')}, {float(lo).hex()}f, {float(hi).hex()}f}},"
              f" /* scale {float(s).hex()} zero {int(z)} */")
