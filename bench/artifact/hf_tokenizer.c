/* tokenizer.json as GGUF keys: the vocabulary by id, merges, added tokens, how text is cut into words, what is put
 * before and behind it. Two families: byte-level BPE (GPT-2 and its heirs), and BPE over characters with bytes to fall
 * back on (what SentencePiece models become). Anything that would change ids and is not known here is refused.
 *
 * The second family keeps its merges under a key of this program, as triples of ids: GGUF has scores instead, which
 * decide the same but for ties. The scores are there too, for who reads an exported file. */
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "bench/artifact/hf.h"

enum { MAX_VOCAB = 1 << 24, NORMAL = 1, UNKNOWN = 2, CONTROL = 3, USER = 4, UNUSED = 5, BYTE = 6, MAX_ENDS = 64 };
#define SPACE "\xe2\x96\x81"

struct tokenizer {
    struct gguf_build *b;
    const json_t *json, *model, *vocab;
    struct arena *arena;    /* for the time of reading */
    struct gguf_str *text;  /* [n] */
    int32_t *kind, *rstrip; /* [n]; rstrip: ids that swallow the white space behind them */
    float *score;
    int64_t n;
    size_t n_rstrip;
    bool byte_level;
};

static void fail(struct tokenizer *t, int code, const char *what)
{
    if (!t->b->rc)
        t->b->rc = err_set(t->b->e, code, "tokenizer.json: %s", what);
}

static const char *type_of(const json_t *o)
{
    return json_get_str(o, "type", "");
}

/* Elements of a Sequence's list, or the one thing itself; NULL behind the last. */
static const json_t *step(const json_t *o, const char *list, size_t i)
{
    if (!strcmp(type_of(o), "Sequence"))
        return json_array_get(json_object_get(o, list), i);
    return i == 0 && json_is_object(o) ? o : NULL;
}

/* ---- the vocabulary ---- */

static void put_token(struct tokenizer *t, int64_t id, const char *text, size_t n, int32_t kind)
{
    if (id < 0 || id >= t->n) {
        fail(t, ERR_FORMAT, "a token's id lies beyond the rows of the embedding");
        return;
    }
    if (t->text[id].p && (t->text[id].n != n || memcmp(t->text[id].p, text, n))) {
        fail(t, ERR_FORMAT, "two tokens have the same id");
        return;
    }
    t->text[id] = (struct gguf_str){text, n};
    t->kind[id] = kind;
}

static bool is_byte(const char *s, size_t n)
{
    static const char hex[] = "0123456789ABCDEF";
    return n == 6 && !memcmp(s, "<0x", 3) && s[3] && strchr(hex, s[3]) && s[4] && strchr(hex, s[4]) && s[5] == '>';
}

static void read_vocab(struct tokenizer *t)
{
    const char *text;
    json_t *id;
    const char *unknown = json_get_str(t->model, "unk_token", NULL);
    json_object_foreach((json_t *)(uintptr_t)t->vocab, text, id)
    {
        const size_t n = strlen(text);
        bool unk = unknown && !strcmp(text, unknown), byte = !t->byte_level && is_byte(text, n);
        if (!json_is_integer(id))
            fail(t, ERR_FORMAT, "a token has no id");
        if (t->b->rc)
            return;
        put_token(t, json_integer_value(id), text, n, unk ? UNKNOWN : byte ? BYTE : NORMAL);
    }
}

static void read_added(struct tokenizer *t)
{
    size_t i;
    json_t *a;
    json_array_foreach((json_t *)(uintptr_t)json_object_get(t->json, "added_tokens"), i, a)
    {
        const json_t *text = json_object_get(a, "content"), *id = json_object_get(a, "id");
        if (!json_is_string(text) || !json_is_integer(id) || !json_string_length(text)) {
            fail(t, ERR_FORMAT, "an added token has no text or no id");
            return;
        }
        if (json_is_true(json_object_get(a, "lstrip")) || json_is_true(json_object_get(a, "single_word"))) {
            fail(t, ERR_UNSUPPORTED,
                 "an added token takes the white space before it (lstrip), or stands for whole words "
                 "only (single_word), which is not supported");
            return;
        }
        const int64_t n = json_integer_value(id);
        bool unknown = n >= 0 && n < t->n && t->kind[n] == UNKNOWN,
             special = json_is_true(json_object_get(a, "special"));
        put_token(t, n, json_string_value(text), json_string_length(text),
                  unknown   ? UNKNOWN
                  : special ? CONTROL
                            : USER);
        if (!t->b->rc && json_is_true(json_object_get(a, "rstrip")))
            t->rstrip[t->n_rstrip++] = (int32_t)n;
        if (t->b->rc || t->n_rstrip == (size_t)t->n)
            return;
    }
}

