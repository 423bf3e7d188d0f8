/* Decode: IQ4_XS rows times one Q8_K activation row. Layout in kernels/formats/iq4_xs.c. Four products of up to 127 *
 * 127 need more than 16 bits, so each sum is scaled as f32: all of a sub-block of 32 are in one lane of 128 bits. */
#include "kernels/x86/grid_bits.h"
#include "kernels/x86/matvec_k_avx512.h"
#include "kernels/x86/unpack_iq4_avx512.h"

enum { BLOCK = 136, OFFSET = 128 };
static const uint8_t order[16] = {0, 2, 4, 6, 1, 3, 5, 7, 8, 10, 12, 14, 9, 11, 13, 15}; /* low nibbles, high ones */

INLINE void dot(struct row_sums *s, const uint8_t *b, const struct x_super *x)
{
    const __m512i sub_block = _mm512_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3);
    const __m512i table = _mm512_xor_si512(iq4_table(), _mm512_set1_epi8((char)OFFSET)); /* value + 128 */
    const __m512i nibble = _mm512_set1_epi8(15);
    __m512 sc = _mm512_castps256_ps512(_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(scales_iq4_xs(b))));
    __m512 sum = _mm512_setzero_ps();
#pragma GCC unroll 2
    for (int i = 0; i < 2; i++) {
        __m512i q = _mm512_loadu_si512(b + 8 + 64 * i);
        __m512i lo = _mm512_shuffle_epi8(table, _mm512_and_si512(q, nibble));
        __m512i hi = _mm512_shuffle_epi8(table, _mm512_and_si512(_mm512_srli_epi16(q, 4), nibble));
        lo = _mm512_dpbusd_epi32(_mm512_load_si512(x->start.of4 + 32 * i), lo, _mm512_load_si512(x->code + 128 * i));
        hi = _mm512_dpbusd_epi32(_mm512_load_si512(x->start.of4 + 32 * i + 16), hi,
                                 _mm512_load_si512(x->code + 128 * i + 64));
        __m512 scale = _mm512_permutexvar_ps(_mm512_add_epi32(sub_block, _mm512_set1_epi32(4 * i)), sc);
        sum = _mm512_fmadd_ps(_mm512_cvtepi32_ps(_mm512_add_epi32(lo, hi)), scale, sum);
    }
    s->dot = _mm512_fmadd_ps(sum, _mm512_set1_ps(half_at(b) * x->d), s->dot);
}

void matvec_iq4_xs_avx512_vnni(float *y, const struct qmat *w, int64_t r0, int64_t r1, const void *x)
{
    matvec_k(y, w, r0, r1, x, BLOCK, order, OFFSET, dot);
}
