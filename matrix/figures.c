/* Figures as people read them. */
#include "matrix/figures.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const struct figure none = {"-"};

/* Three significant digits without an exponent. */
static void three_digits(char *s, size_t n, double v)
{
    int decimals = fabs(v) >= 99.95 ? 0 : fabs(v) >= 9.995 ? 1 : 2;
    snprintf(s, n, "%.*f", decimals, v);
}

struct figure figure_bytes(int64_t n)
{
    static const char *const unit[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    if (n < 0)
        return none;
    double v = (double)n;
    int u = 0;
    for (; v >= 1023.5 && u < 5; u++)
        v /= 1024;
    struct figure f;
    snprintf(f.s, sizeof f.s, "%.*f %s", u >= 3 && v < 99.95 ? 1 : u == 2 && v < 9.95 ? 1 : 0, v, unit[u]);
    return f;
}

struct figure figure_rate(double v)
{
    if (!isfinite(v))
        return none;
    struct figure f;
    three_digits(f.s, sizeof f.s, v);
    return f;
}

struct figure figure_range(double lo, double hi)
{
    struct figure f = {""};
    if (!isfinite(lo) || !isfinite(hi) || lo == hi)
        return f;
    int decimals = fabs(hi) >= 99.95 ? 0 : fabs(hi) >= 9.995 ? 1 : 2; /* both ends alike */
    snprintf(f.s, sizeof f.s, "%.*f-%.*f", decimals, lo, decimals, hi);
    return f;
}

static int kld_decimals(double v)
{
    return v >= 0.995 ? 1 : v >= 0.0995 ? 2 : v >= 0.00995 ? 3 : v >= 0.000995 ? 4 : 5;
}

struct figure figure_kld(double v)
{
    if (!isfinite(v))
        return none;
    struct figure f;
    if (v < 1e-4)
        snprintf(f.s, sizeof f.s, "%s", v <= 0 ? "0" : "< 0.0001");
    else
        snprintf(f.s, sizeof f.s, "%.*f", kld_decimals(v), v);
    return f;
}

struct figure figure_half(double v, double half)
{
    struct figure f = {""};
    int decimals = kld_decimals(v);
    if (isfinite(half) && v >= 1e-4 && half >= 0.5 * pow(10, -decimals))
        snprintf(f.s, sizeof f.s, "%.*f", decimals, half);
    return f;
}

struct figure figure_ms(double ms)
{
    if (!isfinite(ms))
        return none;
    struct figure f;
    if (ms >= 999.5)
        snprintf(f.s, sizeof f.s, "%.*f s", ms < 99500 ? 1 : 0, ms / 1000);
    else
        snprintf(f.s, sizeof f.s, "%.*f ms", ms < 9.95 ? 1 : 0, ms);
    return f;
}

struct figure figure_percent(double share)
{
    if (!isfinite(share))
        return none;
    struct figure f;
    snprintf(f.s, sizeof f.s, "%.1f %%", share * 100);
    return f;
}

struct figure figure_score(double share)
{
    return figure_rate(100 * share);
}

struct figure figure_score_range(double lo, double hi)
{
    return figure_range(100 * lo, 100 * hi);
}

struct figure figure_count(int64_t n)
{
    if (n < 0)
        return none;
    struct figure f;
    double v = (double)n;
    if (v >= 999.5e6)
        snprintf(f.s, sizeof f.s, "%.1f B", v / 1e9);
    else if (v >= 999.5e3)
        snprintf(f.s, sizeof f.s, "%.*f M", v < 9.95e6 ? 1 : 0, v / 1e6);
    else
        snprintf(f.s, sizeof f.s, "%.0f k", v / 1e3);
    return f;
}

const char *format_scheme(const char *format)
{
    const char *slash = strrchr(format, '/');
    return slash ? slash + 1 : format;
}
