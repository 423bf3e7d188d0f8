/* A decoder as OpenVINO's runtime and openvino-genai expect it: inputs input_ids, attention_mask, position_ids,
 * beam_idx; the keys and values of each layer as states; output logits[batch][position][vocabulary]. */
#ifndef BENCH_EXPORT_OPENVINO_GRAPH_H
#define BENCH_EXPORT_OPENVINO_GRAPH_H
#include "bench/artifact/openvino_write.h"
#include "bench/engine/weights.h"

int ov_decoder(struct ir *g, const struct model *m, const struct weights *w, struct err *e);
#endif
