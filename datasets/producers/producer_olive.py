"""Olive: a pass of its own on the ONNX decoder graph of the model in f32, and what its nodes decode to beside ours."""
import os
import re
import shutil

from worker import Fault, Model, np, paired, serve

PASSES = {"onnx_nbits": "OnnxBlockWiseRtnQuantization", "onnx_k_quant": "OnnxKQuantQuantization"}
GRAPH = "model.onnx"


class Olive(Model):
    packages = (("olive-ai", "olive"),)
    needs = also = ("onnxruntime", "onnx")
    containers = ("onnx",)

    def produce(self, plain, ours, out, format, threads):
        os.environ["OLIVE_DISABLE_TELEMETRY"] = "1"
        if format["codec"] not in PASSES or format["mix"] or format["bits"] not in (4, 8):
            raise Fault("unsupported", f"{format['name']}: this producer makes int4 and int8 in blocks, and k-quant")
        import onnx
        from olive.workflows import run
        work = os.path.join(out, "olive")
        source = os.path.join(work, "source", GRAPH)
        os.makedirs(os.path.dirname(source))
        graph = onnx.load(os.path.join(plain, GRAPH))
        for node in graph.graph.node:
            node.name = node.name or node.output[0]
        nodes = [n.name for n in graph.graph.node if n.op_type == "MatMul"]  # it would take the embedding too
        onnx.save(graph, source, save_as_external_data=True, location=GRAPH + ".data")
        step = {"type": PASSES[format["codec"]], "bits": format["bits"], "block_size": format["group"],
                "nodes_to_include": nodes, "save_as_external_data": True}
        if (format["act"] or "").startswith("i8_"):
            step["accuracy_level"] = 4
        if format["codec"] == "onnx_nbits":
            step["is_symmetric"] = format["sym"]
        run({"input_model": {"type": "ONNXModel", "model_path": source}, "passes": {"q": step},
             "output_dir": os.path.join(work, "made"), "cache_dir": os.path.join(work, "cache"), "log_severity_level": 3})
        made = [os.path.join(d, f) for d, _, files in os.walk(os.path.join(work, "made")) for f in files if f.endswith(".onnx")]
        if not made:
            raise Fault("failed", "Olive wrote no ONNX graph")
        graph = onnx.load(made[0])
        shutil.rmtree(work)
        onnx.save(graph, os.path.join(out, GRAPH), save_as_external_data=True, location=GRAPH + ".data")
        for name in os.listdir(plain):
            if not name.startswith(GRAPH):
                shutil.copy(os.path.join(plain, name), out)
        return paired(matrices(onnx, ours), matrices(onnx, out))


def matrices(onnx, folder):
    """Output of the product, which Olive renames: its weights in f32, [n][k]."""
    graph = onnx.load(os.path.join(folder, GRAPH)).graph
    tensors = {t.name: t for t in graph.initializer}
    for node in graph.node:
        if node.op_type == "MatMulNBits":
            yield re.sub(r"_Q\d+$", "", node.output[0]), decode(node, [onnx.numpy_helper.to_array(tensors[i]) if i else None for i in node.input[1:4]])
        elif node.op_type == "MatMul" and node.input[1] in tensors:
            yield node.output[0], onnx.numpy_helper.to_array(tensors[node.input[1]]).astype(np.float32).T


def decode(node, inputs):
    """MatMulNBits: codes low nibble first, [n][blocks][bytes]; one scale and zero point a block."""
    codes, scales, zeros = (inputs + [None])[:3]
    a = {x.name: x.i for x in node.attribute}
    n, k, bits, size = a["N"], a["K"], a["bits"], a["block_size"]
    blocks = -(-k // size)
    if bits == 4:
        codes = np.stack([codes & 15, codes >> 4], -1)
    codes = codes.reshape(n, blocks, size).astype(np.float32)
    if zeros is None:
        zeros = np.full((n, blocks), 1 << (bits - 1), np.float32)
    elif zeros.dtype == np.uint8 and bits == 4:
        zeros = zeros.reshape(n, -1)
        zeros = np.stack([zeros & 15, zeros >> 4], -1).reshape(n, -1)[:, :blocks]
    w = (codes - zeros.reshape(n, blocks, 1).astype(np.float32)) * scales.reshape(n, blocks, 1).astype(np.float32)
    return w.reshape(n, -1)[:, :k]


if __name__ == "__main__":
    serve(Olive())
