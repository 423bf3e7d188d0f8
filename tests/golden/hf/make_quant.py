#!/usr/bin/env python3
"""Makes quantized folders of one tiny Llama: METHOD/{config.json, tokenizer.json, model.safetensors} and METHOD/values.txt,
a line per module with the SHA-256 of its dequantized weights as f32 (rows in the folder's order), and METHOD/logits.txt.

usage: make_quant.py mlx|other|exl3 EXL3_HOST. "mlx" runs where the package mlx is (values by mx.dequantize), "other" where torch,
bitsandbytes and transformers are: bitsandbytes by the package; fp8 by torch; AWQ and GPTQ, whose packages need a
GPU, by the formulas of their sources in numpy; "exl3": random trellises, as any bits are one, tiles by EXL3_HOST
(tests/equivalence/torch/exl3_host.cpp: the package's own code), rotations in f64. exl2: tests/equivalence/torch/compare_exl2.py --record. Run make_hf.py first (its tokenizer is used). Results are committed.
"""
import hashlib
import json
import os
import shutil
import subprocess
import sys

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
D, FF, N_HEAD, N_KV, N_VOCAB = 64, 128, 4, 2, 320
LINEARS = {"self_attn.q_proj": (64, 64), "self_attn.k_proj": (32, 64), "self_attn.v_proj": (32, 64),
           "self_attn.o_proj": (64, 64), "mlp.gate_proj": (FF, D), "mlp.up_proj": (FF, D), "mlp.down_proj": (D, FF)}
CONFIG = {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": D, "intermediate_size": FF,
          "num_hidden_layers": 1, "num_attention_heads": N_HEAD, "num_key_value_heads": N_KV, "rms_norm_eps": 1e-5,
          "max_position_embeddings": 64, "vocab_size": N_VOCAB, "rope_theta": 10000.0, "hidden_act": "silu",
          "tie_word_embeddings": True, "bos_token_id": 316, "eos_token_id": 317, "torch_dtype": "float16"}


def base_weights():
    rng = np.random.default_rng(11)
    w = {"model.embed_tokens.weight": rng.standard_normal((N_VOCAB, D)), "model.norm.weight": 1 + 0.2 * rng.standard_normal(D)}
    for name in ("input_layernorm", "post_attention_layernorm"):
        w[f"model.layers.0.{name}.weight"] = 1 + 0.2 * rng.standard_normal(D)
    for name, (n, k) in LINEARS.items():
        scale = 2.0 if name[10:11] in "qk" else 1.0
        w[f"model.layers.0.{name}.weight"] = rng.standard_normal((n, k)) * scale / np.sqrt(k)
    return {k: v.astype(np.float16) for k, v in w.items()}


def linear_names():
    return [f"model.layers.0.{n}" for n in LINEARS]


def save(method, tensors, settings, values, made_by, key="quantization_config", config=CONFIG):
    """tensors: numpy arrays, or torch ones for the types that numpy lacks; values: name -> f32 weights."""
    folder = os.path.join(HERE, method)
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    if any(type(t).__module__ == "torch" for t in tensors.values()):
        import torch
        from safetensors.torch import save_file
        tensors = {k: (v if isinstance(v, torch.Tensor) else torch.from_numpy(np.array(v))).contiguous()
                   for k, v in tensors.items()}
    else:
        from safetensors.numpy import save_file
        tensors = {k: np.array(v, order="C") for k, v in tensors.items()}
    save_file(tensors, os.path.join(folder, "model.safetensors"), metadata={"format": "pt"})
    os.chmod(os.path.join(folder, "model.safetensors"), 0o644)
    shutil.copy(os.path.join(HERE, "llama", "tokenizer.json"), folder)
    with open(os.path.join(folder, "config.json"), "w") as f:
        json.dump({**config, key: settings}, f, indent=1)
        f.write("\n")
    with open(os.path.join(folder, "values.txt"), "w") as f:
        f.write(f"# {made_by}\n")
        for name, v in values.items():
            assert v.dtype == np.float32
            f.write(f"{name} {hashlib.sha256(np.ascontiguousarray(v).tobytes()).hexdigest()}\n")


