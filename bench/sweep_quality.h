/* Between the two ways to the quality of a group of formats, chunk by chunk (sweep_quality.c) and layer by layer
 * (sweep_layers.c): candidates, their drafts of records, their chunks in the store.
 * Order: quality_open -> quality_add... -> quality_eval -> (chunks) -> quality_records -> quality_close. */
#ifndef BENCH_SWEEP_QUALITY_H
#define BENCH_SWEEP_QUALITY_H
#include "bench/race.h"
#include "bench/sweep.h"

struct quality_run {
    const struct sweep_input *in;
    struct plan *plan;
    int c0, n; /* cells [c0, c0+n) */
    struct weights *ref_weights;
    struct engine *ref;
    struct eval_cand *cand; /* [n_cand] */
    int *cell_of, n_cand;   /* candidate -> cell */
    bool *active;
    struct record *rec;        /* [n_cand] drafts that carry the cell ids */
    const struct sweep *sweep; /* its tokens */
    struct eval *eval;
    struct racer *racer; /* [n] where formats may drop out; NULL: all go to the end */
    int n_done;          /* chunks run or loaded */
    double longest_ns;   /* that a chunk took, per engine: the reference's and the candidates' */
    struct arena *arena;
};

/* Chunk by chunk: begin -> more (cells of w that are encoded and no candidates yet) -> chunks... -> finish, whatever
 * was returned. Behind more, the new ones first catch up with the others. */
int quality_begin(struct quality_run *q, struct err *e);
int quality_more(struct quality_run *q, struct weights *const *w, struct err *e);
/* Goes on to chunk n_chunks at most. After `enough_ns` no chunk is begun beyond the fewest that make a row (or those
 * asked for), after `end_ns` none at all beyond the first; 0: no such time. */
int quality_chunks(struct quality_run *q, struct sweep *s, int n_chunks, uint64_t enough_ns, uint64_t end_ns,
                   struct err *e);
int quality_finish(struct quality_run *q, struct sweep *s, int rc, struct err *e); /* the records, unless rc < 0 */

int quality_open(struct quality_run *q, struct err *e); /* in, plan, c0, n, sweep are set; the reference's engine */
/* An engine as candidates need it. */
int quality_engine(const struct quality_run *q, struct engine **g, const struct weights *w, struct kv_pair kv,
                   struct err *e);
/* The next candidate; its engine is owned from now on. Several may share one. */
void quality_add(struct quality_run *q, int cell, struct engine *g);
int quality_eval(struct quality_run *q, int n_chunks, struct err *e); /* n_chunks 0: all */
/* Candidate j's chunk i out of the store, with --resume: 1 when it was there and is taken. */
int quality_load(struct quality_run *q, int j, int i, struct err *e);
int quality_save(struct quality_run *q, int j, int i, struct err *e);
/* One of each of the first n candidates whose cell is not settled, and of the cells that are the same. */
int quality_records(struct quality_run *q, int n, struct sweep *s, struct err *e);
int quality_so_far(struct quality_run *q, struct sweep *into, struct err *e); /* the same of all, settling nothing */
void quality_close(struct quality_run *q);
/* The means of the chunks that candidate j has done, into its record. */
void quality_keep_chunks(struct record *r, const struct eval *v, int j);
#endif
