/* Lists of words with single spaces between. */
#include "base/words.h"
#include <string.h>

bool words_have(const char *list, const char *word, size_t n)
{
    for (const char *p = list; p; p = strchr(p, ' ') ? strchr(p, ' ') + 1 : NULL)
        if (strncmp(p, word, n) == 0 && (p[n] == ' ' || p[n] == 0))
            return true;
    return false;
}
