"""What the own engine answers (answers_raw), and how far another program's answers are from that."""
import subprocess
from dataclasses import dataclass
from packages import np


@dataclass
class Answers:
    tokens: np.ndarray  # [chunks, n_ctx]
    greedy: list        # ids behind the first chunk
    logits: np.ndarray  # [chunks, n_ctx, vocabulary]


@dataclass
class Comparison:
    most: float  # largest difference of a logit
    kld: float   # mean over all positions
    same: int    # greedy tokens before the first that differs
    of: int

    def __str__(self):
        return f"max |d| {self.most:.2g}, KLD {self.kld:.2g}, greedy {self.same} of {self.of}"


def ask(program, model, seed, fmt, numerics, text, n_ctx, n_chunks, n_gen):
    run = subprocess.run([program, model, str(seed), fmt, numerics, text, str(n_ctx), str(n_chunks), str(n_gen)],
                         capture_output=True, check=False)
    if run.returncode:
        raise SystemExit(f"{model}, {fmt}: {run.stderr.decode()}")
    parts, at = {}, 0
    while at < len(run.stdout):
        end = run.stdout.index(b"\n", at)
        name, size = run.stdout[at:end].decode().split(" ")
        parts[name] = memoryview(run.stdout)[end + 1:end + 1 + int(size)]
        at = end + 1 + int(size)
    return Answers(np.frombuffer(parts["tokens"], "<i4").reshape(n_chunks, n_ctx), np.frombuffer(parts["greedy"], "<i4").tolist(),
                   np.frombuffer(parts["logits"], "<f4").reshape(n_chunks, n_ctx, -1))


def log_softmax(x):
    x = x.astype(np.float64)
    x -= x.max(-1, keepdims=True)
    return x - np.log(np.exp(x).sum(-1, keepdims=True))


def compared(ours, logits, greedy):
    kld = 0.0
    for a, b in zip(ours.logits, logits):
        p, q = log_softmax(a), log_softmax(b)
        kld += float((np.exp(p) * (p - q)).sum(-1).mean()) / len(ours.logits)
    same = next((i for i, (a, b) in enumerate(zip(ours.greedy, greedy)) if a != b), len(ours.greedy))
    return Comparison(float(np.abs(ours.logits - logits).max()), kld, same, len(ours.greedy))
