/* quantize --target-size, --target-bpw, --max-kld: a GGUF whose codecs are chosen tensor by tensor (bench/quant/mix.h),
 * verified on text that nothing was measured on, and written with how it came about. */
#include "cli/quantize_mix.h"
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "base/hash.h"
#include "base/mem.h"
#include "base/os.h"

enum { N_CTX = 512, DEFAULT_CHUNKS = 32, PROBE_CHUNKS = 2, MOST_LOOKS = 6 };
static const double measuring_share = 0.7; /* of --budget; the rest is for encoding and verifying */

/* ---- what was asked for ---- */

static int take_target(struct mix_job *j, struct err *e)
{
    const struct cli *c = j->c;
    const bool kld = isfinite(c->req.want.max_kld), bpw = isfinite(c->target_bpw), size = c->target_bytes >= 0;
    if (kld + bpw + size > 1)
        return err_set(e, ERR_USAGE, "give one of --target-size, --target-bpw and --max-kld, not several");
    if (c->producer)
        return err_set(e, ERR_USAGE, "--producer makes named formats: it does not go with a target");
    if (!c->req.out_dir && !c->dry_run)
        return err_set(e, ERR_USAGE, "quantize needs -o OUT (or --dry-run)");
    if ((kld && !(c->req.want.max_kld > 0)) || (bpw && !(c->target_bpw > 0)) || (size && !c->target_bytes))
        return err_set(e, ERR_USAGE, "a target of 0 cannot be met: give more");
    j->target = kld ? TARGET_KLD : bpw ? TARGET_BPW : TARGET_BYTES;
    const char *form = kld ? "KLD below %.6g" : "%.6g bits per weight";
    if (size)
        snprintf(j->target_text, sizeof j->target_text, "%lld bytes", (long long)c->target_bytes);
    else
        snprintf(j->target_text, sizeof j->target_text, form, kld ? c->req.want.max_kld : c->target_bpw);
    return 0;
}

static int take_codecs(struct mix_job *j, struct err *e)
{
    const struct text_list *l = &j->c->formats;
    int n = mix_codecs(j->codec, l->v, l->n, e);
    size_t used = 0;
    for (int i = 0; i < n; i++)
        used += (size_t)snprintf(j->codec_names + used, sizeof j->codec_names - used, "%s%s", i ? "," : "",
                                 j->codec[i]->name);
    j->setup.codec = j->codec;
    j->setup.n_codecs = n;
    return n < 0 ? n : 0;
}

static int take_model(struct mix_job *j, struct err *e)
{
    struct cli *c = j->c;
    bool quantized = false;
    int rc = cli_model(&j->model, c->arg[0], e);
    if (rc == 0)
        rc = exporter_gguf.check(j->model, NULL, e);
    if (rc == 0)
        rc = model_check_finite(j->model, e);
    if (rc == 0)
        rc = model_hash(j->model, e);
    if (rc == 0 && c->req.dither)
        rc = model_dither(j->model, c->req.seed, e);
    if (rc == 0 && !c->req.dither && model_source_codec(&j->model->d, &quantized) && quantized)
        cli_warn("%s is already quantized: divergences are from that, not from the model it was made of", c->arg[0]);
    return rc;
}

static int take_text(struct mix_job *j, struct err *e)
{
    const struct cli *c = j->c;
    const struct vocab *v = j->model->vocab;
    const char *text = (const char *)default_text;
    size_t n_text = (size_t)(default_text_end - default_text);
    char *own = NULL;
    int64_t n;
    const int n_train = j->model->d.n_ctx_train;
    j->setup.n_ctx = n_train > 0 && n_train < N_CTX ? n_train : N_CTX;
    int rc = c->text ? file_read(c->text, (size_t)1 << 30, &own, &n_text, e) : 0;
    text = own ? own : text;
    snprintf(j->text_name, sizeof j->text_name, "%s", c->text ? c->text : "the embedded text");
    if (rc == 0)
        rc = eval_encode(v, text, n_text, j->text_name, j->setup.n_ctx, &j->tokens, &n, e);
    if (rc == 0)
        rc = mix_halve(&j->text, j->tokens, n, j->setup.n_ctx, e);
    if (rc == 0)
        sha256_hex(text, n_text, j->text_sha256);
    mem_free(own);
    j->setup.tokens = j->text.tokens;
    j->setup.n_tokens = j->text.n_tokens;
    j->setup.n_chunks = PROBE_CHUNKS;
    j->setup.bos = vocab_adds_bos(v) ? vocab_bos(v) : -1;
    return rc;
}

