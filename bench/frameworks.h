/* The real frameworks on this machine that load model files: asked once a run, of the table and on PATH. */
#ifndef BENCH_FRAMEWORKS_H
#define BENCH_FRAMEWORKS_H
#include "bench/export/export.h"
#include "bench/request.h"
#include "bench/runners/runner.h"

enum { MOST_FRAMEWORKS = 32 };
struct framework_found {
    const struct runner *runner;
    struct runner_info info;
};
struct frameworks {
    struct framework_found at[MOST_FRAMEWORKS];
    int n;
};
/* Those that the request names, else all. One that is named and not there: ERR_MISSING with what to do; one that takes
 * no files of ours: ERR_USAGE. */
int frameworks_find(struct frameworks *f, const struct request *req, struct err *e);
/* Formats that a sweep which names none tries in them on that architecture (usual.def). */
int frameworks_usual(const struct frameworks *f, const char *arch, const char *formats[], int most);
/* Is a framework that a record names here now? Servers and the own engine are not looked for. why: what is missing. */
bool framework_is_here(const char *name, char why[160]);
/* Does it load what that exporter writes? One on PATH that does not say is given anything. */
bool framework_loads(const struct framework_found *f, const struct exporter *x);
#endif
