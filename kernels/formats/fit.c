/* Importances, gains, and the search as the baseline machine does it: four sub-blocks at a time (fit.h, fit_lanes.h).
 */
#define LANES 4
#include "kernels/formats/fit_lanes.h"

void fit_weigh(float *w, const float *x, const float *importance, int n)
{
    double sum = 0, squares = 0;
    for (int i = 0; i < n && !importance; i++)
        w[i] = 1;
    if (!importance)
        return;
    for (int i = 0; i < n; i++) {
        sum += (double)importance[i];
        squares += (double)x[i] * (double)x[i];
    }
    double unit = sum > 0 ? n / sum : 0, spread = squares > 0 ? 0.5 * n / squares : 0;
    for (int i = 0; i < n; i++) {
        double large = (double)x[i] * (double)x[i] * spread;
        w[i] = sum > 0 ? importance[i] * (float)unit * sqrtf(1 + (float)large) + 0x1p-10f : 1;
    }
}

float fit_gain(const struct fit_sums *s)
{
    double most = 1.5;
    if (!(s->xx > s->xy && s->xy > 0))
        return 1;
    return (float)(s->xx < most * s->xy ? s->xx / s->xy : most);
}

void fit_super(struct fit_super *f, float *decoded, const struct fit_grid *g, const float *x, const float *importance)
{
    fit_super_lanes(f, decoded, g, x, importance);
}

void fit_blocks(uint16_t scale[4], uint16_t offset[4], const struct fit_grid *g, int n_blocks, const float *x,
                const float *importance)
{
    struct group p;
    float w[4 * 32];
    fit_weigh(w, x, importance, n_blocks * g->len);
    if (g->offset) {
        group_load(&p, g, (struct kind){true, true}, 0, n_blocks, x, w);
        group_fit(&p, g, (struct kind){true, true});
    } else {
        group_load(&p, g, (struct kind){true, false}, 0, n_blocks, x, w);
        group_fit(&p, g, (struct kind){true, false});
    }
    for (int j = 0; j < 4; j++) {
        scale[j] = f32_to_f16(store_f16(p.s[j]));
        offset[j] = f32_to_f16(store_f16(p.b[j]));
    }
}
