/* Framework factors: made of two records, kept in the store. */
#include "bench/factor.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include "base/mem.h"
#include "bench/store_int.h"

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

int store_put_factor(struct store *s, const struct factor *f, struct err *e)
{
    int64_t rc =
        db_run(s->db,
               "INSERT INTO factor(hw_sha256, class, framework, version, backend, format, model, model_sha256, date,"
               " gpu_layers, prefill, prefill_lo, prefill_hi, decode, decode_lo, decode_hi)"
               " VALUES($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15,$16)"
               " ON CONFLICT(hw_sha256, framework, backend, gpu_layers, format, model_sha256) DO UPDATE SET"
               " class = excluded.class, version = excluded.version, model = excluded.model, date = excluded.date,"
               " prefill = excluded.prefill, prefill_lo = excluded.prefill_lo, prefill_hi = excluded.prefill_hi,"
               " decode = excluded.decode, decode_lo = excluded.decode_lo, decode_hi = excluded.decode_hi",
               DB_VALUES(db_text(f->hw_sha256), db_text(f->class_name), db_text(f->framework), db_text(f->version),
                         db_text(f->backend), db_text(f->format), db_text(f->model), db_text(f->model_sha256),
                         db_text(f->date), db_int(f->gpu_layers), db_real(f->prefill.v), db_real(f->prefill.lo),
                         db_real(f->prefill.hi), db_real(f->decode.v), db_real(f->decode.lo), db_real(f->decode.hi)),
               e);
    return rc < 0 ? (int)rc : 0;
}

static struct interval get_interval(const struct db_rows *q, int i)
{
    return (struct interval){db_get_real(q, i), db_get_real(q, i + 1), db_get_real(q, i + 2)};
}

static int add_row(struct factors *f, const struct db_rows *q, struct err *e)
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
    db_copy_text(x->hw_sha256, sizeof x->hw_sha256, q, 0);
    db_copy_text(x->class_name, sizeof x->class_name, q, 1);
    db_copy_text(x->framework, sizeof x->framework, q, 2);
    db_copy_text(x->version, sizeof x->version, q, 3);
    db_copy_text(x->backend, sizeof x->backend, q, 4);
    db_copy_text(x->format, sizeof x->format, q, 5);
    db_copy_text(x->model, sizeof x->model, q, 6);
    db_copy_text(x->model_sha256, sizeof x->model_sha256, q, 7);
    db_copy_text(x->date, sizeof x->date, q, 8);
    x->gpu_layers = (int)db_get_int(q, 9);
    x->prefill = get_interval(q, 10);
    x->decode = get_interval(q, 13);
    return 0;
}

int factors_load(struct factors *f, struct store *s, const struct probe_device *d, struct err *e)
{
    char class_name[DEVICE_CLASS];
    struct db_rows *q;
    *f = (struct factors){0};
    int rc = db_query(&q, s->db,
                      "SELECT hw_sha256, class, framework, version, backend, format, model, model_sha256, date,"
                      " gpu_layers, prefill, prefill_lo, prefill_hi, decode, decode_lo, decode_hi FROM factor"
                      " WHERE hw_sha256 = $1 OR class = $2 ORDER BY hw_sha256 <> $1, date DESC",
                      DB_VALUES(db_text(d->hw_sha256), db_text(device_class(d, class_name))), e);
    while (rc == 0 && (rc = db_next(q, e)) > 0)
        rc = add_row(f, q, e);
    db_done(q);
    return rc;
}

void factors_free(struct factors *f)
{
    mem_free(f->at);
    *f = (struct factors){0};
}
