/* logits_raw MODEL FORMAT|- DITHER|-: for comparison with frameworks that run what quantize wrote (tests/equivalence).
 * Standard input: lines "ids TEXT" with TEXT as a JSON string (special tokens in it are recognised), "logits IDS" and
 * "greedy N IDS", IDS as a JSON list. Each answers: a JSON list of ids, or raw f32 logits [ids][vocabulary] after a
 * line with their number. f32 activations and f32 KV; FORMAT is encoded in memory. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/json.h"
#include "base/mem.h"
#include "bench/engine/engine.h"
#include "bench/quant/recipe.h"

enum { N_CTX = 512 };

struct state {
    struct model *m;
    struct weights *w;
    struct engine *g;
    struct err e;
};

static int encode(struct state *s, const char *format)
{
    struct recipe r;
    struct use_assign *a = mem_alloc_n((size_t)s->m->d.n_tensors, sizeof *a);
    int rc = a ? recipe_resolve(&r, format, &s->e) : ERR_NOMEM;
    if (rc == 0)
        rc = recipe_assign(&s->m->d, &r, "weights-only", NULL, a, &s->e);
    if (rc == 0)
        rc = weights_encode(&s->w, s->m, a, NULL, 0, NULL, &s->e);
    mem_free(a);
    return rc;
}

static int open_all(struct state *s, char **argv)
{
    const struct engine_opts o = {.mode = ENGINE_REFERENCE, .n_ctx = N_CTX, .n_batch = N_CTX, .kv = KV_BOTH(F32)};
    int rc = model_open(&s->m, argv[1], &s->e);
    if (rc == 0 && strcmp(argv[3], "-") != 0)
        rc = model_dither(s->m, strtoull(argv[3], NULL, 10), &s->e);
    if (rc == 0)
        rc = strcmp(argv[2], "-") ? encode(s, argv[2]) : weights_source(&s->w, s->m, false, &s->e);
    return rc ? rc : engine_new(&s->g, s->w, &o, &s->e);
}

static int read_ids(const json_t *list, int32_t *ids)
{
    size_t n = json_array_size(list);
    for (size_t i = 0; i < n && i < N_CTX; i++)
        ids[i] = (int32_t)json_integer_value(json_array_get(list, i));
    return n < N_CTX ? (int)n : N_CTX;
}

static void print_ids(const int32_t *ids, size_t n)
{
    printf("[");
    for (size_t i = 0; i < n; i++)
        printf("%s%d", i ? ", " : "", ids[i]);
    printf("]\n");
}

static int tokenize(struct state *s, const json_t *text)
{
    int32_t *ids;
    size_t n;
    int rc = vocab_encode(s->m->vocab, json_string_value(text), json_string_length(text), true, true, &ids, &n, &s->e);
    if (rc == 0)
        print_ids(ids, n);
    mem_free(ids);
    return rc;
}

static int put_logits(struct state *s, const int32_t *ids, int n, float *row)
{
    engine_reset(s->g);
    int rc = engine_forward(s->g, ids, n, &s->e);
    printf("%d\n", n * s->m->d.n_vocab);
    for (int i = 0; i < n && rc == 0; i++) {
        rc = engine_logits(s->g, i, 1, row, &s->e);
        fwrite(row, sizeof *row, (size_t)s->m->d.n_vocab, stdout);
    }
    return rc;
}

static int put_greedy(struct state *s, const int32_t *ids, int n, int n_new, float *row)
{
    int32_t out[N_CTX];
    engine_reset(s->g);
    int rc = engine_forward(s->g, ids, n, &s->e);
    for (int i = 0, last = n - 1; i < n_new && rc == 0; i++, last = 0) {
        if ((rc = engine_logits(s->g, last, 1, row, &s->e)) != 0)
            break;
        int32_t best = 0;
        for (int32_t v = 1; v < s->m->d.n_vocab; v++)
            best = row[v] > row[best] ? v : best;
        out[i] = best;
        rc = engine_forward(s->g, &best, 1, &s->e);
    }
    if (rc == 0)
        print_ids(out, (size_t)n_new);
    return rc;
}

static int answer(struct state *s, char *line, float *row)
{
    int32_t ids[N_CTX];
    char *rest = strchr(line, ' ');
    json_t *v =
        rest ? json_loads(strchr(line, line[0] == 'i' ? '"' : '['), JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL) : NULL;
    int rc = v ? 0 : err_set(&s->e, ERR_USAGE, "a line that is no request");
    if (rc == 0 && line[0] == 'i')
        rc = tokenize(s, v);
    else if (rc == 0 && line[0] == 'l')
        rc = put_logits(s, ids, read_ids(v, ids), row);
    else if (rc == 0)
        rc = put_greedy(s, ids, read_ids(v, ids), (int)strtol(rest, NULL, 10), row);
    json_decref(v);
    fflush(stdout);
    return rc;
}

int main(int argc, char **argv)
{
    struct state s = {0};
    char *line = NULL;
    size_t room = 0;
    if (argc != 4)
        return 2;
    int rc = open_all(&s, argv);
    float *row = rc ? NULL : malloc((size_t)s.m->d.n_vocab * sizeof *row);
    while (rc == 0 && getline(&line, &room, stdin) > 1)
        rc = answer(&s, line, row);
    if (rc)
        fprintf(stderr, "%s\n", s.e.text);
    free(row);
    free(line);
    engine_free(s.g);
    weights_free(s.w);
    model_close(s.m);
    return rc ? 1 : 0;
}
