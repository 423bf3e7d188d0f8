/* Records as JSON: the rows of record.def and metrics.def inside their groups, and llama-bench's fields at
 * the top level, so that what reads llama-bench's json lines reads ours. Only our own rows are read back
 * (llama-bench's own files: import.c). Strings come from files of strangers: what is not UTF-8 is replaced,
 * nothing is cut. */
#include "bench/record_fields.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/isa.h"
#include "base/sbuf.h"

/* ---- writing ---- */

static json_t *text_to_json(const char *s)
{
    json_t *v = json_string(s);
    if (v)
        return v;
    struct sbuf b = {0};
    sbuf_add_utf8(&b, s);
    v = b.failed ? NULL : json_string(sbuf_str(&b));
    sbuf_free(&b);
    return v;
}

static json_t *isa_to_json(uint64_t isa)
{
    struct sbuf b = {0};
    for (int i = 0; i < N_ISA; i++)
        if (isa >> i & 1)
            sbuf_printf(&b, "%s%s", b.n ? " " : "", isa_name(i));
    json_t *v = b.failed ? NULL : json_string(sbuf_str(&b));
    sbuf_free(&b);
    return v;
}

static json_t *interval_to_json(const struct interval *i)
{
    return isnan(i->v) ? json_null()
                       : json_pack("{s:o,s:o,s:o}", "v", json_num(i->v), "lo", json_num(i->lo), "hi",
                                   json_num(i->hi));
}

static json_t *samples_to_json(const struct samples *s)
{
    json_t *a = json_array();
    for (int i = 0; a && i < s->n && i < RECORD_MAX_SAMPLES; i++)
        json_array_append_new(a, json_num(s->x[i]));
    return a;
}

/* Jansson's integers are signed: what does not fit is written as digits in a string. */
static json_t *seed_to_json(uint64_t v)
{
    char digits[24];
    snprintf(digits, sizeof digits, "%" PRIu64, v);
    return v <= INT64_MAX ? json_integer((json_int_t)v) : json_string(digits);
}

static json_t *field_to_json(const struct record *r, const struct record_field *f)
{
    const void *p = (const char *)r + f->offset;
    switch (f->kind) {
    case FIELD_STR:
        return text_to_json(p);
    case FIELD_FLAG:
        return json_boolean(*(const bool *)p);
    case FIELD_INT:
    case FIELD_COUNT:
        return json_integer(*(const int *)p);
    case FIELD_COUNT64:
        return json_integer(*(const int64_t *)p);
    case FIELD_BYTES:
        return *(const int64_t *)p < 0 ? json_null() : json_integer(*(const int64_t *)p);
    case FIELD_U64:
        return *(const uint64_t *)p == UINT64_MAX ? json_null() : seed_to_json(*(const uint64_t *)p);
    case FIELD_SEED:
        return seed_to_json(*(const uint64_t *)p);
    case FIELD_ISA:
        return isa_to_json(*(const uint64_t *)p);
    case FIELD_NUM:
        return json_num(*(const double *)p);
    case FIELD_IVL:
        return interval_to_json(p);
    case FIELD_SAMPLES:
    case FIELD_CHUNKS:
        return samples_to_json(p);
    case FIELD_PROVENANCE:
        return json_string(provenance_name(*(const enum provenance *)p));
    case FIELD_STATUS:
        return json_string(record_status_name(*(const enum record_status *)p));
    default:
        return NULL;
    }
}

/* The object that a group is written into: made on first use. */
static json_t *group_of(json_t *top, const char *group)
{
    if (!*group)
        return top;
    json_t *g = json_object_get(top, group);
    if (!g && json_object_set_new(top, group, json_object()) == 0)
        g = json_object_get(top, group);
    return g;
}

/* ---- llama-bench's fields ---- */

/* Repetitions of one phase, or of both together as its pg test counts them: one time for prompt and answer.
 */
static struct samples phase_ns(const struct record *r, bool prefill, bool decode)
{
    struct samples s = {0};
    const struct samples *p = &r->speed.prefill_ns, *d = &r->speed.decode_ns;
    s.n = prefill && decode ? (p->n < d->n ? p->n : d->n) : prefill ? p->n : d->n;
    for (int i = 0; i < s.n; i++)
        s.x[i] = (prefill ? p->x[i] : 0) + (decode ? d->x[i] : 0);
    return s;
}

static struct samples rate_of(const struct samples *ns, int n_tokens)
{
    struct samples ts = {.n = ns->n};
    for (int i = 0; i < ns->n; i++)
        ts.x[i] = 1e9 * n_tokens / ns->x[i];
    return ts;
}

