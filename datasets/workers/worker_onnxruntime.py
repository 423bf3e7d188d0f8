"""ONNX Runtime: a session on a decoder graph with past and present keys and values, or on one without."""
import json
import os

from worker import Decoder, Fault, find_file, np, number, serve

PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider", "dml": "DmlExecutionProvider",
             "rocm": "ROCMExecutionProvider", "openvino": "OpenVINOExecutionProvider",
             "coreml": "CoreMLExecutionProvider", "qnn": "QNNExecutionProvider",
             "tensorrt": "TensorrtExecutionProvider", "dnnl": "DnnlExecutionProvider",
             "webgpu": "WebGpuExecutionProvider", "xnnpack": "XnnpackExecutionProvider"}
TYPES = {"tensor(float)": "float32", "tensor(float16)": "float16", "tensor(int64)": "int64",
         "tensor(int32)": "int32", "tensor(int8)": "int8", "tensor(uint8)": "uint8"}


class OnnxRuntime(Decoder):
    packages = (("onnxruntime", "onnxruntime"), ("onnxruntime-gpu", "onnxruntime"))
    library = ("capi/libonnxruntime.so*", "capi/onnxruntime_pybind11_state*.so")
    containers = ("onnx",)
    devices = tuple(PROVIDERS)

    def open(self, artifact, threads, context, device, options):
        import onnxruntime as ort
        self.ort = ort
        provider = PROVIDERS.get(device, device)
        if provider not in ort.get_available_providers():
            raise Fault("unsupported", f"this onnxruntime has no {provider}, only {', '.join(ort.get_available_providers())}")
        genai, name = {}, None
        config = os.path.join(artifact, "genai_config.json")
        if os.path.isdir(artifact) and os.path.exists(config):
            with open(config, encoding="utf-8") as f:
                genai = json.load(f)
            name = genai.get("model", {}).get("decoder", {}).get("filename")
        settings = ort.SessionOptions()
        settings.intra_op_num_threads = threads
        settings.inter_op_num_threads = 1
        settings.log_severity_level = 3
        levels = {0: "DISABLE_ALL", 1: "ENABLE_BASIC", 2: "ENABLE_EXTENDED", 99: "ENABLE_ALL"}
        level = levels[number(options, "graph_optimization_level", 99, levels)]
        settings.graph_optimization_level = getattr(ort.GraphOptimizationLevel, "ORT_" + level)
        for key, value in options.items():
            settings.add_session_config_entry(key, str(value))
        self.session = ort.InferenceSession(find_file(artifact, [name] if name else ["model.onnx"], ["*.onnx"]), settings,
                                            providers=[provider])
        if provider not in self.session.get_providers():  # it falls back to the CPU without a word
            raise Fault("unsupported", f"onnxruntime cannot start {provider} here: its library or driver is missing")
        self.device = "cpu" if provider == "CPUExecutionProvider" else device
        self.context = context
        # What GenAI does with such a graph too: one buffer that the keys and values are appended to.
        self.shared = bool(genai.get("search", {}).get("past_present_share_buffer"))
        self.read_names(artifact)
        self.reset()
        kv = self.past[0][2] if self.past else None
        return {"backend": "cpu" if self.device == "cpu" else provider, "kv": kv or ""}

    def read_names(self, artifact):
        inputs, outputs = self.session.get_inputs(), [o.name for o in self.session.get_outputs()]
        self.plain = {i.name: TYPES[i.type] for i in inputs if "past" not in i.name}
        if "input_ids" not in self.plain:
            raise Fault("unsupported", f"{artifact} has inputs {', '.join(self.plain)}, and none is input_ids")
        unknown = set(self.plain) - {"input_ids", "attention_mask", "position_ids"}
        if unknown:
            raise Fault("unsupported", f"{artifact} wants {', '.join(sorted(unknown))}, which this worker does not know")
        presents = [o for o in outputs if "present" in o]
        pasts = [i for i in inputs if "past" in i.name]
        if len(presents) != len(pasts):
            raise Fault("unsupported", f"{artifact} takes {len(pasts)} pasts and makes {len(presents)} presents")
        self.logits_name = "logits" if "logits" in outputs else outputs[0]
        self.past = []  # (name of the past, name of the present, type, shape without positions)
        for i, p in enumerate(pasts):
            present = p.name.replace("past_key_values", "present")
            shape = [d if isinstance(d, int) else None for d in p.shape]
            self.past.append((p.name, present if present in presents else presents[i], TYPES[p.type], shape))

    def reset(self):
        self.seen = []
        n = self.context if self.shared else 0
        self.cache = []
        for _, _, kind, shape in self.past:  # [batch][heads][positions][width]
            zeros = np.zeros((1, shape[1], n, shape[3]), dtype=kind)
            self.cache.append(self.ort.OrtValue.ortvalue_from_numpy(zeros, self.device))

    def rewind(self, history):
        if self.shared and self.seen[:len(history)] == history:
            self.seen = list(history)
        else:
            super().rewind(history)

    def run(self, ids):
        at = len(self.seen)
        self.seen = self.seen + ids
        new, begin = (ids, at) if self.past else (self.seen, 0)
        known = {"input_ids": lambda: [new], "attention_mask": lambda: np.ones((1, len(self.seen))),
                 "position_ids": lambda: [range(begin, len(self.seen))]}
        binding = self.session.io_binding()
        for name, kind in self.plain.items():
            binding.bind_cpu_input(name, np.array(known[name](), dtype=kind))
        binding.bind_output(self.logits_name)
        for (past, present, _, _), value in zip(self.past, self.cache):
            binding.bind_ortvalue_input(past, value)
            if self.shared:
                binding.bind_ortvalue_output(present, value)
            else:
                binding.bind_output(present, self.device)
        self.session.run_with_iobinding(binding)
        out = binding.get_outputs()
        if not self.shared:
            self.cache = out[1:]
        return out[0].numpy()[0]


if __name__ == "__main__":
    serve(OnnxRuntime())
