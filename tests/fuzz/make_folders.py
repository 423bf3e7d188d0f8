#!/usr/bin/env python3
"""Makes the corpus of fuzz_folder: config.json, a NUL, model.safetensors; tiny quantized models as make_quant.py makes
them. usage: make_folders.py mlx|other (as make_quant.py)."""
import os
import shutil
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../golden/hf"))
import make_quant as m

llama = os.path.join(m.HERE, "llama")
m.HERE = tempfile.mkdtemp()
shutil.copytree(llama, os.path.join(m.HERE, "llama"))
m.D = m.FF = 64
m.N_HEAD, m.N_KV, m.N_VOCAB = 2, 1, 32
m.LINEARS = {k: (32 if "k_proj" in k or "v_proj" in k else 64, 64) for k in m.LINEARS}
m.CONFIG.update(hidden_size=64, intermediate_size=64, num_attention_heads=2, num_key_value_heads=1, vocab_size=32)
m.main(sys.argv[1])
for name in sorted(os.listdir(m.HERE)):
    if name == "llama":
        continue
    folder = os.path.join(m.HERE, name)
    with open(os.path.join(HERE, "corpus/folder", name), "wb") as f:
        f.write(open(os.path.join(folder, "config.json"), "rb").read() + b"\0" +
                open(os.path.join(folder, "model.safetensors"), "rb").read())
shutil.rmtree(m.HERE)