static void tell(void *arg, int done, int total, const char *what)
{
    const struct mix_job *j = arg;
    if (20LL * done / total != 20LL * (done - 1) / total) /* a file of progress lines stays short */
        cli_progress(j->c, done, total, what);
}

static void prepare_setup(struct mix_job *j)
{
    const struct cli *c = j->c;
    j->setup.cal = j->calib;
    j->setup.isa = c->req.isa;
    j->setup.pool = c->pool;
    j->setup.tell = tell;
    j->setup.arg = j;
    j->setup.end_ns = isfinite(c->req.budget_s) ? j->start_ns + (uint64_t)(c->req.budget_s * measuring_share * 1e9) : 0;
}

/* ---- the file's keys: their lengths are known before anything is measured ---- */

static void note_text(struct mix_job *j, const char *key, const char *text)
{
    j->note[j->n_notes++] = (struct export_note){.key = key, .text = text};
}

static void note_value(struct mix_job *j, const char *key, double v, bool count)
{
    j->note[j->n_notes++] = (struct export_note){.key = key, .value = v, .count = count};
}

static void write_notes(struct mix_job *j)
{
    j->n_notes = 0;
    note_text(j, "whichquant.version", WHICHQUANT_VERSION);
    note_text(j, "whichquant.mix.source_sha256", j->model->sha256);
    note_text(j, "whichquant.mix.codecs", j->codec_names);
    note_text(j, "whichquant.mix.target", j->target_text);
    note_text(j, "whichquant.mix.text_sha256", j->text_sha256);
    note_text(j, "whichquant.mix.importance_sha256", j->calib ? j->calib->sha256 : "");
    if (j->c->req.dither)
        note_value(j, "whichquant.mix.dither_seed", (double)(uint32_t)j->c->req.seed, true);
    note_value(j, "whichquant.mix.predicted_kld", j->mix ? mix_kld(j->mix) : NAN, false);
    note_value(j, "whichquant.mix.kld", j->q.kld, false);
    note_value(j, "whichquant.mix.kld_lo", j->q.kld_lo, false);
    note_value(j, "whichquant.mix.kld_hi", j->q.kld_hi, false);
    note_value(j, "whichquant.mix.kld_chunks", j->q.n_chunks, true);
}

/* ---- what earlier runs measured ---- */

static struct mix_identity identity_of(const struct mix_job *j)
{
    return (struct mix_identity){j->c->req.dither, j->c->req.seed, j->text_sha256};
}

static int read_known(struct mix_job *j, struct err *e)
{
    const struct mix_identity id = identity_of(j);
    return j->c->measurements ? mix_known_read(j->mix, j->c->measurements, &id, e) : 0;
}

static int write_known(const struct mix_job *j, struct err *e)
{
    const struct mix_identity id = identity_of(j);
    return j->c->measurements ? mix_known_write(j->mix, j->c->measurements, &id, e) : 0;
}

/* ---- limits ---- */

/* The file with every matrix in f16. */
static int64_t f16_bytes(const struct mix_job *j)
{
    int64_t bytes = j->header_bytes + j->mix->kept_bytes;
    for (int i = 0; i < j->mix->n; i++) {
        const struct qmat *src = &j->model->d.tensor[j->mix->tensor[i].tensor].src;
        bytes += 2 * src->n * src->k;
    }
    return bytes;
}

static int check_target(struct mix_job *j, struct err *e)
{
    const struct cli *c = j->c;
    const int64_t least = j->header_bytes + j->mix->least_bytes, f16 = f16_bytes(j);
    j->target_bytes = c->target_bytes;
    if (j->target == TARGET_KLD)
        return 0;
    if (j->target == TARGET_BPW)
        j->target_bytes = j->header_bytes + (int64_t)fmin(c->target_bpw * (double)j->model->d.n_params / 8, 9e18);
    if (j->target_bytes < least)
        return err_set(e, ERR_LIMIT,
                       "%s are not enough for %s: with the smallest of these codecs in every tensor the file takes "
                       "%lld bytes, %.3f bits per weight; allow more, or smaller codecs (-f)",
                       j->target_text, j->model->d.name, (long long)least,
                       8 * (double)j->mix->least_bytes / (double)j->model->d.n_params);
    if (j->target_bytes > f16)
        return err_set(e, ERR_USAGE,
                       "%s are more than %s takes in f16, %lld bytes: nothing needs to be chosen; -f f16 writes it",
                       j->target_text, j->model->d.name, (long long)f16);
    if (j->target_bytes > j->header_bytes + j->mix->most_bytes)
        cli_warn("%s are more than the largest of these codecs take in every tensor, %lld bytes", j->target_text,
                 (long long)(j->header_bytes + j->mix->most_bytes));
    return 0;
}

