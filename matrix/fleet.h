/* A fleet under several sets of limits: for each the table of its machines, and what all of them can run. Order:
 * fleet_open -> fleet_add for each set -> read -> fleet_close. */
#ifndef MATRIX_FLEET_H
#define MATRIX_FLEET_H
#include "matrix/procurement.h"
#include "matrix/standard.h"

struct fleet_need {
    struct procurement table;
    struct standard model, format; /* one model in one format; one format */
};
struct fleet {
    struct fleet_need *need;
    int n_needs, n_machines;
};
int fleet_open(struct fleet *f, int n_needs, int n_machines, struct err *e);
/* offer[n_machines] under that set of limits; name and limits (in words) are kept as they are. */
int fleet_add(struct fleet *f, const struct offer *offer, const char *name, const char *limits,
              const struct constraints *want, struct err *e);
void fleet_close(struct fleet *f);
bool fleet_is_measured(const struct fleet *f, int machine);
#endif
