/* Tokenizers on vocabularies built in memory: what is refused and with which sentence, special tokens, bytes without a
 * token, pieces, failing allocations. Ids against the real llama.cpp are test_vocab_golden's matter. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include "base/mem.h"
#include "bench/engine/vocab.h"
#include "gguf_builder.h"

struct spec {
    const char *model, *pre, *name;   /* name: general.name */
    const char *const *tokens;        /* NULL-terminated */
    const float *scores;
    const int *types;
    const char *const *merges;        /* NULL-terminated */
    int n_scores, n_types;            /* fewer than tokens when not 0 */
    bool no_bos, no_unk, add_eos;
    int64_t bos;                      /* 0: 1 */
    const char *also;                 /* one more key, an id */
    uint32_t also_id;
};

static uint64_t count(const char *const *p)
{
    uint64_t n = 0;
    while (p[n])
        n++;
    return n;
}

static void put_texts(struct sbuf *b, const char *name, const char *const *p)
{
    put_array(b, name, GGUF_STRING, count(p));
    for (; *p; p++)
        put_str(b, *p);
}

static void put_vocab(struct sbuf *b, const struct spec *s)
{
    const uint64_t n = count(s->tokens);
    put_header(b, 0, 6 + (s->also != NULL) + (s->pre != NULL) + (s->name != NULL) + (s->scores != NULL) +
                         (s->types != NULL) + (s->merges != NULL));
    put_key_str(b, "tokenizer.ggml.model", s->model);
    if (s->name)
        put_key_str(b, "general.name", s->name);
    if (s->pre)
        put_key_str(b, "tokenizer.ggml.pre", s->pre);
    put_texts(b, "tokenizer.ggml.tokens", s->tokens);
    if (s->scores) {
        put_array(b, "tokenizer.ggml.scores", GGUF_F32, s->n_scores ? (uint64_t)s->n_scores : n);
        for (uint64_t i = 0; i < (s->n_scores ? (uint64_t)s->n_scores : n); i++)
            put_u32(b, f32_bits(s->scores[i]));
    }
    if (s->types) {
        put_array(b, "tokenizer.ggml.token_type", GGUF_I32, s->n_types ? (uint64_t)s->n_types : n);
        for (uint64_t i = 0; i < (s->n_types ? (uint64_t)s->n_types : n); i++)
            put_u32(b, (uint32_t)s->types[i]);
    }
    if (s->merges)
        put_texts(b, "tokenizer.ggml.merges", s->merges);
    put_key_u32(b, "tokenizer.ggml.bos_token_id", s->bos ? (uint32_t)s->bos : 1);
    put_key_u32(b, s->no_unk ? "other" : "tokenizer.ggml.unknown_token_id", 0);
    put_key_bool(b, "tokenizer.ggml.add_bos_token", !s->no_bos);
    put_key_bool(b, "tokenizer.ggml.add_eos_token", s->add_eos);
    if (s->also)
        put_key_u32(b, s->also, s->also_id);
}

struct opened {
    struct sbuf b;
    struct gguf *g;
    struct vocab *v;
};

static void open_spec(struct opened *o, const struct spec *s)
{
    struct err e = {0};
    o->b = (struct sbuf){0};
    put_vocab(&o->b, s);
    if (gguf_open_memory(&o->g, o->b.p, o->b.n, "memory", NULL, &e) || vocab_load(&o->v, o->g, &e))
        fail_msg("%s", e.text);
}

static void close_spec(struct opened *o)
{
    vocab_free(o->v);
    gguf_close(o->g);
    sbuf_free(&o->b);
}

/* Compares the ids with a text of numbers, "1 5 7 ". */
static void expect_n(const struct vocab *v, const char *text, size_t n, bool add, bool parse, const char *want)
{
    struct sbuf got = {0};
    int32_t *ids;
    size_t n_ids;
    struct err e = {0};
    if (vocab_encode(v, text, n, add, parse, &ids, &n_ids, &e))
        fail_msg("'%s': %s", text, e.text);
    for (size_t i = 0; i < n_ids; i++)
        sbuf_printf(&got, "%d ", ids[i]);
    if (strcmp(sbuf_str(&got), want))
        fail_msg("'%s' gave %s, not %s", text, sbuf_str(&got), want);
    mem_free(ids);
    sbuf_free(&got);
}

