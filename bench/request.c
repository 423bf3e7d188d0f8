/* Defaults of a request, and the names of the objectives. */
#include "bench/request.h"

#include <math.h>
#include <string.h>

static const char *const objective_names[N_OBJECTIVES] = {
    [OBJECTIVE_BALANCED] = "balanced", [OBJECTIVE_QUALITY] = "quality", [OBJECTIVE_SPEED] = "speed",
    [OBJECTIVE_MEMORY] = "memory",     [OBJECTIVE_ENERGY] = "energy",
};

const char *objective_name(enum objective o)
{
    return (unsigned)o < N_OBJECTIVES ? objective_names[o] : "";
}

int objective_find(const char *name)
{
    for (int i = 0; i < N_OBJECTIVES; i++)
        if (strcmp(name, objective_names[i]) == 0)
            return i;
    return -1;
}

static const char *const tasks[] = {"chat", "code", "extract", "summarize", "translate", "reason"};

int task_names(const char *const **out)
{
    *out = tasks;
    return (int)(sizeof tasks / sizeof *tasks);
}

int task_find(const char *name)
{
    for (size_t i = 0; i < sizeof tasks / sizeof *tasks; i++)
        if (strcmp(name, tasks[i]) == 0)
            return (int)i;
    return -1;
}

void request_defaults(struct request *r)
{
    *r = (struct request){
        .n_ctx_eval = 512,
        .isa = UINT64_MAX,
        .budget_s = NAN,
        .want = {.ram_bytes = -1,
                 .vram_bytes = -1,
                 .disk_bytes = -1,
                 .ctx = 4096,
                 .n_prompt = 512,
                 .n_gen = -1,
                 .min_decode_tok_s = NAN,
                 .max_ttft_s = NAN,
                 .max_kld = NAN,
                 .min_quality = NAN,
                 .max_watts = NAN,
                 .battery_hours = NAN,
                 .battery_wh = NAN,
                 .objective = OBJECTIVE_BALANCED},
    };
}
