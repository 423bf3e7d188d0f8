"""Random models that have the tensors of real ones, a few kilobytes for comparisons of what each matrix gets, and as
folders with tokenizers for frameworks that run them."""
import json
import os
import shutil
import gguf
import numpy as np

VOCAB, WIDTH, HIDDEN, HEADS, KV_HEADS = 256, 256, 384, 4, 2


def shapes(arch, n_layer, tied):
    """GGUF name -> rows, columns."""
    head = WIDTH // HEADS
    found = {"token_embd.weight": (VOCAB, WIDTH), "output_norm.weight": (WIDTH,)}
    if not tied:
        found["output.weight"] = (VOCAB, WIDTH)
    for i in range(n_layer):
        p = f"blk.{i}."
        found |= {p + "attn_norm.weight": (WIDTH,), p + "ffn_norm.weight": (WIDTH,), p + "attn_output.weight": (WIDTH, WIDTH),
                  p + "ffn_down.weight": (WIDTH, HIDDEN)}
        if arch == "phi3":
            found |= {p + "attn_qkv.weight": ((HEADS + 2 * KV_HEADS) * head, WIDTH), p + "ffn_up.weight": (2 * HIDDEN, WIDTH)}
        else:
            found |= {p + "attn_q.weight": (WIDTH, WIDTH), p + "attn_k.weight": (KV_HEADS * head, WIDTH),
                      p + "attn_v.weight": (KV_HEADS * head, WIDTH), p + "ffn_gate.weight": (HIDDEN, WIDTH),
                      p + "ffn_up.weight": (HIDDEN, WIDTH)}
        if arch == "qwen2":
            found |= {f"{p}attn_{x}.bias": ((HEADS if x == "q" else KV_HEADS) * head,) for x in "qkv"}
        if arch in ("qwen3", "gemma3"):
            found |= {p + "attn_q_norm.weight": (head,), p + "attn_k_norm.weight": (head,)}
        if arch == "gemma3":
            found |= {p + "post_attention_norm.weight": (WIDTH,), p + "post_ffw_norm.weight": (WIDTH,)}
    return found


