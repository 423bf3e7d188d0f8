"""OpenVINO GenAI: its pipeline's own loop, greedy, by its own times of tokens, which must fit the clock around them. It shows no logits."""
import time

from worker import Fault, Model, check_devices, find_file, np, serve

DEFAULT_VOCABULARY = 32000  # of any tokens that are fed: where the graph does not say


class OpenVINOGenAI(Model):
    packages = (("openvino-genai", "openvino_genai"),)
    also = ("openvino",)
    library = ("libopenvino_genai.so.*",)
    containers = ("openvino",)
    devices = ("cpu", "gpu", "npu", "auto")

    def open(self, artifact, threads, context, device, options):
        import openvino
        import openvino_genai
        self.ov, self.genai = openvino, openvino_genai
        check_devices("OpenVINO", device.upper(), openvino.Core().available_devices)
        config = {"INFERENCE_NUM_THREADS": threads, **options} if device == "cpu" else dict(options)
        if device in ("cpu", "gpu"):
            scheduler = openvino_genai.SchedulerConfig()
            scheduler.enable_prefix_caching = False  # a prompt that was seen before must be evaluated again
            scheduler.max_num_batched_tokens = 2**63 - 1  # a prompt in one piece, as the pipeline does by itself
            config["scheduler_config"] = scheduler
        self.pipe = openvino_genai.LLMPipeline(artifact, device.upper(), **config)
        self.run([1], 2)
        graph = openvino.Core().read_model(find_file(artifact, ["openvino_model.xml"], ["*.xml"]))
        width = graph.output("logits").get_partial_shape()[2]
        return {"vocab": width.get_length() if width.is_static else DEFAULT_VOCABULARY, "backend": device}

    def next(self, ids):
        return int(self.run(ids, 1)[1].tokens[0][-1])

    def run(self, ids, n):
        """The nanoseconds of the call, and what came of it: n tokens. No streamer: its callback would take part of a CPU."""
        config = self.genai.GenerationConfig(max_new_tokens=n, min_new_tokens=n, ignore_eos=True, do_sample=False)
        tokens = self.ov.Tensor(np.array([ids], dtype=np.int64))
        mask = self.ov.Tensor(np.ones((1, len(ids)), dtype=np.int64))
        begin = time.perf_counter_ns()
        result = self.pipe.generate(self.genai.TokenizedInputs(tokens, mask), config)
        took = time.perf_counter_ns() - begin
        if len(result.tokens[0]) != n:
            raise Fault("failed", f"asked for {n} tokens, it made {len(result.tokens[0])}")
        return took, result

    def within(self, took, microseconds):
        """The pipeline's own times of tokens, in nanoseconds; the call they were in took so long."""
        ns = [int(1000 * us) for us in microseconds]
        if not ns or sum(ns) > took:
            raise Fault("failed", "the times of its tokens do not fit the time of the call")
        return ns

    def measure(self, tokens, n_prompt, n_gen, depth):
        if depth:
            raise Fault("unsupported", "the pipeline of openvino-genai cannot start behind a depth")
        reply = {"prefill_ns": None, "token_ns": []}
        if n_prompt:
            self.run(tokens[:1], 1)  # its threads awake and its weights in the caches, as behind an earlier answer
            took, result = self.run(tokens[:n_prompt], 1)
            reply["prefill_ns"] = self.within(took, [result.perf_metrics.raw_metrics.m_times_to_first_token[0]])[0]
        if n_gen:  # microseconds between its tokens, one more than are asked for: the first is the step of the prompt
            took, result = self.run(tokens[:1], n_gen + 1)
            reply["token_ns"] = self.within(took, result.perf_metrics.raw_metrics.m_durations[:n_gen])
        return reply

    def logits(self, ids):
        raise Fault("unsupported", "openvino-genai shows no logits")


if __name__ == "__main__":
    serve(OpenVINOGenAI())
