"""NNCF on a whole model, the embedded one as an OpenVINO graph, with a calibration set: which layers a ratio leaves in 4 bits
under each metric; AWQ, scale estimation and quantize, codes and scales of every matrix.
Run as compare_nncf.py WHICHQUANT ENCODED_RAW TEXT FIXED_RAW."""
import logging
import os
import subprocess
import sys
import tempfile
from packages import PROGRAM, Table, beside, codec, need, np

os.environ["NNCF_CI"] = "1"  # no telemetry
nncf, ov, gguf = need("nncf", "openvino", "gguf")
from nncf import CompressWeightsMode as M, SensitivityMetric as S

logging.getLogger("nncf").setLevel(logging.ERROR)
llama_graph = beside("llama_graph")
print("nncf", nncf.__version__, "openvino", ov.__version__.split("-")[0])
t = Table()
RAW, TEXT, FIXED = sys.argv[2:5]
N_CTX = 128


def ours(path, formats, n_chunks):
    """tokens, {format: {matrix: (bits, bytes)}}"""
    out = subprocess.run([RAW, path, TEXT, str(N_CTX), str(n_chunks)] + formats, check=True, capture_output=True).stdout
    found, tokens, at = {}, None, 0
    while at < len(out):
        end = out.index(b"\n", at)
        name, size = out[at:end].decode().rsplit(" ", 1)
        data, at = out[end + 1:end + 1 + int(size)], end + 1 + int(size)
        if name == "tokens":
            tokens = np.frombuffer(data, "<i4").reshape(-1, N_CTX).astype(np.int64)
        else:
            fmt, matrix, bits = name.split("|")
            found.setdefault(fmt, {})[matrix] = (int(bits), data)
    return tokens, found


def stored(model, matrices):
    """matrix: bits, codes + scales + zero points, number of code bytes"""
    have = {op.get_friendly_name(): op for op in model.get_ops() if op.get_type_name() == "Constant"}
    found = {}
    for name in matrices:
        bits = 4 if have[name].get_element_type() in (ov.Type.i4, ov.Type.u4) else 8
        data = b""
        for n in (name, name + "/scale", name + "/zero_point"):
            if n in have:
                data += bytes(np.asarray(have[n].data).view(np.uint8).ravel())
        found[name] = (bits, data)
    return found


def compress(path, tokens, **options):
    model, matrices = llama_graph.graph(path, N_CTX)
    data = nncf.Dataset([row[None] for row in tokens]) if tokens is not None else None
    return stored(nncf.compress_weights(model, dataset=data, subset_size=len(tokens) if data else 128, **options), matrices)


METRICS = {"max-variance": S.MAX_ACTIVATION_VARIANCE, "mean-variance": S.MEAN_ACTIVATION_VARIANCE,
           "magnitude": S.MEAN_ACTIVATION_MAGNITUDE, "hessian": S.HESSIAN_INPUT_ACTIVATION}


def compare_metrics(path, n_chunks):
    ratios = (0.2, 0.4, 0.6, 0.8, 0.95)
    formats = [f"openvino/int4-sym-g128@ratio={r},metric={m}" for r in ratios for m in METRICS]
    tokens, have = ours(path, formats, n_chunks)
    for r in ratios:
        for name, metric in METRICS.items():
            want = compress(path, tokens, mode=M.INT4_SYM, ratio=r, group_size=128, sensitivity_metric=metric)
            mine = have[f"openvino/int4-sym-g128@ratio={r},metric={name}"]
            t.placement(f"ratio {r} by {name}, {n_chunks} chunks", {n: b for n, (b, _) in mine.items()},
                        {n: b for n, (b, _) in want.items()})


def compare_solved(path, n_chunks):
    """Codes and scales; the sums behind a choice are added in another order, so that near ties may fall the other way."""
    cases = {"": {}, "-awq": dict(awq=True, free=True), "-awq-data": dict(awq=True), "-scale": dict(scale_estimation=True),
             "-awq-scale": dict(awq=True, scale_estimation=True)}
    names = {f"openvino/int4-{m}-g128{c}": (mode, o) for m, mode in (("sym", M.INT4_SYM), ("asym", M.INT4_ASYM)) for c, o in cases.items()}
    tokens, have = ours(path, list(names), n_chunks)
    for fmt, (mode, options) in names.items():
        options = dict(options)
        data = tokens if options and not options.pop("free", False) else None
        want = compress(path, data, mode=mode, ratio=1.0, group_size=128, **options)
        mine = have[fmt]
        differ = total = groups = n_groups = 0
        worst = ""
        for n, (bits, b) in want.items():
            a = np.frombuffer(mine[n][1], np.uint8)
            b = np.frombuffer(b, np.uint8)
            if a.size != b.size:
                t.row(f"{fmt} {n}", a, b)
                continue
            d = int(np.count_nonzero(a != b))
            worst = f"{n} {d}" if d and (not worst or d > int(worst.split()[1])) else worst
            differ, total = differ + d, total + b.size
            if bits == 4:
                count = b.size * 2 // (128 + 4 + ("asym" in fmt))
                codes = count * 64
                sa, sb = (x[codes:codes + 2 * count].view("<f2").astype(np.float32) for x in (a, b))
                n_groups += count
                groups += int(np.count_nonzero(sa != sb))
        limit = 0 if not options or "awq" in options and data is None else 1e-4
        ok = differ <= limit * total
        t.failed += not ok
        print(f"{'ok  ' if ok else 'FAIL'} {fmt}, {n_chunks} chunks: {differ} of {total} bytes, {groups} of {n_groups} scales differ {worst}")


