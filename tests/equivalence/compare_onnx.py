"""ONNX Runtime: its quantizers (MatMulNBits by DEFAULT, RTN and k_quant; quantize_dynamic) against codes, scales and
zero points; its kernels, fed an identity, against decoded weights; and both activation rules against products."""
import os
import tempfile
from packages import RECORD, Table, codec, need, np, weights

ort, onnx = need("onnxruntime", "onnx")
from onnx import TensorProto as T, helper, numpy_helper as nh
from onnxruntime.capi import _pybind_state as native
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.quantization.neural_compressor import weight_only

print("onnxruntime", ort.__version__)
ort.set_default_logger_severity(3)
QUANTIZERS = {2: native.quantize_matmul_2bits, 4: native.quantize_matmul_4bits, 8: native.quantize_matmul_8bits}
t = Table()


def nbits(w, bits, block, symmetric, dtype):
    """Codes, scales, zero points as MatMulNBits stores them, of w[n][k]."""
    n, k = w.shape
    kb = -(-k // block)
    packed = np.zeros((n, kb, block * bits // 8), np.uint8)
    scales = np.zeros((n, kb), dtype)
    zeros = np.zeros((n, -(-kb * bits // 8)), np.uint8)
    src = np.ascontiguousarray(w.T.astype(dtype))
    QUANTIZERS[bits](packed, src, scales, zeros, block, n, k, symmetric)
    return packed, scales, zeros


def matmul(packed, scales, zeros, bits, block, k, a, level):
    """a[m][k] times the weights, by the kernel."""
    n = packed.shape[0]
    inits = [nh.from_array(packed, "b"), nh.from_array(scales.astype(np.float32), "s")]
    inits += [nh.from_array(zeros, "z")] if zeros is not None else []
    node = helper.make_node("MatMulNBits", ["a"] + [i.name for i in inits], ["y"], domain="com.microsoft", K=k, N=n,
                            bits=bits, block_size=block, accuracy_level=level)
    graph = helper.make_graph([node], "g", [helper.make_tensor_value_info("a", T.FLOAT, [None, k])],
                              [helper.make_tensor_value_info("y", T.FLOAT, [None, n])], inits)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)],
                              ir_version=10)
    return ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"]).run(None, {"a": a})[0]


def compare_default():
    for cols in (1024,) if RECORD else (1024, 1000):
        w = weights(1024, cols)
        for bits in (2, 4, 8):
            for block in (16, 32, 64, 128, 256):
                for sym in (True, False):
                    for scale, dtype in (("f32", np.float32), ("f16", np.float16)):
                        p, s, z = nbits(w, bits, block, sym, dtype)
                        fmt = f"onnx/int{bits}-g{block}-{'sym' if sym else 'asym'}@scale={scale}"
                        t.row(f"{fmt} K={cols}", codec(fmt, w), p.tobytes() + s.tobytes() + (b"" if sym else z.tobytes()))


def compare_python(fmt, bits, symmetric, quantize):
    for cols in (1024, 992 + 16):
        w = weights(1024, cols)
        n, cols = w.shape
        w[1:3] += np.arange(cols) % 2 / 16  # constant groups have no scale of their own in k_quant
        pad = -cols % 32
        x = np.pad(w, ((0, 0), (0, pad))) if pad else w
        q, s, z = quantize(x)
        q = q.astype(np.uint8).reshape(n, -1)
        packed = (q[:, ::2] | q[:, 1::2] << 4) if bits == 4 else q
        kb = (cols + pad) // 32
        z = np.broadcast_to(z, s.shape).astype(np.uint8).reshape(n, kb)
        if bits == 4:
            z = np.concatenate([z, np.full((n, kb % 2), 8, np.uint8)], 1)
            z = z[:, ::2] | z[:, 1::2] << 4
        want = packed.tobytes() + s.astype(np.float32).tobytes() + (b"" if symmetric else z.tobytes())
        t.row(f"{fmt} K={cols}", codec(fmt, w), want, record=False)


def compare_kernels():
    rng = np.random.default_rng(3)
    for bits in (2, 4, 8):
        for block in (16, 32, 128):
            for sym in (True, False):
                k = 512
                w = weights(256, k)
                w[5, 7] = 0.2  # kernels take the zero point from sums: an outlier's scale shows in the last bits
                fmt = f"onnx/int{bits}-g{block}-{'sym' if sym else 'asym'}"
                p, s, z = nbits(w, bits, block, sym, np.float32)
                z = None if sym else z
                y = codec(fmt, w, "weights")
                got = matmul(p, s, z, bits, block, k, np.eye(k, dtype=np.float32), 0).T
                t.row(f"{fmt} values", np.ascontiguousarray(y + 0.0), np.ascontiguousarray(got + 0.0))
                a = rng.standard_normal((33, k)).astype(np.float32)
                a = (a.view(np.uint32) & 0xFFFF0000).view(np.float32)  # few bits: ties tell formulas apart
                rounded = codec(fmt, a, "activations").astype(np.float64)
                exact = rounded @ y.astype(np.float64).T
                scale = np.abs(rounded) @ np.abs(y.astype(np.float64)).T + 1e-30
                run = matmul(p, s, z, bits, block, k, a, 4)
                t.close(f"{fmt} product, level 4", float(np.max(np.abs(run - exact) / scale)), 1e-6)


def dynamic_model(w, table, folder):
    """ids -> Gather -> + -> MatMul; the embedding is quantized as well."""
    nodes = [helper.make_node("Gather", ["table", "ids"], ["e"]), helper.make_node("Relu", ["e"], ["r"]),
             helper.make_node("MatMul", ["r", "w"], ["y"])]
    graph = helper.make_graph(nodes, "g", [helper.make_tensor_value_info("ids", T.INT64, [None])],
                              [helper.make_tensor_value_info("y", T.FLOAT, [None, w.shape[0]])],
                              [nh.from_array(np.ascontiguousarray(w.T), "w"), nh.from_array(table, "table")])
    path = os.path.join(folder, "model.onnx")
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10), path)
    return path


def compare_dynamic():
    w = weights(1024, 1024)
    for channel in (False, True):
        with tempfile.TemporaryDirectory() as folder:
            out = os.path.join(folder, "out.onnx")
            quantize_dynamic(dynamic_model(w, w, folder), out, per_channel=channel, weight_type=QuantType.QInt8)
            have = {i.name: nh.to_array(i) for i in onnx.load(out).graph.initializer}
        fmt = "onnx/int8-dynamic" + ("-channel" if channel else "")
        t.row(fmt, codec(fmt, w), np.ascontiguousarray(have["w_quantized"].T).tobytes() + have["w_scale"].tobytes())
        if not channel:
            want = have["table_quantized"].tobytes() + have["table_scale"].tobytes() + have["table_zero_point"].tobytes()
            t.row("onnx/int8-dynamic, the embedding", codec("onnx_int8@bits=8,sym=0,group=-1,zero=code", w), want)


def compare_dynamic_activations():
    node = helper.make_node("DynamicQuantizeLinear", ["a"], ["q", "s", "z"])
    back = helper.make_node("DequantizeLinear", ["q", "s", "z"], ["y"])
    graph = helper.make_graph([node, back], "g", [helper.make_tensor_value_info("a", T.FLOAT, [None, None])],
                              [helper.make_tensor_value_info("y", T.FLOAT, [None, None])])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    run = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    for seed in range(5):
        a = weights(64, 512, seed)
        a = a[14:] if seed else a * 0
        t.row(f"dynamic activations, batch {seed}", codec("onnx/int8-dynamic", a, "activations") + 0.0,
              run.run(None, {"a": a})[0] + 0.0)


compare_default()
compare_python("onnx/int4-g32-rtn", 4, False, lambda x: weight_only.quant_tensor(x, 4, 32, "asym", "uint"))
compare_python("onnx/int4-g32-rtn-sym", 4, True, lambda x: weight_only.quant_tensor(x, 4, 32, "sym", "uint"))
compare_python("onnx/int4-g32-k-quant", 4, False, lambda x: weight_only.quant_tensor_k_quant_cpu(x, 4, 32))
compare_python("onnx/int8-g32-k-quant", 8, False, lambda x: weight_only.quant_tensor_k_quant_cpu(x, 8, 32))
compare_dynamic()
if not RECORD:
    compare_kernels()
    compare_dynamic_activations()
t.done()
