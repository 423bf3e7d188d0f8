/* reports/: every writer on every case, hostile names among them, read back by parsers of our own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>
#include "base/json.h"
#include "base/mem.h"
#include "base/os.h"
#include "base/temp.h"
#include "reports/columns.h"
#include "reports/escape.h"
#include "reports/plots.h"
#include "tests/unit/report_cases.h"

static char *render(const char *ext, struct report_input *in)
{
    struct sbuf b = {0};
    struct err e = {0};
    const struct writer *w = writer_find(ext);
    assert_non_null(w);
    assert_int_equal(w->write(&b, in, &e), 0);
    return b.p ? b.p : mem_strdup("");
}

static struct report_case *open_case(const char *name)
{
    static struct report_case c;
    struct err e = {0};
    assert_int_equal(case_open(&c, name, &e), 0);
    return &c;
}

/* --- escapes --- */
static void expect_escape(void (*escape)(struct sbuf *, const char *), const char *in, const char *out)
{
    struct sbuf b = {0};
    escape(&b, in);
    assert_string_equal(sbuf_str(&b), out);
    sbuf_free(&b);
}

static void test_escapes(void **state)
{
    (void)state;
    expect_escape(escape_csv, "plain", "plain");
    expect_escape(escape_csv, "a,b", "\"a,b\"");
    expect_escape(escape_csv, "say \"hi\"", "\"say \"\"hi\"\"\"");
    expect_escape(escape_csv, "=1+1", "'=1+1");
    expect_escape(escape_csv, "+x", "'+x");
    expect_escape(escape_csv, "-x", "'-x");
    expect_escape(escape_csv, "@x,y", "\"'@x,y\"");
    expect_escape(escape_csv, "a=b", "a=b");
    expect_escape(escape_html, "<a href='x'>&\"", "&lt;a href=&#39;x&#39;&gt;&amp;&quot;");
    expect_escape(escape_markdown, "a|b*c_d`<x>", "a\\|b\\*c\\_d\\`&lt;x&gt;");
    expect_escape(escape_plain, "a\x1b[31mb\nc\x07", "a\xef\xbf\xbd[31mb c\xef\xbf\xbd");
    expect_escape(escape_plain, "\xff\xc0\xaf\xed\xa0\x80",
                  "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
    expect_escape(escape_plain,
                  "\xe2\x80\xae"
                  "abc\xc3\xa9",
                  "\xef\xbf\xbd"
                  "abc\xc3\xa9");
    struct sbuf b = {0};
    escape_base64(&b, "any carnal pleas", 16);
    assert_string_equal(b.p, "YW55IGNhcm5hbCBwbGVhcw==");
    sbuf_free(&b);
}

/* --- CSV --- */
/* A strict RFC 4180 reader: fails on a bare quote, on an unended quote, on a lone LF. */
static int read_record(const char **at, char field[96][2048])
{
    const char *p = *at;
    int n = 0;
    for (;;) {
        size_t k = 0;
        assert_true(n < 96);
        if (*p == '"') {
            for (p++; *p != '"' || p[1] == '"'; p++) {
                assert_true(*p && k < 2047);
                p += *p == '"';
                field[n][k++] = *p;
            }
            p++;
        } else {
            for (; *p && *p != ',' && *p != '\r'; p++) {
                assert_true(*p != '"' && *p != '\n' && k < 2047);
                field[n][k++] = *p;
            }
        }
        field[n++][k] = 0;
        if (*p != ',')
            break;
        p++;
    }
    assert_true(p[0] == '\r' && p[1] == '\n');
    *at = p + 2;
    return n;
}

static void check_field(const char *text, const struct row *r, const struct column *c)
{
    struct sbuf b = {0};
    switch (c->type) {
    case COLUMN_STR:
        escape_plain(&b, column_str(r, c));
        assert_string_equal(text[0] == '\'' ? text + 1 : text, sbuf_str(&b));
        assert_true(*text == 0 || !strchr("=+-@\t\r", *text));
        break;
    case COLUMN_BOOL:
        assert_string_equal(text, column_bool(r, c) ? "true" : "false");
        break;
    case COLUMN_INT:
        if (column_int(r, c) == INT64_MIN)
            assert_string_equal(text, "");
        else
            assert_true(strtoll(text, NULL, 10) == column_int(r, c));
        break;
    case COLUMN_NUM:
        if (!isfinite(column_num(r, c)))
            assert_string_equal(text, "");
        else
            assert_true(fabs(strtod(text, NULL) - column_num(r, c)) <= 1e-9 * fabs(column_num(r, c)));
        break;
    }
    sbuf_free(&b);
}

static void test_csv(void **state)
{
    (void)state;
    static char field[96][2048];
    for (int k = 0; k < N_REPORT_CASES; k++) {
        struct report_case *c = open_case(report_cases[k].name);
        char *csv = render("csv", &c->in);
        const char *at = csv;
        assert_int_equal(read_record(&at, field), n_columns);
        for (int i = 0; i < n_columns; i++)
            assert_string_equal(field[i], columns[i].name);
        for (int r = 0; r < c->decision->n_rows; r++) {
            assert_int_equal(read_record(&at, field), n_columns);
            for (int i = 0; i < n_columns; i++)
                check_field(field[i], &c->decision->row[r], &columns[i]);
        }
        assert_string_equal(at, "");
        mem_free(csv);
        decision_free(c->decision);
    }
}

/* The names that scripts rely on, in their order. */
static void test_csv_header(void **state)
{
    (void)state;
    static const char header[] =
        "rank,recommended,device,model,format,framework,framework_version,backend,gpu_layers,"
        "threads,ctx,kv_type,n_prompt,n_gen,batch,"
        "verdict,reason,effective_bpw,weights_bytes,kv_bytes,peak_bytes,usable_bytes,memory_"
        "from,task,task_score,task_score_lo,"
        "task_score_hi,task_from,quality_from,kld,kld_lo,kld_hi,ppl,ppl_ratio,top1_agreement,"
        "speed_from,prefill_tok_s,decode_tok_s,"
        "decode_tok_s_lo,decode_tok_s_hi,ttft_ms,ttft_ms_lo,ttft_ms_hi,tpot_p50_ms,tpot_p95_"
        "ms,load_ms,energy_j_per_tok,energy_from,"
        "date,source,run_id,command,kv_ctx,kv_kld,kv_ctx_long,kv_kld_long,"
        "task_share,task_share_lo,task_share_hi,task_p,task_items,kld_framework,kld_predicted,kld_chunks,"
        "precision_class,model_class,params_b,download_bytes\r\n";
    struct report_case *c = open_case("measured");
    char *csv = render("csv", &c->in);
    assert_int_equal(strncmp(csv, header, sizeof header - 1), 0);
    mem_free(csv);
    decision_free(c->decision);
}

/* --- JSON --- */
static void test_json(void **state)
{
    (void)state;
    for (int k = 0; k < N_REPORT_CASES; k++) {
        struct report_case *c = open_case(report_cases[k].name);
        const struct decision *d = c->decision;
        char *text = render("json", &c->in);
        json_t *o;
        struct err e = {0};
        assert_int_equal(json_parse(&o, text, strlen(text), "decision", &e), 0);
        assert_string_equal(json_get_str(o, "verdict", ""), d->verdict);
        json_t *rows = json_object_get(o, "rows"), *pick = json_object_get(o, "recommended");
        assert_int_equal(json_array_size(rows), d->n_rows);
        assert_true(d->recommended >= 0 ? json_equal(pick, json_array_get(rows, (size_t)d->recommended))
                                        : json_is_null(pick));
        assert_true(json_is_array(json_object_get(o, "undecided")));
        assert_true(json_is_object(json_object_get(o, "device")));
        for (int i = 0; i < d->n_rows; i++) {
            const json_t *row = json_array_get(rows, (size_t)i);
            assert_int_equal(json_object_size(row), n_columns);
            for (int n = 0; n < n_columns; n++) {
                const json_t *v = json_object_get(row, columns[n].name);
                assert_non_null(v);
                if (columns[n].type == COLUMN_NUM && !isfinite(column_num(&d->row[i], &columns[n])))
                    assert_true(json_is_null(v));
                if (columns[n].type == COLUMN_NUM && isfinite(column_num(&d->row[i], &columns[n])))
                    assert_true(json_is_real(v));
                if (columns[n].type == COLUMN_BOOL)
                    assert_true(json_is_boolean(v));
            }
        }
        json_decref(o);
        mem_free(text);
        decision_free(c->decision);
    }
}

static void test_records_lines(void **state)
{
    (void)state;
    struct report_case *c = open_case("hostile");
    char *text = render("records", &c->in);
    int n = 0;
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"), n++) {
        json_t *o;
        struct err e = {0};
        assert_int_equal(json_parse(&o, line, strlen(line), "record", &e), 0);
        assert_true(json_is_object(o));
        json_decref(o);
    }
    assert_int_equal(n, c->n);
    mem_free(text);
    decision_free(c->decision);
}

