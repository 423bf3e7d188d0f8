#!/usr/bin/env python3
"""Makes one tiny random model folder per architecture with the real packages and records what they compute from it:
NAME/{config.json, tokenizer.json, *.safetensors}, NAME/logits.txt (transformers, f32), NAME/ids.json (tokenizers).

usage: make_hf.py. Run once, results are committed. Needs torch, transformers, tokenizers, numpy.
"""
import glob
import json
import os
import shutil

import numpy as np
import tokenizers
import torch
import transformers
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

HERE = os.path.dirname(os.path.abspath(__file__))
N_VOCAB, N_TOKENS = 320, 40
TEXT = open(os.path.join(HERE, "../../../datasets/text/eval.txt"), encoding="utf-8").read()

LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
          r"|\s+(?!\S)|\s+")
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")

TEXTS = [
    "", " ", "  ", "a", " a", "Hello, world", "  two spaces before", "a trailing space ", "line\nbreak\n\nand\r\nmore\t tabs",
    "don't DON'T we'Ve", "12345 67 8.90", "na\u00efve caf\u00e9 \u4f60\u597d \u0416\u0443\u043a \U0001f600!", "\u2581low line",
    "x = {'key': [1, 2, 3]}  # comment", "<s>in text</s>", "hello<|user|>   hi<|end|>\n there", "a<s> b", "   ", "\n\n\n",
    TEXT[:700], TEXT[5000:5400],
    # not composed: letters and marks apart, in either order, single characters that have another form, Hangul, Bengali
    "e\u0301 cafe\u0301 A\u030a \u212b \u2126 q\u0307\u0323", "\u1112\u1161\u11ab\u1100\u1173\u11af, \u0995\u09c7\u09be \u0958",
    "<|im_start|>u\u0308ber<|im_end|>\u0301 i\u0308", "\u00e9 composed",
]


def byte_level(pre, specials, template=None, ignore_merges=False, normalizer=None):
    tok = Tokenizer(models.BPE(ignore_merges=ignore_merges))
    tok.normalizer = normalizer
    tok.pre_tokenizer = pre
    tok.decoder = decoders.ByteLevel()
    tok.train_from_iterator([TEXT], trainers.BpeTrainer(
        vocab_size=N_VOCAB - len(specials) - 2, show_progress=False, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    tok.add_special_tokens([AddedToken(s, special=True, normalized=False) for s in specials])
    if template:
        tok.post_processor = processors.Sequence([
            processors.ByteLevel(trim_offsets=False),
            processors.TemplateProcessing(single=f"{template} $A", pair=f"{template} $A {template}:1 $B:1",
                                          special_tokens=[(template, tok.token_to_id(template))])])
    return tok


def characters(normalizer, pre, added=(), bos="<s>", first=("<unk>", "<s>", "</s>")):
    """BPE over characters that falls back on bytes, as made of SentencePiece models."""
    alphabet = list(first) + ["<0x%02X>" % i for i in range(256)]
    tok = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    tok.normalizer, tok.pre_tokenizer = normalizer, pre
    train = Tokenizer(models.BPE(unk_token="<unk>"))
    train.normalizer = normalizers.Replace(" ", "\u2581")
    n_added = len(added)
    train.train_from_iterator(TEXT.split("\n"), trainers.BpeTrainer(
        vocab_size=N_VOCAB - len(alphabet) - n_added, show_progress=False, limit_alphabet=34, special_tokens=[]))
    j = json.loads(train.to_str())["model"]
    pieces = [p for p, _ in sorted(j["vocab"].items(), key=lambda x: x[1])]
    vocab = {p: i for i, p in enumerate(alphabet + pieces)}
    tok.model = models.BPE(vocab, [tuple(m) if isinstance(m, list) else tuple(m.split(" ")) for m in j["merges"]],
                           byte_fallback=True, unk_token="<unk>", fuse_unk=True)
    tok.add_special_tokens([AddedToken(s, special=True, normalized=False) for s in first])
    for a in added:
        (tok.add_special_tokens if a.special else tok.add_tokens)([a])
    tok.post_processor = processors.TemplateProcessing(single=f"{bos} $A", pair=f"{bos} $A {bos}:1 $B:1",
                                                       special_tokens=[(bos, tok.token_to_id(bos))])
    return tok


def split(regex):
    return pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(regex), "isolated"),
                                    pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


def tokenizer_of(name):
    if name == "llama":
        return byte_level(split(LLAMA3), ["<|begin_of_text|>", "<|end_of_text|>"], "<|begin_of_text|>", True)
    if name == "qwen2":
        return byte_level(split(QWEN2), ["<|endoftext|>", "<|im_start|>", "<|im_end|>"], normalizer=normalizers.NFC())
    if name == "qwen3":
        return byte_level(pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True),
                                                   pre_tokenizers.ByteLevel(add_prefix_space=False)]),
                          ["<|endoftext|>", "<|im_start|>", "<|im_end|>"])
    if name == "mistral":
        return characters(None, pre_tokenizers.Metaspace(replacement="\u2581", prepend_scheme="first", split=False))
    if name == "phi3":
        return characters(normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")]), None,
                          [AddedToken("<|user|>", special=True, rstrip=True, normalized=False),
                           AddedToken("<|end|>", special=True, rstrip=True, normalized=False)])
    return characters(normalizers.Replace(" ", "\u2581"), pre_tokenizers.Split(" ", "merged_with_previous"),
                      [AddedToken("\n\n", special=False, normalized=False)], bos="<bos>",
                      first=("<pad>", "<eos>", "<bos>", "<unk>"))


