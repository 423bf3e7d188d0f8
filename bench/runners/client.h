/* A server that is measured from outside, as its users meet it: several streams at once, every time by their events.
 * Order: client_open -> client_get... -> client_choose -> client_measure... -> client_close. */
#ifndef BENCH_RUNNERS_CLIENT_H
#define BENCH_RUNNERS_CLIENT_H
#include "bench/runners/speech.h"

enum { N_FITTED = 4 };
struct client {
    struct http *http;
    char base[300], model[200];     /* URL without a slash at its end; the model's name there */
    const char *key, *key_name;     /* sent, never shown; the environment variable it came from */
    struct http_limits limits;
    const struct speech *speech;
    int n_streams, n_ctx, n_vocab;
    bool fixed_tokens;              /* the workload's own: only where nothing is kept from one prompt to the next */
    bool uncounted, short_answers;  /* remarks: it reports no token counts; it ended answers early */
    int refused;                    /* status of the last refusal; 0: none */
    bool reasoned;                  /* which gave a reason */
    uint64_t n_asked;               /* every prompt is another one */
    struct {
        int n_tokens, n_words;
    } fitted[N_FITTED];
    struct reply *reply;            /* [n_streams] */
};
int client_open(struct client *c, const struct endpoint *p, const struct measure_cell *cell, struct err *e);
void client_close(struct client *c);
/* The JSON that base + path answers; ERR_MISSING for 401, 403 and 404. The caller releases *out. */
int client_get(struct client *c, const char *path, json_t **out, struct err *e);
/* One token asked in one way after the other, until one is understood. */
int client_choose(struct client *c, const struct speech *first, struct err *e);
int client_measure(struct client *c, const struct workload *w, struct sample *out, struct err *e);
#endif
