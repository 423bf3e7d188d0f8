/* Inside matrix/ only: the decision under construction and the steps that fill it. Order:
 * rows_from_records (or the estimate) -> judge_vetoes -> judge_pick -> explain. Strings live in the
 * decision's arena. */
#ifndef MATRIX_JUDGE_H
#define MATRIX_JUDGE_H
#include "base/sbuf.h"
#include "matrix/figures.h"
#include "matrix/matrix.h"

enum rule_kind {
    RULE_LIMIT,   /* of the machine or of the user: relaxing it is a way out */
    RULE_QUALITY, /* a quality gate: when only this one is in the way the exit code is 3 */
    RULE_UNKNOWN, /* a figure that a gate needs was not measured: listed, not recommended */
    RULE_TRUST,   /* never recommended, whatever the limits */
};
enum rule_id {
#define R(kind, id, limit, verdict, doc) RULE_##id,
#include "matrix/rules.def"
#undef R
    N_RULES
};
#define RULE_BIT(id) (UINT64_C(1) << RULE_##id)

struct target;
struct judge {
    struct decision *d;
    struct arena *arena;
    const struct request *req;
    const struct constraints *want;
    const struct probe_device *device; /* NULL: unknown */
    const struct record *recs;
    int n_recs;
    const struct target *target; /* a described device; NULL: `device` is all that is known */
    const struct factors *known; /* of earlier runs; NULL: none */
    int64_t usable_bytes;        /* INT64_MIN unknown */
    bool by_size;                /* balanced, and no row has a speed that may be shown: the smallest wins */
    bool usual_kv;               /* a row of the usual KV cache can be the pick: those of other caches are not */
    bool across;                 /* rows of many models: scores order them (choose.h) */
    double min_decode_tok_s;     /* in force; NaN: none */
    bool limit_moved;            /* nothing that fits keeps the default quality limit: it was given up */
    bool *unbeaten, *stands;     /* [n_rows] scratch of front_mark */
    bool failed;                 /* an allocation failed */
};

