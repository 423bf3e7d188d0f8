/* What this machine's calibration says of the cells that were measured: the proof of the prediction, beside it. */
#include <math.h>
#include <string.h>
#include "base/mem.h"
#include "cli/bench.h"

void bench_load_rates(struct bench_job *j)
{
    const struct request *req = &j->cli->req;
    struct store *s = NULL;
    if (!j->model || store_open(&s, req->store_path, NULL) < 0)
        return;
    j->rates = mem_alloc(sizeof *j->rates);
    if (j->rates && store_get_rates(s, j->cli->device->env_sha256, req->threads, req->isa, j->rates, NULL) != 1) {
        mem_free(j->rates);
        j->rates = NULL;
    }
    store_close(s);
}

void bench_predict(const struct bench_job *j, int i_cell, struct rates_guess *g)
{
    const struct record *r = &j->rec[i_cell];
    *g = (struct rates_guess){.decode_tok_s = INTERVAL_NONE, .prefill_tok_s = INTERVAL_NONE, .ttft_ms = INTERVAL_NONE};
    if (!j->rates || strcmp(r->framework.name, "own") != 0)
        return;
    for (int f = 0; f < j->n_formats; f++) {
        const struct plan_cell *p = &j->format[f].plan;
        if (strcmp(p->recipe->name, r->format.name) != 0)
            continue;
        rates_predict(g, j->rates,
                      &(struct rates_work){.model = &j->model->d,
                                           .assign = p->assign,
                                           .n_prompt = r->workload.n_prompt,
                                           .kv_bytes = rates_kv_bytes(&j->model->d, r->workload.n_depth +
                                                                                        r->workload.n_gen / 2)});
    }
}
