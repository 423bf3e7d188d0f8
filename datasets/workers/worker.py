"""The worker protocol (docs/WORKER_PROTOCOL.md) on the side of a framework: JSON lines in, JSON lines out.

A worker is a class with what differs between frameworks; serve() does the rest. Only the standard library and numpy
are needed here, numpy only once an artifact is open.
"""
import gc
import glob
import importlib
import importlib.metadata
import importlib.util
import json
import os
import sys
import time
import traceback

PROTOCOL = 1
LONGEST_LINE = 64 << 20
INLINE = 4096  # so many logits go into the line where no file was named


class Lazy:
    """A module that is imported when it is first used: nobody should wait for it to be greeted."""

    def __init__(self, name):
        self.name = name

    def __getattr__(self, attribute):
        return getattr(importlib.import_module(self.name), attribute)


np = Lazy("numpy")


class Fault(Exception):
    """Becomes {"error": kind, "text": text}."""

    def __init__(self, kind, text):
        super().__init__(text)
        self.kind = kind


class Model:
    """One framework. packages: (distribution, module) pairs, the first installed one counts; needs: distributions
    that must be there beside it; library: where its shared
    object may lie below the module's folder, for the record; also: distributions whose version matters too; containers:
    what it loads; offloads: it shares a model out by layers."""
    packages, needs, also, library, containers, devices, takes_kv, offloads = (), (), (), (), (), ("cpu",), False, False

    def open(self, artifact, threads, context, device, options):
        """Loads it. Returns what is to be told beside the vocabulary: backend, kv, kernels."""
        raise NotImplementedError

    def reset(self):
        """Empties the context."""
        raise NotImplementedError

    def feed(self, ids):
        """Runs these ids behind what is there, to the logits of the last one: a numpy row, really computed."""
        raise NotImplementedError

    def rewind(self, history):
        """Back to these ids, the first of those that are there."""
        self.reset()
        if history:
            self.feed(history)

    def logits(self, ids):
        """All rows, of an emptied context: array [n][vocab]."""
        self.reset()
        return np.stack([np.array(self.feed([i]), dtype=np.float32) for i in ids])

    def next(self, ids):
        """The likeliest token behind these, in an emptied context."""
        self.reset()
        row = self.feed(ids)
        check_row(row)
        return int(np.argmax(row))

    def memory(self):
        return {}

    def close(self):
        pass

    def measure(self, tokens, n_prompt, n_gen, depth):
        """One repetition, the clock around nothing but the framework's work."""
        history, prompt, clock = tokens[:depth], tokens[depth:depth + n_prompt], time.perf_counter_ns
        reply = {"prefill_ns": None, "token_ns": []}
        self.reset()
        if history:
            self.feed(history)
        if n_prompt:
            begin = clock()
            row = self.feed(prompt)
            reply["prefill_ns"] = clock() - begin
            check_row(row)
        if n_gen:
            if n_prompt:
                self.rewind(history)
            before = clock()
            for token in tokens[:n_gen]:
                row = self.feed([token])
                now = clock()
                reply["token_ns"].append(now - before)
                before = now
            check_row(row)
        return reply


class Decoder(Model):
    """A model whose run() shows the rows of all new ids; of the last one alone, where its graph makes no more."""

    def run(self, ids):
        """Rows of these ids behind what is there, until the next call."""
        raise NotImplementedError

    def feed(self, ids):
        return self.run(ids)[-1]

    def logits(self, ids):
        self.reset()
        rows = self.run(ids)
        return rows if len(rows) == len(ids) else super().logits(ids)


def check_row(row):
    if not np.isfinite(np.asarray(row)).all():
        raise Fault("data", "the logits hold NaN or infinity")


