/* tokenizer.json from GGUF keys, the way back from hf_tokenizer.c. Every token stands in the vocabulary of the model,
 * special ones too, so that ids do not depend on how a reader counts added tokens.
 *
 * SentencePiece vocabularies have scores where tokenizer.json has a list of merges: a merge for every way to cut a
 * token into two others, the best token first. Both ways then join the same neighbours but where tokens have equal
 * scores. */
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "bench/artifact/hf_write.h"

enum { NORMAL = 1, UNKNOWN = 2, CONTROL = 3, USER = 4, BYTE = 6 };
enum space_prefix { PREFIX_NONE, PREFIX_ALWAYS, PREFIX_UNLESS_SPACE, PREFIX_FIRST };
#define SPACE "\xe2\x96\x81"

struct pre_name {
    const char *name, *canonical;
    bool whole_words, bos;
};
static const struct pre_name pre_names[] = {
#define PRE_NAME(name, canonical, whole, bos) {name, canonical, whole, bos},
#include "bench/artifact/hf_pre_names.def"
#undef PRE_NAME
};
enum { N_PRE_NAMES = sizeof pre_names / sizeof *pre_names };

struct writer {
    const struct gguf *g;
    struct err *e;
    int rc;
    json_t *vocab; /* text to id; owned by the tree */
    char **text;   /* [n] NUL-terminated */
    int32_t *kind; /* [n] */
    float *score;  /* [n] */
    struct arena *arena;
    int64_t n;
    bool byte_level;
};

static void fail(struct writer *w, const char *what)
{
    if (!w->rc)
        w->rc = err_set(w->e, ERR_UNSUPPORTED, "tokenizer.json cannot say it: %s", what);
}

static bool is_text(struct gguf_str s, const char *want)
{
    return s.n == strlen(want) && !memcmp(s.p, want, s.n);
}

static bool is_byte_level(const struct gguf *g)
{
    struct gguf_str model;
    return gguf_get_str(g, "tokenizer.ggml.model", &model) && is_text(model, "gpt2");
}

static const struct pre_name *pre_name_of(const struct gguf *g)
{
    struct gguf_str pre = {"default", 7};
    gguf_get_str(g, "tokenizer.ggml.pre", &pre);
    for (int i = 0; i < N_PRE_NAMES; i++)
        if (is_text(pre, pre_names[i].name))
            return &pre_names[i];
    return NULL;
}

/* ---- what other files ask too ---- */

int64_t hf_special_id(const struct gguf *g, const char *role)
{
    static const char *const usual[] = {"unknown", "bos", "eos"}; /* by id, in SentencePiece vocabularies */
    const struct gguf_kv *tokens = gguf_find(g, "tokenizer.ggml.tokens");
    char key[96];
    int64_t id = -1;
    for (int i = 0; i < 3 && !is_byte_level(g); i++)
        if (!strcmp(role, usual[i]))
            id = i;
    snprintf(key, sizeof key, "tokenizer.ggml.%s_token_id", role);
    gguf_get_i64(g, key, &id);
    return tokens && id >= 0 && id < (int64_t)tokens->count ? id : -1;
}

bool hf_adds_bos(const struct gguf *g)
{
    const struct pre_name *pre = pre_name_of(g);
    bool add = is_byte_level(g) ? pre && pre->bos : true;
    gguf_get_bool(g, "tokenizer.ggml.add_bos_token", &add);
    return add;
}

bool hf_adds_eos(const struct gguf *g)
{
    bool add = false;
    gguf_get_bool(g, "tokenizer.ggml.add_eos_token", &add);
    return add;
}

/* ---- the vocabulary ---- */