static void expect(const struct vocab *v, const char *text, bool add, bool parse, const char *want)
{
    expect_n(v, text, strlen(text), add, parse, want);
}

/* ---- SPM ---- */

#define SP "\xe2\x96\x81"
static const char *const spm_tokens[] = {"<unk>", "<s>", "</s>", "<0x0A>", "a", "b", "ab", SP, (SP "ab"), "ba", "x",
                                         NULL};
static const float spm_scores[] = {0, 0, 0, 0, -9, -9, -2, -9, -1, -2, -9};
static const int spm_types[] = {2, 3, 3, 6, 1, 1, 1, 1, 1, 1, 1};
static const struct spec spm = {.model = "llama", .tokens = spm_tokens, .scores = spm_scores, .types = spm_types};

static void test_spm_merges_by_score(void **state)
{
    (void)state;
    struct opened o;
    open_spec(&o, &spm);
    assert_int_equal(vocab_size(o.v), 11);
    assert_string_equal(vocab_model(o.v), "llama");
    assert_int_equal(vocab_bos(o.v), 1);
    assert_int_equal(vocab_eos(o.v), 2);
    assert_true(vocab_adds_bos(o.v));
    assert_false(vocab_adds_eos(o.v));
    expect(o.v, "", true, false, "1 ");
    expect(o.v, "", false, false, "");
    expect(o.v, "ab", true, false, "1 8 ");            /* SP + ab merges after ab did */
    expect(o.v, "bab", false, false, "7 9 5 ");        /* ba and ab are equally good: the left one wins */
    expect(o.v, "aab", false, false, "7 4 6 ");
    expect(o.v, "a\nb", false, false, "7 4 3 5 ");     /* the byte token */
    close_spec(&o);
}

static void test_spm_unknown_characters(void **state)
{
    (void)state;
    struct opened o;
    open_spec(&o, &spm);
    expect(o.v, "a\xc3\xa9z", false, false, "7 4 0 0 ");       /* one unknown per character */
    expect_n(o.v, "a\xe2\x82", 3, false, false, "7 4 0 ");     /* cut character */
    expect_n(o.v, "\x00", 1, false, false, "7 0 ");
    close_spec(&o);
}

static void test_spm_without_unknown_token(void **state)
{
    (void)state;
    static const char *const tokens[] = {"<pad>", "<s>", "</s>", SP, "a", NULL};
    struct spec s = {.model = "llama", .tokens = tokens, .no_unk = true};
    struct opened o;
    int32_t *ids;
    size_t n;
    struct err e = {0};
    open_spec(&o, &s);                                         /* token 0 is the unknown one only by custom */
    expect(o.v, "a", false, false, "3 4 ");
    assert_int_equal(vocab_encode(o.v, "az", 2, false, false, &ids, &n, &e), ERR_DATA);
    assert_non_null(strstr(e.text, "byte 0x7a cannot be expressed"));
    close_spec(&o);
    s.no_unk = false;
    open_spec(&o, &s);
    expect(o.v, "az", false, false, "3 4 0 ");
    close_spec(&o);
}

static void test_spm_special_tokens(void **state)
{
    (void)state;
    struct opened o;
    open_spec(&o, &spm);
    expect(o.v, "<s>ab</s>ab", false, true, "1 8 2 8 ");       /* the prefix again after each special token */
    expect(o.v, "x</s>", false, true, "7 10 2 ");
    expect(o.v, "<s>", true, true, "1 1 ");
    expect(o.v, "b<s>", false, false, "7 5 0 0 0 ");           /* not asked for: plain text */
    close_spec(&o);
}

static void test_pieces_of_spm(void **state)
{
    (void)state;
    struct opened o;
    struct sbuf b = {0};
    open_spec(&o, &spm);
    static const int32_t ids[] = {1, 8, 3, 5, 0, 2, -1, 11, 7, 4};
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++)
        vocab_piece(o.v, ids[i], &b);
    assert_string_equal(sbuf_str(&b), " ab\nb a");     /* control and unknown tokens stand for nothing */
    sbuf_free(&b);
    close_spec(&o);
}