def find_file(artifact, names, patterns):
    """The artifact itself where it is a file, else the first of the names in it, else the only match of a pattern."""
    if not os.path.isdir(artifact):
        return artifact
    for name in names:
        if os.path.exists(os.path.join(artifact, name)):
            return os.path.join(artifact, name)
    for pattern in patterns:
        found = sorted(glob.glob(os.path.join(glob.escape(artifact), pattern)))
        if len(found) == 1:
            return found[0]
    raise Fault("unsupported", f"{artifact} holds none of {', '.join(list(names) + list(patterns))}")


def check_devices(framework, wanted, available):
    """Of AUTO:GPU.1,CPU every device must be there; AUTO and its like are ways to use several."""
    have = {d.split(".")[0] for d in available} | set(available)
    for name in wanted.replace(":", ",").split(","):
        if name not in have | {"AUTO", "HETERO", "MULTI", "BATCH"}:
            raise Fault("unsupported", f"{framework} sees no device {name} here, only {', '.join(available)}")


def number(options, key, otherwise, allowed=()):
    """A whole number among the options, taken out of them."""
    text = str(options.pop(key, otherwise))
    if not text.isdigit() or allowed and int(text) not in allowed:
        raise Fault("format", f"{key}={text}: give {'one of ' + ' '.join(map(str, allowed)) if allowed else 'a number'}")
    return int(text)


def paired(ours, theirs):
    """What a producer answers: matrices by name, laid beside each other. Both are iterators of (name, array)."""
    own, n, counts, worst = dict(ours), 0, np.zeros(2, np.int64), (0, "")
    largest = sum_error = sum_own = 0.0
    for name, its in theirs:
        w = own.pop(name, None)
        if w is None or w.shape != its.shape:
            own[f"{name}, {'not ours' if w is None else 'of another shape'}"] = None
            continue
        error = np.abs(its.astype(np.float64) - w)
        differ = int(np.count_nonzero(error))
        n, counts, worst = n + 1, counts + [w.size, differ], max(worst, (differ, name if differ else ""))
        largest = max(largest, float(error.max()))
        sum_error, sum_own = sum_error + float(np.square(error).sum()), sum_own + float(np.square(w.astype(np.float64)).sum())
    if not n:
        raise Fault("format", f"none of its matrices is one of ours: {'; '.join(sorted(own)[:6])}")
    return {"matrices": n, "unpaired": len(own), "weights": int(counts[0]), "differ": int(counts[1]), "largest": largest,
            "relative": (sum_error / sum_own) ** 0.5 if sum_own else None, "worst": worst[1], "alone": sorted(own)[:8]}


def has(distribution):
    try:
        return bool(importlib.metadata.version(distribution))
    except importlib.metadata.PackageNotFoundError:
        return False


def installed(model, packages=None):
    """(distribution, version, module, folder of the module) of the first of them, without importing it."""
    for distribution, module in packages or model.packages:
        spec = importlib.util.find_spec(module)
        if not spec or not has(distribution):
            continue
        absent = [d for d in model.needs if not has(d)]
        if absent:
            raise Fault("missing", f"not found: pip install {' '.join(absent)} into {sys.executable}")
        folder = (spec.submodule_search_locations or [os.path.dirname(spec.origin)])[0]
        return distribution, importlib.metadata.version(distribution), module, folder
    raise Fault("missing", f"not found: pip install {model.packages[0][0]} into {sys.executable}")


def identity(model, packages=None):
    """Name, version and library for the record."""
    distribution, version, _, folder = installed(model, packages)
    found = [f for pattern in model.library
             for f in sorted(glob.glob(os.path.join(glob.escape(folder), pattern), recursive=True))]
    for other in filter(has, model.also):
        version += f", {other} {importlib.metadata.version(other)}"
    return {"name": distribution, "version": version, "library": os.path.realpath(found[0]) if found else ""}


