"""The rules of rounded activations inside whole models: every product of the embedded model in its framework, with its own
input as it was there, against the rule. What compare_frameworks.py finds beyond that is sums in another order that put
values beside ties on their other side. compare_products.py WHICHQUANT; 32 bits of each figure come from the framework.
OpenVINO: int8 per 32 values, the tied head too; ONNX Runtime: int8 in the blocks of the weights (level 4), and uint8 by
call (DynamicQuantizeLinear)."""
import os
import shutil
import sys
import tempfile
from packages import Table, beside, need, np

frameworks = beside("frameworks")
table = Table()
N = 128
MOST = 1e-6  # of the sum of the magnitudes of a product's terms


def rounded(x, group, reciprocal):
    """int8 codes times scales, by rows and groups; reciprocal: OpenVINO's 1 / (most / 127) where the other has 127 / most."""
    g = x.reshape(len(x), -1, group)
    most = np.abs(g).max(-1, keepdims=True)
    scale = (most / np.float32(127)).astype(np.float32)
    with np.errstate(divide="ignore", invalid="ignore"):
        up = np.where(most > 0, np.float32(1) / scale if reciprocal else np.float32(127) / most, 0).astype(np.float32)
    return (np.rint(g * up).astype(np.float64) * scale).reshape(x.shape)


def far(y, x, rule, w):
    """Of an output, the largest difference from the rule's product over the sum of magnitudes."""
    w = w.astype(np.float64)
    return float((np.abs(y - rule @ w.T) / np.maximum(np.abs(x.astype(np.float64)) @ np.abs(w.T), 1e-30)).max())


def value(node):
    """Of a constant of OpenVINO, decompressed."""
    kind = node.get_type_name()
    if kind == "Constant":
        if node.get_element_type().get_type_name() not in ("u4", "i4"):
            return np.array(node.data)
        b = np.frombuffer(np.array(node.data).tobytes(), np.uint8)
        codes = np.stack([b & 15, b >> 4], -1).ravel().astype(np.int32)
        if node.get_element_type().get_type_name() == "i4":
            codes = np.where(codes > 7, codes - 16, codes)
        return codes.reshape(list(node.get_output_shape(0))).astype(np.float32)
    ins = [value(i.get_node()) for i in node.input_values()]
    return {"Convert": lambda a: a.astype(np.float32), "Subtract": lambda a, b: a - b, "Multiply": lambda a, b: a * b,
            "Reshape": lambda a, shape: a.reshape(shape)}[kind](*ins)


def openvino(fmt, folder):
    ov, = need("openvino")
    core = ov.Core()
    model = core.read_model(os.path.join(folder, "openvino_model.xml"))
    products = [o for o in model.get_ordered_ops() if o.get_type_name() == "MatMul"]
    weights = [value(o.input_value(1).get_node()).astype(np.float32) for o in products]
    first = len(model.outputs)
    for o in products:
        model.add_outputs([o.input_value(0)])
        if o.get_friendly_name() != "lm_head":
            model.add_outputs([o.output(0)])
    settings = {"INFERENCE_PRECISION_HINT": "f32", "KV_CACHE_PRECISION": "f32", "DYNAMIC_QUANTIZATION_GROUP_SIZE": 32}
    request = core.compile_model(model, "CPU", settings).create_infer_request()
    ids = np.random.default_rng(1).integers(0, weights[-1].shape[0], (1, N))
    request.infer({"input_ids": ids, "attention_mask": np.ones((1, N), np.int64), "position_ids": np.arange(N)[None],
                   "beam_idx": np.zeros(1, np.int32)})
    # Outputs of one value share a tensor: by the name of what makes it.
    found = {o.get_node().input_value(0).get_node().get_friendly_name(): np.array(request.get_output_tensor(i).data)[0]
             for i, o in enumerate(model.outputs)}
    assert first >= 1
    differ = {}
    for o, w in zip(products, weights):
        x = found[o.input_value(0).get_node().get_friendly_name()]
        differ[o.get_friendly_name()] = far(found[o.get_friendly_name()], x, rounded(x, 32, True), w)
    table.close(f"{fmt}: {len(differ) - 1} products", max(v for k, v in differ.items() if k != "lm_head"), MOST)
    table.close(f"{fmt}: the tied head", differ["lm_head"], MOST)


