"""NNCF's compress_weights on an OpenVINO model of one matrix: every mode, against codes, scales and zero points as they
stand in the model; decoded weights against the compiled model fed an identity; int8 activations against its products."""
import logging
import os
from packages import RECORD, Table, codec, need, np, weights

os.environ["NNCF_CI"] = "1"  # no telemetry
nncf, ov = need("nncf", "openvino")
from nncf import CompressWeightsMode as M
from openvino import opset13 as ops

logging.getLogger("nncf").setLevel(logging.ERROR)
print("nncf", nncf.__version__, "openvino", ov.__version__.split("-")[0])
t = Table()
core = ov.Core()


def model_of(w):
    a = ops.parameter([-1, w.shape[1]], ov.Type.f32, name="a")
    c = ops.constant(w)
    c.set_friendly_name("w")
    return ov.Model([ops.matmul(a, c, False, True)], [a])


def compressed(w, mode, group):
    if mode in (M.INT8_ASYM, M.INT8_SYM):
        return nncf.compress_weights(model_of(w), mode=mode)
    return nncf.compress_weights(model_of(w), mode=mode, ratio=1, group_size=group, all_layers=True)


def stream_of_u3(data):
    """OpenVINO's u3, 8 codes in 3 bytes: 16 times two bits from the top, then the third bits; as one stream of bits."""
    low = np.stack([data.reshape(-1, 3)[:, :2] >> s & 3 for s in (6, 4, 2, 0)], 2).reshape(-1, 8)
    codes = low | (data.reshape(-1, 3)[:, 2:] >> np.arange(7, -1, -1) & 1) << 2
    bits = codes[:, :, None] >> np.arange(3) & 1
    return np.packbits(bits.reshape(-1, 24), axis=1, bitorder="little").ravel()


def stored(model):
    """Codes, scales, zero points, scale of scales: the order of the codec command."""
    have = {op.get_friendly_name(): op for op in model.get_ops() if op.get_type_name() == "Constant"}
    codes = "w_nncf_codebook_idxs" if "w_nncf_codebook_idxs" in have else "w"
    found = b""
    for n in [codes, "w/scale", "w/zero_point", "w/second_order_scale"]:
        if n not in have:
            continue
        data = np.asarray(have[n].data).view(np.uint8).ravel()
        if n == "w/zero_point" and have[n].get_element_type() == ov.Type.i8:
            continue  # of unsigned codes for a symmetric mode: a constant of the graph
        data = stream_of_u3(data) if have[n].get_element_type() == ov.Type.u3 else data
        rows = have[n].shape[0]
        if n == "w/zero_point" and data.size == (rows + 1) // 2:  # one nibble a row: whole bytes here
            data = (np.stack([data & 15, data >> 4], 1).ravel() | 0x80)[:rows]
        found += bytes(data)
    return found


def run(model, a, group, precision="f32"):
    c = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": precision, "DYNAMIC_QUANTIZATION_GROUP_SIZE": group})
    return c([a])[0]


HAS_BF16 = "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def bf16(x):
    """To nearest even."""
    u = np.ascontiguousarray(x, dtype=np.float32).view(np.uint32).astype(np.uint64)
    return ((u + 0x7FFF + (u >> 16 & 1)) & 0xFFFF0000).astype(np.uint32).view(np.float32)


def bf16_outputs(name, m, y, a, act):
    """Share of the outputs that are not those of activations under `act`, one row of them at a time."""
    rounded = codec(f"openvino/{name}@act={act}", a, "activations").astype(np.float64)
    got = np.concatenate([run(m, a[i : i + 1], 32, "bf16") for i in range(len(a))])
    if name.startswith(("int3", "cb4", "fp8", "mxfp8")):  # decoded to bf16 apart; the output stays f32
        return float(product_error(bf16(y), got, rounded) > 1e-6)
    return float(np.mean(bf16((rounded @ y.T.astype(np.float64)).astype(np.float32)) != got))


MODES = [("int8-asym", M.INT8_ASYM, None), ("int8-sym", M.INT8_SYM, None)]
for g in (32, 64, 128, -1):
    name = "channel" if g < 0 else f"g{g}"
    MODES += [(f"int4-sym-{name}", M.INT4_SYM, g), (f"int4-asym-{name}", M.INT4_ASYM, g)]
for g in (32, 128):
    MODES += [(f"int2-sym-g{g}", M.INT2_SYM, g), (f"int3-sym-g{g}", M.INT3_SYM, g)]
MODES += [("nf4-g128", M.NF4, 128), ("cb4", M.CB4, -1), ("fp4-g128", M.FP4, 128), ("mxfp4", M.MXFP4, 32),
          ("fp8-g128", M.FP8_E4M3, 128), ("mxfp8", M.MXFP8_E4M3, 32), ("nvfp4", M.NVFP4, 16)]


def product_error(y, got, a):
    """Largest error of a y^T over the sum of magnitudes."""
    y, a = y.astype(np.float64), a.astype(np.float64)
    return float(np.max(np.abs(got - a @ y.T) / (np.abs(a) @ np.abs(y.T) + 1e-30)))


for name, mode, group in MODES:
    w = weights()
    t.row(f"openvino/{name}", codec(f"openvino/{name}", w), stored(compressed(w, mode, group)))
    if RECORD:
        continue
    w = weights(512, 512)
    w[5, 7] = 0.2
    m, y = compressed(w, mode, group), codec(f"openvino/{name}", w, "weights")
    try:
        got = np.ascontiguousarray(run(m, np.eye(512, dtype=np.float32), 0).T)
    except RuntimeError as e:
        print(f"     openvino/{name}: the CPU does not run it: {str(e).splitlines()[-1][:80]}")
        continue
    t.row(f"openvino/{name} values", y + 0.0, got + 0.0)
    a = bf16(np.random.default_rng(3).standard_normal((33, 512)))  # few bits: many codes are ties, which tell formulas apart
    a[1, :2] = 3.375, 1.6875  # tests/unit/test_groups.c
    rounded = codec(f"openvino/{name}", a, "activations")
    t.close(f"openvino/{name} product, dynamic int8", product_error(y, run(m, a, 32), rounded), 1e-6)
    t.close(f"openvino/{name} product, f32", product_error(y, run(m, a, 0), a), 1e-6)
    if HAS_BF16:
        act = "openvino_i8_bf16" if name.startswith(("int4", "int8")) else "bf16"
        t.close(f"openvino/{name} outputs in bf16, {act}", bf16_outputs(name, m, y, a[:4], act), 0.005)
t.done()
