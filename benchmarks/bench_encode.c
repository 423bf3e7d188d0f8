/* Time to encode a model, and the same bytes for the same input, shown by a hash.
 *   bench_encode [-t THREADS] [-n REPEATS] [--dither] [--calibration TEXT] MODEL FORMAT...   seconds a format
 *   bench_encode [-t THREADS] [-n REPEATS] [--imatrix] --peer LLAMA_QUANTIZE [TYPE...]       GGUF types side by side
 * The second makes a one-layer F16 model and an importance matrix in /dev/shm, has both programs read it, encode every
 * matrix in the one type and write the file, in turns, and prints the ratio of the medians with a bootstrap interval;
 * importances are used by the types that want them and, with --imatrix, by all.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/half.h"
#include "base/os.h"
#include "base/rng.h"
#include "bench/engine/eval.h"
#include "bench/export/export.h"
#include "bench/quant/imatrix.h"
#include "bench/stats.h"
#include "probe/probe.h"

enum { D = 1024, FF = 2816, VOCAB = 1024, MAX_REPEATS = 64, N_CTX = 512, N_CHUNKS = 4 };
static const char source_path[] = "/dev/shm/bench_encode.gguf", imatrix_path[] = "/dev/shm/bench_encode.imatrix",
                  own_path[] = "/dev/shm/bench_encode.own.gguf", peer_path[] = "/dev/shm/bench_encode.peer.gguf";

struct bench {
    int n_threads, n_repeats;
    bool dither, imatrix;
    const char *calibration, *peer;
    struct pool *pool;
    uint64_t isa;
};

static int fail(const struct err *e)
{
    fprintf(stderr, "%s\n", e->text);
    return 1;
}

/* ---- formats of a model ---- */

static uint64_t hash_weights(const struct weights *w)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (int i = 0; i < w->model->d.n_tensors; i++)
        for (int p = 0; p < N_PLANES && w->mat[i].codec != w->model->d.tensor[i].src.codec; p++)
            for (size_t b = 0; b < w->mat[i].plane[p].bytes; b++)
                h = (h ^ w->mat[i].plane[p].p[b]) * 0x100000001b3u;
    return h;
}

static int collect(const struct bench *b, struct calibration **out, const struct model *m, unsigned want, struct err *e)
{
    struct weights *w = NULL;
    int32_t *tokens = NULL;
    struct calib_text text = {.n_ctx = N_CTX, .n_chunks = N_CHUNKS};
    int rc = eval_tokenize(m->vocab, b->calibration, N_CTX, &tokens, &text.n_tokens, e);
    if (rc == 0)
        rc = weights_source(&w, m, false, e);
    text.tokens = tokens;
    text.bos = vocab_adds_bos(m->vocab) ? vocab_bos(m->vocab) : -1;
    if (rc == 0)
        rc = calibration_collect(out, w, want, &text, b->isa, b->pool, e);
    weights_free(w);
    mem_free(tokens);
    return rc;
}

static int time_format(const struct bench *b, const struct model *m, const struct calibration *cal, const char *name,
                       struct err *e)
{
    struct recipe r;
    struct use_assign *a = mem_alloc_n((size_t)m->d.n_tensors, sizeof *a);
    const struct recipe_known known = {.importance = cal != NULL, .cal = cal};
    double least = INFINITY;
    uint64_t hash = 0;
    int rc = a ? recipe_resolve(&r, name, e) : err_nomem(e, 1, "a plan");
    for (int i = 0; i < b->n_repeats && rc == 0; i++) {
        struct weights *w = NULL;
        rc = recipe_assign(&m->d, &r, NULL, &known, a, e);
        uint64_t t0 = clock_ns();
        if (rc == 0)
            rc = weights_encode(&w, m, a, cal, b->isa, b->pool, e);
        least = fmin(least, (double)(clock_ns() - t0) * 1e-9);
        if (rc == 0)
            hash = hash_weights(w);
        weights_free(w);
    }
    if (rc == 0)
        printf("%-34s %8.3f s  %016llx\n", name, least, (unsigned long long)hash);
    fflush(stdout);
    mem_free(a);
    return rc;
}

