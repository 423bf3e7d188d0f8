/* The table of writers, the words that they share, and the output directory. */
#include "reports/reports.h"

#include <math.h>
#include <string.h>
#include "base/os.h"
#include "reports/plots.h"
#include "reports/report_files.h"
#include "reports/writers.h"

const struct writer writers[] = {
#define W(ext, file, function, doc) {ext, file, doc, function},
#include "reports/writers.def"
#undef W
};
const int n_writers = (int)(sizeof writers / sizeof writers[0]);

bool decision_has_tasks(const struct decision *d)
{
    for (int i = 0; i < d->n_rows; i++)
        if (isfinite(d->row[i].task_share))
            return true;
    return false;
}

const struct writer *writer_find(const char *ext)
{
    for (int i = 0; i < n_writers; i++)
        if (strcmp(writers[i].ext, ext) == 0)
            return &writers[i];
    return NULL;
}

/* verdict and (for vetoes) rule -> label, look: the first row that matches. */
static const struct {
    const char *verdict, *veto, *label, *look;
} looks[] = {
    {"recommended", NULL, "PICK", "pick"},
    {"ok", "unknown_quality", "quality unknown", "unknown"},
    {"ok", "undecided_quality", "undecided", "unknown"},
    {"ok", "unknown_speed", "speed unknown", "unknown"},
    {"ok", NULL, "ok", "front"},
    {"dominated", NULL, "beaten", "beaten"},
    {"vetoed", "own", "evidence", "own"},
    {"vetoed", "max_kld", "over limit", "over"},
    {"vetoed", "min_quality", "over limit", "over"},
    {"vetoed", "min_decode", "too slow", "over"},
    {"vetoed", "max_ttft", "too slow", "over"},
    {"vetoed", "not_comparable", "not comparable", "veto"},
    {"vetoed", "substitution", "substituted", "veto"},
    {"vetoed", "unverified", "unverified", "veto"},
    {"vetoed", NULL, "vetoed", "veto"},
    {"cannot-run", NULL, "CANNOT RUN", "cannot"},
    {"not-reached", NULL, "not reached", "unknown"},
    {"unsupported", NULL, "not supported", "cannot"},
    {"failed", NULL, "FAILED", "failed"},
};

static int look_of(const struct row *r)
{
    int n = (int)(sizeof looks / sizeof looks[0]), i = 0;
    for (; i < n - 1; i++)
        if (strcmp(looks[i].verdict, r->verdict) == 0 && (!looks[i].veto || strcmp(looks[i].veto, r->veto) == 0))
            break;
    return i;
}

const char *verdict_label(const struct row *r)
{
    return looks[look_of(r)].label;
}
const char *verdict_look(const struct row *r)
{
    return looks[look_of(r)].look;
}

const char *provenance_label(const char *from)
{
    static const char *const label[][2] = {
#define P(from, label, meaning) {from, label},
#include "reports/provenance.def"
#undef P
    };
    for (size_t i = 0; i < sizeof label / sizeof label[0]; i++)
        if (strcmp(label[i][0], from) == 0)
            return label[i][1];
    return "";
}

void report_title(struct sbuf *b, const struct report_input *in)
{
    const struct decision *d = in->decision;
    const char *device = d->n_rows ? d->row[0].device : in->device ? in->device->cpu.brand : "";
    sbuf_puts(b, *d->subject ? d->subject : "whichquant");
    if (*device)
        sbuf_printf(b, " on %s", device);
}

int report_end(struct sbuf *out, const char *what, struct err *e)
{
    return out->failed ? err_nomem(e, out->n, what) : 0;
}

int reports_write_dir(const char *dir, const struct report_input *in, void (*warn)(void *arg, const char *sentence),
                      void *arg, struct err *e)
{
    struct report_files files = {0};
    struct err why = {0};
    int rc = dir_make(dir, e); /* a folder that cannot be written is known before the work */
    for (int i = 0; i < n_writers && rc == 0; i++)
        if (*writers[i].file)
            rc = writers[i].write(report_files_add(&files, writers[i].file), in, e);
    if (rc == 0)
        rc = plots_settle(plots_render(&files, in, &why), &why, warn, arg, e);
    if (rc == 0)
        rc = report_files_write(&files, dir, e);
    report_files_free(&files);
    return rc;
}
