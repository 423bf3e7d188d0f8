/* The same measurement on many machines: cells as files, one result file each, merged afterwards. No scheduler is
 * written here: Slurm or GNU parallel start `fleet run-cell ID`. Three steps, each with files between them:
 *
 * plan writes DIR: plan.json (schema, date, tool, models, groups, the sha256 of cells.jsonl; its own bytes hashed are
 * the plan's name), cells.jsonl (a cell a line: cell, kind, model, format, framework, group, needs{ram_gib, features},
 * argv), groups.tsv and groups/N.txt (what engines read: constraint, nodes; ids, one a line), models/SHA256.gguf (or a
 * folder), slurm.sh, parallel.sh, run-cell.sh.
 *
 * run-cell writes DIR/results/CELL/SHA16-CELL-MACHINE8.json: one line, fleet_schema, plan_sha256, cell, machine,
 * measured_at, status, fingerprint, records, sha256. The last is the SHA-256 of all bytes in front of `,"sha256":"`.
 *
 * collect writes OUT: records.jsonl (a record a line as everywhere, with "fleet" beside its own keys: cell, kind,
 * machine, label, group, features, plan_sha256, result_sha256, clock), machines.json (id, label, features,
 * fingerprints as `probe --json` says them, cells), collected.json (what was merged, refused, missing), missing.txt
 * (cells to run again).
 *
 * A cell's id is the hash of what it measures. Nodes with the same features are interchangeable: each cell runs once
 * for each such group. Quality does not depend on the machine: those cells belong to group 0, any node. */
#ifndef BENCH_FLEET_FLEET_H
#define BENCH_FLEET_FLEET_H
#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"
#include "base/json.h"
#include "bench/engine/model.h"
#include "bench/record.h"
#include "bench/request.h"

enum { FLEET_SCHEMA = 1, FLEET_ID = 16, FLEET_MOST_FEATURES = 16, FLEET_NAME = 64 };

/* ---- nodes and groups ---- */

struct fleet_features {
    int n;
    char name[FLEET_MOST_FEATURES][FLEET_NAME]; /* sorted */
};
struct fleet_group {
    struct fleet_features features;
    double ram_gib; /* of the smallest node; NaN: not said */
    char **node;    /* [n_nodes] as the engine calls them */
    int n_nodes, n_cells;
};
struct fleet_nodes {
    struct fleet_group *group; /* group i is number i + 1; none: cells run anywhere */
    int n;
};
/* A CSV: node,features,ram_gib; features are words with spaces between. NULL: no nodes are known. */
int fleet_nodes_read(struct fleet_nodes *out, const char *path, struct err *e);
void fleet_nodes_free(struct fleet_nodes *n);

/* ---- the plan ---- */

struct fleet_cell {
    char id[FLEET_ID + 1], kind[16] /* "speed" "quality" */, model[65], format[64], framework[48];
    int group;      /* 0: any node */
    double ram_gib; /* it needs at least */
    struct fleet_features features;
    json_t *argv; /* of this program; "{model}" stands for the file */
};
struct fleet_model {
    char name[128], sha256[65];
    int64_t bytes;
    bool folder, embedded;
};
struct fleet_plan {
    char sha256[65], created[32];
    json_t *json; /* plan.json */
    struct fleet_model *model;
    int n_models;
    struct fleet_cell *cell; /* in the order of cells.jsonl */
    int n_cells;
};
struct fleet_script { /* a file of the plan that holds no data: what an engine runs */
    const char *name, *text;
    size_t n;
};
struct fleet_job {
    const struct request *req; /* formats, frameworks, prompt, gen, chunks, no_speed, no_quality, budget_s, ... */
    struct model *const *model;
    const char *const *model_name; /* as it was given */
    int n_models, reps;
    const char *isa;  /* --isa of every cell; NULL: what the node can */
    double timeout_s; /* of a cell; then it is killed */
    const struct fleet_nodes *nodes;
    const struct fleet_script *script;
    int n_scripts;
};
struct fleet_written {
    char sha256[65];
    int n_cells, n_left_out, n_groups;
};
/* dir must not be there, or be empty: it appears whole. Models are hashed and put there as hard links, else copies. */
int fleet_plan_write(const struct fleet_job *j, const char *dir, struct fleet_written *w, struct err *e);

/* Refuses (ERR_FORMAT) what is damaged or was changed after planning. */
int fleet_plan_read(struct fleet_plan *p, const char *dir, struct err *e);
void fleet_plan_free(struct fleet_plan *p);
const struct fleet_cell *fleet_plan_cell(const struct fleet_plan *p, const char *id); /* NULL: no such cell */
const struct fleet_model *fleet_plan_model(const struct fleet_plan *p, const char *sha256);

/* ---- who measured ---- */

struct fleet_machine {
    char id[33], label[FLEET_NAME]; /* random, kept in the state folder; chosen, or two words made of the id */
};
/* This machine: the id is made at first use and tells identical twins apart. No host name leaves the machine: where
 * nodes share their home, it only goes into a hash with a secret that stays there. */
int fleet_machine_here(struct fleet_machine *m, const char *label, struct err *e);

/* ---- results ---- */

struct fleet_result {
    char plan_sha256[65], cell[FLEET_ID + 1], measured_at[32], status[16], sha256[65];
    struct fleet_machine machine;
    json_t *fingerprint, *records; /* borrowed from doc */
    json_t *doc;
};
/* The line that is the file; *name is the file's. r: all but sha256, which is filled in. */
int fleet_result_text(struct fleet_result *r, struct sbuf *out, char name[96], struct err *e);
/* ERR_FORMAT: changed, cut or foreign. Order: fleet_result_read -> fleet_result_free. */
int fleet_result_read(struct fleet_result *r, const char *path, struct err *e);
void fleet_result_free(struct fleet_result *r);
/* Is it an answer, so that nobody need try again: measured, or it cannot be. */
bool fleet_status_is_final(const char *status);
#endif
