/* Logits of llama.cpp, which shows them as the file of llama-perplexity alone. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "base/mem.h"
#include "base/os.h"
#include "bench/engine/logits_file.h"
#include "bench/runners/llama_cpp.h"

enum { MOST_OUTPUT = 1 << 20, TRIES = 2 };

int llama_judge(const char *program, const struct child_cmd *cmd, const struct child_result *r, struct err *e)
{
    char said[128];
    text_last_line(said, sizeof said, *r->err ? r->err : r->out);
    if (interrupt_seen())
        return err_set(e, ERR_CANCELLED, "%s was interrupted", program);
    if (r->timed_out)
        return err_set(e, ERR_TIMEOUT, "%s did not finish within %.1f s and was stopped", program,
                       cmd->timeout_ms / 1e3);
    if (r->signal)
        return err_set(e, ERR_CRASHED, "%s died of signal %d (%s); it last said: %s", program, r->signal,
                       strsignal(r->signal), said);
    if (r->exit_code != 0)
        return err_set(e, ERR_IO, "%s ended with exit code %d; it last said: %s", program, r->exit_code, said);
    return 0;
}

static bool is_written(const char *path)
{
    struct logits_file f;
    bool there = logits_file_open(&f, path, NULL) == 0;
    if (there)
        logits_file_close(&f);
    return there;
}

/* Now and then a build ends well and has lost what it was to write: once more then. */
static int run(const struct llama_args *a, unsigned timeout_ms, const char *out, struct err *e)
{
    struct child_cmd cmd = {.argv = a->v, .timeout_ms = timeout_ms, .max_output = MOST_OUTPUT};
    struct child_result r;
    char said[128] = "";
    for (int i = 0; i < TRIES; i++) {
        int rc = child_run(&cmd, &r, e);
        if (rc < 0)
            return rc;
        rc = llama_judge("llama-perplexity", &cmd, &r, e);
        text_last_line(said, sizeof said, *r.err ? r.err : r.out);
        child_result_free(&r);
        if (rc < 0 || is_written(out))
            return rc;
    }
    return err_set(e, ERR_FORMAT, "llama-perplexity ended well and wrote no logits; it last said: %s", said);
}

int llama_text_logits(const struct measure_cell *cell, const char *text, int n_ctx, const char *out, struct err *e)
{
    const struct llama_build *build = cell->runner->of;
    struct runner_info info;
    unsigned timeout_ms;
    char context[16], threads[16];
    int rc = llama_build_need(build, "llama-perplexity", &info, e);
    if (rc == 0)
        rc = llama_check_model(build, cell->model_path, &timeout_ms, e);
    if (rc < 0)
        return rc;
    snprintf(context, sizeof context, "%d", n_ctx);
    snprintf(threads, sizeof threads, "%d", cell->threads > 0 ? cell->threads : 1);
    struct llama_args a = {.v = {info.library_path}, .n = 1};
    llama_args_add(&a, "-m", cell->model_path);
    llama_args_add(&a, "-f", text);
    llama_args_add(&a, "-c", context);
    llama_args_add(&a, "-b", context);
    llama_args_add(&a, "-t", threads);
    llama_args_add(&a, "--chunks", "1");
    llama_args_add(&a, "--kl-divergence-base", out);
    return run(&a, timeout_ms, out, e);
}
