/* One unpack per codec: 32 codes in column order, one byte each. Unsigned, except those of Q8_0; what has to be taken
 * off is in the codec's row. b: a block, of which a part of 32 is wanted, or a superblock of 256 and its piece c
 * (0..7). Layouts are described in matvec_<codec>_avx2.c. */
#ifndef KERNELS_X86_UNPACK_AVX2_H
#define KERNELS_X86_UNPACK_AVX2_H
#include "kernels/x86/avx2.h"

/* 32 codes in column order from 16 bytes of nibbles. */
INLINE __m256i block_of_nibbles(const uint8_t *qs)
{
    __m128i q = _mm_loadu_si128((const __m128i *)qs);
    return _mm256_and_si256(_mm256_setr_m128i(q, _mm_srli_epi16(q, 4)), _mm256_set1_epi8(15));
}

/* 16 in every byte whose bit of the 32 at p is set. */
INLINE __m256i high_of_32(const uint8_t *p)
{
    const __m256i byte = _mm256_setr_epi64x(0, 0x0101010101010101, 0x0202020202020202, 0x0303030303030303);
    const __m256i bit = _mm256_set1_epi64x((int64_t)0x8040201008040201);
    __m256i v = _mm256_and_si256(_mm256_shuffle_epi8(_mm256_set1_epi32((int)rd_u32le(p)), byte), bit);
    return _mm256_and_si256(_mm256_cmpeq_epi8(v, bit), _mm256_set1_epi8(16));
}

/* The bits from `shift` on that the mask leaves, moved left by `up`. */
INLINE __m256i bits_of(__m256i v, int shift, int mask, int up)
{
    v = _mm256_and_si256(_mm256_srlv_epi32(v, _mm256_set1_epi32(shift)), _mm256_set1_epi8((char)mask));
    return _mm256_slli_epi16(v, up);
}

INLINE __m256i unpack_q4_0(const uint8_t *b, int part)
{
    (void)part;
    return block_of_nibbles(b + 2);
}
INLINE __m256i unpack_q4_1(const uint8_t *b, int part)
{
    (void)part;
    return block_of_nibbles(b + 4);
}
INLINE __m256i unpack_q5_0(const uint8_t *b, int part)
{
    (void)part;
    return _mm256_or_si256(block_of_nibbles(b + 6), high_of_32(b + 2));
}
INLINE __m256i unpack_q5_1(const uint8_t *b, int part)
{
    (void)part;
    return _mm256_or_si256(block_of_nibbles(b + 8), high_of_32(b + 4));
}
INLINE __m256i unpack_q8_0(const uint8_t *b, int part)
{
    (void)part;
    return load32(b + 2);
}

INLINE __m256i unpack_q2_k(const uint8_t *b, int c)
{
    return bits_of(load32(b + 16 + 32 * (c / 4)), 2 * (c % 4), 3, 0);
}

INLINE __m256i unpack_q3_k(const uint8_t *b, int c)
{
    __m256i low = bits_of(load32(b + 32 + 32 * (c / 4)), 2 * (c % 4), 3, 0);
    return _mm256_or_si256(low, bits_of(load32(b), c, 1, 2));
}

INLINE __m256i unpack_q4_k(const uint8_t *b, int c)
{
    return bits_of(load32(b + 16 + 32 * (c / 2)), 4 * (c % 2), 15, 0);
}

INLINE __m256i unpack_q5_k(const uint8_t *b, int c)
{
    __m256i low = bits_of(load32(b + 48 + 32 * (c / 2)), 4 * (c % 2), 15, 0);
    return _mm256_or_si256(low, bits_of(load32(b + 16), c, 1, 4));
}

/* c % 4 is the run of 32 in its half: low nibbles for runs 0 and 1, high ones for 2 and 3; two bits of qh. */
INLINE __m256i unpack_q6_k(const uint8_t *b, int c)
{
    __m256i low = bits_of(load32(b + 64 * (c / 4) + 32 * (c % 2)), c % 4 / 2 * 4, 15, 0);
    return _mm256_or_si256(low, bits_of(load32(b + 128 + 32 * (c / 4)), 2 * (c % 4), 3, 4));
}
#endif
