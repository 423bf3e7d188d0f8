/* Inside matrix/predict*.c only: the published speeds as numbers, and what is fitted to them.
 * Order: predict_table_new -> predict_table_fit -> predict_family_of... -> predict_table_free. */
#ifndef MATRIX_PREDICT_FIT_H
#define MATRIX_PREDICT_FIT_H
#include "base/mem.h"
#include "matrix/predict.h"

enum predict_phase { PHASE_DECODE, PHASE_PREFILL, N_PHASES };
enum { TERM_BYTES, TERM_LAYERS, TERM_LAUNCHES, TERM_OPERATIONS, N_TERMS };
enum { EFFECT_CODEC, EFFECT_FRAMEWORK, EFFECT_CLASS, EFFECT_ARCH, N_EFFECTS };
enum { MAX_DEVICES = 384, MAX_NAMES = 48, MAX_PARAMS = N_TERMS + 48, N_FAMILIES = 7 };

/* Names met in the table; an effect's level is the index. */
struct name_list {
    int n;
    char name[MAX_NAMES][24];
};
struct observation {
    double x[N_TERMS];   /* seconds: of all bytes at the bandwidth; of the layers at 1 us, twice; of operations at the
                            rate */
    double tok_s, share; /* of the bandwidth limit; NaN unknown */
    double weight;       /* 0: not fitted */
    double params_b, active_b, bandwidth_gb_s;
    int level[N_EFFECTS];
    int device, class_id;
    enum predict_phase phase;
    bool suspect;
    const char *why_not; /* it cannot be judged: what is missing; NULL: it is */
    double ln_error;     /* of the fit that leaves its device out: ln(predicted / published) */
    char format[16], backend[12];
    bool many_cores; /* 8 and more: what other formulas ask */
};
struct family_fit { /* of one family and phase */
    int n_devices, n_rows;
    int n_params;
    int level_at[N_EFFECTS][MAX_NAMES]; /* parameter of that level, -1: never seen */
    double param[MAX_PARAMS], sigma;
    double params_lo, params_hi, bandwidth_lo, bandwidth_hi;
};
struct predict_table {
    struct arena *arena;
    struct observation *row;
    int n;
    char (*device)[64];
    int n_devices;
    struct name_list names[N_EFFECTS];
    struct family_fit fit[N_FAMILIES][N_PHASES];
    double rate_per_gb_s[16]; /* by class: usual tera-operations a second per GB/s; NaN */
    struct half_width {       /* by class, framework + 1 (0: all of them) and phase */
        double ln;            /* NaN: no row */
        int n_devices;
    } half[16][MAX_NAMES + 1][N_PHASES];
};

struct predict_class_row {
    const char *name;
    int family;
};
struct predict_prior {
    double term[N_TERMS][2];
    double effect[N_EFFECTS];
};
extern const struct predict_class_row predict_classes[];
extern const int n_predict_classes;
const struct predict_prior *predict_prior(int family, enum predict_phase phase);

/* Which levels a work has on a target; false: the codec is not known. */
struct predict_place {
    int class_id;
    const char *name[N_EFFECTS];
    double cpu_cost;
    bool launches;
};
bool predict_place(struct predict_place *p, const struct target *t, const char *backend, const char *codec,
                   const char *framework);
/* Peak operations a second in tera: fp32 of a GPU, cores x clock x lanes of a CPU; NaN. */
double predict_rate(const struct target *t, const char *backend, int threads);

struct predict_table *predict_table_new(const char *speeds); /* NULL without memory */
bool predict_table_fit(struct predict_table *t);             /* false without memory */
void predict_table_free(struct predict_table *t);
/* Fits a family without one device (-1: with all). Starts at f's parameters where it has some. */
void predict_family_fit(const struct predict_table *t, struct family_fit *f, int family, enum predict_phase phase,
                        int without);
/* ln of the seconds, and the variance of what was never seen into *unseen. */
double predict_ln_seconds(const struct family_fit *f, const struct predict_prior *prior, const double x[N_TERMS],
                          const int level[N_EFFECTS], double *unseen);
int predict_level(const struct name_list *l, const char *name); /* -1: not there */
/* The 90 % quantile of |ln error| of the class (of the framework in it, where it has enough devices), as a predictor of
 * a further device needs it; without: a device that does not count. */
struct half_width predict_half_width(const struct predict_table *t, int class_id, int framework,
                                     enum predict_phase phase, int without);
/* That of the framework where it was seen on enough devices of the class, else of the class; framework -1: never seen.
 */
struct half_width predict_half_for(const struct predict_table *t, int class_id, int framework, enum predict_phase phase,
                                   int without);
/* Why nothing is said of a class although it has rows; NULL: something is. */
const char *predict_unfit(struct half_width half);
/* What is predicted, with the table given. */
void predict_with(const struct predict_table *t, struct predict_speed *out, const struct target *target,
                  const struct predict_work *w);
/* The linked table, fitted once; NULL without memory. */
const struct predict_table *predict_table_linked(void);
#endif
