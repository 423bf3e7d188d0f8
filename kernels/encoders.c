/* The table of weight encoders (encoders.h). */
#include "kernels/encoders.h"
#include <string.h>

const struct encoder encoders[] = {
#define ENCODER(symbol, codec, needs) {#symbol, codec, needs, symbol},
#include "kernels/encoders.def"
#undef ENCODER
    {NULL, NULL, 0, NULL},
};
const int n_encoders = sizeof encoders / sizeof *encoders - 1;

weight_encoder *encoder_find(const struct codec *c, uint64_t isa)
{
    for (int i = 0; i < n_encoders; i++)
        if (!strcmp(encoders[i].codec, c->name) && !(encoders[i].needs & ~isa))
            return encoders[i].encode;
    return c->encode;
}
