"""Train the byte-level BPE of 4096 tokens and encode the corpus.

    python tokenizer.py WORKDIR    writes tokenizer.json, train.bin and valid.bin (uint16)
Token 0 is <|bos|>, token 1 is <|eos|>; each piece of text is stored as BOS piece EOS.
"""
import json
import os
import sys

import numpy as np
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

VOCAB = 4096
# the regular expression of GPT-2, as llama.cpp applies it for tokenizer.ggml.pre = "gpt-2"
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"


def texts(path):
    with open(path) as f:
        for line in f:
            yield json.loads(line)


def main(work):
    tok = Tokenizer(models.BPE())
    tok.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(GPT2), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tok.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=VOCAB, special_tokens=["<|bos|>", "<|eos|>"], show_progress=False,
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    # every third piece is enough to count pairs
    tok.train_from_iterator((t for i, t in enumerate(texts(work + "/train.jsonl")) if i % 3 == 0), trainer)
    assert tok.get_vocab_size() == VOCAB
    tok.save(work + "/tokenizer.json")
    for name in ("train", "valid"):
        ids, chars, batch = [], 0, []

        def flush():
            for e in tok.encode_batch(batch):
                ids.append(np.array([0] + e.ids + [1], dtype=np.uint16))
            batch.clear()

        for t in texts(os.path.join(work, name + ".jsonl")):
            batch.append(t)
            chars += len(t)
            if len(batch) == 2000:
                flush()
        flush()
        data = np.concatenate(ids)
        data.tofile(os.path.join(work, name + ".bin"))
        print("%s: %d tokens, %.2f characters each" % (name, len(data), chars / len(data)))


if __name__ == "__main__":
    main(sys.argv[1])
