"""ONNX Runtime GenAI: its generator, fed token by token."""
from worker import Fault, Model, np, serve


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
        config.overlay('{"model": {"decoder": {"session_options": {"intra_op_num_threads": %d}}}}' % threads)
        self.model = og.Model(config)
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


serve(OnnxRuntimeGenAI())