COMMON = dict(vocab_size=N_VOCAB, rms_norm_eps=1e-5, attention_dropout=0.0, initializer_range=0.25)
CONFIGS = {
    "llama": (transformers.LlamaConfig, dict(
        hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, head_dim=12,
        max_position_embeddings=64, attention_bias=False, rope_parameters=dict(
            rope_type="llama3", rope_theta=10000.0, factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
            original_max_position_embeddings=16), tie_word_embeddings=False), torch.float32),
    "mistral": (transformers.MistralConfig, dict(
        hidden_size=32, intermediate_size=40, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, head_dim=8,
        max_position_embeddings=64, sliding_window=7, tie_word_embeddings=False), torch.bfloat16),
    "qwen2": (transformers.Qwen2Config, dict(
        hidden_size=32, intermediate_size=40, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
        max_position_embeddings=64, tie_word_embeddings=True), torch.float16),
    "qwen3": (transformers.Qwen3Config, dict(
        hidden_size=32, intermediate_size=40, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=1, head_dim=16,
        max_position_embeddings=64, tie_word_embeddings=False), torch.bfloat16),
    "gemma3": (transformers.Gemma3TextConfig, dict(
        hidden_size=16, intermediate_size=12, num_hidden_layers=7, num_attention_heads=2, num_key_value_heads=1, head_dim=16,
        max_position_embeddings=64, sliding_window=8, query_pre_attn_scalar=24,
        rope_parameters=dict(full_attention=dict(rope_type="linear", rope_theta=1e6, factor=4.0),
                             sliding_attention=dict(rope_type="default", rope_theta=10000.0))), torch.bfloat16),
    "phi3": (transformers.Phi3Config, dict(
        hidden_size=64, intermediate_size=24, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
        max_position_embeddings=64, original_max_position_embeddings=32, sliding_window=9, pad_token_id=None,
        rope_parameters=dict(rope_type="longrope", rope_theta=10000.0, partial_rotary_factor=0.75,
                             original_max_position_embeddings=32, long_factor=[1.1, 1.9, 3.5, 4.0, 5.5, 7.0],
                             short_factor=[1.0, 1.05, 1.1, 1.3, 1.4, 1.5]), tie_word_embeddings=False), torch.float16),
}


def randomize(model, dtype):
    g = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for name, p in sorted(model.named_parameters()):
            if p.ndim == 1:
                gemma = "Gemma" in type(model).__name__
                mean = 0.0 if name.endswith("bias") or gemma else 1.0
                p.copy_(mean + 0.2 * torch.randn(p.shape, generator=g))
            else:
                scale = 3.0 if "lm_head" in name else 2.0 if "q_proj" in name or "k_proj" in name or "qkv" in name else 1.0
                scale = p.shape[1] ** 0.5 if "embed" in name and "Gemma" not in type(model).__name__ else scale
                p.copy_(torch.randn(p.shape, generator=g) * scale / p.shape[1] ** 0.5)
            p.copy_(p.to(dtype).float())


def make(name):
    cls, options, dtype = CONFIGS[name]
    folder = os.path.join(HERE, name)
    shutil.rmtree(folder, ignore_errors=True)
    tok = tokenizer_of(name)
    assert tok.get_vocab_size() <= N_VOCAB, (name, tok.get_vocab_size())
    ids = {k: next((tok.token_to_id(t) for t in v if tok.token_to_id(t) is not None), None) for k, v in {
        "bos_token_id": ["<s>", "<bos>", "<|begin_of_text|>"], "eos_token_id": ["</s>", "<eos>", "<|end_of_text|>",
                                                                              "<|im_end|>"]}.items()}
    config = cls(**{**COMMON, **options, **ids})
    torch.manual_seed(1)
    model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="eager").float().eval()
    randomize(model, dtype)
    rng = np.random.default_rng([7, *name.encode()])
    tokens = [int(t) for t in rng.integers(3, N_VOCAB, N_TOKENS)]
    with torch.no_grad():
        logits = model(torch.tensor([tokens])).logits[0].float().numpy()
    model.to(dtype).save_pretrained(folder, max_shard_size="20KB" if name == "mistral" else "5GB")
    tok.save(os.path.join(folder, "tokenizer.json"))
    for f in glob.glob(os.path.join(folder, "generation_config.json")):
        os.remove(f)
    if name == "llama":     # more ends than config.json has
        with open(os.path.join(folder, "generation_config.json"), "w") as f:
            json.dump({"eos_token_id": [317, 300, 301, 302]}, f)
            f.write("\n")
    with open(os.path.join(folder, "logits.txt"), "w") as f:
        f.write(f"# transformers {transformers.__version__}, torch {torch.__version__}, f32, eager attention\n")
        f.write("tokens " + " ".join(map(str, tokens)) + "\n")
        for pos in (0, 7, 20, 31, 39):
            f.write(f"logits {pos} " + " ".join("%.9g" % v for v in logits[pos]) + "\n")
    with open(os.path.join(folder, "ids.json"), "w") as f:
        rows = [{"text": t, "ids": tok.encode(t).ids} for t in TEXTS]
        f.write(f'{{"made_by": "tokenizers {tokenizers.__version__}", "texts": [\n' +
                ",\n".join(json.dumps(r) for r in rows) + "\n]}\n")


if __name__ == "__main__":
    for n in CONFIGS:
        make(n)