/* Settings of llama-bench that nothing here corresponds to carry the value that describes a plain CPU run. */
static void put_settings(json_t *o)
{
    static const struct {
        const char *key, *text;
        int number;
        bool flag;
    } setting[] = {
        {"cpu_mask", "0x0", 0, 0},    {"cpu_strict", NULL, 0, 1},     {"poll", NULL, 50, 0},
        {"n_cpu_moe", NULL, 0, 0},    {"split_mode", "layer", 0, 0},  {"main_gpu", NULL, 0, 0},
        {"no_kv_offload", NULL, 0, 1}, {"flash_attn", NULL, 0, 0},
        {"devices", "auto", 0, 0},    {"tensor_split", "0.00", 0, 0}, {"tensor_buft_overrides", "none", 0, 0},
        {"load_mode", "mmap", 0, 0},  {"embeddings", NULL, 0, 1},     {"no_op_offload", NULL, 0, 0},
        {"no_host", NULL, 0, 1},      {"fit_target", NULL, 0, 0},     {"fit_min_ctx", NULL, 0, 0},
    };
    for (size_t i = 0; i < sizeof setting / sizeof *setting; i++)
        json_put(o, setting[i].key,
                 setting[i].text   ? json_string(setting[i].text)
                 : setting[i].flag ? json_false()
                                   : json_integer(setting[i].number));
}

static int threads_of(const struct record *r, bool prefill, bool decode)
{
    int used = prefill && decode ? 0 : decode ? r->workload.threads_decode : r->workload.threads_prefill;
    return used > 0 ? used : r->workload.threads;
}

static void put_llama_bench(json_t *o, const struct record *r, bool prefill, bool decode)
{
    char type[256], backends[32];
    const char *version = r->framework.version; /* "b6710-0c1e57098": only llama.cpp's has a number */
    const bool numbered = version[0] == 'b' && strchr(version, '-');
    int n_prompt = prefill ? r->workload.n_prompt : 0, n_gen = decode ? r->workload.n_gen : 0;
    const int n_streams = r->workload.streams > 1 ? r->workload.streams : 1;
    snprintf(type, sizeof type, "%s %.2fB %s", r->model.arch, (double)r->model.n_params / 1e9,
             r->format.name);
    snprintf(backends, sizeof backends, "%s", r->framework.backend);
    for (char *p = backends; *p; p++)
        *p = (char)toupper((unsigned char)*p);
    struct samples ns = phase_ns(r, prefill, decode), ts = rate_of(&ns, (n_prompt + n_gen) * n_streams);
    json_put(o, "build_commit", text_to_json(record_commit(r)));
    json_put(o, "build_number", json_integer(numbered ? strtol(version + 1, NULL, 10) : 0));
    json_put(o, "cpu_info", text_to_json(r->device));
    json_put(o, "gpu_info", json_string(""));
    json_put(o, "backends", text_to_json(backends));
    json_put(o, "model_filename", text_to_json(r->model.name));
    json_put(o, "model_type", text_to_json(type));
    json_put(o, "model_size", r->format.bytes < 0 ? json_null() : json_integer(r->format.bytes));
    json_put(o, "model_n_params", json_integer(r->model.n_params));
    json_put(o, "n_batch", json_integer(r->workload.n_batch));
    json_put(o, "n_ubatch", json_integer(r->workload.n_batch));
    json_put(o, "n_threads", json_integer(threads_of(r, prefill, decode)));
    const char *kv = r->workload.kv_type, *slash = strchr(kv, '/');
    char k[sizeof r->workload.kv_type];
    snprintf(k, sizeof k, "%.*s", (int)strcspn(kv, "/"), kv);
    json_put(o, "type_k", text_to_json(k));
    json_put(o, "type_v", text_to_json(slash ? slash + 1 : kv));
    json_put(o, "n_gpu_layers", json_integer(r->framework.gpu_layers));
    put_settings(o);
    json_put(o, "n_prompt", json_integer(n_prompt));
    json_put(o, "n_gen", json_integer(n_gen));
    json_put(o, "n_depth", json_integer(r->workload.n_depth));
    json_put(o, "test_time", text_to_json(r->date));
    json_put(o, "avg_ns", json_num(stats_mean(ns.x, ns.n)));
    json_put(o, "stddev_ns", json_num(stats_stddev(ns.x, ns.n)));
    json_put(o, "avg_ts", json_num(stats_mean(ts.x, ts.n)));
    json_put(o, "stddev_ts", json_num(stats_stddev(ts.x, ts.n)));
    json_put(o, "samples_ns", samples_to_json(&ns));
    json_put(o, "samples_ts", samples_to_json(&ts));
}

