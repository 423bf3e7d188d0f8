/* A framework in the place of an engine: it answers an evaluation with logits. */
#ifndef BENCH_RUNNERS_LOGITS_H
#define BENCH_RUNNERS_LOGITS_H
#include "bench/engine/eval.h"
#include "bench/runners/runner.h"

struct framework;
/* cell: the artifact, the threads, a context as long as the chunks; it must outlive the framework. */
int framework_open(struct framework **out, const struct measure_cell *cell, struct err *e);
/* The same of a session that is open, which stays the caller's. */
int framework_of_session(struct framework **out, const struct measure_cell *cell, struct session *s, struct err *e);
const struct eval_source *framework_source(const struct framework *f);
const char *framework_version(const struct framework *f);
void framework_close(struct framework *f);
#endif
