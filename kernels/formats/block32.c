/* Scales, offsets and codes of plain 32-weight blocks (block32.h). */
#include "kernels/formats/block32.h"
#include <math.h>
#include "base/half.h"
#include "kernels/formats/blocks.h"

static uint8_t code_of(float v, int q_max)
{
    v = v > 0 ? v : 0;
    return (uint8_t)(v < (float)q_max ? v : (float)q_max);
}

/* d = extreme / -zero: the weight of largest magnitude, whatever its sign, gets code 0. */
static void round_centred(const struct block32_rule *r, struct block32 *b, const float *x)
{
    float extreme = 0;
    for (int i = 0; i < 32; i++)
        extreme = fabsf(x[i]) > fabsf(extreme) ? x[i] : extreme;
    float d = extreme / (float)-r->zero, inv = block_inverse(d), half = (float)r->zero + 0.5f;
    b->d = f32_to_f16(d);
    b->m = 0;
    for (int i = 0; i < 32; i++)
        b->q[i] = code_of(x[i] * inv + half, r->q_max);
}

static void round_offset(const struct block32_rule *r, struct block32 *b, const float *x)
{
    float lo = x[0], hi = x[0];
    for (int i = 1; i < 32; i++) {
        lo = x[i] < lo ? x[i] : lo;
        hi = x[i] > hi ? x[i] : hi;
    }
    float d = (hi - lo) / (float)r->q_max, inv = block_inverse(d);
    b->d = f32_to_f16(d);
    b->m = f32_to_f16(lo);
    for (int i = 0; i < 32; i++)
        b->q[i] = code_of((x[i] - lo) * inv + 0.5f, r->q_max);
}

static void search(const struct block32_rule *r, struct block32 b[4], int n, const float *x,
                   const float *importance)
{
    uint16_t d[4], m[4];
    fit_blocks(d, m, &r->grid, n, x, importance);
    for (int j = 0; j < n; j++, x += 32) {
        float inv = block_inverse(f16_to_f32(d[j])), offset = f16_to_f32(m[j]);
        float zero = r->zero > 0 ? (float)r->zero : 0;
        b[j].d = d[j];
        b[j].m = m[j];
        for (int i = 0; i < 32; i++)
            b[j].q[i] = code_of(fit_round((x[i] - offset) * inv) + zero, r->q_max);
    }
}

void block32_encode_row(const struct block32_rule *r, uint8_t *dst, const float *x, int64_t k,
                        const float *importance)
{
    struct block32 b[4];
    for (int64_t left = k / 32; left > 0; left -= 4) {
        int n = left < 4 ? (int)left : 4;
        if (importance)
            search(r, b, n, x, importance);
        for (int j = 0; j < n; j++, x += 32, dst += r->block_bytes) {
            if (!importance)
                (r->zero < 0 ? round_offset : round_centred)(r, &b[j], x);
            r->pack(dst, &b[j]);
        }
        importance = importance ? importance + 32 * n : NULL;
    }
}