static void test_end_tokens(void **state)
{
    (void)state;
    static const char *const tokens[] = {"<unk>", "<s>", "</s>", "<|im_end|>", "<end_of_turn>", "a", NULL};
    static const int types[] = {2, 3, 3, 4, 1, 1};
    const struct spec s = {.model = "llama", .tokens = tokens, .types = types, .add_eos = true};
    struct opened o;
    open_spec(&o, &s);
    for (int32_t id = -1; id < 7; id++)
        assert_int_equal(vocab_is_end(o.v, id), id >= 2 && id <= 4);
    /* by their text they are control tokens, whatever type the file says */
    expect(o.v, "<|im_end|>", false, true, "3 ");
    expect(o.v, "a<end_of_turn>", true, true, "1 0 5 4 2 ");
    close_spec(&o);
}

static void test_tokens_that_dialogues_need(void **state)
{
    (void)state;
    static const char *const tokens[] = {"<unk>", "<s>", "</s>", "<|end|>", "<|call|>", "<|return|>", "<|channel|>",
                                         "<|fim_pad|>", "other", NULL};
    static const int types[] = {2, 3, 3, 3, 3, 3, 3, 1, 1};
    struct spec s = {.model = "llama", .tokens = tokens, .types = types};
    struct opened o;
    open_spec(&o, &s);
    for (int32_t id = 0; id < 9; id++)                          /* "<|end|>" only ends a message here */
        assert_int_equal(vocab_is_end(o.v, id), id == 2 || id == 4 || id == 5 || id == 7);
    expect(o.v, "<|end|><|channel|>", false, false, "3 6 ");    /* both count as user-defined */
    close_spec(&o);
    s.also = "tokenizer.ggml.fim_pad_token_id";
    s.also_id = 8;
    open_spec(&o, &s);                                          /* the key wins over the text */
    assert_true(vocab_is_end(o.v, 8));
    assert_false(vocab_is_end(o.v, 7));
    close_spec(&o);
    s.also = "tokenizer.ggml.eot_token_id";
    s.also_id = 77;                                             /* useless, and used for nothing */
    open_spec(&o, &s);
    close_spec(&o);
}

static void test_longest_special_token_first(void **state)
{
    (void)state;
    static const char *const tokens[] = {"<unk>", "<s>", "</s>", "[ab", "b][cd", "cd]", "[a", "[", "]", "ab", "b",
                                         NULL};
    static const int types[] = {2, 3, 3, 4, 4, 4, 4, 4, 4, 1, 4};
    const struct spec s = {.model = "llama", .tokens = tokens, .types = types};
    struct opened o;
    open_spec(&o, &s);
    expect(o.v, "[ab][cd]", false, false, "6 4 8 ");           /* "b][cd" is the longest; "[ab" gives way to "[a" */
    expect(o.v, "[ab]", false, false, "3 8 ");
    expect(o.v, "[[a[ab[", false, false, "7 6 3 7 ");
    expect(o.v, "]b]", false, false, "8 10 8 ");
    close_spec(&o);
}

static void test_white_space_behind_special_tokens(void **state)
{
    (void)state;
    static const char *const tokens[] = {"<unk>", "<s>", "</s>", "<|user|>", SP, "a", NULL};
    static const int types[] = {2, 3, 3, 3, 1, 1};
    struct spec s = {.model = "llama", .tokens = tokens, .types = types};
    struct opened o;
    open_spec(&o, &s);
    expect(o.v, "<|user|> \na<s> a", false, true, "3 4 4 0 5 1 4 4 5 ");
    close_spec(&o);
    s.name = "Some Phi-3 Mini";
    open_spec(&o, &s);
    expect(o.v, "<|user|> \na<s> a", false, true, "3 4 5 1 4 4 5 ");
    close_spec(&o);
}

/* ---- byte-level BPE ---- */

static const char *const bpe_tokens[] = {"<|endoftext|>", "<|im_start|>", "a", "b", "\xc4\xa0", "ab", ("\xc4\xa0" "ab"),
                                         "1", "\xc4\x8a", "\xc3\xa9", "\xc3\x83\xc2\xa9", "\xc3\x83", "<tag>", NULL};
