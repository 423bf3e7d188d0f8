/* How fast this machine runs each number format, measured in seconds without any model: what predicts the speed of a
 * model whose file is not here. Layers of three real shapes run through the own engine, their weights pointing into one
 * buffer beyond the caches; formats are interleaved and every figure has its spread. Kept in the store by environment
 * and build. Order: rates_measure (or store_get_rates) -> rates_predict. */
#ifndef BENCH_RATES_H
#define BENCH_RATES_H
#include "bench/quant/recipe.h"
#include "bench/store.h"

enum { RATE_SHAPES = 3, RATE_MOST_CODECS = 64, RATE_MOST_THREADS = 8 };
extern const char *const rate_shape_ids[RATE_SHAPES]; /* rows of bench/shapes.c, small to large */

struct codec_rate {
    char codec[24], act[24]; /* act: "f32" where nothing is rounded */
    struct qpar par;
    struct interval decode_gb_s[RATE_SHAPES];   /* weights of a layer over its whole time: norms, attention, waiting */
    struct interval prefill_gop_s[RATE_SHAPES]; /* its largest matrix alone, many tokens at once */
};
struct machine_rates {
    char env_sha256[65], build[96], date[32];
    uint64_t isa;
    int threads, decode_threads; /* as many as read memory fastest; 0: all */
    int n_bandwidth, n_codecs, n_rounds;
    int64_t cache_bytes; /* found by doing; 0: none seen */
    struct {
        int threads;
        struct interval gb_s;
    } bandwidth[RATE_MOST_THREADS]; /* most threads first */
    struct interval seen_gb_s;      /* read bandwidth: now, and the least and the most of all calibrations here */
    struct interval kv_gb_s;        /* KV cache that one token's attention reads */
    /* Of a layer and a prompt token beside its matrices, per value: each that a layer writes; and each of the queries
     * times every earlier token. */
    struct interval value_ns, pair_ns;
    struct codec_rate codec[RATE_MOST_CODECS];
    double seconds;
};
struct rates_opts {
    struct pool *pool;
    uint64_t isa;
    double budget_s;  /* 8 */
    int least_rounds; /* 3, whatever they take */
};
/* ERR_CANCELLED when interrupted before every figure was there. */
int rates_measure(struct machine_rates *out, const struct rates_opts *o, struct err *e);
const char *rates_build(char out[96]); /* what of the program the figures depend on */

/* Of an earlier calibration here: what memory did then belongs to what it may do again. */
void rates_remember(struct machine_rates *r, const struct machine_rates *earlier);
json_t *rates_to_json(const struct machine_rates *r);
int rates_from_json(struct machine_rates *r, const json_t *j, struct err *e);
/* One set of figures an environment, thread count and instruction mask; a new one takes the place of the old. get: 1
 * found, 0 none, or one of another build (*out has it all the same). */
int store_put_rates(struct store *s, const struct machine_rates *r, struct err *e);
int store_get_rates(struct store *s, const char *env_sha256, int threads, uint64_t isa, struct machine_rates *out,
                    struct err *e);

/* The speed of a model in the own engine, from its tensors. */
struct rates_work {
    const struct model_desc *model;
    const struct use_assign *assign; /* [n_tensors] */
    const double *read;              /* [n_tensors] share that a token reads; NULL: all but a table that is looked up */
    int n_prompt;
    double kv_bytes; /* of the cache that a token reads; rates_kv_bytes for plain attention */
};
double rates_kv_bytes(const struct model_desc *m, int depth); /* f16, with windows */
struct rates_guess {
    struct interval decode_tok_s, prefill_tok_s, ttft_ms;
    char missing[64]; /* a codec that was not measured: no figures; else "" */
};
void rates_predict(struct rates_guess *out, const struct machine_rates *r, const struct rates_work *w);
#endif
