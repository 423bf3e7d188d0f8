/* Records from what other tools wrote: a machine on which nothing of ours can be installed still gets its row.
 * Understood by content, not by name: our own records.jsonl; llama-bench as json, jsonl, csv, sql; the text of
 * llama-perplexity; any CSV with the columns metric and value. */
#ifndef BENCH_IMPORT_H
#define BENCH_IMPORT_H
#include "bench/record.h"

/* *out[*n] is freed with mem_free. device: a name for the machine, NULL: what the file says. Rows that cannot be used
 * become records with a status and a reason; a file without any usable row is ERR_FORMAT. */
int import_file(const char *path, const char *device, struct record **out, int *n, struct err *e);
/* The same from memory (NUL-terminated); `where` names it in sentences. */
int import_text(const char *text, size_t size, const char *where, const char *device, struct record **out, int *n,
                struct err *e);
#endif
