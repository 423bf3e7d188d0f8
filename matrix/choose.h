/* Which model at all: the catalogue's models x formats x frameworks on this machine or on one that is described.
 * Nothing is measured: memory follows from the tensors, speed from this machine's calibration or from published figures
 * of the device's class, quality and task scores from published tables.
 *
 * balanced = the model with the best task score that fits, keeps the quality limit and writes at least 10 tokens a
 * second (or what was asked for); then the fastest of its formats that keep 99 % of that score. KLD orders formats of
 * one model, task scores order models. A model of which no score is published, or that is no chat model where that is
 * asked for, is listed, and taken where nothing else fits. */
#ifndef MATRIX_CHOOSE_H
#define MATRIX_CHOOSE_H
#include "bench/rates.h"
#include "bench/target.h"
#include "matrix/matrix.h"

#define DEFAULT_MIN_DECODE 10 /* tokens a second, of the choice between models, where nobody names one */

struct choose_input {
    const struct target *target;
    const struct machine_rates *rates; /* of this machine, where it is the target; NULL: published figures */
    const struct factors *known;       /* frameworks over the own engine, found here; NULL: published ones */
    const struct request *req;
    const char *const *models; /* ids of the catalogue; n_models 0: all */
    int n_models;
};
/* ERR_USAGE with the nearest names for a model or format that is none. */
int matrix_choose(struct decision **out, const struct choose_input *in, struct err *e);
#endif
