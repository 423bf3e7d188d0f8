/* Number formats of the KV cache: one row of kv.def each, K and V apart. A format is a codec over the values of one
 * head at one position, or of one channel at consecutive positions, who runs it, and how that runtime rounds Q for the
 * product with K.
 * Order: kv_parse -> kv_check (the model's heads) -> struct engine_opts.kv, and kv_peaks where kv_needs_peaks. */
#ifndef BENCH_ENGINE_KV_H
#define BENCH_ENGINE_KV_H
#include <stdbool.h>
#include "base/err.h"
#include "kernels/formats/codec.h"

struct kv_peaks;
struct model_desc;

enum { KV_MOST_POSITIONS = 64 };

struct kv_format {
    const char *name, *frameworks; /* words */
    const char *codec;
    struct qpar par;
    const char *encoder; /* the activation rule that writes rows as the runtime does; NULL: the codec itself */
    const char *q;       /* the activation rule of Q; NULL: f32 */
    bool floats;         /* no blocks: V may be stored transposed */
    bool rotated;        /* heads of a multiple of 64 go through a Hadamard matrix first */
    int v_id;            /* of keys only: the format of V that goes with it; 0: any */
    int positions;       /* so many of a channel are encoded together; 0: a head at one position is */
    int exact;           /* the newest positions, since the last multiple of this, are f16; 0: none are */
    enum kv_scale { KV_SCALE_FOUND, KV_SCALE_TENSOR, KV_SCALE_CHANNEL } scale; /* the latter two: settled before */
    float range; /* of the whole tensor, fixed: its scale is range / largest code; 0: found in the data */
    const char *verified_by, *doc;
};
extern const struct kv_format kv_formats[];
extern const int n_kv_formats;
enum kv_id {
#define KV(id, ...) KV_ID_##id,
#include "bench/engine/kv.def"
#undef KV
};
struct kv_pair { /* NULL: f16 */
    const struct kv_format *k, *v;
};
#define KV_BOTH(id) ((struct kv_pair){&kv_formats[KV_ID_##id], &kv_formats[KV_ID_##id]})

/* "q8_0" or, K before V, "q8_0/q4_0". ERR_USAGE for names that are not there. */
int kv_parse(struct kv_pair *out, const char *text, struct err *e);
/* The same, written again. */
const char *kv_name(struct kv_pair p, char buf[48]);
/* ERR_UNSUPPORTED where blocks do not divide the heads of the model. */
int kv_check(struct kv_pair p, const struct model_desc *d, struct err *e);
/* ERR_UNSUPPORTED where that framework has no such cache; NULL and "weights-only" have all. */
int kv_check_framework(struct kv_pair p, const char *framework, struct err *e);
/* Settled scales are made of kv_peaks.h. ERR_UNSUPPORTED where they are needed and not there. */
bool kv_needs_peaks(struct kv_pair p);
int kv_check_peaks(struct kv_pair p, const struct kv_peaks *peaks, struct err *e);
bool kv_is_verified(struct kv_pair p);
/* Bytes of one more position in every layer. */
double kv_bytes_per_token(struct kv_pair p, const struct model_desc *d);
#endif