/* Rows of the embedding that no text leads to. */
static void fill_holes(struct tokenizer *t)
{
    for (int64_t i = 0; i < t->n && !t->b->rc; i++) {
        if (t->text[i].p)
            continue;
        char *pad = arena_printf(t->arena, "[PAD%lld]", (long long)i);
        if (!pad)
            t->b->rc = err_nomem(t->b->e, 64, "the vocabulary");
        t->text[i] = (struct gguf_str){pad, pad ? strlen(pad) : 0};
        t->kind[i] = UNUSED;
    }
}

static int64_t id_of(const struct tokenizer *t, const char *text)
{
    const json_t *id = text ? json_object_get(t->vocab, text) : NULL;
    size_t i;
    json_t *a;
    if (id)
        return json_integer_value(id);
    json_array_foreach((json_t *)(uintptr_t)json_object_get(t->json, "added_tokens"), i,
                       a) if (text && !strcmp(json_get_str(a, "content", ""),
                                              text)) return json_integer_value(json_object_get(a, "id"));
    return -1;
}

/* ---- merges ---- */

/* Both forms: "left right" and ["left", "right"]. Room for one NUL-terminated copy of each is in *scratch. */
static bool read_merge(struct tokenizer *t, const json_t *m, const char **left, const char **right,
                       struct sbuf *scratch)
{
    if (json_is_array(m)) {
        *left = json_string_value(json_array_get(m, 0));
        *right = json_string_value(json_array_get(m, 1));
        return *left && *right;
    }
    const char *s = json_string_value(m), *space = s && *s ? strchr(s + 1, ' ') : NULL;
    if (!space)
        return false;
    scratch->n = 0;
    sbuf_add(scratch, s, (size_t)(space - s));
    sbuf_putc(scratch, 0);
    *left = scratch->p;
    *right = space + 1;
    if (scratch->failed)
        t->b->rc = err_nomem(t->b->e, scratch->n, "a merge");
    return !scratch->failed;
}

/* "left right" as GGUF has them. */
static void byte_merges(struct tokenizer *t, const json_t *merges)
{
    const size_t n = json_array_size(merges);
    struct gguf_str *list = arena_alloc_n(t->arena, n + 1, sizeof *list);
    struct sbuf scratch = {0};
    for (size_t i = 0; list && i < n && !t->b->rc; i++) {
        const char *left, *right;
        char *s = NULL;
        if (!read_merge(t, json_array_get(merges, i), &left, &right, &scratch) || strchr(left, ' ') ||
            strchr(right, ' '))
            fail(t, ERR_FORMAT, "a merge is no pair of texts");
        else if (!(s = arena_printf(t->arena, "%s %s", left, right)))
            t->b->rc = err_nomem(t->b->e, strlen(left) + strlen(right), "a merge");
        list[i] = (struct gguf_str){s, s ? strlen(s) : 0};
    }
    sbuf_free(&scratch);
    if (!list)
        t->b->rc = err_nomem(t->b->e, n * sizeof *list, "merges");
    if (!t->b->rc)
        build_strs(t->b, "tokenizer.ggml.merges", list, n);
}

/* Triples (left, right, result) of ids; the earlier the first merge into a token, the higher its score. */
static void id_merges(struct tokenizer *t, const json_t *merges)
{
    const size_t n = json_array_size(merges);
    int32_t *list = arena_alloc_n(t->arena, n + 1, 3 * sizeof *list);
    struct sbuf scratch = {0}, both = {0};
    if (!list)
        t->b->rc = err_nomem(t->b->e, n * 3 * sizeof *list, "merges");
    for (int64_t i = 0; i < t->n && !t->b->rc; i++)
        t->score[i] = t->kind[i] == NORMAL ? -1e9f : 0;
    for (size_t i = 0; i < n && !t->b->rc; i++) {
        const char *left, *right;
        if (!read_merge(t, json_array_get(merges, i), &left, &right, &scratch)) {
            fail(t, ERR_FORMAT, "a merge is no pair of texts");
            break;
        }
        both.n = 0;
        sbuf_puts(&both, left);
        sbuf_puts(&both, right);
        const char *part[3] = {left, right, sbuf_str(&both)};
        for (int k = 0; k < 3; k++) {
            const json_t *id = json_object_get(t->vocab, part[k]);
            if (!json_is_integer(id))
                fail(t, ERR_FORMAT, "a merge joins what is no token, or into none");
            list[3 * i + (size_t)k] = (int32_t)json_integer_value(id);
        }
        if (!t->b->rc && t->score[list[3 * i + 2]] == -1e9f)
            t->score[list[3 * i + 2]] = -(float)i;
    }
    sbuf_free(&scratch);
    sbuf_free(&both);
    if (!t->b->rc) {
        build_i32s(t->b, "whichquant.tokenizer.merges", list, 3 * n);
        build_f32s(t->b, "tokenizer.ggml.scores", t->score, (size_t)t->n);
    }
}

