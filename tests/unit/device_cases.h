/* Devices side by side to render in tests: decisions of report_cases.h with power and prices, a hostile name among
 * them, one on which nothing fits, one without a price. */
#ifndef TESTS_DEVICE_CASES_H
#define TESTS_DEVICE_CASES_H
#include "reports/fleet.h"
#include "tests/unit/report_cases.h"

enum { N_OFFERS = 5 };
struct device_case {
    struct decision *decision[N_OFFERS];
    struct offer offer[N_OFFERS];
    struct prices prices;
    struct fleet fleet; /* of one set of limits */
    struct procurement *p;
};

static const char case_prices[] = "device,price,currency,date\r\n"
                                  "epyc-vm,1200,EUR,2026-10-01\r\n"
                                  "epyc-vm,1100.50,EUR,2026-11-02\r\n"
                                  "\"board, small\",79.90,EUR,2026-11-02\r\n"
                                  "hostile,10,EUR,2024-02-29\r\n"
                                  "not-in-the-report,5,EUR,2026-11-02\r\n";

static inline int device_case_open(struct device_case *c, struct err *e)
{
    static const struct {
        const char *id, *name, *kase;
        double watts;
    } of[N_OFFERS] = {{"epyc-vm", "A server", "measured", 170},
                      {"board, small", "A board", "demo", 12},
                      {"tiny", "Too small", "nothing", 5},
                      {"hostile", hostile_name, "hostile", NAN},
                      {"laptop", "A laptop", "models", 28}};
    static struct report_case r;
    memset(c, 0, sizeof *c);
    int rc = prices_parse(&c->prices, case_prices, "prices.csv", e);
    for (int i = 0; i < N_OFFERS && rc == 0; i++) {
        rc = case_open(&r, of[i].kase, e);
        c->decision[i] = r.decision;
        c->offer[i] = (struct offer){.device = of[i].id,
                                     .name = of[i].name,
                                     .watts_from = "rated",
                                     .decision = r.decision,
                                     .watts = of[i].watts,
                                     .price = price_of(&c->prices, of[i].id)};
    }
    static struct request req;
    request_defaults(&req);
    if (rc == 0)
        rc = fleet_open(&c->fleet, 1, N_OFFERS, e);
    if (rc == 0)
        rc = fleet_add(&c->fleet, c->offer, "", "", &req.want, e);
    c->p = rc == 0 ? &c->fleet.need[0].table : NULL;
    return rc;
}

static inline void device_case_close(struct device_case *c)
{
    fleet_close(&c->fleet);
    prices_free(&c->prices);
    for (int i = 0; i < N_OFFERS; i++)
        decision_free(c->decision[i]);
}
#endif
