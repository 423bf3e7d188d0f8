"""Train the model with JAX on the CPU: llama architecture, bf16 products, f32 sums.

    python train.py WORKDIR [--minutes 75]
Checkpoints go to WORKDIR/ckpt.npz and training resumes from there.  The learning rate
is constant after the warm-up; it falls to zero over the last fifth of the time, or of
the steps done so far as soon as the file WORKDIR/decay exists.
"""
import argparse
import os
import time

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

VOCAB, DIM, FFN, LAYERS, HEADS, KV, HEAD_DIM = 4096, 256, 768, 3, 4, 2, 64
CONTEXT, BATCH = 512, 8
THETA, EPS = 10000.0, 1e-5
LR_MATRIX, LR_ADAM, WEIGHT_DECAY, WARMUP = 0.02, 3e-3, 0.1, 100
DECAY_PART = 0.2


# A product with bf16 inputs and an f32 result runs on the processor's bf16 units.  The
# backward products need the same treatment, which is why this is not plain `x @ w`.
@jax.custom_vjp
def mm(x, w):
    return jnp.matmul(x.astype(jnp.bfloat16), w.astype(jnp.bfloat16), preferred_element_type=jnp.float32)


def mm_fwd(x, w):
    x, w = x.astype(jnp.bfloat16), w.astype(jnp.bfloat16)
    return jnp.matmul(x, w, preferred_element_type=jnp.float32), (x, w)


def mm_bwd(res, g):
    x, w = res
    g = g.astype(jnp.bfloat16)
    dx = jnp.matmul(g, jnp.swapaxes(w, -1, -2), preferred_element_type=jnp.float32)
    if w.ndim == 2:
        x, g = x.reshape(-1, x.shape[-1]), g.reshape(-1, g.shape[-1])
    return dx, jnp.matmul(jnp.swapaxes(x, -1, -2), g, preferred_element_type=jnp.float32)


mm.defvjp(mm_fwd, mm_bwd)


def init(seed=0):
    r = np.random.default_rng(seed)
    p = {"embed": r.normal(0, 0.02, (VOCAB, DIM)), "norm": np.ones(DIM)}
    for i in range(LAYERS):
        for name, a, b in (("q", DIM, HEADS * HEAD_DIM), ("k", DIM, KV * HEAD_DIM), ("v", DIM, KV * HEAD_DIM),
                           ("o", HEADS * HEAD_DIM, DIM), ("gate", DIM, FFN), ("up", DIM, FFN), ("down", FFN, DIM)):
            scale = a ** -0.5 * ((2 * LAYERS) ** -0.5 if name in ("o", "down") else 1)
            p["%s%d" % (name, i)] = r.normal(0, scale, (a, b))
        p["norm_a%d" % i] = np.ones(DIM)
        p["norm_f%d" % i] = np.ones(DIM)
    return {k: jnp.asarray(v, jnp.float32) for k, v in p.items()}


def rms(x, w):
    return x * lax.rsqrt(jnp.mean(x * x, -1, keepdims=True) + EPS) * w