static void read_token(struct writer *w, const struct gguf_kv *tokens, int64_t i)
{
    const struct gguf_str s = tokens->strings[i];
    w->text[i] = s.n ? arena_printf(w->arena, "%.*s", (int)s.n, s.p) : arena_printf(w->arena, "[EMPTY_%d]", (int)i);
    if (!w->text[i])
        w->rc = err_nomem(w->e, s.n, "the vocabulary");
    else if (s.n && strlen(w->text[i]) != s.n)
        fail(w, "a token holds the character 0");
    else if (json_object_get(w->vocab, w->text[i]))
        fail(w, "two tokens have the same text");
    else if (json_object_set_new(w->vocab, w->text[i], json_integer(i)))
        fail(w, "a token is no UTF-8");
}

static void read_vocab(struct writer *w)
{
    const struct gguf_kv *tokens = gguf_find(w->g, "tokenizer.ggml.tokens"),
                         *kinds = gguf_find(w->g, "tokenizer.ggml.token_type"),
                         *scores = gguf_find(w->g, "tokenizer.ggml.scores");
    if (!tokens || !tokens->strings || !tokens->count || tokens->count > INT32_MAX) {
        fail(w, "the model has no vocabulary");
        return;
    }
    w->n = (int64_t)tokens->count;
    w->text = arena_alloc_n(w->arena, (size_t)w->n, sizeof *w->text);
    w->kind = arena_alloc_n(w->arena, (size_t)w->n, sizeof *w->kind);
    w->score = arena_alloc_n(w->arena, (size_t)w->n, sizeof *w->score);
    if (!w->text || !w->kind || !w->score)
        w->rc = err_nomem(w->e, (size_t)w->n * sizeof *w->text, "the vocabulary");
    for (int64_t i = 0; i < w->n && !w->rc; i++) {
        int64_t kind = NORMAL;
        double score = 0;
        if (kinds)
            gguf_array_i64(kinds, (uint64_t)i, &kind);
        if (scores)
            gguf_array_f64(scores, (uint64_t)i, &score);
        w->kind[i] = (int32_t)kind;
        w->score[i] = (float)score;
        read_token(w, tokens, i);
    }
}

static int64_t id_of(const struct writer *w, const char *text)
{
    const json_t *id = json_object_get(w->vocab, text);
    return id ? json_integer_value(id) : -1;
}

/* Files of Phi-3 do not say that its special tokens drop the white space behind them: their name does. */
static bool is_phi3(const struct gguf *g)
{
    struct gguf_str name = {0};
    char text[256] = "";
    if (gguf_get_str(g, "general.name", &name))
        snprintf(text, sizeof text, "%.*s", (int)(name.n < sizeof text ? name.n : 0), name.p);
    return strcasestr(text, "phi-3") || strcasestr(text, "phi3");
}

static bool strips_right(const struct writer *w, int64_t i)
{
    const struct gguf_kv *listed = gguf_find(w->g, "whichquant.tokenizer.rstrip");
    int64_t id;
    for (uint64_t k = 0; listed && gguf_array_i64(listed, k, &id); k++)
        if (id == i)
            return true;
    if (listed || !is_phi3(w->g))
        return false;
    return strcmp(w->text[i], "<unk>") != 0 && strcmp(w->text[i], "<s>") != 0 &&
           strcmp(w->text[i], "<|endoftext|>") != 0;
}

static json_t *added_tokens(const struct writer *w)
{
    json_t *list = json_array();
    for (int64_t i = 0; i < w->n; i++) {
        if (w->kind[i] != UNKNOWN && w->kind[i] != CONTROL && w->kind[i] != USER)
            continue;
        json_array_append_new(list, json_pack("{sI ss sb sb sb sb sb}", "id", (json_int_t)i, "content", w->text[i],
                                              "single_word", 0, "lstrip", 0, "rstrip", strips_right(w, i), "normalized",
                                              0, "special", w->kind[i] != USER));
    }
    return list;
}

/* ---- merges ---- */

static void put_merge(json_t *list, const char *left, const char *right)
{
    json_array_append_new(list, json_sprintf("%s %s", left, right));
}

