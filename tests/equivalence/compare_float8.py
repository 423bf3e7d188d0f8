"""8-bit floats against ml_dtypes: codes of random values, of every tie between two neighbours and of what lies next to
it, and the value of every code. ml_dtypes gives NaN or infinity beyond the largest value where a KV cache saturates:
nothing larger is compared. With a folder as second argument the ties are recorded for tests/golden/test_kv_packages.c."""
from packages import RECORD, Table, codec, need, np

ml = need("ml_dtypes")[0]


def around_ties(kind, largest):
    """f32 values: halfway between neighbouring codes, the floats just below and above, of both signs."""
    values = np.arange(256, dtype=np.uint8).view(kind).astype(np.float32)
    codes = np.unique(values[np.isfinite(values) & (values >= 0) & (values <= largest)])
    middle = ((codes[1:].astype(np.float64) + codes[:-1]) / 2).astype(np.float32)
    x = np.concatenate([codes, middle, np.nextafter(middle, np.float32(0)), np.nextafter(middle, np.float32(np.inf))])
    return np.concatenate([x, -x])


t = Table()
print("ml_dtypes", ml.__version__)
for name, kind, largest in (("fp8_e4m3", ml.float8_e4m3fn, 448), ("fp8_e5m2", ml.float8_e5m2, 57344)):
    rng = np.random.default_rng(1)
    ties = around_ties(kind, largest)
    x = np.concatenate([ties, rng.standard_normal(1 << 20).astype(np.float32) * np.float32(3),
                        np.exp2(rng.uniform(-20, np.log2(largest), 1 << 18)).astype(np.float32)])
    # The codec scales a row by its largest magnitude: rows that begin with the largest code have scale 1.
    rows = np.resize(x, (-(-x.size // 1023), 1023))
    w = np.concatenate([np.full((rows.shape[0], 1), largest, np.float32), rows], 1)
    want = w.astype(kind)
    t.row(f"{name} values", codec(name, w, "weights"), want.astype(np.float32))
    t.row(f"{name} codes", np.frombuffer(codec(name, w), np.uint8)[:w.size], want.view(np.uint8))
    every = np.arange(256, dtype=np.uint8).view(kind).astype(np.float32)
    every = every[np.isfinite(every)][None, :]
    t.row(f"{name} every value", codec(name, every, "weights"), every)
    if RECORD:
        with open(f"{RECORD}/{name}-ties.bin", "wb") as f:
            f.write(ties.astype("<f4").tobytes() + ties.astype(kind).tobytes())
t.done()
