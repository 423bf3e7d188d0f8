"""OpenVINO: an infer request on a decoder in IR form, its KV cache inside (stateful), or without any."""
from worker import Decoder, Fault, check_devices, find_file, np, serve


class OpenVINO(Decoder):
    packages = (("openvino", "openvino"),)
    library = ("libs/libopenvino.so.*",)
    containers = ("openvino",)
    devices = ("cpu", "gpu", "npu", "auto")

    def open(self, artifact, threads, context, device, options):
        import openvino
        core = openvino.Core()
        name = device.upper()
        check_devices("OpenVINO", name, core.available_devices)
        config = {"PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": "1"}
        if name == "CPU":
            config["INFERENCE_NUM_THREADS"] = threads
        config.update(options)
        model = core.read_model(find_file(artifact, ["openvino_model.xml", "openvino_language_model.xml"], ["*.xml"]))
        self.inputs = {n: i.get_element_type().to_dtype() for i in model.inputs for n in i.get_names()}
        self.stateful = bool(model.get_sinks())
        if "input_ids" not in self.inputs:
            raise Fault("unsupported", f"{artifact} has inputs {', '.join(self.inputs)}, and none is input_ids")
        compiled = core.compile_model(model, name, config)
        self.request = compiled.create_infer_request()
        self.output = next((o for o in compiled.outputs if "logits" in o.get_names()), compiled.outputs[0])
        self.past = []
        kv = compiled.get_property("KV_CACHE_PRECISION") if name == "CPU" and self.stateful else None
        where = compiled.get_property("EXECUTION_DEVICES")  # what AUTO chose
        device = ",".join(where).lower() if isinstance(where, list) and where else device
        return {"backend": device, "kv": kv.get_type_name() if kv else ""}

    def reset(self):
        if self.stateful:
            self.request.reset_state()
        self.past = []

    def run(self, ids):
        """The rows of the new ids: a view that the next call overwrites."""
        at, end = len(self.past), len(self.past) + len(ids)
        self.past = self.past + ids
        new, begin = (ids, at) if self.stateful else (self.past, 0)
        known = {"input_ids": lambda: [new], "attention_mask": lambda: np.ones((1, end)),
                 "position_ids": lambda: [range(begin, end)], "beam_idx": lambda: [0]}
        self.request.infer({n: np.array(known[n](), dtype=t) for n, t in self.inputs.items() if n in known})
        return self.request.get_tensor(self.output).data[0]


if __name__ == "__main__":
    serve(OpenVINO())