static int time_formats(const struct bench *b, const char *path, char **format, int n)
{
    struct model *m = NULL;
    struct calibration *cal = NULL;
    struct err e = {0};
    int rc = model_open(&m, path, &e);
    if (rc == 0 && b->dither)
        rc = model_dither(m, 1, &e);
    if (rc == 0 && b->calibration)
        rc = collect(b, &cal, m, recipe_statistics((const char *const *)format, n), &e);
    for (int i = 0; i < n && rc == 0; i++)
        if (time_format(b, m, cal, format[i], &e))
            printf("%-34s %s\n", format[i], e.text);
    calibration_free(cal);
    model_close(m);
    return rc ? fail(&e) : 0;
}

/* ---- beside llama-quantize ---- */

static const struct tensor {
    const char *name;
    int64_t k, n;
} tensors[] = {{"token_embd.weight", D, VOCAB}, {"blk.0.attn_q.weight", D, D},      {"blk.0.attn_k.weight", D, D},
               {"blk.0.attn_v.weight", D, D},   {"blk.0.attn_output.weight", D, D}, {"blk.0.ffn_gate.weight", D, FF},
               {"blk.0.ffn_up.weight", D, FF},  {"blk.0.ffn_down.weight", FF, D},   {"blk.0.attn_norm.weight", D, 0},
               {"blk.0.ffn_norm.weight", D, 0}, {"output_norm.weight", D, 0},       {"output.weight", D, VOCAB}};
enum { N_TENSORS = sizeof tensors / sizeof *tensors, TYPE_F32 = 0, TYPE_F16 = 1 };

static const struct peer_type {
    const char *name, *codec; /* llama-quantize's argument; the one codec of all matrices */
    bool importance;
} peer_types[] = {{"Q4_0", "q4_0"},
                  {"Q4_1", "q4_1"},
                  {"Q5_0", "q5_0"},
                  {"Q5_1", "q5_1"},
                  {"Q8_0", "q8_0"},
                  {"Q2_K", "q2_k", true},
                  {"Q3_K_S", "q3_k"},
                  {"Q4_K_S", "q4_k"},
                  {"Q5_K_S", "q5_k"},
                  {"Q6_K", "q6_k"},
                  {"IQ4_NL", "iq4_nl"},
                  {"IQ4_XS", "iq4_xs"},
                  {"IQ3_S", "iq3_s"},
                  {"IQ3_XXS", "iq3_xxs", true},
                  {"IQ2_M", "iq2_s", true},
                  {"IQ2_XS", "iq2_xs", true},
                  {"IQ2_XXS", "iq2_xxs", true},
                  {"IQ1_M", "iq1_m", true},
                  {"IQ1_S", "iq1_s", true},
                  {"TQ1_0", "tq1_0"},
                  {"TQ2_0", "tq2_0"},
                  {"Q2_0", "q2_0"},
                  {"Q1_0", "q1_0"},
                  {"MXFP4_MOE", "mxfp4"}};
enum { N_PEER_TYPES = sizeof peer_types / sizeof *peer_types };

static int write_keys(struct gguf_writer *w, struct err *e)
{
    static const struct {
        const char *key;
        uint32_t v;
    } numbers[] = {{"llama.block_count", 1},           {"llama.context_length", 2048},
                   {"llama.embedding_length", D},      {"llama.feed_forward_length", FF},
                   {"llama.attention.head_count", 16}, {"llama.attention.head_count_kv", 16},
                   {"llama.vocab_size", VOCAB},        {"general.file_type", TYPE_F16}};
    int rc = gguf_writer_str(w, "general.architecture", "llama", e);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers && rc == 0; i++)
        rc = gguf_writer_u32(w, numbers[i].key, numbers[i].v, e);
    return rc ? rc : gguf_writer_f32(w, "llama.attention.layer_norm_rms_epsilon", 1e-5f, e);
}

