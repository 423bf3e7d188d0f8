"""ONNX Runtime GenAI: its generator, fed token by token."""
import json

from worker import Fault, Model, np, number, serve

LEVELS = {0: "DISABLE_ALL", 1: "ENABLE_BASIC", 2: "ENABLE_EXTENDED", 99: "ENABLE_ALL"}


class OnnxRuntimeGenAI(Model):
    packages = (("onnxruntime-genai", "onnxruntime_genai"), ("onnxruntime-genai-cuda", "onnxruntime_genai"))
    also = ("onnxruntime",)
    library = ("libonnxruntime-genai.so*",)
    containers = ("onnx",)
    devices = ("cpu", "cuda")

    def open(self, artifact, threads, context, device, options):
        import onnxruntime_genai as og
        self.og = og
        config = og.Config(artifact)
        config.clear_providers()
        if device != "cpu":
            config.append_provider(device)
        if "graph_optimization_level" in options:
            level = number(options, "graph_optimization_level", 99, LEVELS)
            options["graph_optimization_level"] = "ORT_" + LEVELS[level]
        session = {"intra_op_num_threads": threads, **options}
        config.overlay(json.dumps({"model": {"decoder": {"session_options": session}}}))
        try:
            self.model = og.Model(config)
        except RuntimeError as e:
            if device != "cpu" and "not available" in str(e):
                raise Fault("unsupported", f"this onnxruntime-genai drives no {device}: {str(e)[:120]}") from e
            raise
        self.context = context
        self.generator = None
        return {"backend": device}

    def reset(self):
        if self.generator is None:
            params = self.og.GeneratorParams(self.model)
            params.set_search_options(max_length=self.context, min_length=0, do_sample=False, batch_size=1)
            self.generator = self.og.Generator(self.model, params)
        else:
            self.generator.rewind_to(0)

    def rewind(self, history):
        self.generator.rewind_to(len(history))

    def feed(self, ids):
        self.generator.append_tokens(np.array([ids], dtype=np.int32))
        return np.asarray(self.generator.get_logits()).reshape(-1, self.width())[-1]

    def width(self):
        if not hasattr(self, "n_vocab"):
            self.n_vocab = np.asarray(self.generator.get_logits()).shape[-1]
        return self.n_vocab


if __name__ == "__main__":
    serve(OnnxRuntimeGenAI())