json_t *record_to_json(const struct record *r)
{
    json_t *o = json_pack("{s:i}", "schema", r->schema);
    bool failed = !o;
    for (int i = 0; i < n_record_fields && !failed; i++) {
        const struct record_field *f = &record_fields[i];
        if (f->kind == FIELD_CHUNKS && ((const struct samples *)((const char *)r + f->offset))->n == 0)
            continue; /* records from before there were any keep their content, which the store knows them by */
        json_t *group = group_of(o, f->group);
        failed = !group || json_object_set_new(group, f->key, field_to_json(r, f)) != 0;
    }
    if (failed) {
        json_decref(o);
        return NULL;
    }
    put_llama_bench(o, r, r->speed.prefill_ns.n > 0, r->speed.decode_ns.n > 0);
    return o;
}

json_t *record_to_llama_bench(const struct record *r, bool decode)
{
    json_t *o = json_object();
    if (!o)
        return NULL;
    put_llama_bench(o, r, !decode, decode);
    const struct interval *rate = decode ? &r->speed.decode_tok_s : &r->speed.prefill_tok_s;
    json_put(o, "format", text_to_json(r->format.name));
    json_put(o, "effective_bpw", json_num(r->format.bits_per_weight));
    json_put(o, "framework", text_to_json(r->framework.name));
    json_put(o, "kernel", text_to_json(r->kernels));
    json_put(o, "n_streams", json_integer(r->workload.streams > 1 ? r->workload.streams : 1));
    json_put(o, "tok_s", interval_to_json(rate));
    json_put(o, "ttft_ms", json_num(r->speed.ttft_ms.v));
    for (int i = 0; i < n_record_fields; i++)
        if (record_fields[i].unit && record_fields[i].kind != FIELD_IVL &&
            strcmp(record_fields[i].group, "quality") != 0)
            json_put(o, record_fields[i].key, field_to_json(r, &record_fields[i]));
    json_put(o, "low_confidence", json_boolean(r->speed.low_confidence));
    json_put(o, "cache_resident", json_boolean(r->speed.cache_resident));
    json_put(o, "dirty", json_boolean(r->speed.dirty));
    json_put(o, "status", json_string(record_status_name(r->status)));
    json_put(o, "reason", text_to_json(r->reason));
    return o;
}

/* ---- reading ---- */

static int wrong(struct err *e, const struct record_field *f, const char *expected)
{
    return err_set(e, ERR_FORMAT, "record: %s%s%s is not %s", f->group, *f->group ? "." : "", f->key,
                   expected);
}

static int number_from_json(double *out, const json_t *v, const struct record_field *f, struct err *e)
{
    *out = json_is_number(v) ? json_number_value(v) : NAN;
    return json_is_number(v) || json_is_null(v) || !v ? 0 : wrong(e, f, "a number");
}

static int integer_from_json(int64_t *out, const json_t *v, int64_t lo, int64_t hi,
                             const struct record_field *f, struct err *e)
{
    if (!json_is_integer(v) || json_integer_value(v) < lo || json_integer_value(v) > hi)
        return wrong(e, f, "a whole number in range");
    *out = json_integer_value(v);
    return 0;
}

static int u64_from_json(uint64_t *out, const json_t *v, const struct record_field *f, struct err *e)
{
    char *end = NULL;
    errno = 0;
    if (json_is_integer(v) && json_integer_value(v) >= 0)
        *out = (uint64_t)json_integer_value(v);
    else if (json_is_string(v) && isdigit((unsigned char)*json_string_value(v)))
        *out = strtoull(json_string_value(v), &end, 10);
    else
        return wrong(e, f, "a whole number of 64 bits");
    return errno || (end && *end) ? wrong(e, f, "a whole number of 64 bits") : 0;
}

static int text_from_json(char *out, size_t size, const json_t *v, const struct record_field *f,
                          struct err *e)
{
    if (!json_is_string(v))
        return wrong(e, f, "a text");
    if (json_string_length(v) >= size || strlen(json_string_value(v)) != json_string_length(v))
        return wrong(e, f, "short enough, or it holds a zero byte");
    memcpy(out, json_string_value(v), json_string_length(v) + 1);
    return 0;
}

