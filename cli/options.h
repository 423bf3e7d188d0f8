/* The rows of options.def: what parses a command line and what writes one again. */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H
#include <stddef.h>
#include "cli/cli.h"

enum option_type { FLAG, INT, NUM, TEXT, LIST, LINES, SIZE, TIME, U64 };
struct option_row {
    const char *name;
    char letter;
    enum option_type type;
    size_t at;
    int groups;
    const char *metavar, *help;
};
extern const struct option_row option_rows[];
extern const int n_option_rows;

/* One more text of n characters. */
int option_list_add(struct text_list *l, const char *text, size_t n, struct err *e);
#endif
