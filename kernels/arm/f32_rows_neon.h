/* f32_rows.h in NEON: 4 lanes, tables looked up byte by byte. */
#ifndef KERNELS_ARM_F32_ROWS_NEON_H
#define KERNELS_ARM_F32_ROWS_NEON_H
#include "kernels/arm/numbers_neon.h"
#include "kernels/f32_rows.h"

enum { LANES = 4 };
#define VEC float32x4_t

INLINE VEC vec_zero(void)
{
    return vdupq_n_f32(0);
}
INLINE VEC vec_load(const float *p)
{
    return vld1q_f32(p);
}
INLINE void vec_store(float *p, VEC v)
{
    vst1q_f32(p, v);
}
INLINE VEC vec_add(VEC a, VEC b)
{
    return vaddq_f32(a, b);
}
INLINE VEC vec_fma(VEC a, VEC b, VEC c)
{
    return vfmaq_f32(c, a, b);
}
INLINE float vec_sum(VEC v)
{
    return vaddvq_f32(v);
}

/* The first rows of the two halves of the range, as x86/streams.h has it. */
INLINE void prefetch_rows(const struct qmat *w, int64_t r0, int64_t r1)
{
    __builtin_prefetch(qmat_row(w, r0), 0, 2);
    __builtin_prefetch(qmat_row(w, r0 + (r1 - r0 + 1) / 2), 0, 2);
}

INLINE float32x4_t f16_rounded(float32x4_t v)
{
    return vcvt_f32_f16(vcvt_f16_f32(v));
}

/* Ties to even; the values of codes are numbers. */
INLINE float32x4_t bf16_rounded(float32x4_t v)
{
    uint32x4_t u = vreinterpretq_u32_f32(v), odd = vandq_u32(vshrq_n_u32(u, 16), vdupq_n_u32(1));
    u = vaddq_u32(u, vaddq_u32(odd, vdupq_n_u32(0x7fff)));
    return vreinterpretq_f32_u32(vandq_u32(u, vdupq_n_u32(0xffff0000)));
}

/* The values of codes q, which are whole numbers. */
INLINE float32x4_t values_of(float32x4_t q, float32x4_t s, float32x4_t zero, const enum kind kind)
{
    switch (kind) {
    case KIND_F16:
        return f16_rounded(vmulq_f32(vsubq_f32(q, zero), s));
    case KIND_F16_TWICE:
        return f16_rounded(vmulq_f32(f16_rounded(vsubq_f32(q, zero)), s));
    case KIND_BIAS:
        return vaddq_f32(vmulq_f32(q, s), zero);
    case KIND_BIAS_F16:
        return f16_rounded(vaddq_f32(f16_rounded(vmulq_f32(q, s)), zero));
    case KIND_BIAS_BF16:
        return bf16_rounded(vaddq_f32(bf16_rounded(vmulq_f32(q, s)), zero));
    case KIND_BOOK:
        return vmulq_f32(q, s);
    case KIND_BOOK_F16:
        return f16_rounded(vmulq_f32(q, s));
    default:
        return vmulq_f32(vsubq_f32(q, zero), s);
    }
}

INLINE void make_tables(struct f32_row *row, int64_t n, const struct f32_rule *rule, const int bits)
{
    const int n_values = 1 << bits;
    float q[32];
    for (int i = 0; i < n_values; i++)
        q[i] = rule->kind == KIND_BOOK || rule->kind == KIND_BOOK_F16 ? rule->book[i]
                                                                      : (float)(i ^ rule->flip) - rule->less;
    for (int64_t g = 0; g < n; g++) {
        float32x4_t s = vdupq_n_f32(row->scale[g]), zero = vdupq_n_f32(row->zero[g]);
        float *table = row->table[n_values > 16 ? 2 * g : g];
        for (int i = 0; i < n_values; i += 4)
            vst1q_f32(table + i, values_of(vld1q_f32(q + i), s, zero, rule->kind));
    }
}

