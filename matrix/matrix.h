/* The decision: records in, rows with verdicts, a pick and its reasons out. Computes everything that reports
 * show; a writer never divides. Order: matrix_decide -> read struct decision -> decision_free. */
#ifndef MATRIX_MATRIX_H
#define MATRIX_MATRIX_H
#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"
#include "bench/engine/model.h"
#include "bench/export/export.h"
#include "bench/factor.h"
#include "bench/record.h"
#include "bench/request.h"
#include "probe/probe.h"

/* The fields of a struct whose columns are a .def, X(type, name, doc), and what they are while nothing is known. */
#define VALUE_STR    const char *
#define VALUE_NUM    double
#define VALUE_INT    int64_t
#define VALUE_BOOL   int
#define UNKNOWN_STR  ""
#define UNKNOWN_NUM  NAN
#define UNKNOWN_INT  INT64_MIN
#define UNKNOWN_BOOL 0
struct row {
#define X(type, name, doc) VALUE_##type name;
#include "matrix/columns.def"
#undef X
    bool own;            /* the own engine: evidence, shown only when asked */
    bool ran;            /* it could be measured or predicted: limits decide, no status stands in the way */
    bool on_front;       /* not dominated */
    bool substituted;    /* tensors that could not take the codec that the name promises */
    bool not_comparable; /* a quantized source makes this format look lossless */
    bool low_confidence, dirty;
    bool cache_resident; /* its speed is that of the caches: never ranked, never in a headline */
    bool kv_variant;     /* another row under another KV cache: it is the pick only where that one cannot be */
    const char *kv_note; /* ", KV q8_0"; "" the usual cache */
    bool dithered;       /* of a source taken off its grid: the file is made so too */
    bool stands_in;      /* its speed is the own engine's times a ratio: the framework was not run */
    bool unverified;     /* the format was never compared with an independent implementation */
    bool reference;      /* the weights that KLD is measured against */
    bool scored;         /* some score of its model is published, and it is made for such tasks */
    bool lead;           /* of many models: the row that its model would be taken in */
    int n_ctx_train;     /* the longest context of the model; 0: unknown */
    int group;           /* models in the order asked for: KLD orders rows of one group only */
    uint64_t vetoes;     /* bit i: rule i of rules.def is broken */
    const char *remark;  /* why a figure is missing, as the record says; "" nothing to say */
    const char *veto;    /* id of the first broken rule, "" none */
    int task_lost, task_gained, task_ref_correct; /* of task_items */
    double task_chance;                           /* share right by guessing */
    double prefill_lo, prefill_hi, bandwidth_share, share_substituted;
    double energy_lo, energy_hi;
    int64_t scratch_bytes, runtime_bytes; /* the rest of peak_bytes beside weights and KV */
    int64_t read_bytes;                   /* of the weights, for one token; INT64_MIN: all of them */
    int64_t n_vocab;                      /* 0 unknown: runtimes keep tables of it */
    const char *histogram, *substitutions, *kernels, *license;
    double timed_s;         /* of the repetitions behind its speed, NaN = not known */
    int n_chunks;           /* of text behind its KLD; 0 = not known */
    const char *quality_of; /* the model whose quality it is, where speed and memory are of another; else "" */
    const char *speed_note; /* "shape qwen3-0.6b", "cache-resident" */
};
struct risk {
    const char *id, *text, *mitigation;
};
struct claim { /* what is asserted of a format, beside what was found here; a row of datasets/claims.csv */
    const char *id, *subject, *what, *claimed;
    const char *here;    /* the figure, or why there is none */
    const char *verdict; /* "holds" "holds in part" "undecided" "does not hold" "not measured" */
    const char *source;
    double lo, hi; /* of the figure; NaN = not measured */
};
struct decision {
    const char *verdict;                /* "recommended" "tie" "nothing-fits" "undecided" */
    int exit_code;                      /* 0, 1 (nothing was measured), 3 (gate asked for not met), 4 (nothing fits) */
    const char *subject;                /* the model in question, "whichquant-default + qwen3-0.6b shape" */
    const char *coverage;               /* "7 rows measured, 1 predicted, 1 crashed" */
    double kld_limit;                   /* in force; NaN = none */
    bool kld_limit_asked;               /* by the user; false: the default of the objective */
    bool across;                        /* rows of many models: scores order them (choose.h) */
    double min_decode_tok_s;            /* in force; NaN = none */
    struct row *row;                    /* best first */
    int n_rows, recommended, runner_up; /* indices, -1 none */
    const char *headline;               /* "USE gguf/q4_k_m on llama.cpp" or the sentence that nothing fits */
    const char *reason, *runner_up_reason;
    const char *changes[4]; /* what would change the answer: "with 2 GiB more: q6_k" */
    int n_changes;
    const char *neighbours[4]; /* the answers at the neighbouring limits: "KLD < 0.01: q8_0, 95 tok/s" */
    int n_neighbours;
    int neighbour_row[2];      /* of a tighter and of a wider KLD limit; -1 none */
    const char *binding_limit; /* "memory", "" */
    const char *nearest;       /* the nearest thing that does fit, when nothing does */
    const char *plain_quality; /* "8 of 100 top words change" */
    const char *confidence;    /* the claim tested: "13 % faster than gguf/q8_0 (9 to 18 %)", or with whom it is tied */
    const char *undecided[8];
    int n_undecided;
    const char *device_class; /* "laptop"; "" unknown */
    struct risk risk[24];
    int n_risks;
    const char *note[16]; /* state of machine and weights worth a line */
    int n_notes;
    const char *command;
    struct claim claim[32];
    int n_claims;
    struct arena *arena;
};
/* recs: all records of this run (or from the store). known: framework factors of earlier runs; NULL: none. */
int matrix_decide(struct decision **out, const struct record *recs, int n_recs, const struct factors *known,
                  const struct probe_device *device, const struct request *req, struct err *e);
