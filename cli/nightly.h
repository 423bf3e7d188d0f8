/* A night: every cell measured afresh by processes of their own, one number each, judged against the nights before.
 * What a process measures stands in a store of its own below the data folder until the night is over, so that a night
 * that was killed goes on where it stood; then each cell is one record of the store. Nothing else is remembered.
 * Order: night_open -> night_take_up -> night_measure -> night_rerun (by the gate) -> night_keep_reruns -> night_close.
 */
#ifndef CLI_NIGHTLY_H
#define CLI_NIGHTLY_H
#include "bench/store.h"
#include "cli/cli.h"
#include "matrix/gate.h"

enum { NIGHT_PATH = 4096 };
struct night_cell {
    struct record r;
    char key[65]; /* record_cell_key */
    int model;    /* of the command line */
};
struct night_cells {
    struct night_cell *v;
    int n, cap;
};
struct night {
    struct cli *cli;
    struct store *store;
    char id[64];              /* "2026-11-22", or --night */
    char data[NIGHT_PATH];    /* the folder with the lock and the nights that are not over */
    int lock;                 /* its descriptor; -1: none */
    struct text_list options; /* of every sweep */
    uint64_t end_ns;
    int n_turns, n_reruns;           /* of the gate's runs again: how many there may be, how many were begun */
    bool said_late;            /* that there was no time to run again */
    bool any_failed;                 /* a sweep ended badly: said, and the exit code's matter */
    struct night_cells cells, again; /* tonight's; what was run again */
};

/* nightly_lock.c: the data folder and the one night at a time. */
int night_lock(struct night *n, struct err *e);
void night_unlock(struct night *n);

/* nightly_measure.c */
int night_open(struct night *n, struct err *e);
void night_close(struct night *n);
/* Nights that ended before they were over: what they measured goes into the store, their folders go. */
int night_take_up(struct night *n, struct err *e);
/* Runs what is still to be measured of the night `id` within budget_s, and puts it into the store. */
int night_measure(struct night *n, const char *id, double budget_s, struct err *e);
int64_t night_since(const struct night *n); /* of tonight's runs the first */
double night_left_s(const struct night *n);
/* The passes of one model, and what all of them found: quality or not, speed or not, of `formats` only (NULL: all). */
struct night_pass {
    const char *folder, *prefix; /* files DIR/PREFIXm0-speed1.db */
    const struct text_list *formats, *frameworks;
    bool quality, speed;
    double budget_s;
};
int night_run_passes(struct night *n, int model, const struct night_pass *p, struct err *e);
/* One record a cell out of the stores DIR/PREFIXm*.db, under that run's name. */
int night_collect(struct night_cells *out, const char *folder, const char *prefix, const char *run_id, struct err *e);
/* What one of our processes said last, without our name. */
void night_last_sentence(char *out, size_t size, const char *text);
void night_cells_free(struct night_cells *c);

/* nightly_rerun.c: gate_hooks.rerun, arg: struct night. */
int night_rerun(void *arg, const struct series *const *s, int n, double *value, struct err *e);
int night_keep_reruns(struct night *n, struct err *e);

/* nightly_out.c: DIR/ID, complete or not at all, DIR/latest, and at most `keep` nights. */
struct night_out {
    char dir[NIGHT_PATH], temp[NIGHT_PATH];
};
int night_out_open(struct night_out *o, const char *dir, struct err *e);
int night_out_commit(struct night_out *o, const char *id, int keep, struct err *e);
void night_out_abort(struct night_out *o);

/* nightly_changes.c: detects and stores changes of level in this environment's series; says how many are new. */
int night_find_changes(struct night *n, double min_effect, struct err *e);
#endif
