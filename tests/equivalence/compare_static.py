"""ONNX Runtime's quantize_static: three matrix products over fixed activations, a chunk of them at a time. Scales and zero
points of each calibration, int8 weights, and what the quantized model puts out. Run as compare_static.py WHICHQUANT FIXED_RAW."""
import os
import subprocess
import sys
import tempfile
from packages import Table, codec, need, np

ort, onnx = need("onnxruntime", "onnx")
from onnx import TensorProto as T, helper, numpy_helper as nh
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod as C, quantize_static

print("onnxruntime", ort.__version__)
ort.set_default_logger_severity(3)
RAW, N = sys.argv[2], 64
t = Table()


class Chunks(CalibrationDataReader):
    def __init__(self, inputs):
        self.inputs, self.at, self.end = inputs, 0, len(inputs)

    def get_next(self):
        self.at += 1
        return self.inputs[self.at - 1] if self.at <= self.end else None

    def __len__(self):
        return len(self.inputs)

    def set_range(self, start_index, end_index):
        self.at, self.end = start_index, end_index


def ours(rule, x):
    """scale, zero point, values of x[chunks][n][k] on that grid"""
    out = subprocess.run([RAW, rule] + [str(d) for d in x.shape], input=x.tobytes(), capture_output=True, check=True).stdout
    head, values = out.split(b"\n", 1)
    scale, zero = head.decode().split()
    return np.float32(float.fromhex(scale)), int(zero), np.frombuffer(values, "<f4").reshape(x.shape)


def activations(kind, n_chunks, k):
    """Of LLMs: a few large columns, tails, chunks of growing reach; of one sign; and nothing but zeros at first."""
    rng = np.random.default_rng(n_chunks + k)
    x = rng.standard_normal((n_chunks, N, k)).astype(np.float32)
    if kind == "tails":
        x = (x * np.abs(x) ** 3).astype(np.float32)
        x[:, :, 3] *= 8
    if kind == "growing":
        x *= np.linspace(0.5, 3, n_chunks, dtype=np.float32)[:, None, None]
    if kind == "positive":
        x = np.abs(x)
    if kind == "zeros":
        x[:2] = 0
    return x


def model(inputs, ws, folder):
    nodes = [helper.make_node("MatMul", [f"x{i}", f"w{i}"], [f"y{i}"]) for i in range(len(ws))]
    graph = helper.make_graph(nodes, "g", [helper.make_tensor_value_info(f"x{i}", T.FLOAT, list(x.shape[1:])) for i, x in enumerate(inputs)],
                              [helper.make_tensor_value_info(f"y{i}", T.FLOAT, [N, w.shape[0]]) for i, w in enumerate(ws)],
                              [nh.from_array(np.ascontiguousarray(w.T), f"w{i}") for i, w in enumerate(ws)])
    path = os.path.join(folder, "model.onnx")
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10), path)
    return path


def compare(rule, method, channel, kinds, n_chunks):
    fmt = f"onnx/int8-static-{rule}" + ("-channel" if channel else "")
    name = f"{fmt} {' '.join(kinds)}, {n_chunks} chunks"
    ws = [np.random.default_rng(i).standard_normal((48, 256 + 64 * i)).astype(np.float32) * np.float32(0.05) for i in range(3)]
    ws[1][5, 7] = 3
    ws[2][0] = 0
    inputs = [activations(kind, n_chunks, w.shape[1]) for kind, w in zip(kinds, ws)]
    feeds = [{f"x{i}": x[c] for i, x in enumerate(inputs)} for c in range(n_chunks)]
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "out.onnx")
        quantize_static(model(inputs, ws, folder), out, Chunks(feeds), op_types_to_quantize=["MatMul"], per_channel=channel, calibrate_method=method,
                        extra_options={"MatMulConstBOnly": True, "OpTypesToExcludeOutputQuantization": ["MatMul"], "CalibStridedMinMax": 1})
        have = {i.name: nh.to_array(i) for i in onnx.load(out).graph.initializer}
        run = ort.InferenceSession(out, providers=["CPUExecutionProvider"])
    got = [run.run(None, f) for f in feeds]
    worst = 0
    for i, (x, w) in enumerate(zip(inputs, ws)):
        scale, zero, rounded = ours(rule, x)
        t.row(f"{name}, grid {i}", np.array([scale, zero], np.float32), np.array([have[f"x{i}_scale"], have[f"x{i}_zero_point"]], np.float32))
        stored = np.ascontiguousarray(have[f"w{i}_quantized"].T).tobytes() + have[f"w{i}_scale"].tobytes()
        t.row(f"{name}, weights {i}", codec(fmt, w), stored)
        y = codec(fmt, w, "weights").astype(np.float64)
        exact = rounded.astype(np.float64) @ y.T
        size = np.abs(rounded).astype(np.float64) @ np.abs(y).T + 1e-30
        worst = max(worst, float(np.max(np.abs(np.stack([g[i] for g in got]) - exact) / size)))
    t.close(f"{name}, products", worst, 1e-6)


for rule, method in (("minmax", C.MinMax), ("percentile", C.Percentile), ("entropy", C.Entropy)):
    for channel in (False, True):
        for kinds in (("normal", "tails", "growing"), ("positive", "zeros", "tails")):
            for n_chunks in (1, 3, 9):
                compare(rule, method, channel, kinds, n_chunks)
t.done()
