/* Inside reports/ only: what the writers of a fleet share. Everything said is plain; each writer escapes for itself. */
#ifndef REPORTS_FLEET_PARTS_H
#define REPORTS_FLEET_PARTS_H
#include "reports/fleet.h"

struct device_column {
    const char *heading, *attributes;
    bool on_screen;
    void (*say)(struct sbuf *b, const struct procured *r);
    void (*below)(struct sbuf *b, const struct procured *r);                       /* smaller, below; NULL: nothing */
    enum { FROM_NOTHING, FROM_SPEED, FROM_QUALITY, FROM_TASK, FROM_FIGURES } from; /* whose badge */
};
extern const struct device_column device_columns[];
extern const int n_device_columns;
const char *device_from(const struct device_column *c, const struct procured *r);
/* Does any machine have something there? */
bool device_column_used(const struct device_column *c, const struct procurement *p);

/* The rows that are first in something: "Fastest", its figure with its unit. */
struct device_first {
    const char *words;
    const struct procured *row;
    char figure[80];
};
enum { MOST_FIRSTS = 12 };
int device_firsts(const struct procurement *p, struct device_first first[MOST_FIRSTS]);

/* What all machines can run, a paragraph each: the answer, its ties, what it gains without one machine. */
enum { MOST_SENTENCES = 8 };
struct sentences {
    struct sbuf of[MOST_SENTENCES];
    const char *label[MOST_SENTENCES];
    int n;
};
void standard_say(struct sentences *s, const struct fleet_need *n);
/* A machine's: why nothing fits, what more memory or bandwidth would allow, its price's age, users. */
void upgrades_say(struct sentences *s, const struct procured *r);
bool upgrades_any(const struct procurement *p);
void sentences_free(struct sentences *s);
/* The choice of a machine in short: "qwen3-4b q4_k_m, 15.2"; "none: memory". */
void choice_say(struct sbuf *b, const struct procured *r);
extern const char fleet_note[], fleet_other_models[];
void fleet_title(struct sbuf *b, const struct fleet *f); /* "4 machines, 2 measured, 2 predicted" */
#endif
