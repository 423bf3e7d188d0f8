/* Figures out of what a benchmark prints. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/sbuf.h"
#include "bench/ab.h"
#include "bench/import_foreign.h"
#include "bench/import_state.h"

struct list {
    struct ab_figure *v;
    int n, cap;
    struct err *e;
};

static int add(struct list *l, const char *name, const char *unit, int better, double value)
{
    if (l->n == l->cap) {
        int cap = l->cap ? 2 * l->cap : 16;
        struct ab_figure *v = mem_resize(l->v, (size_t)cap * sizeof *v);
        if (!v)
            return err_nomem(l->e, (size_t)cap * sizeof *v, "the figures");
        l->v = v;
        l->cap = cap;
    }
    struct ab_figure f = {.better = better, .value = value};
    snprintf(f.name, sizeof f.name, "%s", name);
    snprintf(f.unit, sizeof f.unit, "%s", unit);
    for (int i = 0, same = 1; i < l->n; i++) /* the same test twice, with other settings: by its place */
        if (strcmp(l->v[i].name, f.name) == 0) {
            snprintf(f.name, sizeof f.name, "%.50s #%d", name, ++same);
            i = -1;
        }
    l->v[l->n++] = f;
    return 0;
}

/* ---- llama-bench ---- */

/* Model, threads and build stand not in the name: they may be what A and B differ in. */
static int add_row(void *arg, const struct llama_bench_row *given)
{
    struct list *l = arg;
    struct llama_bench_row row = *given;
    const char *why = NULL;
    if (!llama_bench_row_finish(&row, &why))
        return 0;
    char name[AB_NAME] = "";
    size_t n = 0;
    const struct {
        const char *what;
        double v;
    } part[] = {{"pp", row.n_prompt}, {"tg", row.n_gen}, {"d", row.n_depth}};
    for (size_t i = 0; i < sizeof part / sizeof *part; i++)
        if (part[i].v > 0 && n < sizeof name)
            n += (size_t)snprintf(name + n, sizeof name - n, "%s%s%.0f", n ? " " : "", part[i].what, part[i].v);
    double tokens = fmax(row.n_prompt, 0) + fmax(row.n_gen, 0), rate[RECORD_MAX_SAMPLES];
    for (int i = 0; i < row.ns.n; i++)
        rate[i] = 1e9 * tokens / row.ns.x[i];
    double value = row.ns.n ? stats_median(rate, row.ns.n) : row.avg_ts > 0 ? row.avg_ts : 1e9 * tokens / row.avg_ns;
    return add(l, name, "tok/s", 1, value);
}

static int read_llama_csv(struct list *l, const char *text)
{
    struct cells *c = mem_alloc_n(2, sizeof *c);
    int rc = c ? 0 : err_nomem(l->e, 2 * sizeof *c, "the figures");
    if (rc == 0)
        import_csv_cells(&text, &c[0]);
    while (rc == 0 && import_csv_cells(&text, &c[1])) {
        struct llama_bench_row row;
        llama_bench_row_init(&row);
        for (int i = 0; i < c[0].n && i < c[1].n; i++)
            llama_bench_row_set(&row, c[0].text[i], c[1].text[i]);
        rc = add_row(l, &row);
    }
    mem_free(c);
    return rc;
}

/* ---- metric,value ---- */

/* Without a column "better": more is better of what is counted per second, less of anything else. */
static void add_better(struct sbuf *out, const char *text)
{
    for (const char *p = text; *p;) {
        size_t n = strcspn(p, "\r\n");
        bool rate = memmem(p, n, "/s", 2) || memmem(p, n, "_per_s", 6) || memmem(p, n, "tok_s", 5);
        if (n) {
            sbuf_add(out, p, n);
            sbuf_printf(out, ",%s\n", p == text ? "better" : rate ? "higher" : "lower");
        }
        p += n + strspn(p + n, "\r\n");
    }
}

static int read_foreign(struct list *l, const char *text)
{
    struct foreign_run like = {.source = "ab", .date = "2000-01-01T00:00:00Z"}, *run = NULL;
    int n = 0, n_ours = 0, rc = import_foreign(text, "its output", &like, true, &run, &n, &n_ours, l->e);
    for (int i = 0; i < n && rc == 0; i++)
        for (int k = 0; k < run[i].n && rc == 0; k++) {
            const struct foreign *f = &run[i].metric[k];
            rc = add(l, f->metric, f->unit, f->better, stats_median(f->value, f->n));
        }
    import_foreign_free(run, n);
    return rc;
}

/* The table ends at an empty line; what is said before its header does not matter. */
static int read_metrics(struct list *l, const char *header, const char *text_end)
{
    const char *end = strstr(header, "\n\n");
    struct sbuf table = {0}, with = {0};
    sbuf_add(&table, header, (size_t)((end ? end + 1 : text_end) - header));
    bool has_better = memmem(header, strcspn(header, "\n"), "better", 6) != NULL;
    if (!has_better)
        add_better(&with, sbuf_str(&table));
    int rc = table.failed || with.failed ? err_nomem(l->e, table.n, "the figures")
                                         : read_foreign(l, sbuf_str(has_better ? &table : &with));
    sbuf_free(&table);
    sbuf_free(&with);
    return rc;
}

/* The line that has both words; NULL: none. */
static const char *find_header(const char *text, const char *a, const char *b)
{
    for (const char *p = text; *p; p += strcspn(p, "\n"), p += *p == '\n') {
        size_t n = strcspn(p, "\n");
        if (memmem(p, n, a, strlen(a)) && memmem(p, n, b, strlen(b)) && memchr(p, ',', n))
            return p;
    }
    return NULL;
}

int ab_read_figures(struct ab_figure **out, int *n, const char *text, size_t size, struct err *e)
{
    struct list l = {.e = e};
    const char *start = text + strspn(text, " \t\r\n"), *metrics = find_header(text, "metric", "value"),
               *llama = find_header(text, "n_prompt", "n_gen");
    int rc = 0;
    if (*start == '{' || *start == '[')
        rc = llama_bench_each(start, size - (size_t)(start - text), add_row, &l);
    else if (llama)
        rc = read_llama_csv(&l, llama);
    else if (metrics)
        rc = read_metrics(&l, metrics, text + size);
    if (rc >= 0 && l.n == 0)
        rc = err_set(
            e, ERR_FORMAT,
            "its output holds no figures: print llama-bench's json, jsonl or csv, `whichquant bench --json`, or "
            "lines metric,value,unit,better; or give --metric wall");
    if (rc < 0) {
        mem_free(l.v);
        return rc;
    }
    *out = l.v;
    *n = l.n;
    return 0;
}
