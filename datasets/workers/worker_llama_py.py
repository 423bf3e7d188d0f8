"""llama.cpp inside Python: llama-cpp-python and llama-cpp-py-sync through the C interface that both show, xllamacpp,
which shows a server only, through that."""
import ctypes
import json

from worker import Fault, Model, find_file, has, identity, np, number, serve

BATCH, ALL_LAYERS = 512, 999
CPU_ALONE = "this llama.cpp was built for the CPU alone: it drives no device "
KV_TYPES = {"f32": 0, "f16": 1, "q4_0": 2, "q4_1": 3, "q5_0": 6, "q5_1": 7, "q8_0": 8, "bf16": 30}


class Llama(Model):
    packages = (("llama-cpp-python", "llama_cpp"), ("llama-cpp-py-sync", "llama_cpp_py_sync"), ("xllamacpp", "xllamacpp"))
    library = ("**/libllama.so", "*.so")
    containers = ("gguf",)
    devices = ("cpu", "gpu")
    takes_kv = offloads = True

    def open(self, artifact, threads, context, device, options):
        path, failed = find_file(artifact, [], ["*.gguf"]), []
        for package in self.packages:
            if not has(package[0]):
                continue
            interface = ServerInterface if package[1] == "xllamacpp" else CInterface
            try:
                self.engine = interface(package[1], path, threads, context, device, options)
                return {**self.engine.told, **identity(self, [package])}
            except (ImportError, OSError, RuntimeError) as e:  # its library may want another system: the next one
                failed.append(f"{package[0]}: {str(e)[:150]}")
        raise Fault("missing", "; ".join(failed))

    def reset(self):
        self.engine.reset()

    def rewind(self, history):
        self.engine.rewind(history)

    def feed(self, ids):
        return self.engine.feed(ids)

    def logits(self, ids):
        return self.engine.logits(ids)

    def measure(self, tokens, n_prompt, n_gen, depth):
        own = getattr(self.engine, "measure", None)
        return own(tokens, n_prompt, n_gen, depth) if own else super().measure(tokens, n_prompt, n_gen, depth)


def gpu_layers(options, device):
    if options.get("n_gpu_layers") == "all":
        return ALL_LAYERS
    return number(options, "n_gpu_layers", 0 if device == "cpu" else ALL_LAYERS)


class CInterface:
    """llama_decode and llama_get_logits, as llama-bench calls them."""

    def __init__(self, module, path, threads, context, device, options):
        if module == "llama_cpp":
            import llama_cpp
            self.lib, self.address, self.ids_of = llama_cpp, address_ctypes, lambda ids: (ctypes.c_int32 * len(ids))(*ids)
        else:
            from llama_cpp_py_sync._cffi_bindings import get_ffi, get_lib
            ffi, self.lib = get_ffi(), get_lib()
            self.address, self.ids_of = lambda p: int(ffi.cast("uintptr_t", p)), lambda ids: ffi.new("int32_t[]", ids)
        lib = self.lib
        lib.llama_backend_init()
        params = lib.llama_model_default_params()
        layers = params.n_gpu_layers = gpu_layers(options, device)
        if layers and not lib.llama_supports_gpu_offload():
            raise Fault("unsupported", CPU_ALONE + device)
        self.model = lib.llama_model_load_from_file(path.encode(), params)
        if not self.address(self.model):
            raise Fault("unsupported", f"llama.cpp cannot load {path}")
        layers = min(layers, lib.llama_model_n_layer(self.model) + 1)
        c = lib.llama_context_default_params()
        c.n_ctx, c.n_batch, c.n_ubatch = context, max(BATCH, context), BATCH
        c.n_threads = c.n_threads_batch = threads
        k, v = (options.get("kv", "f16").split("/") * 2)[:2]
        c.type_k, c.type_v = KV_TYPES[k], KV_TYPES[v]
        if "flash_attn" in options:
            c.flash_attn_type = int(options["flash_attn"])
        self.context = lib.llama_init_from_model(self.model, c)
        if not self.address(self.context):
            raise Fault("memory", f"llama.cpp cannot make a context of {context} for {path}")
        self.n_vocab = lib.llama_vocab_n_tokens(lib.llama_model_get_vocab(self.model))
        self.memory = lib.llama_get_memory(self.context)
        self.batch = lib.llama_batch_init(max(BATCH, context), 0, 1)
        self.n = 0
        self.told = {"vocab": self.n_vocab, "backend": device if layers else "cpu", "gpu_layers": layers,
                     "kv": k if k == v else f"{k}/{v}"}
        self.feed([1])

    def reset(self):
        self.rewind([])

    def rewind(self, history):
        self.n = len(history)
        self.lib.llama_memory_seq_rm(self.memory, 0, self.n, -1)

    def run(self, ids, every_row):
        b = self.batch
        b.n_tokens = len(ids)
        for i, token in enumerate(ids):
            b.token[i], b.pos[i], b.n_seq_id[i] = token, self.n + i, 1
            b.seq_id[i][0] = 0
            b.logits[i] = every_row or i == len(ids) - 1
        if self.lib.llama_decode(self.context, b) != 0:
            raise Fault("failed", f"llama_decode refused {len(ids)} tokens behind {self.n}")
        self.n += len(ids)
        rows = len(ids) if every_row else 1
        at = self.address(self.lib.llama_get_logits(self.context))  # waits for them
        flat = (ctypes.c_float * (rows * self.n_vocab)).from_address(at)
        return np.frombuffer(flat, dtype=np.float32).reshape(rows, self.n_vocab)

    def feed(self, ids):
        return self.run(ids, False)[0]

    def logits(self, ids):
        self.reset()
        return self.run(ids, True)