/* A flag that this program does not know belongs to a kernel that it does not have: left out. */
static int isa_from_json(uint64_t *out, const json_t *v, const struct record_field *f, struct err *e)
{
    if (!json_is_string(v))
        return wrong(e, f, "a text");
    *out = 0;
    for (const char *s = json_string_value(v); *s;) {
        char name[32];
        size_t n = strcspn(s, " ");
        snprintf(name, sizeof name, "%.*s", (int)n, s);
        int bit = isa_find(name);
        if (bit >= 0)
            *out |= UINT64_C(1) << bit;
        s += n + (s[n] == ' ');
    }
    return 0;
}

static int interval_from_json(struct interval *out, const json_t *v, const struct record_field *f,
                              struct err *e)
{
    if (!json_is_object(v))
        return wrong(e, f, "an object of v, lo, hi");
    int rc = number_from_json(&out->v, json_object_get(v, "v"), f, e);
    if (rc == 0)
        rc = number_from_json(&out->lo, json_object_get(v, "lo"), f, e);
    return rc == 0 ? number_from_json(&out->hi, json_object_get(v, "hi"), f, e) : rc;
}

static int samples_from_json(struct samples *out, const json_t *v, const struct record_field *f,
                             struct err *e)
{
    if (!json_is_array(v) || json_array_size(v) > RECORD_MAX_SAMPLES)
        return wrong(e, f, "a list of at most 256 numbers");
    out->n = (int)json_array_size(v);
    int rc = 0;
    for (int i = 0; i < out->n && rc == 0; i++)
        rc = number_from_json(&out->x[i], json_array_get(v, (size_t)i), f, e);
    return rc;
}

static int name_from_json(int *out, int (*find)(const char *), const json_t *v, const struct record_field *f,
                          struct err *e)
{
    int found = json_is_string(v) ? find(json_string_value(v)) : -1;
    if (found < 0)
        return wrong(e, f, "a name that this program knows");
    *out = found;
    return 0;
}

/* null and absent: stays unknown, as record_init left it. */
static int field_from_json(struct record *r, const struct record_field *f, const json_t *v, struct err *e)
{
    void *p = (char *)r + f->offset;
    int64_t whole = 0;
    int name = 0, rc = 0;
    if (!v || json_is_null(v))
        return 0;
    switch (f->kind) {
    case FIELD_STR:
        return text_from_json(p, f->size, v, f, e);
    case FIELD_FLAG:
        *(bool *)p = json_is_true(v);
        return json_is_boolean(v) ? 0 : wrong(e, f, "true or false");
    case FIELD_INT:
    case FIELD_COUNT:
        rc = integer_from_json(&whole, v, INT32_MIN, INT32_MAX, f, e);
        *(int *)p = (int)whole;
        return rc;
    case FIELD_COUNT64:
    case FIELD_BYTES:
        return integer_from_json(p, v, 0, INT64_MAX, f, e);
    case FIELD_U64:
    case FIELD_SEED:
        return u64_from_json(p, v, f, e);
    case FIELD_ISA:
        return isa_from_json(p, v, f, e);
    case FIELD_NUM:
        return number_from_json(p, v, f, e);
    case FIELD_IVL:
        return interval_from_json(p, v, f, e);
    case FIELD_SAMPLES:
    case FIELD_CHUNKS:
        return samples_from_json(p, v, f, e);
    case FIELD_PROVENANCE:
        rc = name_from_json(&name, provenance_find, v, f, e);
        *(enum provenance *)p = (enum provenance)name;
        return rc;
    case FIELD_STATUS:
        rc = name_from_json(&name, record_status_find, v, f, e);
        *(enum record_status *)p = (enum record_status)name;
        return rc;
    default:
        return rc;
    }
}

int record_from_json(struct record *r, const json_t *j, struct err *e)
{
    record_init(r);
    const json_t *schema = json_object_get(j, "schema");
    if (!json_is_integer(schema))
        return err_set(e, ERR_FORMAT,
                       "not a record of whichquant: it has no schema number; "
                       "`whichquant import` reads files of other programs");
    if (json_integer_value(schema) != RECORD_SCHEMA)
        return err_set(e, ERR_UNSUPPORTED,
                       "the record has schema %lld, this program reads %d; use the newer of the two",
                       (long long)json_integer_value(schema), RECORD_SCHEMA);
    for (int i = 0; i < n_record_fields; i++) {
        const struct record_field *f = &record_fields[i];
        const json_t *group = *f->group ? json_object_get(j, f->group) : j;
        if (group && !json_is_object(group))
            return err_set(e, ERR_FORMAT, "record: %s is not an object", f->group);
        int rc = field_from_json(r, f, json_object_get(group, f->key), e);
        if (rc < 0)
            return rc;
    }
    return 0;
}
