#!/bin/sh
# The real packages that formats are compared with, in a folder of their own: make_venv.sh FOLDER, then
# EQUIVALENCE_PYTHON=FOLDER/bin/python meson test -C build --suite equivalence
set -eu
python3 -m venv "$1"
"$1/bin/pip" install -q onnxruntime==1.31.1 onnxruntime-genai onnx onnx_ir openvino==2026.4.1 openvino-genai openvino-tokenizers \
    nncf==3.4.0 'mlx[cpu]==0.32.4' mlx-lm gguf numpy safetensors
# What runs AWQ and GPTQ folders in transformers, and llama.cpp in Python (compiled on the spot where there is no wheel):
#   pip install torch transformers accelerate optimum gptqmodel llama-cpp-python
