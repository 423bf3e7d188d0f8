/* Import on any bytes: records or a sentence; what comes out as records can be written and read back. */
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "bench/import.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct record *rec = NULL, back;
    struct err e = {0};
    int n_rec = 0;
    char *text = malloc(n + 1);
    memcpy(text, data, n);
    text[n] = 0;
    int rc = import_text(text, n, "fuzz", n % 2 ? "box" : NULL, &rec, &n_rec, &e);
    if (rc == 0 ? n_rec < 1 : !e.text[0])
        abort();
    for (int i = 0; i < n_rec; i++) {
        json_t *j = record_to_json(&rec[i]);
        if (!j || record_from_json(&back, j, &e) < 0)
            abort();
        json_decref(j);
    }
    mem_free(rec);
    free(text);
    return 0;
}
