"""compare_builder.py WHICHQUANT GENAI: where the model builder of onnxruntime-genai (its wheel, unpacked in folder GENAI) puts 8 bits.
The builder itself runs, on small models; bits, block and accuracy level of each product stand in the file that it writes."""
import json
import os
import subprocess
import sys
import tempfile
import types

PROGRAM, GENAI = sys.argv[1], sys.argv[2]
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[0] = os.path.dirname(HERE)
import tiny

package = types.ModuleType("onnxruntime_genai")  # without its native library, which the builder does not call
package.__path__ = [os.path.join(GENAI, "onnxruntime_genai")]
sys.modules["onnxruntime_genai"] = package
sys.path.insert(0, os.path.join(GENAI, "onnxruntime_genai", "models"))
import builder
import builders.base
import onnx
import torch
from transformers import LlamaConfig, LlamaForCausalLM, Phi3Config, Phi3ForCausalLM

builders.base.Model.save_processing = builders.base.Model.make_genai_config = lambda *a, **k: None
builder.AutoTokenizer = types.SimpleNamespace(from_pretrained=lambda *a, **k: None)
builder.add_special_token_ids = lambda *a: None
NAMES = {"attn/qkv_proj": ("attn_q", "attn_k", "attn_v"), "attn/q_proj": ("attn_q",), "attn/k_proj": ("attn_k",), "attn/v_proj": ("attn_v",),
         "attn/o_proj": ("attn_output",), "mlp/gate_proj": ("ffn_gate",), "mlp/up_proj": ("ffn_up",), "mlp/gate_up_proj": ("ffn_up",),
         "mlp/down_proj": ("ffn_down",)}


def gguf_names(node, arch):
    if "layers." not in node:
        return ["output.weight"]
    i, rest = node.split("layers.")[1].split("/", 1)
    rest = rest.split("/MatMul")[0]
    fused = {"attn/qkv_proj": "attn_qkv", "mlp/gate_proj": "ffn_up"}
    if arch == "phi3" and rest in fused:
        return [f"blk.{i}.{fused[rest]}.weight"]
    return [f"blk.{i}.{n}.weight" for n in NAMES[rest]]


def built(folder, arch, n_layer, options):
    config, model = (Phi3Config, Phi3ForCausalLM) if arch == "phi3" else (LlamaConfig, LlamaForCausalLM)
    c = config(vocab_size=tiny.VOCAB, hidden_size=tiny.WIDTH, intermediate_size=tiny.HIDDEN, num_hidden_layers=n_layer, pad_token_id=0,
               num_attention_heads=tiny.HEADS, num_key_value_heads=tiny.KV_HEADS, tie_word_embeddings=False, max_position_embeddings=4096)
    source, out = os.path.join(folder, f"hf{n_layer}{arch}"), tempfile.mkdtemp(dir=folder)
    model(c).to(torch.float32).save_pretrained(source)
    extra = builder.parse_extra_options("", source, out, "int4", "cpu", folder, options)
    builder.create_model("", source, out, "int4", "cpu", folder, **extra)
    found = {}
    for x in onnx.load(os.path.join(out, "model.onnx"), load_external_data=False).graph.node:
        if x.op_type == "MatMulNBits":
            a = {k.name: k.i for k in x.attribute}
            for name in gguf_names(x.name, arch):
                found[name] = (a["bits"], a["block_size"], a.get("accuracy_level", 0))
    return found


def planned(path, recipe):
    out = subprocess.run([PROGRAM, "quantize", path, "--dry-run", "--json", "-f", recipe], check=True, capture_output=True).stdout
    return {x["name"]: (x["bits"], x["group"], 4 if x["activations"].startswith("i8_") else 0) for x in json.loads(out)["tensors"]
            if x["bits"] and x["name"] != "token_embd.weight"}


RECIPES = {"onnx/int4-g32-sym": ["algo_config=default"], "onnx/int4-g32-rtn-sym": ["algo_config=rtn"],
           "onnx/int4-g32-rtn-last": ["algo_config=rtn_last"], "onnx/int4-g32-k-quant": ["algo_config=k_quant"],
           "onnx/int4-g32-k-quant-last": ["algo_config=k_quant_last"], "onnx/int4-g32-k-quant-mixed": ["algo_config=k_quant_mixed"],
           "onnx/int4-g32-sym-last8": ["matmul_mixed_precision=last_matmul:int8"],
           "onnx/int4-g32-sym-mixed8": ["matmul_mixed_precision=last_matmul:int8,mixed_layers:int8"]}
failed = 0
with tempfile.TemporaryDirectory() as top:
    for arch, layers in (("llama", (1, 3, 7, 8, 12, 18, 20, 30, 36)), ("phi3", (10,))):
        for n in layers:
            gguf = os.path.join(top, "m.gguf")
            tiny.write(gguf, arch, n, False)
            for recipe, options in RECIPES.items():
                if n not in (3, 10) and "mixed" not in recipe:
                    continue
                want, have = built(top, arch, n, options), planned(gguf, recipe)
                differ = sorted(x for x in want.keys() | have.keys() if want.get(x) != have.get(x))
                failed += bool(differ)
                shown = " ".join(f"{x}: {have.get(x)} instead of {want.get(x)}" for x in differ[:3])
                print(f"{'FAIL' if differ else 'ok  '} {recipe}, {arch}, {n} layers: {len(differ)} of {len(want)} products differ {shown}", flush=True)
sys.exit(1 if failed else 0)
