/* Which formats are worth measuring first, and which in a real framework: those that lead or tie so far, then those
 * that only others beat; where a framework has none of them its best one all the same, so that its speed beside the own
 * engine's is known. */
#include <string.h>
#include "bench/quant/recipe.h"
#include "matrix/matrix.h"

struct choice {
    const struct decision *d;
    const struct exporter *container;
    const char **formats;
    int n, most;
};

static bool in_group(const struct row *r, int step)
{
    static const char *const verdicts[][2] = {{"recommended", "ok"}, {"dominated", "dominated"}};
    if (step == 2)
        return r->ran;
    return !strcmp(r->verdict, verdicts[step][0]) || !strcmp(r->verdict, verdicts[step][1]);
}

static void take(struct choice *c, int step, int most)
{
    for (int i = 0; i < c->d->n_rows && c->n < most && c->n < c->most; i++) {
        const struct row *r = &c->d->row[i];
        const struct recipe *recipe = r->own || *r->kv_note || !in_group(r, step) ? NULL : recipe_find(r->format);
        bool wanted = recipe && exporter_find(recipe) == c->container;
        for (int k = 0; k < c->n; k++)
            wanted &= strcmp(c->formats[k], recipe ? r->format : "") != 0;
        if (wanted)
            c->formats[c->n++] = r->format;
    }
}

int matrix_contenders(const struct decision *d, const struct exporter *container, bool all, const char *formats[],
                      int most)
{
    enum { LEADING = 3, WITH_BEATEN = 2, AT_LEAST = 1 };
    struct choice c = {d, container, formats, 0, most};
    take(&c, 0, all ? most : LEADING);
    take(&c, 1, all ? most : WITH_BEATEN);
    take(&c, 2, all ? most : AT_LEAST);
    return c.n;
}

static bool is_likely(const struct row *r, int step)
{
    bool quantized = strncmp(r->format, "base/", 5) != 0;
    return quantized == (step < 2) && (in_group(r, step % 2) || (step == 1 && !strcmp(r->veto, "max_kld")));
}

static int add_once(const char *formats[], int n, const char *name)
{
    for (int k = 0; k < n; k++)
        if (strcmp(formats[k], name) == 0)
            return n;
    formats[n] = name;
    return n + 1;
}

int matrix_likely(const struct decision *d, const char *formats[], int most)
{
    const int known[] = {d->recommended, d->neighbour_row[0], d->neighbour_row[1]};
    int n = 0;
    for (int i = 0; i < 3 && n < most; i++)
        if (known[i] >= 0)
            n = add_once(formats, n, d->row[known[i]].format);
    for (int step = 0; step < 3; step++)
        for (int i = 0; i < d->n_rows && n < most; i++)
            if (is_likely(&d->row[i], step))
                n = add_once(formats, n, d->row[i].format);
    return n;
}