def rope(x, cos, sin):
    """Rotate adjacent pairs, the layout of llama in GGUF.  x is [batch, time, head, 64]."""
    x = x.reshape(x.shape[:-1] + (HEAD_DIM // 2, 2))
    a, b = x[..., 0], x[..., 1]
    return jnp.stack([a * cos - b * sin, a * sin + b * cos], -1).reshape(x.shape[:-2] + (HEAD_DIM,))


def attention(q, k, v):
    """Causal, in four strips of queries: what the mask would hide is mostly never computed.
    The two query heads of a key head share one product."""
    b, t = q.shape[:2]
    g = HEADS // KV
    q = (q * HEAD_DIM ** -0.5).reshape(b, t, KV, g, HEAD_DIM).transpose(0, 2, 3, 1, 4).reshape(b * KV, g, t, HEAD_DIM)
    k, v = (x.transpose(0, 2, 1, 3).reshape(b * KV, t, HEAD_DIM) for x in (k, v))
    mask = jnp.asarray(np.where(np.tril(np.ones((t, t), bool)), 0.0, -1e30), jnp.float32)
    out, strip = [], t // 4
    for i in range(0, t, strip):
        e = i + strip
        s = mm(q[:, :, i:e].reshape(b * KV, g * strip, HEAD_DIM), jnp.swapaxes(k[:, :e], -1, -2))
        s = jax.nn.softmax(s.reshape(b * KV, g, strip, e) + mask[i:e, :e], -1)
        out.append(mm(s.reshape(b * KV, g * strip, e), v[:, :e]).reshape(b * KV, g, strip, HEAD_DIM))
    out = jnp.concatenate(out, 2).reshape(b, KV, g, t, HEAD_DIM)
    return out.transpose(0, 3, 1, 2, 4).reshape(b, t, HEADS * HEAD_DIM)


def hidden(p, tokens):
    b, t = tokens.shape
    freq = THETA ** (-np.arange(0, HEAD_DIM, 2) / HEAD_DIM)
    angle = np.arange(t)[:, None, None] * freq
    cos, sin = jnp.asarray(np.cos(angle), jnp.float32), jnp.asarray(np.sin(angle), jnp.float32)
    split = lambda x, n: x.reshape(b, t, n, HEAD_DIM)
    x = p["embed"][tokens]
    for i in range(LAYERS):
        w = lambda name: p["%s%d" % (name, i)]
        h = rms(x, w("norm_a"))
        q, k, v = split(mm(h, w("q")), HEADS), split(mm(h, w("k")), KV), split(mm(h, w("v")), KV)
        x = x + mm(attention(rope(q, cos, sin), rope(k, cos, sin), v), w("o"))
        h = rms(x, w("norm_f"))
        x = x + mm(jax.nn.silu(mm(h, w("gate"))) * mm(h, w("up")), w("down"))
    return rms(x, p["norm"])


# The mean cross entropy with its gradient written out: softmax minus the one-hot target.
@jax.custom_vjp
def cross_entropy(h, embed, target):
    return entropy_fwd(h, embed, target)[0]


def entropy_fwd(h, embed, target):
    z = mm(h, embed.T)
    top = jax.nn.logsumexp(z, -1, keepdims=True)
    hit = jnp.arange(VOCAB) == target[:, None]
    return jnp.mean(top[:, 0] - jnp.sum(jnp.where(hit, z, 0.0), -1)), (h, embed, target, z, top)


def entropy_bwd(res, g):
    h, embed, target, z, top = res
    hit = jnp.arange(VOCAB) == target[:, None]
    dz = ((jnp.exp(z - top) - hit) * (g / z.shape[0])).astype(jnp.bfloat16)
    return mm(dz, embed), mm(dz.T, h), None


cross_entropy.defvjp(entropy_fwd, entropy_bwd)


def loss(p, tokens):
    h = hidden(p, tokens[:, :-1])
    return cross_entropy(h.reshape(-1, DIM), p["embed"], tokens[:, 1:].reshape(-1))


def orthogonal(g):
    """Newton-Schulz steps toward the nearest orthogonal matrix (the Muon optimizer)."""
    tall = g.shape[0] > g.shape[1]
    x = g.T if tall else g
    x = x / (jnp.linalg.norm(x) + 1e-7)
    for _ in range(5):
        a = mm(x, x.T)
        x = 3.4445 * x + mm(-4.7750 * a + 2.0315 * mm(a, a), x)
    return x.T if tall else x


@jax.jit
def update(p, m, v, tokens, step, scale):
    value, g = jax.value_and_grad(loss)(p, tokens)
    norm = jnp.sqrt(sum(jnp.sum(x * x) for x in g.values()))
    clip = jnp.minimum(1.0, 1.0 / (norm + 1e-6))
    new = {}, {}, {}
    for k in p:
        gk = g[k] * clip
        if p[k].ndim == 2 and k != "embed":
            mk = 0.95 * m[k] + gk
            d = orthogonal(gk + 0.95 * mk) * max(1.0, p[k].shape[1] / p[k].shape[0]) ** 0.5
            lr, vk = LR_MATRIX * scale, v[k]
            pk = p[k] * (1 - lr * WEIGHT_DECAY) - lr * d
        else:
            mk, vk = 0.9 * m[k] + 0.1 * gk, 0.98 * v[k] + 0.02 * gk * gk
            d = mk / (1 - 0.9 ** step) / (jnp.sqrt(vk / (1 - 0.98 ** step)) + 1e-10)
            pk = p[k] - LR_ADAM * scale * d
        for n, x in zip(new, (pk, mk, vk)):
            n[k] = x
    return new + (value,)


def batches(data, rng):
    while True:
        at = rng.integers(0, len(data) - CONTEXT - 1, BATCH)
        x = np.stack([data[i:i + CONTEXT + 1] for i in at]).astype(np.int32)
        x[:, 0] = 0                      # every window begins with BOS, as in a perplexity run
        yield x


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("work")
    ap.add_argument("--minutes", type=float, default=75)
    a = ap.parse_args()
    data = np.fromfile(a.work + "/train.bin", dtype=np.uint16)
    valid = np.fromfile(a.work + "/valid.bin", dtype=np.uint16)
    vb = batches(valid, np.random.default_rng(1))
    valid_set = [next(vb) for _ in range(6)]
    value = jax.jit(loss)
    p = init()
    m, v = ({k: jnp.zeros_like(x) for k, x in p.items()} for _ in range(2))
    step, spent, decay_from, decay_len = 0, 0.0, None, None
    path = a.work + "/ckpt.npz"
    if os.path.exists(path):
        c = np.load(path)
        p, m, v = ({k: jnp.asarray(c["%s.%s" % (n, k)]) for k in p} for n in "pmv")
        step, spent = int(c["step"]), float(c["spent"])
        if c["decay_len"] > 0:
            decay_from, decay_len = int(c["decay_from"]), int(c["decay_len"])
    stream = batches(data, np.random.default_rng(100 + step))

    def save():
        np.savez(path + ".tmp.npz", step=step, spent=spent, decay_from=decay_from or 0, decay_len=decay_len or 0,
                 **{"%s.%s" % (n, k): np.asarray(x) for n, d in zip("pmv", (p, m, v)) for k, x in d.items()})
        os.replace(path + ".tmp.npz", path)

    t, total, count = time.time(), 0.0, 0
    while True:
        if decay_from is None and step > 50 and (os.path.exists(a.work + "/decay")
                                                or spent > 60 * a.minutes * (1 - DECAY_PART)):
            decay_from, decay_len = step, int(step * DECAY_PART / (1 - DECAY_PART))
            print("decay over %d steps from step %d" % (decay_len, step), flush=True)
        scale = min(1.0, (step + 1) / WARMUP)
        if decay_from is not None:
            scale = max(0.0, 1 - (step - decay_from) / decay_len)
        if scale <= 0:
            break
        p, m, v, l = update(p, m, v, next(stream), step + 1, scale)
        step += 1
        total, count = total + float(l), count + 1
        if step % 50 == 0:
            dt = time.time() - t
            spent, t = spent + dt, time.time()
            per_step = BATCH * CONTEXT
            print("step %d tokens %.2fM loss %.4f %.0f tok/s %.1f min" % (
                step, step * per_step / 1e6, total / count, count * per_step / dt, spent / 60), flush=True)
            total, count = 0.0, 0
        if step % 500 == 0:
            print("valid %.4f" % np.mean([float(value(p, x)) for x in valid_set]), flush=True)
            save()
    print("valid %.4f" % np.mean([float(value(p, x)) for x in valid_set]), flush=True)
    save()


if __name__ == "__main__":
    main()
