/* Formats as the files that real frameworks load, for a while. */
#ifndef BENCH_RUNNERS_ARTIFACT_H
#define BENCH_RUNNERS_ARTIFACT_H
#include "bench/export/export.h"
#include "bench/runners/runner.h"

/* ERR_UNSUPPORTED where the framework loads no container of that format. One on PATH that does not say what it loads
 * is given anything. */
int artifact_check(const struct runner *runner, const struct recipe *r, struct err *e);
/* Writes the format into a temporary folder in its container. Where the disk has no room for it: ERR_LIMIT. */
int artifact_write(char path[300], const struct runner *runner, const struct model *m, const struct weights *w,
                   const struct recipe *r, struct err *e);
void artifact_remove(const char *path); /* with its folder; "" is fine */
#endif