/* --- the screen --- */
static int display_width(const char *line)
{
    return text_columns(line);
}

static void test_text(void **state)
{
    (void)state;
    for (int k = 0; k < N_REPORT_CASES; k++) {
        struct report_case *c = open_case(report_cases[k].name);
        for (int columns_wide = 60; columns_wide <= 120; columns_wide += 20) {
            c->in.columns = columns_wide;
            char *text = render("text", &c->in);
            for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
                if (strncmp(line, "RUN ", 4) != 0 && strncmp(line, "!", 1) != 0 && display_width(line) > columns_wide &&
                    strcmp(report_cases[k].name, "hostile") != 0)
                    fail_msg("%s: wider than %d: \"%s\"", report_cases[k].name, columns_wide, line);
            assert_null(strchr(text, '\x1b'));
            mem_free(text);
        }
        decision_free(c->decision);
    }
}

static void test_text_first_lines(void **state)
{
    (void)state;
    static const char *const cases[] = {"measured", "demo"};
    for (int k = 0; k < 2; k++) {
        struct report_case *c = open_case(cases[k]);
        c->in.utf8 = false;
        char *text = render("text", &c->in);
        for (const char *p = text; *p; p++)
            assert_true((unsigned char)*p < 128);
        char *line[3] = {strtok(text, "\n"), strtok(NULL, "\n"), strtok(NULL, "\n")};
        assert_true(strncmp(line[0], "USE  ", 5) == 0 && strstr(line[0], "tok/s"));
        assert_true(strncmp(line[1], "WHY  ", 5) == 0);
        assert_true(strncmp(line[2], "RUN  llama-server -m ", 21) == 0);
        mem_free(text);
        c->in.color = true;
        text = render("text", &c->in);
        assert_non_null(strstr(text, "\x1b[1;32m"));
        mem_free(text);
        decision_free(c->decision);
    }
    struct report_case *c = open_case("nothing");
    char *text = render("text", &c->in);
    assert_int_equal(strncmp(text, "NO   This device cannot run", 27), 0);
    assert_null(strstr(text, "USE "));
    mem_free(text);
    decision_free(c->decision);
}

