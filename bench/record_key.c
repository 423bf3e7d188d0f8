/* What a record's figures may be compared with, as hashes: every part ends in a newline, with its length in front of
 * free text. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "base/hash.h"
#include "base/os.h"
#include "bench/record.h"
#include "commit.h"

static size_t add_parts(char *text, size_t size, size_t n, const char *const *part, size_t n_parts)
{
    for (size_t i = 0; i < n_parts && n < size; i++)
        n += (size_t)snprintf(text + n, size - n, "%zu:%s\n", strlen(part[i]), part[i]);
    return n < size ? n : size - 1;
}

void record_cell_key(const struct record *r, char out[65])
{
    char text[2048];
    const char *const part[] = {"cell",
                                r->model.sha256,
                                r->model.name,
                                r->model.arch,
                                r->format.name,
                                r->format.calibration,
                                r->framework.name,
                                r->framework.backend,
                                r->framework.numerics,
                                r->framework.settings,
                                r->workload.text_sha256,
                                r->workload.kv_type};
    size_t n = add_parts(text, sizeof text, 0, part, sizeof part / sizeof *part);
    snprintf(text + n, sizeof text - n, "%d %d %d\n%" PRId64 " %d %d %d %d %d %d %d", r->model.dithered,
             r->model.synthesized, r->framework.gpu_layers, r->workload.n_tokens, r->workload.n_ctx,
             r->workload.n_prompt, r->workload.n_gen, r->workload.n_depth, r->workload.n_batch, r->workload.threads,
             r->workload.streams > 1 ? r->workload.streams : 1);
    sha256_hex(text, strlen(text), out);
}

void record_config_sha256(const struct record *r, char out[65])
{
    char key[65], text[1024];
    record_cell_key(r, key);
    const char *const part[] = {"config", key, r->kernels};
    size_t n = add_parts(text, sizeof text, 0, part, sizeof part / sizeof *part);
    snprintf(text + n, sizeof text - n, "%" PRIx64 " %" PRIu64, r->isa, r->workload.seed);
    sha256_hex(text, strlen(text), out);
}

/* The own engine encodes what it runs: another build may give other weights. */
void record_artifact_sha256(const struct record *r, char out[65])
{
    char text[2048];
    bool own = strcmp(r->framework.name, "own") == 0;
    const char *const part[] = {"artifact",
                                r->model.sha256,
                                r->model.name,
                                r->format.name,
                                r->format.calibration,
                                r->format.histogram,
                                r->format.substitutions,
                                own ? r->framework.library_sha256 : ""};
    size_t n = add_parts(text, sizeof text, 0, part, sizeof part / sizeof *part);
    snprintf(text + n, sizeof text - n, "%d %" PRId64, r->model.dithered, r->format.bytes);
    sha256_hex(text, strlen(text), out);
}

void record_workload_name(const struct record *r, char out[96])
{
    const struct {
        const char *before;
        int value, from; /* shown from there on */
    } part[] = {{"c", *r->workload.text_sha256 ? r->workload.n_ctx : 0, 1},
                {"pp", r->workload.n_prompt, 1},
                {"tg", r->workload.n_gen, 1},
                {"d", r->workload.n_depth, 1},
                {"x", r->workload.streams, 2},
                {"ngl", r->framework.gpu_layers, 1},
                {"t", r->workload.threads, 1}};
    size_t n = (size_t)snprintf(out, 96, "%.32s", r->task.name);
    if (!*r->task.name && *r->workload.text_sha256)
        n += (size_t)snprintf(out, 96, "text %.8s", r->workload.text_sha256);
    for (size_t i = 0; i < sizeof part / sizeof *part && n < 95; i++)
        if (part[i].value >= part[i].from)
            n += (size_t)snprintf(out + n, 96 - n, "%s%s%d", n ? " " : "", part[i].before, part[i].value);
    const char *kv = r->workload.kv_type;
    if (*kv && strcmp(kv, "f16") != 0 && n < 95)
        snprintf(out + n, 96 - n, "%skv %.24s", n ? " " : "", kv);
}

/* "b6710-0c1e57098": llama.cpp's version as number and commit; other frameworks name no commit. */
const char *record_commit(const struct record *r)
{
    const char *dash = strchr(r->framework.version, '-');
    return r->framework.version[0] == 'b' && dash ? dash + 1 : r->tool_commit;
}

const char *program_commit(void)
{
    return WHICHQUANT_COMMIT;
}

void record_begin(struct record *r, const char *run_id, const struct probe_device *d)
{
    clock_iso8601(r->date);
    snprintf(r->tool_version, sizeof r->tool_version, "%s", WHICHQUANT_VERSION);
    snprintf(r->tool_commit, sizeof r->tool_commit, "%s", program_commit());
    snprintf(r->run_id, sizeof r->run_id, "%s", run_id);
    snprintf(r->hw_sha256, sizeof r->hw_sha256, "%s", d->hw_sha256);
    snprintf(r->env_sha256, sizeof r->env_sha256, "%s", d->env_sha256);
    snprintf(r->device, sizeof r->device, "%s", d->cpu.brand);
}
