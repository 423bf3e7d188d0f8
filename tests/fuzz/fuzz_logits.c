/* `_logits_` files from any bytes: what opens can be read to its last row. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include "bench/engine/logits_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    char path[64];
    struct logits_file f;
    struct err e = {0};
    int fd = memfd_create("logits", 0);
    if (fd < 0 || write(fd, data, n) != (ssize_t)n) {
        close(fd);
        return 0;
    }
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (logits_file_open(&f, path, &e) == 0) {
        float *row = malloc((size_t)f.n_vocab * sizeof *row);
        for (int c = 0; row && c < f.n_chunks; c++)
            for (int i = 0; i < f.rows_per_chunk; i++)
                logits_file_row(&f, c, i, row);
        logits_file_token(&f, (int64_t)f.n_chunks * f.n_ctx - 1);
        free(row);
        logits_file_close(&f);
    } else if (!e.text[0]) {
        abort();
    }
    close(fd);
    return 0;
}