/* As the file has them; what stands twice counts where it stands first, but the last one would in tokenizers. */
static void byte_merges(struct writer *w, json_t *list)
{
    const struct gguf_kv *kv = gguf_find(w->g, "tokenizer.ggml.merges");
    json_t *seen = json_object();
    if (!kv || !kv->strings)
        fail(w, "the model has no merges");
    for (uint64_t i = 0; !w->rc && i < kv->count; i++) {
        char *s = mem_strndup(kv->strings[i].p, kv->strings[i].n), *space = s && *s ? strchr(s + 1, ' ') : NULL;
        if (!space) {
            w->rc = s ? err_set(w->e, ERR_FORMAT, "a merge is no pair of texts") : err_nomem(w->e, 64, "a merge");
        } else if (!json_object_get(seen, s)) {
            json_object_set_new(seen, s, json_null());
            json_array_append_new(list, json_string(s));
            *space = 0;
            bool left = id_of(w, s) >= 0, right = id_of(w, space + 1) >= 0;
            memmove(space, space + 1, strlen(space + 1) + 1);
            if (!left || !right || id_of(w, s) < 0)
                fail(w, "a merge joins what is no token, or into none");
        }
        mem_free(s);
    }
    json_decref(seen);
}

/* Triples of ids that hf_tokenizer.c made. */
static void listed_merges(struct writer *w, json_t *list, const struct gguf_kv *kv)
{
    for (uint64_t i = 0; i + 1 < kv->count && !w->rc; i += 3) {
        int64_t left = -1, right = -1;
        gguf_array_i64(kv, i, &left);
        gguf_array_i64(kv, i + 1, &right);
        if (left < 0 || left >= w->n || right < 0 || right >= w->n)
            fail(w, "a merge is none of tokens");
        else
            put_merge(list, w->text[left], w->text[right]);
    }
}

struct ranked {
    float score;
    int32_t id;
};

static int by_score(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    return x->score != y->score ? (x->score < y->score ? 1 : -1) : (x->id > y->id) - (x->id < y->id);
}

/* Every way to cut a token in two. A text with a plain space never comes to merging: spaces are U+2581 by then. */
static void cut_token(const struct writer *w, json_t *list, const char *text, char *scratch)
{
    const size_t n = strlen(text);
    if (memchr(text, ' ', n))
        return;
    for (size_t cut = 1; cut < n; cut++) {
        if (((uint8_t)text[cut] & 0xc0) == 0x80)
            continue;
        memcpy(scratch, text, cut);
        scratch[cut] = 0;
        if (id_of(w, text + cut) >= 0 && id_of(w, scratch) >= 0)
            put_merge(list, scratch, text + cut);
    }
}

static void scored_merges(struct writer *w, json_t *list)
{
    struct ranked *order = arena_alloc_n(w->arena, (size_t)w->n, sizeof *order);
    size_t longest = 0, n = 0;
    for (int64_t i = 0; i < w->n && order; i++) {
        longest = strlen(w->text[i]) > longest ? strlen(w->text[i]) : longest;
        if (w->kind[i] != CONTROL && w->kind[i] != UNKNOWN && w->kind[i] != BYTE)
            order[n++] = (struct ranked){w->score[i], (int32_t)i};
    }
    char *scratch = arena_alloc(w->arena, longest + 1);
    if (!order || !scratch) {
        w->rc = err_nomem(w->e, (size_t)w->n * sizeof *order, "the merges");
        return;
    }
    qsort(order, n, sizeof *order, by_score);
    for (size_t i = 0; i < n; i++)
        cut_token(w, list, w->text[order[i].id], scratch);
}

/* ---- steps before and behind ---- */

static json_t *sequence(const char *member, json_t *steps)
{
    if (json_array_size(steps) != 1)
        return json_pack("{ss so}", "type", "Sequence", member, steps);
    json_t *only = json_incref(json_array_get(steps, 0));
    json_decref(steps);
    return only;
}

