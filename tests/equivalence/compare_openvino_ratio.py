"""NNCF's choice of layers for the 4-bit mode under a ratio, on the matrices of the embedded model, against the plan."""
import json
import logging
import os
import subprocess
import tempfile
from packages import PROGRAM, Table, need, np

os.environ["NNCF_CI"] = "1"  # no telemetry
nncf, ov, gguf = need("nncf", "openvino", "gguf")
from openvino import opset13 as ops

logging.getLogger("nncf").setLevel(logging.ERROR)
t = Table()
with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "f32.gguf")
    subprocess.run([PROGRAM, "quantize", "default", "-f", "base/f32", "-o", path, "-q"], check=True, stdout=subprocess.DEVNULL)
    tensors = {x.name: np.array(x.data) for x in gguf.GGUFReader(path).tensors
               if x.name.startswith("blk.") and len(x.shape) == 2}
for ratio in (0.3, 0.5, 0.8, 0.95):
    inputs, outputs = [], []
    for name, w in tensors.items():
        a = ops.parameter([-1, w.shape[1]], ov.Type.f32)
        c = ops.constant(w)
        c.set_friendly_name(name)
        inputs.append(a)
        outputs.append(ops.matmul(a, c, False, True))
    m = nncf.compress_weights(ov.Model(outputs, inputs), mode=nncf.CompressWeightsMode.INT4_SYM, ratio=ratio,
                              group_size=32, all_layers=True)
    want = {op.get_friendly_name(): 4 if op.get_element_type() == ov.Type.i4 else 8 for op in m.get_ops()
            if op.get_friendly_name() in tensors}
    out = subprocess.run([PROGRAM, "quantize", "default", "--dry-run", "--json", "-f",
                          f"openvino/int4-sym-g32@ratio={ratio}"], check=True, capture_output=True).stdout
    have = {x["name"]: x["bits"] for x in json.loads(out)["tensors"] if x["name"] in tensors}
    differ = [n for n in want if want[n] != have[n]]
    t.failed += len(differ)
    print(f"{'FAIL' if differ else 'ok  '} ratio {ratio}: {sum(b == 4 for b in want.values())} of {len(want)} layers in 4 "
          f"bits, {len(differ)} chosen differently {' '.join(differ[:4])}")
t.done()
