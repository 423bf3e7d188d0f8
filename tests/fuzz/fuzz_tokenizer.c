/* tokenizer.json of any bytes: what is read makes a vocabulary, or is refused, and the vocabulary encodes. */
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "bench/artifact/hf.h"
#include "bench/engine/vocab.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { N_VOCAB = 320 };

static void encode(const struct gguf *g)
{
    static const char text[] = " Hello  w\xc3\xb6rld\n\n12345 <s>don't\xf0\x9f\x98\x80\xff<|user|>  x";
    struct vocab *v;
    struct err e = {0};
    int32_t *ids;
    size_t n_ids;
    if (vocab_load(&v, g, &e))
        return;
    if (vocab_encode(v, text, sizeof text, true, true, &ids, &n_ids, &e) == 0) {
        for (size_t i = 0; i < n_ids; i++)
            if (ids[i] < 0 || ids[i] >= N_VOCAB)
                abort();
        mem_free(ids);
    }
    vocab_free(v);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct gguf_build b;
    struct err e = {0};
    json_t *tokenizer;
    if (json_parse(&tokenizer, (const char *)data, n, "fuzz", &e))
        return 0;
    if (gguf_build_new(&b, "fuzz", &e) == 0) {
        /* the object is its own settings and config: keys of all three can stand in it */
        hf_tokenizer(&b, tokenizer, tokenizer, tokenizer, N_VOCAB);
        if (b.rc && !e.text[0])
            abort();
        if (!b.rc)
            encode(b.g);
        gguf_close(b.g);
    }
    json_decref(tokenizer);
    return 0;
}
