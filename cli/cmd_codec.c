/* codec: raw f32 rows through one format and back, for checking it against any other implementation. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/half.h"
#include "base/mem.h"
#include "base/os.h"
#include "bench/quant/recipe.h"
#include "cli/cli.h"

struct job {
    struct recipe recipe;
    const struct codec *codec;
    const struct act *act;
    bool usual; /* a bare codec with its usual parameters */
    struct qmat q;
    char *bytes; /* the input: f32, little-endian, as it came */
    float *x;    /* [rows][cols] */
    size_t n_bytes, n;
};

static const char *const number_names[] = {"f32", "f16", "bf16", "e8m0", "e4m3", NULL};
static const char *const zero_names[] = {"none", "code", "float", NULL};

static int find_name(const char *const *names, const char *text)
{
    for (int i = 0; names[i]; i++)
        if (strcmp(names[i], text) == 0)
            return i;
    return -1;
}

static int set_group(struct qpar *p, const char *value)
{
    p->group = atoi(value);
    return 0;
}
static int set_bits(struct qpar *p, const char *value)
{
    p->bits = (uint8_t)atoi(value);
    return p->bits < 1 || p->bits > 8;
}
static int set_sym(struct qpar *p, const char *value)
{
    p->sym = *value == '1';
    return 0;
}
static int set_scale(struct qpar *p, const char *value)
{
    int i = find_name(number_names, value);
    p->scale_type = (uint8_t)i;
    return i < 0;
}
static int set_zero(struct qpar *p, const char *value)
{
    int i = find_name(zero_names, value);
    p->zero_type = (uint8_t)i;
    return i < 0;
}

static const struct parameter {
    const char *key;
    int (*set)(struct qpar *p, const char *value);
} parameters[] = {{"bits", set_bits}, {"sym", set_sym}, {"group", set_group}, {"scale", set_scale}, {"zero", set_zero}};

/* bits=4,sym=1,group=32,scale=f16,zero=code: the parameters of a bare codec. */
static int parse_parameters(struct qpar *p, const char *text, struct err *e)
{
    for (; *text; text += strcspn(text, ","), text += *text == ',') {
        char key[8] = "", value[8] = "";
        bool bad = sscanf(text, "%7[a-z]=%7[-0-9a-z]", key, value) != 2, known = false;
        for (size_t i = 0; i < sizeof parameters / sizeof *parameters && !bad; i++)
            if (strcmp(parameters[i].key, key) == 0)
                known = true, bad = parameters[i].set(p, value);
        if (bad || !known)
            return err_set(e, ERR_USAGE,
                           "codec parameters %s: give bits=, sym=, group=, scale= (f32 f16 bf16 e8m0 e4m3) and zero= "
                           "(none code float)",
                           text);
    }
    return 0;
}

/* A format of `list formats` (with variants), or a bare codec of `list codecs` (with parameters behind @). */
static int choose(struct job *j, const char *name, struct err *e)
{
    char bare[32] = "";
    size_t n = strcspn(name, "@");
    if (n < sizeof bare)
        memcpy(bare, name, n);
    j->codec = codec_find(bare);
    if (j->codec && !recipe_find(name)) {
        j->act = act_find(j->codec->act);
        j->usual = !name[n];
        return name[n] ? parse_parameters(&j->recipe.par, name + n + 1, e) : 0;
    }
    int rc = recipe_resolve(&j->recipe, name, e);
    if (rc)
        return rc;
    j->codec = codec_find(j->recipe.codec);
    j->act = act_find(j->recipe.act ? j->recipe.act : j->codec->act);
    return 0;
}

static int read_stdin(struct job *j, size_t most, struct err *e)
{
    j->bytes = mem_alloc(most + 1);
    if (!j->bytes)
        return err_nomem(e, most, "the weights on stdin");
    j->n_bytes = fread(j->bytes, 1, most + 1, stdin);
    return ferror(stdin) ? err_set(e, ERR_IO, "cannot read stdin: %s", strerror(errno)) : 0;
}

static int read_weights(struct cli *c, struct job *j, struct err *e)
{
    size_t want;
    if (!mem_mul((size_t)c->rows, (size_t)c->cols, &j->n) || !mem_mul(j->n, 4, &want) || want > (size_t)1 << 34)
        return err_set(e, ERR_LIMIT, "%d x %d weights are more than this command takes", c->rows, c->cols);
    int rc = c->n_args > 1 ? file_read(c->arg[1], want + 1, &j->bytes, &j->n_bytes, e) : read_stdin(j, want, e);
    if (rc)
        return rc;
    if (j->n_bytes != want)
        return err_set(e, ERR_USAGE, "%d x %d weights of 4 bytes are %zu bytes: the input has %s%zu", c->rows, c->cols,
                       want, j->n_bytes > want ? "more than " : "", j->n_bytes > want ? want : j->n_bytes);
    j->x = mem_alloc_n(j->n, sizeof *j->x);
    if (!j->x)
        return err_nomem(e, want, "the weights");
    for (size_t i = 0; i < j->n; i++) {
        j->x[i] = f32_from_bits(rd_u32le(j->bytes + 4 * i));
        if (!isfinite(j->x[i]))
            return err_set(e, ERR_DATA, "weight %zu of row %zu is not a finite number: no format stores it",
                           i % (size_t)c->cols, i / (size_t)c->cols);
    }
    return 0;
}