class Server:
    def __init__(self, model, out):
        self.model, self.out, self.opened = model, out, False

    def hello(self, q):
        return {"protocol": PROTOCOL, **identity(self.model), "devices": list(self.model.devices),
                "containers": list(self.model.containers)}

    def open(self, q):
        options = dict(q.get("options", {}))
        if q.get("kv"):
            if not self.model.takes_kv:
                raise Fault("unsupported", f"its KV cache cannot be {q['kv']}")
            options["kv"] = q["kv"]
        if "gpu_layers" in q:
            if not self.model.offloads:
                raise Fault("unsupported", "it computes all layers in one place: give --backend, no --gpu-layers")
            options["n_gpu_layers"] = q["gpu_layers"]
        begin = time.perf_counter_ns()
        try:
            reply = self.model.open(q["artifact"], int(q.get("threads", 1)), int(q.get("context", 1024)),
                                    q.get("device", "cpu"), options) or {}
        except ImportError as e:
            raise Fault("missing", f"{type(e).__name__}: {e}; pip install what is missing into {sys.executable}") from e
        reply.setdefault("load_ns", time.perf_counter_ns() - begin)
        if "vocab" not in reply:  # one token shows whether it runs at all
            self.model.reset()
            row = self.model.feed([1])
            check_row(row)
            reply["vocab"] = len(row)
        self.opened = True
        return reply

    def measure(self, q):
        tokens, n_prompt, n_gen, depth = q["tokens"], q.get("n_prompt", 0), q.get("n_gen", 0), q.get("depth", 0)
        if len(tokens) < max(depth + n_prompt, n_gen):
            raise Fault("format", f"{len(tokens)} tokens are too few for this measurement")
        gc.collect()
        gc.disable()
        try:
            return self.model.measure(tokens, n_prompt, n_gen, depth)
        finally:
            gc.enable()

    def logits(self, q):
        rows = np.ascontiguousarray(self.model.logits(q["tokens"]), dtype="<f4")
        reply = {"rows": rows.shape[0], "vocab": rows.shape[1]}
        if q.get("path"):
            rows.tofile(q["path"])
        elif rows.size <= INLINE:
            reply["logits"] = [float(v) if np.isfinite(v) else None for v in rows.ravel()]
        else:
            raise Fault("format", f"{rows.size} logits need the path of a file")
        return reply

    def next(self, q):
        return {"token": self.model.next(q["tokens"])}

    def memory(self, q):
        return self.model.memory()

    def produce(self, q):
        return self.model.produce(q["plain"], q["ours"], q["out"], q["format"], int(q.get("threads", 1)))

    def answer(self, q):
        call = q.get("call")
        calls = ["hello", "open", "measure", "logits", "next", "memory"] + ["produce"] * hasattr(self.model, "produce")
        if call not in calls:
            raise Fault("unsupported", f"unknown call {call!r}")
        if call in ("measure", "logits", "next", "memory") and not self.opened:
            raise Fault("format", f"{call} before open")
        return getattr(self, call)(q)

    def say(self, reply):
        self.out.write(json.dumps(reply, allow_nan=False) + "\n")
        self.out.flush()

    def run(self, lines):
        while True:
            line = lines.readline(LONGEST_LINE + 1)
            if not line:
                return
            try:
                q = json.loads(line)
            except ValueError:
                self.say({"id": None, "error": "format", "text": "a line that is no JSON"})
                continue
            number = q.get("id")
            if q.get("call") == "close":
                self.model.close()
                self.say({"id": number})
                return
            try:
                self.say({"id": number, **self.answer(q)})
            except Fault as e:
                self.say({"id": number, "error": e.kind, "text": str(e)})
            except MemoryError as e:
                self.say({"id": number, "error": "memory", "text": f"out of memory: {e}"})
            except Exception as e:  # whatever a framework throws
                traceback.print_exc()
                text = " ".join(str(e).split())
                self.say({"id": number, "error": "failed", "text": f"{type(e).__name__}: {text[:400]}"})


def serve(model):
    """Frameworks print to stdout what they like: it goes to stderr, answers to what was stdout."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    Server(model, out).run(sys.stdin.buffer)
    out.flush()
    os._exit(0)  # teardown of a framework at exit is nobody's measurement
