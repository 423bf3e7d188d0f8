/* Points with whiskers, labels placed so that they hide as little as possible: formats by quality and speed, models by
 * score and speed. */
#include <math.h>
#include <string.h>
#include "reports/plot_parts.h"
#include "reports/writers.h"

struct point {
    double x, y, x_lo, x_hi, y_lo, y_hi; /* KLD; tok/s, or MiB where no speed may be shown */
    const char *look;
    char name[64];
    double px, py;   /* on the page, for the placing of labels */
    double wy0, wy1; /* ends of its whisker there */
    double lx, ly;   /* lower left corner of its label */
};
struct box {
    double x0, y0, x1, y1;
};
struct frame {
    double width, height, left, right, bottom, top; /* page and margins, in pixels */
    double x0, x1, y0, y1;                          /* ranges, x in log10 unless it is linear */
    bool linear;
};

static double page_x(const struct frame *f, double x)
{
    return f->left + ((f->linear ? x : log10(x)) - f->x0) / (f->x1 - f->x0) * (f->width - f->left - f->right);
}

static double page_y(const struct frame *f, double y)
{
    return f->bottom + (y - f->y0) / (f->y1 - f->y0) * (f->height - f->bottom - f->top);
}

static double overlap(const struct box *a, const struct box *b)
{
    double w = fmin(a->x1, b->x1) - fmax(a->x0, b->x0), h = fmin(a->y1, b->y1) - fmax(a->y0, b->y0);
    return w > 0 && h > 0 ? w * h : 0;
}

/* Greedy, best row first: each label takes the place around its point that covers least of the other points and labels;
 * one that would stand on another is left out, for the bars beside the plot name every row. */
static void place_labels(struct point *p, int n, const struct frame *f, double limit_px)
{
    static const double side[][2] = {{0, 0.5}, {-1, 0.5}, {-0.5, 0}, {-0.5, 1}, {0, 0}, {0, 1}, {-1, 0}, {-1, 1}};
    for (int i = 0; i < n; i++) {
        bool pick = strcmp(p[i].look, "pick") == 0;
        double w = (CHAR_W + 2 * pick) * (double)strlen(p[i].name), h = FONT, least = INFINITY, on_labels = 0;
        for (int s = 0; s < 8; s++) {
            double gap = pick ? 12 : 9;
            double gap_x = side[s][0] == -0.5 ? 0 : gap * (1 + 2 * side[s][0]),
                   gap_y = side[s][1] == 0.5 ? 0 : gap * (1 - 2 * side[s][1]);
            struct box box = {.x0 = p[i].px + side[s][0] * w + gap_x, .y0 = p[i].py - side[s][1] * h + gap_y};
            box.x1 = box.x0 + w, box.y1 = box.y0 + h;
            double cost = s * 0.5, labels = 0;
            if (box.x0 < f->left || box.x1 > f->width - 4 || box.y0 < f->bottom + 2 || box.y1 > f->height - 2)
                cost += 1e6; /* a label that is cut names nothing */
            for (int k = 0; k < n; k++) {
                struct box dot = {p[k].px - 5, p[k].py - 5, p[k].px + 5, p[k].py + 5};
                struct box other = {p[k].lx, p[k].ly, p[k].lx + CHAR_W * (double)strlen(p[k].name), p[k].ly + h};
                struct box whisker = {p[k].px - 1, p[k].wy0, p[k].px + 1, p[k].wy1};
                labels += (k < i) * overlap(&box, &other);
                cost += (k != i) * 2 * overlap(&box, &dot) + overlap(&box, &whisker);
            }
            cost += 4 * labels;
            struct box limit = {limit_px - 1, 0, limit_px + 1, f->height};
            cost += overlap(&box, &limit);
            if (cost < least)
                least = cost, on_labels = labels, p[i].lx = box.x0, p[i].ly = box.y0;
        }
        if (on_labels > h * CHAR_W && !pick)
            p[i].name[0] = 0;
    }
}

