/* Memory: MemTotal is the truth. The NUMA nodes (and with them hwloc) miss memory that was plugged in later. The
 * kind of memory comes from EDAC or from what is known of a board; the DMI tables need root and hold serials. */
#include "probe/parts.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *compatible, *kind;
    int channels;
    double mt_s;
} boards[] = {
#define BOARD_MEMORY(compatible, kind, channels, mt_s) {compatible, kind, channels, mt_s},
#include "probe/board_memory.def"
#undef BOARD_MEMORY
};

/* EDAC's names end in what the module is: "Registered-DDR4", "Unbuffered-DDR5", "Low-Power-DDR4-RAM". */
static const struct {
    const char *part, *kind;
} edac_kinds[] = {
    {"Low-Power-DDR5", "LPDDR5"},
    {"Low-Power-DDR4", "LPDDR4"},
    {"Low-Power-DDR3", "LPDDR3"},
    {"HBM2", "HBM2"},
    {"HBM3", "HBM3"},
    {"DDR5", "DDR5"},
    {"DDR4", "DDR4"},
    {"DDR3", "DDR3"},
    {"DDR2", "DDR2"},
};

static int64_t kib_to_bytes(double kib)
{
    return kib >= 0 && kib < 1e15 ? (int64_t)kib * 1024 : -1;
}

static void kind_of_board(struct probe_device *d, const struct source *s)
{
    char text[1024];
    if (source_read(s, text, sizeof text, "/proc/device-tree/compatible") <= 0)
        return;
    for (size_t i = 0; i < sizeof boards / sizeof *boards; i++)
        if (text_has_word(text, boards[i].compatible)) {
            snprintf(d->memory.kind, sizeof d->memory.kind, "%s", boards[i].kind);
            d->memory.channels = boards[i].channels;
            d->memory.mt_s = boards[i].mt_s;
            return;
        }
}

/* A populated channel is one (controller, channel) pair that holds a module. */
static void kind_of_edac(struct probe_device *d, const struct source *s)
{
    struct name_list controllers, modules;
    int n_channels = 0;
    source_list(s, &controllers, "mc", "/sys/devices/system/edac/mc");
    for (int c = 0; c < controllers.n; c++) {
        uint64_t seen = 0;
        source_list(s, &modules, "dimm", "/sys/devices/system/edac/mc/%s", controllers.name[c]);
        for (int m = 0; m < modules.n; m++) {
            char type[64], place[96];
            if (!(source_num(s, "/sys/devices/system/edac/mc/%s/%s/size", controllers.name[c], modules.name[m]) > 0))
                continue;
            source_read(s, type, sizeof type, "/sys/devices/system/edac/mc/%s/%s/dimm_mem_type", controllers.name[c],
                        modules.name[m]);
            for (size_t i = 0; i < sizeof edac_kinds / sizeof *edac_kinds && !d->memory.kind[0]; i++)
                if (strstr(type, edac_kinds[i].part))
                    snprintf(d->memory.kind, sizeof d->memory.kind, "%s", edac_kinds[i].kind);
            source_read(s, place, sizeof place, "/sys/devices/system/edac/mc/%s/%s/dimm_location", controllers.name[c],
                        modules.name[m]);
            const char *channel = strstr(place, "channel ");
            if (channel)
                seen |= UINT64_C(1) << (strtoul(channel + 8, NULL, 10) & 63);
        }
        n_channels += __builtin_popcountll(seen);
    }
    if (n_channels > 0)
        d->memory.channels = n_channels;
}

/* What hwloc would report as the machine's memory. */
static int64_t nodes_total(const struct source *s)
{
    struct name_list nodes;
    int64_t sum = 0;
    source_list(s, &nodes, "node", "/sys/devices/system/node");
    for (int i = 0; i < nodes.n; i++) {
        char text[4096], key[80];
        source_read(s, text, sizeof text, "/sys/devices/system/node/%s/meminfo", nodes.name[i]);
        snprintf(key, sizeof key, "Node %s MemTotal", nodes.name[i] + 4);
        int64_t bytes = kib_to_bytes(text_num(text, key));
        sum += bytes > 0 ? bytes : 0;
    }
    return sum;
}

void probe_memory(struct probe_device *d, const struct source *s)
{
    const char *info = source_text(s, "/proc/meminfo");
    d->memory.total_bytes = kib_to_bytes(text_num(info, "MemTotal"));
    d->memory.swap_bytes = kib_to_bytes(text_num(info, "SwapTotal"));
    d->memory.available_bytes = kib_to_bytes(text_num(info, "MemAvailable"));
    if (d->memory.total_bytes <= 0) {
        d->memory.total_bytes = -1;
        device_note(d, "/proc/meminfo tells no memory size");
    }
    if (d->memory.available_bytes > d->memory.total_bytes)
        d->memory.available_bytes = d->memory.total_bytes;
    int64_t nodes = nodes_total(s);
    if (nodes > 0 && d->memory.total_bytes > 0 && (double)nodes < 0.9 * (double)d->memory.total_bytes)
        device_note(
            d,
            "hwloc and the NUMA nodes count %.1f GiB, MemTotal %.1f GiB: memory was plugged in later; MemTotal counts",
            (double)nodes / 1073741824.0, (double)d->memory.total_bytes / 1073741824.0);
    kind_of_edac(d, s);
    if (!d->memory.kind[0])
        kind_of_board(d, s);
}