def session(folder, names):
    """What the graph's inner values are, and the graph."""
    onnx, ort = need("onnx", "onnxruntime")
    model = onnx.load(os.path.join(folder, "model.onnx"), load_external_data=False)
    wanted = names(model.graph)
    known = {o.name for o in model.graph.output}
    model.graph.output.extend(onnx.helper.make_empty_tensor_value_info(n) for n in wanted if n not in known)
    path = os.path.join(folder, "inner.onnx")
    onnx.save(model, path)
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    run = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    feed = {"attention_mask": np.ones((1, N), np.int64)}
    for i in run.get_inputs():
        if "past" in i.name:
            feed[i.name] = np.zeros([1, i.shape[1], 0, i.shape[3]], np.float32)
    feed["input_ids"] = np.random.default_rng(1).integers(0, 4096, (1, N))
    wanted = list(dict.fromkeys(wanted))
    return model.graph, dict(zip(wanted, run.run(wanted, feed)))


def weight_of(onnx, node, graph, folder):
    """Of a MatMulNBits, decoded."""
    held = {t.name: t for t in graph.initializer}
    b, s, *z = (onnx.numpy_helper.to_array(held[n], folder) for n in node.input[1:4] if n)
    at = {a.name: a.i for a in node.attribute}
    bits, block, n, k = at["bits"], at["block_size"], at["N"], at["K"]
    def codes(p, count):
        bit = np.unpackbits(p.reshape(n, -1), axis=-1, bitorder="little").reshape(n, -1, bits)
        return (bit * (1 << np.arange(bits))).sum(-1)[:, :count]
    q = codes(b, -(-k // block) * block).reshape(n, -1, block)
    zero = codes(z[0], q.shape[1])[..., None] if z else 1 << (bits - 1)
    return ((q - zero) * s.reshape(n, -1, 1).astype(np.float64)).reshape(n, -1)[:, :k], block


def nbits(fmt, folder):
    onnx, = need("onnx")
    kinds = lambda g: [m for m in g.node if m.op_type == "MatMulNBits"]
    graph, found = session(folder, lambda g: [v for m in kinds(g) for v in (m.input[0], m.output[0])])
    differ = []
    for node in kinds(graph):
        w, block = weight_of(onnx, node, graph, folder)
        x = found[node.input[0]][0]
        differ.append(far(found[node.output[0]][0], x, rounded(x, block, False), w))
    table.close(f"{fmt}: {len(differ)} products", max(differ), MOST)


def dynamic(fmt, folder):
    kinds = lambda g: [m for m in g.node if m.op_type == "DynamicQuantizeLinear"]
    graph, found = session(folder, lambda g: [v for m in kinds(g) for v in (m.input[0], *m.output)])
    differ = of = 0
    for node in kinds(graph):
        x, (y, s, z) = found[node.input[0]], (found[n] for n in node.output)
        low, high = min(np.float32(0), x.min()), max(np.float32(0), x.max())
        scale = np.float32((high - low) / np.float32(255))
        zero = np.clip(np.rint(np.float32(0) - low / scale), 0, 255)
        codes = np.clip(np.rint(x / scale) + zero, 0, 255).astype(np.uint8)
        differ += int(np.count_nonzero(codes != y)) + (s != scale) + (z != zero)
        of += codes.size
    table.close(f"{fmt}: {of} codes of {len(kinds(graph))} inputs, share that differs", differ / of, 0)


with tempfile.TemporaryDirectory() as top:
    for name, check in (("openvino/int8-asym", openvino), ("openvino/int4-sym-g128", openvino), ("openvino/int4-asym-g128", openvino),
                        ("onnx/int4-g32-sym", nbits), ("onnx/int4-g32-asym", nbits), ("onnx/int8-g32-sym", nbits),
                        ("onnx/int8-dynamic", dynamic)):
        out = os.path.join(top, "out")
        frameworks.quantize("default", name, out)
        check(name, out)
        shutil.rmtree(out)
sys.stdout.flush()
table.done()
