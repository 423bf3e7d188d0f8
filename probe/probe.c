/* The chain: every step adds its part to the device; none can fail the whole but for want of memory. */
#include "probe/fields.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void device_unknown(struct probe_device *d)
{
    memset(d, 0, sizeof *d);
    for (int i = 0; i < n_device_fields; i++)
        field_reset(&device_fields[i], d);
    snprintf(d->power.supply, sizeof d->power.supply, "unknown");
}

void device_note(struct probe_device *d, const char *fmt, ...)
{
    if (d->n_notes == (int)(sizeof d->note / sizeof d->note[0]))
        return;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(d->note[d->n_notes++], sizeof d->note[0], fmt, ap);
    va_end(ap);
}

int probe_device(struct probe_device *d, const char *root, struct err *e)
{
    static void (*const steps[])(struct probe_device *, const struct source *) = {
        probe_os,     probe_cpu,    probe_virtualization, probe_container, probe_isa,     probe_topology,
        probe_memory, probe_limits, probe_freq,           probe_power,     probe_thermal,
    };
    struct source s;
    device_unknown(d);
    int rc = source_open(&s, root, e);
    if (rc < 0)
        return rc;
    snprintf(d->source, sizeof d->source, "%s", s.live ? "this machine" : "recorded");
    struct gpu_query *drivers = probe_gpu_start(&s); /* they answer while the steps run */
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
        steps[i](d, &s);
    probe_gpu(d, &s, drivers);
    source_close(&s);
    return device_hash(d, e);
}
