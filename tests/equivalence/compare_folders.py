"""AWQ and GPTQ folders that `quantize` writes, taken apart by the reader of folders.py, against the values that the codec gives for the same rows; MLX ones by mlx.
Usage: compare_folders.py WHICHQUANT"""
import json
import os
import shutil
import subprocess
import tempfile

from packages import PROGRAM, Table, beside, codec, need, np

safetensors_numpy = need("safetensors.numpy")[0].numpy
folders = beside("folders")
HERE = os.path.dirname(os.path.abspath(__file__))
WIDTH, FF, HEADS, KV, N_VOCAB = 256, 384, 4, 2, 320
CONFIG = {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": WIDTH, "intermediate_size": FF,
          "num_hidden_layers": 1, "num_attention_heads": HEADS, "num_key_value_heads": KV, "rms_norm_eps": 1e-5,
          "max_position_embeddings": 64, "vocab_size": N_VOCAB, "rope_theta": 10000.0, "hidden_act": "silu",
          "tie_word_embeddings": False, "bos_token_id": 316, "eos_token_id": 317, "torch_dtype": "float16"}
SHAPES = {"self_attn.q_proj": (WIDTH, WIDTH), "self_attn.k_proj": (WIDTH // 2, WIDTH), "self_attn.v_proj": (WIDTH // 2, WIDTH),
          "self_attn.o_proj": (WIDTH, WIDTH), "mlp.gate_proj": (FF, WIDTH), "mlp.up_proj": (FF, WIDTH), "mlp.down_proj": (WIDTH, FF)}


def source(folder):
    rng = np.random.default_rng(7)
    w = {f"model.layers.0.{k}.weight": (rng.standard_normal(s) * 0.05).astype(np.float16) for k, s in SHAPES.items()}
    w |= {f"model.layers.0.{k}.weight": np.ones(WIDTH, np.float16) for k in ("input_layernorm", "post_attention_layernorm")}
    w["model.norm.weight"] = np.ones(WIDTH, np.float16)
    for k in ("model.embed_tokens.weight", "lm_head.weight"):
        w[k] = rng.standard_normal((N_VOCAB, WIDTH)).astype(np.float16)
    safetensors_numpy.save_file(w, os.path.join(folder, "model.safetensors"))
    with open(os.path.join(folder, "config.json"), "w", encoding="utf-8") as f:
        json.dump(CONFIG, f)
    for name in ("tokenizer.json", "generation_config.json"):
        shutil.copy(os.path.join(HERE, "../golden/hf/llama", name), folder)
    return w


def mlx(t, name, settings):
    mx = need("mlx.core")[0].core
    w, s, b = (mx.array(t[f"{name}.{p}"]) for p in ("weight", "scales", "biases"))
    return np.array(mx.dequantize(w, s, b, group_size=settings["group_size"], bits=settings["bits"]).astype(mx.float32))


table = Table()
top = tempfile.mkdtemp()
weights = source(top)
for fmt, read in (("awq/4bit-g128-rtn", folders.awq), ("awq/4bit-g64-rtn", folders.awq), ("gptq/2bit-g128-asym-rtn", folders.gptq),
                  ("gptq/3bit-g128-sym-rtn", folders.gptq), ("gptq/4bit-g32-asym-rtn", folders.gptq), ("gptq/4bit-g128-sym-rtn", folders.gptq),
                  ("gptq/4bit-channel-sym-rtn", folders.gptq), ("gptq/8bit-g128-sym-rtn", folders.gptq), ("mlx/3bit-g64", mlx),
                  ("mlx/4bit-g64", mlx), ("mlx/6bit-g128", mlx)):
    folder = os.path.join(top, "out")
    run = subprocess.run([PROGRAM, "quantize", top, "-f", fmt, "-o", folder], capture_output=True, text=True, check=False)
    if run.returncode:
        raise SystemExit(f"{fmt}: {run.stderr}")
    tensors = safetensors_numpy.load_file(os.path.join(folder, "model.safetensors"))
    with open(os.path.join(folder, "config.json"), encoding="utf-8") as f:
        settings = json.load(f)["quantization_config"]
    for k in SHAPES:
        name = f"model.layers.0.{k}"
        want = codec(fmt, weights[name + ".weight"].astype(np.float32), "weights")
        table.row(f"{fmt} {k}", read(tensors, name, settings).astype(np.float32), want)
    shutil.rmtree(folder)
shutil.rmtree(top)
table.done()
