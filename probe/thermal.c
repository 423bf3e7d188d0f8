/* Temperatures: thermal zones, and the CPU sensors that are only in hwmon. */
#include "probe/parts.h"

#include <math.h>
#include <string.h>

#define ZONES "/sys/class/thermal"

static const char *const cpu_sensors[] = {"coretemp",    "k10temp",     "zenpower",
                                          "cpu_thermal", "soc_thermal", "scmi_sensors"};

static double hotter(double a, double b)
{
    bool valid = b > -40 && b < 150 && b != 0; /* sensors that are off read 0 or -274 */
    return valid && (isnan(a) || b > a) ? b : a;
}

static double hottest_hwmon(const struct source *s)
{
    struct name_list chips;
    double most = NAN;
    source_list(s, &chips, "hwmon", "/sys/class/hwmon");
    for (int i = 0; i < chips.n; i++) {
        char name[32];
        bool cpu = false;
        source_read(s, name, sizeof name, "/sys/class/hwmon/%s/name", chips.name[i]);
        for (size_t k = 0; k < sizeof cpu_sensors / sizeof *cpu_sensors; k++)
            cpu |= !strcmp(name, cpu_sensors[k]);
        for (int k = 1; cpu && k <= 4; k++)
            most = hotter(most, source_num(s, "/sys/class/hwmon/%s/temp%d_input", chips.name[i], k) / 1e3);
    }
    return most;
}

double thermal_hottest(const struct source *s)
{
    struct name_list zones;
    double most = NAN;
    source_list(s, &zones, "thermal_zone", ZONES);
    for (int i = 0; i < zones.n; i++)
        most = hotter(most, source_num(s, ZONES "/%s/temp", zones.name[i]) / 1e3);
    return hotter(most, hottest_hwmon(s));
}

void probe_thermal(struct probe_device *d, const struct source *s)
{
    struct name_list zones;
    source_list(s, &zones, "thermal_zone", ZONES);
    d->thermal.n_zones = zones.n;
    d->thermal.max_c = thermal_hottest(s);
    for (int i = 0; i < zones.n; i++)
        for (int k = 0; k < 12; k++) {
            char type[32];
            if (source_read(s, type, sizeof type, ZONES "/%s/trip_point_%d_type", zones.name[i], k) <= 0)
                break;
            double c = source_num(s, ZONES "/%s/trip_point_%d_temp", zones.name[i], k) / 1e3;
            if ((!strcmp(type, "passive") || !strcmp(type, "critical")) && c >= 40 && c <= 130 &&
                !(c >= d->thermal.throttle_c))
                d->thermal.throttle_c = c;
        }
}
