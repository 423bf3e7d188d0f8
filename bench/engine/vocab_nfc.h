/* Normalization form C (letters and their marks composed), which some tokenizer.json ask for before words are cut. */
#ifndef BENCH_ENGINE_VOCAB_NFC_H
#define BENCH_ENGINE_VOCAB_NFC_H
#include <stdbool.h>
#include <stddef.h>
#include "base/err.h"
#include "base/sbuf.h"

/* Nothing from U+0300 on is in the text, where the first mark is: it is composed as it stands. */
bool nfc_is_plain(const char *text, size_t n);
/* Appends the text composed. Bytes that are no UTF-8 stay and part what lies before from what lies behind. */
int nfc_add(struct sbuf *out, const char *text, size_t n, struct err *e);
#endif
