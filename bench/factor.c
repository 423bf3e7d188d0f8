/* Framework factors: made of two records, kept in the store. */
#include "bench/factor.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include "base/mem.h"
#include "bench/store_int.h"

const char store_factor_sql[] =
    "CREATE TABLE IF NOT EXISTS factor(hw_sha256 TEXT NOT NULL, class TEXT NOT NULL, framework TEXT NOT NULL,"
    " version TEXT NOT NULL, backend TEXT NOT NULL, gpu_layers INTEGER NOT NULL, format TEXT NOT NULL,"
    " model TEXT NOT NULL, model_sha256 TEXT NOT NULL, date TEXT NOT NULL, prefill REAL, prefill_lo REAL,"
    " prefill_hi REAL, decode REAL, decode_lo REAL, decode_hi REAL,"
    " PRIMARY KEY(hw_sha256, framework, backend, gpu_layers, format, model_sha256));";

const char *device_class(const struct probe_device *d, char out[DEVICE_CLASS])
{
    static const enum isa_bit best_first[] = {ISA_BIT_AMX_INT8, ISA_BIT_AVX512_VNNI, ISA_BIT_AVX512F, ISA_BIT_AVX_VNNI,
                                              ISA_BIT_AVX2,     ISA_BIT_I8MM,        ISA_BIT_DOTPROD, ISA_BIT_NEON};
    const char *isa = "";
    for (size_t i = 0; i < sizeof best_first / sizeof *best_first && !*isa; i++)
        isa = d->cpu.isa_mask >> best_first[i] & 1 ? isa_name(best_first[i]) : "";
    snprintf(out, DEVICE_CLASS, "%.24s%s%s", d->cpu.arch, *isa ? " " : "", isa);
    return out;
}

bool factor_of(struct factor *f, const struct record *framework, const struct record *own, const struct probe_device *d)
{
    *f = (struct factor){.gpu_layers = framework->framework.gpu_layers,
                         .prefill = stats_ratio(framework->speed.prefill_tok_s, own->speed.prefill_tok_s),
                         .decode = stats_ratio(framework->speed.decode_tok_s, own->speed.decode_tok_s)};
    snprintf(f->hw_sha256, sizeof f->hw_sha256, "%s", framework->hw_sha256);
    snprintf(f->framework, sizeof f->framework, "%s", framework->framework.name);
    snprintf(f->version, sizeof f->version, "%s", framework->framework.version);
    snprintf(f->backend, sizeof f->backend, "%s", framework->framework.backend);
    snprintf(f->format, sizeof f->format, "%s", framework->format.name);
    snprintf(f->model, sizeof f->model, "%s", framework->model.name);
    snprintf(f->model_sha256, sizeof f->model_sha256, "%s", framework->model.sha256);
    snprintf(f->date, sizeof f->date, "%s", framework->date);
    device_class(d, f->class_name);
    return framework->status == STATUS_OK && own->status == STATUS_OK && isfinite(f->decode.v + f->prefill.v);
}

/* ---- in the store ---- */

static void bind_interval(sqlite3_stmt *q, int i, struct interval v)
{
    const double x[] = {v.v, v.lo, v.hi};
    for (int k = 0; k < 3; k++)
        if (isfinite(x[k]))
            sqlite3_bind_double(q, i + k, x[k]);
}

