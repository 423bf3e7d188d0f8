/* Prices, the procurement table and its writers; output directories on a full disk. */
#include <setjmp.h>
#include <stdarg.h>
#include <dirent.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>
#include <cmocka.h>
#include "base/mem.h"
#include "base/os.h"
#include "base/temp.h"
#include "datasets/catalogue.h"
#include "matrix/grid.h"
#include "reports/columns.h"
#include "reports/html_parts.h"
#include "tests/unit/device_cases.h"

/* --- prices --- */
static void test_prices(void **state)
{
    (void)state;
    struct prices p;
    struct err e = {0};
    assert_int_equal(prices_parse(&p, case_prices, "prices.csv", &e), 0);
    assert_int_equal(p.n, 4);
    assert_true(price_of(&p, "epyc-vm")->amount == 1100.5); /* the later one */
    assert_string_equal(price_of(&p, "epyc-vm")->date, "2026-11-02");
    assert_string_equal(price_of(&p, "board, small")->currency, "EUR");
    assert_null(price_of(&p, "epyc"));
    prices_free(&p);
    /* other columns and another order do no harm, nor does what spreadsheets put in front */
    assert_int_equal(prices_parse(&p,
                                  "\xef\xbb\xbf"
                                  "date,currency,shop,device,price\n2026-01-31,USD,x,a,1e3\n",
                                  "f", &e),
                     0);
    assert_true(price_of(&p, "a")->amount == 1000);
    prices_free(&p);
}

static void test_prices_bad(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } bad[] = {
        {"", "f.csv is empty; its first line must be device,price,currency,date"},
        {"device,price,currency\na,1,EUR\n", "no column \"date\""},
        {"device,price,currency,date\n", "f.csv holds no price"},
        {"device,price,currency,date\na,0,EUR,2026-11-02\n", "row 2: \"0\" is no price"},
        {"device,price,currency,date\na,-5,EUR,2026-11-02\n", "\"-5\" is no price"},
        {"device,price,currency,date\na,nan,EUR,2026-11-02\n", "\"nan\" is no price"},
        {"device,price,currency,date\na,inf,EUR,2026-11-02\n", "\"inf\" is no price"},
        {"device,price,currency,date\na,\"79,90\",EUR,2026-11-02\n", "\"79,90\" is no price"},
        {"device,price,currency,date\na,79 EUR,EUR,2026-11-02\n", "is no price"},
        {"device,price,currency,date\na,5,eur,2026-11-02\n", "\"eur\" is no currency"},
        {"device,price,currency,date\na,5,EURO,2026-11-02\n", "\"EURO\" is no currency"},
        {"device,price,currency,date\na,5,EUR,\n", "\"\" is no date"},
        {"device,price,currency,date\na,5,EUR,02.11.2026\n", "is no date"},
        {"device,price,currency,date\na,5,EUR,2026-02-29\n", "\"2026-02-29\" is no date"},
        {"device,price,currency,date\na,5,EUR,2026-11-02x\n", "is no date"},
        {"device,price,currency,date\n,5,EUR,2026-11-02\n", "row 2: the device has no name"},
        {"device,price,currency,date\nb,5,EUR,2026-11-02\na,5,EUR,2026-11-02\na,6,EUR,2026-11-02\n",
         "row 4: a second price of a on 2026-11-02"},
    };
    struct prices p;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct err e = {0};
        assert_int_equal(prices_parse(&p, bad[i].text, "f.csv", &e), ERR_FORMAT);
        if (!strstr(e.text, bad[i].says))
            fail_msg("\"%s\" does not say \"%s\"", e.text, bad[i].says);
        assert_null(p.price);
    }
    char *longer = mem_alloc(5000);
    memset(longer, 'x', 4000);
    memcpy(longer, "device,price,currency,date\n", 27);
    struct err e = {0};
    assert_int_equal(prices_parse(&p, longer, "f.csv", &e), ERR_FORMAT);
    assert_non_null(strstr(e.text, "too long"));
    mem_free(longer);
    assert_true(prices_read(&p, "/no/such/prices.csv", &e) < 0);
    assert_non_null(strstr(e.text, "/no/such/prices.csv"));
}

/* Days as `date -d` counts them. */
static void test_days(void **state)
{
    (void)state;
    assert_int_equal(days_between("2026-11-22", "2026-11-22T10:00:00Z"), 0);
    assert_int_equal(days_between("2024-02-28", "2024-03-01"), 2);
    assert_int_equal(days_between("2026-02-28", "2026-03-01"), 1);
    assert_int_equal(days_between("2026-12-31", "2027-01-01"), 1);
    assert_int_equal(days_between("1990-01-01", "2026-11-22"), 13474);
    assert_int_equal(days_between("2026-11-22", "2026-08-24"), -90);
    assert_true(days_between("", "2026-11-22") == INT64_MIN);
}

