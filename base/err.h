/* Errors: a negative code is returned, the sentence goes to the caller's struct err.
 * The sentence says what failed, where, and what to do about it. Nothing below cli/ prints or exits. */
#ifndef BASE_ERR_H
#define BASE_ERR_H

enum err_code {
    ERR_IO = -1,           /* the system refused: open, read, write, disk full */
    ERR_FORMAT = -2,       /* a file or text is malformed */
    ERR_UNSUPPORTED = -3,  /* well-formed, but not something this program handles */
    ERR_NOMEM = -4,        /* an allocation failed */
    ERR_USAGE = -5,        /* the caller asked for something contradictory */
    ERR_LIMIT = -6,        /* does not fit: memory, disk, context */
    ERR_MISSING = -7,      /* a file, program or library is not there */
    ERR_TIMEOUT = -8,
    ERR_CRASHED = -9,      /* a child died of a signal */
    ERR_CANCELLED = -10,   /* SIGINT, or the caller's stop flag */
    ERR_DATA = -11,        /* NaN or Inf where numbers are needed */
    ERR_NOT_REACHED = -12, /* the time given for all ended first */
};

struct err {
    int code;
    char text[512];
};

/* Fills *e (which may be NULL) and returns code, so that `return err_set(...)` reads well. */
int err_set(struct err *e, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Puts "context: " before the sentence already in *e; returns e's code. */
int err_context(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* "cannot allocate N bytes for WHAT"; returns ERR_NOMEM. */
int err_nomem(struct err *e, unsigned long long bytes, const char *what);

#endif
