/* Readers of cells: CSV by RFC 4180, and the INSERT lines of llama-bench's sql, which quotes without escaping. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "bench/import_state.h"
#include "bench/record_fields.h"

/* One cell from *p, which is left on the comma or line end behind it. Longer cells are cut: no figure is that long. */
static void read_cell(const char **p, char *out)
{
    size_t n = 0;
    bool quoted = **p == '"';
    const char *s = *p + quoted;
    for (; *s && (quoted || (*s != ',' && *s != '\n')); s++) {
        if (quoted && *s == '"' && *++s != '"')
            break; /* the closing quote; a doubled one stands for itself */
        if (n + 1 < MOST_CELL)
            out[n++] = *s;
    }
    while (*s && *s != ',' && *s != '\n')
        s++;
    while (n > 0 && !quoted && (out[n - 1] == '\r' || out[n - 1] == ' '))
        n--;
    out[n] = 0;
    *p = s;
}

bool import_csv_cells(const char **p, struct cells *c)
{
    c->n = 0;
    if (!**p)
        return false;
    for (;;) {
        read_cell(p, c->text[c->n]);
        c->n += c->n + 1 < MOST_COLUMNS; /* more columns than that overwrite the last */
        if (**p != ',')
            break;
        ++*p;
    }
    *p += **p == '\n';
    return true;
}

/* Two tables of cells: the header and the current line. */
static int with_lines(struct import *im, int (*fn)(struct import *, const struct cells *, const struct cells *, void *),
                      void *arg)
{
    struct cells *c = mem_alloc_n(2, sizeof *c);
    if (!c)
        return err_nomem(im->e, 2 * sizeof *c, im->where);
    const char *p = im->text;
    int n_rows = 0, rc = 0;
    import_csv_cells(&p, &c[0]);
    while (rc == 0 && import_csv_cells(&p, &c[1])) {
        if (c[1].n == 1 && !c[1].text[0][0])
            continue;
        rc = fn(im, &c[0], &c[1], arg);
        n_rows++;
    }
    mem_free(c);
    return rc < 0 ? rc : n_rows;
}

static int llama_bench_line(struct import *im, const struct cells *header, const struct cells *line, void *arg)
{
    (void)arg;
    struct llama_bench_row row;
    llama_bench_row_init(&row);
    for (int i = 0; i < header->n && i < line->n; i++)
        llama_bench_row_set(&row, header->text[i], line->text[i]);
    return import_llama_bench_row(im, &row);
}

int import_csv_llama_bench(struct import *im)
{
    return with_lines(im, llama_bench_line, NULL);
}

/* ---- metric,value ---- */

struct metrics {
    struct record *r;
    int n_known;
};

/* "quality.kld", "kld", "model.name", or "model" for a group's name. */
static const struct record_field *find_field(const char *name)
{
    const char *dot = strchr(name, '.');
    for (int i = 0; i < n_record_fields; i++) {
        const struct record_field *f = &record_fields[i];
        bool by_path = dot && strlen(f->group) == (size_t)(dot - name) && !strncmp(f->group, name, strlen(f->group)) &&
                       !strcmp(f->key, dot + 1);
        bool by_key = !dot && (f->unit || !*f->group || !strcmp(f->group, "workload")) && !strcmp(f->key, name);
        if (by_path || by_key || (!strcmp(f->key, "name") && !strcmp(f->group, name)))
            return f;
    }
    return NULL;
}

bool import_csv_knows(const char *name)
{
    return find_field(name) != NULL;
}

static bool set_field(struct record *r, const struct record_field *f, const char *text)
{
    char *p = (char *)r + f->offset, *end;
    double v = strtod(text, &end);
    bool number = end != text && *end == 0 && isfinite(v), whole = number && v >= 0 && v < 2e9;
    switch (f->kind) {
    case FIELD_STR:
        snprintf(p, f->size, "%s", text);
        return true;
    case FIELD_NUM:
        *(double *)(void *)p = number ? v : NAN;
        return number;
    case FIELD_IVL:
        *(struct interval *)(void *)p = (struct interval){number ? v : NAN, NAN, NAN};
        return number;
    case FIELD_INT:
    case FIELD_COUNT:
        *(int *)(void *)p = whole ? (int)v : 0;
        return whole;
    case FIELD_COUNT64:
    case FIELD_BYTES:
        *(int64_t *)(void *)p = number && v >= 0 && v < 9e15 ? (int64_t)v : -1;
        return number && v >= 0 && v < 9e15;
    default:
        return false;
    }
}