/* Lane l of a chunk of 16 columns: its 4 codes, from bit 0 on; n columns are there, 16 at least. */
INLINE uint32x4_t lanes_of(const uint8_t *p, int64_t n, const int bits)
{
    static const uint8_t place[16] = {0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3};
    const uint32_t one = (uint32_t)bits * 4; /* bits of a lane */
    const uint32x4_t bit = vmulq_n_u32((uint32x4_t){0, 1, 2, 3}, one);
    const uint32x4_t byte = vmulq_n_u32(vshrq_n_u32(bit, 3), 0x01010101);
    uint8_t last[16] = {0};
    if (n * bits / 8 < 16)
        p = memcpy(last, p, (size_t)(2 * bits));
    uint8x16_t v = vqtbl1q_u8(vld1q_u8(p), vaddq_u8(vreinterpretq_u8_u32(byte), vld1q_u8(place)));
    int32x4_t right = vnegq_s32(vreinterpretq_s32_u32(vandq_u32(bit, vdupq_n_u32(7))));
    return vshlq_u32(vreinterpretq_u32_u8(v), right);
}

INLINE uint8x16x4_t bytes_64(const float *table)
{
    const uint8_t *p = (const uint8_t *)table;
    return (uint8x16x4_t){{vld1q_u8(p), vld1q_u8(p + 16), vld1q_u8(p + 32), vld1q_u8(p + 48)}};
}

/* The entries of a table of 16 (of 32: two of them) at the codes. */
INLINE float32x4_t looked_up(const float *table, uint32x4_t code, const int bits)
{
    const uint32x4_t at = vaddq_u32(vmulq_n_u32(code, 0x04040404), vdupq_n_u32(0x03020100));
    const uint8x16_t index = vreinterpretq_u8_u32(at);
    uint8x16_t v = vqtbl4q_u8(bytes_64(table), index);
    if (bits == 5)
        v = vqtbx4q_u8(v, bytes_64(table + 16), vsubq_u8(index, vdupq_n_u8(64)));
    return vreinterpretq_f32_u8(v);
}

INLINE uint16x4_t bytes_at(const uint8_t *p)
{
    return vget_low_u16(vmovl_u8(vreinterpret_u8_u32(vdup_n_u32(rd_u32le(p)))));
}

/* 4 columns of 8-bit floats. E4M3 bits are those of a half with an exponent 8 less; its NaNs come out as 480. */
INLINE float32x4_t float8_values(const uint8_t *p, float scale, const enum kind kind)
{
    uint16x4_t v = vshl_n_u16(bytes_at(p), 8);
    if (kind == KIND_E5M2)
        return vmulq_n_f32(vcvt_f32_f16(vreinterpret_f16_u16(v)), scale);
    v = vreinterpret_u16_s16(vshr_n_s16(vreinterpret_s16_u16(v), 1));
    v = vand_u16(v, vdup_n_u16(0xbfff));
    return vmulq_n_f32(vcvt_f32_f16(vreinterpret_f16_u16(v)), scale * 256);
}

/* One chunk, at column c of the tile, of which n columns are there: `per` vectors of values. */
INLINE void chunk_values(float32x4_t *v, const struct f32_row *row, int64_t c, int64_t n, int log2,
                         const struct f32_rule *rule, const int bits, const int per, const enum kind kind)
{
    const int64_t g = c >> log2;
    const uint8_t *p = row->code + c * bits / 8;
    const uint32x4_t lanes = bits == 8 ? vdupq_n_u32(0) : lanes_of(p, n, bits);
    const uint32x4_t mask = vdupq_n_u32((1u << bits) - 1), flip = vdupq_n_u32((uint32_t)rule->flip);
    const float32x4_t s = vdupq_n_f32(row->scale[g]), zero = vdupq_n_f32(row->zero[g]);
#pragma GCC unroll 4
    for (int i = 0; i < per; i++) {
        uint32x4_t code = vandq_u32(vshlq_u32(lanes, vdupq_n_s32(-i * bits)), mask);
        if (kind >= KIND_E4M3) {
            v[i] = float8_values(p + LANES * i, row->scale[g], kind);
        } else if (bits <= 5) {
            v[i] = looked_up(row->table[bits == 5 ? 2 * g : g], code, bits);
        } else {
            code = veorq_u32(bits == 8 ? vmovl_u16(bytes_at(p + LANES * i)) : code, flip);
            v[i] = values_of(vcvtq_f32_u32(code), s, zero, kind);
        }
    }
}

/* 64 columns, in vectors of every `per`-th of 16; `swap` exchanges neighbours. */
INLINE void order_64(float *dst, const float *x, const int per, int swap)
{
    if (per == 1) {
        memcpy(dst, x, 64 * sizeof *dst);
        return;
    }
    for (int i = 0; i < 64; i += 16) {
        const float32x4x4_t v = vld4q_f32(x + i);
        for (int n = 0; n < 4; n++)
            vst1q_f32(dst + i + 4 * n, v.val[n ^ swap]);
    }
}
#endif
