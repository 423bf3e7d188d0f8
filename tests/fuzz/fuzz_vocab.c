/* Tokenizers on any bytes. The first byte chooses: 0 and 1 tokenize the rest with a fixed vocabulary (byte-level BPE,
 * SPM) and demand the text back from the ids; 2 takes a length (2 bytes), a text of that length, and a GGUF file whose
 * vocabulary it is tokenized with. */
#include <stdlib.h>
#include <string.h>
#include "base/half.h"
#include "base/mem.h"
#include "bench/engine/vocab.h"
#include "tests/unit/gguf_builder.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check(bool ok)
{
    if (!ok)
        abort();
}

/* A vocabulary of all bytes, some pieces of text and special tokens that overlap. */
static void put_spm(struct sbuf *b)
{
#define SPACE "\xe2\x96\x81"
    static const char *const words[] = {"<unk>", "<s>", "</s>", "a", "b", "ab", "ba", SPACE, (SPACE SPACE), (SPACE "a"),
                                        "\xc3\xa9", "\xc3\xa9\xc3\xa9", "\xe4\xb8\xad", "[a", "[ab", "a]", "]b",
                                        "\n\n"};
#undef SPACE
    static const int types[] = {2, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 4, 4, 4, 4, 4};
    enum { N_WORDS = sizeof words / sizeof *words };
    put_header(b, 0, 5);
    put_key_str(b, "tokenizer.ggml.model", "llama");
    put_key_bool(b, "tokenizer.ggml.add_space_prefix", false);
    put_array(b, "tokenizer.ggml.tokens", GGUF_STRING, N_WORDS + 256);
    for (int i = 0; i < N_WORDS; i++)
        put_str(b, words[i]);
    for (int i = 0; i < 256; i++) {
        char text[8] = "<0x00>";
        text[3] = "0123456789ABCDEF"[i >> 4];
        text[4] = "0123456789ABCDEF"[i & 15];
        put_str(b, text);
    }
    put_array(b, "tokenizer.ggml.scores", GGUF_F32, N_WORDS + 256);
    for (int i = 0; i < N_WORDS + 256; i++)
        put_u32(b, f32_bits((float)-(i * 7 % 5)));
    put_array(b, "tokenizer.ggml.token_type", GGUF_I32, N_WORDS + 256);
    for (int i = 0; i < N_WORDS + 256; i++)
        put_u32(b, i < N_WORDS ? (uint32_t)types[i] : 6);
}

static struct vocab *fixed_vocab(int which)
{
    static struct vocab *v[2];
    static struct gguf *g[2];
    static struct sbuf spm;
    struct err e;
    if (v[which])
        return v[which];
    if (which == 1)
        put_spm(&spm);
    const int rc = which == 0 ? gguf_open(&g[0], SOURCE_ROOT "/tests/golden/bpe-crossing.gguf", NULL, &e)
                              : gguf_open_memory(&g[1], spm.p, spm.n, "spm", NULL, &e);
    check(!rc && !vocab_load(&v[which], g[which], &e));
    return v[which];
}

static void decode(const struct vocab *v, const int32_t *ids, size_t n, struct sbuf *out)
{
    for (size_t i = 0; i < n; i++) {
        check(ids[i] >= 0 && ids[i] < vocab_size(v));
        vocab_piece(v, ids[i], out);
    }
}

/* Whether a text comes back unchanged: ASCII does, and with SPM all that has no space, which a malformed character
 * before it could swallow, and no U+2581, which stands for one. */
static bool is_plain(int which, const uint8_t *p, size_t n)
{
    bool ascii = true, space = false;
    for (size_t i = 0; i < n; i++) {
        ascii &= p[i] < 0x80;
        space |= p[i] == ' ' || (i + 2 < n && !memcmp(p + i, "\xe2\x96\x81", 3));
    }
    return ascii || (which == 1 && !space);
}

static void tokenize_fixed(int which, const uint8_t *p, size_t n)
{
    const struct vocab *v = fixed_vocab(which);
    for (int flags = 0; flags < 4; flags++) {
        int32_t *ids;
        size_t n_ids;
        struct err e;
        struct sbuf back = {0};
        check(!vocab_encode(v, (const char *)p, n, flags & 1, flags >> 1, &ids, &n_ids, &e));
        decode(v, ids, n_ids, &back);
        if (!(flags & 2) && is_plain(which, p, n))
            check(back.n == n && (!n || !memcmp(back.p, p, n)));
        mem_free(ids);
        sbuf_free(&back);
    }
}

static void tokenize_any(const uint8_t *p, size_t n)
{
    struct gguf *g;
    struct vocab *v = NULL;
    struct err e = {0};
    const struct gguf_open_opts header_only = {.header_only = true};
    if (n < 2)
        return;
    size_t n_text = rd_u16le(p);
    if (n_text > n - 2)
        n_text = n - 2;
    if (gguf_open_memory(&g, p + 2 + n_text, n - 2 - n_text, "input", &header_only, &e))
        return;
    const int rc = vocab_load(&v, g, &e);
    check((rc == 0) == (v != NULL) && (rc == 0 || e.text[0]));
    for (int flags = 0; flags < 4 && v; flags++) {
        int32_t *ids;
        size_t n_ids;
        struct sbuf back = {0};
        const int coded = vocab_encode(v, (const char *)p + 2, n_text, flags & 1, flags >> 1, &ids, &n_ids, &e);
        check(coded == 0 || coded == ERR_DATA);
        decode(v, ids, n_ids, &back);
        mem_free(ids);
        sbuf_free(&back);
    }
    for (int32_t id = -1; v && id <= vocab_size(v) && id < 1000; id++)
        vocab_is_end(v, id);
    vocab_free(v);
    gguf_close(g);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n && data[0] % 3 < 2)
        tokenize_fixed(data[0] % 3, data + 1, n - 1);
    else if (n)
        tokenize_any(data + 1, n - 1);
    return 0;
}
