/* Between the two halves of `quantize` with a target: the run and what is printed of it. */
#ifndef CLI_QUANTIZE_MIX_H
#define CLI_QUANTIZE_MIX_H
#include "bench/engine/eval.h"
#include "bench/export/export.h"
#include "bench/quant/mix_verify.h"
#include "cli/cli.h"

enum mix_target { TARGET_BYTES, TARGET_BPW, TARGET_KLD };
struct mix_job {
    struct cli *c;
    enum mix_target target;
    struct model *model;
    struct calibration *calib;
    int32_t *tokens;
    struct mix_halves text;
    char text_name[256], text_sha256[65];
    const struct codec *codec[MIX_MOST_CODECS];
    struct mix_setup setup;
    struct mix *mix;
    struct use_assign *assign;
    struct weights *weights; /* the choice, encoded; NULL: not yet */
    struct eval_quality q;   /* of those */
    struct export_note note[16];
    int n_notes;
    char codec_names[256], target_text[64];
    int64_t header_bytes, target_bytes; /* target_bytes: of the file; the most it may have, or what a KLD came to */
    uint64_t start_ns;
};
int mix_print(struct mix_job *j);
#endif
