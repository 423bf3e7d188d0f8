/* The gate's report in every form. Names of models and metrics come from files: each writer escapes for its own. */
#ifndef REPORTS_REPORT_GATE_H
#define REPORTS_REPORT_GATE_H
#include "base/sbuf.h"
#include "matrix/gate.h"

struct gate_writer {
    const char *name, *file;
    int (*write)(struct sbuf *out, const struct gate_report *r, struct err *e);
};
const struct gate_writer *gate_writer_find(const char *name);
/* All files, together or not at all. */
int report_gate_write_dir(const char *dir, const struct gate_report *r, struct err *e);

#define G(name, file, function) int function(struct sbuf *out, const struct gate_report *r, struct err *e);
#include "reports/gate_writers.def"
#undef G

/* ---- what the writers share ---- */

struct gate_line {
    char s[320];
};
struct gate_line gate_subject(const struct gate_cell *c);  /* model, format, framework, workload */
struct gate_line gate_move(const struct gate_cell *c);     /* "-9.8 % [-11.2, -8.4]"; "-" where nothing was compared */
struct gate_line gate_values(const struct gate_cell *c);   /* "63.2 -> 57.0 tok/s" */
struct gate_line gate_suspects(const struct gate_cell *c); /* "2026-11-20 a1b2c3..d4e5f6", "" unknown */
struct gate_line gate_headline(const struct gate_report *r);
struct gate_line gate_policy_text(const struct gate_report *r); /* how it was decided, one sentence */
struct gate_line gate_time(int64_t seconds);                    /* ISO 8601, UTC; "" for 0 */
#endif