int store_put_factor(struct store *s, const struct factor *f, struct err *e)
{
    const char *const text[] = {f->hw_sha256, f->class_name, f->framework,    f->version, f->backend,
                                f->format,    f->model,      f->model_sha256, f->date};
    enum { N_TEXT = sizeof text / sizeof *text };
    sqlite3_stmt *q = NULL;
    int rc = sqlite3_prepare_v2(store_database(s),
                                "INSERT OR REPLACE INTO factor(hw_sha256, class, framework, version, backend, format, "
                                "model, model_sha256, date, gpu_layers, prefill, prefill_lo, prefill_hi, decode, "
                                "decode_lo, decode_hi) VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
                                -1, &q, NULL);
    if (rc == SQLITE_OK) {
        for (int i = 0; i < N_TEXT; i++)
            sqlite3_bind_text(q, i + 1, text[i], -1, SQLITE_TRANSIENT);
        sqlite3_bind_int(q, N_TEXT + 1, f->gpu_layers);
        bind_interval(q, N_TEXT + 2, f->prefill);
        bind_interval(q, N_TEXT + 5, f->decode);
        rc = sqlite3_step(q);
    }
    int result = rc == SQLITE_DONE ? 0 : store_complain(s, rc, e);
    sqlite3_finalize(q);
    return result;
}

static void get_text(char *out, size_t size, sqlite3_stmt *q, int i)
{
    const char *text = (const char *)sqlite3_column_text(q, i);
    snprintf(out, size, "%s", text ? text : "");
}

static double get_number(sqlite3_stmt *q, int i)
{
    return sqlite3_column_type(q, i) == SQLITE_NULL ? NAN : sqlite3_column_double(q, i);
}

static struct interval get_interval(sqlite3_stmt *q, int i)
{
    return (struct interval){get_number(q, i), get_number(q, i + 1), get_number(q, i + 2)};
}

static int add_row(struct factors *f, sqlite3_stmt *q, struct err *e)
{
    if (f->n == f->cap) {
        int cap = f->cap ? 2 * f->cap : 32;
        struct factor *at = mem_resize(f->at, (size_t)cap * sizeof *at);
        if (!at)
            return err_nomem(e, (unsigned long long)cap * sizeof *at, "the framework factors");
        f->at = at;
        f->cap = cap;
    }
    struct factor *x = &f->at[f->n++];
    get_text(x->hw_sha256, sizeof x->hw_sha256, q, 0);
    get_text(x->class_name, sizeof x->class_name, q, 1);
    get_text(x->framework, sizeof x->framework, q, 2);
    get_text(x->version, sizeof x->version, q, 3);
    get_text(x->backend, sizeof x->backend, q, 4);
    get_text(x->format, sizeof x->format, q, 5);
    get_text(x->model, sizeof x->model, q, 6);
    get_text(x->model_sha256, sizeof x->model_sha256, q, 7);
    get_text(x->date, sizeof x->date, q, 8);
    x->gpu_layers = sqlite3_column_int(q, 9);
    x->prefill = get_interval(q, 10);
    x->decode = get_interval(q, 13);
    return 0;
}

int factors_load(struct factors *f, struct store *s, const struct probe_device *d, struct err *e)
{
    char class_name[DEVICE_CLASS];
    sqlite3_stmt *q = NULL;
    *f = (struct factors){0};
    int step =
            sqlite3_prepare_v2(store_database(s),
                               "SELECT hw_sha256, class, framework, version, backend, format, model, model_sha256, "
                               "date, gpu_layers, prefill, prefill_lo, prefill_hi, decode, decode_lo, decode_hi FROM "
                               "factor WHERE hw_sha256 = ?1 OR class = ?2 ORDER BY hw_sha256 <> ?1, date DESC",
                               -1, &q, NULL),
        rc = 0;
    if (step == SQLITE_OK) {
        sqlite3_bind_text(q, 1, d->hw_sha256, -1, SQLITE_TRANSIENT);
        sqlite3_bind_text(q, 2, device_class(d, class_name), -1, SQLITE_TRANSIENT);
        while (rc == 0 && (step = sqlite3_step(q)) == SQLITE_ROW)
            rc = add_row(f, q, e);
    }
    if (rc == 0 && step != SQLITE_DONE)
        rc = store_complain(s, step, e);
    sqlite3_finalize(q);
    return rc;
}

void factors_free(struct factors *f)
{
    mem_free(f->at);
    *f = (struct factors){0};
}