static json_t *cut_step(char step)
{
    if (step == 'D')
        return json_pack("{ss sb}", "type", "Digits", "individual_digits", 1);
    return json_pack("{ss sb sb sb}", "type", "ByteLevel", "add_prefix_space", 0, "trim_offsets", 1, "use_regex",
                     step == 'B');
}

static json_t *byte_level_cut(struct writer *w)
{
    static const struct {
        const char *pattern, *steps, *name;
    } rows[] = {
#define PRE(pattern, steps, name) {pattern, steps, name},
#include "bench/artifact/hf_pretokenizers.def"
#undef PRE
    };
    const struct pre_name *pre = pre_name_of(w->g);
    json_t *steps = json_array();
    size_t i = 0;
    while (pre && strcmp(rows[i].name, pre->canonical))
        i++;
    if (!pre) {
        fail(w, "its way to cut words (tokenizer.ggml.pre) is none that this program knows of tokenizers");
        return steps;
    }
    if (*rows[i].pattern)
        json_array_append_new(steps, json_pack("{ss s{ss} ss sb}", "type", "Split", "pattern", "Regex", rows[i].pattern,
                                               "behavior", "Isolated", "invert", 0));
    for (const char *s = rows[i].steps; *s; s++)
        json_array_append_new(steps, cut_step(*s));
    return sequence("pretokenizers", steps);
}

static json_t *replace_step(const char *from, const char *to)
{
    return json_pack("{ss s{ss} ss}", "type", "Replace", "pattern", "String", from, "content", to);
}

static enum space_prefix prefix_of(const struct gguf *g)
{
    bool add = true;
    int64_t rule;
    gguf_get_bool(g, "tokenizer.ggml.add_space_prefix", &add);
    rule = add ? PREFIX_ALWAYS : PREFIX_NONE;
    gguf_get_i64(g, "whichquant.tokenizer.space_prefix", &rule);
    return (enum space_prefix)rule;
}

static json_t *spm_normalizer(enum space_prefix p)
{
    json_t *steps = json_array();
    if (p == PREFIX_UNLESS_SPACE || p == PREFIX_FIRST) { /* Metaspace does it */
        json_decref(steps);
        return json_null();
    }
    if (p == PREFIX_ALWAYS)
        json_array_append_new(steps, json_pack("{ss ss}", "type", "Prepend", "prepend", SPACE));
    json_array_append_new(steps, replace_step(" ", SPACE));
    return sequence("normalizers", steps);
}

static json_t *spm_cut(enum space_prefix p)
{
    if (p != PREFIX_UNLESS_SPACE && p != PREFIX_FIRST)
        return json_null();
    return json_pack("{ss ss ss sb}", "type", "Metaspace", "replacement", SPACE, "prepend_scheme",
                     p == PREFIX_FIRST ? "first" : "always", "split", 0);
}

static json_t *spm_decoder(enum space_prefix p)
{
    json_t *steps = json_array();
    json_array_append_new(steps, replace_step(SPACE, " "));
    json_array_append_new(steps, json_pack("{ss}", "type", "ByteFallback"));
    json_array_append_new(steps, json_pack("{ss}", "type", "Fuse"));
    if (p != PREFIX_NONE)
        json_array_append_new(steps,
                              json_pack("{ss ss si si}", "type", "Strip", "content", " ", "start", 1, "stop", 0));
    return sequence("decoders", steps);
}

static json_t *sequence_part(const char *id, int type)
{
    return json_pack("{s{ss si}}", "Sequence", "id", id, "type_id", type);
}

static void frame_part(const struct writer *w, json_t *list, int64_t id, int type)
{
    if (id >= 0)
        json_array_append_new(list, json_pack("{s{ss si}}", "SpecialToken", "id", w->text[id], "type_id", type));
}