/* ---- what happens to the text before ---- */

/* Matches are words, whatever lies between them too; or matches are kept and nothing lies between them. */
static const char *split_pattern(const json_t *s)
{
    const char *behavior = json_get_str(s, "behavior", "");
    bool invert = json_is_true(json_object_get(s, "invert"));
    bool known = !strcmp(behavior, "Isolated") ? !invert : !strcmp(behavior, "Removed") && invert;
    return known ? json_get_str(json_object_get(s, "pattern"), "Regex", "?") : "?";
}

/* Byte-level: the steps of the pre-tokenizer as one pattern and a word of letters, looked up. */
static void cut_rule(struct tokenizer *t)
{
    static const struct {
        const char *pattern, *steps, *name;
    } rows[] = {
#define PRE(pattern, steps, name) {pattern, steps, name},
#include "bench/artifact/hf_pretokenizers.def"
#undef PRE
    };
    const json_t *pre = json_object_get(t->json, "pre_tokenizer"), *s;
    const char *pattern = "";
    char steps[8] = "";
    size_t n = 0;
    for (size_t i = 0; (s = step(pre, "pretokenizers", i)) && n < sizeof steps - 1; i++) {
        if (!strcmp(type_of(s), "Split") && !*pattern && !n)
            pattern = split_pattern(s);
        else if (!strcmp(type_of(s), "Digits"))
            steps[n++] = json_is_true(json_object_get(s, "individual_digits")) ? 'D' : '?';
        else if (!strcmp(type_of(s), "ByteLevel"))
            steps[n++] = json_is_false(json_object_get(s, "use_regex")) ? 'b' : 'B';
        else
            steps[n++] = '?';
        if (json_is_true(json_object_get(s, "add_prefix_space")))
            fail(t, ERR_UNSUPPORTED,
                 "it puts a space before every text (add_prefix_space), which is not supported for "
                 "byte-level tokenizers");
    }
    steps[n] = 0;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (!strcmp(rows[i].pattern, pattern) && !strcmp(rows[i].steps, steps)) {
            build_str(t->b, "tokenizer.ggml.pre", rows[i].name, strlen(rows[i].name));
            return;
        }
    fail(t, ERR_UNSUPPORTED,
         "its pre_tokenizer is none of those that this program knows (GPT-2, Llama 3, Qwen2, SmolLM, "
         "GPT-4o, Tekken)");
}

/* GGUF files have no key for it and llama.cpp leaves it out: one of this program says that text is composed. */
static void byte_normalizer(struct tokenizer *t)
{
    const json_t *norm = json_object_get(t->json, "normalizer"), *s;
    for (size_t i = 0; (s = step(norm, "normalizers", i)); i++)
        if (strcmp(type_of(s), "NFC"))
            fail(t, ERR_UNSUPPORTED, "its normalizer is not known to this program (NFC is)");
        else
            build_bool(t->b, "whichquant.tokenizer.nfc", true);
}

enum prefix { PREFIX_NONE, PREFIX_ALWAYS, PREFIX_UNLESS_SPACE, PREFIX_FIRST };

static bool replaces_space(const json_t *s)
{
    return !strcmp(json_get_str(json_object_get(s, "pattern"), "String", ""), " ") &&
           !strcmp(json_get_str(s, "content", ""), SPACE);
}

