/* The sweep: every planned format of a model encoded in memory a group at a time, quality by one reference pass a
 * group, speed with cells interleaved, one record a format and framework. The likeliest formats come first; those that
 * the budget did not reach become records that say so. Quality goes chunk by chunk into the store, so that a killed run
 * loses at most one chunk of one group. Order: sweep_run -> read rec[] -> sweep_free. */
#ifndef BENCH_SWEEP_H
#define BENCH_SWEEP_H
#include "base/pool.h"
#include "bench/frameworks.h"
#include "bench/measure.h"
#include "bench/plan.h"
#include "bench/record.h"
#include "bench/store.h"
#include "bench/tasks.h"

enum {
    SWEEP_LEAST_CHUNKS = 10, /* fewer make a row of low confidence */
    SWEEP_MOST_FORMATS = 32  /* of a set of frameworks */
};

struct sweep_event {
    const char *what; /* "quality chunk 3", "speed of qwen3-0.6b" */
    int done, total;
};
struct sweep_input {
    const struct request *req;
    const struct probe_device *device;
    struct pool *pool;
    struct store *store; /* NULL: nothing is kept */
    struct model *model;
    const struct calibration *calib; /* activation statistics for the encoders; NULL: none */
    const struct kv_peaks *kv_peaks; /* for caches with settled scales; NULL: none */
    const char *text, *text_name;    /* evaluation text in memory */
    size_t text_bytes;
    char run_id[48];
    const char *const *first; /* [n_first] formats that most likely win */
    int n_first;
    void (*on_event)(void *arg, const struct sweep_event *ev);
    /* What was found so far: of the first few formats, then of all of a group. NULL: nobody asks. */
    void (*on_look)(void *arg, const struct record *rec, int n);
    void *arg;
};
struct sweep {
    struct record *rec;
    int n, cap;
    bool interrupted, out_of_budget;
    double seconds;
    double longest_logits_s; /* a chunk of a framework's logits so far */
    int32_t *tokens;         /* of the evaluation text, tokenized once */
    int64_t n_tokens;
    struct arena *arena;
};
/* ERR_CANCELLED is not returned: an interrupted sweep is a result with fewer figures. */
int sweep_run(struct sweep **out, const struct sweep_input *in, struct err *e);
void sweep_free(struct sweep *s);
/* Real frameworks that load the same container, and formats that are written in it, those that matter most first. */
struct sweep_set {
    const struct exporter *container;
    const struct framework_found *at[MOST_FRAMEWORKS];
    int n;
    const char *formats[SWEEP_MOST_FORMATS];
    int n_formats;
};
/* Measures them beside the own engine, interleaved, within budget_s, writing of files included; then their logits. A
 * framework that fails leaves a record that says so. */
int sweep_real(struct sweep *s, const struct sweep_input *in, const struct sweep_set *set, double budget_s,
               struct err *e);

/* The second axis: each KV format of the request on the model's own weights, all else exact, against an f32 cache, in
 * long chunks. One record a format and length, without a weight format: its KLD is what the cache alone costs. */
int sweep_kv(struct sweep *s, const struct sweep_input *in, struct err *e);

/* Parts of it, called by sweep_run. A deadline of 0 = none. */
/* Marks the formats in which the model fits the caches. True where that is all of those that have a speed: shapes of
 * real models then stand in; else the others are measured on the model itself. */
bool sweep_residents(struct plan *p, double cache_bytes);
struct record *sweep_add(struct sweep *s, struct err *e); /* an empty record; NULL: no memory */
/* A copy of rec, which is none of the sweep's own; into the store too unless that is NULL. */
int sweep_keep(struct sweep *s, struct store *store, const struct record *rec, struct err *e);
void sweep_tell(const struct sweep_input *in, const char *what, int done, int total);
/* Cell c cannot be made: it and those that would be the same become refused rows with the reason. Returns 0, or rc,
 * into e, where that ends the sweep: no memory, interrupted. */
int sweep_refuse(struct plan *p, int c, int rc, const struct err *why, struct err *e);
/* The engine that qualities are measured with: packed kernels where the format has them. */
int sweep_engine(struct engine **out, const struct sweep_input *in, const struct weights *w, struct kv_pair kv,
                 int n_ctx, int n_batch, struct err *e);
/* Quality of a model that does not fit in memory: one layer of one format at a time, the states of all chunks between
 * them. Formats at the end are left out where the time until end_ns does not suffice. */
int sweep_layers(struct sweep *s, const struct sweep_input *in, struct plan *p, int c0, int c1, int n_chunks,
                 uint64_t end_ns, struct err *e);
double sweep_layers_bytes(const struct sweep_input *in, int n_formats, int n_chunks); /* what that holds */
/* All cells, as far as the budget goes. speeds: of the model itself; false: those of other shapes stand in. */
int sweep_groups(struct sweep *s, const struct sweep_input *in, struct plan *p, uint64_t end_ns, bool speeds,
                 struct err *e);
/* What a format holds while its quality and its speed are measured. */
double sweep_bytes_held(const struct sweep_input *in, const struct plan_cell *c);
/* What the sweep itself may hold of encoded formats. */
double sweep_room(const struct sweep_input *in);
/* What is timed of every format, and its prompt: seeded tokens, mem_free. */
struct workload sweep_workload(const struct request *req);
int32_t *sweep_prompt(const struct sweep_input *in, const struct model *m, const struct workload *w);
double sweep_session_bytes(const struct sweep_input *in); /* what a format holds beside its weights while it is timed */
int sweep_speed(struct sweep *s, const struct sweep_input *in, const struct plan *p, struct weights *const *w, int c0,
                int c1, uint64_t end_ns, struct err *e);
struct sweep_tasks;
/* Reads the tasks and asks the reference; *out is closed by the caller whatever is returned. */
int sweep_tasks_open(struct sweep_tasks **out, const struct sweep_input *in, uint64_t deadline_ns, struct err *e);
int sweep_tasks_group(struct sweep *s, struct sweep_tasks *t, const struct plan *p, struct weights *const *w, int c0,
                      int c1, uint64_t end_ns, struct err *e);
void sweep_tasks_close(struct sweep_tasks *t);
/* Speeds of the model's own shape, on seeded weights that are cycled through: of a model that does not fit. */
int sweep_cycled_speed(struct sweep *s, const struct sweep_input *in, const struct plan *p, uint64_t deadline_ns,
                       struct err *e);
int sweep_shape_speed(struct sweep *s, const struct sweep_input *in, const char *shape_id, uint64_t deadline_ns,
                      struct err *e);
/* Seeded weights of a shape in the codecs of that cell, for speed only. */
int sweep_synthesize(struct weights **w, const struct model *m, const struct plan_cell *c, const struct sweep_input *in,
                     struct err *e);
void sweep_describe(struct record *r, const struct sweep_input *in, const struct model *m, const struct plan_cell *c);
/* A new record of that cell with the workload that is timed; its cell_id waits for the framework. */
void sweep_begin_speed(struct record *r, const struct sweep_input *in, const struct model *m, const struct plan_cell *c,
                       int n_batch);
#endif