static const int bpe_types[] = {3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 4};
static const char *const bpe_merges[] = {"a b", "\xc4\xa0 ab", "\xc3\x83 \xc2\xa9", NULL};
static const struct spec bpe = {
    .model = "gpt2", .pre = "gpt-2", .tokens = bpe_tokens, .types = bpe_types, .merges = bpe_merges, .no_bos = true};

static void test_bpe_merges_by_rank(void **state)
{
    (void)state;
    struct opened o;
    open_spec(&o, &bpe);
    assert_string_equal(vocab_model(o.v), "gpt2");
    assert_string_equal(vocab_pre(o.v), "gpt-2");
    assert_false(vocab_adds_bos(o.v));
    expect(o.v, "", true, false, "");
    expect(o.v, "ab ab\nab", true, false, "5 6 8 5 ");
    expect(o.v, "ba1ab", true, false, "3 2 7 5 ");
    expect(o.v, "\xc3\xa9", true, false, "10 ");               /* U+00E9 is C3 A9, spelled as two characters */
    expect(o.v, "a<tag>b<|im_start|>", true, true, "2 12 3 1 ");
    expect(o.v, "a<tag>b", true, false, "2 12 3 ");            /* user-defined: always */
    expect(o.v, "ab<|im_start|>", true, false, "5 2 ");        /* bytes without a token are left out */
    close_spec(&o);
}

static void test_bpe_without_unknown_token(void **state)
{
    (void)state;
    struct spec s = bpe;
    struct opened o;
    int32_t *ids;
    size_t n;
    struct err e = {0};
    s.no_unk = true;
    open_spec(&o, &s);
    assert_int_equal(vocab_encode(o.v, "abc", 3, true, false, &ids, &n, &e), ERR_DATA);
    assert_non_null(strstr(e.text, "byte 0x63 cannot be expressed"));
    assert_null(ids);
    close_spec(&o);
}

static void test_bpe_whole_words(void **state)
{
    (void)state;
    static const char *const tokens[] = {"<|endoftext|>", "<s>", "a", "b", "c", "bc", "abc", "ab", NULL};
    static const char *const merges[] = {"b c", "a b", NULL};      /* nothing leads to abc */
    struct spec s = {.model = "gpt2", .tokens = tokens, .merges = merges, .no_bos = true};
    struct opened o;
    open_spec(&o, &s);
    assert_string_equal(vocab_pre(o.v), "default");
    expect(o.v, "abc", false, false, "2 5 ");
    close_spec(&o);
    s.pre = "llama-bpe";
    s.no_bos = false;
    open_spec(&o, &s);
    expect(o.v, "abc", true, false, "1 6 ");
    expect(o.v, "abcb", true, false, "1 2 5 3 ");
    close_spec(&o);
}

static void test_bpe_steps_without_tokens(void **state)
{
    (void)state;
    static const char *const tokens[] = {"<|endoftext|>", "<s>", "a", "b", "c", "abc", "a b", NULL};
    static const char *const merges[] = {"b c", "a bc", "a b c", "\xe4\xb8\xad a", "a \xe4\xb8\xad", "a b", NULL};
    const struct spec s = {.model = "gpt2", .pre = "gpt-2", .tokens = tokens, .merges = merges, .no_bos = true};
    struct opened o;
    struct sbuf b = {0};
    open_spec(&o, &s);
    expect(o.v, "abc", false, false, "5 ");                     /* by way of "bc", which is no token */
    expect(o.v, "bcbc", false, false, "3 4 3 4 ");
    vocab_piece(o.v, 6, &b);                                    /* spells no bytes: shown as it is */
    assert_string_equal(sbuf_str(&b), "a b");
    sbuf_free(&b);
    close_spec(&o);
}

static void test_refuses_endless_text(void **state)
{
    (void)state;
    struct opened o;
    int32_t *ids;
    size_t n;
    struct err e = {0};
    open_spec(&o, &spm);
    assert_int_equal(vocab_encode(o.v, "a", (size_t)1 << 40, true, false, &ids, &n, &e), ERR_LIMIT);
    assert_non_null(strstr(e.text, "too long to tokenize at once"));
    close_spec(&o);
}

