/* What brief.md says, before it is written: the inputs as they stand, the choices, the steps. Order: brief_make -> read
 * -> brief_free. The decision must outlive it. */
#ifndef MATRIX_BRIEF_H
#define MATRIX_BRIEF_H
#include "matrix/matrix.h"

enum { MOST_BRIEF_CHOICES = 3, MOST_BRIEF_PAIRS = 16, MOST_BRIEF_STEPS = 8, MOST_BRIEF_LINES = 32 };
struct brief_pair {
    const char *name, *value;
};
struct brief_choice { /* "" where nothing is known */
    const struct row *row;
    const char *number, *model, *format, *framework, *file, *memory, *speed, *first_token, *kld, *score, *basis, *why;
};
struct brief_step {
    const char *title, *command, *text; /* one of command and text is "" */
};
struct brief {
    const char *title;
    struct brief_pair device[MOST_BRIEF_PAIRS], task[MOST_BRIEF_PAIRS], constraint[MOST_BRIEF_PAIRS],
        answer[MOST_BRIEF_PAIRS];
    int n_device, n_task, n_constraints, n_answer;
    struct brief_choice choice[MOST_BRIEF_CHOICES]; /* of different models where there are several, else formats */
    int n_choices;
    struct brief_step step[MOST_BRIEF_STEPS];
    int n_steps;
    const char *alternative[MOST_BRIEF_LINES], *note[MOST_BRIEF_LINES];
    int n_alternatives, n_notes;
    struct arena *arena;
};
/* device may be NULL: unknown. */
int brief_make(struct brief **out, const struct decision *d, const struct probe_device *device,
               const struct request *req, struct err *e);
void brief_free(struct brief *b);

/* The commands of a line that joins them by " && " outside quotes; returns how many, each kept in the arena. */
int brief_split_commands(struct arena *a, const char *line, const char *command[], int most);
#endif
