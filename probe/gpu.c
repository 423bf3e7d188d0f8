/* GPUs and NPUs: PCI and platform devices that sysfs shows, then what the driver libraries say, merged into one row
 * per device. hwloc's device plug-ins are not used: they would load drivers into this process. */
#include "probe/gpu.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    unsigned vendor;
    const char *name; /* NULL: display only */
} vendors[] = {
#define ACCEL_VENDOR(vendor, name) {vendor, name},
#define DISPLAY_ONLY(vendor)       {vendor, NULL},
#define PLATFORM_GPU(compatible, name, vendor)
#define NPU_DRIVER(driver, name, vendor)
#include "probe/accels.def"
#undef ACCEL_VENDOR
#undef DISPLAY_ONLY
#undef PLATFORM_GPU
#undef NPU_DRIVER
};
static const struct named {
    const char *key, *name, *vendor;
} platform_gpus[] =
    {
#define ACCEL_VENDOR(vendor, name)
#define DISPLAY_ONLY(vendor)
#define PLATFORM_GPU(compatible, name, vendor) {compatible, name, vendor},
#define NPU_DRIVER(driver, name, vendor)
#include "probe/accels.def"
#undef PLATFORM_GPU
#undef NPU_DRIVER
},
  npu_drivers[] = {
#define PLATFORM_GPU(compatible, name, vendor)
#define NPU_DRIVER(driver, name, vendor) {driver, name, vendor},
#include "probe/accels.def"
#undef ACCEL_VENDOR
#undef DISPLAY_ONLY
#undef PLATFORM_GPU
#undef NPU_DRIVER
};
#define COUNT(a) ((int)(sizeof(a) / sizeof *(a)))

/* The rows while they are put together. */
struct rows {
    int n_gpus, n_npus;
    struct row {
        struct probe_accel a;
        char slot[16];
        bool named;    /* by a driver: better than by the PCI list */
        unsigned seen; /* bit per API: two equal cards answer twice to the same one */
    } gpu[8], npu[4];
};

static struct row *new_row(struct rows *r, bool npu)
{
    int *n = npu ? &r->n_npus : &r->n_gpus;
    if (*n == (npu ? COUNT(r->npu) : COUNT(r->gpu)))
        return NULL;
    struct row *row = npu ? &r->npu[(*n)++] : &r->gpu[(*n)++];
    memset(row, 0, sizeof *row);
    row->a.memory_bytes = -1;
    return row;
}

static void add_api(struct probe_accel *a, const char *api)
{
    size_t n = strlen(a->api);
    if (!text_has_word(a->api, api))
        snprintf(a->api + n, sizeof a->api - n, "%s%s", n ? " " : "", api);
}

/* "8086  Intel Corporation" with "\t46a8  Alder Lake-UP3 GT2 [Iris Xe Graphics]" below it; the bracket is what it is
 * sold as. */
static bool listed_name(char *out, size_t cap, const char *ids, unsigned vendor, unsigned device)
{
    char key[16];
    snprintf(key, sizeof key, "\n%04x  ", vendor);
    const char *p = strstr(ids, key);
    if (!p)
        return false;
    snprintf(key, sizeof key, "\t%04x  ", device);
    for (p = strchr(p + 1, '\n'); p && p[1] == '\t'; p = strchr(p + 1, '\n')) {
        if (strncmp(p + 1, key, 7) != 0)
            continue;
        const char *start = p + 8, *end = start + strcspn(start, "\n"),
                   *open = memchr(start, '[', (size_t)(end - start));
        if (open && end[-1] == ']') {
            start = open + 1;
            end--;
        }
        snprintf(out, cap, "%.*s", (int)(end - start), start);
        return true;
    }
    return false;
}

