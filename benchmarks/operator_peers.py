#!/usr/bin/env python3
"""One operator beside the runtimes that define its format: operator_peers.py [--rounds N] [--csv] [NAME...]

LAYERS products of 4096 x 4096 weights, one after the other, far larger together than the caches, with 1 row of
activations (as in generation) and with 512 (as in reading a prompt), by onnxruntime, openvino or mlx and by the own
kernels in turn. Prints milliseconds, GB/s of weights or Gop/s, and the ratio own / runtime of the rates with a 95 %
bootstrap interval. Wheels of those three and numpy; `ninja -C build benchmarks/bench_operator` first. A runtime that is
not installed is left out, and said to be. --csv: rows for datasets/frameworks.csv, runtime over own."""
import argparse
import os
import platform
import statistics
import subprocess
import sys
import time

import numpy as np
from side_by_side import ROOT, ratio

PROGRAM = os.path.join(ROOT, "build/benchmarks/bench_operator")
D = 4096
REST_S = 0.5  # until the threads of the other side no longer spin
LAYERS = {1: 24, 512: 4}
THREADS = len(os.sched_getaffinity(0))
rng = np.random.default_rng(1)


def random_codes(*shape):
    return rng.integers(0, 256, shape, dtype=np.uint8)


def onnx_session(nodes, constants, m):
    import onnxruntime as ort
    from onnx import TensorProto, helper
    graph = helper.make_graph(nodes, "g", [helper.make_tensor_value_info("x0", TensorProto.FLOAT, [m, D])],
                              [helper.make_tensor_value_info(f"x{LAYERS[m]}", TensorProto.FLOAT, [m, D])], constants)
    model = helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 21),
                                                                  helper.make_opsetid("com.microsoft", 1)])
    options = ort.SessionOptions()
    options.intra_op_num_threads = THREADS
    session = ort.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
    x = rng.standard_normal((m, D), dtype=np.float32)
    return lambda: session.run(None, {"x0": x})


