#!/usr/bin/env python3
"""Records tests/golden/token-ids.json and bpe-crossing.gguf from a real llama.cpp.

usage: record_token_ids.py LLAMA_TOKENIZE DATA_DIR MODELS_DIR   (needs the Python package gguf)
DATA_DIR holds models/stories260K-F32.gguf and models/TinyStories-656K-F32.gguf; MODELS_DIR the two larger vocabularies.
"""
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter

from gguf import GGUFValueType as T
from gguf import GGUFWriter

HERE = os.path.dirname(os.path.abspath(__file__))
TEXTS = [b"", b" ", b"  ", b"a", b" a", b"a ", b"Hello world", b" Hello  world ", b"Hello\nworld\n", b"\n", b"\n\n\n", b"\t\tindented\n    four spaces", b"\r\nCRLF\r\n\r\n  x", b" \n \n  \n", b"trailing   ", b"   leading",
 b"It's we'll they've I'm you're he'd don't 'tis 'S 'LL 'Ve", b"0 12 123 1234 12345678 3.14 1,000,000", b"x86_64 v1.2.3 #42 $5 50% a+b=c <tag/>", b"CamelCase UPPER lower mIxEd", b"!!! ??? ... --- ### (a) [b] {c}", b"http://example.com/a?b=c&d=e//f", b"if (x == 1) {\n\treturn y;\n}\n",
 "naïve café façade Ünïcödé ß ǅ ſ".encode(), "e\u0301 a\u0308 n\u0303 \u0915\u094d\u0937".encode(), "中文字符 日本語テスト 한국어".encode(), "Привіт, світе! Це — речення №5.".encode(), "আমি বাংলায় গান গাই ১২৩".encode(), "தமிழ் மொழி 123".encode(), "العربية ٣٤٥ עברית".encode(), "😀 👩‍👩‍👧‍👦 🇺🇦 ❤️".encode(), "½ Ⅷ ² ① ٣".encode(),
 "\u00a0nbsp\u2003em\u3000ideographic\u0085nel\u180emvs\u200bzw".encode(), "\u2581 \u2581\u2581 \u0120 \u010a".encode(), "‘quoted’ “text” … – — •".encode(), "â€œmojibakeâ€\u009d Ã©".encode(), "\U00020000\U00031350 \U0001e4d0\U0010ffff\ufffe\ufffd".encode(),
 b"nul\x00in\x00side", b"\x00", b"\x01\x04\x06\x13\x1d\x7f", b"\xff\xfe", b"bad \xc3( \xe2\x82 \xf0\x9f\x98 end", b"\x80\x81 lone", b"overlong \xc0\x80 \xe0\x80\xaf", b"surrogate \xed\xa0\x80\xed\xb0\x80 'x", b"\xf8\x88\x80\x80\x80 long", b"cut \xe4\xb8",
 b"<s></s><unk><|im_start|>user<|im_end|><end_of_turn><bos><table><0x41>", b"<|endoftext|> <eos> x</s>y", b"\n\n\n\n\n\n\n\n        \t\t\t\t\n \n", b"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", b"Once upon a time, there was a little girl named Lily. She loved to play outside in the park."]
PRETYPES = ["default", "gpt-2", "smollm", "falcon", "llama-bpe", "qwen2", "qwen35", "gpt-4o", "tekken", None]
SPECIAL = [("<|endoftext|>", 3), ("<|im_start|>", 3), ("<|im_end|>", 4), ("<table>", 4), ("<tab", 4), ("'x", 4)]
N_MERGES = 420


def ids_of(tool, model, text, flags):
    """The ids of one text; None where the tool dies (a byte without a token)."""
    if not text:                       # the tool takes no empty text; there is nothing to find in it either
        return None
    with tempfile.NamedTemporaryFile() as f:
        f.write(text)
        f.flush()
        p = subprocess.run([tool, "-m", model, "-f", f.name, "--ids"] + flags, capture_output=True)
    return json.loads(p.stdout.splitlines()[-1]) if p.returncode == 0 else None