/* --- Markdown --- */
static void test_markdown(void **state)
{
    (void)state;
    for (int k = 0; k < N_REPORT_CASES; k++) {
        struct report_case *c = open_case(report_cases[k].name);
        char *text = render("md", &c->in);
        bool fence = false;
        int n_table = 0, n_claims = 0, n_more = 0;
        for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
            if (strncmp(line, "```", 3) == 0)
                fence = !fence;
            if (fence)
                continue;
            sscanf(line, "%d further rows", &n_more);
            int bars = 0;
            for (const char *p = line; *p; p++) {
                if (*p == '\\' && p[1])
                    p++;
                else
                    bars += *p == '|';
                assert_true(*p != '<' && (unsigned char)*p >= ' ');
            }
            if (line[0] == '|') {
                assert_true(bars == 14 || bars == 6);
                n_table += bars == 14;
                n_claims += bars == 6;
            }
        }
        assert_false(fence);
        assert_int_equal(n_table + n_more, c->decision->n_rows ? c->decision->n_rows + 2 : 0);
        assert_true(n_table <= 202 && (n_more == 0 || n_table == 202));
        assert_int_equal(n_claims, c->decision->n_rows && c->decision->n_claims ? c->decision->n_claims + 2 : 0);
        mem_free(text);
        decision_free(c->decision);
    }
}

