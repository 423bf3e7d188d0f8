/* One instruction per aarch64 extension, with operands whose result is known. Built for the baseline: the words are
 * written out, since assemblers differ in how they are told of an extension. Each function runs in a child of its
 * own (isa_prove.c). */
#include "probe/parts.h"

#if defined __aarch64__

struct operands {
    uint32_t a[4], b[4], r[4]; /* one 32-bit pattern in all lanes */
};

static int check(const struct operands *o, uint32_t want)
{
    return !(o->r[0] == want && o->r[1] == want && o->r[2] == want && o->r[3] == want);
}

#define PROOF(name, text, av, bv, rv, want)                                                                            \
    static int prove_##name(void)                                                                                      \
    {                                                                                                                  \
        struct operands o = {{av, av, av, av}, {bv, bv, bv, bv}, {rv, rv, rv, rv}};                                    \
        __asm__ volatile("ldp q1, q2, [%0]\n ldr q0, [%0, #32]\n" text "\n str q0, [%0, #32]"                          \
                         :                                                                                             \
                         : "r"(&o)                                                                                     \
                         : "memory", "v0", "v1", "v2");                                                                \
        return check(&o, want);                                                                                        \
    }

PROOF(NEON, "add v0.4s, v1.4s, v2.4s", 5, 7, 0, 12)
PROOF(DOTPROD, ".inst 0x4e829420 /* sdot v0.4s, v1.16b, v2.16b */", 0x01010101, 0x02020202, 3, 11)
PROOF(FP16, ".inst 0x4e421420 /* fadd v0.8h, v1.8h, v2.8h */", 0x40004000, 0x40004000, 0, 0x44004400)
PROOF(I8MM, ".inst 0x4e82a420 /* smmla v0.4s, v1.16b, v2.16b */", 0x01010101, 0x02020202, 3, 19)
PROOF(BF16, ".inst 0x6e42fc20 /* bfdot v0.4s, v1.8h, v2.8h */", 0x3f803f80, 0x3f803f80, 0x40000000, 0x40800000)
/* z0-z2 alias v0-v2; 128 bits is the least vector length, so the first four lanes are always there. */
PROOF(SVE, ".inst 0x04a20020 /* add z0.s, z1.s, z2.s */", 5, 7, 0, 12)
PROOF(SVE2, ".inst 0x04213840 /* eor3 z0.d, z0.d, z1.d, z2.d */", 5, 3, 8, 14)

static int prove_SME(void)
{
    register uint64_t streaming_bytes __asm__("x0") = 0;
    __asm__ volatile(".inst 0x04bf5820 /* rdsvl x0, #1 */" : "+r"(streaming_bytes));
    return streaming_bytes < 16 || streaming_bytes > 256;
}

static isa_proof *const proofs[N_ISA] = {
#define ROW(id) [ISA_BIT_##id] = prove_##id
    ROW(NEON), ROW(DOTPROD), ROW(FP16), ROW(I8MM), ROW(BF16), ROW(SVE), ROW(SVE2), ROW(SME),
};

isa_proof *isa_proof_arm(int bit)
{
    return proofs[bit];
}
#else
isa_proof *isa_proof_arm(int bit)
{
    (void)bit;
    return NULL;
}
#endif