static int collect_points(const struct report_input *in, struct point p[MOST_ROWS], bool *speed)
{
    const struct row *r[MOST_ROWS];
    int n_rows = plot_rows(in, r), n = 0;
    *speed = false;
    for (int i = 0; i < n_rows; i++)
        *speed = *speed || (isfinite(r[i]->decode_tok_s) && !r[i]->cache_resident);
    for (int i = 0; i < n_rows; i++) {
        const struct row *w = r[i];
        double mib = w->weights_bytes >= 0 ? (double)w->weights_bytes / 1048576 : NAN;
        struct point *q = &p[n];
        *q = (struct point){.x = w->kld,
                            .x_lo = w->kld_lo,
                            .x_hi = w->kld_hi,
                            .y = mib,
                            .y_lo = mib,
                            .y_hi = mib,
                            .look = verdict_look(w)};
        if (*speed)
            q->y = w->cache_resident ? NAN : w->decode_tok_s, q->y_lo = w->decode_tok_s_lo,
            q->y_hi = w->decode_tok_s_hi;
        plot_label(q->name, w, !plot_one_framework(r, n_rows));
        if (isfinite(q->x) && isfinite(q->y))
            n++;
    }
    return n;
}

/* Zero has no logarithm: what is lossless stands at the left edge. */
static void clamp_to_log(struct point *p, int n)
{
    for (int i = 0; i < n; i++) {
        p[i].x = fmax(p[i].x, LEAST_KLD);
        p[i].x_lo = isfinite(p[i].x_lo) ? fmax(p[i].x_lo, LEAST_KLD) : p[i].x;
        p[i].x_hi = isfinite(p[i].x_hi) ? fmax(p[i].x_hi, LEAST_KLD) : p[i].x;
        p[i].y_lo = isfinite(p[i].y_lo) ? p[i].y_lo : p[i].y;
        p[i].y_hi = isfinite(p[i].y_hi) ? p[i].y_hi : p[i].y;
    }
}

static struct frame frame_of(const struct point *p, int n, double limit)
{
    struct frame f = {.width = PARETO_W, .height = PARETO_H, .left = 44, .right = 14, .bottom = 48, .top = 26};
    double x0 = INFINITY, x1 = 0, y1 = 0;
    for (int i = 0; i < n; i++)
        x0 = fmin(x0, p[i].x_lo), x1 = fmax(x1, p[i].x_hi), y1 = fmax(y1, p[i].y_hi);
    if (isfinite(limit))
        x1 = fmax(x1, limit);
    f.x0 = log10(x0) - 0.15, f.x1 = log10(x1) + 0.3, f.y0 = 0, f.y1 = y1 * 1.08;
    return f;
}

static void draw_points(struct sbuf *b, const struct point *p, int n)
{
    for (int i = 0; i < n; i++) {
        sbuf_printf(b, "set label %d \"%s\" at screen %.4f,%.4f left textcolor rgb '%s'%s\n", i + 2, p[i].name,
                    p[i].lx / PARETO_W, (p[i].ly + FONT * 0.42) / PARETO_H,
                    strcmp(p[i].look, "pick") == 0 ? paint_hex(PICK) : paint_hex(INK),
                    strcmp(p[i].look, "pick") == 0 ? " font 'sans-serif,14:Bold'" : "");
        sbuf_printf(b, "$p%d << END\n%.8g %.8g %.8g %.8g %.8g %.8g\nEND\n", i, p[i].x, p[i].y, p[i].x_lo, p[i].x_hi,
                    p[i].y_lo, p[i].y_hi);
    }
    sbuf_puts(b, "plot NaN notitle");
    for (int i = n - 1; i >= 0; i--) {
        bool pick = strcmp(p[i].look, "pick") == 0, front = strcmp(p[i].look, "front") == 0;
        sbuf_printf(b, ", $p%d using 1:2:3:4:5:6 with xyerrorbars pt -1 lw 1.4 lc rgb '%s'", i, point_color(p[i].look));
        sbuf_printf(b, ", $p%d using 1:2 with points pt %d ps %s lw 1.6 lc rgb '%s'", i, pick || front ? 7 : 6,
                    pick ? "1.5" : "0.9", point_color(p[i].look));
    }
    sbuf_putc(b, '\n');
}

