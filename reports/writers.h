/* Inside reports/ only: the functions behind writers.def, and what they share. */
#ifndef REPORTS_WRITERS_H
#define REPORTS_WRITERS_H
#include "base/json.h"
#include "reports/reports.h"

#define W(ext, file, function, doc) int function(struct sbuf *out, const struct report_input *in, struct err *e);
#include "reports/writers.def"
#undef W

json_t *report_row_json(const struct row *r);
json_t *report_string_json(const char *s); /* cleaned; null for "" */
json_t *report_strings_json(const char *const *s, int n);
/* "PICK" "beaten" "over limit" ...: the verdict as a word that tells rows apart. */
const char *verdict_label(const struct row *r);
/* "pick" "front" "beaten" "over" "veto" "cannot" "failed" "own": the look of the row (colours, CSS class). */
const char *verdict_look(const struct row *r);
const char *provenance_label(const char *from); /* "measured" "equiv." "shape" "est." "publ." "" */
/* "MODEL on DEVICE", cleaned for nothing: escape it. */
void report_title(struct sbuf *b, const struct report_input *in);
int report_end(struct sbuf *out, const char *what, struct err *e); /* ERR_NOMEM when the buffer failed */
/* Was accuracy on tasks measured for any row? */
bool decision_has_tasks(const struct decision *d);
#endif
