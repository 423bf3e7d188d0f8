"""Every architecture, from GGUF and from a folder, as every container: it loads in the framework and makes the same 32
greedy tokens as the own engine, or it is refused in a sentence. Two chunks of logits are compared on the way, the graph by
onnx.checker, and ids of texts by the tokenizer that was written. compare_containers.py WHICHQUANT ANSWERS_RAW [MODEL...]:
random models of each architecture and the real ones named; EQUIVALENCE_DOC: the document whose table is written."""
import json
import os
import shutil
import subprocess
import sys
import tempfile
from packages import HERE, PROGRAM, beside, need

answers, frameworks, tiny = beside("answers"), beside("frameworks"), beside("tiny")
RAW, ROOT = os.path.abspath(sys.argv[2]), os.path.dirname(os.path.dirname(HERE))
TEXT = os.path.join(ROOT, "datasets/text/eval.txt")
ARCHS = ("llama", "mistral", "mistral-long", "qwen2", "qwen3", "gemma3", "phi3", "phi3-long")
# What a framework does otherwise, whatever is written.
KNOWN = {("mistral-long", "gguf"): "llama.cpp knows no window here", ("mistral-long", "mlx"): "mlx_lm knows no window here",
         ("phi3-long", "gguf"): "llama.cpp knows no window here", ("phi3-long", "mlx"): "mlx_lm takes the long factors at any length, and no window"}
N_CTX, N_CHUNKS, N_GREEDY, LEAST_IDS = 96, 2, 32, 3
F32 = {"INFERENCE_PRECISION_HINT": "f32", "KV_CACHE_PRECISION": "f32", "DYNAMIC_QUANTIZATION_GROUP_SIZE": 0}
# Container, format, numerics of the own engine, KLD allowed, frameworks with their options. Activations stay floats: what
# rounding does to them is for compare_frameworks.py.
COLUMNS = (
    ("gguf", "base/f32", "-", 1e-6, (("llama_py", {}),)),
    ("onnx", "onnx/int4-g32-asym@acc=0", "-", 1e-6, (("onnxruntime", {}), ("onnxruntime_genai", {}))),
    ("openvino", "openvino/int8-asym", "weights-only", 1e-6, (("openvino", F32), ("openvino_genai", F32))),
    ("mlx", "mlx/4bit-g64@dtype=f32", "-", 1e-6, (("mlx", {}),)),
    ("awq", "awq/4bit-g64-rtn", "weights-only", 1e-5, (("transformers", {"dtype": "float32"}),)),
    ("gptq", "gptq/4bit-g32-asym-rtn", "weights-only", 1e-5, (("transformers", {"dtype": "float32"}),)))
TEXTS = ["", "a", "Hello, world", "  two spaces before", "a trailing space ", "line\nbreak\n\nand\r\nmore\t tabs",
         "don't DON'T we'Ve", "12345 67 8.90 1e-7", "na\u00efve caf\u00e9 \u4f60\u597d \u0416\u0443\u043a \U0001f600!",
         "\u2581low line", "x = {'key': [1, 2, 3]}  # comment", "int main(void)\n{\n\treturn 0;\n}\n", "   ", "\n\n\n",
         "e\u0301 cafe\u0301 \u1112\u1161\u11ab \u0995\u09c7\u09be", "<s>in text</s>", "\U0001f468\u200d\U0001f469\u200d\U0001f467"]
failed, notes = 0, []


def texts_for(folder):
    with open(os.path.join(folder, "tokenizer.json"), encoding="utf-8") as f:
        added = [a["content"] for a in json.load(f)["added_tokens"]]
    with open(TEXT, encoding="utf-8") as f:
        text = f.read()
    return TEXTS + [f"x{a} y{a}{a}\n" for a in added[:8] + added[-8:]] + [text[i:i + 2000] for i in range(0, 100000, 4000)]


def own_ids(model, texts):
    run = subprocess.run([RAW, "ids", model], input="".join(json.dumps(t) + "\n" for t in texts), capture_output=True, text=True, check=True)
    return [json.loads(line) for line in run.stdout.splitlines()]


def openvino_ids(folder, texts):
    """Of the graph that openvino-tokenizers makes of the folder's tokenizer."""
    import openvino_tokenizers
    import transformers
    import openvino
    graphs = openvino_tokenizers.convert_tokenizer(transformers.AutoTokenizer.from_pretrained(folder), with_detokenizer=True)
    for graph, name in zip(graphs, ("openvino_tokenizer.xml", "openvino_detokenizer.xml")):
        openvino.save_model(graph, os.path.join(folder, name))
    run = openvino.Core().compile_model(graphs[0], "CPU")
    return [run([t])["input_ids"][0].tolist() if t else None for t in texts]


def compare_ids(model, container, folder):
    """Texts whose ids differ, a note for each reader."""
    global failed
    transformers, tokenizers = need("transformers", "tokenizers")
    texts = texts_for(folder)
    want = own_ids(model, texts)
    tok, auto = tokenizers.Tokenizer.from_file(os.path.join(folder, "tokenizer.json")), transformers.AutoTokenizer.from_pretrained(folder)
    readers = {"tokenizers": [tok.encode(t).ids for t in texts], "transformers": [auto(t)["input_ids"] for t in texts]}
    if container == "openvino":
        try:
            readers["openvino-tokenizers"] = openvino_ids(folder, texts)
        except Exception as e:  # a package that is not there, or does not know the tokenizer
            notes.append(f"openvino-tokenizers does not convert it: {' '.join(str(e).split())[:120]}")
    said = []
    for name, have in readers.items():
        differ = [t for t, a, b in zip(texts, want, have) if b is not None and a != b]
        failed += bool(differ) and name != "openvino-tokenizers"
        said.append(f"{name} {len(texts) - len(differ)} of {len(texts)}")
        if differ:
            print(f"      {name}: {differ[:3]!r:.200}")
    return ", ".join(said)