/* Places on the page, labels, axes and points; limit_px: of a vertical line that labels keep clear of. */
static void draw(struct sbuf *b, struct point *p, int n, const struct frame *f, double limit_px, const char *x_name,
                 const char *y_name)
{
    for (int i = 0; i < n; i++)
        p[i].px = page_x(f, p[i].x), p[i].py = page_y(f, p[i].y), p[i].wy0 = page_y(f, p[i].y_lo),
        p[i].wy1 = page_y(f, p[i].y_hi);
    place_labels(p, n, f, limit_px);
    sbuf_printf(b, "set grid y\nset xrange [%.8g:%.8g]\nset yrange [0:%.8g]\n", f->linear ? f->x0 : pow(10, f->x0),
                f->linear ? f->x1 : pow(10, f->x1), f->y1);
    sbuf_printf(b,
                "set lmargin at screen %.4f\nset rmargin at screen %.4f\nset bmargin at screen %.4f\nset tmargin at "
                "screen %.4f\n",
                f->left / f->width, 1 - f->right / f->width, f->bottom / f->height, 1 - f->top / f->height);
    sbuf_printf(b, "set label 101 '%s' at screen %.4f,%.4f right textcolor rgb '%s'\n", x_name, 1 - f->right / f->width,
                12 / f->height, paint_hex(MUTED));
    sbuf_printf(b, "set label 102 '%s' at screen %.4f,%.4f left textcolor rgb '%s'\n", y_name, 4 / f->width,
                1 - 11 / f->height, paint_hex(MUTED));
    draw_points(b, p, n);
}

bool script_pareto(struct sbuf *b, const struct report_input *in)
{
    struct point p[MOST_ROWS];
    bool speed;
    int n = collect_points(in, p, &speed);
    double limit = in->decision->kld_limit;
    if (n < 2)
        return false;
    clamp_to_log(p, n);
    struct frame f = frame_of(p, n, limit);
    plot_begin(b, PARETO_W, PARETO_H);
    plot_kld_axis(b);
    if (isfinite(limit) && log10(limit) > f.x0) {
        sbuf_printf(b, "set arrow 1 from %.8g,graph 0 to %.8g,graph 1 nohead dt 2 lw 1.2 lc rgb '%s'\n", limit, limit,
                    paint_hex(OVER));
        sbuf_printf(b, "set label 1 \"limit %.3g\" at %.8g,graph 0.04 left offset 0.6,0 textcolor rgb '%s'\n", limit,
                    limit, paint_hex(OVER));
    }
    draw(b, p, n, &f, isfinite(limit) ? page_x(&f, fmax(limit, LEAST_KLD)) : -9,
         "KL divergence from the reference, nats", speed ? "generated tokens per second" : "size, MiB");
    return true;
}

bool script_scores(struct sbuf *b, const struct report_input *in)
{
    const struct row *r[MOST_ROWS];
    struct point p[MOST_ROWS];
    int n = 0, n_models = plot_models(in, r);
    struct frame f = {.width = PARETO_W,
                      .height = PARETO_H,
                      .left = 44,
                      .right = 14,
                      .bottom = 48,
                      .top = 26,
                      .linear = true,
                      .x0 = INFINITY};
    for (int i = 0; i < n_models; i++) {
        const struct row *w = r[i];
        if (w->cache_resident || !isfinite(w->decode_tok_s + w->task_score))
            continue;
        bool known = isfinite(w->task_score_lo + w->task_score_hi),
             ranged = isfinite(w->decode_tok_s_lo + w->decode_tok_s_hi);
        p[n] = (struct point){.x = 100 * (w->task_score),
                              .x_lo = 100 * (known ? w->task_score_lo : w->task_score),
                              .x_hi = 100 * (known ? w->task_score_hi : w->task_score),
                              .y = w->decode_tok_s,
                              .y_lo = ranged ? w->decode_tok_s_lo : w->decode_tok_s,
                              .y_hi = ranged ? w->decode_tok_s_hi : w->decode_tok_s,
                              .look = verdict_look(w)};
        plot_model_label(p[n].name, w, 20);
        f.x0 = fmin(f.x0, p[n].x_lo), f.x1 = fmax(f.x1, p[n].x_hi), f.y1 = fmax(f.y1, 1.08 * p[n].y_hi);
        n++;
    }
    if (n < 2)
        return false;
    f.x0 = floor(fmax(f.x0 - 4, 0)), f.x1 = ceil(fmin(f.x1 + 8, 104));
    plot_begin(b, PARETO_W, PARETO_H);
    draw(b, p, n, &f, -9, "task score, %", "generated tokens per second");
    return true;
}
