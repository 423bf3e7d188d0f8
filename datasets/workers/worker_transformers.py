"""Hugging Face transformers on PyTorch: plain, AWQ, GPTQ and bitsandbytes folders, as from_pretrained loads them."""
import os

from worker import Fault, Model, serve


class Transformers(Model):
    packages = (("transformers", "transformers"),)
    needs = also = ("torch",)
    library = ("../torch/lib/libtorch_cpu.so",)
    containers = ("hf", "awq", "gptq")
    devices = ("cpu", "cuda", "xpu", "mps")

    def open(self, artifact, threads, context, device, options):
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
        import torch
        import transformers
        self.torch, self.transformers = torch, transformers
        torch.set_num_threads(threads)
        torch.set_grad_enabled(False)
        if device != "cpu" and not getattr(torch, device).is_available():
            raise Fault("unsupported", f"this PyTorch has no {device} here")
        kind = getattr(torch, options["dtype"]) if "dtype" in options else "auto"
        self.model = transformers.AutoModelForCausalLM.from_pretrained(artifact, dtype=kind, device_map=device,
                                                                       local_files_only=True).eval()
        self.reset()
        return {"backend": device, "kv": str(self.model.dtype).removeprefix("torch.")}

    def reset(self):
        self.cache = self.transformers.DynamicCache()

    def rewind(self, history):
        if history:
            self.cache.crop(len(history))
        else:
            self.reset()

    def run(self, ids, keep):
        tensor = self.torch.tensor([ids], device=self.model.device)
        out = self.model(input_ids=tensor, past_key_values=self.cache, use_cache=True, logits_to_keep=keep)
        return out.logits[0].float().cpu().numpy()

    def feed(self, ids):
        return self.run(ids, 1)[-1]

    def logits(self, ids):
        self.reset()
        return self.run(ids, 0)


if __name__ == "__main__":
    serve(Transformers())
