#!/usr/bin/env python3
"""Frameworks that remember prompts would be measured on their memory: repeated_prompts.py WHICHQUANT [FRAMEWORK...]

Each framework that EQUIVALENCE_PYTHON has measures the same prompt four times. The first repetition cannot be answered from
memory; a later one that is five times as fast was (openvino-genai's prefix cache: 25 times)."""
import json
import os
import subprocess
import sys
import tempfile

FORMATS = {"onnxruntime": "onnx/int4-g32-sym", "onnxruntime-genai": "onnx/int4-g32-sym", "openvino": "openvino/int8-asym",
           "openvino-genai": "openvino/int8-asym", "mlx": "mlx/4bit-g64", "llama-cpp-python": "gguf/q4_0"}
TIMES, PROMPT = 5, {"mlx": 32}  # its CPU backend is slow


def samples(program, python, framework, folder):
    artifact = os.path.join(folder, framework + (".gguf" if "llama" in framework else ""))
    subprocess.run([program, "quantize", "default", "-f", FORMATS[framework], "-o", artifact, "-q"], check=True)
    said = subprocess.run([program, "bench", artifact, "--framework", framework, "--python", python, "-p",
                           str(PROMPT.get(framework, 256)), "-n", "0", "-r", "4", "--json", "-q"], capture_output=True, text=True,
                          check=False)
    rows = [r for r in json.loads(said.stdout or "[]") if r["n_prompt"]]
    return rows[0].get("samples_ts") if rows else said.stderr.strip()[-200:]


def main():
    program, python = os.path.abspath(sys.argv[1]), os.environ.get("EQUIVALENCE_PYTHON", sys.executable)
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        for framework in sys.argv[2:] or FORMATS:
            speeds = samples(program, python, framework, folder)
            good = isinstance(speeds, list) and max(speeds[1:]) < TIMES * speeds[0]
            failed += isinstance(speeds, list) and not good
            print(f"{framework:20} {'ok' if good else 'NOT MEASURED' if not isinstance(speeds, list) else 'FROM MEMORY'}  {speeds}")
    return failed


sys.exit(main())