def write(path, arch, n_layer, tied, seed=1, window=0, spread=0.0):
    """window: of sliding attention; spread: of the norms around 1, and of biases."""
    rng, rng_vectors = np.random.default_rng(seed), np.random.default_rng(seed)
    w = gguf.GGUFWriter(path, arch)
    w.add_context_length(512)
    w.add_embedding_length(WIDTH)
    w.add_block_count(n_layer)
    w.add_feed_forward_length(HIDDEN)
    w.add_head_count(HEADS)
    w.add_head_count_kv(KV_HEADS)
    w.add_layer_norm_rms_eps(1e-5)
    w.add_rope_dimension_count(WIDTH // HEADS)
    w.add_vocab_size(VOCAB)
    if window:
        w.add_sliding_window(window)
    w.add_tokenizer_model("gpt2")
    w.add_tokenizer_pre("gpt-2")
    w.add_token_list([f"t{i}" for i in range(VOCAB - 2)] + ["t", "1"])
    w.add_token_types([1] * VOCAB)
    w.add_token_merges(["t 1"])
    w.add_bos_token_id(0)
    w.add_eos_token_id(1)
    for name, shape in shapes(arch, n_layer, tied).items():
        if len(shape) > 1:
            w.add_tensor(name, (rng.standard_normal(shape) * 0.05).astype(np.float32))
        else:
            around = 0 if name.endswith(".bias") else 1
            w.add_tensor(name, (around + spread * rng_vectors.standard_normal(shape)).astype(np.float32))
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


GOLDEN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../golden/hf")
# What makes of the smaller configurations there one whose matrices have groups of 128.
WIDER = {"hidden_size": WIDTH, "intermediate_size": HIDDEN, "num_attention_heads": HEADS, "num_key_value_heads": KV_HEADS,
         "max_position_embeddings": 512, "dtype": "float16"}


def wider(arch, window, long):
    with open(os.path.join(GOLDEN, arch, "config.json"), encoding="utf-8") as f:
        c = json.load(f) | WIDER
    if "head_dim" in c:
        c["head_dim"] = WIDTH // HEADS
    if c.get("sliding_window"):
        c["sliding_window"] = window
    if arch == "llama":
        c["rope_parameters"]["original_max_position_embeddings"] = 128
    if arch == "gemma3":
        c["query_pre_attn_scalar"] = c["head_dim"]  # llama.cpp knows no other
    if arch == "phi3" and not long:
        c["rope_parameters"] = {k: c["rope_parameters"][k] for k in ("partial_rotary_factor", "rope_theta")} | {"rope_type": "default"}
        c["original_max_position_embeddings"] = c["max_position_embeddings"]
    elif arch == "phi3":
        n, rope = int(WIDTH // HEADS * c["rope_parameters"]["partial_rotary_factor"]) // 2, c["rope_parameters"]
        for k, most in (("short_factor", 1.5), ("long_factor", 7)):
            rope[k] = np.linspace(1, most, n).round(3).tolist()
        rope["original_max_position_embeddings"] = c["original_max_position_embeddings"] = 256
    return c


def folder_shapes(c):
    """Name -> rows, columns of a folder's tensors."""
    arch, head = c["model_type"], c.get("head_dim") or WIDTH // HEADS
    found = {"model.embed_tokens.weight": (c["vocab_size"], WIDTH), "model.norm.weight": (WIDTH,)}
    if not c["tie_word_embeddings"]:
        found["lm_head.weight"] = (c["vocab_size"], WIDTH)
    norms = ["input_layernorm", "post_attention_layernorm"]
    norms += ["pre_feedforward_layernorm", "post_feedforward_layernorm"] if arch.startswith("gemma3") else []
    for i in range(c["num_hidden_layers"]):
        p = f"model.layers.{i}."
        q, kv = HEADS * head, KV_HEADS * head
        found |= {f"{p}{n}.weight": (WIDTH,) for n in norms}
        found |= {p + "self_attn.o_proj.weight": (WIDTH, q), p + "mlp.down_proj.weight": (WIDTH, HIDDEN)}
        if arch == "phi3":
            found |= {p + "self_attn.qkv_proj.weight": (q + 2 * kv, WIDTH), p + "mlp.gate_up_proj.weight": (2 * HIDDEN, WIDTH)}
        else:
            found |= {f"{p}self_attn.{x}_proj.weight": (q if x == "q" else kv, WIDTH) for x in "qkv"}
            found |= {f"{p}mlp.{x}_proj.weight": (HIDDEN, WIDTH) for x in ("gate", "up")}
        if arch == "qwen2":
            found |= {f"{p}self_attn.{x}_proj.bias": (q if x == "q" else kv,) for x in "qkv"}
        if arch in ("qwen3", "gemma3_text"):
            found |= {f"{p}self_attn.{x}_norm.weight": (head,) for x in "qk"}
    return found


def write_folder(folder, name, seed=2):
    """An architecture; "-long": with LongRoPE, and a window shorter than what is run (gemma3: always). As transformers would save it; the tokenizer is that of tests/golden/hf."""
    from safetensors.numpy import save_file
    arch, long = name.removesuffix("-long"), name.endswith("-long")
    c, rng, tensors = wider(arch, 24 if long or arch == "gemma3" else 512, long), np.random.default_rng(seed), {}
    for tensor, shape in folder_shapes(c).items():
        spread = 0.2 if len(shape) == 1 or "head" in tensor else 0.05
        if "embed" in tensor:  # of a tied head: small beside what the layers add, which decides then
            spread = 0.2 if not c["tie_word_embeddings"] else 0.01
        around = 1 if tensor.endswith("norm.weight") and arch != "gemma3" else 0
        tensors[tensor] = (around + spread * rng.standard_normal(shape)).astype(np.float16)
    os.makedirs(folder)
    save_file(tensors, os.path.join(folder, "model.safetensors"), metadata={"format": "pt"})
    with open(os.path.join(folder, "config.json"), "w", encoding="utf-8") as f:
        json.dump(c, f, indent=1)
    for file in ("tokenizer.json", "generation_config.json"):
        if os.path.exists(os.path.join(GOLDEN, arch, file)):
            shutil.copy(os.path.join(GOLDEN, arch, file), folder)
