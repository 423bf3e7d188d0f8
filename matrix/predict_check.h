/* How good the predictions are: each published speed against the prediction of a fit that never saw its device, beside
 * what the formulas of other tools say of the same rows. docs/PREDICTION.md is written from this. */
#ifndef MATRIX_PREDICT_CHECK_H
#define MATRIX_PREDICT_CHECK_H
#include "bench/stats.h"

enum { N_PEERS = 3 };
extern const char *const predict_peer_names[N_PEERS];
struct predict_error {
    const char *class_name, *phase; /* "decode" "prefill" */
    int n, n_devices;               /* judged */
    double median, device_median;   /* absolute relative error: of rows, of each device's median */
    int n_within;                   /* of the 90 % interval */
    double factor;                  /* its usual half-width: published within v/factor to v x factor */
    int n_suspect;                  /* of n: below a quarter of the bandwidth limit */
    int n_refused;                  /* rows that nothing is said of */
    char refused[160];              /* why: "12 bandwidth not known, 1 over the bandwidth limit" */
    double peer[N_PEERS];           /* their median absolute error; NaN: they have no formula */
};
/* Fills out[most]; returns how many; 0 without memory. */
int predict_errors(struct predict_error out[], int most);
#endif