static void test_whole_number_scores(void **state)
{
    (void)state;
    static const char *const tokens[] = {"<unk>", "<s>", "</s>", "a", "b", "ab", "ba", NULL};
    struct sbuf b = {0};
    struct gguf *g;
    struct vocab *v;
    struct err e = {0};
    put_header(&b, 0, 4);
    put_key_str(&b, "tokenizer.ggml.model", "llama");
    put_texts(&b, "tokenizer.ggml.tokens", tokens);
    put_array(&b, "tokenizer.ggml.scores", GGUF_I32, 7);
    for (int i = 0; i < 7; i++)
        put_u32(&b, i == 6 ? 5 : (uint32_t)-i);
    put_key_bool(&b, "tokenizer.ggml.add_space_prefix", false);
    assert_int_equal(gguf_open_memory(&g, b.p, b.n, "memory", NULL, &e), 0);
    assert_int_equal(vocab_load(&v, g, &e), 0);
    expect(v, "aba", false, false, "3 6 ");                     /* "ba" has the better score */
    vocab_free(v);
    gguf_close(g);
    sbuf_free(&b);
}

static void test_pieces_of_bpe(void **state)
{
    (void)state;
    struct opened o;
    struct sbuf b = {0};
    open_spec(&o, &bpe);
    static const int32_t ids[] = {1, 6, 8, 12, 10, 0};
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++)
        vocab_piece(o.v, ids[i], &b);
    assert_string_equal(sbuf_str(&b), " ab\n<tag>\xc3\xa9");
    sbuf_free(&b);
    close_spec(&o);
}

/* ---- refusals ---- */

static struct spec with(const struct spec *base, const char *const *tokens, const char *const *merges)
{
    struct spec s = *base;
    s.types = NULL;
    s.scores = NULL;
    s.tokens = tokens;
    if (merges)
        s.merges = merges;
    return s;
}

