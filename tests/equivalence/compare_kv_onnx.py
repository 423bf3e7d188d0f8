"""The quantized KV cache of onnxruntime's GroupQueryAttention on the CPU: the codes that it puts into the cache (values
next to ties, beyond the range and random ones), and what it attends to, against the written rule. With a folder as second
argument rows for tests/golden/test_kv_packages.c are written there."""
import sys
from packages import RECORD, need, np

ort, onnx = need("onnxruntime", "onnx")
from onnx import TensorProto, helper

HEADS, KV, DIM = 4, 2, 32
FLOAT, INT32 = TensorProto.FLOAT, TensorProto.INT32


def session(kind, bits):
    store, width = (TensorProto.INT8, DIM) if bits == 8 else (TensorProto.UINT8, DIM // 2)
    inputs = [("q", FLOAT, [1, "s", HEADS * DIM])] + [(n, FLOAT, [1, "s", KV * DIM]) for n in "kv"]
    inputs += [(n, store, [1, KV, "p", width]) for n in ("past_k", "past_v")]
    inputs += [("last", INT32, [1]), ("total", INT32, [1]), ("k_scale", FLOAT, None), ("v_scale", FLOAT, None)]
    outputs = [("out", FLOAT, None), ("new_k", store, None), ("new_v", store, None)]
    names = [n for n, _, _ in inputs]
    node = helper.make_node("GroupQueryAttention", names[:7] + [""] * 5 + names[7:], [n for n, _, _ in outputs],
                            domain="com.microsoft", num_heads=HEADS, kv_num_heads=KV, kv_cache_bit_width=bits,
                            k_quant_type=kind, v_quant_type=kind)
    graph = helper.make_graph([node], "kv", [helper.make_tensor_value_info(*i) for i in inputs],
                              [helper.make_tensor_value_info(*o) for o in outputs])
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
    return ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


def run(kind, bits, q, k, v, k_scale, v_scale):
    empty = np.zeros((1, KV, 0, DIM), np.int8) if bits == 8 else np.zeros((1, KV, 0, DIM // 2), np.uint8)
    n = np.array([k.shape[1]], np.int32)
    return session(kind, bits).run(None, {"q": q, "k": k, "v": v, "past_k": empty, "past_v": empty, "last": n - 1,
                                          "total": n, "k_scale": k_scale, "v_scale": v_scale})


def codes_of(cache, bits):
    """[kv][n][width] to [n][kv * dim] signed."""
    c = cache[0].transpose(1, 0, 2)
    if bits == 4:
        c = np.stack([c & 15, c >> 4], -1).astype(np.int32) - 8
    return c.reshape(c.shape[0], -1).astype(np.int32)


def rule(x, scale, bits):
    middle = 2**(bits - 1)
    return np.clip(np.rint(x * (np.float32(1) / scale)), -middle, middle - 1).astype(np.int32)


def attend(q, k, v):
    """Every query over the positions up to its own, in f64."""
    n, out = q.shape[0], np.zeros((q.shape[0], HEADS * DIM))
    for h in range(HEADS):
        at, own = slice(h * DIM, (h + 1) * DIM), slice(h * KV // HEADS * DIM, (h * KV // HEADS + 1) * DIM)
        s = q[:, at].astype(np.float64) @ k[:, own].T / np.sqrt(DIM)
        s[np.triu_indices(n, 1)] = -np.inf
        w = np.exp(s - s.max(1, keepdims=True))
        out[:, at] = w / w.sum(1, keepdims=True) @ v[:, own]
    return out


rng, failed = np.random.default_rng(1), 0
print("onnxruntime", ort.__version__)
for bits in (8, 4):
    for kind in ("PER_TENSOR", "PER_CHANNEL"):
        n, top = 300, 2**(bits - 1) - 1
        x = [rng.standard_normal((n, KV * DIM)).astype(np.float32) * 3 for _ in "kv"]
        peak = [np.abs(y).max(0) * np.float32(0.8) for y in x]  # something is cut
        if kind == "PER_TENSOR":
            peak = [np.full_like(p, p.max()) for p in peak]
        scale = [(p / np.float32(top)).astype(np.float32) for p in peak]
        for y, s in zip(x, scale):
            ties = ((rng.integers(-2 * top, 2 * top, y.shape) + np.float32(0.5)) * s).astype(np.float32)
            y[:] = np.where(rng.random(y.shape) < 0.3, ties, y)
        q = rng.standard_normal((n, HEADS * DIM)).astype(np.float32)
        given = [s[:1] if kind == "PER_TENSOR" else s.reshape(KV, 1, DIM) for s in scale]
        out, *caches = run(kind, bits, q[None], x[0][None], x[1][None], *given)
        want = [rule(y, s, bits) for y, s in zip(x, scale)]
        got = [codes_of(c, bits) for c in caches]
        differ = sum(int(np.count_nonzero(a != b)) for a, b in zip(got, want))
        exact = attend(q, *[w * s for w, s in zip(want, scale)])
        error = np.abs(out[0] - exact).max() / np.abs(exact).max()
        print(f"int{bits} {kind}: {2 * x[0].size} codes, {differ} differ; outputs of f32 attention over them: {error:.2g}")
        failed += differ > 0 or error > 2e-6
        if RECORD and kind == "PER_CHANNEL":
            values = (got[0] * scale[0]).astype(np.float32)
            np.concatenate([peak[0][None], x[0][:16], values[:16]]).astype("<f4").tofile(f"{RECORD}/onnx-int{bits}-channel.f32")
sys.exit(int(failed > 0))
