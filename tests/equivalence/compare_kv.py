"""OpenVINO's quantized KV cache on the CPU, from a stateful attention of our own: what its state gives back (u8) or, as
4-bit states cannot be read, twice the mean of a cached row and a zero row (u4). Both against the written rule, bit for
bit; u8 keys by channel in groups of positions that grow (with u4 keys by channel this attention ends in a crash). With a
folder as second argument the rows that tests/golden/test_kv_packages.c checks are written there."""
import sys
from packages import RECORD, need, np

ov = need("openvino")[0]
from openvino import opset13 as op
from openvino.op.util import Variable, VariableInfo

HEADS, DIM = 2, 64
RECORDED = [20, 1, 3, 24]


def cached(x, beam, name):
    info = VariableInfo()
    info.data_shape, info.data_type, info.variable_id = ov.PartialShape([-1, HEADS, -1, DIM]), ov.Type.f32, name
    var = Variable(info)
    batch = op.gather(op.shape_of(x), op.constant(np.array([0], np.int64)), op.constant(np.int64(0)))
    shape = op.concat([batch, op.constant(np.array([HEADS, 0, DIM], np.int64))], 0)
    past = op.gather(op.read_value(op.broadcast(op.constant(np.float32(0)), shape), var), beam, op.constant(np.int64(0)))
    both = op.concat([past, x], 2)
    return both, op.assign(both, var)


def attention(config):
    q, k, v = (op.parameter([-1, HEADS, -1, DIM], np.float32, name=n) for n in "qkv")
    beam = op.parameter([-1], np.int32, name="beam_idx")
    (keys, sink_k), (values, sink_v) = cached(k, beam, "k"), cached(v, beam, "v")
    out = op.scaled_dot_product_attention(q, keys, values, causal=False)
    model = ov.Model([op.result(out)], [sink_k, sink_v], [q, k, v, beam], "kv")
    return ov.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32", **config}).create_infer_request()


def feed(request, q, k, v):
    return request.infer({"q": q, "k": k, "v": v, "beam_idx": np.zeros(1, np.int32)})[0].copy()


def rule(x, bits, group):
    y = x.reshape(*x.shape[:-1], -1, group or x.shape[-1])
    lo, hi, top = y.min(-1, keepdims=True), y.max(-1, keepdims=True), np.float32(2**bits - 1)
    s = (hi - lo) / top
    s[s == 0] = np.float32(1e-4)
    z = -lo / s
    fma = (y.astype(np.float64) * (np.float32(1) / s).astype(np.float64) + z.astype(np.float64)).astype(np.float32)
    return ((np.clip(np.rint(fma), 0, top) - z) * s).astype(np.float32).reshape(x.shape)


def by_channel(x, bits, group):
    """Groups of positions; unlike by token, the range is multiplied by the reciprocal of the number of steps."""
    out = x.copy()
    for t in range(0, x.shape[2], group):
        y = x[:, :, t:t + group]
        lo, hi, top = y.min(2, keepdims=True), y.max(2, keepdims=True), np.float32(2**bits - 1)
        s = (hi - lo) * (np.float32(1) / top)
        s[s == 0] = np.float32(1e-4)
        z = -lo / s
        fma = (y.astype(np.float64) * (np.float32(1) / s).astype(np.float64) + z.astype(np.float64)).astype(np.float32)
        out[:, :, t:t + group] = (np.clip(np.rint(fma), 0, top) - z) * s
    return out


def grow(stored, new, bits, group):
    """What is stored and new rows after it: the values of a group that was begun are quantized again with them."""
    at = stored.shape[2] // group * group
    tail = by_channel(np.concatenate([stored[:, :, at:], new], 2), bits, group)
    return np.concatenate([stored[:, :, :at], tail], 2)


def key_state(request):
    return next(s for s in request.query_state() if s.name == "k").state.data.copy()


def compare_channels(bits, group, pieces):
    config = {"KEY_CACHE_QUANT_MODE": "BY_CHANNEL", "KEY_CACHE_GROUP_SIZE": group, "KV_CACHE_PRECISION": "u8"}
    r, at, want = attention(config), 0, rows[1][:, :, :0]
    for n in pieces:
        piece = [x[:, :, at:at + n] for x in rows]
        feed(r, *piece)
        want, at = grow(want, piece[1], bits, group), at + n
    got = key_state(r)
    if RECORD and pieces == RECORDED:
        np.concatenate([rows[1][0, 0, :at], got[0, 0]]).astype("<f4").tofile(f"{RECORD}/openvino-u8-channel.f32")
    return compare(f"u8 by channel, groups of {group}, fed {'+'.join(map(str, pieces))}", got, want)


def compare(name, got, want):
    differing = np.count_nonzero(got.view(np.uint32) != want.view(np.uint32))
    print(f"{name}: {got.size} values, {differing} differ" + (f", at most {np.abs(got - want).max():g}" if differing else ""))
    return differing


rng = np.random.default_rng(1)
rows = [rng.standard_normal((1, HEADS, 500, DIM)).astype(np.float32) * 3 for _ in range(3)]
rows[1][0, 0, :3] = np.stack([np.zeros(DIM), np.full(DIM, 1.5), np.linspace(-1, 1, DIM)])
print("openvino", ov.__version__)
bad = 0
for group in (0, 32):
    r = attention({"KV_CACHE_PRECISION": "u8", "KEY_CACHE_GROUP_SIZE": group, "VALUE_CACHE_GROUP_SIZE": group})
    feed(r, *rows)
    for state in r.query_state():
        got = state.state.data.copy()
        bad += compare(f"u8 group {group} {state.name}", got, rule(rows[1 if state.name == "k" else 2], 8, group))
        if group == 0 and state.name == "k" and RECORD:
            np.concatenate([rows[1][0, 0, :8], got[0, 0, :8]]).astype("<f4").tofile(f"{RECORD}/openvino-u8.f32")
for group in (0, 32):
    got, zero = [], np.zeros((1, HEADS, 1, DIM), np.float32)
    for i in range(50):
        r = attention({"KEY_CACHE_PRECISION": "u4", "VALUE_CACHE_PRECISION": "u4", "KEY_CACHE_GROUP_SIZE": group,
                       "VALUE_CACHE_GROUP_SIZE": group}) if i == 0 else r
        r.reset_state()
        feed(r, zero, zero, rows[2][:, :, i:i + 1])
        got.append(2 * feed(r, zero, zero, zero))
    bad += compare(f"u4 group {group} v", np.concatenate(got, 2), rule(rows[2][:, :, :50], 4, group))
for group, pieces in ((64, [100]), (32, RECORDED), (32, [64, 1, 1, 30]), (16, [10, 1, 1, 5, 40])):
    bad += compare_channels(8, group, pieces)
sys.exit(int(bad > 0))
