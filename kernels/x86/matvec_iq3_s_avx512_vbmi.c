/* Decode: IQ3_S rows times one Q8_K activation row. Layout in kernels/formats/iq3_s.c. */
#include "kernels/x86/matvec_grid_vbmi.h"

INLINE void dot(struct row_sums *s, const uint8_t *b, const struct x_super *x)
{
    const struct grid_table table = {grid_bytes.iq3s_levels, 512, 4, LEVELS_IQ3_S};
    const __m512i ninth = _mm512_set1_epi16(256);
    __m512i lo = words_of_bytes(b + 2), hi = words_of_bytes(b + 34);
    lo = _mm512_mask_add_epi16(lo, _cvtu32_mask32(rd_u32le(b + 66)), lo, ninth);
    hi = _mm512_mask_add_epi16(hi, _cvtu32_mask32(rd_u32le(b + 70)), hi, ninth);
    struct grid_super g = {{lo, hi}, _mm256_loadu_si256((const __m256i *)(b + 74))};
    add_dot(s, dot_looked_up(g, table, x, _mm256_cvtepi8_epi16(scales_iq3_s(b)), scale_of_32), half_at(b) * x->d);
}

void matvec_iq3_s_avx512_vbmi(float *y, const struct qmat *w, int64_t r0, int64_t r1, const void *x)
{
    grid_bytes_make();
    matvec_k(y, w, r0, r1, x, 110, in_order, 0, dot);
}