/* The model, its copy in the formats chosen and what measuring takes must be held together. */
static int check_memory(const struct mix_job *j, struct err *e)
{
    int64_t probe, usable = j->c->device->memory.usable_bytes;
    int64_t source = j->c->req.dither ? (int64_t)j->model->n_bytes : 0; /* as it was, beside as it is */
    int rc = mix_memory(j->model, &j->setup, &probe, e);
    for (int i = 0; i < j->model->d.n_tensors; i++)
        source += (int64_t)qmat_bytes(&j->model->d.tensor[i].src);
    const int64_t copy = j->target == TARGET_KLD ? j->mix->most_bytes : j->target_bytes;
    if (rc || usable < 0 || probe + source + copy <= usable)
        return rc;
    return err_set(e, ERR_LIMIT,
                   "a mix of %s is measured with the whole model in memory, %.1f GiB with its copy and scratch, and "
                   "%.1f GiB are usable here: take a larger machine, or a named format (-f q4_k_m)",
                   j->model->d.name, (double)(probe + source + copy) / 0x1p30, (double)usable / 0x1p30);
}

/* ---- the choice ---- */

static int encode_and_verify(struct mix_job *j, struct err *e)
{
    struct mix_setup s = j->setup;
    const double budget_s = j->c->req.budget_s;
    s.end_ns = isfinite(budget_s) ? j->start_ns + (uint64_t)(budget_s * 1e9) : 0;
    int rc = mix_assign(j->mix, j->assign, e);
    weights_free(j->weights);
    j->weights = NULL;
    if (rc == 0)
        rc = weights_encode(&j->weights, j->model, j->assign, j->calib, j->setup.isa, j->setup.pool, e);
    if (rc == 0)
        rc = mix_verify(&j->q, j->weights, &s, j->text.held_out, j->text.n_held_out,
                        j->c->req.n_chunks > 0 ? j->c->req.n_chunks : DEFAULT_CHUNKS, e);
    cli_progress_end(j->c);
    return rc;
}

static int choose_within(struct mix_job *j, int64_t file_bytes, struct err *e)
{
    int rc = mix_choose(j->mix, file_bytes - j->header_bytes, e);
    return rc ? rc : mix_assign(j->mix, j->assign, e);
}

static int meet_bytes(struct mix_job *j, struct err *e)
{
    int rc = choose_within(j, j->target_bytes, e);
    return rc || j->c->dry_run ? rc : encode_and_verify(j, e);
}

/* The fewest bytes whose predicted divergence is that, to a thousandth of the file. */
static int choose_for_kld(struct mix_job *j, double kld, struct err *e)
{
    int64_t lo = j->header_bytes + j->mix->least_bytes, hi = j->header_bytes + j->mix->most_bytes;
    int rc = choose_within(j, lo, e);
    if (rc || mix_kld(j->mix) <= kld)
        return rc;
    while (rc == 0 && hi - lo > hi / 2000 + 64) {
        int64_t mid = lo + (hi - lo) / 2;
        rc = choose_within(j, mid, e);
        *(mix_kld(j->mix) <= kld ? &hi : &lo) = mid;
    }
    return rc ? rc : choose_within(j, hi, e);
}

