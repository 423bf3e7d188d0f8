/* Rows of super-blocks (block256.h). */
#include "kernels/formats/block256.h"
#include "base/half.h"

/* y[256] as f decodes. */
static void decode_super(const struct block256_rule *r, float *y, const struct fit_super *f)
{
    float d = f16_to_f32(f->d), dmin = f16_to_f32(f->dmin);
    for (int j = 0; j < r->grid.n_sub; j++) {
        float s = d * (float)f->sc[j], b = dmin * (float)f->m[j];
        for (int i = j * r->grid.len; i < (j + 1) * r->grid.len; i++)
            y[i] = s * (float)f->q[i] - b;
    }
}

static void multiply_f16(uint8_t *p, float gain)
{
    wr_u16le(p, block_scale_f16(f16_to_f32(rd_u16le(p)) * gain));
}

void block256_encode_row(const struct block256_rule *r, block256_fit *fit, uint8_t *dst, const float *x, int64_t k,
                         const float *importance)
{
    struct fit_super f;
    struct fit_sums sums = {0};
    float y[FIT_SUPER];
    for (int64_t i = 0; i < k; i += FIT_SUPER) {
        fit(&f, &r->grid, x + i, importance ? importance + i : NULL);
        r->pack(dst + i / FIT_SUPER * r->block_bytes, &f);
        if (!r->gain)
            continue;
        decode_super(r, y, &f);
        fit_sums_add(&sums, x + i, y, importance ? importance + i : NULL, FIT_SUPER);
    }
    float gain = fit_gain(&sums);
    for (int64_t i = 0; i < k && r->gain; i += FIT_SUPER, dst += r->block_bytes) {
        multiply_f16(dst + r->d_at, gain);
        if (r->grid.m_hi)
            multiply_f16(dst + r->dmin_at, gain);
    }
}

void block256_decode_row(const struct block256_rule *r, float *y, const uint8_t *src, int64_t k)
{
    struct fit_super f = {0};
    for (int64_t i = 0; i < k; i += FIT_SUPER, src += r->block_bytes, y += FIT_SUPER) {
        r->unpack(&f, src);
        decode_super(r, y, &f);
    }
}

/* Byte j < 4 has the low 6 bits of scale j, byte 4 + j those of offset j. Values 4..7 put 4 low bits into
 * bytes 8..11 (scale low half, offset high half) and their 2 high bits on top of the first eight bytes. */
void block256_pack_6bit(uint8_t dst[12], const struct fit_super *f)
{
    for (int j = 0; j < 4; j++) {
        int sc = f->sc[j + 4], m = f->m[j + 4];
        dst[j] = (uint8_t)(f->sc[j] | sc >> 4 << 6);
        dst[j + 4] = (uint8_t)(f->m[j] | m >> 4 << 6);
        dst[j + 8] = (uint8_t)((sc & 15) | (m & 15) << 4);
    }
}

void block256_unpack_6bit(struct fit_super *f, const uint8_t src[12])
{
    for (int j = 0; j < 4; j++) {
        f->sc[j] = (int8_t)(src[j] & 63);
        f->m[j] = src[j + 4] & 63;
        f->sc[j + 4] = (int8_t)((src[j + 8] & 15) | src[j] >> 6 << 4);
        f->m[j + 4] = (uint8_t)(src[j + 8] >> 4 | src[j + 4] >> 6 << 4);
    }
}
