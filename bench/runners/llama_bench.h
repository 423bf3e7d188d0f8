/* Rows of llama-bench's output, whatever build wrote them: the part of its table that records keep. */
#ifndef BENCH_RUNNERS_LLAMA_BENCH_H
#define BENCH_RUNNERS_LLAMA_BENCH_H
#include "bench/record.h"

struct llama_bench_row {
    char build_commit[48], cpu_info[96], gpu_info[96], backends[32], model_filename[512], model_type[128], type_k[16],
        test_time[32];
    double build_number, model_size, model_n_params, n_batch, n_threads, n_gpu_layers, n_prompt, n_gen, n_depth, avg_ns,
        avg_ts; /* NaN where absent */
    struct samples ns;
};
void llama_bench_row_init(struct llama_bench_row *r);
/* One cell of csv or sql by the name of its column; columns that are not kept are ignored. */
void llama_bench_row_set(struct llama_bench_row *r, const char *column, const char *text);
void llama_bench_row_from_json(struct llama_bench_row *r, const json_t *o);
/* Fills what follows from other fields; false when the row tells no speed (ERR_FORMAT's reason in *why). */
bool llama_bench_row_finish(struct llama_bench_row *r, const char **why);
/* json (an array) or jsonl (an object a line; other lines are skipped). fn returns non-zero to stop. Returns how many
 * rows there were, or what fn returned when that is negative. */
int llama_bench_each(const char *text, size_t n, int (*fn)(void *arg, const struct llama_bench_row *r), void *arg);

/* Nothing of it was computed by another device. */
bool llama_bench_on_cpu(const struct llama_bench_row *row);

/* Identity and speed of the row into the record: framework, version, backend, model, format, workload. */
void llama_bench_describe(const struct llama_bench_row *row, struct record *r);
/* "llama 1B Q4_K - Medium" -> "gguf/q4_k_m"; NULL when no label is known. *n = length of what stands before the label.
 */
const char *llama_bench_format(const char *model_type, size_t *n);
#endif