/* Spaces become U+2581 in a normalizer or in Metaspace; either may put one before the text. */
static enum prefix space_rule(struct tokenizer *t)
{
    const json_t *norm = json_object_get(t->json, "normalizer"), *pre = json_object_get(t->json, "pre_tokenizer"), *s;
    enum prefix p = PREFIX_NONE;
    bool replaced = false;
    for (size_t i = 0; (s = step(norm, "normalizers", i)); i++) {
        if (!strcmp(type_of(s), "Prepend") && !strcmp(json_get_str(s, "prepend", ""), SPACE) && !replaced)
            p = PREFIX_ALWAYS;
        else if (!strcmp(type_of(s), "Replace") && replaces_space(s))
            replaced = true;
        else
            fail(t, ERR_UNSUPPORTED, "its normalizer is not known to this program (Prepend and Replace of spaces are)");
    }
    for (size_t i = 0; (s = step(pre, "pretokenizers", i)); i++) {
        const char *scheme = json_get_str(s, "prepend_scheme", "always");
        if (!strcmp(type_of(s), "Split") && replaced &&
            !strcmp(json_get_str(json_object_get(s, "pattern"), "String", ""), " "))
            continue; /* no space is left to split at */
        if (strcmp(type_of(s), "Metaspace") || !json_is_false(json_object_get(s, "split")) || p != PREFIX_NONE)
            fail(t, ERR_UNSUPPORTED, "its pre_tokenizer is not known to this program (Metaspace without split is)");
        replaced = true;
        if (!strcmp(scheme, "first"))
            p = PREFIX_FIRST;
        else if (strcmp(scheme, "never") && !json_is_false(json_object_get(s, "add_prefix_space")))
            p = PREFIX_UNLESS_SPACE;
    }
    if (!replaced)
        fail(t, ERR_UNSUPPORTED, "neither normalizer nor pre_tokenizer turns spaces into U+2581");
    return p;
}

/* ---- beginning and end ---- */

static int64_t id_of_setting(const struct tokenizer *t, const json_t *settings, const char *key)
{
    const json_t *v = json_object_get(settings, key);
    if (json_is_object(v))
        v = json_object_get(v, "content");
    return id_of(t, json_string_value(v));
}

/* Special token i of a template, from the front or the back; -1 when the text stands there. */
static int64_t template_id(const struct tokenizer *t, bool last)
{
    const json_t *post = json_object_get(t->json, "post_processor"), *s, *single = NULL;
    for (size_t i = 0; (s = step(post, "processors", i)); i++)
        if (!strcmp(type_of(s), "TemplateProcessing"))
            single = json_object_get(s, "single");
    size_t n = json_array_size(single);
    const json_t *part = json_object_get(json_array_get(single, last && n ? n - 1 : 0), "SpecialToken");
    return id_of(t, json_get_str(part, "id", NULL));
}

static bool has_template(const struct tokenizer *t)
{
    const json_t *post = json_object_get(t->json, "post_processor"), *s;
    for (size_t i = 0; (s = step(post, "processors", i)); i++)
        if (!strcmp(type_of(s), "TemplateProcessing"))
            return true;
    return false;
}

static int64_t id_of_config(const json_t *config, const char *key, size_t i)
{
    const json_t *v = json_object_get(config, key);
    if (json_is_array(v))
        v = json_array_get(v, i);
    else if (i > 0)
        v = NULL;
    return json_is_integer(v) ? json_integer_value(v) : -1;
}

static void put_id(struct tokenizer *t, const char *key, int64_t id)
{
    if (id >= 0 && id < t->n)
        build_u32(t->b, key, id);
}

/* All that end a text: a number or a list. */
static void put_ends(struct tokenizer *t, const json_t *config)
{
    int32_t id[MAX_ENDS];
    size_t n = 0, i = 0;
    for (int64_t v; n < MAX_ENDS && (v = id_of_config(config, "eos_token_id", i)) >= 0; i++)
        if (v < t->n)
            id[n++] = (int32_t)v;
    if (n > 0)
        build_i32s(t->b, "whichquant.tokenizer.ends", id, n);
}

static void read_ends(struct tokenizer *t, const json_t *settings, const json_t *config)
{
    int64_t bos = id_of_setting(t, settings, "bos_token"), eos = id_of_setting(t, settings, "eos_token");
    bool add_bos = json_is_true(json_object_get(settings, "add_bos_token")),
         add_eos = json_is_true(json_object_get(settings, "add_eos_token"));
    if (bos < 0)
        bos = id_of_config(config, "bos_token_id", 0);
    if (eos < 0)
        eos = id_of_config(config, "eos_token_id", 0);
    if (has_template(t)) {
        int64_t first = template_id(t, false), last = template_id(t, true);
        add_bos = first >= 0;
        add_eos = last >= 0;
        bos = first >= 0 ? first : bos;
        eos = last >= 0 ? last : eos;
    }
    put_id(t, "tokenizer.ggml.bos_token_id", bos);
    put_id(t, "tokenizer.ggml.eos_token_id", eos);
    put_id(t, "tokenizer.ggml.eot_token_id", id_of_config(config, "eos_token_id", 1));
    put_ends(t, config);
    put_id(t, "tokenizer.ggml.unknown_token_id", id_of(t, json_get_str(t->model, "unk_token", NULL)));
    put_id(t, "tokenizer.ggml.padding_token_id", id_of_setting(t, settings, "pad_token"));
    build_bool(t->b, "tokenizer.ggml.add_bos_token", add_bos && bos >= 0);
    build_bool(t->b, "tokenizer.ggml.add_eos_token", add_eos && eos >= 0);
    const json_t *chat = json_object_get(settings, "chat_template");
    if (json_is_string(chat))
        build_str(t->b, "tokenizer.chat_template", json_string_value(chat), json_string_length(chat));
}

