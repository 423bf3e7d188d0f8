/* The dispatch table, made from kernels.def, and the choice of a row. The drivers that split work are in
 * linear.c. */
#include "kernels/kernels.h"

#include <string.h>
#include "kernels/kernel_rows.h"

#define GEMM_F32(f, n, tol) {.name = #f, .op = OP_GEMM_F32, .needs = n, .gemm_f32 = f, .tolerance = tol},
#define MATVEC(f, c, a, n, tol)                                                                              \
    {.name = #f, .op = OP_MATVEC, .codec = c, .act = a, .needs = n, .matvec = f, .tolerance = tol},
#define MATMUL(f, c, a, n, s, tol)                                                                           \
    {.name = #f,                                                                                             \
     .op = OP_MATMUL,                                                                                        \
     .codec = c,                                                                                             \
     .act = a,                                                                                               \
     .needs = n,                                                                                             \
     .tolerance = tol,                                                                                       \
     .matmul = f,                                                                                            \
     .scratch_bytes = s},
#define DECODE(f, c, n, tol)                                                                                 \
    {.name = #f, .op = OP_DECODE, .codec = c, .needs = n, .decode = f, .tolerance = tol},
#define ENCODE_ACT(f, a, n, tol)                                                                             \
    {.name = #f, .op = OP_ENCODE_ACT, .act = a, .needs = n, .encode_act = f, .tolerance = tol},
const struct kernel kernels[] = {
#include "kernels/kernels.def"
};
const int n_kernels = sizeof kernels / sizeof *kernels;

const char *kernel_op_name(enum kernel_op op)
{
    static const char *const names[N_KERNEL_OPS] = {"gemm_f32", "matvec", "matmul", "decode", "encode_act"};
    return (unsigned)op < N_KERNEL_OPS ? names[op] : "unknown";
}

bool kernel_is_packed(const struct kernel *k)
{
    return (k->op == OP_MATVEC || k->op == OP_MATMUL) && k->codec;
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
        if (k->op == op && !(k->needs & ~isa) && same(k->codec, codec) && act_fits(k, codec, act))
            return k;
    }
    return NULL;
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
