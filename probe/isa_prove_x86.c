/* One instruction per x86 extension, with operands whose result is known. Built for the baseline: everything is
 * inline assembly, and each function runs in a child of its own (isa_prove.c). */
#include "probe/parts.h"

#if defined __x86_64__
#include <string.h>

/* Operands a and b hold one 32-bit pattern in all lanes; each result lane must be `want`. */
struct operands {
    uint32_t a[16], b[16], r[16];
} __attribute__((aligned(64)));

static void fill(struct operands *o, uint32_t a, uint32_t b, uint32_t r)
{
    for (int i = 0; i < 16; i++) {
        o->a[i] = a;
        o->b[i] = b;
        o->r[i] = r;
    }
}

static int check(const struct operands *o, int n_lanes, uint32_t want)
{
    for (int i = 0; i < n_lanes; i++)
        if (o->r[i] != want)
            return 1;
    return 0;
}

/* r = op(a, b) on 256 or 512 bits; r is also the accumulator. */
#define ON_YMM(text)                                                                                                   \
    __asm__ volatile("vmovdqu 128(%0), %%ymm0\n vmovdqu (%0), %%ymm1\n vmovdqu 64(%0), %%ymm2\n" text                  \
                     "\n vmovdqu %%ymm0, 128(%0)\n vzeroupper"                                                         \
                     :                                                                                                 \
                     : "r"(&o)                                                                                         \
                     : "memory", "xmm0", "xmm1", "xmm2")
#define ON_ZMM(text)                                                                                                   \
    __asm__ volatile("vmovups 128(%0), %%zmm0\n vmovups (%0), %%zmm1\n vmovups 64(%0), %%zmm2\n" text                  \
                     "\n vmovups %%zmm0, 128(%0)\n vzeroupper"                                                         \
                     :                                                                                                 \
                     : "r"(&o)                                                                                         \
                     : "memory", "xmm0", "xmm1", "xmm2")

#define PROOF(name, on, lanes, a, b, r0, want, text)                                                                   \
    static int prove_##name(void)                                                                                      \
    {                                                                                                                  \
        struct operands o;                                                                                             \
        fill(&o, a, b, r0);                                                                                            \
        on(text);                                                                                                      \
        return check(&o, lanes, want);                                                                                 \
    }

#define F32_1 0x3f800000u
#define F32_2 0x40000000u
#define F32_4 0x40800000u

PROOF(AVX, ON_YMM, 8, F32_2, F32_2, 0, F32_4, "vaddps %%ymm2, %%ymm1, %%ymm0")
PROOF(AVX2, ON_YMM, 8, 5, 7, 0, 12, "vpaddd %%ymm2, %%ymm1, %%ymm0")
PROOF(FMA, ON_YMM, 8, F32_1, F32_2, F32_2, F32_4, "vfmadd231ps %%ymm2, %%ymm1, %%ymm0")
PROOF(F16C, ON_YMM, 8, 0x40004000u, 0, 0, F32_2, "vcvtph2ps %%xmm1, %%ymm0")
PROOF(AVX_VNNI, ON_YMM, 8, 0x01010101u, 0x02020202u, 3, 11, "%{vex%} vpdpbusd %%ymm2, %%ymm1, %%ymm0")
PROOF(AVX512F, ON_ZMM, 16, 5, 7, 0, 12, "vpaddd %%zmm2, %%zmm1, %%zmm0")
PROOF(AVX512BW, ON_ZMM, 16, 0x01020304u, 0x01010101u, 0, 0x02030405u, "vpaddb %%zmm2, %%zmm1, %%zmm0")
PROOF(AVX512VL, ON_YMM, 8, 5, 7, 0, UINT32_MAX, "vpternlogd $255, %%ymm2, %%ymm1, %%ymm0")
PROOF(AVX512DQ, ON_ZMM, 16, F32_2, UINT32_MAX, 0, F32_2, "vandps %%zmm2, %%zmm1, %%zmm0")
PROOF(AVX512_VNNI, ON_ZMM, 16, 0x01010101u, 0x02020202u, 3, 11, "vpdpbusd %%zmm2, %%zmm1, %%zmm0")
PROOF(AVX512_BF16, ON_ZMM, 16, 0x3f803f80u, 0x3f803f80u, F32_2, F32_4, "vdpbf16ps %%zmm2, %%zmm1, %%zmm0")
PROOF(AVX512_FP16, ON_ZMM, 16, 0x40004000u, 0x40004000u, 0, 0x44004400u, "vaddph %%zmm2, %%zmm1, %%zmm0")
PROOF(AVX512_VBMI, ON_ZMM, 16, 0, 0x2a2a2a2au, 0, 0x2a2a2a2au, "vpermb %%zmm2, %%zmm1, %%zmm0")

static int prove_SSE4_2(void)
{
    uint32_t crc = 0;
    __asm__ volatile("crc32l %1, %0" : "+r"(crc) : "r"(1u));
    return crc != 0xdd45aab8u; /* CRC-32C of the word 1 from 0 */
}

/* Tile 0 (one float or int) += tile 1 x tile 2, each one row of four bytes. */
struct tile_config {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
} __attribute__((aligned(64)));

#define ON_TILES(text, a, b, want)                                                                                     \
    struct tile_config config = {.palette = 1, .row_bytes = {4, 4, 4}, .rows = {1, 1, 1}};                             \
    struct operands o;                                                                                                 \
    fill(&o, a, b, UINT32_MAX);                                                                                        \
    __asm__ volatile("ldtilecfg (%1)\n tilezero %%tmm0\n tileloadd (%0,%2,1), %%tmm1\n"                                \
                     "tileloadd 64(%0,%2,1), %%tmm2\n" text "\n tilestored %%tmm0, 128(%0,%2,1)\n tilerelease"         \
                     :                                                                                                 \
                     : "r"(&o), "r"(&config), "r"((long)4)                                                             \
                     : "memory");                                                                                      \
    return check(&o, 1, want)

static int prove_AMX_TILE(void)
{
    ON_TILES("", 1, 2, 0);
}
static int prove_AMX_INT8(void)
{
    ON_TILES("tdpbssd %%tmm2, %%tmm1, %%tmm0", 0x01010101u, 0x02020202u, 8);
}
static int prove_AMX_BF16(void)
{
    ON_TILES("tdpbf16ps %%tmm2, %%tmm1, %%tmm0", 0x3f803f80u, 0x40004000u, F32_4);
}

static isa_proof *const proofs[N_ISA] = {
#define ROW(id) [ISA_BIT_##id] = prove_##id
    ROW(SSE4_2),      ROW(AVX),         ROW(AVX2),     ROW(FMA),      ROW(F16C),        ROW(AVX_VNNI),
    ROW(AVX512F),     ROW(AVX512BW),    ROW(AVX512VL), ROW(AVX512DQ), ROW(AVX512_VNNI), ROW(AVX512_BF16),
    ROW(AVX512_FP16), ROW(AVX512_VBMI), ROW(AMX_TILE), ROW(AMX_INT8), ROW(AMX_BF16),
};

isa_proof *isa_proof_x86(int bit)
{
    return proofs[bit];
}
#else
isa_proof *isa_proof_x86(int bit)
{
    (void)bit;
    return NULL;
}
#endif
