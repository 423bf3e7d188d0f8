/* Safetensors of any bytes: every tensor that is found lies within the file. */
#include <stdlib.h>
#include "bench/artifact/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct safetensors *s;
    struct err e = {0};
    if (safetensors_open_memory(&s, data, n, "fuzz", &e)) {
        if (!e.text[0])
            abort();
        return 0;
    }
    unsigned sum = 0;
    for (int64_t i = 0; i < s->n_tensors; i++) {
        const struct st_tensor *t = &s->tensor[i];
        for (size_t k = 0; k < t->bytes; k++)
            sum += t->data[k];
        if (safetensors_find(s, t->name) != t || (t->bytes && (t->data < data || t->data + t->bytes > data + n)))
            abort();
    }
    safetensors_close(s);
    return (int)(sum & 0);
}
