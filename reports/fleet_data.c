/* A fleet as CSV and JSON, and the files of its report. */
#include <math.h>
#include <string.h>
#include "base/json.h"
#include "reports/columns.h"
#include "reports/escape.h"
#include "reports/fleet_parts.h"
#include "reports/report_files.h"
#include "reports/writers.h"

int report_fleet_csv(struct sbuf *out, const struct fleet *f, struct err *e)
{
    columns_csv_head(out, procurement_columns, n_procurement_columns);
    for (int s = 0; s < f->n_needs; s++)
        for (int i = 0; i < f->need[s].table.n; i++)
            columns_csv_row(out, &f->need[s].table.row[i], procurement_columns, n_procurement_columns);
    return report_end(out, "the CSV", e);
}

/* ---- what all can run ---- */

/* A candidate as a row: the columns of standard.csv. */
struct standard_row {
#define X(type, name, doc) VALUE_##type name;
#include "reports/standard.def"
#undef X
};
static const struct column standard_columns[] = {
#define X(type, name, doc) COLUMN_OF(struct standard_row, type, name, doc),
#include "reports/standard.def"
#undef X
};
enum { N_STANDARD = sizeof standard_columns / sizeof standard_columns[0] };

static struct standard_row row_of(const struct fleet_need *n, const struct standard *s, const struct standard_key *k)
{
    const struct procured *at = n->table.row;
    struct standard_row r = {.need = n->table.need,
                             .kind = s->kind == STANDARD_MODEL ? "model in a format" : "format",
                             .model = k->model,
                             .format = k->format,
                             .machines = k->n_run,
                             .of = s->n_machines,
                             .timed = k->n_timed,
                             .decode_tok_s = k->decode.v,
                             .decode_tok_s_lo = k->decode.lo,
                             .decode_tok_s_hi = k->decode.hi,
                             .task_score = k->score,
                             .slowest = k->binding >= 0 ? at[k->binding].name : "",
                             .slowest_from = k->binding >= 0 ? k->row[k->binding]->speed_from : "",
                             .published = k->published,
                             .complete = k->complete,
                             .kept = k->kept,
                             .tied = k->tied,
                             .best = s->best >= 0 && k == &s->key[s->best],
                             .surest = s->surest >= 0 && k == &s->key[s->surest],
                             .missing_on = "",
                             .why_missing = ""};
    for (int m = 0; m < s->n_machines && !*r.missing_on; m++)
        if (*standard_why_not(k, m, at[m].decision))
            r.missing_on = at[m].name, r.why_missing = standard_why_not(k, m, at[m].decision);
    return r;
}

int report_standard_csv(struct sbuf *out, const struct fleet *f, struct err *e)
{
    columns_csv_head(out, standard_columns, N_STANDARD);
    for (int s = 0; s < f->n_needs; s++) {
        const struct fleet_need *n = &f->need[s];
        const struct standard *const kinds[] = {&n->model, &n->format};
        for (int k = 0; k < 2; k++)
            for (int i = 0; i < kinds[k]->n_keys; i++) {
                struct standard_row r = row_of(n, kinds[k], &kinds[k]->key[i]);
                columns_csv_row(out, &r, standard_columns, N_STANDARD);
            }
    }
    return report_end(out, "the CSV of what all can run", e);
}

/* ---- JSON ---- */

static json_t *rows_of(const struct procurement *p)
{
    json_t *a = json_array();
    for (int i = 0; i < p->n; i++)
        json_array_append_new(a, columns_json(&p->row[i], procurement_columns, n_procurement_columns));
    return a;
}

int report_devices_json(struct sbuf *out, const struct procurement *p, struct err *e)
{
    json_t *a = rows_of(p);
    json_print(out, a, 2);
    json_decref(a);
    sbuf_putc(out, '\n');
    return report_end(out, "the table of machines", e);
}

static json_t *dropped_of(const struct fleet_need *n, const struct standard *s)
{
    const struct standard_key *g = &s->gained;
    if (s->dropped < 0)
        return json_null();
    json_t *o = json_object();
    json_put(o, "machine", report_string_json(n->table.row[s->dropped].name));
    json_put(o, "model", report_string_json(g->model));
    json_put(o, "format", report_string_json(g->format));
    json_put(o, "decode_tok_s", json_num(g->decode.v));
    json_put(o, "decode_tok_s_lo", json_num(g->decode.lo));
    json_put(o, "decode_tok_s_hi", json_num(g->decode.hi));
    json_put(o, "task_score", json_num(g->score));
    json_put(o, "slowest", report_string_json(n->table.row[g->binding].name));
    return o;
}

static json_t *standard_of(const struct fleet_need *n, const struct standard *s)
{
    json_t *o = json_object(), *all = json_array(), *tied = json_array();
    for (int i = 0; i < s->n_keys; i++) {
        struct standard_row r = row_of(n, s, &s->key[i]);
        json_t *row = columns_json(&r, standard_columns, N_STANDARD);
        if (s->key[i].tied)
            json_array_append(tied, row);
        json_array_append_new(all, row);
    }
    json_t *best = s->best >= 0 ? json_incref(json_array_get(all, (size_t)s->best)) : json_null();
    json_t *surest = s->surest >= 0 ? json_incref(json_array_get(all, (size_t)s->surest)) : json_null();
    json_put(o, "verdict", json_string(s->best < 0 ? "none" : s->n_tied > 1 ? "tie" : "found"));
    json_put(o, "best", best);
    json_put(o, "surest", surest);
    json_put(o, "tied", tied);
    json_put(o, "without", dropped_of(n, s));
    json_put(o, "candidates", all);
    return o;
}

static json_t *need_of(const struct fleet_need *n)
{
    json_t *o = json_object();
    json_put(o, "need", report_string_json(n->table.need));
    json_put(o, "limits", report_string_json(n->table.limits));
    json_put(o, "rows", rows_of(&n->table));
    json_put(o, "one_model_in_one_format", standard_of(n, &n->model));
    json_put(o, "one_format", standard_of(n, &n->format));
    return o;
}

int report_fleet_json(struct sbuf *out, const struct fleet *f, struct err *e)
{
    json_t *o = json_object(), *a = json_array();
    json_put(o, "date", report_string_json(f->n_needs ? f->need[0].table.date : ""));
    json_put(o, "machines", json_integer(f->n_machines));
    for (int s = 0; s < f->n_needs; s++)
        json_array_append_new(a, need_of(&f->need[s]));
    json_put(o, "needs", a);
    json_print(out, o, 2);
    json_decref(o);
    sbuf_putc(out, '\n');
    return report_end(out, "the report of the fleet", e);
}

/* ---- files ---- */

int reports_write_fleet(const char *dir, const struct fleet *f, struct err *e)
{
    static const struct {
        const char *file;
        int (*write)(struct sbuf *out, const struct fleet *f, struct err *e);
    } writer[] = {{"report.html", report_fleet_html},
                  {"procurement.csv", report_fleet_csv},
                  {"standard.csv", report_standard_csv},
                  {"fleet.json", report_fleet_json},
                  {"summary.md", report_fleet_markdown}};
    struct report_files files = {0};
    int rc = 0;
    for (size_t i = 0; i < sizeof writer / sizeof *writer && rc == 0; i++)
        rc = writer[i].write(report_files_add(&files, writer[i].file), f, e);
    if (rc == 0)
        rc = report_files_write(&files, dir, e);
    report_files_free(&files);
    return rc;
}
