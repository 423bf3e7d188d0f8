/* Frameworks behind the worker protocol (docs/WORKER_PROTOCOL.md): the Python ones of workers.def, whose scripts are
 * linked into the program, and every executable whichquant-runner-NAME on PATH. */
#ifndef BENCH_RUNNERS_WORKER_H
#define BENCH_RUNNERS_WORKER_H
#include "base/json.h"
#include "base/process.h"
#include "bench/runners/runner.h"

enum { WORKER_PROTOCOL = 1 };
struct worker_row { /* what a runner's `of` points to */
    const char *name;
    const char *package;              /* what pip installs; NULL: no Python */
    const char *script, *script_name; /* source of the worker; NULL: program is the worker */
    const char *program;              /* full path */
};
/* The runner of an executable that speaks the protocol; row must outlive it. */
struct runner worker_runner(const struct worker_row *row);

/* worker_link.c: one worker that runs. */
struct worker_link;
/* Starts it and asks who it is. A framework that is not installed is ERR_MISSING, with what to do. */
int worker_link_open(struct worker_link **out, const struct worker_row *row, struct runner_info *info, struct err *e);
/* Asks and waits for the answer, an object without an error in it. request is stolen, also on failure; *reply may be
 * NULL where only success matters. Between calls the worker rests. */
int worker_link_call(struct worker_link *l, json_t *request, uint64_t deadline_ns, json_t **reply, struct err *e);
/* Version and library of an answer, where it tells them. */
void worker_identity(struct runner_info *info, const json_t *reply);
struct process *worker_link_process(struct worker_link *l);
void worker_link_close(struct worker_link *l);
/* The interpreter that WHICHQUANT_PYTHON names (a program or the folder of an environment), else python3 on PATH;
 * NULL: there is none. mem_free. */
char *worker_python(void);
#endif
