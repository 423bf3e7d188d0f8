"""AWQ and GPTQ folders read without this program or the packages: their packing (AutoAWQ gemm.py, GPTQModel qlinear) taken
apart, each weight (code - zero) * scale rounded to f16, as both formats have it."""
import json
import os
import shutil

from packages import np


def unpack(words, bits, axis):
    """A stream of codes along an axis of int32 words, least significant bits first."""
    words = np.moveaxis(words.view(np.uint32), axis, -1)
    all_bits = np.unpackbits(np.ascontiguousarray(words).view(np.uint8), axis=-1, bitorder="little")
    codes = all_bits.reshape(*words.shape[:-1], -1, bits)
    return np.moveaxis((codes * (1 << np.arange(bits))).sum(-1), -1, axis)


def awq(t, name, _):
    order = np.array([0, 2, 4, 6, 1, 3, 5, 7])

    def nibbles(words):
        codes = unpack(words, 4, 1).reshape(words.shape[0], -1, 8)
        out = np.empty_like(codes)
        out[..., order] = codes
        return out.reshape(words.shape[0], -1)
    q, z, s = nibbles(t[name + ".qweight"]), nibbles(t[name + ".qzeros"]), t[name + ".scales"]
    group = q.shape[0] // s.shape[0]
    g = np.arange(q.shape[0]) // group
    return ((q - z[g]).astype(np.float32) * s[g].astype(np.float32)).astype(np.float16).astype(np.float32).T


def gptq(t, name, settings):
    bits, s, g = settings["bits"], t[name + ".scales"], t[name + ".g_idx"]
    q, z = unpack(t[name + ".qweight"], bits, 0), unpack(t[name + ".qzeros"], bits, 1)
    z = z + (settings["checkpoint_format"] == "gptq")
    return ((q - z[g]).astype(np.float32) * s[g].astype(np.float32)).astype(np.float16).astype(np.float32).T


def plain(folder, out):
    """The same model in f32, matrices decoded, as a folder that says nothing of quantization."""
    from safetensors import numpy as st
    with open(os.path.join(folder, "config.json"), encoding="utf-8") as f:
        config = json.load(f)
    settings = config.pop("quantization_config")
    read = {"awq": awq, "gptq": gptq}[settings["quant_method"]]
    stored = st.load_file(os.path.join(folder, "model.safetensors"))
    tensors = {}
    for name, value in stored.items():
        module, part = name.rsplit(".", 1)
        if part == "qweight":
            tensors[module + ".weight"] = np.ascontiguousarray(read(stored, module, settings))
        elif part not in ("qzeros", "scales", "g_idx"):
            tensors[name] = value.astype(np.float32)
    os.mkdir(out)
    st.save_file(tensors, os.path.join(out, "model.safetensors"), {"format": "pt"})
    with open(os.path.join(out, "config.json"), "w", encoding="utf-8") as f:
        json.dump({**config, "torch_dtype": "float32"}, f)
    for name in os.listdir(folder):
        if name.startswith(("tokenizer", "special_tokens", "generation")):
            shutil.copy(os.path.join(folder, name), out)