def record(tool, model):
    plain = [ids_of(tool, model, t, ["--no-parse-special"]) for t in TEXTS]
    special = [ids_of(tool, model, t, ["--no-bos"]) for t in TEXTS]
    return {"plain": plain, "special": special}


def spelling():
    printable = [*range(0x21, 0x7f), *range(0xa1, 0xad), *range(0xae, 0x100)]
    others = [b for b in range(256) if b not in printable]
    return {**{b: chr(b) for b in printable}, **{b: chr(256 + i) for i, b in enumerate(others)}}


def learn_merges():
    """BPE without words, so that the merges cross the borders that the pre-types draw."""
    extra = b" the cat's 12 dogs' 345.6 ,and 'll THE end\n\n  the  end\n 's 't x1y2  \n\r\n (a)[b] // ...\n" * 2
    texts = [t.decode("utf8", "replace").encode() for t in TEXTS if len(set(t)) > 1] + [extra]
    rows = [[bytes([b]) for b in t] for t in texts]
    merges, tokens = [], [bytes([b]) for b in range(256)]
    for _ in range(N_MERGES):
        pairs = Counter(p for r in rows for p in zip(r, r[1:]))
        a, b = min(pairs, key=lambda p: (-pairs[p], p))
        merges.append((a, b))
        if a + b not in tokens:
            tokens.append(a + b)
        for k, r in enumerate(rows):
            out = []
            for x in r:
                if out and out[-1] == a and x == b:
                    out[-1] = a + b
                else:
                    out.append(x)
            rows[k] = out
    return merges, tokens


def write_vocabulary(path, pre, merges, tokens):
    names = spelling()
    spell = lambda t: "".join(names[b] for b in t).encode()
    w = GGUFWriter(path, "llama")
    w.add_string("tokenizer.ggml.model", "gpt2")
    if pre is not None:
        w.add_string("tokenizer.ggml.pre", pre)
    w.add_key_value("tokenizer.ggml.tokens", [s.encode() for s, _ in SPECIAL] + [spell(t) for t in tokens], T.ARRAY,
                    sub_type=T.STRING)
    w.add_key_value("tokenizer.ggml.token_type", [k for _, k in SPECIAL] + [1] * len(tokens), T.ARRAY,
                    sub_type=T.INT32)
    w.add_key_value("tokenizer.ggml.merges", [spell(a) + b" " + spell(b) for a, b in merges], T.ARRAY,
                    sub_type=T.STRING)
    w.add_uint32("tokenizer.ggml.bos_token_id", 0)
    w.add_uint32("tokenizer.ggml.eos_token_id", 0)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def main():
    tool, data, models = sys.argv[1:4]
    repository = os.path.join(HERE, "..", "..")
    files = [("stories260K", data, "models/stories260K-F32.gguf"),
             ("TinyStories-656K", data, "models/TinyStories-656K-F32.gguf"),
             ("default", repository, "datasets/models/default.gguf"),
             ("smollm2", models, "SmolLM2-135M-Instruct.Q4_1.gguf"), ("gemma3", models, "gemma3-270m.Q4_K_M.gguf")]
    version = subprocess.run([tool, "--version"], capture_output=True, text=True)
    out = {"source": "llama-tokenize --ids; " + " ".join((version.stdout + version.stderr).split()),
           "texts": [t.hex() for t in TEXTS], "vocabularies": {}, "pretypes": {}}
    for name, folder, file in files:
        out["vocabularies"][name] = {"file": file, **record(tool, os.path.join(folder, file))}
    merges, tokens = learn_merges()
    write_vocabulary(os.path.join(HERE, "bpe-crossing.gguf"), "default", merges, tokens)
    with tempfile.TemporaryDirectory() as folder:
        for pre in PRETYPES:
            path = os.path.join(folder, "v.gguf")
            write_vocabulary(path, pre, merges, tokens)
            out["pretypes"][pre or ""] = record(tool, path)
    text = json.dumps(out, separators=(",", ":")).replace(']],"', ']],\n"').replace('},"', '},\n"')
    with open(os.path.join(HERE, "token-ids.json"), "w") as f:
        f.write(text.replace('],"vocab', '],\n"vocab') + "\n")


main()
