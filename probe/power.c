/* Energy counter, battery, and whether the machine runs from the mains. */
#include "probe/parts.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define SUPPLY "/sys/class/power_supply"

/* The package counters' sum ("intel-rapl:0", not its parts "intel-rapl:0:0"). AMD's are called the same. */
double rapl_joules(const struct source *s)
{
    struct name_list zones;
    double sum = NAN;
    source_list(s, &zones, "intel-rapl:", "/sys/class/powercap");
    for (int i = 0; i < zones.n; i++) {
        char name[32];
        if (strchr(zones.name[i] + 11, ':') ||
            source_read(s, name, sizeof name, "/sys/class/powercap/%s/name", zones.name[i]) <= 0 ||
            strncmp(name, "package", 7) != 0)
            continue;
        double uj = source_num(s, "/sys/class/powercap/%s/energy_uj", zones.name[i]);
        if (uj >= 0)
            sum = (isnan(sum) ? 0 : sum) + uj / 1e6;
    }
    return sum;
}

/* Capacity when full, from energy, or charge times the design voltage. */
static double battery_wh(const struct source *s, const char *name)
{
    double uwh = source_num(s, SUPPLY "/%s/energy_full", name);
    double uah = source_num(s, SUPPLY "/%s/charge_full", name),
           uv = source_num(s, SUPPLY "/%s/voltage_min_design", name);
    double wh = uwh > 0 ? uwh / 1e6 : uah > 0 && uv > 0 ? uah * uv / 1e12 : NAN;
    return wh < 1000 ? wh : NAN;
}

static void add_battery(struct probe_device *d, const struct source *s, const char *name, double *weighted)
{
    char text[32];
    if (source_read(s, text, sizeof text, SUPPLY "/%s/scope", name) > 0 && !strcmp(text, "Device"))
        return; /* a mouse's */
    double percent = source_num(s, SUPPLY "/%s/capacity", name), wh = battery_wh(s, name);
    if (!(percent >= 0 && percent <= 100))
        return;
    if (wh > 0) {
        *weighted += percent * wh;
        d->power.battery_wh = (isnan(d->power.battery_wh) ? 0 : d->power.battery_wh) + wh;
        d->power.battery_percent = (int)(*weighted / d->power.battery_wh + 0.5);
    } else if (d->power.battery_percent < 0) {
        d->power.battery_percent = (int)percent;
    }
    source_read(s, text, sizeof text, SUPPLY "/%s/status", name);
    if (!strcmp(text, "Discharging") && strcmp(d->power.supply, "ac") != 0)
        snprintf(d->power.supply, sizeof d->power.supply, "battery");
}

void probe_power(struct probe_device *d, const struct source *s)
{
    struct name_list l;
    double weighted = 0;
    d->power.rapl_readable = !isnan(rapl_joules(s));
    source_list(s, &l, "", SUPPLY);
    for (int i = 0; i < l.n; i++) {
        char type[32];
        source_read(s, type, sizeof type, SUPPLY "/%s/type", l.name[i]);
        if ((!strcmp(type, "Mains") || !strncmp(type, "USB", 3)) && source_num(s, SUPPLY "/%s/online", l.name[i]) == 1)
            snprintf(d->power.supply, sizeof d->power.supply, "ac");
    }
    for (int i = 0; i < l.n; i++) {
        char type[32];
        source_read(s, type, sizeof type, SUPPLY "/%s/type", l.name[i]);
        if (!strcmp(type, "Battery"))
            add_battery(d, s, l.name[i], &weighted);
    }
    if (d->power.battery_percent >= 0 && !strcmp(d->power.supply, "unknown"))
        snprintf(d->power.supply, sizeof d->power.supply, "ac"); /* charging or full without a mains entry */
}
