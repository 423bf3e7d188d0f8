/* What is to be proved: formats by container, knobs of frameworks, paths and kernels of the own engine. */
#include <stdio.h>
#include <string.h>
#include "base/mem.h"
#include "bench/plan.h"
#include "bench/prove.h"

static const struct {
    const char *container, *formats;
} formats_of[] = {
#define FORMATS(container, formats) {container, formats},
#define KNOB(framework, isa, variable, value)
#include "bench/prove.def"
#undef FORMATS
#undef KNOB
};

static const struct prove_knob knobs[] = {
#define FORMATS(container, formats)
#define KNOB(framework, isa, variable, value) {framework, isa, variable, value},
#include "bench/prove.def"
#undef FORMATS
#undef KNOB
};

const char *prove_formats(const char *containers, int *state)
{
    const struct runner loads = {.containers = containers};
    for (; *state < (int)(sizeof formats_of / sizeof *formats_of); ++*state)
        if (runner_loads(&loads, formats_of[*state].container))
            return formats_of[(*state)++].formats;
    return NULL;
}

const struct prove_knob *prove_knob(const char *framework, int *state)
{
    for (; *state < (int)(sizeof knobs / sizeof *knobs); ++*state)
        if (strcmp(knobs[*state].framework, framework) == 0)
            return &knobs[(*state)++];
    return NULL;
}

int prove_paths(struct prove_path out[PROVE_MOST_PATHS], uint64_t isa)
{
    static const char *const names[] = {"scalar",      "avx2", "avx_vnni", "avx512", "cascadelake", "avx512_vnni",
                                        "avx512_bf16", "neon", "dotprod",  "i8mm",   "native"};
    int n = 0;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        uint64_t mask;
        bool known = isa_narrow(names[i], isa, &mask), seen = false;
        for (int k = 0; k < n; k++)
            seen |= out[k].mask == mask;
        if (known && !seen)
            out[n++] = (struct prove_path){names[i], mask};
    }
    return n;
}

/* The tensor's two packed kernels into used; how many are new. */
static int mark(bool *used, const struct model_tensor *t, const struct use_assign *a, uint64_t isa)
{
    const struct kernel *k[2];
    int n = 0;
    if (!t->matrix || !a->act || !plan_kernels(k, t, a, isa))
        return 0;
    for (int i = 0; i < 2; i++)
        if (k[i] && kernel_is_packed(k[i])) {
            n += !used[k[i] - kernels];
            used[k[i] - kernels] = true;
        }
    return n;
}

int prove_kernels(bool *used, const struct model *m, const struct recipe *r, uint64_t isa, struct err *e)
{
    const struct recipe_known known = {.importance = true};
    struct use_assign *a = mem_alloc_n((size_t)m->d.n_tensors, sizeof *a);
    if (!a)
        return err_nomem(e, (unsigned long long)m->d.n_tensors * sizeof *a, "the tensor table");
    int n = recipe_assign(&m->d, r, NULL, &known, a, e);
    for (int i = 0; i < m->d.n_tensors && n >= 0; i++)
        n += mark(used, &m->d.tensor[i], &a[i], isa);
    mem_free(a);
    return n;
}

static bool did_run(const char *name, const struct prove_cell *cell, int n)
{
    size_t k = strlen(name);
    for (int i = 0; i < n; i++)
        for (const char *at = cell[i].status == STATUS_OK ? cell[i].kernels : ""; (at = strstr(at, name)); at += k)
            if ((at == cell[i].kernels || at[-1] == ' ') && (at[k] == 0 || at[k] == ' '))
                return true;
    return false;
}

void prove_cover(struct prove_coverage *out, const struct prove_cell *cell, int n, uint64_t isa)
{
    *out = (struct prove_coverage){0};
    size_t used = 0;
    for (int i = 0; i < n_kernels; i++) {
        const struct kernel *k = &kernels[i];
        if ((k->op != OP_MATVEC && k->op != OP_MATMUL) || !kernel_is_packed(k) || (k->needs & ~isa))
            continue;
        bool ran = did_run(k->name, cell, n);
        out->n_can++;
        out->n_run += ran;
        if (!ran && used < sizeof out->not_run)
            used += (size_t)snprintf(out->not_run + used, sizeof out->not_run - used, "%s%s", used ? " " : "", k->name);
    }
}