/* Predictions are put right by what verification finds, until the upper end of its interval is just below the limit. */
static int meet_kld(struct mix_job *j, struct err *e)
{
    const double limit = j->c->req.want.max_kld;
    double scale = 1.2; /* of the verified upper end over the prediction: a first guess */
    int64_t best = -1;
    int rc = 0;
    for (int look = 0; look < MOST_LOOKS && rc == 0; look++) {
        rc = choose_for_kld(j, 0.995 * limit / scale, e);
        const int64_t bytes = rc ? 0 : j->header_bytes + mix_bytes(j->mix);
        if (rc || j->c->dry_run || bytes == best)
            break;
        rc = encode_and_verify(j, e);
        if (rc)
            break;
        const bool met = j->q.kld_hi <= limit;
        if (met && (best < 0 || bytes < best))
            best = bytes;
        if (!met && mix_bytes(j->mix) >= j->mix->most_bytes)
            return err_set(e, ERR_LIMIT,
                           "KLD below %g is out of reach: with the largest of these codecs it is %.5f (up to %.5f)",
                           limit, j->q.kld, j->q.kld_hi);
        if (met && (j->q.kld_hi > 0.97 * limit || mix_bytes(j->mix) <= j->mix->least_bytes))
            break;
        scale = mix_kld(j->mix) > 0 ? j->q.kld_hi / mix_kld(j->mix) : 2 * scale;
    }
    if (rc || j->c->dry_run)
        return rc;
    if (best < 0)
        return err_set(e, ERR_LIMIT, "KLD below %g was not reached in %d attempts: the last came to %.5f (up to %.5f)",
                       limit, MOST_LOOKS, j->q.kld, j->q.kld_hi);
    if (best != j->header_bytes + mix_bytes(j->mix)) {
        rc = choose_within(j, best, e);
        if (rc == 0)
            rc = encode_and_verify(j, e);
    }
    return rc;
}

/* ---- the command ---- */

/* Found out before measuring, which may take hours. */
static int check_writable(const char *path, struct err *e)
{
    struct file_out f;
    int rc = path ? file_out_open(&f, path, e) : 0;
    if (path && rc == 0)
        file_out_abort(&f);
    return rc;
}

static int prepare(struct mix_job *j, struct err *e)
{
    struct cli *c = j->c;
    int rc = take_target(j, e);
    if (rc == 0 && !c->dry_run)
        rc = check_writable(c->req.out_dir, e);
    if (rc == 0)
        rc = check_writable(c->measurements, e);
    if (rc == 0)
        rc = take_codecs(j, e);
    if (rc == 0)
        rc = cli_pool(c, e);
    if (rc == 0)
        rc = take_model(j, e);
    if (rc == 0)
        rc = take_text(j, e);
    if (rc == 0)
        rc = cli_calibration(c, &j->calib, j->model, CALIB_SQUARES, e);
    if (rc < 0)
        return rc;
    prepare_setup(j);
    write_notes(j);
    j->header_bytes = export_gguf_header_bytes(j->model, j->note, j->n_notes);
    j->assign = mem_alloc_n((size_t)j->model->d.n_tensors, sizeof *j->assign);
    if (!j->assign)
        return err_nomem(e, (unsigned long long)j->model->d.n_tensors * sizeof *j->assign, "the tensor table");
    j->setup.bpw = 4.5;
    rc = mix_open(&j->mix, j->model, &j->setup, e);
    if (rc == 0)
        rc = read_known(j, e);
    if (rc == 0)
        rc = check_target(j, e);
    if (rc == 0 && j->target != TARGET_KLD)
        j->mix->setup.bpw = 8 * (double)(j->target_bytes - j->header_bytes) / (double)j->model->d.n_params;
    return rc ? rc : check_memory(j, e);
}

static void job_free(struct mix_job *j)
{
    weights_free(j->weights);
    mix_close(j->mix);
    mem_free(j->assign);
    calibration_free(j->calib);
    mem_free(j->tokens);
    model_close(j->model);
}

int cli_quantize_mix(struct cli *c)
{
    struct err e = {0};
    struct mix_job j = {.c = c, .start_ns = clock_ns(), .q = {.kld = NAN, .kld_lo = NAN, .kld_hi = NAN}};
    int rc = prepare(&j, &e);
    if (rc == 0)
        rc = mix_measure(j.mix, &e);
    if (rc == 0)
        rc = write_known(&j, &e);
    cli_progress_end(c);
    if (rc == 0)
        rc = j.target == TARGET_KLD ? meet_kld(&j, &e) : meet_bytes(&j, &e);
    if (rc == 0 && !c->dry_run) {
        write_notes(&j);
        rc = export_gguf_noted(c->req.out_dir, j.model, j.weights, j.note, j.n_notes, &e);
    }
    int code = rc < 0 ? cli_fail(&e) : mix_print(&j);
    job_free(&j);
    return code;
}