static int column(const struct cells *header, const char *name)
{
    for (int i = 0; i < header->n; i++)
        if (strcmp(header->text[i], name) == 0)
            return i;
    return -1;
}

static int metric_line(struct import *im, const struct cells *header, const struct cells *line, void *arg)
{
    struct metrics *m = arg;
    int metric = column(header, "metric"), value = column(header, "value");
    if (metric < 0 || value < 0)
        return err_set(im->e, ERR_FORMAT, "%s: the header needs the columns metric and value", im->where);
    if (metric >= line->n || value >= line->n)
        return err_set(im->e, ERR_FORMAT, "%s: a line has %d cells where the header has %d", im->where, line->n,
                       header->n);
    const struct record_field *f = find_field(line->text[metric]);
    if (f && set_field(m->r, f, line->text[value])) {
        m->n_known++;
        if (f->unit && !strcmp(f->group, "quality"))
            m->r->quality_from = FROM_MEASURED;
        if (f->unit && !strcmp(f->group, "speed"))
            m->r->speed_from = FROM_MEASURED;
        if (f->unit && !strcmp(f->group, "memory"))
            m->r->memory_from = FROM_MEASURED;
        return 0;
    }
    if (column(header, "better") >= 0)
        return 0; /* another program's: import_foreign */
    size_t used = strlen(m->r->reason);
    snprintf(m->r->reason + used, sizeof m->r->reason - used, "%s%.60s",
             used ? ", " : "not understood: ", line->text[metric]);
    return 0;
}

int import_csv_metrics(struct import *im)
{
    struct metrics m = {.r = import_add(im)};
    if (!m.r)
        return ERR_NOMEM;
    int rc = with_lines(im, metric_line, &m);
    if (rc >= 0 && m.n_known == 0)
        return err_set(im->e, ERR_FORMAT,
                       "%s: no metric in it is one of `whichquant list metrics`; for figures of another program add a "
                       "column better (higher or lower)",
                       im->where);
    m.r->speed.low_confidence = true; /* single figures without samples */
    record_cell_id(m.r);
    return rc;
}

/* ---- sql ---- */

/* Cells between the parentheses at p, which ends before `end`: bare names, or values in quotes that are not escaped, so
 * that only quote-comma-space-quote separates them. */
static void split(struct cells *c, const char *p, const char *end, const char *separator)
{
    size_t gap = strlen(separator);
    for (c->n = 0; p < end && c->n < MOST_COLUMNS; c->n++) {
        const char *stop = strstr(p, separator);
        stop = stop && stop < end ? stop : end;
        snprintf(c->text[c->n], MOST_CELL, "%.*s", (int)(stop - p < MOST_CELL ? stop - p : MOST_CELL - 1), p);
        p = stop + gap;
    }
}

int import_sql_llama_bench(struct import *im)
{
    struct cells *c = mem_alloc_n(2, sizeof *c);
    if (!c)
        return err_nomem(im->e, 2 * sizeof *c, im->where);
    int n_rows = 0, rc = 0;
    for (const char *p = im->text; rc == 0 && (p = strstr(p, "INSERT INTO llama_bench (")); n_rows++) {
        const char *names = p + sizeof "INSERT INTO llama_bench (" - 1;
        size_t n_line = strcspn(names, "\n");
        const char *values = strstr(names, ") VALUES ('"), *end = names + n_line;
        while (end > names && *end != '\'')
            end--; /* the quote of the last value */
        p = names + n_line;
        if (!values || values + sizeof ") VALUES ('" - 1 > end)
            continue;
        split(&c[0], names, values, ", ");
        split(&c[1], values + sizeof ") VALUES ('" - 1, end, "', '");
        rc = llama_bench_line(im, &c[0], &c[1], NULL);
    }
    mem_free(c);
    return rc < 0 ? rc : n_rows;
}
