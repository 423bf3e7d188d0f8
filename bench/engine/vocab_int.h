/* What the tokenizer files share: the token table, the queue of merges, and one row per tokenizer model.
 * Nothing outside bench/engine/vocab*.c includes this. */
#ifndef BENCH_ENGINE_VOCAB_INT_H
#define BENCH_ENGINE_VOCAB_INT_H
#include "base/mem.h"
#include "bench/engine/vocab.h"

enum {                                /* what a token is; several may hold */
    TOK_NORMAL = 1,
    TOK_UNKNOWN = 2,
    TOK_CONTROL = 4,
    TOK_USER = 8,                     /* user-defined: found in every text before anything else */
    TOK_BYTE = 16,
    TOK_END = 32,                     /* ends a generation */
    TOK_RSTRIP = 64,                  /* swallows the white space behind it */
};
struct text {
    const char *p;
    uint32_t n;
};
struct token {
    struct text text;                 /* as in the file */
    uint32_t kind;
    uint32_t order;                   /* by score, best first, equal scores equal */
};

/* Texts to their places in an array whose elements begin with struct text: open addressing, at most half full. */
struct text_table {
    uint64_t *slot;                   /* hash tag << 32 | place + 1; 0 = free */
    size_t mask, stride;
    const void *array;
};
int text_table_new(struct text_table *t, struct arena *a, const void *array, size_t stride, size_t n_max,
                   struct err *e);
int32_t text_find(const struct text_table *t, const char *p, size_t n);                /* -1 when absent */
/* The place of an equal text, or -1 after place i, whose text stands in the array already, was entered. */
int32_t text_enter(struct text_table *t, int32_t i);

struct special {
    struct text text;
    int32_t id, prefix;               /* prefix: place of the longest other token that this one begins with, or -1 */
};
struct special_set {                  /* tokens that are looked for in the raw text */
    struct special *p;                /* sorted by text */
    int32_t n;
    int32_t first[257];               /* p[first[b]] .. p[first[b + 1] - 1] begin with byte b */
};

/* When a space is put before a piece of text: as llama.cpp does it (after every special token), or as tokenizer.json
 * says: not where there is one, or at the beginning of the whole text alone. */
enum space_prefix { PREFIX_NONE, PREFIX_AFTER_SPECIAL, PREFIX_UNLESS_SPACE, PREFIX_FIRST, N_PREFIXES };

struct bpe;
struct pair_table;
struct tokenizer;
struct vocab {
    const struct tokenizer *tokenizer;
    struct arena *arena;
    const char *pre;
    struct token *tok;
    struct text_table by_text;
    int32_t n, bos, eos, unk;
    bool add_bos, add_eos, composes;  /* composes: text to NFC first */
    enum space_prefix space_prefix;
    int32_t byte_token[256];          /* -1 where there is none */
    struct special_set user, all;     /* without and with control tokens */
    struct bpe *bpe;
    struct pair_table *pairs;         /* SPM by a list of merges; NULL: by score */
};

struct ids {
    int32_t *p;
    size_t n, cap;
};
int ids_push(struct ids *ids, int32_t id, struct err *e);

struct tokenizer {
    const char *name;                 /* tokenizer.ggml.model */
    int32_t bos, eos, unk;            /* where the file does not say; -1 = none */
    bool add_bos, add_space_prefix;
    int (*load)(struct vocab *v, const struct gguf *g, struct err *e);
    int (*encode)(const struct vocab *v, const char *text, size_t n, struct ids *out, struct err *e);
    void (*piece)(const struct vocab *v, const struct token *t, struct sbuf *out);    /* of a normal token */
    void (*unload)(struct vocab *v);
};
extern const struct tokenizer tokenizer_spm, tokenizer_bpe;

/* A piece of raw text, or a token found in it. */
struct fragment {
    uint32_t at, n;
    int32_t token;                    /* -1: text */
};
struct fragments {
    struct fragment *p;
    size_t n;
};
int special_set_new(struct special_set *s, const struct vocab *v, uint32_t kinds, uint32_t kinds_not, struct err *e);
/* *out is freed with mem_free(out->p). */
int special_split(const struct vocab *v, const struct special_set *s, const char *text, uint32_t n,
                  struct fragments *out, struct err *e);

/* A text made proper UTF-8, and the same length of what the regular expressions see in its place. */
struct clean_text {
    char *text, *matched;             /* one allocation: mem_free(text) */
    size_t n;
};
int clean_utf8(struct clean_text *c, const char *text, size_t n, struct err *e);

/* A binary heap, smallest key on top. */
struct heap_item {
    uint64_t key;
    int32_t right, id;
    uint32_t n;
};
struct heap {
    struct heap_item *p;
    size_t n, cap;
};
int heap_append(struct heap *h, struct heap_item x, struct err *e);      /* out of order, until heap_build */
void heap_build(struct heap *h);
int heap_push(struct heap *h, struct heap_item x, struct err *e);
struct heap_item heap_pop(struct heap *h);                               /* h->n > 0 */

/* Merging neighbours, best pair first, leftmost among equals: the core of SPM and BPE alike. */
struct link {
    int32_t prev, next;               /* -1 at the ends */
    uint32_t at, n;                   /* bytes of the text; n == 0: merged into the one before */
    int32_t id;                       /* the tokenizer's number of that text, -1 for none */
};
struct merger {
    const struct vocab *v;
    const char *text;
    /* Whether two neighbours merge; then their order (small first) and the merged text's number. */
    bool (*join)(const struct merger *m, const struct link *l, const struct link *r, uint32_t *order, int32_t *id);
    struct link *link;
    size_t n_links, cap_links;
    struct heap heap;                 /* key: order << 32 | left link; n: length of both when it was queued */
};
int merger_add(struct merger *m, uint32_t at, uint32_t n, int32_t id, struct err *e);    /* the next link */
int merger_run(struct merger *m, struct err *e);                         /* follow next from link 0 afterwards */
void merger_free(struct merger *m);
#endif
