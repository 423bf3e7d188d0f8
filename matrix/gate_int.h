/* Inside the gate: a series with what the gate chose of it. */
#ifndef MATRIX_GATE_INT_H
#define MATRIX_GATE_INT_H
#include "matrix/gate_cell.h"

enum { MOST_FRESH = 64 };
struct gate_choice {
    int *base; /* points of the baseline, in order; `window` places */
    int n_base;
    int fresh, n_fresh;        /* tonight's: from that point on */
    const struct change *open; /* the last that nobody has settled; the baseline ends before the first of them */
    int open_at;               /* its first point */
};
/* Which of a series' points are the baseline and which are tonight's, given the changes that are known of it (in order
 * of time). */
void gate_choose(struct gate_choice *out, const struct series *x, const struct change *change, int n_changes,
                 const struct gate_policy *p);
/* > 0: that change of a series is for the worse. */
bool gate_change_open(const struct change *c);
double gate_change_worse(const struct series *x, const struct change *c);
/* Since when: first_bad and last_good of a confirmed move. */
void gate_since(struct gate_cell *c, const struct series *x, const struct gate_choice *choice);

struct watched {
    struct series x; /* its points are its own */
    const struct change *change;
    int n_changes;
    struct gate_choice choice;
    double fresh[MOST_FRESH];
    int n_fresh;
    bool superseded, after_another, silent;
};
/* gate_read.c: all series of the store that have to do with tonight. */
struct gate_night {
    struct store *store;
    const struct gate_policy *p;
    struct watched *w;
    int n, cap;
    struct change *change;
    int n_changes, cap_changes;
    struct err *e;
};
int gate_read(struct gate_night *g);
void gate_night_free(struct gate_night *g);
/* gate_pairs.c: quality of two runs, from what the store keeps of them; base: the values of w's baseline. */
int gate_test_pairs(struct gate_night *g, struct watched *w, struct gate_cell *c, const double *base);
/* gate_change.c: what was found becomes a change in the store, or one that is known; what ended is fixed. */
int gate_register(struct gate_night *g, struct watched *w, struct gate_cell *c);
#endif
