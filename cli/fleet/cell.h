/* What the steps of `fleet run-cell` share. Order: cell_lock -> cell_measure or cell_without_figures -> cell_write ->
 * cell_unlock. */
#ifndef CLI_FLEET_CELL_H
#define CLI_FLEET_CELL_H
#include "bench/fleet/fleet.h"
#include "cli/cli.h"

struct cell_run {
    struct cli *c;
    struct fleet_plan plan;
    const struct fleet_cell *cell;
    const struct fleet_model *model;
    struct fleet_machine machine;
    char folder[4096], path[4400], model_path[4096]; /* folder: of the cell's results; path: its result */
    char work[400];                                  /* a folder for what the child writes, gone afterwards */
    uint64_t memory_bytes;                           /* what the child may take; 0: any */
    json_t *records;
    char status[16], why[256];
    bool done_before;
    int lock;
};
/* One cell at a time on a machine: waits as long as another may take. */
int cell_lock(struct cell_run *r, struct err *e);
void cell_unlock(struct cell_run *r);
/* Runs the cell's command line in a child and takes the records that it stored. */
int cell_measure(struct cell_run *r, struct err *e);
int cell_without_figures(struct cell_run *r, enum record_status status, const char *why, struct err *e);
/* The result, signed where a key was given, under its final name or not at all. */
int cell_write(struct cell_run *r, struct err *e);
#endif
