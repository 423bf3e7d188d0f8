/* Lists of words with single spaces between, as the tables write them: "gguf base". */
#ifndef BASE_WORDS_H
#define BASE_WORDS_H
#include <stdbool.h>
#include <stddef.h>

/* Is one of them the first n bytes of word? */
bool words_have(const char *list, const char *word, size_t n);
#endif
