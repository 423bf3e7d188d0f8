/* What one driver library answers; made in a child, sent over a pipe, checked by gpu.c. */
#ifndef PROBE_GPU_H
#define PROBE_GPU_H
#include "probe/parts.h"

struct gpu_found {
    struct probe_accel a;
    char slot[16]; /* "0000:01:00.0", or "" */
    bool npu;
};
struct gpu_answer {
    int n;
    struct gpu_found found[8];
};
struct gpu_api {
    const char *name;
    void (*ask)(struct gpu_answer *out); /* loads the library; n stays 0 when it is not there */
};
extern const struct gpu_api gpu_apis[];
extern const int n_gpu_apis;

/* Waits for what is still running, kills what is late; frees q. late: bit i is set when gpu_apis[i] did not answer in
 * time, crashed: when it died. */
void gpu_query_finish(struct gpu_query *q, struct gpu_answer *answers, unsigned *late, unsigned *crashed);
#endif
