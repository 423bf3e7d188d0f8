/* Decode with superblocks of 256 (Q2_K .. Q6_K) times Q8_K activations, for any vector width; rows in pairs
 * as in matvec_blocks.h. A codec supplies dot(sums, superblock, x) and the order in which it meets the
 * 16-column pieces of x. Before it stands the header of an instruction set: struct row_sums, row_zero,
 * row_total, SUM_COLUMNS. */
#ifndef KERNELS_X86_MATVEC_K_H
#define KERNELS_X86_MATVEC_K_H
#include "kernels/x86/streams.h"

struct x_super {                   /* the activations of 256 columns */
    _Alignas(64) int8_t code[320]; /* 256 of them in pieces of 16, reordered; TQ1_0's with gaps */
    union {                        /* -offset * sum of the codes that meet in one word of the first sum */
        int16_t of2[128];          /* AVX2: maddubs adds 2 products */
        int32_t of4[64];           /* VNNI: dpbusd adds 4 */
    } start;
    int16_t sum16[16], sum32[8]; /* sums of codes over 16 and over 32 columns, in column order */
    float d;
};
enum { X_BLOCK = 292, TILE_SUPERS = 16 }; /* Q8_K: d:f32, qs[256], bsums[16]:i16; a tile is 10 KiB */

/* The order of pieces of 16 that is one of pieces of 32. */
#define PIECE(i) 2 * (i), 2 * (i) + 1
#define PIECES(a, b, c, d, e, f, g, h)                                                                                 \
    {                                                                                                                  \
        PIECE(a), PIECE(b), PIECE(c), PIECE(d), PIECE(e), PIECE(f), PIECE(g), PIECE(h)                                 \
    }

static inline void x_prepare(struct x_super *s, const uint8_t *x, int64_t n, const uint8_t order[16], int offset)
{
    const __m256i one8 = _mm256_set1_epi8(1), minus = _mm256_set1_epi16((int16_t)-offset);
    for (; n > 0; n--, s++, x += X_BLOCK) {
        memcpy(&s->d, x, 4);
        memcpy(s->sum16, x + 260, 32);
        for (int i = 0; i < 8; i++) {
            __m256i code = _mm256_setr_m128i(_mm_loadu_si128((const __m128i *)(x + 4 + 16 * order[2 * i])),
                                             _mm_loadu_si128((const __m128i *)(x + 4 + 16 * order[2 * i + 1])));
            __m256i sum = _mm256_maddubs_epi16(one8, code);
            _mm256_store_si256((__m256i *)(s->code + 32 * i), code);
            if (SUM_COLUMNS == 2)
                _mm256_store_si256((__m256i *)(s->start.of2 + 16 * i), _mm256_mullo_epi16(sum, minus));
            else
                _mm256_store_si256((__m256i *)(s->start.of4 + 8 * i), _mm256_madd_epi16(sum, minus));
            s->sum32[i] = (int16_t)(s->sum16[2 * i] + s->sum16[2 * i + 1]);
        }
    }
}

typedef void arrange_x(struct x_super *s, const uint8_t *x, int64_t n, const uint8_t order[16], int offset);
typedef void add_super(struct row_sums *s, const uint8_t *b, const struct x_super *x);

INLINE void matvec_k_arranged(float *y, const struct qmat *w, int64_t r0, int64_t r1, const void *x, int block,
                              arrange_x *prepare, const uint8_t order[16], int offset, add_super *dot)
{
    struct x_super tile[TILE_SUPERS];
    int64_t n_blocks = w->k / 256, half = (r1 - r0 + 1) / 2;
    prefetch_rows(w, r0, r1);
    for (int64_t b = 0; b < n_blocks; b += TILE_SUPERS) {
        int64_t n = min_i64(n_blocks - b, TILE_SUPERS);
        prepare(tile, (const uint8_t *)x + b * X_BLOCK, n, order, offset);
        for (int64_t r = r0; r < r0 + half; r++) {
            int64_t q = r + half < r1 ? r + half : r; /* an odd last row is its own partner */
            const uint8_t *p0 = qmat_row(w, r) + b * block, *p1 = qmat_row(w, q) + b * block;
            struct row_sums s0 = row_zero(), s1 = row_zero();
            for (int64_t i = 0; i < n; i++, p0 += block, p1 += block) {
                dot(&s0, p0, &tile[i]);
                dot(&s1, p1, &tile[i]);
            }
            float before0 = b ? y[r - r0] : 0, before1 = b ? y[q - r0] : 0;
            y[r - r0] = before0 + row_total(s0);
            y[q - r0] = before1 + row_total(s1);
        }
    }
}

INLINE void matvec_k(float *y, const struct qmat *w, int64_t r0, int64_t r1, const void *x, int block,
                     const uint8_t order[16], int offset, add_super *dot)
{
    matvec_k_arranged(y, w, r0, r1, x, block, x_prepare, order, offset, dot);
}
#endif
