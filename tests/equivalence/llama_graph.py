"""A llama model in GGUF (f32) as an OpenVINO graph, operation by operation, for packages that compress whole models."""
import numpy as np
from gguf import GGUFReader
from openvino import Model, Type, opset13 as ops


def number(reader, key):
    field = reader.fields[key]
    return field.parts[field.data[0]][0]


def constant(tensors, name):
    c = ops.constant(tensors[name])
    c.set_friendly_name(name)
    return c


def norm(x, weight, eps):
    mean = ops.reduce_mean(ops.multiply(x, x), np.array([-1]), keep_dims=True)
    return ops.multiply(ops.divide(x, ops.sqrt(ops.add(mean, np.float32(eps)))), weight)


def rotate(x, n_ctx, head, base):
    """Adjacent pairs of x [1, S, H, head]."""
    angle = np.arange(n_ctx)[:, None] * float(base) ** (-np.arange(0, head, 2) / head)
    cos, sin = (f(angle).astype(np.float32).reshape(1, n_ctx, 1, head // 2, 1) for f in (np.cos, np.sin))
    pairs = ops.reshape(x, np.array([1, n_ctx, -1, head // 2, 2]), False)
    a, b = ops.split(pairs, np.int64(4), 2).outputs()
    turned = ops.concat([ops.subtract(ops.multiply(a, cos), ops.multiply(b, sin)),
                         ops.add(ops.multiply(a, sin), ops.multiply(b, cos))], 4)
    return ops.reshape(turned, np.array([1, n_ctx, -1, head]), False)


def attention(x, tensors, p, n_ctx, heads, kv_heads, head, base):
    def project(name, n):
        y = ops.matmul(x, constant(tensors, p + name), False, True)
        return ops.reshape(y, np.array([1, n_ctx, n, head]), False)

    q, k = rotate(project("attn_q.weight", heads), n_ctx, head, base), rotate(project("attn_k.weight", kv_heads), n_ctx, head, base)
    v = project("attn_v.weight", kv_heads)
    order = np.array([0, 2, 1, 3])
    q, k, v = (ops.transpose(t, order) for t in (q, k, v))
    wide = np.array([1, kv_heads, heads // kv_heads, n_ctx, head])
    k, v = (ops.reshape(ops.broadcast(ops.unsqueeze(t, np.int64(2)), wide), np.array([1, heads, n_ctx, head]), False)
            for t in (k, v))
    y = ops.scaled_dot_product_attention(q, k, v, causal=True)
    return ops.reshape(ops.transpose(y, order), np.array([1, n_ctx, heads * head]), False)


def graph(path, n_ctx):
    """The model over n_ctx tokens, and its matrices by name."""
    r = GGUFReader(path)
    tensors = {t.name: np.array(t.data) for t in r.tensors}
    heads, kv_heads = (int(number(r, f"llama.attention.head_count{s}")) for s in ("", "_kv"))
    head, eps = int(number(r, "llama.rope.dimension_count")), number(r, "llama.attention.layer_norm_rms_epsilon")
    base = number(r, "llama.rope.freq_base")
    ids = ops.parameter([1, n_ctx], Type.i64, name="ids")
    embedding = constant(tensors, "token_embd.weight")
    x = ops.gather(embedding, ids, np.int64(0))
    for i in range(int(number(r, "llama.block_count"))):
        p = f"blk.{i}."
        a = attention(norm(x, tensors[p + "attn_norm.weight"], eps), tensors, p, n_ctx, heads, kv_heads, head, base)
        x = ops.add(x, ops.matmul(a, constant(tensors, p + "attn_output.weight"), False, True))
        h = norm(x, tensors[p + "ffn_norm.weight"], eps)
        gate = ops.swish(ops.matmul(h, constant(tensors, p + "ffn_gate.weight"), False, True))
        up = ops.matmul(h, constant(tensors, p + "ffn_up.weight"), False, True)
        x = ops.add(x, ops.matmul(ops.multiply(gate, up), constant(tensors, p + "ffn_down.weight"), False, True))
    y = ops.matmul(norm(x, tensors["output_norm.weight"], eps), embedding, False, True)
    return Model([y], [ids]), {n: t for n, t in tensors.items() if t.ndim == 2}
