/* Weight encoders for the machine at hand: rows of encoders.def, the same bytes as the codec's own in less time. */
#ifndef KERNELS_ENCODERS_H
#define KERNELS_ENCODERS_H
#include <stdint.h>
#include "base/isa.h"
#include "kernels/formats/codec.h"

#if defined(__x86_64__)
#define KERNELS_X86 1
#else
#define KERNELS_X86 0
#endif
#define NEED_AVX2   (ISA(AVX2) | ISA(FMA) | ISA(F16C))
#define NEED_AVX512 (NEED_AVX2 | ISA(AVX512F) | ISA(AVX512BW) | ISA(AVX512VL) | ISA(AVX512DQ))

typedef int weight_encoder(struct qmat *q, int64_t r0, int64_t r1, const float *w, const struct wstat *stat,
                           const struct calib *cal, struct arena *a);
struct encoder {
    const char *name, *codec;
    uint64_t needs; /* ISA() bits */
    weight_encoder *encode;
};
extern const struct encoder encoders[];
extern const int n_encoders;
/* The best row whose needs are in the mask, else the codec's own. */
weight_encoder *encoder_find(const struct codec *c, uint64_t isa);

#define ENCODER(symbol, codec, needs) weight_encoder symbol;
#include "kernels/encoders.def"
#undef ENCODER
#endif
