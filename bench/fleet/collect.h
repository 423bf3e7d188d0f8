/* Merging results: from wherever, complete or not, several times, of several plans. Whatever cannot be trusted is
 * refused by name and reason, and the rest goes on. Order: collect_begin, collect_plan, collect_path...,
 * collect_settle, collect_write, collect_free. */
#ifndef BENCH_FLEET_COLLECT_H
#define BENCH_FLEET_COLLECT_H
#include "bench/fleet/fleet.h"

enum fleet_clock { CLOCK_RIGHT, CLOCK_BEHIND /* measured before it was planned */, CLOCK_AHEAD };
enum fleet_use { USE_TAKEN, USE_SUPERSEDED, USE_CONTRADICTS };
/* Of a cell: it has an answer; it was tried in vain; nothing is known. */
enum fleet_state { FLEET_DONE, FLEET_FAILED, FLEET_MISSING, N_FLEET_STATES };
struct fleet_taken {
    struct fleet_result result;
    char *path, signer[128];
    int plan, cell, machine; /* indices */
    int64_t at;
    enum fleet_clock clock;
    enum fleet_use use;
};
struct fleet_node {                     /* a machine that measured */
    char id[33], label[FLEET_NAME + 8]; /* unique: of two that call themselves the same each gets digits of its id */
    char own_label[FLEET_NAME];
    enum fleet_clock clock; /* the worst of its results */
};
struct fleet_collection {
    struct fleet_plan *plan;
    char **plan_dir;
    int n_plans;
    struct fleet_taken *taken; /* after collect_settle by plan, cell, machine, the one that counts first */
    int n_taken, n_duplicates;
    struct fleet_node *node;
    int n_nodes;
    json_t *known;              /* the hashes of taken[] */
    json_t *refused, *warnings; /* of {file, reason}; of sentences */
    int n_cells, n_done, n_failed, n_missing;
    const char *allowed_signers; /* NULL: signatures are not looked at */
    int64_t now;
    void (*warn)(void *arg, const char *sentence);
    void *arg;
};
int collect_begin(struct fleet_collection *c, struct err *e);
/* The plan in that folder; once, however often it is named. */
int collect_plan(struct fleet_collection *c, const char *dir, struct err *e);
/* A result file, a folder with results somewhere below, or a plan's folder. Errors are only those of this machine. */
int collect_path(struct fleet_collection *c, const char *path, struct err *e);
int collect_settle(struct fleet_collection *c, struct err *e);
/* records.jsonl, machines.json, collected.json, missing.txt, each whole or not at all. */
int collect_write(const struct fleet_collection *c, const char *dir, struct err *e);
void collect_free(struct fleet_collection *c);
/* Of a cell: first result of it in taken[], *n of them; NULL where there is none. */
const struct fleet_taken *collect_results(const struct fleet_collection *c, int plan, int cell, int *n);
enum fleet_state collect_state(const struct fleet_taken *t, int n);
#endif
