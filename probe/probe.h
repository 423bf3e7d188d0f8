/* The fingerprint of this machine: observed, never loaded. Every source is optional and degrades to "unknown"
 * (NaN, -1, ""), never to a guess. Nothing private is collected: no host name, user, address, serial, path, time
 * zone. Order: probe_device (or probe_from_json) -> read the const struct -> probe_to_json. */
#ifndef PROBE_PROBE_H
#define PROBE_PROBE_H
#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"
#include "base/isa.h"
#include "base/json.h"

/* claimed: the CPU says so, the instruction failed or was not run */
enum isa_state { ISA_ABSENT, ISA_CLAIMED, ISA_PROVED };
enum cpu_kind { CPU_KIND_UNKNOWN, CPU_KIND_PERFORMANCE, CPU_KIND_EFFICIENCY };

struct probe_cache {
    int level;                     /* 1-3 */
    char type;                     /* 'd' 'i' 'u' */
    int64_t bytes;                 /* as reported */
    int n_shared;                  /* CPUs that share one */
    bool doubtful;                 /* reported size cannot be this guest's own (480 MiB L3 on 2 cores) */
};
struct probe_accel {               /* a GPU or an NPU */
    char name[128], vendor[64], driver[64], api[64];   /* api: where it was seen: "vulkan cuda pci" */
    char pci_id[16];               /* "10de:2684" */
    char capability[16];           /* compute capability, "sm_86"; "" unknown */
    int64_t memory_bytes;          /* -1 unknown */
    bool software;                 /* lavapipe, PoCL: the CPU in disguise */
};
struct probe_device {
    char source[32];               /* "this machine" or "recorded" */
    struct {
        char vendor[32], brand[96], codename[48], arch[16], microcode[24];
        int family, model, stepping;
        bool model_doubtful;       /* features contradict the model number: masked by a hypervisor */
        int n_packages, n_cores, n_threads, n_performance, n_efficiency, smt, n_numa;
        int n_usable;              /* after affinity and cgroup quota: what -t defaults to */
        double quota_cpus;         /* cgroup limit, NaN = none */
        int n_caches;
        struct probe_cache cache[8];
        int n_cpu;                 /* entries of cpu[]: usable CPUs, one per core first, P before E */
        struct {
            int os_index, core, node;
            enum cpu_kind kind;
        } cpu[1024];
        enum isa_state isa[N_ISA];
        uint64_t isa_mask;         /* proved bits: what kernels get */
        double ghz_max, ghz_now;
    } cpu;
    struct {
        int64_t total_bytes, available_bytes, swap_bytes;
        int64_t limit_bytes;           /* cgroup, -1 none */
        int64_t usable_bytes;          /* least of total, available, limit */
        char kind[32];             /* "DDR5", "" unknown */
        int channels;              /* -1 unknown */
        double mt_s;               /* NaN unknown */
        double bandwidth_gb_s;     /* NaN: probe does not measure; filled by bench/calibrate or a record */
        double peak_gb_s;          /* of the modules, where a description says it; NaN: channels and mt_s may tell */
    } memory;
    int n_gpus, n_npus;
    struct probe_accel gpu[8], npu[4];
    struct {
        bool rapl_readable;
        int battery_percent;       /* -1: no battery */
        double battery_wh;
        char supply[16];           /* "ac" "battery" "unknown" */
    } power;
    struct {
        int n_zones;
        double max_c;              /* hottest now; NaN when none is readable */
        double throttle_c;         /* lowest passive/critical trip point */
    } thermal;
    struct {
        char governor[24], driver[32];
        int boost;                 /* 1 on, 0 off, -1 unknown */
    } freq;
    char virtualization[32];       /* "kvm", "none", "unknown" */
    char container[32];            /* "docker", "none", "unknown" */
    struct {
        char kernel[64], name[96], libc[48];
        char board[96];                /* "Raspberry Pi 5 Model B Rev 1.0", maker and product of a PC; no serial */
    } os;
    char hw_sha256[65], env_sha256[65];
    int n_notes;
    char note[16][160];            /* what looked wrong or could not be read, one sentence each */
};

/* root: "" for this machine; a folder holding proc/ and sys/ of a recorded one for tests (then nothing is executed). */
int probe_device(struct probe_device *d, const char *root, struct err *e);
json_t *probe_to_json(const struct probe_device *d);
/* Either our own JSON or a hand-written one with a few fields; the rest stays unknown. */
int probe_from_json(struct probe_device *d, const json_t *j, const char *where, struct err *e);
/* The state that may change during a cell. */
struct probe_state {
    double load1, steal_share, max_c, ghz, battery_percent;   /* NaN unknown */
    uint64_t throttle_count;                                  /* UINT64_MAX unknown */
    uint64_t steal_ticks, total_ticks;
    double energy_j;                                          /* RAPL counter, NaN unknown */
    int64_t available_bytes;
};
void probe_sample(struct probe_state *s);
#endif