static int encode(struct cli *c, struct job *j, struct err *e)
{
    int rc = j->codec->layout(&j->q, c->rows, c->cols, j->usual ? NULL : &j->recipe.par, e);
    if (rc == 0)
        rc = qmat_alloc(&j->q, e);
    if (rc)
        return rc;
    struct arena *a = arena_new();
    rc = a ? 0 : ERR_NOMEM;
    if (rc == 0)
        rc = qmat_encode(&j->q, j->x, a);
    arena_free(a);
    return rc ? err_set(e, rc, "these weights cannot be encoded as %s", j->codec->name) : 0;
}

/* Plane after plane: codes, scales, zero points. */
static int write_codes(const struct job *j, FILE *f)
{
    size_t written = 0, want = 0;
    for (int pl = 0; pl < N_PLANES; pl++) {
        want += j->q.plane[pl].bytes;
        written += j->q.plane[pl].bytes ? fwrite(j->q.plane[pl].p, 1, j->q.plane[pl].bytes, f) : 0;
    }
    return written == want ? 0 : -1;
}

static int write_floats(struct job *j, FILE *f)
{
    for (size_t i = 0; i < j->n; i++)
        wr_u32le(j->bytes + 4 * i, f32_bits(j->x[i]));
    return fwrite(j->bytes, 4, j->n, f) == j->n ? 0 : -1;
}

/* Rows as the format's runtime rounds activations; under a rule for whole batches all rows together. */
static int round_rows(struct cli *c, struct job *j, struct err *e)
{
    bool batch = j->act->scope >= ACT_BATCH;
    int64_t k = batch ? (int64_t)c->rows * c->cols : c->cols;
    if (j->act->round) {
        float *y = mem_alloc_n(j->n, sizeof *y);
        if (!y)
            return err_nomem(e, j->n * sizeof *y, "activations");
        j->act->round(y, j->x, c->rows, c->cols);
        memcpy(j->x, y, j->n * sizeof *y);
        mem_free(y);
        return 0;
    }
    if (!j->act->ragged && k % j->act->block)
        return err_set(e, ERR_UNSUPPORTED, "rows of %lld do not divide into activation blocks of %d (%s)", (long long)k,
                       j->act->block, j->act->name);
    void *row = mem_alloc(act_row_bytes(j->act, k));
    if (!row)
        return err_nomem(e, act_row_bytes(j->act, k), "a row of activations");
    for (int r = 0; r < (batch ? 1 : c->rows); r++) {
        j->act->encode(row, j->x + r * k, k);
        j->act->decode(j->x + r * k, row, k);
    }
    mem_free(row);
    return 0;
}

static int put(struct cli *c, struct job *j, bool codes, struct err *e)
{
    FILE *f = c->req.out_dir ? fopen(c->req.out_dir, "wb") : stdout;
    if (!f)
        return err_set(e, ERR_IO, "cannot write %s: %s", c->req.out_dir, strerror(errno));
    int rc = codes ? write_codes(j, f) : write_floats(j, f);
    rc = fflush(f) ? -1 : rc;
    if (f != stdout && fclose(f))
        rc = -1;
    return rc ? err_set(e, ERR_IO, "cannot write the result: %s", strerror(errno)) : 0;
}

int cmd_codec(struct cli *c)
{
    static const char *const forms[] = {"weights", "codes", "activations"};
    struct err e = {0};
    struct job j = {0};
    int form = 0;
    while (c->emit && form < 3 && strcmp(c->emit, forms[form]))
        form++;
    if (c->rows < 1 || c->cols < 1 || form == 3) {
        cli_warn(form == 3 ? "--emit takes weights, codes or activations"
                           : "codec needs --rows R and --cols C, the shape of the f32 weights on stdin");
        return EXIT_USAGE;
    }
    if (!c->req.out_dir && isatty(1)) {
        cli_warn("codec writes raw bytes: send them to a file or a pipe, or give -o FILE");
        return EXIT_USAGE;
    }
    int rc = choose(&j, c->arg[0], &e);
    if (rc == 0)
        rc = read_weights(c, &j, &e);
    if (rc == 0)
        rc = form == 2 ? round_rows(c, &j, &e) : encode(c, &j, &e);
    if (rc == 0 && form == 0)
        j.codec->decode(j.x, &j.q, 0, c->rows);
    if (rc == 0)
        rc = put(c, &j, form == 1, &e);
    int code = rc < 0 ? cli_fail(&e) : EXIT_DONE;
    qmat_free(&j.q);
    mem_free(j.bytes);
    mem_free(j.x);
    return code;
}