/* A string in the arena; "" and j->failed when there is no memory. */
const char *say(struct judge *j, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
const char *keep(struct judge *j, const char *s);
const char *say_taken(struct judge *j, struct sbuf *b); /* the text of b, which is freed */

struct row *row_add(struct judge *j);                /* all unknown; NULL (and j->failed) without memory */
struct quality_guess;
/* What quality.h expects of the row's format and bits per weight, which are set. params_b: 0 unknown. */
void row_predict_quality(struct judge *j, struct row *r, const char *model, double params_b, struct quality_guess *q);
/* The line that runs the choice; with the path of the source it first makes the file. "" when nothing is
 * known. */
const char *row_command(struct judge *j, const struct row *r, const char *model, const char *path);
/* The framework's flags for the row's KV cache; "" for the usual one. */
const char *row_kv_flags(struct judge *j, const struct row *r);
int rows_from_records(struct judge *j, struct err *e);
/* kv.c: row `best` under the other measured KV caches; -1: every row that only memory forbids. False: none. */
bool kv_add_rows(struct judge *j, int best);

/* evidence.c: which record a figure comes from. */
struct subject { /* a model of which there are records */
    const struct record *first;
    bool shape;   /* synthesized weights: speed and memory only */
    bool joined;  /* a shape that lent its speed to a real model */
    bool shipped; /* the program's own small model: it stands for models at large, so its rows take sizes too from the
                   * shape */
};
enum aspect { ASPECT_QUALITY, ASPECT_BESIDE, ASPECT_TASK, ASPECT_SPEED, ASPECT_EMPTY, ASPECT_FAILED };
bool record_shows(const struct record *r, enum aspect a);
bool record_same_place(const struct record *a, const struct record *b); /* framework, backend, layers on a device */
bool record_on_cpu(const struct record *r);
/* Of a format beside what the file is stored in: is it the weights as they were found; what most of it is stored in. */
bool format_is_reference(const char *format, const char *source_format);
const char *format_codec(const char *format, const char *source_format);
/* Of that format: anywhere; where that record was; in the own engine. NULL: none. */
const struct record *best_record(const struct judge *j, const struct subject *s, const char *format, enum aspect a);
const struct record *best_record_at(const struct judge *j, const struct subject *s, const struct record *place,
                                    enum aspect a);
const struct record *best_own_record(const struct judge *j, const struct subject *s, const char *format, enum aspect a);

/* row_memory.c: what a record says of a row's memory, at the context that was asked for (take); a shape's for a format
 * that it did not run (scale); then peak_bytes from its parts where it was not measured, and usable_bytes (set). */
void row_take_memory(struct judge *j, struct row *w, const struct subject *s, const struct record *r);
void row_scale_memory(struct judge *j, struct row *w, const struct subject *shape, const struct record *quality);
void row_set_memory(struct judge *j, struct row *r);

/* compat.def: how a framework is started. */
struct runtime {
    const char *framework;
    int64_t base_bytes;       /* resident without a model */
    int packed_copies;        /* that it makes of the matrices, beside the file that it maps */
    int64_t token_bytes;      /* of its tables, for each entry of the vocabulary */
    const char *command;      /* {file} {threads} {ctx} */
    const char *device_flags; /* of another device than the CPU: {backend} {layers} */
    const char *kv_flags;     /* for a KV type other than f16; {k} and {v} are the types */
};
const struct runtime *runtime_find(const char *framework);
/* datasets/compatibility.csv: false with the reason where the framework cannot run the format on that backend of that
 * device. device NULL: does it load the format at all? */
bool compat_check(const char *framework, const char *format, const char *backend, const struct probe_device *device,
                  char why[160]);

void judge_vetoes(struct judge *j); /* fills vetoes, veto, verdict and reason of every row */
const struct rule_info *rule_info(int rule);
enum rule_kind rule_kind(int rule);
enum { RULE_WHY = 320 };
bool rule_broken(const struct judge *j, int rule, const struct row *r, char why[RULE_WHY]);
enum rule_unit { UNIT_BYTES, UNIT_NATS, UNIT_SHARE, UNIT_TOK_S, UNIT_MS, UNIT_WATTS, UNIT_HOURS };
struct rule_margin { /* here: the row's figure (NaN = not known); at_least: it must not be under what is allowed */
    double here, allowed;
    bool at_least;
    enum rule_unit unit;
    const char *option; /* that sets the limit; "" none */
};
/* False: no such limit is in force, or it has no figure. */
bool rule_margin(const struct judge *j, int rule, const struct row *r, struct rule_margin *m);
double judge_battery_wh(const struct judge *j); /* as the user says, else as the machine does; NaN unknown */
/* "with 2.1 GiB more memory": what would have to give so that the row passes that rule; "" when nothing
 * sensible. */
const char *rule_relaxed(struct judge *j, int rule, const struct row *r);

/* The figure that the objective ranks by, as an interval; *low_is_better. */
struct interval row_metric(const struct judge *j, const struct row *r, bool *low_is_better);
bool record_is_own(const struct record *r);
bool record_same_model(const struct record *a, const struct record *b);
/* framework.c: a framework's speed over the own engine's, as found on this machine: the span of the ratios of both on
 * other formats of that model, interleaved in one run, and a quarter more for the format itself; none: not measured
 * here. */
struct interval framework_here(const struct judge *j, const struct record *own, const char *framework, bool prefill,
                               char source[256]);
/* The same as an earlier run found it on this machine, or else on one of its class. */
struct interval framework_stored(const struct judge *j, const char *format, const char *framework, bool prefill,
                                 char source[256]);
bool row_is_as_is(const struct row *r); /* the quantized file itself */
bool row_beats_chance(const struct row *r); /* the reference does better than guessing on its tasks */
bool row_eligible(const struct row *r, uint64_t ignored);
/* True when a is beaten by b: somewhere worse beyond the intervals, nowhere better. */
bool row_beaten(const struct row *a, const struct row *b);
/* stands[i] of every row: on the front of those eligible when the rules in `ignored` did not exist and KLD
 * had that limit (NaN = none). */
void front_mark(struct judge *j, uint64_t ignored, double kld_limit);
enum { ANY_GROUP = -1 };
/* The best row of that front, in that group or (ANY_GROUP) the first that has one; -1 none.
 * n_tied (may be NULL): rows that share the first place. */
int judge_best(struct judge *j, uint64_t ignored, double kld_limit, int group, int *n_tied);
bool row_within(const struct row *r, uint64_t ignored, double kld_limit);
void judge_sort(struct judge *j); /* best first, ranks set */
int judge_open(struct judge *j, struct decision **out, const struct probe_device *device, const struct request *req,
               struct err *e);
void judge_decide(struct judge *j); /* all of it, on the rows there are */
/* Vetoes and the pick only, under the constraints that j has now: its index, -1 none. Rows keep their order. */
bool judge_by_size(const struct judge *j);
int judge_again(struct judge *j, int group);

/* explain.c: the pick or why there is none, in words; notes.c: risks, notes, what was left open. */
void explain_decision(struct judge *j);
void explain_nothing_fits(struct judge *j);
void explain_changes(struct judge *j);
void explain_undecided(struct judge *j);
void explain_notes(struct judge *j);
void explain_risks(struct judge *j);  /* risks.c */
void explain_claims(struct judge *j); /* claims.c, on rows that were measured */
const char *row_name(struct judge *j,
                     const struct row *r); /* "gguf/q4_k_m", with the framework where several were tried */
const char *row_plain_quality(struct judge *j, const struct row *r); /* "8 of 100 top words change" */
const char *row_short(struct judge *j, const struct row *r); /* "gguf/q8_0, 95 tok/s, 4 of 100 top words change" */
#endif