static void no_model(struct sbuf *b) { put_header(b, 0, 0); }
static void bert(struct sbuf *b)
{
    struct spec s = spm;
    s.model = "bert\033";
    put_vocab(b, &s);
}
static void no_tokens(struct sbuf *b)
{
    put_header(b, 0, 1);
    put_key_str(b, "tokenizer.ggml.model", "llama");
}
static void tokens_are_numbers(struct sbuf *b)
{
    put_header(b, 0, 2);
    put_key_str(b, "tokenizer.ggml.model", "llama");
    put_array(b, "tokenizer.ggml.tokens", GGUF_U32, 1);
    put_u32(b, 5);
}
static void zero_tokens(struct sbuf *b)
{
    static const char *const none[] = {NULL};
    const struct spec s = with(&spm, none, NULL);
    put_vocab(b, &s);
}
static void same_token_twice(struct sbuf *b)
{
    static const char *const tokens[] = {"<unk>", "<s>", "</s>", "a", "b", "a", NULL};
    const struct spec s = with(&spm, tokens, NULL);
    put_vocab(b, &s);
}
static void giant_token(struct sbuf *b)
{
    static char giant[65537];
    memset(giant, 'g', 65536);
    const char *const tokens[] = {"<unk>", "<s>", "</s>", giant, NULL};
    const struct spec s = with(&spm, tokens, NULL);
    put_vocab(b, &s);
}
static void scores_too_short(struct sbuf *b)
{
    struct spec s = spm;
    s.n_scores = 10;
    put_vocab(b, &s);
}
static void score_is_nan(struct sbuf *b)
{
    static const float scores[] = {0, 0, 0, 0, NAN, 0, 0, 0, 0, 0, 0};
    struct spec s = spm;
    s.scores = scores;
    put_vocab(b, &s);
}
static void scores_are_texts(struct sbuf *b)
{
    static const char *const tokens[] = {"<unk>", "<s>", NULL};
    put_header(b, 0, 3);
    put_key_str(b, "tokenizer.ggml.model", "llama");
    put_texts(b, "tokenizer.ggml.tokens", tokens);
    put_texts(b, "tokenizer.ggml.scores", tokens);
}
static void types_are_fractions(struct sbuf *b)
{
    static const char *const tokens[] = {"<unk>", "<s>", NULL};
    put_header(b, 0, 3);
    put_key_str(b, "tokenizer.ggml.model", "llama");
    put_texts(b, "tokenizer.ggml.tokens", tokens);
    put_array(b, "tokenizer.ggml.token_type", GGUF_F32, 2);
    put_u64(b, 0);
}
static void types_too_short(struct sbuf *b)
{
    struct spec s = spm;
    s.n_types = 3;
    put_vocab(b, &s);
}
static void bos_out_of_range(struct sbuf *b)
{
    struct spec s = spm;
    s.bos = 11;
    put_vocab(b, &s);
}
static void bos_missing(struct sbuf *b)
{
    struct spec s = bpe;              /* the model's own default, 11, is no token of so small a vocabulary */
    static const char *const tokens[] = {"a", "b", NULL};
    s = with(&s, tokens, NULL);
    s.no_bos = false;
    s.bos = UINT32_MAX;
    put_vocab(b, &s);
}
static void merges_missing(struct sbuf *b)
{
    struct spec s = bpe;
    s.merges = NULL;
    put_vocab(b, &s);
}
static void merge_without_space(struct sbuf *b)
{
    static const char *const merges[] = {"a b", "ab", NULL};
    const struct spec s = with(&bpe, bpe_tokens, merges);
    put_vocab(b, &s);
}
static void merge_without_right(struct sbuf *b)
{
    static const char *const merges[] = {"a ", NULL};
    const struct spec s = with(&bpe, bpe_tokens, merges);
    put_vocab(b, &s);
}
static void merge_without_left(struct sbuf *b)
{
    static const char *const merges[] = {" a", NULL};
    const struct spec s = with(&bpe, bpe_tokens, merges);
    put_vocab(b, &s);
}
static void empty_merge(struct sbuf *b)
{
    static const char *const merges[] = {"", NULL};
    const struct spec s = with(&bpe, bpe_tokens, merges);
    put_vocab(b, &s);
}
static void unknown_pretype(struct sbuf *b)
{
    struct spec s = bpe;
    s.pre = "kimi-k2";
    put_vocab(b, &s);
}

static const struct hostile {
    const char *name;
    void (*build)(struct sbuf *);
    int code;
    const char *says;
} hostile[] = {
#define H(f, code, says) {#f, f, ERR_##code, says}
    H(no_model, FORMAT, "tokenizer.ggml.model is missing: the file has no tokenizer"),
    H(bert, UNSUPPORTED, "the tokenizer model 'bert?' is not supported (llama and gpt2 are)"),
    H(no_tokens, FORMAT, "tokenizer.ggml.tokens is missing"),
    H(tokens_are_numbers, FORMAT, "tokenizer.ggml.tokens is not a list of texts"),
    H(zero_tokens, FORMAT, "tokenizer.ggml.tokens is empty"),
    H(same_token_twice, FORMAT, "tokens 3 and 5 have the same text"),
    H(giant_token, FORMAT, "token 3 has 65536 bytes, more than any tokenizer's"),
    H(scores_too_short, FORMAT, "tokenizer.ggml.scores has 10 entries for 11 tokens"),
    H(score_is_nan, FORMAT, "the score of token 4 is not a number"),
    H(scores_are_texts, FORMAT, "tokenizer.ggml.scores is not a list of numbers"),
    H(types_too_short, FORMAT, "tokenizer.ggml.token_type has 3 entries for 11 tokens"),
    H(types_are_fractions, FORMAT, "tokenizer.ggml.token_type is not a list of whole numbers"),
    H(bos_out_of_range, FORMAT, "tokenizer.ggml.bos_token_id is 11, but there are 11 tokens"),
    H(bos_missing, FORMAT, "every text shall begin with a BOS token, but none is named"),
    H(merges_missing, FORMAT, "tokenizer.ggml.merges is missing"),
    H(merge_without_space, FORMAT, "merge 1 of tokenizer.ggml.merges is not two tokens"),
    H(merge_without_right, FORMAT, "merge 0 of tokenizer.ggml.merges is not two tokens"),
    H(merge_without_left, FORMAT, "merge 0 of tokenizer.ggml.merges is not two tokens"),
    H(empty_merge, FORMAT, "merge 0 of tokenizer.ggml.merges is not two tokens"),
    H(unknown_pretype, UNSUPPORTED, "the pre-tokenizer 'kimi-k2' is not supported (these are: default gpt-2 "),
#undef H
};

