/* Inside matrix/ only: ln KLD of (model, format) as the sum of how coarse the format is and how fragile the model. */
#ifndef MATRIX_QUALITY_FIT_H
#define MATRIX_QUALITY_FIT_H
#include <stdbool.h>
#include "datasets/catalogue.h"
#include "matrix/quality.h"

enum { QUALITY_NAME = 64 };
struct quality_cell { /* a row of the table */
    int model, format;
    double ln_kld;               /* NaN: neither KLD nor a perplexity ratio to take it from */
    double weight;               /* of rows that say the same cell, together 1 */
    double kld, ppl_ratio, top1; /* as published, NaN = not */
    const char *at;              /* the row in the table, to read its source again */
};
struct quality_format {
    char name[QUALITY_NAME];
    int n_models;
    double bpw;          /* of the largest model that has one; NaN */
    double bpw_params_b; /* that model's size */
    double coarse;       /* ln KLD on a model that is like all others */
    double spread;       /* of models around it */
};
struct quality_model {
    char name[QUALITY_NAME]; /* as published */
    double params_b, n_cells;
    double fragile; /* what all its formats have more than others' */
};
struct quality_fit {
    const char *text; /* the table; must outlive it */
    int n_cells, n_formats, n_models;
    struct quality_cell *cell;
    struct quality_format *format;
    struct quality_model *model;
};
struct normal { /* a mean and a standard deviation; NaN = unknown */
    double mean, sd;
};
/* Of models of that size, those of the name's family counting double. */
struct normal quality_fragility(const struct quality_fit *f, const char *model_id, double params_b);
/* Between the formats of the family by bits per weight; NaN outside them. */
struct normal quality_between(const struct quality_fit *f, const char *format, double bpw);
int quality_find_format(const struct quality_fit *f, const char *format); /* -1 */
int quality_find_model(const struct quality_fit *f, const char *model_id);
bool quality_same_name(const char *a, const char *b); /* letters and digits alone */
#endif
