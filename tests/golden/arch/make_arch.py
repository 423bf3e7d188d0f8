#!/usr/bin/env python3
"""Makes one tiny random GGUF per architecture and records what llama.cpp computes from it: NAME.gguf, NAME.txt.

usage: make_arch.py RECORDER [ARCH...], where RECORDER is record_llamacpp.c linked with llama.cpp. Run once, results are
committed. Needs the packages gguf and numpy.
"""
import os
import subprocess
import sys

import gguf
import numpy as np

N_VOCAB, N_TOKENS, N_CTX = 96, 40, 64

# d, ffn, layers, heads, kv heads, head_dim
SHAPES = {
    "llama": (32, 48, 2, 4, 2, 8),
    "qwen2": (32, 40, 2, 4, 2, 8),
    "qwen3": (32, 40, 2, 4, 1, 16),
    "gemma3": (16, 12, 7, 2, 1, 16),
    "phi3": (36, 40, 2, 3, 1, 12),
    "bitnet": (32, 48, 2, 4, 2, 8),
    "bitnet-scale": (32, 48, 2, 4, 2, 8),   # architecture bitnet, -1, 0, 1 with their scales in tensors of their own
    "bitnet-b1.58": (32, 48, 2, 4, 2, 8),   # llama.cpp does not know it: recorded by reference_bitnet.py
}


def write_model(path, arch, rng):
    d, ffn, n_layer, n_head, n_kv, hd = SHAPES[arch]
    scaled = arch == "bitnet-scale"
    w = gguf.GGUFWriter(path, "bitnet" if scaled else arch)
    w.add_name(f"tiny random {'phi' if arch == 'phi3' else arch}")   # "phi3" would ask for its vocabulary
    w.add_block_count(n_layer)
    w.add_context_length(N_CTX)
    w.add_embedding_length(d)
    w.add_feed_forward_length(ffn)
    w.add_head_count(n_head)
    w.add_head_count_kv(n_kv)
    w.add_layer_norm_rms_eps(1e-5)
    w.add_rope_freq_base(1e6 if arch in ("gemma3", "qwen3") else 10000.0)
    if hd != d // n_head:
        w.add_key_length(hd)
        w.add_value_length(hd)
    if arch == "gemma3":
        w.add_sliding_window(8)
        w.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        w.add_rope_scaling_factor(4.0)
    if arch == "phi3":
        w.add_rope_dimension_count(8)
        w.add_rope_scaling_orig_ctx_len(48)      # shorter than the context: the long factors are taken
        w.add_rope_scaling_attn_factors(1.19)
    w.add_tokenizer_model("llama")
    w.add_token_list([b"<unk>", b"<s>", b"</s>"] + [("t%02d" % i).encode() for i in range(3, N_VOCAB)])
    w.add_token_scores([0.0] * N_VOCAB)
    w.add_token_types([2, 3, 3] + [1] * (N_VOCAB - 3))
    w.add_bos_token_id(1)
    w.add_eos_token_id(2)

    bitnet = arch.startswith("bitnet")

    def matrix(name, n, k, scale=1.0):
        x = rng.standard_normal((n, k)) * scale / np.sqrt(k)
        if bitnet and name.startswith("blk."):   # -g, 0, g, as the mean magnitude gives them
            g = np.abs(x).mean()
            x = np.clip(np.round(x / g), -1, 1) * np.float32(1 if scaled else g)
            if scaled:
                w.add_tensor(name.replace(".weight", ".scale"), np.array([g], np.float32))
        w.add_tensor(name, x.astype(np.float32))

    def vector(name, k, mean=1.0):
        w.add_tensor(name, (mean + 0.2 * rng.standard_normal(k)).astype(np.float32))

    matrix("token_embd.weight", N_VOCAB, d, np.sqrt(d) if arch in ("llama", "qwen2", "phi3") else 1.0)
    vector("output_norm.weight", d)
    if arch in ("llama", "qwen2", "phi3"):
        matrix("output.weight", N_VOCAB, d, 3.0)
    if arch == "llama":
        w.add_tensor("rope_freqs.weight", np.array([1.0, 1.5, 4.0, 8.0], dtype=np.float32))
    if arch == "phi3":
        w.add_tensor("rope_factors_long.weight", np.array([1.1, 1.7, 3.0, 6.5], dtype=np.float32))
        w.add_tensor("rope_factors_short.weight", np.array([1.0, 1.02, 1.05, 1.3], dtype=np.float32))
    for i in range(n_layer):
        b = f"blk.{i}."
        vector(b + "attn_norm.weight", d)
        if arch == "phi3":
            matrix(b + "attn_qkv.weight", (n_head + 2 * n_kv) * hd, d, 2.0)
        else:
            matrix(b + "attn_q.weight", n_head * hd, d, 2.0)
            matrix(b + "attn_k.weight", n_kv * hd, d, 2.0)
            matrix(b + "attn_v.weight", n_kv * hd, d)
        matrix(b + "attn_output.weight", d, n_head * hd)
        if arch == "qwen2":
            vector(b + "attn_q.bias", n_head * hd, 0.0)
            vector(b + "attn_k.bias", n_kv * hd, 0.0)
            vector(b + "attn_v.bias", n_kv * hd, 0.0)
        if arch in ("qwen3", "gemma3"):
            vector(b + "attn_q_norm.weight", hd, 1.5)
            vector(b + "attn_k_norm.weight", hd, 1.5)
        vector(b + "ffn_norm.weight", d)
        if arch == "phi3":
            matrix(b + "ffn_up.weight", 2 * ffn, d)
        else:
            matrix(b + "ffn_gate.weight", ffn, d)
            matrix(b + "ffn_up.weight", ffn, d)
        matrix(b + "ffn_down.weight", d, ffn)
        if bitnet:
            vector(b + "attn_sub_norm.weight", n_head * hd)
            vector(b + "ffn_sub_norm.weight", ffn)
        if arch == "gemma3":
            vector(b + "post_attention_norm.weight", d)
            vector(b + "post_ffw_norm.weight", d)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def main(recorder, *only):
    here = os.path.dirname(os.path.abspath(__file__))
    for arch in only or SHAPES:
        rng = np.random.default_rng([7, *arch.encode()])
        path = os.path.join(here, f"{arch}.gguf")
        write_model(path, arch, rng)
        ids = [1] + [int(t) for t in rng.integers(3, N_VOCAB, N_TOKENS - 1)]
        reference = [sys.executable, os.path.join(here, "reference_bitnet.py")]
        command = reference if arch == "bitnet-b1.58" else [recorder]
        out = subprocess.run([*command, path, "ids", "16", *map(str, ids)], check=True, capture_output=True, text=True)
        with open(os.path.join(here, f"{arch}.txt"), "w") as f:
            f.write(out.stdout)


main(*sys.argv[1:])
