"""One artifact in one framework, through its class of datasets/workers, in a process of its own (frameworks.py starts it):
run_framework.py WORKER ARTIFACT ASKED.npz ANSWERS.npz. ASKED: tokens i64[chunks][n_ctx], n_gen, options as JSON.
ANSWERS: logits of all positions chunk by chunk, ids behind the first half of the first chunk; "" where there are none."""
import importlib
import json
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:] = [p for p in sys.path if os.path.abspath(p) != HERE] + [os.path.join(HERE, "../../datasets/workers")]
import numpy as np  # noqa: E402
import worker  # noqa: E402


def greedy(model, prompt, n):
    """Token by token behind the cache, as a conversation runs."""
    model.reset()
    found, row = [], model.feed(prompt)
    while True:
        found.append(int(np.argmax(row)))
        if len(found) == n:
            return found
        row = model.feed(found[-1:])


def generate(model, prompt, n):
    """OpenVINO GenAI shows no logits: what its own loop makes."""
    import openvino_genai as genai
    config = genai.GenerationConfig(max_new_tokens=n, ignore_eos=True, do_sample=False)
    ids = model.ov.Tensor(np.array([prompt], np.int64))
    mask = model.ov.Tensor(np.ones((1, len(prompt)), np.int64))
    return list(model.pipe.generate(genai.TokenizedInputs(ids, mask), config).tokens[0])


def main():
    name, artifact, asked, answers = sys.argv[1:]
    asked = np.load(asked)
    tokens, n_gen = asked["tokens"], int(asked["n_gen"])
    module = importlib.import_module("worker_" + name)
    model = next(c for c in vars(module).values() if isinstance(c, type) and issubclass(c, worker.Model) and c.__module__ == module.__name__)()
    said = worker.identity(model)
    said |= {k: v for k, v in (model.open(artifact, 2, tokens.shape[1] + n_gen, "cpu", json.loads(str(asked["options"]))) or {}).items()
             if k in ("name", "version")}
    prompt = tokens[0, :tokens.shape[1] // 2].tolist()
    if name == "openvino_genai":
        ids, logits = generate(model, prompt, n_gen), ""
    else:
        ids = greedy(model, prompt, n_gen)
        logits = np.stack([np.array(model.logits(chunk.tolist()), np.float32) for chunk in tokens])
    np.savez(answers, greedy=np.array(ids), logits=logits, name=said["name"], version=said["version"])
    sys.stdout.flush()
    os._exit(0)  # some frameworks crash while they are torn down


try:
    main()
except (worker.Fault, Exception) as e:  # whatever a framework throws
    print(f"{type(e).__name__}: {' '.join(str(e).split())[:300]}" if not isinstance(e, worker.Fault) else str(e), file=sys.stderr)
    os._exit(1)