void decision_free(struct decision *d);

/* The instant answer before anything is measured: every cell predicted from bytes, bandwidth class and
 * published tables. */
int matrix_estimate(struct decision **out, const struct model_desc *m, const struct probe_device *device,
                    const struct request *req, struct err *e);

/* row.c: "llama.cpp", elsewhere than on the CPU "llama.cpp, 12 layers on vulkan". */
struct row_place {
    char s[96];
};
struct row_place row_place(const struct row *r);
const char *row_format_said(const struct row *r); /* in a sentence: "gguf/q4_k_m", "the file as it is" */

/* contenders.c: formats of the decision's rows that are written in that container and worth measuring in a framework
 * that loads it, those that matter most first. all: as many as there are. Returns how many; names live as long as d. */
int matrix_contenders(const struct decision *d, const struct exporter *container, bool all, const char *formats[],
                      int most);

/* Formats that most likely win, judged by an estimate: what to measure first. The same otherwise. The pick, the answers
 * at the limits beside the one in force, those that lead, those that are beaten or over the limit, the unquantized. */
int matrix_likely(const struct decision *d, const char *formats[], int most);

/* What a row's rule says: "memory", its sentence; for `list rules`. Returns how many there are. */
struct rule_info {
    const char *id, *limit, *verdict, *doc;
};
int matrix_rules(const struct rule_info **out);

/* A framework's speed over the own engine's for the same codec, measured or published, with its source. isa: the
 * machine's mask. own_share: share of the read bandwidth that the own engine's decoding reached (NaN = unknown). NaN
 * for an unknown framework. */
struct interval framework_factor(const char *framework, const char *codec, bool prefill, uint64_t isa, double own_share,
                                 char source[256]);
/* Share of the machine's read bandwidth that the framework's decoding reaches. */
struct interval framework_share(const char *framework, const char *codec, uint64_t isa);
#endif
