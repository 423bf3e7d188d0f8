#!/bin/sh
# The real packages that formats are compared with, in a folder of their own: make_venv.sh FOLDER, then
# EQUIVALENCE_PYTHON=FOLDER/bin/python meson test -C build --suite equivalence
set -eu
python3 -m venv "$1"
"$1/bin/pip" install -q onnxruntime==1.31.1 onnx onnx_ir openvino==2026.4.1 nncf==3.4.0 'mlx[cpu]==0.32.4' mlx-lm gguf numpy
