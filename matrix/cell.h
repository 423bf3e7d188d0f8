/* One cell of a decision explained: why it is the pick or is not, which limit binds and by how much, the smallest
 * change that cures it, what beats it and by how much, and what a minute more of measuring would settle. It works on
 * any decision, of one model or of a catalogue: it reads rows and judges them again under changed limits. Computes
 * everything that reports show. Order: cell_find -> cell_explain -> read struct cell -> cell_free. */
#ifndef MATRIX_CELL_H
#define MATRIX_CELL_H
#include "matrix/matrix.h"

struct cell_limit {
    const char *rule, *limit;       /* id of rules.def; "memory" */
    const char *state;              /* "kept" "broken" "unknown" */
    const char *text;               /* "needs 106 MiB, at most 60 MiB: 46 MiB over" */
    double here, allowed, short_by; /* in its unit; NaN: not a figure. short_by: negative = to spare */
    const char *unit;               /* "bytes" "nats" "share" "tok/s" "ms" "W" "h" "" */
};
struct cell_figure {     /* this cell beside another */
    const char *figure;  /* "generation" */
    const char *text;    /* "98.7 tok/s against 108: 8 % slower (4 to 13 %)" */
    const char *verdict; /* "better" "worse" beyond the intervals, "tied", "unknown" */
    double here, there;
    double percent; /* by how much more than there */
};
struct cell_part { /* a cell whose figures overlap with this one's */
    int row;
    const char *name, *figure, *text;
    double seconds; /* more measuring of both until the intervals part; NaN: that does not tell */
    double times;   /* as many repetitions or chunks as now; NaN */
};
struct cell_cure { /* a change, and what the cell is then: "it is the pick then" */
    const char *text, *then;
};
struct cell {
    const struct row *row;
    int index, versus;                  /* versus: the row of `beside`; -1 none */
    const char *standing;               /* "pick" "tied" "behind" "beaten" "over a limit" "never recommended" ... */
    const char *headline;               /* the answer in one sentence */
    const char *binding, *binding_text; /* the limit, and by how much; "" none */
    struct cell_limit limit[24];        /* those in force */
    int n_limits;
    struct cell_cure cure[6];           /* smallest change first */
    int n_cures;
    const char *versus_name;
    struct cell_figure beside[8];
    int n_beside;
    const char *others[8]; /* other cells of that name: the same on other frameworks, of other models */
    int n_others;
    const char *runner_up, *confidence;
    struct cell_part part[8];
    int n_parts;
    const char *minute; /* what 60 more seconds would settle */
    struct arena *arena;
};

/* Rows that the text names, best first: FORMAT, SCHEME, MODEL/FORMAT, each with @FRAMEWORK or @kv=TYPE behind it or
 * not; whatever the case. Returns how many there are (0: no such cell); at most `most` are stored. */
int cell_find(const struct decision *d, const char *text, int row[], int most);
/* d, req and device: those of the decision; d stays as it is and must outlive the cell. */
int cell_explain(struct cell **out, const struct decision *d, int row, const struct probe_device *device,
                 const struct request *req, struct err *e);
void cell_free(struct cell *c);
#endif