def parts(product):
    """Of a quantized MatMul: codes and scales of its weights, scale and zero point of its input."""
    weights, fq = product.input_value(1).get_node(), product.input_value(0).get_node()
    codes, scales = (np.asarray(n.data) for n in (weights.input_value(0).get_node().input_value(0).get_node(), weights.input_value(1).get_node()))
    lo, hi = (np.float32(np.asarray(fq.input_value(i).get_node().data).item()) for i in (1, 2))
    scale = (hi - lo) / np.float32(fq.get_levels() - 1)
    return codes, scales.astype(np.float32).ravel(), scale, np.rint(-lo / scale) - 128


def compare_ptq(path, n_chunks, alpha):
    """nncf.quantize of the model as a transformer; attention itself left as it is."""
    fmt = "openvino/int8-ptq" + (f"@smooth={alpha}" if alpha else "")
    tokens, have = ours(path, [fmt], n_chunks)
    model, _ = llama_graph.graph(path, N_CTX)
    names = {op.get_friendly_name(): op.input_value(1).get_node().get_friendly_name() for op in model.get_ops() if op.get_type_name() == "MatMul"}
    advanced = nncf.AdvancedQuantizationParameters(smooth_quant_alphas=nncf.AdvancedSmoothQuantParameters(matmul=alpha)) if alpha else None
    model = nncf.quantize(model, nncf.Dataset([row[None] for row in tokens]), model_type=nncf.ModelType.TRANSFORMER, advanced_parameters=advanced,
                          ignored_scope=nncf.IgnoredScope(types=["ScaledDotProductAttention"]))
    codes = n_codes = scales = n_scales = zeros = 0
    worst = worst_grid = 0.0
    for op in model.get_ops():
        if op.get_type_name() != "MatMul":
            continue
        name = names[op.get_friendly_name()]
        want, want_scales, scale, zero = parts(op)
        mine = have[fmt][name][1]
        got, got_scales = np.frombuffer(mine[:want.size], np.int8).reshape(want.shape), np.frombuffer(mine[want.size:], "<f4")
        codes, n_codes = codes + int(np.count_nonzero(got != want)), n_codes + want.size
        worst = max(worst, float(np.max(np.abs(got_scales / want_scales - 1))))
        grid = np.frombuffer(have[fmt][name + ".input"][1], "<f4")
        worst_grid = max(worst_grid, abs(float(grid[0] / scale) - 1))
        zeros += int(grid[1] != zero)
    ok = zeros == 0 and codes <= CODES and max(worst, worst_grid) <= 1e-5
    t.failed += not ok
    print(f"{'ok  ' if ok else 'FAIL'} {fmt}, {n_chunks} chunks: {codes} of {n_codes} codes and {zeros} zero points differ; "
          f"scales of weights by {worst:.1g}, of activations by {worst_grid:.1g}")


def compare_linear():
    """One product whose input is not smoothed: what the compiled model puts out."""
    rng = np.random.default_rng(5)
    x = (rng.standard_normal((6, 64, 256)) ** 3).astype(np.float32)
    x[:, :, 7] *= 9
    w = (rng.standard_normal((96, 256)) * 0.05).astype(np.float32)
    a = ov.opset13.parameter([64, 256], ov.Type.f32)
    model = ov.Model([ov.opset13.matmul(a, ov.opset13.constant(w), False, True)], [a])
    off = nncf.AdvancedQuantizationParameters(smooth_quant_alphas=nncf.AdvancedSmoothQuantParameters(matmul=-1))
    model = nncf.quantize(model, nncf.Dataset(list(x)), model_type=nncf.ModelType.TRANSFORMER, advanced_parameters=off)
    codes, scales, scale, zero = next(parts(op) for op in model.get_ops() if op.get_type_name() == "MatMul")
    out = subprocess.run([FIXED, "mean-minmax"] + [str(d) for d in x.shape], input=x.tobytes(), capture_output=True, check=True).stdout
    head, values = out.split(b"\n", 1)
    t.row("one product, grid", np.array([float.fromhex(head.split()[0].decode()), float(head.split()[1])], np.float32),
          np.array([scale, zero], np.float32))
    t.row("one product, weights", codec("openvino_i8", w), codes.tobytes() + scales.tobytes())
    rounded, y = np.frombuffer(values, "<f4").reshape(x.shape).astype(np.float64), codec("openvino_i8", w, "weights").astype(np.float64)
    run = ov.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    error = max(float(np.max(np.abs(run(c)[0] - r @ y.T) / (np.abs(r) @ np.abs(y).T))) for c, r in zip(x, rounded))
    t.close("one product, outputs", error, 1e-5)


CODES = 40  # inputs and powers differ in their last bits from program to program, and a code next to a tie falls the other way
with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "f32.gguf")
    subprocess.run([PROGRAM, "quantize", "default", "-f", "base/f32", "-o", path, "-q"], check=True, stdout=subprocess.DEVNULL)
    compare_metrics(path, 8)
    compare_solved(path, 70)
    compare_linear()
    for n_chunks, alpha in ((1, None), (8, None), (70, None), (8, 0.5)):
        compare_ptq(path, n_chunks, alpha)
t.done()
