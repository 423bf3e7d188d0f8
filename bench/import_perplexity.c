/* The text that llama-perplexity prints, with or without the prefixes of its log. It names no text and often no model:
 * what it does not say stays unknown. */
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bench/import_state.h"

#define NO_MEMBER ((size_t)-1)
#define MEMBER(m) offsetof(struct eval_quality, m)
static const struct {
    const char *label;
    size_t value, error;
    double factor;
} figures[] = {
#define P(label, value, factor)  {label, MEMBER(value), NO_MEMBER, factor},
#define PE(label, value, factor) {label, MEMBER(value), MEMBER(value##_err), factor},
#include "bench/perplexity_lines.def"
#undef P
#undef PE
};

static void put(struct eval_quality *q, size_t member, double v)
{
    if (member != NO_MEMBER)
        *(double *)(void *)((char *)q + member) = v;
}

/* "label  :  1.25 ±  0.01", "label = 1.25 +/- 0.01", "label: 12.5%". */
static bool read_figures(struct eval_quality *q, const char *line)
{
    for (size_t i = 0; i < sizeof figures / sizeof *figures; i++) {
        const char *at = strstr(line, figures[i].label);
        const char *start = at ? strpbrk(at + strlen(figures[i].label), ":=") : NULL;
        char *end;
        double v = start ? strtod(start + 1, &end) : NAN;
        if (!start || end == start + 1 || !isfinite(v))
            continue;
        put(q, figures[i].value, v * figures[i].factor);
        const char *sign = strstr(end, "±"), *ascii = strstr(end, "+/-");
        const char *error = sign ? sign + strlen("±") : ascii ? ascii + 3 : NULL;
        if (error)
            put(q, figures[i].error, strtod(error, NULL) * figures[i].factor);
        return true;
    }
    return false;
}

/* What the log says of chunks and model, where it was kept. */
static void read_context(struct record *r, const char *line)
{
    const char *at;
    int chunks, n_ctx;
    size_t n;
    if ((at = strstr(line, " over ")) && sscanf(at, " over %d chunks, n_ctx=%d", &chunks, &n_ctx) == 2 && chunks > 0 &&
        n_ctx > 1) {
        r->quality.n_chunks = chunks;
        r->quality.n_scored = (int64_t)chunks * (n_ctx - 1 - n_ctx / 2); /* the second half of each chunk */
        r->workload.n_ctx = n_ctx;
        r->workload.n_tokens = (int64_t)chunks * n_ctx;
    }
    if ((at = strstr(line, "file type ")) && (at = strchr(at, '='))) {
        at += 1 + strspn(at + 1, " ");
        const char *format = llama_bench_format(at, &n);
        snprintf(r->format.name, sizeof r->format.name, "%s", format ? format : "");
    }
    if ((at = strstr(line, "general.name ")) && (at = strchr(at, '=')))
        snprintf(r->model.name, sizeof r->model.name, "%s", at + 1 + strspn(at + 1, " "));
}

int import_perplexity(struct import *im)
{
    struct record *r = import_add(im);
    int n_known = 0;
    if (!r)
        return ERR_NOMEM;
    for (const char *p = im->text; *p;) {
        char line[1024];
        size_t n = strcspn(p, "\n"), keep = n < sizeof line ? n : sizeof line - 1;
        memcpy(line, p, keep);
        while (keep > 0 && (line[keep - 1] == '\r' || line[keep - 1] == ' '))
            keep--;
        line[keep] = 0;
        n_known += read_figures(&r->quality, line);
        read_context(r, line);
        p += n + (p[n] == '\n');
    }
    snprintf(r->framework.name, sizeof r->framework.name, "llama.cpp");
    snprintf(r->framework.numerics, sizeof r->framework.numerics, "llama.cpp");
    r->quality_from = FROM_MEASURED;
    record_cell_id(r);
    return n_known;
}
