"""Where the mixed recipes of mlx_lm.convert put more bits: its own predicate on its own models, against the plan."""
import json
import os
import subprocess
import tempfile
from packages import PROGRAM, Table, beside, need

mlx, lm, gguf = need("mlx.core", "mlx_lm", "gguf")
import mlx.nn as nn
from mlx_lm.convert import mixed_quant_predicate_builder
from mlx_lm.models import llama, phi3

tiny = beside("tiny")
print("mlx_lm", lm.__version__)
t = Table()
NAMES = {"self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
         "self_attn.qkv_proj": "attn_qkv", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.gate_up_proj": "ffn_up",
         "mlp.down_proj": "ffn_down"}


def gguf_name(path):
    if "layers." in path:
        i, rest = path.split("layers.")[1].split(".", 1)
        return f"blk.{i}.{NAMES[rest]}.weight"
    return "output.weight" if "lm_head" in path else "token_embd.weight"


def package_bits(arch, n_layer, tied, recipe):
    args = dict(model_type=arch, hidden_size=tiny.WIDTH, num_hidden_layers=n_layer, intermediate_size=tiny.HIDDEN,
                num_attention_heads=tiny.HEADS, num_key_value_heads=tiny.KV_HEADS, rms_norm_eps=1e-5, vocab_size=tiny.VOCAB,
                tie_word_embeddings=tied)
    module = phi3 if arch == "phi3" else llama
    model = module.Model(module.ModelArgs(**args))
    predicate = mixed_quant_predicate_builder(recipe, model, 64)
    nn.quantize(model, 64, 4, class_predicate=lambda p, m: hasattr(m, "to_quantized") and predicate(p, m))
    return {gguf_name(p): m.bits for p, m in model.named_modules() if hasattr(m, "bits")}


with tempfile.TemporaryDirectory() as folder:
    for arch, tied in (("llama", True), ("llama", False), ("phi3", False)):
        for n_layer in (1, 3, 7, 8, 12, 18, 26, 30, 36):
            path = os.path.join(folder, "m.gguf")
            tiny.write(path, arch, n_layer, tied)
            for recipe in ("mixed_2_6", "mixed_3_4", "mixed_3_6", "mixed_4_6"):
                want = package_bits(arch, n_layer, tied, recipe)
                out = subprocess.run([PROGRAM, "quantize", path, "--dry-run", "--json", "-f", "mlx/" + recipe.replace("_", "-")],
                                     check=True, capture_output=True).stdout
                have = {x["name"]: x["bits"] for x in json.loads(out)["tensors"] if x["bits"]}
                t.placement(f"mlx/{recipe}, {arch}{', tied' if tied else ''}, {n_layer} layers", have, want)
t.done()
