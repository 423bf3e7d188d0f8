"""quantize --producer: artifacts that the real tools make of the embedded model, beside ours of the same format, decoded and
run in the framework that loads both. Run as compare_producers.py WHICHQUANT; tools that this Python lacks are left out."""
import json
import os
import subprocess
import sys
import tempfile

PROGRAM, PYTHON = sys.argv[1], os.environ.get("EQUIVALENCE_PYTHON", sys.executable)
FORMATS = {"nncf": ["openvino/" + f for f in ("int8-asym", "int8-sym", "int4-sym-g128", "int4-asym-g64", "int4-sym-g128-r80",
                                              "int4-sym-g128-awq", "nf4-g128")],
           "olive": ["onnx/" + f for f in ("int4-g32-sym", "int4-g32-asym", "int8-g32-asym", "int4-g32-k-quant")]}
failed = compared = 0
with tempfile.TemporaryDirectory() as folder:
    for producer, formats in FORMATS.items():
        for i, fmt in enumerate(formats):
            out = os.path.join(folder, f"{producer}{i}")
            p = subprocess.run([PROGRAM, "quantize", "default", "-f", fmt, "-o", out, "--producer", producer, "--python", PYTHON, "--json", "-q"],
                               capture_output=True, text=True)
            if "pip install" in p.stderr:
                print(f"skipped {producer}: {p.stderr.strip()}")
                break
            row = json.loads(p.stdout) if p.returncode == 0 else {}
            ok = row.get("differ") == 0 and row["unpaired"] == 0 and row["kld_between"] == 0
            failed, compared = failed + (not ok), compared + 1
            print(f"{'ok  ' if ok else 'FAIL'} {producer} {row.get('version', '')}, {fmt}: " +
                  (f"{row['differ']} of {row['weights']} weights in {row['matrices']} matrices differ, KLD {row['kld_its']:.6f}, "
                   f"{row['kld_between']:.1e} between the two" if row else p.stderr.strip()), flush=True)
sys.exit(1 if failed else 0 if compared else 77)
