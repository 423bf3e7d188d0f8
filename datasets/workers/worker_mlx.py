"""MLX: a folder as mlx_lm loads it, evaluated step by step as mlx_lm.generate does."""
import os
import pathlib

from worker import Fault, Model, np, serve


class MLX(Model):
    packages = (("mlx-lm", "mlx_lm"),)
    also = ("mlx",)
    library = ("../mlx/lib/libmlx.so",)
    containers = ("mlx",)
    devices = ("cpu", "gpu")

    def open(self, artifact, threads, context, device, options):
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
        import mlx.core as mx
        from mlx_lm.models.cache import can_trim_prompt_cache, make_prompt_cache, trim_prompt_cache
        from mlx_lm.utils import load_model
        if device == "gpu" and not mx.metal.is_available() and not getattr(mx, "cuda", mx.metal).is_available():
            raise Fault("unsupported", "this mlx has no GPU here")
        mx.set_default_device(mx.gpu if device == "gpu" else mx.cpu)
        self.mx, self.make, self.trim = mx, make_prompt_cache, trim_prompt_cache
        self.model = load_model(pathlib.Path(artifact))[0]
        if "dtype" in options:
            self.model.set_dtype(getattr(mx, options["dtype"]))
        self.cache = self.make(self.model)
        self.can_trim = can_trim_prompt_cache(self.cache)
        self.n = 0
        return {"backend": device, "kv": ""}

    def reset(self):
        self.cache = self.make(self.model)
        self.n = 0

    def rewind(self, history):
        if history and self.can_trim and self.n > len(history):
            self.trim(self.cache, self.n - len(history))
            self.n = len(history)
        else:
            super().rewind(history)

    def feed(self, ids):
        if len(ids) > 1:  # as mlx_lm: what is before the last token fills the cache only, so its logits are never computed
            self.model(self.mx.array([ids[:-1]]), cache=self.cache)
            self.mx.eval([c.state for c in self.cache])
        row = self.model(self.mx.array([ids[-1:]]), cache=self.cache)[0, -1].astype(self.mx.float32)
        self.mx.eval(row, [c.state for c in self.cache])
        self.n += len(ids)
        return np.array(row)

    def logits(self, ids):
        self.reset()
        return np.array(self.model(self.mx.array([ids]), cache=self.cache)[0].astype(self.mx.float32))


if __name__ == "__main__":
    serve(MLX())
