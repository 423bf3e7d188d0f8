/* What a fleet can standardise on: of the formats (and models in a format) that keep the limits on every machine, the
 * one whose slowest machine is fastest. Nothing is estimated for a machine on which a cell is missing: it does not run
 * there as far as is known. Order: standard_make -> read -> standard_free. */
#ifndef MATRIX_STANDARD_H
#define MATRIX_STANDARD_H
#include "matrix/matrix.h"

enum standard_kind {
    STANDARD_MODEL, /* one model in one format on all machines: speeds are of one and the same work */
    STANDARD_FORMAT /* one format; each machine runs in it the model that its own decision puts first */
};
struct standard_key {
    const char *model, *format; /* model "": STANDARD_FORMAT */
    const struct row **row;     /* [n_machines] the fastest row within the limits there; NULL: none */
    int n_run, n_timed;         /* machines with such a row; with one whose speed is known */
    struct interval decode;     /* the least over the machines where it is timed, ends likewise; NaN: nowhere */
    double score;               /* the least task score of the catalogue's rows; NaN: none */
    bool published;             /* those scores are; a model of which none is comes behind all others */
    bool complete;              /* timed on all machines */
    bool kept;                  /* complete, and of nearly the best score */
    bool tied;                  /* kept, and its interval reaches the best one's */
    int binding;                /* the machine with the least speed; -1: timed nowhere */
};
struct standard {
    enum standard_kind kind;
    struct standard_key *key; /* the answer first, then by falling speed; behind those that are kept, the others */
    int n_keys, n_machines;
    int best, surest;           /* keys: of the highest speed; of the highest lower end; -1: nothing runs everywhere */
    int n_tied;                 /* keys that share the first place, the best among them */
    int dropped;                /* the machine without which the answer gains most; -1: it gains with none */
    struct standard_key gained; /* the answer then */
    const struct row **rows;
};
struct standard_want {
    double max_kld; /* in force on every machine; NaN none */
    bool by_score;  /* task scores order models: only those of nearly the best score are compared in speed */
};
/* decision[n]: one a machine. Strings and rows belong to them. */
int standard_make(struct standard *s, enum standard_kind kind, const struct decision *const *decision, int n,
                  const struct standard_want *want, struct err *e);
void standard_free(struct standard *s);
/* A model as the catalogue names it, where it is one of its models: records name it as their file does. */
const char *model_known_as(const char *name);
/* Why the key does not run on that machine: its reason there, "not measured there", "" where it runs. */
const char *standard_why_not(const struct standard_key *k, int machine, const struct decision *d);
#endif
