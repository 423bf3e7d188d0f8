"""Models of a few kilobytes that have the tensors of real ones, for comparisons of what each matrix gets."""
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
