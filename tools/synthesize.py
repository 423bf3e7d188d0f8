"""Writes F16 GGUF files of llama models with random weights, for checks and benchmarks of sizes that nobody ships. The
tokenizer is the embedded model's, filled up with unused tokens where a larger vocabulary is asked for."""
import array
import os
import random
import struct

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
F32, F16 = 0, 1
STRING, ARRAY = 8, 9
SIZE = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}


def keys_of(path):
    """The keys of a GGUF file: (name, type, bytes of the value)."""
    with open(path, "rb") as f:
        data = f.read()

    def end_of(kind, at):
        if kind == STRING:
            return at + 8 + struct.unpack_from("<Q", data, at)[0]
        if kind == ARRAY:
            of, n = struct.unpack_from("<IQ", data, at)
            at += 12
            for _ in range(n):
                at = end_of(of, at)
            return at
        return at + SIZE[kind]

    at, keys = 24, []
    for _ in range(struct.unpack_from("<Q", data, 16)[0]):
        n = struct.unpack_from("<Q", data, at)[0]
        name = data[at + 8 : at + 8 + n].decode()
        kind = struct.unpack_from("<I", data, at + 8 + n)[0]
        value = at + 12 + n
        at = end_of(kind, value)
        keys.append((name, kind, data[value:at]))
    return keys


def text(s):
    return struct.pack("<Q", len(s)) + s.encode()


def tokenizer(n_vocab):
    """Its keys and its size, at least n_vocab."""
    keys, have = [], 0
    for name, kind, value in keys_of(os.path.join(ROOT, "datasets/models/default.gguf")):
        if not name.startswith("tokenizer."):
            continue
        if name == "tokenizer.ggml.tokens":
            have = struct.unpack_from("<Q", value, 4)[0]
        keys.append([name, kind, value])
    more = max(0, n_vocab - have)
    fill = {"tokenizer.ggml.tokens": b"".join(text(f"<unused{i}>") for i in range(more)),
            "tokenizer.ggml.scores": struct.pack("<f", -1000.0) * more, "tokenizer.ggml.token_type": struct.pack("<i", 5) * more}
    for key in keys:
        if key[0] in fill:
            of, n = struct.unpack_from("<IQ", key[2])
            key[2] = struct.pack("<IQ", of, n + more) + key[2][12:] + fill[key[0]]
    return keys, have + more


def tensors_of(n_layer, d, d_ff, n_head, n_head_kv, n_vocab):
    """(name, shape, type), rows last."""
    kv = d // n_head * n_head_kv
    yield "token_embd.weight", (d, n_vocab), F16
    for i in range(n_layer):
        for name, shape in (("attn_norm", (d,)), ("attn_q", (d, d)), ("attn_k", (d, kv)), ("attn_v", (d, kv)),
                            ("attn_output", (d, d)), ("ffn_norm", (d,)), ("ffn_gate", (d, d_ff)), ("ffn_up", (d, d_ff)),
                            ("ffn_down", (d_ff, d))):
            yield f"blk.{i}.{name}.weight", shape, F32 if len(shape) == 1 else F16
    yield "output_norm.weight", (d,), F32
    yield "output.weight", (d, n_vocab), F16


def n_bytes(shape, kind):
    return shape[0] * (shape[1] if len(shape) > 1 else 1) * (2 if kind == F16 else 4)


def write_weights(f, tensors, seed):
    rng = random.Random(seed)
    values = (struct.unpack("<H", struct.pack("<e", rng.gauss(0, 0.02)))[0] for _ in range(1 << 20))
    pattern = array.array("H", values).tobytes() * 2  # 2 MiB from any start
    for _, shape, kind in tensors:
        left = n_bytes(shape, kind)
        pad = -left % 32
        if kind == F32:
            f.write(struct.pack("<f", 1.0) * (left // 4))
            left = 0
        while left > 0:
            start, n = rng.randrange(1 << 20) * 2, min(left, 2 << 20)
            f.write(pattern[start : start + n])
            left -= n
        f.write(b"\0" * pad)


def write_model(path, name, n_layer, d, d_ff, n_head, n_head_kv, n_vocab=0, seed=1):
    """Returns the size of the file."""
    keys, n_vocab = tokenizer(n_vocab)
    numbers = {"block_count": n_layer, "embedding_length": d, "feed_forward_length": d_ff, "context_length": 4096,
               "attention.head_count": n_head, "attention.head_count_kv": n_head_kv, "rope.dimension_count": d // n_head}
    keys += [("general.architecture", STRING, text("llama")), ("general.name", STRING, text(name))]
    keys += [("llama." + k, 4, struct.pack("<I", v)) for k, v in numbers.items()]
    keys += [("llama.attention.layer_norm_rms_epsilon", 6, struct.pack("<f", 1e-5)),
             ("llama.rope.freq_base", 6, struct.pack("<f", 500000))]
    tensors = list(tensors_of(n_layer, d, d_ff, n_head, n_head_kv, n_vocab))
    with open(path, "wb") as f:
        f.write(b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(keys)))
        for key, kind, value in keys:
            f.write(text(key) + struct.pack("<I", kind) + value)
        at = 0
        for key, shape, kind in tensors:
            f.write(text(key) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, kind, at))
            at += n_bytes(shape, kind) + -n_bytes(shape, kind) % 32
        f.write(b"\0" * (-f.tell() % 32))
        write_weights(f, tensors, seed)
    return os.path.getsize(path)
