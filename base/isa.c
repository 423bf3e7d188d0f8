/* Names of instruction-set extensions and what --isa NAME leaves of a mask. */
#include "base/isa.h"

#include <string.h>

static const char *const names[N_ISA] = {
#define X(id, name) name,
    ISA_LIST(X)
#undef X
};

const char *isa_name(int bit) { return bit >= 0 && bit < N_ISA ? names[bit] : "unknown"; }

int isa_find(const char *name)
{
    for (int i = 0; i < N_ISA; i++)
        if (!strcmp(names[i], name))
            return i;
    return -1;
}

#define LEVEL_AVX2   (ISA(SSE4_2) | ISA(AVX) | ISA(AVX2) | ISA(FMA) | ISA(F16C))
#define LEVEL_AVX512 (LEVEL_AVX2 | ISA(AVX512F) | ISA(AVX512BW) | ISA(AVX512VL) | ISA(AVX512DQ))

static const struct {
    const char *name;
    uint64_t mask;
} levels[] = {
    {"scalar", 0},
    {"sse4_2", ISA(SSE4_2)},
    {"avx", ISA(SSE4_2) | ISA(AVX)},
    {"avx2", LEVEL_AVX2},
    {"avx_vnni", LEVEL_AVX2 | ISA(AVX_VNNI)},
    {"avx512", LEVEL_AVX512},
    {"cascadelake", LEVEL_AVX512 | ISA(AVX512_VNNI)}, /* VNNI without VBMI */
    {"avx512_vnni", LEVEL_AVX512 | ISA(AVX512_VNNI) | ISA(AVX512_VBMI)},
    {"avx512_bf16", LEVEL_AVX512 | ISA(AVX512_VNNI) | ISA(AVX512_VBMI) | ISA(AVX512_BF16)},
    {"amx", ~UINT64_C(0)},
    {"neon", ISA(NEON) | ISA(FP16)},
    {"dotprod", ISA(NEON) | ISA(FP16) | ISA(DOTPROD)},
    {"native", ~UINT64_C(0)},
};

bool isa_narrow(const char *name, uint64_t have, uint64_t *out)
{
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++)
        if (!strcmp(levels[i].name, name)) {
            *out = have & levels[i].mask;
            return true;
        }
    int bit = isa_find(name);
    if (bit < 0)
        return false;
    /* extensions are listed oldest first within each family: keep this one and those before it */
    *out = have & ((UINT64_C(2) << bit) - 1);
    return true;
}