/* ---- all of it ---- */

static bool is_byte_level(const json_t *json)
{
    const json_t *pre = json_object_get(json, "pre_tokenizer"), *s;
    for (size_t i = 0; (s = step(pre, "pretokenizers", i)); i++)
        if (!strcmp(type_of(s), "ByteLevel"))
            return true;
    return false;
}

static void check_model(struct tokenizer *t)
{
    const char *prefix = json_get_str(t->model, "continuing_subword_prefix", ""),
               *suffix = json_get_str(t->model, "end_of_word_suffix", "");
    if (strcmp(json_get_str(t->model, "type", "BPE"), "BPE"))
        fail(t, ERR_UNSUPPORTED, "its model is not BPE, the only kind that is supported");
    else if (!json_is_object(t->vocab) || !json_is_array(json_object_get(t->model, "merges")))
        fail(t, ERR_FORMAT, "it has no vocabulary or no merges");
    else if (*prefix || *suffix)
        fail(t, ERR_UNSUPPORTED, "its tokens are marked by a prefix or suffix, which is not supported");
    else if (!t->byte_level && json_is_true(json_object_get(t->model, "ignore_merges")))
        fail(t, ERR_UNSUPPORTED, "ignore_merges is supported for byte-level tokenizers only");
    else if (!t->byte_level && !json_is_true(json_object_get(t->model, "byte_fallback")))
        fail(t, ERR_UNSUPPORTED, "it is neither byte-level nor falls back on bytes");
    if (t->n < 1 || t->n > MAX_VOCAB)
        fail(t, ERR_FORMAT, "the vocabulary is out of bounds");
}

static void read_all(struct tokenizer *t, const json_t *settings, const json_t *config)
{
    const json_t *merges = json_object_get(t->model, "merges");
    const char *model = t->byte_level ? "gpt2" : "llama";
    read_vocab(t);
    read_added(t);
    if (!t->b->rc)
        fill_holes(t);
    if (t->b->rc)
        return;
    build_str(t->b, "tokenizer.ggml.model", model, strlen(model));
    if (t->byte_level) {
        cut_rule(t);
        byte_normalizer(t);
        byte_merges(t, merges);
    } else {
        enum prefix p = space_rule(t);
        build_str(t->b, "tokenizer.ggml.pre", "default", 7);
        build_bool(t->b, "tokenizer.ggml.add_space_prefix", p != PREFIX_NONE);
        build_u32(t->b, "whichquant.tokenizer.space_prefix", p);
        if (!t->b->rc)
            id_merges(t, merges);
    }
    build_strs(t->b, "tokenizer.ggml.tokens", t->text, (size_t)t->n);
    build_i32s(t->b, "tokenizer.ggml.token_type", t->kind, (size_t)t->n);
    build_i32s(t->b, "whichquant.tokenizer.rstrip", t->rstrip, t->n_rstrip);
    read_ends(t, settings, config);
}

void hf_tokenizer(struct gguf_build *b, const json_t *tokenizer, const json_t *settings, const json_t *config,
                  int64_t n_vocab)
{
    const json_t *model = json_object_get(tokenizer, "model");
    struct tokenizer t = {.b = b,
                          .json = tokenizer,
                          .model = model,
                          .vocab = json_object_get(model, "vocab"),
                          .arena = arena_new(),
                          .n = n_vocab,
                          .byte_level = is_byte_level(tokenizer)};
    if (b->rc == 0 && !t.arena)
        b->rc = err_nomem(b->e, 64, "the vocabulary");
    if (!b->rc)
        check_model(&t);
    if (!b->rc) {
        t.text = arena_alloc_n(t.arena, (size_t)t.n, sizeof *t.text);
        t.kind = arena_alloc_n(t.arena, (size_t)t.n, sizeof *t.kind);
        t.rstrip = arena_alloc_n(t.arena, (size_t)t.n, sizeof *t.rstrip);
        t.score = arena_alloc_n(t.arena, (size_t)t.n, sizeof *t.score);
        if (!t.text || !t.kind || !t.rstrip || !t.score)
            b->rc = err_nomem(b->e, (size_t)t.n * sizeof *t.text, "the vocabulary");
    }
    if (!b->rc)
        read_all(&t, settings, config);
    arena_free(t.arena);
}
