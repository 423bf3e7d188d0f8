/* The user's list of prices: every row is checked, and a row that says nothing useful ends the reading with its line.
 */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "base/mem.h"
#include "base/os.h"
#include "datasets/catalogue.h"
#include "matrix/procurement.h"

enum { MOST_BYTES = 1 << 20, MOST_PRICES = 4096 };

static bool is_currency(const char *s)
{
    return strlen(s) == 3 && isupper((unsigned char)s[0]) && isupper((unsigned char)s[1]) &&
           isupper((unsigned char)s[2]);
}

/* "2026-11-02", a day of that month. */
static bool is_date(const char *s)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int y, m, d, n = 0;
    if (sscanf(s, "%4d-%2d-%2d%n", &y, &m, &d, &n) != 3 || n != 10 || s[10] || s[4] != '-' || s[7] != '-')
        return false;
    bool leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
    return y >= 1990 && m >= 1 && m <= 12 && d >= 1 && d <= days[m - 1] + (m == 2 && leap);
}

static int check_head(const struct csv *c, const char *where, struct err *e)
{
    static const char *const wanted[] = {"device", "price", "currency", "date"};
    for (int w = 0; w < 4; w++) {
        int i = 0;
        while (i < c->head.n && strcmp(c->head.field[i], wanted[w]) != 0)
            i++;
        if (i == c->head.n)
            return err_set(e, ERR_FORMAT, "%s: no column \"%s\"; the first line must be device,price,currency,date",
                           where, wanted[w]);
    }
    return 0;
}

static int read_price(struct price *p, const struct csv *c, int row, const char *where, struct err *e)
{
    const char *device = csv_text(c, "device"), *currency = csv_text(c, "currency"), *date = csv_text(c, "date");
    *p = (struct price){.amount = csv_number(c, "price")};
    if (!*device || strlen(device) >= sizeof p->device)
        return err_set(e, ERR_FORMAT,
                       "%s, row %d: the device has no name or too long a one; `whichquant list devices` "
                       "shows the ids",
                       where, row);
    if (!(p->amount > 0) || !isfinite(p->amount))
        return err_set(e, ERR_FORMAT, "%s, row %d: \"%.40s\" is no price; write a number above 0 such as 79.90", where,
                       row, csv_text(c, "price"));
    if (!is_currency(currency))
        return err_set(e, ERR_FORMAT, "%s, row %d: \"%.40s\" is no currency; write three capitals such as EUR", where,
                       row, currency);
    if (!is_date(date))
        return err_set(e, ERR_FORMAT,
                       "%s, row %d: \"%.40s\" is no date; a price needs the day it was seen, such as "
                       "2026-11-02",
                       where, row, date);
    snprintf(p->device, sizeof p->device, "%s", device);
    snprintf(p->currency, sizeof p->currency, "%s", currency);
    snprintf(p->date, sizeof p->date, "%s", date);
    return 0;
}

/* The later of two prices of one device stays. */
static int keep_price(struct prices *p, const struct price *new, int row, const char *where, struct err *e)
{
    for (int i = 0; i < p->n; i++) {
        struct price *old = &p->price[i];
        if (strcmp(old->device, new->device) != 0)
            continue;
        int order = strcmp(new->date, old->date);
        if (order == 0 && (new->amount != old->amount || strcmp(new->currency, old->currency) != 0))
            return err_set(e, ERR_FORMAT, "%s, row %d: a second price of %s on %s; keep one of them", where, row,
                           new->device, new->date);
        if (order > 0)
            *old = *new;
        return 0;
    }
    if (p->n == MOST_PRICES)
        return err_set(e, ERR_LIMIT, "%s has more than %d devices; keep those that the report is about", where,
                       MOST_PRICES);
    p->price[p->n++] = *new;
    return 0;
}

int prices_parse(struct prices *p, const char *text, const char *where, struct err *e)
{
    struct csv c;
    struct price price;
    *p = (struct prices){0};
    if (strncmp(text, "\xef\xbb\xbf", 3) == 0) /* as spreadsheets write it */
        text += 3;
    if (!csv_open(&c, text))
        return err_set(e, ERR_FORMAT, "%s is empty; its first line must be device,price,currency,date", where);
    int rc = check_head(&c, where, e);
    if (rc == 0 && !(p->price = mem_alloc_n(MOST_PRICES, sizeof *p->price)))
        rc = err_nomem(e, MOST_PRICES * sizeof *p->price, "the prices");
    int row = 2;
    for (; rc == 0 && csv_next(&c); row++) {
        rc = read_price(&price, &c, row, where, e);
        if (rc == 0)
            rc = keep_price(p, &price, row, where, e);
    }
    while (*c.at == '\n' || *c.at == '\r')
        c.at++;
    if (rc == 0 && *c.at)
        rc = err_set(e, ERR_FORMAT, "%s, row %d: too many or too long fields", where, row);
    if (rc == 0 && p->n == 0)
        rc = err_set(e, ERR_FORMAT, "%s holds no price; a row looks like raspberry-pi-5-8gb,79.90,EUR,2026-11-02",
                     where);
    if (rc < 0)
        prices_free(p);
    return rc;
}

int prices_read(struct prices *p, const char *path, struct err *e)
{
    char *text;
    size_t n;
    *p = (struct prices){0};
    int rc = file_read(path, MOST_BYTES, &text, &n, e);
    if (rc < 0)
        return rc;
    rc = strlen(text) == n ? prices_parse(p, text, path, e)
                           : err_set(e, ERR_FORMAT, "%s holds zero bytes: it is no CSV text", path);
    mem_free(text);
    return rc;
}

const struct price *price_of(const struct prices *p, const char *device)
{
    for (int i = 0; i < p->n; i++)
        if (strcmp(p->price[i].device, device) == 0)
            return &p->price[i];
    return NULL;
}

void prices_free(struct prices *p)
{
    mem_free(p->price);
    *p = (struct prices){0};
}
