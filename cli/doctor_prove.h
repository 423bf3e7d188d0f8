/* doctor --prove: the proof in children, and one cell of it in this process. */
#ifndef CLI_DOCTOR_PROVE_H
#define CLI_DOCTOR_PROVE_H
#include "bench/prove.h"
#include "cli/cli.h"

/* Lists what is to be proved, runs it cell by cell, and tells each as soon as it is there. all: of the own engine. */
int doctor_prove(struct cli *c, void (*on_cell)(void *arg, const struct prove_cell *cell), void *arg,
                 struct prove_coverage *all, struct err *e);
/* --prove-cell: the one cell that --framework, --format and --isa name; an exit code. */
int prove_cell_here(struct cli *c);
#endif