/* --- the table --- */
static void test_procurement(void **state)
{
    (void)state;
    struct device_case c;
    struct err e = {0};
    assert_int_equal(device_case_open(&c, &e), 0);
    const struct procured *r = c.p->row;
    assert_int_equal(c.p->n, N_OFFERS);
    for (int i = 0; i < c.p->n; i++) {
        const struct decision *d = c.decision[i];
        assert_int_equal(d->recommended >= 0, *r[i].format != 0);
        if (d->recommended >= 0)
            assert_true(r[i].decode_tok_s == d->row[d->recommended].decode_tok_s);
    }
    assert_true(fabs(r[0].tok_s_per_watt * 170 - r[0].decode_tok_s) < 1e-9);
    assert_true(fabs(r[0].tok_s_per_1000 * 1100.5 / 1000 - r[0].decode_tok_s) < 1e-9);
    assert_true(isnan(r[2].decode_tok_s) && isnan(r[2].tok_s_per_watt) && r[2].watts == 5); /* nothing fits */
    assert_true(isnan(r[3].watts) && isnan(r[3].tok_s_per_watt) && r[3].price == 10);
    assert_true(isnan(r[4].price) && !*r[4].currency);
    assert_false(c.p->one_model);
    assert_string_equal(c.p->currency, "EUR");
    assert_int_equal(c.p->cheapest, 3);
    /* another currency: prices are not compared */
    struct price dollars = {.device = "laptop", .currency = "USD", .date = "2026-11-02", .amount = 1};
    c.offer[4].price = &dollars;
    struct procurement p;
    assert_int_equal(procurement_make(&p, c.offer, N_OFFERS, &e), 0);
    assert_int_equal(p.cheapest, -1);
    assert_string_equal(p.currency, "");
    assert_int_equal(procurement_cheapest(&p, "USD"), 4); /* each currency by itself */
    assert_int_equal(procurement_cheapest(&p, "EUR"), 3);
    procurement_free(&p);
    device_case_close(&c);
    assert_int_equal(procurement_make(&p, NULL, 0, &e), 0);
    assert_int_equal(p.fastest, -1);
    procurement_free(&p);
}

/* Read back by the CSV reader of datasets/: the products of the columns are those of the table. */
static void test_devices_csv(void **state)
{
    (void)state;
    struct device_case c;
    struct sbuf b = {0};
    struct csv csv;
    struct err e = {0};
    assert_int_equal(device_case_open(&c, &e), 0);
    assert_int_equal(report_fleet_csv(&b, &c.fleet, &e), 0);
    assert_true(csv_open(&csv, sbuf_str(&b)));
    assert_int_equal(csv.head.n, n_procurement_columns);
    for (int i = 0; i < c.p->n; i++) {
        assert_true(csv_next(&csv));
        assert_int_equal(csv.row.n, n_procurement_columns);
        assert_string_equal(csv_text(&csv, "device"), c.offer[i].device);
        double speed = csv_number(&csv, "decode_tok_s"), watts = csv_number(&csv, "watts"),
               price = csv_number(&csv, "price");
        assert_true(isnan(watts) || isnan(speed) ||
                    fabs(csv_number(&csv, "tok_s_per_watt") * watts / speed - 1) < 1e-8);
        assert_true(isnan(price) || isnan(speed) ||
                    fabs(csv_number(&csv, "tok_s_per_1000") * price / 1000 / speed - 1) < 1e-8);
        assert_true(strchr("=+-@", *csv_text(&csv, "name")) == NULL || *csv_text(&csv, "name") == 0);
    }
    assert_false(csv_next(&csv));
    sbuf_free(&b);
    device_case_close(&c);
}

static void test_devices_text(void **state)
{
    (void)state;
    struct device_case c;
    struct sbuf md = {0}, html = {0};
    struct err e = {0};
    assert_int_equal(device_case_open(&c, &e), 0);
    assert_int_equal(report_fleet_markdown(&md, &c.fleet, &e), 0);
    for (const char *p = sbuf_str(&md); *p; p++)
        assert_true(*p != '<' && (*p == '\n' || (unsigned char)*p >= ' '));
    int n_lines = 0;
    for (char *line = strtok(md.p, "\n"); line; line = strtok(NULL, "\n")) {
        int bars = 0;
        for (const char *p = line; *p; p++) {
            if (*p == '\\' && p[1])
                p++;
            else
                bars += *p == '|';
        }
        assert_true(bars == 0 || bars == 12);
        n_lines += bars > 0;
    }
    assert_int_equal(n_lines, N_OFFERS + 2);
    assert_int_equal(report_fleet_html(&html, &c.fleet, &e), 0);
    assert_null(strstr(html.p, "<script>document"));
    assert_null(strstr(html.p, "<img"));
    assert_non_null(strstr(html.p, "1100.50 EUR<span class=\"of\">2026-11-02</span>"));
    assert_non_null(strstr(html.p, "This device cannot run"));
    sbuf_free(&md);
    sbuf_free(&html);
    device_case_close(&c);
}

