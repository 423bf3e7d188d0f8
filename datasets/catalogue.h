/* The facts that are linked into the program: CSV files with a header row, every figure with its source.
 * Order: csv_open -> csv_next until false -> csv_text, csv_number of the current row. Nothing is allocated.
 */
#ifndef DATASETS_CATALOGUE_H
#define DATASETS_CATALOGUE_H
#include <stdbool.h>

extern const char dataset_frameworks[], dataset_published_quality[], dataset_published_speeds[], dataset_claims[],
    dataset_devices[], dataset_usable[], dataset_models[], dataset_compatibility[];
/* datasets/workers: Python sources. */
extern const char dataset_worker[], dataset_worker_onnxruntime[], dataset_worker_onnxruntime_genai[],
    dataset_worker_openvino[], dataset_worker_openvino_genai[], dataset_worker_mlx[], dataset_worker_llama_py[],
    dataset_worker_transformers[], dataset_worker_vllm[];
/* datasets/producers: Python sources, workers with one call more. */
extern const char dataset_producer_nncf[], dataset_producer_olive[];

enum { CSV_FIELDS = 64, CSV_ROW = 2048 };
struct csv_row {
    int n;
    const char *field[CSV_FIELDS];
    char text[CSV_ROW];
};
struct csv {
    const char *at; /* what is still to be read; NUL-terminated */
    struct csv_row head, row;
};
/* False when there is no header row. RFC 4180; a row of more than CSV_FIELDS fields or CSV_ROW bytes ends the
 * reading. */
bool csv_open(struct csv *c, const char *text);
bool csv_next(struct csv *c);
const char *csv_text(const struct csv *c, const char *column); /* "" when empty or unknown */
double csv_number(const struct csv *c, const char *column);    /* NaN when empty, unknown or no number */
#endif