static void name_pci(struct probe_accel *a, const struct source *s, const char *slot, unsigned vendor, unsigned device,
                     bool npu)
{
    char text[1024], name[96];
    source_read(s, text, sizeof text, "/proc/driver/nvidia/gpus/%s/information", slot);
    if (text_value(text, "Model", a->name, sizeof a->name))
        return;
    const char *ids = source_text(s, "/usr/share/misc/pci.ids");
    if (!*ids)
        ids = source_text(s, "/usr/share/hwdata/pci.ids");
    const char *maker = a->vendor[0] ? a->vendor : "PCI";
    if (listed_name(name, sizeof name, ids, vendor, device))
        snprintf(a->name, sizeof a->name, "%s %s", maker, name);
    else
        snprintf(a->name, sizeof a->name, "%s %s %04x:%04x", maker, npu ? "accelerator" : "GPU", vendor, device);
}

static void kernel_driver(struct probe_accel *a, const struct source *s, const char *uevent)
{
    char driver[32], version[32];
    if (!text_value(uevent, "DRIVER", driver, sizeof driver))
        return;
    bool versioned = source_read(s, version, sizeof version, "/sys/module/%s/version", driver) > 0;
    snprintf(a->driver, sizeof a->driver, "%s%s%s", driver, versioned ? " " : "", versioned ? version : "");
}

/* PCI class 03xxxx is a display controller, 12xxxx a processing accelerator. */
static void add_pci(struct rows *r, const struct source *s, const char *slot)
{
    char uevent[1024], v[32];
    unsigned class, vendor, device;
    source_read(s, uevent, sizeof uevent, "/sys/bus/pci/devices/%s/uevent", slot);
    if (!text_value(uevent, "PCI_CLASS", v, sizeof v) || sscanf(v, "%x", &class) != 1 ||
        (class >> 16 != 0x03 && class >> 16 != 0x12) || !text_value(uevent, "PCI_ID", v, sizeof v) ||
        sscanf(v, "%4x:%4x", &vendor, &device) != 2)
        return;
    const char *maker = "";
    for (int i = 0; i < COUNT(vendors); i++)
        if (vendors[i].vendor == vendor)
            maker = vendors[i].name;
    struct row *row = maker ? new_row(r, class >> 16 == 0x12) : NULL;
    if (!row)
        return;
    snprintf(row->slot, sizeof row->slot, "%s", slot);
    snprintf(row->a.pci_id, sizeof row->a.pci_id, "%04x:%04x", vendor, device);
    snprintf(row->a.vendor, sizeof row->a.vendor, "%s", maker);
    kernel_driver(&row->a, s, uevent);
    name_pci(&row->a, s, slot, vendor, device, class >> 16 == 0x12);
    double vram = source_num(s, "/sys/bus/pci/devices/%s/mem_info_vram_total", slot);
    if (vram > 0 && vram < 1e15)
        row->a.memory_bytes = (int64_t)vram;
    add_api(&row->a, "pci");
}

static void add_platform(struct rows *r, const struct source *s, const char *folder, const char *entry, bool npu)
{
    char uevent[1024], key[96];
    source_read(s, uevent, sizeof uevent, "%s/%s/device/uevent", folder, entry);
    if (strstr(uevent, "PCI_ID=") && !npu)
        return; /* add_pci has it */
    if (!text_value(uevent, npu ? "DRIVER" : "OF_COMPATIBLE_0", key, sizeof key))
        return;
    const struct named *table = npu ? npu_drivers : platform_gpus;
    for (int i = 0; i < (npu ? COUNT(npu_drivers) : COUNT(platform_gpus)); i++) {
        if (!strstr(key, table[i].key))
            continue;
        char slot[16], id[16];
        text_value(uevent, "PCI_SLOT_NAME", slot, sizeof slot);
        struct row *row = NULL;
        for (int k = 0; npu && k < r->n_npus && *slot; k++)
            if (!strcmp(r->npu[k].slot, slot))
                row = &r->npu[k];
        if (!row && !(row = new_row(r, npu)))
            return;
        snprintf(row->slot, sizeof row->slot, "%s", slot);
        snprintf(row->a.name, sizeof row->a.name, "%s", table[i].name);
        snprintf(row->a.vendor, sizeof row->a.vendor, "%s", table[i].vendor);
        if (text_value(uevent, "PCI_ID", id, sizeof id))
            for (int c = 0; id[c]; c++)
                row->a.pci_id[c] = id[c] >= 'A' && id[c] <= 'F' ? (char)(id[c] + 32) : id[c];
        kernel_driver(&row->a, s, uevent);
        add_api(&row->a, npu ? "accel" : "drm");
        return;
    }
}

