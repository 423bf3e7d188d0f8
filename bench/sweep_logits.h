/* KL divergence as a framework itself makes it, beside what the equivalent kernels make of the same chunks of text.
 * Order: sweep_logits... -> sweep_logits_close. */
#ifndef BENCH_SWEEP_LOGITS_H
#define BENCH_SWEEP_LOGITS_H
#include "bench/runners/logits.h"
#include "bench/sweep.h"

struct sweep_logits { /* in, sweep are set; the reference is made once */
    const struct sweep_input *in;
    struct sweep *sweep;
    struct weights *ref_weights;
    struct engine *ref;
};
/* Of a session that is open: r gets the framework's quality and kld_predicted, over as many chunks as end_ns leaves
 * time for. A framework that shows no logits, or not in time, gets a remark at most; other errors are its failure. */
int sweep_logits(struct sweep_logits *l, const struct plan_cell *c, const struct weights *w,
                 const struct measure_cell *cell, struct session *session, struct record *r, uint64_t end_ns,
                 struct err *e);
void sweep_logits_close(struct sweep_logits *l);
#endif
