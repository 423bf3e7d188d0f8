/* The dispatch table, made from kernels.def, and the choice of a row. The drivers that split work are in
 * linear.c. */
#include "kernels/kernels.h"

#include <string.h>
#include "kernels/kernel_rows.h"

#define GEMM_F32(f, n, tol) {.name = #f, .op = OP_GEMM_F32, .needs = n, .gemm_f32 = f, .tolerance = tol},
#define MATVEC(f, c, a, n, tol)                                                                                        \
    {.name = #f, .op = OP_MATVEC, .codec = c, .act = a, .needs = n, .matvec = f, .tolerance = tol},
#define MATMUL(f, c, a, n, s, tol)                                                                                     \
    {.name = #f, .op = OP_MATMUL, .codec = c, .act = a, .needs = n, .tolerance = tol, .matmul = f, .scratch_bytes = s},
#define MATVEC_OF(f, t, a, n, tol)                                                                                     \
    {.name = #f, .op = OP_MATVEC, .act = a, .takes = t, .needs = n, .matvec = f, .tolerance = tol},
#define MATMUL_OF(f, t, a, n, s, tol)                                                                                  \
    {.name = #f, .op = OP_MATMUL, .act = a, .takes = t, .needs = n, .tolerance = tol, .matmul = f, .scratch_bytes = s},
#define DECODE(f, c, n, tol) {.name = #f, .op = OP_DECODE, .codec = c, .needs = n, .decode = f, .tolerance = tol},
#define ENCODE_ACT(f, a, n, tol)                                                                                       \
    {.name = #f, .op = OP_ENCODE_ACT, .act = a, .needs = n, .encode_act = f, .tolerance = tol},
#define ROWS(f, n) {.name = #f, .op = OP_ROWS, .needs = n, .rows = &f, .tolerance = 2e-6},
const struct kernel kernels[] = {
#include "kernels/kernels.def"
};
const int n_kernels = sizeof kernels / sizeof *kernels;

const char *kernel_op_name(enum kernel_op op)
{
    static const char *const names[N_KERNEL_OPS] = {"gemm_f32", "matvec", "matmul", "decode", "encode_act", "rows"};
    return (unsigned)op < N_KERNEL_OPS ? names[op] : "unknown";
}

bool kernel_is_packed(const struct kernel *k)
{
    return (k->op == OP_MATVEC || k->op == OP_MATMUL) && (k->codec || k->takes);
}

static bool same(const char *row, const char *asked)
{
    return !row || !asked || !strcmp(row, asked);
}

/* The plain C rows take activations by the codec's own rule only. */
static bool act_fits(const struct kernel *k, const char *codec, const char *act)
{
    if (k->act || k->codec || !codec || !act || (k->op != OP_MATVEC && k->op != OP_MATMUL))
        return same(k->act, act);
    const struct codec *c = codec_find(codec);
    return c && !strcmp(c->act, act);
}

const struct kernel *kernel_find(enum kernel_op op, const char *codec, const char *act, uint64_t isa)
{
    for (int i = 0; i < n_kernels; i++) {
        const struct kernel *k = &kernels[i];
        if (k->op == op && !k->takes && !(k->needs & ~isa) && same(k->codec, codec) && act_fits(k, codec, act))
            return k;
    }
    return NULL;
}

const struct kernel *kernel_find_for(enum kernel_op op, const struct qmat *w, const struct act *a, uint64_t isa)
{
    for (int i = 0; i < n_kernels; i++) {
        const struct kernel *k = &kernels[i];
        if (k->op == op && k->takes && !(k->needs & ~isa) && k->takes(w, a))
            return k;
    }
    return kernel_find(op, w->codec->name, a->name, isa);
}

bool kernel_reads_values(const struct kernel *k, const struct act *a)
{
    return k->takes && k->act && strcmp(k->act, a->name) != 0;
}

kernel_encode_act *kernel_encoder(const struct act *a, uint64_t isa)
{
    const struct kernel *k = kernel_find(OP_ENCODE_ACT, NULL, a->name, isa);
    return k ? k->encode_act : a->encode;
}

kernel_decode *kernel_decoder(const struct codec *c, uint64_t isa)
{
    const struct kernel *k = kernel_find(OP_DECODE, c->name, NULL, isa);
    return k ? k->decode : c->decode;
}
