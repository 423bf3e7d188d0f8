"""Text in, text out: a prompt through the tokenizer that `quantize` wrote, as openvino-tokenizers converts it for OpenVINO GenAI
and as mlx_lm reads it, and 32 greedy tokens back through it, against the own engine on the same words.
compare_text.py WHICHQUANT ANSWERS_RAW MODEL.gguf..."""
import os
import shutil
import sys
import tempfile
from packages import HERE, PROGRAM, beside, need

answers, frameworks = beside("answers"), beside("frameworks")
RAW, TEXT = os.path.abspath(sys.argv[2]), os.path.join(HERE, "../../datasets/text/eval.txt")
N_PROMPT, N_NEW = 24, 32


def by_openvino_genai(folder, prompt):
    need("openvino_tokenizers")
    import openvino
    import openvino_genai
    import openvino_tokenizers
    import transformers
    auto = transformers.AutoTokenizer.from_pretrained(folder)
    for graph, name in zip(openvino_tokenizers.convert_tokenizer(auto, with_detokenizer=True), ("tokenizer", "detokenizer")):
        openvino.save_model(graph, os.path.join(folder, f"openvino_{name}.xml"))
    pipe = openvino_genai.LLMPipeline(folder, "CPU", INFERENCE_PRECISION_HINT="f32", KV_CACHE_PRECISION="f32",
                                      DYNAMIC_QUANTIZATION_GROUP_SIZE=0, ATTENTION_BACKEND="SDPA")
    config = openvino_genai.GenerationConfig(max_new_tokens=N_NEW, ignore_eos=True, do_sample=False, apply_chat_template=False)
    return pipe.get_tokenizer().encode(prompt).input_ids.data[0].tolist(), str(pipe.generate(prompt, config))


def by_mlx(folder, prompt):
    import mlx.core as mx
    import mlx_lm
    model, tokenizer = mlx_lm.load(folder)
    model.set_dtype(mx.float32)
    tokenizer.eos_token_ids = set()  # past an end as well
    return tokenizer.encode(prompt), mlx_lm.generate(model, tokenizer, prompt=prompt, max_tokens=N_NEW, verbose=False)


def main():
    failed = 0
    for model in sys.argv[3:]:
        for name, fmt, run in (("openvino-genai", "openvino/int8-asym", by_openvino_genai), ("mlx-lm", "mlx/8bit-g64@dtype=f32", by_mlx)):
            with tempfile.TemporaryDirectory() as top:
                out = os.path.join(top, "out")
                try:
                    ours = answers.ask(RAW, model, 0, fmt, "weights-only", TEXT, 2 * N_PROMPT, 1, N_NEW, out)
                    import tokenizers
                    tok = tokenizers.Tokenizer.from_file(os.path.join(out, "tokenizer.json"))
                    ids = ours.tokens[0, :N_PROMPT].tolist()
                    prompt, wanted = tok.decode(ids), tok.decode(ours.greedy)
                    got, text = run(out, prompt)
                    ok = got == ids and text.strip() == wanted.strip()
                    said = f"the same {len(ids)} ids and {len(wanted)} characters" if ok else f"ids {got} for {ids}; {text!r} for {wanted!r}"
                except (answers.Refused, frameworks.Refused) as e:
                    ok, said = False, str(e)
                failed += not ok
                print(f"{'ok  ' if ok else 'FAIL'} {os.path.basename(model)}, {fmt}, {name}: {said}", flush=True)
                if ok:
                    print("    " + repr(prompt[-60:]) + " -> " + repr(text))
                shutil.rmtree(out, ignore_errors=True)
    return 1 if failed else 0


assert PROGRAM
sys.exit(main())
