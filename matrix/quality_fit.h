/* Inside matrix/ only: ln KLD of (model, format) as the sum of how coarse the format is and how fragile the model. */
#ifndef MATRIX_QUALITY_FIT_H
#define MATRIX_QUALITY_FIT_H
#include <stdbool.h>
#include "matrix/quality.h"

enum { QUALITY_NAME = 64 };
struct normal { /* a mean and a standard deviation; NaN = unknown */
    double mean, sd;
};
struct quality_cell { /* a row of the table */
    int model, format;
    double ln_kld;               /* of the KLD, or else of ln PPL ratio, which is the same but for chance */
    double weight;               /* in the fit; of rows that say one cell together at most 1 */
    double kld, ppl_ratio, top1; /* as published; NaN = not */
    const char *at;              /* the row in the table */
};
struct quality_format {
    char name[QUALITY_NAME];
    int n_models;
    double bpw;    /* of the largest model that has one; NaN */
    double bpw_of; /* that model's size */
    double weight, coarse, spread;
};
struct quality_model {
    char name[QUALITY_NAME]; /* as published */
    double params_b, weight, fragile;
};
struct quality_fit {
    const char *text; /* the table; must outlive it */
    int n_cells, n_formats, n_models;
    struct quality_cell *cell;
    struct quality_format *format;
    struct quality_model *model;
};
/* Of a model of that size, its own rows if there are any, and those of its family counting double. */
struct normal quality_fragility(const struct quality_fit *f, const char *model_id, double params_b);
struct normal quality_coarseness(const struct quality_fit *f, int format);
/* Of a format without rows, between those of its family by bits per weight; NaN beyond them. */
struct normal quality_between(const struct quality_fit *f, const char *format, double bpw);
int quality_find_format(const struct quality_fit *f, const char *format); /* -1 */
int quality_find_model(const struct quality_fit *f, const char *model_id);
bool quality_same_name(const char *a, const char *b); /* letters and digits alone */
#endif
