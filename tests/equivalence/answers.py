"""What the own engine answers (answers_raw), and how far another program's answers are from that."""
import subprocess
from dataclasses import dataclass
from packages import np


@dataclass
class Answers:
    tokens: np.ndarray  # [chunks, n_ctx]
    greedy: list        # ids behind the first half of the first chunk
    logits: np.ndarray  # [chunks, n_ctx, vocabulary]


@dataclass
class Comparison:
    most: float  # largest difference of a logit
    kld: float   # mean over the positions of the scored halves
    same: int    # greedy tokens before the first that differs
    of: int

    def __str__(self):
        return f"max |d| {self.most:.2g}, KLD {self.kld:.2g}, greedy {self.same} of {self.of}"


class Refused(Exception):
    """What the program says to that."""


def ask(program, model, seed, fmt, numerics, text, n_ctx, n_chunks, n_gen, out=None):
    """out: where the artifact is written as well."""
    args = [program, model, str(seed), fmt, numerics, text, str(n_ctx), str(n_chunks), str(n_gen)] + ([out] if out else [])
    run = subprocess.run(args, capture_output=True, check=False)
    if run.returncode:
        raise Refused(run.stderr.decode().strip())
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


def kld(want, have):
    """Mean over the positions of the scored half, as everywhere in this program."""
    total = 0.0
    for a, b in zip(want, have):
        n = len(a)
        p, q = (log_softmax(x[n // 2:n - 1]) for x in (a, b))
        total += float((np.exp(p) * (p - q)).sum(-1).mean()) / len(want)
    return total


def same_greedy(want, have):
    return next((i for i, (a, b) in enumerate(zip(want, have)) if a != b), min(len(want), len(have)))


def compared(ours, logits, greedy):
    logits = logits[..., :ours.logits.shape[-1]]  # some vocabularies are padded
    return Comparison(float(np.abs(ours.logits - logits).max()), kld(ours.logits, logits), same_greedy(ours.greedy, greedy),
                      len(ours.greedy))