def rest(w, without=()):
    return {k: v for k, v in w.items() if k[:-7] not in linear_names() and k not in without}


# ---- AWQ, GPTQ: the containers by their sources ----

def nibbles(codes, order):
    """codes[rows][N] to int32 words of eight; nibble i holds output order[i]."""
    rows, n = codes.shape
    c = codes.reshape(rows, n // 8, 8).astype(np.uint32)
    return sum(c[:, :, o] << np.uint32(4 * i) for i, o in enumerate(order)).astype(np.uint32).view(np.int32)


def awq(w):
    g, tensors, values, rng = 32, rest(w), {}, np.random.default_rng(3)
    for name in linear_names():
        x = w[name + ".weight"]
        n, k = x.shape
        xg = x.astype(np.float32).reshape(n, k // g, g)
        s = (np.maximum(xg.max(-1) - xg.min(-1), 1e-5) / 15).astype(np.float16)
        z = np.clip(-np.rint(xg.min(-1) / s.astype(np.float32)), 0, 15)
        q = np.clip(np.rint(xg / s.astype(np.float32)[..., None]) + z[..., None], 0, 15)
        q[rng.random(q.shape) < 0.02] = 0
        values[name] = ((q - z[..., None]).astype(np.float16) * s[..., None]).astype(np.float32).reshape(n, k)
        order = [0, 2, 4, 6, 1, 3, 5, 7]
        tensors[name + ".qweight"] = nibbles(q.reshape(n, k).T.astype(np.uint8), order)
        tensors[name + ".qzeros"] = nibbles(z.T.astype(np.uint8), order)
        tensors[name + ".scales"] = s.T
    save("awq", tensors, {"quant_method": "awq", "bits": 4, "group_size": g, "zero_point": True, "version": "gemm"}, values,
         "AutoAWQ's packing and formula, numpy")


def stream(codes, bits):
    """Codes down axis 0 as 32-bit words, least significant bits first."""
    k, n = codes.shape
    bit = (codes[:, None, :].astype(np.uint8) >> np.arange(bits, dtype=np.uint8)[None, :, None] & 1).reshape(k * bits // 32, 32, n)
    return (bit.astype(np.uint64) << np.arange(32, dtype=np.uint64)[None, :, None]).sum(1).astype(np.uint32).view(np.int32)


def gptq(w, folder, bits, v1, desc_act, group=32):
    tensors, values, rng = rest(w), {}, np.random.default_rng(5)
    top = 2 ** bits - 1
    for name in linear_names():
        x = w[name + ".weight"].astype(np.float32)
        n, k = x.shape
        index = np.arange(k) // group
        if desc_act:
            index = index[rng.permutation(k)]
        s, z = np.zeros((k // group, n), np.float16), np.zeros((k // group, n))
        for i in range(k // group):
            xg = x[:, index == i]
            lo, hi = np.minimum(xg.min(1), 0), np.maximum(xg.max(1), 0)
            s[i] = ((hi - lo) / top).astype(np.float16)
            z[i] = np.rint(-lo / ((hi - lo) / top))
            z[i, rng.random(n) < 0.2] = 0
        q = np.clip(np.rint(x.T / s[index].astype(np.float32)) + z[index], 0, top)
        values[name] = (s[index] * (q - z[index]).astype(np.float16)).T.astype(np.float32)
        zeros = stream(z.T.astype(np.uint8), bits).T.view(np.uint32)
        if v1 and bits != 3:
            zeros = zeros - np.uint32({2: 0x55555555, 4: 0x11111111, 8: 0x01010101}[bits])
        elif v1:
            zeros = stream(((z.T.astype(np.int64) - 1) % 8).astype(np.uint8), bits).T.view(np.uint32)
        tensors[name + ".qweight"] = stream(q.astype(np.uint8), bits)
        tensors[name + ".qzeros"] = zeros.view(np.int32)
        tensors[name + ".scales"] = s
        tensors[name + ".g_idx"] = index.astype(np.int32)
    save(folder, tensors, {"quant_method": "gptq", "bits": bits, "group_size": group, "sym": False, "desc_act": desc_act,
                           "checkpoint_format": "gptq" if v1 else "gptq_v2"}, values, "GPTQModel's packing and formula, numpy")


def ring_order():
    """Row and column of a tile's steps (tensor_core_perm of the package, read the other way)."""
    t, j = np.arange(256) // 8, np.arange(256) % 8
    return 2 * (t % 4) + j % 2 + 8 * (j // 2 % 2), t // 4 + 8 * (j // 4)


def exl3_values(host, trellis, twice_bits, book, suh, svh):
    """[n][k] of trellis uint16 [K/16][N/16][words]: halves where LinearEXL3.get_weight_tensor has them."""
    kt, nt, _ = trellis.shape
    steps = subprocess.run([host, str(twice_bits), str(book)], input=trellis.astype("<u2").tobytes(), check=True,
                           stdout=subprocess.PIPE).stdout
    rows, columns = ring_order()
    tile = np.zeros((kt, nt, 16, 16))
    tile[:, :, rows, columns] = np.frombuffer(steps, np.float16).reshape(kt, nt, 256)
    w = tile.transpose(0, 2, 1, 3).reshape(16 * kt, 16 * nt)
    had = np.array([[1.0]])
    while len(had) < 128:
        had = np.block([[had, had], [had, -had]])
    half = lambda x: x.astype(np.float32).astype(np.float16)
    blocks = w.reshape(-1, 128, w.shape[1])
    w = half((had @ blocks).reshape(w.shape) / np.sqrt(128)) * suh[:, None]
    w = half((w.astype(np.float64).reshape(w.shape[0], -1, 128) @ had).reshape(w.shape) / np.sqrt(128)) * svh
    return np.ascontiguousarray(w.T).astype(np.float32)


def exl3(w, host):
    """Four layers, so that every width is there with every codebook; all sides but 128 are padded to it."""
    rng, values = np.random.default_rng(17), {}
    kinds = [(2 * b, book) for b in range(1, 9) for book in range(3)] + [(3, 2), (5, 2), (7, 2), (8, 0)]
    tensors = {k: v for k, v in rest(w).items() if ".layers." not in k}
    for i in range(4):
        for norm in ("input_layernorm", "post_attention_layernorm"):
            tensors[f"model.layers.{i}.{norm}.weight"] = w[f"model.layers.0.{norm}.weight"]
        for name, (n, k) in LINEARS.items():
            twice, book = kinds[len(values)]
            module = f"model.layers.{i}.{name}"
            trellis = rng.integers(0, 65536, (8, 8, 8 * twice), dtype=np.uint16)
            sign_k, sign_n = rng.integers(0, 2, 128), rng.integers(0, 2, 128)
            suh = ((1 - 2.0 * sign_k) * (1 if len(values) == 27 else rng.uniform(0.5, 2, 128))).astype(np.float16)
            svh = ((1 - 2.0 * sign_n) * (1 if len(values) == 27 else rng.uniform(0.02, 0.2, 128))).astype(np.float16)
            values[module] = np.ascontiguousarray(exl3_values(host, trellis, twice, book, suh, svh)[:n, :k])
            tensors[module + ".trellis"] = trellis.view(np.int16)
            if len(values) == 28:
                tensors[module + ".su"] = np.packbits(sign_k, bitorder="little").view(np.int16)
                tensors[module + ".sv"] = np.packbits(sign_n, bitorder="little").view(np.int16)
            else:
                tensors[module + ".suh"], tensors[module + ".svh"] = suh, svh
            if book:
                tensors[f"{module}.{('mcg', 'mul1')[book - 1]}"] = np.array(0, np.int32)
    save("exl3", tensors, {"quant_method": "exl3", "version": "1.6.5", "bits": 4.0, "head_bits": 16}, values,
         "tiles: exllamav3 1.6.5, exl3_dq.cuh and codebook.cuh compiled for the host; rotations: numpy",
         config={**CONFIG, "num_hidden_layers": 4})


# ---- with packages ----

def bnb(w, folder, kind, nested):
    import bitsandbytes
    import torch
    from bitsandbytes import functional as F
    tensors, values = rest(w), {}
    for name in linear_names():
        x = torch.from_numpy(w[name + ".weight"])
        if kind == "int8":
            q, scale, _ = F.int8_vectorwise_quant(x)
            tensors[name + ".weight"], tensors[name + ".SCB"] = q, scale
            tensors[name + ".weight_format"] = torch.tensor(0, dtype=torch.uint8)
            values[name] = F.int8_vectorwise_dequant(q, scale).float().numpy()
            continue
        q, state = F.quantize_4bit(x, blocksize=64, compress_statistics=nested, quant_type=kind)
        tensors[name + ".weight"] = q
        for part, v in state.as_dict(packed=True).items():
            tensors[f"{name}.weight.{part}"] = v
        values[name] = F.dequantize_4bit(q, state).float().numpy()
    settings = {"quant_method": "bitsandbytes", "load_in_4bit": kind != "int8", "load_in_8bit": kind == "int8",
                "bnb_4bit_quant_type": kind, "bnb_4bit_use_double_quant": nested}
    save(folder, tensors, settings, values, f"bitsandbytes {bitsandbytes.__version__}, torch {torch.__version__}")


def fp8(w, folder, block):
    import torch
    tensors, values = rest(w), {}
    for name in linear_names():
        x = torch.from_numpy(w[name + ".weight"]).float()
        n, k = x.shape
        if block:
            t = x.reshape(n // block, block, k // block, block)
            s = t.abs().amax((1, 3)) / 448
            q = (t / s[:, None, :, None]).to(torch.float8_e4m3fn)
            v = (q.float() * s[:, None, :, None]).reshape(n, k)
            tensors[name + ".weight_scale_inv"] = s
        else:
            s = (x.abs().amax(1, keepdim=True) / 448).to(torch.bfloat16)
            q = (x / s.float()).to(torch.float8_e4m3fn)
            v = q.float() * s.float()
            tensors[name + ".weight_scale"] = s
        tensors[name + ".weight"] = q.reshape(n, k)
        values[name] = v.numpy()
    settings = ({"quant_method": "fp8", "weight_block_size": [block, block]} if block else
                {"quant_method": "compressed-tensors", "format": "float-quantized"})
    save(folder, tensors, settings, values, f"torch {torch.__version__}")


def mlx(w, folder, mode, bits, group, dtype):
    import mlx.core as mx
    values, tensors = {}, {k: mx.array(v).astype(dtype) for k, v in rest(w, ("model.embed_tokens.weight",)).items()}
    for name in linear_names() + ["model.embed_tokens"]:
        x = mx.array(w[name + ".weight"]).astype(dtype)
        parts = mx.quantize(x, group_size=group, bits=bits, mode=mode)
        for part, v in zip(("weight", "scales", "biases"), parts):
            tensors[f"{name}.{part}"] = v
        values[name] = np.array(mx.dequantize(*parts, group_size=group, bits=bits, mode=mode, dtype=dtype).astype(mx.float32))
    save(folder, {"x": np.zeros(1, np.float32)}, {"group_size": group, "bits": bits, "mode": mode}, values,
         f"mlx {mx.__version__}", "quantization")
    mx.save_safetensors(os.path.join(HERE, folder, "model.safetensors"), tensors, {"format": "mlx"})
    os.chmod(os.path.join(HERE, folder, "model.safetensors"), 0o644)


def main(what):
    w = base_weights()
    if what == "exl3":
        exl3(w, sys.argv[2])
        return
    if what == "mlx":
        import mlx.core as mx
        mlx(w, "mlx-4bit", "affine", 4, 32, mx.bfloat16)
        mlx(w, "mlx-5bit", "affine", 5, 64, mx.float16)
        mlx(w, "mlx-mxfp4", "mxfp4", 4, 32, mx.bfloat16)
        return
    awq(w)
    gptq(w, "gptq", 4, True, False)
    gptq(w, "gptq-v2-order", 4, False, True)
    gptq(w, "gptq-3bit", 3, True, False)
    bnb(w, "bnb-nf4", "nf4", True)
    bnb(w, "bnb-fp4", "fp4", False)
    bnb(w, "bnb-int8", "int8", False)
    fp8(w, "fp8-blocks", 16)
    fp8(w, "fp8-rows", 0)


if __name__ == "__main__":
    main(sys.argv[1])