def address_ctypes(p):
    return ctypes.cast(p, ctypes.c_void_p).value or 0 if p is not None and not isinstance(p, int) else p or 0


class ServerInterface:
    """xllamacpp: llama-server inside the process, its own times."""

    def __init__(self, module, path, threads, context, device, options):
        import xllamacpp
        p = xllamacpp.CommonParams()
        p.model.path = path
        p.n_ctx, p.n_batch, p.n_ubatch, p.n_parallel = context + 8, BATCH, BATCH, 1
        p.cpuparams.n_threads = p.cpuparams_batch.n_threads = threads
        p.n_gpu_layers = gpu_layers(options, device)
        if p.n_gpu_layers and all(d["name"] == "CPU" for d in xllamacpp.get_device_info()):
            raise Fault("unsupported", CPU_ALONE + device)
        p.warmup = False
        self.server = xllamacpp.Server(p)
        from_file = vocabulary_size(path)
        self.told = {"vocab": from_file, "backend": device if p.n_gpu_layers else "cpu", "kv": "f16"}
        self.ask([1], 1)

    def ask(self, ids, n):
        got = self.server.handle_completions({"prompt": ids, "n_predict": n, "max_tokens": n, "ignore_eos": True,
                                              "temperature": 0, "top_k": 1, "cache_prompt": False, "stream": False})
        got = json.loads(got) if isinstance(got, (str, bytes)) else got
        if "timings" not in got:
            raise Fault("failed", f"xllamacpp answered without times: {str(got)[:200]}")
        return got["timings"]

    def measure(self, tokens, n_prompt, n_gen, depth):
        if depth:
            raise Fault("unsupported", "xllamacpp cannot start behind a depth")
        reply = {"prefill_ns": None}
        if n_prompt:
            reply["prefill_ns"] = self.ask(tokens[:n_prompt], 1)["prompt_ms"] * 1e6
        if n_gen:  # the first token comes with the prompt
            t = self.ask(tokens[:1], n_gen + 1)
            reply["decode_ns"] = t["predicted_ms"] * 1e6
        return reply

    def reset(self):
        pass

    def rewind(self, history):
        pass

    def feed(self, ids):
        raise Fault("unsupported", "xllamacpp shows no logits")

    def logits(self, ids):
        raise Fault("unsupported", "xllamacpp shows no logits")


def vocabulary_size(path):
    """tokenizer.ggml.tokens's length, from the header of the file."""
    import struct
    with open(path, "rb") as f:
        head = f.read(1 << 22)
    key = b"tokenizer.ggml.tokens"
    at = head.find(struct.pack("<Q", len(key)) + key)
    if at < 0:
        raise Fault("format", f"{path} names no tokens")
    return struct.unpack_from("<Q", head, at + 8 + len(key) + 8)[0]


if __name__ == "__main__":
    serve(Llama())