/* --- HTML --- */
/* Every element is closed in order, no attribute loads or runs anything. Script and style hold raw text. */
/* The end of a cell or a row is implied by what follows it. */
static void imply_ends(char stack[64][24], int *depth, const char *name, bool close)
{
    static const char *const cells[] = {"td", "th", "tr"};
    bool cell = strcmp(name, "td") == 0 || strcmp(name, "th") == 0, row = strcmp(name, "tr") == 0,
         end = close && (row || strcmp(name, "tbody") == 0);
    for (int i = 0; i < 3 && *depth > 0; i++) {
        const char *top = stack[*depth - 1];
        bool implied = i < 2 ? cell || row || end : (row && !close) || (end && !row);
        if (strcmp(top, cells[i]) == 0 && implied && !(close && strcmp(top, name) == 0))
            (*depth)--;
    }
}

static void check_markup(const char *html)
{
    static const char *const empty[] = {"meta", "br",  "path",    "circle",      "rect",    "input",
                                        "wbr",  "use", "feFlood", "feComposite", "!doctype"};
    char stack[64][24];
    int depth = 0;
    for (const char *p = html; *p; p++) {
        if (*p != '<')
            continue;
        if (strncmp(p, "<!--", 4) == 0) {
            p = strstr(p, "-->") + 2;
            continue;
        }
        bool close = p[1] == '/';
        p += 1 + close;
        char name[24];
        size_t n = strcspn(p, " \t\n\r/>");
        assert_true(n > 0 && n < sizeof name);
        snprintf(name, sizeof name, "%.*s", (int)n, p);
        p += n;
        bool self = false;
        for (; *p && *p != '>'; p++) {
            self = *p == '/';
            assert_false(strncmp(p, " src", 4) == 0 || strncmp(p, " on", 3) == 0 || strncmp(p, " style", 6) == 0);
            if (*p == '"' || *p == '\'') {
                p = strchr(p + 1, *p);
                assert_non_null(p);
            }
        }
        bool is_empty = self;
        for (size_t i = 0; i < sizeof empty / sizeof empty[0]; i++)
            is_empty = is_empty || strcmp(name, empty[i]) == 0;
        imply_ends(stack, &depth, name, close);
        if (close && !is_empty) {
            if (depth == 0 || strcmp(stack[depth - 1], name) != 0)
                fail_msg("</%s> closes <%s>", name, depth ? stack[depth - 1] : "nothing");
            depth--;
        } else if (!is_empty) {
            assert_true(depth < 64);
            memcpy(stack[depth++], name, sizeof name);
            if (strcmp(name, "script") == 0 || strcmp(name, "style") == 0) {
                char end[32];
                snprintf(end, sizeof end, "</%s>", name);
                p = strstr(p, end) - 1;
            }
        }
    }
    assert_int_equal(depth, 0);
}

static int count(const char *text, const char *what)
{
    int n = 0;
    for (const char *p = text; (p = strstr(p, what)); p += strlen(what))
        n++;
    return n;
}

/* The first token's time is that of the prompt that was asked for, wherever a shorter one was run. */
static void test_prompt_of_the_first_token(void **state)
{
    (void)state;
    struct record r;
    struct request req;
    struct decision *d;
    struct err e = {0};
    request_defaults(&req);
    full_record(&r, "gguf/q8_0", 136 << 20, 90, 1, 0.005, 0.0003, 0.96); /* prefill 540 tok/s */
    r.workload.n_prompt = 144;
    r.speed.ttft_ms = stats_exact(144e3 / 540);
    assert_int_equal(matrix_decide(&d, &r, 1, NULL, NULL, &req, &e), 0);
    struct report_input in = {.decision = d, .request = &req, .records = &r, .n_records = 1};
    char *html = render("html", &in);
    assert_true(fabs(d->row[0].ttft_ms - 512e3 / 540) < 1e-6);
    assert_non_null(strstr(html, "prompt of 512 tokens"));
    mem_free(html);
    decision_free(d);
}

static void test_html(void **state)
{
    (void)state;
    char *gnuplot = program_find("gnuplot");
    for (int k = 0; k < N_REPORT_CASES; k++) {
        struct report_case *c = open_case(report_cases[k].name);
        char *html = render("html", &c->in);
        check_markup(html);
        assert_true(strlen(html) < 1000000);
        assert_int_equal(count(html, "<script"), 1);
        assert_int_equal(count(html, "<link") + count(html, "<img") + count(html, "<iframe") + count(html, "@import"),
                         0);
        assert_int_equal(count(html, "url("), count(html, "url(#"));
        assert_int_equal(count(html, " href="), 2); /* to the answer, and the CSV */
        assert_int_equal(count(html, "xlink:href="), count(html, "xlink:href='#"));
        assert_non_null(strstr(html, "default-src 'none'"));
        assert_non_null(strstr(html, "name=\"viewport\""));
        if (gnuplot && c->decision->n_rows > 2)
            assert_true(count(html, "<svg") >= 3);
        mem_free(html);
        decision_free(c->decision);
    }
    mem_free(gnuplot);
}

