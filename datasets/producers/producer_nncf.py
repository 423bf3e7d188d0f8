"""NNCF: compress_weights on the OpenVINO graph of the model in f32, and what OpenVINO decodes of it beside ours."""
import os
import shutil

from worker import Fault, Model, np, paired, serve

MODES = {("openvino_int", 8, False): "INT8_ASYM", ("openvino_int", 8, True): "INT8_SYM",
         ("openvino_int", 4, False): "INT4_ASYM", ("openvino_int", 4, True): "INT4_SYM",
         ("openvino_book", 4, True): "NF4"}
GRAPH = "openvino_model.xml"


class NNCF(Model):
    packages = (("nncf", "nncf"),)
    needs = also = ("openvino",)
    containers = ("openvino",)

    def produce(self, plain, ours, out, format, threads):
        os.environ["NNCF_CI"] = "1"  # no telemetry
        kind = (format["codec"], format["bits"], format["sym"])
        if kind not in MODES:
            raise Fault("unsupported", f"{format['name']}: this producer makes int8, int4 and nf4 formats")
        if format["metric"] or format["algorithm"] not in (None, "nncf_awq"):
            raise Fault("unsupported", f"{format['name']} depends on a calibration set, which is not given to NNCF here")
        import nncf
        import openvino
        core = openvino.Core()
        model = core.read_model(os.path.join(plain, GRAPH))
        options = {"mode": getattr(nncf.CompressWeightsMode, MODES[kind])}
        if format["bits"] < 8:
            options.update(ratio=format["ratio"], group_size=format["group"] or -1, awq=format["algorithm"] == "nncf_awq")
        model = nncf.compress_weights(model, **options)
        for name in os.listdir(plain):
            if not name.startswith("openvino_model."):
                shutil.copy(os.path.join(plain, name), out)
        openvino.save_model(model, os.path.join(out, GRAPH), compress_to_fp16=False)
        made, own = (core.read_model(os.path.join(d, GRAPH)) for d in (out, ours))
        return paired(self.matrices(core, openvino, own), self.matrices(core, openvino, made))

    def matrices(self, core, openvino, model):
        """name: its weights in f32, as OpenVINO decodes them."""
        weights = {}
        for op in model.get_ordered_ops():
            at = {"MatMul": 1, "Gather": 0}.get(op.get_type_name())
            constants = constants_of(op.input_value(at).get_node()) if at is not None else None
            if constants:
                name = max(constants, key=lambda c: np.prod(list(c.get_output_shape(0)))).get_friendly_name()
                weights[name] = op.input_value(at)
        for name, value in weights.items():
            if len([d for d in value.get_shape() if d > 1]) < 2:  # positions, no matrix
                continue
            graph = openvino.Model([value], [])
            yield name, core.compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})([])[0]


def constants_of(node):
    """The constants below a value; None where it depends on anything else."""
    found, todo = [], [node]
    while todo:
        n = todo.pop()
        if n.get_type_name() == "Constant":
            found.append(n)
        elif n.get_type_name() in ("Parameter", "ReadValue") or n.get_input_size() == 0:
            return None
        todo += [n.input_value(i).get_node() for i in range(n.get_input_size())]
    return found


if __name__ == "__main__":
    serve(NNCF())
