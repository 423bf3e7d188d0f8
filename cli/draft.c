/* Answers on the way to the answer. */
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "cli/job.h"
#include "reports/reports.h"

static bool in_place(const struct job *j)
{
    const struct cli *c = j->cli;
    return j->answers && isatty(1) && !c->json && !c->csv && !c->md && !c->brief;
}

/* Warnings since then stand below it and stay: then it stays too. */
void job_clear_draft(struct job *j)
{
    if (j->draft.n_lines > 0 && j->draft.n_warned == cli_n_warned())
        printf("\033[%dA\033[J", j->draft.n_lines);
    j->draft.n_lines = 0;
}

/* Lines that the text takes on a terminal so wide; what colours it takes no room. */
static int count_lines(const char *text, int columns)
{
    int n = 0, at = 0;
    const int width = columns > 0 ? columns : 80;
    for (const char *p = text; *p; p++) {
        if (*p == '\033')
            p += strcspn(p, "m");
        else if (*p == '\n')
            n += 1 + (at > 0 ? (at - 1) / width : 0), at = 0;
        else
            at += ((unsigned char)*p & 0xc0) != 0x80;
        if (!*p)
            break;
    }
    return n;
}

/* What scrolled out of a terminal cannot be replaced: where all of it does not fit, its first lines say enough. */
static size_t length_that_fits(const char *text, int columns)
{
    struct winsize w = {0};
    const char *end = strstr(text, "\n\n");
    bool fits = ioctl(1, TIOCGWINSZ, &w) < 0 || w.ws_row == 0 || count_lines(text, columns) + 2 < w.ws_row;
    return fits || !end ? strlen(text) : (size_t)(end + 1 - text);
}

static void draw(struct job *j, const struct decision *d, const char *stands_on)
{
    struct report_input in;
    struct sbuf b = {0};
    struct err e = {0};
    job_input(j, d, &in);
    if (writer_find("text")->write(&b, &in, &e) == 0 && b.n > 0 && !b.failed) {
        b.p[length_that_fits(b.p, in.columns)] = '\0';
        printf("%sestimate: %s; measuring goes on\n", b.p, stands_on);
        fflush(stdout);
        j->draft.n_lines = count_lines(b.p, in.columns) + 1;
        j->draft.n_warned = cli_n_warned();
    }
    sbuf_free(&b);
}

void job_draft(struct job *j, const struct decision *d, const char *stands_on)
{
    cli_progress_end(j->cli);
    if (in_place(j)) {
        job_clear_draft(j);
        draw(j, d, stands_on);
    } else if (!j->cli->req.quiet) {
        fprintf(stderr, "estimate (%s): %s\n", stands_on, d->headline);
    }
}
