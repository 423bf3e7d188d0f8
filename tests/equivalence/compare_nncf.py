"""NNCF on a whole model, the embedded one as an OpenVINO graph, with a calibration set: which layers a ratio leaves in 4 bits
under each metric; AWQ and scale estimation, codes and scales of every matrix. Run as compare_nncf.py WHICHQUANT ENCODED_RAW TEXT."""
import logging
import os
import subprocess
import sys
import tempfile
from packages import PROGRAM, Table, beside, need, np

os.environ["NNCF_CI"] = "1"  # no telemetry
nncf, ov, gguf = need("nncf", "openvino", "gguf")
from nncf import CompressWeightsMode as M, SensitivityMetric as S

logging.getLogger("nncf").setLevel(logging.ERROR)
llama_graph = beside("llama_graph")
print("nncf", nncf.__version__, "openvino", ov.__version__.split("-")[0])
t = Table()
RAW, TEXT = sys.argv[2], sys.argv[3]
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
        limit = 0 if not options or "awq" in options and data is None else 0.02
        ok = differ <= limit * total
        t.failed += not ok
        print(f"{'ok  ' if ok else 'FAIL'} {fmt}, {n_chunks} chunks: {differ} of {total} bytes, {groups} of {n_groups} scales differ {worst}")


with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "f32.gguf")
    subprocess.run([PROGRAM, "quantize", "default", "-f", "base/f32", "-o", path, "-q"], check=True, stdout=subprocess.DEVNULL)
    compare_metrics(path, 8)
    compare_solved(path, 70)
t.done()