static void test_refuses_hostile_vocabularies(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof hostile / sizeof *hostile; i++) {
        struct sbuf b = {0};
        struct gguf *g;
        struct vocab *v;
        struct err e = {0};
        hostile[i].build(&b);
        assert_int_equal(gguf_open_memory(&g, b.p, b.n, "bad.gguf", NULL, &e), 0);
        const int rc = vocab_load(&v, g, &e);
        if (rc != hostile[i].code || !strstr(e.text, hostile[i].says) || strncmp(e.text, "bad.gguf: ", 10))
            fail_msg("%s: code %d, \"%s\"", hostile[i].name, rc, e.text);
        assert_null(v);
        assert_int_equal(vocab_load(&v, g, NULL), rc);
        gguf_close(g);
        sbuf_free(&b);
    }
}

static int load_and_encode(const struct gguf *g, struct err *e)
{
    struct vocab *v;
    int32_t *ids;
    size_t n;
    int rc = vocab_load(&v, g, e);
    if (rc)
        return rc;
    rc = vocab_encode(v, "ab ab<tag><s>1\xff", 16, true, true, &ids, &n, e);
    mem_free(ids);
    vocab_free(v);
    return rc;
}

static void test_survives_failing_allocations(void **state)
{
    (void)state;
    const struct spec *const specs[] = {&spm, &bpe};
    for (int i = 0; i < 2; i++) {
        struct opened o;
        int rc = ERR_NOMEM;
        long n = 0;
        open_spec(&o, specs[i]);
        while (rc) {
            struct err e = {0};
            mem_fail_from(++n);
            rc = load_and_encode(o.g, &e);
            mem_fail_from(0);
            if (rc != 0 && rc != ERR_NOMEM)
                fail_msg("allocation %ld: %s", n, e.text);
        }
        assert_in_range(n, 8, 400);
        close_spec(&o);
    }
}

static void test_odd_but_valid(void **state)
{
    (void)state;
    static const char *const tokens[] = {"<unk>", "<s>", "", "a", NULL};
    static const int types[] = {2, 3, 99, 1};
    const struct spec s = {.model = "llama", .tokens = tokens, .types = types};
    struct opened o;
    struct sbuf b = {0};
    open_spec(&o, &s);                /* an empty token, an unknown type, no scores; the default EOS is token 2 */
    expect(o.v, "a[EMPTY_2]", false, true, "0 3 0 0 0 0 0 0 0 0 0 ");
    vocab_piece(o.v, 2, &b);
    assert_int_equal(b.n, 0);
    close_spec(&o);
    sbuf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_spm_merges_by_score),
        cmocka_unit_test(test_spm_unknown_characters),
        cmocka_unit_test(test_spm_without_unknown_token),
        cmocka_unit_test(test_spm_special_tokens),
        cmocka_unit_test(test_pieces_of_spm),
        cmocka_unit_test(test_end_tokens),
        cmocka_unit_test(test_tokens_that_dialogues_need),
        cmocka_unit_test(test_longest_special_token_first),
        cmocka_unit_test(test_white_space_behind_special_tokens),
        cmocka_unit_test(test_bpe_merges_by_rank),
        cmocka_unit_test(test_bpe_without_unknown_token),
        cmocka_unit_test(test_bpe_whole_words),
        cmocka_unit_test(test_bpe_steps_without_tokens),
        cmocka_unit_test(test_refuses_endless_text),
        cmocka_unit_test(test_whole_number_scores),
        cmocka_unit_test(test_pieces_of_bpe),
        cmocka_unit_test(test_refuses_hostile_vocabularies),
        cmocka_unit_test(test_survives_failing_allocations),
        cmocka_unit_test(test_odd_but_valid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
