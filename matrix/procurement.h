/* Devices side by side: the best choice on each, its speed, and that per watt and per price. Prices come from a file
 * of the user's with a date each. Order: prices_read -> procurement_make -> read -> procurement_free, prices_free. */
#ifndef MATRIX_PROCUREMENT_H
#define MATRIX_PROCUREMENT_H
#include "matrix/capacity.h"
#include "matrix/upgrade.h"

struct price {
    char device[64], currency[4], date[11]; /* "EUR", "2026-11-02" */
    double amount;
};
struct prices {
    struct price *price;
    int n;
};
/* FILE.csv with the columns device,price,currency,date. Of several prices of one device the latest counts. */
int prices_read(struct prices *p, const char *path, struct err *e);
int prices_parse(struct prices *p, const char *text, const char *where, struct err *e);
const struct price *price_of(const struct prices *p, const char *device); /* NULL: none */
void prices_free(struct prices *p);

/* A device and the decision for it. */
struct offer {
    const char *device, *name, *watts_from;
    const struct decision *decision;
    double watts;              /* NaN unknown; a meter's, where the choice was measured with one, takes its place */
    const struct price *price; /* NULL: none */
    const char *machine;       /* its id in the fleet; NULL: it has none */
    const char *figures;       /* "measured" "predicted"; NULL: not said */
    const struct capacity *capacity; /* NULL: not asked for */
    const struct upgrade *upgrade;   /* NULL: not asked for */
};
enum { PRICE_OLD_DAYS = 90 };
/* Days from one date since 1970 to another, "2026-11-02" or with a time behind it; INT64_MIN: one is no date. */
int64_t days_between(const char *from, const char *to);
struct procured {
#define X(type, name, doc) VALUE_##type name;
#include "matrix/procurement.def"
#undef X
    const struct decision *decision;
};
struct procurement {
    struct procured *row; /* in the order of the offers; strings belong to these */
    int n;
    int fastest, thriftiest,
        cheapest;         /* rows: best speed, per watt, per price; -1 none, or prices in several currencies */
    const char *currency; /* of all prices; "" none or several */
    const char *need, *limits; /* name of the set of limits and what they are; "" */
    char date[32];             /* of the report */
    bool one_model;       /* the choice is the same model everywhere: speeds are of one and the same work */
};
int procurement_make(struct procurement *p, const struct offer *offer, int n, struct err *e);
/* The row of the best tok/s for 1000 of that currency; -1 none. */
int procurement_cheapest(const struct procurement *p, const char *currency);
void procurement_free(struct procurement *p);
#endif