/* What stands around every text. */
static json_t *frame(struct writer *w)
{
    int64_t id[2] = {hf_adds_bos(w->g) ? hf_special_id(w->g, "bos") : -1,
                     hf_adds_eos(w->g) ? hf_special_id(w->g, "eos") : -1};
    if (id[0] < 0 && id[1] < 0)
        return json_null();
    json_t *one = json_array(), *two = json_array(), *special = json_object();
    for (int part = 0; part < 3; part++) {
        json_t *list = part ? two : one;
        int type = part == 2;
        frame_part(w, list, id[0], type);
        json_array_append_new(list, sequence_part(type ? "B" : "A", type));
        frame_part(w, list, id[1], type);
    }
    for (int i = 0; i < 2; i++)
        if (id[i] >= 0)
            json_put(
                special, w->text[id[i]],
                json_pack("{ss s[I] s[s]}", "id", w->text[id[i]], "ids", (json_int_t)id[i], "tokens", w->text[id[i]]));
    return json_pack("{ss so so so}", "type", "TemplateProcessing", "single", one, "pair", two, "special_tokens",
                     special);
}

/* ---- all of it ---- */

static json_t *make_model(struct writer *w)
{
    const struct pre_name *pre = pre_name_of(w->g);
    const struct gguf_kv *listed = gguf_find(w->g, "whichquant.tokenizer.merges");
    const int64_t unknown = w->byte_level ? -1 : hf_special_id(w->g, "unknown");
    json_t *merges = json_array();
    if (w->byte_level)
        byte_merges(w, merges);
    else if (listed)
        listed_merges(w, merges, listed);
    else
        scored_merges(w, merges);
    return json_pack("{ss sn ss? sn sn sb sb sb sO so}", "type", "BPE", "dropout", "unk_token",
                     unknown >= 0 ? w->text[unknown] : NULL, "continuing_subword_prefix", "end_of_word_suffix",
                     "fuse_unk", 0, "byte_fallback", !w->byte_level, "ignore_merges",
                     w->byte_level && pre && pre->whole_words, "vocab", w->vocab, "merges", merges);
}

static json_t *make(struct writer *w)
{
    const enum space_prefix p = prefix_of(w->g);
    bool composed = false;
    json_t *o = json_pack("{ss sn sn}", "version", "1.0", "truncation", "padding");
    gguf_get_bool(w->g, "whichquant.tokenizer.nfc", &composed);
    json_put(o, "added_tokens", added_tokens(w));
    if (w->byte_level) {
        json_put(o, "normalizer", composed ? json_pack("{ss}", "type", "NFC") : json_null());
        json_put(o, "pre_tokenizer", byte_level_cut(w));
    } else {
        json_put(o, "normalizer", spm_normalizer(p));
        json_put(o, "pre_tokenizer", spm_cut(p));
    }
    json_put(o, "post_processor", frame(w));
    json_put(o, "decoder",
             w->byte_level ? json_pack("{ss sb sb sb}", "type", "ByteLevel", "add_prefix_space", 0, "trim_offsets", 1,
                                       "use_regex", 1)
                           : spm_decoder(p));
    json_put(o, "model", make_model(w));
    return o;
}

int hf_make_tokenizer(json_t **out, const struct gguf *g, struct err *e)
{
    struct writer w = {.g = g, .e = e, .arena = arena_new(), .vocab = json_object(), .byte_level = is_byte_level(g)};
    struct gguf_str model = {0};
    gguf_get_str(g, "tokenizer.ggml.model", &model);
    *out = NULL;
    if (!w.arena || !w.vocab)
        w.rc = err_nomem(e, 64, "the vocabulary");
    else if (!w.byte_level && !is_text(model, "llama"))
        fail(&w, "the tokenizer is neither SentencePiece (llama) nor byte-level BPE (gpt2)");
    else
        read_vocab(&w);
    if (!w.rc)
        *out = make(&w);
    if (!w.rc && !*out)
        w.rc = err_nomem(e, 64, "the tokenizer");
    if (w.rc) {
        json_decref(*out);
        *out = NULL;
    }
    json_decref(w.vocab);
    arena_free(w.arena);
    return w.rc;
}
