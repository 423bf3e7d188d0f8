/* bench of what only a framework reads: a folder or file in OpenVINO's or ONNX's form, or whatever an executable
 * whichquant-runner-NAME takes. There is no model of ours, and no format but the one that it has. */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "base/hash.h"
#include "base/mem.h"
#include "cli/bench.h"

/* ---- what it is ---- */

static bool ends_with(const char *path, const char *suffix)
{
    size_t n = strlen(path), k = strlen(suffix);
    return n >= k && !strcmp(path + n - k, suffix);
}

/* The container of a folder, by a file in it, or of a file, by its name; NULL: none that needs a framework to be read.
 */
static const char *container_of(const char *path)
{
    static const struct {
        const char *file, *suffix, *container;
    } marks[] = {
        {"openvino_model.xml", ".xml", "openvino"},
        {"genai_config.json", ".onnx", "onnx"},
        {"model.onnx", ".onnx", "onnx"},
    };
    char below[1024];
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
        snprintf(below, sizeof below, "%s/%s", path, marks[i].file);
        if (file_exists(below) || (ends_with(path, marks[i].suffix) && file_exists(path)))
            return marks[i].container;
    }
    return NULL;
}

/* Something there that is no model of ours, for an executable that takes what it likes. */
static bool foreign(const struct cli *c)
{
    const struct runner *r = c->frameworks.n ? runner_find(c->frameworks.v[0]) : NULL;
    char config[1024];
    snprintf(config, sizeof config, "%s/config.json", c->arg[0]);
    if (!r || !r->real || r->served || r->containers || !(file_exists(c->arg[0]) || dir_exists(c->arg[0])))
        return false;
    return r->own_files || (!ends_with(c->arg[0], ".gguf") && !file_exists(config));
}

bool bench_wants_artifact(const struct cli *c)
{
    return c->n_args == 1 && !c->shape && (container_of(c->arg[0]) || foreign(c));
}

/* Of all its files: the lines "SHA256  NAME", as sha256sum prints them. */
static int identify(const char *path, char sha256[65], int64_t *bytes, struct err *e)
{
    struct dirent **file = NULL;
    struct sbuf lines = {0};
    struct stat st;
    int n = dir_exists(path) ? scandir(path, &file, NULL, alphasort) : 0, rc = 0;
    *bytes = 0;
    if (!dir_exists(path)) {
        *bytes = stat(path, &st) == 0 ? st.st_size : -1;
        return sha256_file(path, sha256, e);
    }
    for (int i = 0; i < n; i++) {
        char full[1024], hash[65];
        snprintf(full, sizeof full, "%s/%s", path, file[i]->d_name);
        if (rc == 0 && stat(full, &st) == 0 && S_ISREG(st.st_mode)) {
            rc = sha256_file(full, hash, e);
            sbuf_printf(&lines, "%s  %s\n", hash, file[i]->d_name);
            *bytes += st.st_size;
        }
        free(file[i]);
    }
    free(file);
    if (rc == 0 && lines.failed)
        rc = err_nomem(e, lines.n, "the names of its files");
    if (rc == 0)
        sha256_hex(sbuf_str(&lines), lines.n, sha256);
    sbuf_free(&lines);
    return rc;
}

/* ---- cells ---- */

struct artifact {
    const char *path, *name, *container;
    char sha256[65];
    int64_t bytes;
};

static void add_cell(struct bench_job *j, const struct artifact *a, const struct runner *runner, int i_layers)
{
    const struct cli *c = j->cli;
    const struct constraints *want = &c->req.want;
    struct measure_cell *cell = &j->cell[j->n_cells];
    struct record *r = &j->rec[j->n_cells++];
    int longest = want->n_prompt > want->n_gen ? want->n_prompt : want->n_gen;
    *cell = (struct measure_cell){.runner = runner,
                                  .model_path = a->path,
                                  .threads = c->req.threads,
                                  .n_ctx = longest + c->depth,
                                  .n_batch = c->n_batch ? c->n_batch : 512,
                                  .isa = c->req.isa,
                                  .pool = c->pool};
    bench_begin_record(j, r, runner);
    snprintf(r->model.name, sizeof r->model.name, "%s", a->name);
    snprintf(r->model.sha256, sizeof r->model.sha256, "%s", a->sha256);
    snprintf(r->format.name, sizeof r->format.name, "%s", "as given");
    r->format.bytes = r->memory.weights_bytes = a->bytes;
    r->workload.n_ctx = cell->n_ctx;
    r->workload.n_batch = cell->n_batch;
    r->workload.threads = c->req.threads;
    place_set(&c->req, i_layers, cell, r);
    record_cell_id(r);
}

static bool loads(const struct runner *r, const char *container)
{
    struct runner_info info = {0};
    return runner_loads(r, container) && r->detect(r, &info, NULL) == 0 && info.found;
}

/* The frameworks asked for, else those found here that load the container. */
static int take_runners(const struct cli *c, const char *container, const struct runner *take[], int most, int *n,
                        struct err *e)
{
    *n = 0;
    for (int i = 0; i < c->frameworks.n && *n < most; i++) {
        int rc = runner_named(&take[(*n)++], c->frameworks.v[i], e);
        if (rc < 0)
            return rc;
    }
    for (int i = 0; !c->frameworks.n && runners[i] && *n < most; i++)
        if (loads(runners[i], container))
            take[(*n)++] = runners[i];
    return *n > 0 ? 0
                  : err_set(e, ERR_MISSING,
                            "%s is in %s form and no framework that loads it was found: `whichquant doctor` says how "
                            "to get one; --python PATH says where it is",
                            c->arg[0], container);
}

int bench_take_artifact(struct bench_job *j, struct err *e)
{
    enum { MOST = 16 };
    struct cli *c = j->cli;
    const char *slash = strrchr(c->arg[0], '/');
    struct artifact a = {.path = c->arg[0], .name = slash && slash[1] ? slash + 1 : c->arg[0]};
    const struct runner *take[MOST];
    int n, rc, n_layers = c->req.n_gpu_layers > 0 ? c->req.n_gpu_layers : 1;
    a.container = container_of(a.path);
    if (c->formats.n || c->kv.n)
        return err_set(e, ERR_USAGE, "%s has its format and cache already: give no --format or --kv", a.path);
    if ((rc = take_runners(c, a.container ? a.container : "its own", take, MOST, &n, e)) ||
        (rc = place_check(&c->req, e)) || (rc = identify(a.path, a.sha256, &a.bytes, e)))
        return rc;
    j->cell = mem_alloc_n((size_t)(n * n_layers), sizeof *j->cell);
    j->rec = mem_alloc_n((size_t)(n * n_layers), sizeof *j->rec);
    if (!j->cell || !j->rec)
        return err_nomem(e, (unsigned long long)(n * n_layers) * sizeof *j->rec, "the cells");
    for (int i = 0; i < n; i++)
        for (int k = 0; k < place_count(&c->req, take[i]); k++)
            add_cell(j, &a, take[i], k);
    return 0;
}