/* --- a grid counted by hand --- */
static void test_grid(void **state)
{
    (void)state;
    static struct report_case c;
    struct grid g;
    struct err e = {0};
    assert_int_equal(case_open(&c, "models", &e), 0);
    assert_int_equal(grid_make(&g, c.decision, &e), 0);
    assert_int_equal(g.n_models, 60);
    assert_int_equal(g.n_formats, 20);
    assert_int_equal(g.n_rows, c.decision->n_rows);
    int total = 0, run = 0;
    double share = 0;
    for (int i = 0; i < N_VERDICTS; i++)
        total += g.count[i].n, share += g.count[i].share, run += g.count[i].outcome == OUTCOME_RUNS ? g.count[i].n : 0;
    assert_int_equal(total, 1200);
    assert_true(fabs(share - 1) < 1e-12);
    int by_model = 0, by_format = 0;
    for (int m = 0; m < g.n_models; m++)
        by_model += g.model[m].n_run, assert_int_equal(g.model[m].n_cells, 20);
    for (int f = 0; f < g.n_formats; f++) {
        by_format += g.format[f].n_run;
        assert_true(f == 0 || !(g.format[f].bits > g.format[f - 1].bits));
    }
    assert_int_equal(by_model, run); /* one row a cell in this case */
    assert_int_equal(by_format, run);
    assert_true(run > 100 && run < 1100);
    for (int i = 0; i < g.n_models * g.n_formats; i++)
        assert_true(g.cell[i] >= 0);
    grid_free(&g);
    decision_free(c.decision);
}

/* --- full disk --- */
static int count_entries(const char *dir)
{
    DIR *d = opendir(dir);
    int n = 0;
    assert_non_null(d);
    while (readdir(d))
        n++;
    closedir(d);
    return n - 2;
}

/* A limit on file sizes stops the writing where a full disk would: nothing of the new report is there, the old one is
 * whole. */
static void test_full_disk(void **state)
{
    (void)state;
    char dir[] = "/tmp/whichquant-full-XXXXXX", path[64];
    struct device_case c;
    struct err e = {0};
    struct rlimit was;
    assert_non_null(mkdtemp(dir));
    assert_int_equal(device_case_open(&c, &e), 0);
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &was);
    for (int old = 0; old < 2; old++) {
        struct rlimit small = {.rlim_cur = 3000, .rlim_max = was.rlim_max};
        setrlimit(RLIMIT_FSIZE, &small);
        int rc = reports_write_fleet(dir, &c.fleet, &e);
        setrlimit(RLIMIT_FSIZE, &was);
        assert_int_equal(rc, ERR_IO);
        assert_non_null(strstr(e.text, "cannot write"));
        assert_int_equal(count_entries(dir), old ? 5 : 0);
        snprintf(path, sizeof path, "%s/report.html", dir);
        char *text = NULL;
        size_t n = 0;
        if (old) {
            assert_int_equal(file_read(path, 1 << 20, &text, &n, &e), 0);
            assert_non_null(strstr(text, "</html>"));
            mem_free(text);
        } else {
            assert_int_equal(reports_write_fleet(dir, &c.fleet, &e), 0);
        }
    }
    static struct report_case r;
    assert_int_equal(case_open(&r, "measured", &e), 0);
    temp_remove(dir);
    assert_int_equal(dir_make(dir, &e), 0);
    struct rlimit small = {.rlim_cur = 30000, .rlim_max = was.rlim_max};
    setrlimit(RLIMIT_FSIZE, &small);
    int rc = reports_write_dir(dir, &r.in, NULL, NULL, &e);
    setrlimit(RLIMIT_FSIZE, &was);
    signal(SIGXFSZ, handler);
    assert_int_equal(rc, ERR_IO);
    assert_int_equal(count_entries(dir), 0);
    decision_free(r.decision);
    device_case_close(&c);
    temp_remove(dir);
}

static void test_memory_failures(void **state)
{
    (void)state;
    struct device_case c;
    struct err e = {0};
    assert_int_equal(device_case_open(&c, &e), 0);
    int (*const writer[])(struct sbuf *, const struct fleet *, struct err *) = {
        report_fleet_csv, report_fleet_markdown, report_fleet_html, report_fleet_text, report_standard_csv};
    assert_string_equal(c.p->row[2].format, "");
    c.p->row[2].more_note = "no upgrade that is known of lets a model fit"; /* a line without "from" */
    for (int k = 0; k < 5; k++) {
        bool done = false;
        for (long n = 1; n < 2000 && !done; n++) {
            struct sbuf b = {0};
            mem_fail_from(n);
            int rc = writer[k](&b, &c.fleet, &e);
            mem_fail_from(0);
            assert_true(rc == 0 || rc == ERR_NOMEM);
            done = rc == 0;
            sbuf_free(&b);
        }
        assert_true(done);
    }
    device_case_close(&c);
    struct sbuf page = {0}, value = {.failed = true}; /* an entry that could not be written is not just missing */
    html_entry_and_free(&page, "Tied", &value);
    assert_true(page.failed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_prices),      cmocka_unit_test(test_prices_bad),      cmocka_unit_test(test_procurement),
        cmocka_unit_test(test_days),
        cmocka_unit_test(test_devices_csv), cmocka_unit_test(test_devices_text),    cmocka_unit_test(test_grid),
        cmocka_unit_test(test_full_disk),   cmocka_unit_test(test_memory_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
