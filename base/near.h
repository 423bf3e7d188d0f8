/* Which names a mistyped one may have meant. */
#ifndef BASE_NEAR_H
#define BASE_NEAR_H

enum { NEAR_LONGEST = 64 };
/* Levenshtein's distance of a[n] and b[m], m at most NEAR_LONGEST. */
int near_distance(const char *a, int n, const char *b, int m);
/* Fills out[most] with those of names[n] that are like word, the likest first; returns how many. Case, hyphens and
 * other punctuation do not count. */
int near_names(const char *out[], int most, const char *word, const char *const *names, int n);
#endif