static void read_sys(struct rows *r, const struct source *s)
{
    struct name_list l;
    source_list(s, &l, "", "/sys/bus/pci/devices");
    for (int i = 0; i < l.n; i++)
        add_pci(r, s, l.name[i]);
    source_list(s, &l, "card", "/sys/class/drm");
    for (int i = 0; i < l.n; i++)
        if (!strchr(l.name[i], '-')) /* card0-HDMI-A-1 is a connector */
            add_platform(r, s, "/sys/class/drm", l.name[i], false);
    source_list(s, &l, "accel", "/sys/class/accel");
    for (int i = 0; i < l.n; i++)
        add_platform(r, s, "/sys/class/accel", l.name[i], true);
}

static bool same_device(const struct row *row, const struct gpu_found *f)
{
    if (row->slot[0] && f->slot[0])
        return !strcasecmp(row->slot, f->slot);
    if (row->a.pci_id[0] && f->a.pci_id[0])
        return !strcmp(row->a.pci_id, f->a.pci_id);
    if (row->a.software != f->a.software)
        return false;
    return !strcasecmp(row->a.name, f->a.name) || (row->a.vendor[0] && strstr(f->a.name, row->a.name));
}

static void merge_one(struct rows *r, const struct gpu_found *f, int api)
{
    struct row *rows = f->npu ? r->npu : r->gpu, *row = NULL;
    for (int i = 0; i < (f->npu ? r->n_npus : r->n_gpus) && !row; i++)
        if (!(rows[i].seen >> api & 1) && same_device(&rows[i], f))
            row = &rows[i];
    if (!row && !(row = new_row(r, f->npu)))
        return;
    row->seen |= 1u << api;
    row->a.software |= f->a.software;
    if (f->a.name[0] && !row->named) {
        memcpy(row->a.name, f->a.name, sizeof row->a.name);
        row->named = true;
    }
    if (!row->a.vendor[0])
        memcpy(row->a.vendor, f->a.vendor, sizeof row->a.vendor);
    if (!row->a.driver[0])
        memcpy(row->a.driver, f->a.driver, sizeof row->a.driver);
    if (!row->a.pci_id[0])
        memcpy(row->a.pci_id, f->a.pci_id, sizeof row->a.pci_id);
    if (!row->slot[0])
        memcpy(row->slot, f->slot, sizeof row->slot);
    if (row->a.memory_bytes < 0)
        row->a.memory_bytes = f->a.memory_bytes;
    add_api(&row->a, gpu_apis[api].name);
}

void probe_gpu(struct probe_device *d, const struct source *s, struct gpu_query *q)
{
    struct rows r = {0};
    struct gpu_answer answers[8];
    unsigned late = 0, crashed = 0;
    read_sys(&r, s);
    if (q)
        gpu_query_finish(q, answers, &late, &crashed);
    for (int api = 0; q && api < n_gpu_apis; api++) {
        for (int i = 0; i < answers[api].n; i++)
            merge_one(&r, &answers[api].found[i], api);
        if (late >> api & 1)
            device_note(d,
                        "the %s driver did not answer in time and was left out (WHICHQUANT_DRIVER_MS gives it longer)",
                        gpu_apis[api].name);
        if (crashed >> api & 1)
            device_note(d, "the %s driver crashed when asked for its devices and was left out", gpu_apis[api].name);
    }
    for (d->n_gpus = 0; d->n_gpus < r.n_gpus; d->n_gpus++)
        d->gpu[d->n_gpus] = r.gpu[d->n_gpus].a;
    for (d->n_npus = 0; d->n_npus < r.n_npus; d->n_npus++)
        d->npu[d->n_npus] = r.npu[d->n_npus].a;
}
