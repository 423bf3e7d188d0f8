/* Names alike: letters and digits alone are compared, by how many are to be changed, added or left out. */
#include "base/near.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

static int squeeze(char out[NEAR_LONGEST + 1], const char *s)
{
    int n = 0;
    for (; *s && n < NEAR_LONGEST; s++)
        if (isalnum((unsigned char)*s))
            out[n++] = (char)tolower((unsigned char)*s);
    out[n] = 0;
    return n;
}

/* One row of the table at a time. */
int near_distance(const char *a, int n, const char *b, int m)
{
    int row[NEAR_LONGEST + 1];
    for (int j = 0; j <= m; j++)
        row[j] = j;
    for (int i = 0; i < n; i++) {
        int corner = row[0];
        row[0] = i + 1;
        for (int j = 0; j < m; j++) {
            int change = corner + (a[i] != b[j]), best = row[j] < row[j + 1] ? row[j] : row[j + 1];
            corner = row[j + 1];
            row[j + 1] = change < best + 1 ? change : best + 1;
        }
    }
    return row[m];
}

/* Letters to change; what one of both merely has more is counted a quarter when the other is all in it. Negative:
 * nothing alike. */
static int unlike(const char *a, int n, const char *b, int m)
{
    bool within = n >= 2 && m >= 2 && (strstr(a, b) || strstr(b, a));
    if (within)
        return (n > m ? n - m : m - n);
    int d = near_distance(a, n, b, m) * 4;
    return d <= 2 * (n > m ? n : m) ? d : -1;
}

int near_names(const char *out[], int most, const char *word, const char *const *names, int n)
{
    char a[NEAR_LONGEST + 1], b[NEAR_LONGEST + 1];
    int cost[16], found = 0, len = squeeze(a, word);
    most = most < 16 ? most : 16;
    for (int i = 0; i < n; i++) {
        int c = unlike(a, len, b, squeeze(b, names[i]));
        if (c < 0)
            continue;
        int at = found;
        while (at > 0 && cost[at - 1] > c)
            at--;
        if (at >= most)
            continue;
        found += found < most;
        for (int k = found - 1; k > at; k--) {
            cost[k] = cost[k - 1];
            out[k] = out[k - 1];
        }
        cost[at] = c;
        out[at] = names[i];
    }
    return found;
}