/* Normal weights of columns and rows of unlike size, as trained matrices have them. */
static int write_matrix(struct gguf_writer *w, const struct tensor *t, struct rng *r, struct err *e)
{
    uint16_t half[FF];
    float column[FF], ones[FF];
    for (int64_t j = 0; j < t->k; j++) {
        column[j] = expf(0.3f * (float)rng_normal(r));
        ones[j] = 1;
    }
    if (!t->n)
        return gguf_writer_data(w, ones, (size_t)t->k * sizeof *ones, e);
    int rc = 0;
    for (int64_t i = 0; i < t->n && rc == 0; i++) {
        float row = 0.02f * expf(0.3f * (float)rng_normal(r));
        for (int64_t j = 0; j < t->k; j++)
            half[j] = f32_to_f16(row * column[j] * (float)rng_normal(r));
        rc = gguf_writer_data(w, half, (size_t)t->k * sizeof *half, e);
    }
    return rc;
}

static int write_source(struct err *e)
{
    struct gguf_writer *w;
    struct rng r;
    rng_seed(&r, 1);
    int rc = gguf_writer_new(&w, source_path, e);
    if (rc)
        return rc;
    rc = write_keys(w, e);
    for (int i = 0; i < N_TENSORS && rc == 0; i++) {
        const struct tensor *t = &tensors[i];
        rc = gguf_writer_tensor(w, t->name, t->n ? TYPE_F16 : TYPE_F32, t->n ? 2 : 1, (int64_t[]){t->k, t->n, 1, 1}, e);
    }
    if (rc == 0)
        rc = gguf_writer_begin(w, e);
    for (int i = 0; i < N_TENSORS && rc == 0; i++)
        rc = write_matrix(w, &tensors[i], &r, e);
    if (rc == 0)
        return gguf_writer_finish(w, e);
    gguf_writer_abort(w);
    return rc;
}

static int write_imatrix(const struct model *m, struct err *e)
{
    struct calibration *c;
    struct rng r;
    rng_seed(&r, 2);
    int rc = calibration_new(&c, &m->d, CALIB_SQUARES, false, e);
    if (rc)
        return rc;
    for (int i = 0; i < c->n_inputs; i++) {
        c->input[i].n_rows = 1;
        for (int64_t j = 0; j < c->input[i].k; j++)
            c->input[i].squares[j] = exp(rng_normal(&r));
    }
    calibration_finish(c);
    rc = imatrix_write(imatrix_path, c, e);
    calibration_free(c);
    return rc;
}

/* All that the other program does: open, encode, write. */
static int run_own(const struct bench *b, const struct peer_type *t, double *ms, struct err *e)
{
    struct model *m = NULL;
    struct calibration *cal = NULL;
    struct weights *w = NULL;
    uint64_t t0 = clock_ns();
    int rc = model_open_header(&m, source_path, e);
    struct use_assign *a = rc ? NULL : mem_alloc_n((size_t)m->d.n_tensors, sizeof *a);
    if (rc == 0 && (t->importance || b->imatrix))
        rc = imatrix_read(&cal, imatrix_path, &m->d, e);
    for (int i = 0; a && i < m->d.n_tensors; i++)
        a[i].codec = a[i].wanted = m->d.tensor[i].matrix ? codec_find(t->codec) : m->d.tensor[i].src.codec;
    if (rc == 0)
        rc = a ? weights_encode(&w, m, a, cal, b->isa, b->pool, e) : err_nomem(e, 1, "a plan");
    if (rc == 0)
        rc = exporter_gguf.write(own_path, m, w, &(struct recipe){.gguf_file_type = 0}, e);
    *ms = (double)(clock_ns() - t0) * 1e-6;
    weights_free(w);
    calibration_free(cal);
    mem_free(a);
    model_close(m);
    return rc;
}

/* What it says itself: opening, encoding and writing, without starting the process. */
static int peer_time(const struct child_result *r, double *ms, struct err *e)
{
    static const char mark[] = "quantize time =";
    const char *at = r->out ? strstr(r->out, mark) : NULL;
    if (!at && r->err)
        at = strstr(r->err, mark);
    if (!at)
        return err_set(e, ERR_DATA, "llama-quantize ended with %d and told no time", r->exit_code);
    *ms = strtod(at + sizeof mark - 1, NULL);
    return 0;
}

