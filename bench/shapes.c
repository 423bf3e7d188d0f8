/* Architectures of real models with no file needed: their speed is measured on synthesized weights (shape-measured).
 * They are the rows of the catalogue that the engine runs. What no speed shows is not known of them: the epsilon of
 * norms, the base of rotation, how much of a head is rotated. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include "base/mem.h"
#include "bench/catalogue.h"
#include "bench/engine/arch.h"
#include "bench/measure.h"

static const struct arch *engine_arch(const char *name)
{
    for (int i = 0; i < n_archs; i++)
        if (strcmp(archs[i].name, name) == 0)
            return &archs[i];
    return NULL;
}

/* "5:1" is five local layers, then a global one, as the engine's architecture has them or not at all. */
static bool windows_agree(const struct catalogue_model *m, const struct arch *a)
{
    int local = 0;
    if (m->sliding_window == 0 || strcmp(m->sliding_pattern, "all") == 0)
        return a->swa_global_every == 0;
    return sscanf(m->sliding_pattern, "%d:1", &local) == 1 && a->swa_global_every == local + 1;
}

static bool runs(const struct catalogue_model *m, const struct arch *a)
{
    return a && m->n_expert == 0 && !strchr(m->sliding_pattern, '=') && windows_agree(m, a) &&
           m->qkv_bias == a->qkv_bias;
}

static struct shape describe(const struct catalogue_model *m, const struct arch *a)
{
    struct shape s = {.id = m->id,
                      .d = {.arch = a,
                            .n_layer = m->n_layer,
                            .d_model = m->d_model,
                            .d_ff = m->d_ff,
                            .n_head = m->n_head,
                            .n_head_kv = m->n_head_kv,
                            .head_dim = m->head_dim,
                            .n_ctx_train = m->context,
                            .n_vocab = m->n_vocab,
                            .rope_dim = m->head_dim,
                            .sliding_window = m->sliding_window,
                            .norm_eps = 1e-5,
                            .rope_base = a->rope_base_default,
                            .rope_base_local = a->rope_base_local,
                            .rope_scale = 1,
                            .tied = m->tied}};
    s.d.attn_scale = arch_attn_scale(&s.d);
    snprintf(s.d.name, sizeof s.d.name, "%s", m->id);
    return s;
}

static struct { /* written once */
    struct shape *row;
    int n;
} made;

static void make(void)
{
    const struct catalogue_model *m;
    int n = catalogue_models(&m);
    made.row = mem_alloc_n((size_t)n + 1, sizeof *made.row);
    for (int i = 0; i < n && made.row; i++) {
        struct shape s;
        const struct arch *a = engine_arch(m[i].arch);
        if (runs(&m[i], a) && (s = describe(&m[i], a), desc_check(&s.d, NULL) == 0))
            made.row[made.n++] = s;
    }
}

int shapes(const struct shape **out)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make);
    *out = made.row;
    return made.n;
}

const struct shape *shape_find(const char *id)
{
    const struct shape *s;
    for (int i = 0, n = shapes(&s); i < n; i++)
        if (strcmp(id, s[i].id) == 0)
            return &s[i];
    return NULL;
}
