/* The rows that describe struct record, its unknown state, names of its enums, identity of a cell. JSON:
 * record_json.c. */
#include "bench/record_fields.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include "base/hash.h"

enum { SHOWN, WATCHED };
#define SIZE(member) sizeof(((struct record *)0)->member)
const struct record_field record_fields[] = {
#define F(kind, group, key, member)                                                                          \
    {FIELD_##kind, group, key, offsetof(struct record, member), SIZE(member), NULL, NULL, 0, false},
#define M(kind, group, key, member, unit, better, watch, doc)                                                      \
    {FIELD_##kind, group, key, offsetof(struct record, member), SIZE(member), unit, doc, better, watch},
#include "bench/record.def"
#include "bench/metrics.def"
#undef F
#undef M
};
const int n_record_fields = (int)(sizeof record_fields / sizeof *record_fields);

static const char *const provenance_names[N_PROVENANCES] = {
    [FROM_NOWHERE] = "",
    [FROM_MEASURED] = "measured",
    [FROM_EQUIVALENT] = "equivalent",
    [FROM_PREDICTED] = "predicted",
    [FROM_PUBLISHED] = "published",
    [FROM_SHAPE_MEASURED] = "shape-measured",
};
static const char *const status_names[N_STATUSES] = {
    [STATUS_OK] = "ok",
    [STATUS_CANNOT_RUN] = "cannot-run",
    [STATUS_UNSUPPORTED] = "unsupported",
    [STATUS_FAILED] = "failed",
    [STATUS_TIMED_OUT] = "timed-out",
    [STATUS_CRASHED] = "crashed",
    [STATUS_NOT_REACHED] = "not-reached",
};

static int find_name(const char *const *names, int n, const char *name)
{
    for (int i = 0; i < n; i++)
        if (strcmp(names[i], name) == 0)
            return i;
    return -1;
}

const char *provenance_name(enum provenance p)
{
    return (unsigned)p < N_PROVENANCES ? provenance_names[p] : "";
}
int provenance_find(const char *name)
{
    return find_name(provenance_names, N_PROVENANCES, name);
}
const char *record_status_name(enum record_status s)
{
    return (unsigned)s < N_STATUSES ? status_names[s] : "";
}
int record_status_find(const char *name)
{
    return find_name(status_names, N_STATUSES, name);
}

enum record_status record_status_of(int code)
{
    static const struct {
        int code;
        enum record_status status;
    } of[] = {
        {ERR_TIMEOUT, STATUS_TIMED_OUT},       {ERR_CRASHED, STATUS_CRASHED},  {ERR_UNSUPPORTED, STATUS_UNSUPPORTED},
        {ERR_LIMIT, STATUS_CANNOT_RUN},        {ERR_NOMEM, STATUS_CANNOT_RUN}, {ERR_MISSING, STATUS_CANNOT_RUN},
        {ERR_NOT_REACHED, STATUS_NOT_REACHED},
    };
    for (size_t i = 0; i < sizeof of / sizeof *of; i++)
        if (of[i].code == code)
            return of[i].status;
    return code < 0 ? STATUS_FAILED : STATUS_OK;
}

/* Puts the member of one row that lies at `base` + offset into its unknown state; zero is that of all other
 * kinds. */
static void set_unknown(char *base, const struct record_field *f)
{
    void *p = base + f->offset;
    switch (f->kind) {
    case FIELD_NUM:
        *(double *)p = NAN;
        break;
    case FIELD_IVL:
        *(struct interval *)p = INTERVAL_NONE;
        break;
    case FIELD_BYTES:
        *(int64_t *)p = -1;
        break;
    case FIELD_U64:
        *(uint64_t *)p = UINT64_MAX;
        break;
    default:
        memset(p, 0, f->size);
    }
}

/* All rows inside [offset, offset + size) of struct record, which lies at base. */
static void set_range_unknown(char *base, size_t offset, size_t size)
{
    for (int i = 0; i < n_record_fields; i++)
        if (record_fields[i].offset >= offset && record_fields[i].offset < offset + size)
            set_unknown(base, &record_fields[i]);
}

void record_init(struct record *r)
{
    memset(r, 0, sizeof *r);
    r->schema = RECORD_SCHEMA;
    set_range_unknown((char *)r, 0, sizeof *r);
}

void quality_none(struct eval_quality *q)
{
    struct record r = {0};
    set_range_unknown((char *)&r, offsetof(struct record, quality), sizeof r.quality);
    *q = r.quality;
}

void speed_none(struct speed *s)
{
    struct record r = {0};
    set_range_unknown((char *)&r, offsetof(struct record, speed), sizeof r.speed);
    *s = r.speed;
}

struct interval record_figure(const struct record *r, const struct record_field *f)
{
    const void *p = (const char *)r + f->offset;
    switch (f->kind) {
    case FIELD_NUM:
        return (struct interval){*(const double *)p, NAN, NAN};
    case FIELD_IVL:
        return *(const struct interval *)p;
    case FIELD_BYTES:
        return (struct interval){*(const int64_t *)p < 0 ? NAN : (double)*(const int64_t *)p, NAN, NAN};
    case FIELD_COUNT:
        return (struct interval){*(const int *)p > 0 ? *(const int *)p : NAN, NAN, NAN};
    case FIELD_COUNT64:
        return (struct interval){*(const int64_t *)p > 0 ? (double)*(const int64_t *)p : NAN, NAN, NAN};
    default:
        return INTERVAL_NONE;
    }
}

const struct record_field *record_figure_find(const char *key)
{
    for (int i = 0; i < n_record_fields; i++)
        if (record_fields[i].unit && strcmp(record_fields[i].key, key) == 0)
            return &record_fields[i];
    return NULL;
}

/* Every part ends in a newline, which none of them can hold unescaped: length stands in front of free text.
 */
void record_cell_id(struct record *r)
{
    char text[2048];
    const char *part[] = {r->model.sha256,      r->model.name,         r->model.arch,
                          r->format.name,       r->framework.name,     r->framework.version,
                          r->framework.backend, r->framework.numerics, r->workload.text_sha256,
                          r->workload.kv_type,  r->format.calibration};
    size_t n = 0;
    for (size_t i = 0; i < sizeof part / sizeof *part; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "%zu:%s\n", strlen(part[i]), part[i]);
    snprintf(text + n, sizeof text - n, "%d %d\n%" PRId64 " %d %d %d %d %d %d %" PRIu64 "\n%" PRIx64,
             r->model.dithered, r->model.synthesized, r->workload.n_tokens, r->workload.n_ctx,
             r->workload.n_prompt, r->workload.n_gen, r->workload.n_depth, r->workload.n_batch,
             r->workload.threads, r->workload.seed, r->isa);
    n = strlen(text);
    if (r->workload.streams > 1)
        n += (size_t)snprintf(text + n, sizeof text - n, "\n%d", r->workload.streams);
    if (r->framework.gpu_layers)
        n += (size_t)snprintf(text + n, sizeof text - n, "\ngpu %d", r->framework.gpu_layers);
    if (*r->framework.settings)
        snprintf(text + n, sizeof text - n, "\nset %s", r->framework.settings);
    sha256_hex(text, strlen(text), r->cell_id);
}