def check_graph(folder):
    onnx, = need("onnx")
    onnx.checker.check_model(os.path.join(folder, "model.onnx"))


def cell(label, model, column, text, top, dither, ids):
    """What the table says of it."""
    global failed
    container, fmt, numerics, limit, runners = column
    out, said, ours = os.path.join(top, "out" + (".gguf" if container == "gguf" else "")), [], None
    try:
        ours = answers.ask(RAW, model, 42 if dither else 0, fmt, numerics, text, N_CTX, N_CHUNKS, N_GREEDY, out)
        if container == "onnx":
            check_graph(out)
        if container == "openvino":
            ids[container] = compare_ids(model, container, out)
        if len(set(ours.greedy)) < LEAST_IDS:
            raise SystemExit(f"{model} says nothing but {set(ours.greedy)}: a comparison of that shows nothing")
    except answers.Refused as e:
        return f"refused: {e}"
    for worker, options in runners:
        name = {"llama_py": "llama.cpp"}.get(worker, worker.replace("_", "-"))
        try:
            logits, greedy = frameworks.ask(worker, out, ours.tokens, N_GREEDY, options)
            same = answers.same_greedy(ours.greedy, greedy)
            kld = answers.kld(ours.logits, logits[..., :ours.logits.shape[-1]]) if logits is not None else None
            known = KNOWN.get((label, container))
            ok = known or same == N_GREEDY and (kld is None or kld <= limit)
            failed += not ok
            said.append(f"{name} {same} of {N_GREEDY}" + (f", KLD {kld:.0e}" if kld is not None else "") + (f" ({known})" if known else "" if ok else " **FAIL**"))
        except frameworks.Refused as e:
            absent = str(e).startswith("not found: pip install")
            failed += not absent
            said.append(f"{name} is not there" if absent else f"{name} refuses it: {e} **FAIL**")
    shutil.rmtree(out) if os.path.isdir(out) else os.remove(out)
    return "; ".join(said)


def source_itself(model, text):
    """The folder as it is in transformers: another reader of the same source."""
    global failed
    ours = answers.ask(RAW, model, 0, "-", "weights-only", text, N_CTX, N_CHUNKS, N_GREEDY)
    try:
        logits, greedy = frameworks.ask("transformers", model, ours.tokens, N_GREEDY, {"dtype": "float32"})
    except frameworks.Refused as e:
        return str(e)
    c = answers.compared(ours, logits, greedy)
    failed += c.same < N_GREEDY or c.kld > 1e-6
    return f"{c.same} of {c.of}, KLD {c.kld:.0e}"


def row(label, source, model, text, top, dither, lines):
    ids, cells = {}, [source_itself(model, text) if os.path.isdir(model) else ""]
    for column in COLUMNS:
        cells.append(cell(label, model, column, text, top, dither, ids))
        print(f"{label:<24} {source:<8} {column[0]:<9} {cells[-1]}", flush=True)
    cells.append(ids.get("openvino", ""))
    print(f"{label:<24} {source:<8} ids       {cells[-1]}", flush=True)
    lines.append(f"| {label} | {source} | " + " | ".join(cells) + " |")


def main():
    only, lines = os.environ.get("EQUIVALENCE_ARCHS", " ".join(ARCHS)).split(), []
    with tempfile.TemporaryDirectory() as top:
        for arch in only:
            name = "tiny " + arch.replace("phi3", "phi")  # llama.cpp wants the vocabulary of Phi 3 where it reads that name
            folder, file = os.path.join(top, name), os.path.join(top, name + ".gguf")
            tiny.write_folder(folder, arch)
            frameworks.quantize(folder, "base/f32", file)
            for source, model in (("folder", folder), ("GGUF", file)):
                row(arch, source, model, "random", top, False, lines)
        for model in sys.argv[3:]:
            row(os.path.basename(model).removesuffix(".gguf"), "GGUF", model, TEXT, top, True, lines)
    head = [f"{N_GREEDY} greedy tokens behind {N_CTX // 2}; KLD over {N_CHUNKS} chunks of {N_CTX} tokens. " +
            ", ".join(f"{k} {v}" for k, v in sorted(frameworks.versions.items())) + ".", "",
            "| model | source | source in transformers | " + " | ".join(f"{c[0]} ({c[1]})" for c in COLUMNS) + " | texts with the same ids |",
            "|" + "---|" * (len(COLUMNS) + 4)]
    if os.environ.get("EQUIVALENCE_DOC"):
        frameworks.put_section(os.environ["EQUIVALENCE_DOC"], "containers", head + lines)
    for note in dict.fromkeys(notes):
        print(note)
    if not frameworks.versions:
        print("skipped: this Python has none of the frameworks (tests/equivalence/make_venv.sh installs them)")
        return 77
    return 1 if failed else 0


sys.exit(main())
