/* The instruction-set mask: one bit per extension that a kernel may need. A bit is set only when an instruction
 * of it was executed successfully on this machine (probe does that); kernels get the mask by value. */
#ifndef BASE_ISA_H
#define BASE_ISA_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* X(enumerator, the kernel's own flag name) */
#define ISA_LIST(X)                                                                                                    \
    X(SSE4_2, "sse4_2")                                                                                                \
    X(AVX, "avx") X(AVX2, "avx2") X(FMA, "fma") X(F16C, "f16c") X(AVX_VNNI, "avx_vnni") X(AVX512F, "avx512f")          \
        X(AVX512BW, "avx512bw") X(AVX512VL, "avx512vl") X(AVX512DQ, "avx512dq") X(AVX512_VNNI, "avx512_vnni")          \
            X(AVX512_BF16, "avx512_bf16") X(AVX512_FP16, "avx512_fp16") X(AVX512_VBMI, "avx512vbmi")                   \
                X(AMX_TILE, "amx_tile") X(AMX_INT8, "amx_int8") X(AMX_BF16, "amx_bf16") X(NEON, "asimd")               \
                    X(DOTPROD, "asimddp") X(FP16, "asimdhp") X(I8MM, "i8mm") X(BF16, "bf16") X(SVE, "sve")             \
                        X(SVE2, "sve2") X(SME, "sme")

enum isa_bit {
#define X(id, name) ISA_BIT_##id,
    ISA_LIST(X)
#undef X
        N_ISA
};
#define ISA(id) (UINT64_C(1) << ISA_BIT_##id)

const char *isa_name(int bit);
int isa_find(const char *name); /* -1 when unknown */
/* The mask that --isa NAME leaves of `have`: "scalar", "avx2", "avx512", "cascadelake", "avx512_vnni", "amx", "neon",
 * "dotprod", "i8mm", or any flag name (that one and what it builds on). False when the name is unknown. */
bool isa_narrow(const char *name, uint64_t have, uint64_t *out);
#endif