static int run_peer(const struct bench *b, const struct peer_type *t, double *ms, struct err *e)
{
    char threads[16];
    const char *argv[12] = {b->peer, "--pure"};
    int n = 2;
    struct child_result r = {0};
    snprintf(threads, sizeof threads, "%d", b->n_threads);
    if (t->importance || b->imatrix) {
        argv[n++] = "--imatrix";
        argv[n++] = imatrix_path;
    }
    const char *const rest[] = {source_path, peer_path, t->name, threads};
    memcpy(argv + n, rest, sizeof rest);
    int rc = child_run(&(struct child_cmd){.argv = argv, .timeout_ms = 600000}, &r, e);
    if (rc == 0)
        rc = peer_time(&r, ms, e);
    child_result_free(&r);
    return rc;
}

static int compare_type(const struct bench *b, const struct peer_type *t, struct err *e)
{
    double own[MAX_REPEATS], peer[MAX_REPEATS], ratio[MAX_REPEATS];
    int rc = 0;
    for (int i = 0; i < b->n_repeats && rc == 0; i++) {
        rc = run_own(b, t, &own[i], e);
        if (rc == 0)
            rc = run_peer(b, t, &peer[i], e);
        ratio[i] = peer[i] / own[i];
    }
    if (rc)
        return rc;
    struct interval r = stats_bootstrap_median(ratio, b->n_repeats, 1);
    printf("| %s%s | %.0f | %.0f | %.1f (%.1f-%.1f) |\n", t->name, t->importance || b->imatrix ? ", imatrix" : "",
           stats_median(own, b->n_repeats), stats_median(peer, b->n_repeats), r.v, r.lo, r.hi);
    fflush(stdout);
    return 0;
}

static bool is_asked(const char *name, char **asked, int n)
{
    for (int i = 0; i < n; i++)
        if (!strcmp(name, asked[i]))
            return true;
    return n == 0;
}

static int compare(const struct bench *b, char **asked, int n)
{
    struct model *m = NULL;
    struct err e = {0};
    int rc = write_source(&e);
    if (rc == 0)
        rc = model_open_header(&m, source_path, &e);
    if (rc == 0)
        rc = write_imatrix(m, &e);
    model_close(m);
    printf("| type | own, ms | llama-quantize, ms | ratio |\n|---|---|---|---|\n");
    for (int i = 0; i < N_PEER_TYPES && rc == 0; i++)
        if (is_asked(peer_types[i].name, asked, n) && compare_type(b, &peer_types[i], &e))
            printf("| %s | %s | | |\n", peer_types[i].name, e.text);
    const char *const made[] = {source_path, imatrix_path, own_path, peer_path};
    for (int i = 0; i < 4; i++)
        unlink(made[i]);
    return rc ? fail(&e) : 0;
}

int main(int argc, char **argv)
{
    static struct probe_device device;
    struct bench b = {.n_threads = 2, .n_repeats = 1};
    struct err e = {0};
    int cpus[64], i = 1;
    for (; i < argc && argv[i][0] == '-'; i++) {
        if (!strcmp(argv[i], "--dither"))
            b.dither = true;
        else if (!strcmp(argv[i], "--imatrix"))
            b.imatrix = true;
        else if (i + 1 == argc)
            break;
        else if (!strcmp(argv[i], "--calibration"))
            b.calibration = argv[++i];
        else if (!strcmp(argv[i], "--peer"))
            b.peer = argv[++i];
        else if (!strcmp(argv[i], "-t"))
            b.n_threads = atoi(argv[++i]);
        else if (!strcmp(argv[i], "-n"))
            b.n_repeats = atoi(argv[++i]);
    }
    b.n_repeats = b.n_repeats < 1 ? 1 : b.n_repeats > MAX_REPEATS ? MAX_REPEATS : b.n_repeats;
    for (int j = 0; j < 64; j++)
        cpus[j] = j;
    int rc = probe_device(&device, "", &e);
    if (rc == 0)
        rc = pool_new(&b.pool, b.n_threads, b.n_threads <= 64 ? cpus : NULL, &e);
    if (rc)
        return fail(&e);
    b.isa = device.cpu.isa_mask;
    rc = b.peer     ? compare(&b, argv + i, argc - i)
         : i < argc ? time_formats(&b, argv[i], argv + i + 1, argc - i - 1)
                    : 2;
    pool_free(b.pool);
    return rc;
}
