/* Report writers: one const row per format in writers.def; they print what the decision holds and compute nothing.
 * Model metadata and every other string is hostile: each writer escapes for its own format. */
#ifndef REPORTS_REPORTS_H
#define REPORTS_REPORTS_H
#include "base/sbuf.h"
#include "bench/target.h"
#include "matrix/cell.h"
#include "matrix/matrix.h"

struct report_input {
    const struct decision *decision;
    const struct probe_device *device;
    const struct target *target; /* a described machine, of which device is made; NULL: an observed one */
    const struct request *request;
    const struct record *records;
    int n_records;
    double elapsed_s;
    bool color, utf8, verbose;
    int columns; /* terminal width, 0 = 100 */
};
struct writer {
    const char *ext, *file, *doc; /* "csv", "matrix.csv", one sentence */
    int (*write)(struct sbuf *out, const struct report_input *in, struct err *e);
};
extern const struct writer writers[]; /* text csv json md html records device */
extern const int n_writers;
const struct writer *writer_find(const char *ext);
/* One cell explained, as text and as JSON. */
int report_cell(struct sbuf *out, const struct cell *c, const struct report_input *in, struct err *e);
int report_cell_json(struct sbuf *out, const struct cell *c, const struct report_input *in, struct err *e);
/* Everything of interface.md 4 into dir: each file atomic; gnuplot missing = report without pictures, said once. */
int reports_write_dir(const char *dir, const struct report_input *in, void (*warn)(void *arg, const char *sentence),
                      void *arg, struct err *e);
#endif
