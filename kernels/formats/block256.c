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