/* --- the directory --- */
static int n_warnings;
static void count_warning(void *arg, const char *sentence)
{
    (void)arg;
    assert_non_null(strstr(sentence, "gnuplot"));
    n_warnings++;
}

static void expect_files(const char *dir, bool with_plots, const struct report_input *in)
{
    static const char *const names[] = {"report.html",   "matrix.csv", "records.jsonl",
                                        "decision.json", "summary.md", "device.json"};
    char path[512];
    for (int i = 0; i < 6; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        assert_true(file_exists(path));
    }
    for (int i = 0; i < n_plots; i++) {
        struct sbuf b = {0};
        snprintf(path, sizeof path, "%s/plots/%s.svg", dir, plots[i].name);
        assert_int_equal(file_exists(path), with_plots && plots[i].script(&b, in));
        sbuf_free(&b);
    }
}

static void test_directory(void **state)
{
    (void)state;
    char dir[] = "/tmp/whichquant-reports-XXXXXX", out[64];
    assert_non_null(mkdtemp(dir));
    snprintf(out, sizeof out, "%s/a/b", dir);
    struct report_case *c = open_case("measured");
    struct err e = {0};
    char *gnuplot = program_find("gnuplot");
    n_warnings = 0;
    assert_int_equal(reports_write_dir(out, &c->in, count_warning, NULL, &e), 0);
    expect_files(out, gnuplot != NULL, &c->in);
    assert_int_equal(n_warnings, gnuplot ? 0 : 1);
    char *path = mem_strdup(getenv("PATH"));
    setenv("PATH", dir, 1); /* no gnuplot here */
    snprintf(out, sizeof out, "%s/c", dir);
    n_warnings = 0;
    int rc = reports_write_dir(out, &c->in, count_warning, NULL, &e);
    setenv("PATH", path, 1);
    assert_int_equal(rc, 0);
    assert_int_equal(n_warnings, 1); /* said once */
    expect_files(out, false, &c->in);
    assert_true(reports_write_dir("/proc/no/such", &c->in, count_warning, NULL, &e) < 0);
    assert_non_null(strstr(e.text, "/proc/no"));
    mem_free(path);
    mem_free(gnuplot);
    decision_free(c->decision);
    temp_remove(dir);
}

static void test_memory_failures(void **state)
{
    (void)state;
    static const char *const ext[] = {"text", "csv", "md"};
    for (int k = 0; k < 3; k++) {
        struct report_case *c = open_case("measured");
        bool done = false;
        for (long n = 1; n < 2000 && !done; n++) {
            struct sbuf b = {0};
            struct err e = {0};
            mem_fail_from(n);
            int rc = writer_find(ext[k])->write(&b, &c->in, &e);
            mem_fail_from(0);
            assert_true(rc == 0 || rc == ERR_NOMEM);
            done = rc == 0;
            sbuf_free(&b);
        }
        assert_true(done);
        decision_free(c->decision);
    }
}

static void test_no_rows(void **state)
{
    (void)state;
    static struct report_case c;
    struct err e = {0};
    request_defaults(&c.req);
    assert_int_equal(matrix_decide(&c.decision, NULL, 0, NULL, NULL, &c.req, &e), 0);
    c.in = (struct report_input){.decision = c.decision, .request = &c.req, .elapsed_s = NAN};
    for (int i = 0; i < n_writers; i++) {
        char *text = render(writers[i].ext, &c.in);
        if (strcmp(writers[i].ext, "html") == 0)
            check_markup(text);
        mem_free(text);
    }
    decision_free(c.decision);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_escapes),
        cmocka_unit_test(test_csv),
        cmocka_unit_test(test_csv_header),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_records_lines),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_text_first_lines),
        cmocka_unit_test(test_markdown),
        cmocka_unit_test(test_html),
        cmocka_unit_test(test_prompt_of_the_first_token),
        cmocka_unit_test(test_directory),
        cmocka_unit_test(test_memory_failures),
        cmocka_unit_test(test_no_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
