#!/usr/bin/env python3
"""Turns a GGUF file of llama or gemma3 into a Hugging Face folder with its weights as f32, so that both can be compared.

usage: from_gguf.py MODEL.gguf FOLDER [TEXT]. With TEXT: tokenizes it by the folder's tokenizer.json (package tokenizers)
and prints the ids, one a line. Needs gguf, numpy, safetensors, tokenizers.
"""
import json
import os
import sys

import gguf
import numpy as np
from gguf.quants import dequantize
from safetensors.numpy import save_file
from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, processors

NAMES = {
    "attn_norm": "input_layernorm", "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj", "attn_q_norm": "self_attn.q_norm", "attn_k_norm": "self_attn.k_norm",
    "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj",
    "post_attention_norm": "post_attention_layernorm", "post_ffw_norm": "post_feedforward_layernorm",
    "token_embd": "embed_tokens", "output_norm": "norm",
}


def value(reader, key, otherwise=None):
    f = reader.get_field(key)
    return otherwise if f is None else f.contents()


def hf_name(name, arch):
    part = name.split(".")
    if part[0] == "output":
        return "lm_head.weight"
    if part[0] != "blk":
        return f"model.{NAMES[part[0]]}.weight"
    below = NAMES.get(part[2])
    if part[2] == "ffn_norm":
        below = "pre_feedforward_layernorm" if arch == "gemma3" else "post_attention_layernorm"
    return f"model.layers.{part[1]}.{below}.weight"


def halves(w, n_head):
    """Rows of neighbours to rows of halves."""
    hd = w.shape[0] // n_head
    return w.reshape(n_head, hd // 2, 2, *w.shape[1:]).swapaxes(1, 2).reshape(w.shape)


def weights(reader, arch):
    out = {}
    heads = {"attn_q": value(reader, f"{arch}.attention.head_count"), "attn_k": value(reader, f"{arch}.attention.head_count_kv")}
    for t in reader.tensors:
        w = dequantize(t.data, t.tensor_type).astype(np.float32).reshape([int(x) for x in reversed(t.shape)])
        part = t.name.split(".")
        if arch == "llama" and len(part) > 2 and part[2] in heads:
            w = halves(w, heads[part[2]])
        if arch == "gemma3" and w.ndim == 1:
            w = w - np.float32(1)
        out[hf_name(t.name, arch)] = np.ascontiguousarray(w)
    return out


def config(reader, arch):
    g = lambda k, o=None: value(reader, f"{arch}.{k}", o)
    heads, width = g("attention.head_count"), g("embedding_length")
    c = {"model_type": {"llama": "llama", "gemma3": "gemma3_text"}[arch], "hidden_size": width,
         "num_hidden_layers": g("block_count"), "intermediate_size": g("feed_forward_length"), "num_attention_heads": heads,
         "num_key_value_heads": g("attention.head_count_kv"), "head_dim": g("attention.key_length", width // heads),
         "max_position_embeddings": g("context_length"), "rms_norm_eps": float("%.8g" % g("attention.layer_norm_rms_epsilon")),
         "rope_theta": g("rope.freq_base", 10000.0), "tie_word_embeddings": reader.get_field("general.architecture") and
         not any(t.name == "output.weight" for t in reader.tensors),
         "bos_token_id": value(reader, "tokenizer.ggml.bos_token_id"), "eos_token_id": value(reader, "tokenizer.ggml.eos_token_id")}
    if g("attention.sliding_window"):
        c["sliding_window"] = g("attention.sliding_window")
    return c


def spm_merges(tokens, scores, types):
    """As transformers makes them of SentencePiece models: all ways to halve a token, best tokens first."""
    vocab = {t: i for i, t in enumerate(tokens)}
    rows = []
    for i, t in enumerate(tokens):
        if types[i] != 1:
            continue
        local = [(t[:k], t[k:]) for k in range(1, len(t)) if t[:k] in vocab and t[k:] in vocab]
        rows += [(scores[i], len(a), len(b), a, b) for a, b in sorted(local, key=lambda p: (vocab[p[0]], vocab[p[1]]))]
    rows.sort(key=lambda r: r[:3], reverse=True)
    return [(a, b) for *_, a, b in rows]


def tokenizer(reader):
    tokens, types = value(reader, "tokenizer.ggml.tokens"), value(reader, "tokenizer.ggml.token_type")
    vocab = {t: i for i, t in enumerate(tokens)}
    if value(reader, "tokenizer.ggml.model") == "gpt2":
        tok = Tokenizer(models.BPE(vocab, [tuple(m.split(" ")) for m in value(reader, "tokenizer.ggml.merges")]))
        assert value(reader, "tokenizer.ggml.pre") == "smollm"
        tok.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True),
                                                     pre_tokenizers.ByteLevel(add_prefix_space=False)])
    else:
        merges = spm_merges(tokens, value(reader, "tokenizer.ggml.scores"), types)
        tok = Tokenizer(models.BPE(vocab, merges, byte_fallback=True, unk_token="<unk>", fuse_unk=True))
        tok.normalizer = normalizers.Replace(" ", "\u2581")
        tok.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    tok.add_special_tokens([AddedToken(t, special=True, normalized=False) for t, k in zip(tokens, types) if k in (2, 3)])
    tok.add_tokens([AddedToken(t, special=False, normalized=False) for t, k in zip(tokens, types) if k == 4])
    if value(reader, "tokenizer.ggml.add_bos_token"):
        bos = tokens[value(reader, "tokenizer.ggml.bos_token_id")]
        tok.post_processor = processors.TemplateProcessing(single=f"{bos} $A", pair=f"{bos} $A $B", special_tokens=[(bos, vocab[bos])])
    return tok


def main(path, folder, text=None):
    reader = gguf.GGUFReader(path)
    arch = value(reader, "general.architecture")
    os.makedirs(folder, exist_ok=True)
    tok = tokenizer(reader)
    tok.save(os.path.join(folder, "tokenizer.json"))
    with open(os.path.join(folder, "config.json"), "w") as f:
        json.dump(config(reader, arch), f, indent=1)
    save_file(weights(reader, arch), os.path.join(folder, "model.safetensors"))
    if text:
        print("\n".join(map(str, tok.encode(open(text, encoding="utf-8", newline="").read()).ids)))


main(*sys.argv[1:])
