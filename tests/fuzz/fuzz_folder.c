/* Model folders of any bytes: config.json up to the first NUL, model.safetensors behind it. What opens has weights that
 * decode, and runs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/os.h"
#include "bench/engine/engine.h"
#include "bench/engine/model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static char folder[64], config[96], weights[96];

static void remove_folder(void)
{
    unlink(config);
    unlink(weights);
    rmdir(folder);
}

static void make_folder(void)
{
    snprintf(folder, sizeof folder, "%s/fuzz_folder_XXXXXX", access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");
    if (!mkdtemp(folder))
        abort();
    snprintf(config, sizeof config, "%s/config.json", folder);
    snprintf(weights, sizeof weights, "%s/model.safetensors", folder);
    atexit(remove_folder);
}

static void put(const char *path, const uint8_t *p, size_t n)
{
    FILE *f = fopen(path, "wb");
    if (!f || (n && fwrite(p, 1, n, f) != n) || fclose(f))
        abort();
}

static void run(const struct model *m)
{
    struct weights *w;
    struct engine *g;
    struct err e;
    const struct engine_opts o = {.n_ctx = 3, .n_batch = 2, .kv = KV_BOTH(F32)};
    const int32_t tokens[2] = {0, m->d.n_vocab - 1};
    if (weights_source(&w, m, true, &e))
        return;
    if (engine_new(&g, w, &o, &e) == 0) {
        float *logits = calloc((size_t)m->d.n_vocab, sizeof *logits);
        if (engine_forward(g, tokens, 2, &e) || (logits && engine_logits(g, 0, 1, logits, &e)))
            abort();
        free(logits);
        engine_free(g);
    }
    weights_free(w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct model *m;
    struct err e = {0};
    const uint8_t *end = n ? memchr(data, 0, n) : NULL;
    size_t n_config = end ? (size_t)(end - data) : n;
    if (!folder[0])
        make_folder();
    put(config, data, n_config);
    put(weights, end ? end + 1 : data, end ? n - n_config - 1 : 0);
    if (model_open_header(&m, folder, &e)) {
        if (!e.text[0])
            abort();
        return 0;
    }
    model_check_finite(m, &e);
    run(m);
    model_close(m);
    return 0;
}
