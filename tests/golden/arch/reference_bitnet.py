#!/usr/bin/env python3
"""The forward pass of BitNet in double precision: what record_llamacpp.c prints, for the variant with squared ReLU that
llama.cpp does not have. Run on bitnet.gguf (SiLU) it agrees with llama.cpp, which is what makes it a reference.

usage: reference_bitnet.py MODEL ids N ID...   Needs the packages gguf and numpy.
"""
import sys

import gguf
import numpy as np

POSITIONS = (0, 7, 8, 20, 39)


def main(path, _, n_gen, *ids):
    r = gguf.GGUFReader(path)
    w = {t.name: t.data.astype(np.float64) for t in r.tensors}

    def key(name):
        return r.fields[name].parts[r.fields[name].data[0]]

    arch = bytes(key("general.architecture")).decode()
    heads, kv = int(key(f"{arch}.attention.head_count")[0]), int(key(f"{arch}.attention.head_count_kv")[0])
    layers, eps = int(key(f"{arch}.block_count")[0]), float(key(f"{arch}.attention.layer_norm_rms_epsilon")[0])
    base = float(key(f"{arch}.rope.freq_base")[0])
    d = w["output_norm.weight"].size
    hd = d // heads

    def norm(x, name):
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + eps) * w[name]

    def rotate(x):  # halves; [position][head][hd]
        angle = np.arange(len(x))[:, None] * base ** (-np.arange(hd // 2) * 2 / hd)
        c, s = np.cos(angle)[:, None, :], np.sin(angle)[:, None, :]
        a, b = x[..., :hd // 2], x[..., hd // 2:]
        return np.concatenate([a * c - b * s, b * c + a * s], -1)

    def gate(x):
        return np.maximum(x, 0) ** 2 if arch == "bitnet-b1.58" else x / (1 + np.exp(-x))

    def logits(tokens):
        x, n = w["token_embd.weight"][tokens], len(tokens)
        mask = np.triu(np.full((n, n), -np.inf), 1)
        for i in range(layers):
            b = f"blk.{i}."
            h = norm(x, b + "attn_norm.weight")
            q, k, v = ((h @ w[b + f"attn_{p}.weight"].T).reshape(n, -1, hd) for p in "qkv")
            q, k = rotate(q), rotate(k)
            k, v = (np.repeat(t, heads // kv, axis=1) for t in (k, v))
            s = np.einsum("ihd,jhd->hij", q, k) / np.sqrt(hd) + mask
            p = np.exp(s - s.max(-1, keepdims=True))
            p /= p.sum(-1, keepdims=True)
            a = np.einsum("hij,jhd->ihd", p, v).reshape(n, -1)
            x = x + norm(a, b + "attn_sub_norm.weight") @ w[b + "attn_output.weight"].T
            h = norm(x, b + "ffn_norm.weight")
            f = gate(h @ w[b + "ffn_gate.weight"].T) * (h @ w[b + "ffn_up.weight"].T)
            x = x + norm(f, b + "ffn_sub_norm.weight") @ w[b + "ffn_down.weight"].T
        return norm(x, "output_norm.weight") @ w["token_embd.weight"].T

    ids = [int(i) for i in ids]
    print(f"# reference_bitnet.py, numpy {np.__version__}")
    print("tokens", *ids)
    y = logits(ids)
    for p in POSITIONS:
        print("logits", p, *(f"{v:.9g}" for v in y[p]))
    grown = list(ids)
    for _ in range(int(n_gen)):
        grown.append(int(logits(grown)[-1].argmax()))
    print("greedy", *grown[len(ids):])


main(*sys.argv[1:])
