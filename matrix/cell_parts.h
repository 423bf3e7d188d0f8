/* Inside matrix/ only: the steps of cell_explain. Strings live in the judge's arena. */
#ifndef MATRIX_CELL_PARTS_H
#define MATRIX_CELL_PARTS_H
#include "matrix/cell.h"
#include "matrix/judge.h"

/* The rows that it stands against. */
static inline int cell_group(const struct judge *j, const struct row *r)
{
    return j->across ? ANY_GROUP : r->group;
}

/* cell_cure.c: the smallest changes under which the cell passes, and what it is then. */
void cell_cure(struct judge *j, struct cell *c, int pick);
/* cell_part.c: cells that overlap with it, and how much measuring would part them. */
void cell_overlaps(struct judge *j, struct cell *c, int pick);
#endif