def onnx_nbits(m, bits, group, level):
    from onnx import helper, numpy_helper
    nodes, constants = [], []
    for i in range(LAYERS[m]):
        constants += [numpy_helper.from_array(random_codes(D, D // group, group * bits // 8), f"b{i}"),
                      numpy_helper.from_array(np.full(D * D // group, 0.002, np.float32), f"s{i}")]
        nodes.append(helper.make_node("MatMulNBits", [f"x{i}", f"b{i}", f"s{i}"], [f"x{i + 1}"], domain="com.microsoft", K=D,
                                      N=D, bits=bits, block_size=group, accuracy_level=level))
    return onnx_session(nodes, constants, m)


def onnx_dynamic(m):
    from onnx import helper, numpy_helper
    nodes, constants = [], []
    for i in range(LAYERS[m]):
        constants += [numpy_helper.from_array(random_codes(D, D).view(np.int8), f"b{i}"),
                      numpy_helper.from_array(np.float32(2e-4), f"s{i}"), numpy_helper.from_array(np.int8(0), f"z{i}")]
        nodes.append(helper.make_node("DynamicQuantizeMatMul", [f"x{i}", f"b{i}", f"s{i}", f"z{i}"], [f"x{i + 1}"],
                                      domain="com.microsoft"))
    return onnx_session(nodes, constants, m)


def openvino_int(m, bits, group, act):
    """Constants in the pattern of NNCF: symmetric codes, an f16 scale per group (0: per row)."""
    import openvino as ov
    from openvino import opset13 as ops
    p = x = ops.parameter([m, D], ov.Type.f32)
    groups = D // group if group else 1
    for _ in range(LAYERS[m]):
        codes = ov.Tensor(random_codes(D * D * bits // 8), [D, groups, D // groups], ov.Type.i8 if bits == 8 else ov.Type.i4) \
            if bits == 4 else random_codes(D, groups, D).view(np.int8)
        w = ops.convert(ops.constant(codes), ov.Type.f16)
        w = ops.multiply(w, ops.constant(np.full((D, groups, 1), 0.002 if bits == 4 else 2e-4, np.float16)))
        w = ops.convert(ops.reshape(w, ops.constant(np.array([D, D])), False), ov.Type.f32)
        x = ops.matmul(x, w, False, True)
    compiled = ov.Core().compile_model(ov.Model([x], [p]), "CPU", {
        "INFERENCE_NUM_THREADS": THREADS, "INFERENCE_PRECISION_HINT": "f32",
        "DYNAMIC_QUANTIZATION_GROUP_SIZE": 32 if act == "openvino_i8" else 0})
    request = compiled.create_infer_request()
    data = rng.standard_normal((m, D), dtype=np.float32)
    return lambda: request.infer([data], share_inputs=True, share_outputs=True)


def mlx_affine(m, bits, group):
    import mlx.core as mx
    layers = [(mx.array(random_codes(D, D * bits // 8).view(np.uint32)), mx.full((D, D // group), 0.002, mx.float16),
               mx.zeros((D, D // group), mx.float16)) for _ in range(LAYERS[m])]
    data = mx.array(rng.standard_normal((m, D), dtype=np.float32)).astype(mx.float16)
    mx.eval(layers, data)

    def once():
        x = data
        for w, scales, biases in layers:
            x = mx.quantized_matmul(x, w, scales, biases, transpose=True, group_size=group, bits=bits)
        mx.eval(x)
    return once


def case(codec, bits, group, sym, scale, zero):
    return f"{codec} {bits} bits, group {group}, sym {sym}, scale {scale}, zero {zero}"


# name: (runtime, codec of datasets/frameworks.csv, bits per weight, case and rule of bench_operator, maker)
OPERATORS = {
    "onnx/int4-g32, level 4": ("onnxruntime", "onnx_nbits", 5, case("onnx_nbits", 4, 32, 1, "F32", "NONE"), "i8_32",
                               lambda m: onnx_nbits(m, 4, 32, 4)),
    "onnx/int4-g32, level 0": ("onnxruntime", "", 5, case("onnx_nbits", 4, 32, 1, "F32", "NONE"), "f32",
                               lambda m: onnx_nbits(m, 4, 32, 0)),
    "onnx/int8-g32, level 4": ("onnxruntime", "", 9, case("onnx_nbits", 8, 32, 1, "F32", "NONE"), "i8_32",
                               lambda m: onnx_nbits(m, 8, 32, 4)),
    "onnx/int8-dynamic": ("onnxruntime", "onnx_int8", 8, case("onnx_int8", 8, 0, 1, "F32", "NONE"), "u8_batch",
                          onnx_dynamic),
    "openvino/int4-sym-g128": ("openvino", "openvino_int", 4.125, case("openvino_int", 4, 128, 1, "F16", "NONE"),
                               "openvino_i8", lambda m: openvino_int(m, 4, 128, "openvino_i8")),
    "openvino/int8-sym": ("openvino", "", 8, case("openvino_int", 8, 0, 1, "F16", "NONE"), "openvino_i8",
                          lambda m: openvino_int(m, 8, 0, "openvino_i8")),
    "openvino/int4-sym-g128, f32": ("openvino", "", 4.125, case("openvino_int", 4, 128, 1, "F16", "NONE"), "f32",
                                    lambda m: openvino_int(m, 4, 128, "f32")),
    "mlx/4bit-g64": ("mlx", "mlx_affine", 4.5, case("mlx_affine", 4, 64, 0, "F16", "FLOAT"), "f16",
                     lambda m: mlx_affine(m, 4, 64)),
    "mlx/8bit-g64": ("mlx", "", 8.5, case("mlx_affine", 8, 64, 0, "F16", "FLOAT"), "f16", lambda m: mlx_affine(m, 8, 64)),
    "mlx/2bit-g64": ("mlx", "", 2.5, case("mlx_affine", 2, 64, 0, "F16", "FLOAT"), "f16", lambda m: mlx_affine(m, 2, 64)),
}


class Own:
    def __init__(self, name, act, m):
        self.p = subprocess.Popen([PROGRAM, name, act, str(m), str(D), str(LAYERS[m]), str(THREADS)], text=True,
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.kernel = self.p.stdout.readline().strip()
        if not self.kernel:
            sys.exit(f"{PROGRAM} {name} {act}: no answer")

    def seconds(self):
        self.p.stdin.write("\n")
        self.p.stdin.flush()
        return int(self.p.stdout.readline()) / 1e9

    def close(self):
        self.p.stdin.close()
        self.p.wait()


def timed(once):
    t0 = time.perf_counter()
    once()
    return time.perf_counter() - t0


def compare(name, m, rounds):
    runtime, codec, bits, own_case, act, make = OPERATORS[name]
    once, own = make(m), Own(own_case, act, m)
    theirs, ours = [], []
    for i in range(rounds + 2):  # two to warm up
        time.sleep(REST_S)
        t = timed(once)
        time.sleep(REST_S)
        o = own.seconds()
        if i >= 2:
            theirs.append(t)
            ours.append(o)
    own.close()
    r = ratio(theirs, ours)  # of times: own rate over its
    work = LAYERS[m] * D * D * (bits / 8 if m == 1 else 2 * m) / 1e9
    print(f"| {name} | {m} | {own.kernel} | {work / statistics.median(ours):.1f} | {runtime} | "
          f"{work / statistics.median(theirs):.1f} | {r[0]:.2f} ({r[1]:.2f}-{r[2]:.2f}) |", flush=True)
    return runtime, codec, "decode" if m == 1 else "prefill", [1 / x for x in (r[0], r[2], r[1])]


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    p.add_argument("--rounds", type=int, default=15)
    p.add_argument("--csv", action="store_true")
    p.add_argument("names", nargs="*", metavar="NAME")
    a = p.parse_args()
    print(f"{platform.processor() or platform.machine()}, {THREADS} threads; GB/s of weights for 1 row, Gop/s for 512")
    print("| format | rows | kernel | own | runtime | its | own / its |\n|---|--:|---|--:|---|--:|--:|")
    found = []
    for name in a.names or OPERATORS:
        for m in LAYERS:
            try:
                found.append(compare(name, m, a.rounds))
            except ImportError as e:
                print(f"| {name} | {m} | left out: {e} |")
    for runtime, codec, phase, r in found if a.csv else []:
        if codec:
            print(f'{runtime},{codec},{phase},,ratio,{r[0]:.2f},{r[1]:.2f},{r[2]:.2f},"operator_peers.py"')


main()
