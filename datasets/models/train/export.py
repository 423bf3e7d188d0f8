"""Write the checkpoint as one GGUF file with F16 matrices.

    python export.py WORKDIR OUT.gguf
"""
import json
import sys

import gguf
import numpy as np

import train


def main(work, out):
    c = np.load(work + "/ckpt.npz")
    p = {k[2:]: c[k] for k in c.files if k.startswith("p.")}
    tok = json.load(open(work + "/tokenizer.json"))["model"]
    w = gguf.GGUFWriter(out, "llama")
    w.add_type("model")
    w.add_name("whichquant default")
    w.add_description("Small English model of the whichquant project, for measuring quantization formats")
    w.add_license("mit")
    w.add_languages(["en"])
    w.add_size_label("3.4M")
    w.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    w.add_vocab_size(train.VOCAB)
    w.add_context_length(train.CONTEXT)
    w.add_embedding_length(train.DIM)
    w.add_block_count(train.LAYERS)
    w.add_feed_forward_length(train.FFN)
    w.add_head_count(train.HEADS)
    w.add_head_count_kv(train.KV)
    w.add_layer_norm_rms_eps(train.EPS)
    w.add_rope_dimension_count(train.HEAD_DIM)
    w.add_rope_freq_base(train.THETA)
    w.add_tokenizer_model("gpt2")
    w.add_tokenizer_pre("gpt-2")
    tokens = sorted(tok["vocab"], key=tok["vocab"].get)
    assert len(tokens) == train.VOCAB and tokens[:2] == ["<|bos|>", "<|eos|>"]
    w.add_token_list(tokens)
    w.add_token_types([gguf.TokenType.CONTROL] * 2 + [gguf.TokenType.NORMAL] * (len(tokens) - 2))
    w.add_token_merges([m if isinstance(m, str) else " ".join(m) for m in tok["merges"]])
    w.add_bos_token_id(0)
    w.add_eos_token_id(1)
    w.add_add_bos_token(True)

    def matrix(name, x):
        # GGUF rows are outputs, and the rows here are inputs; RoPE pairs already lie side by side
        w.add_tensor(name, np.ascontiguousarray(x.T).astype(np.float16))

    def norm(name, x):
        w.add_tensor(name, x.astype(np.float32))

    matrix("token_embd.weight", p["embed"].T)          # tied: also the output matrix
    norm("output_norm.weight", p["norm"])
    for i in range(train.LAYERS):
        b = "blk.%d." % i
        norm(b + "attn_norm.weight", p["norm_a%d" % i])
        norm(b + "ffn_norm.weight", p["norm_f%d" % i])
        for ours, theirs in (("q", "attn_q"), ("k", "attn_k"), ("v", "attn_v"), ("o", "attn_output"),
                             ("gate", "ffn_gate"), ("up", "ffn_up"), ("down", "ffn_down")):
            matrix(b + theirs + ".weight", p["%s%d" % (ours, i)])
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()
    print("%s: step %d" % (out, int(c["step"])))


if __name__ == "__main__":
    main(*sys.argv[1:])
