/* The steps of probe_device, in the order in which probe.c calls them. Each fills its part of *d from s and
 * leaves what it cannot find unknown. */
#ifndef PROBE_PARTS_H
#define PROBE_PARTS_H
#include "probe/probe.h"
#include "probe/source.h"

void device_unknown(struct probe_device *d); /* everything unknown */
void device_note(struct probe_device *d, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

void probe_os(struct probe_device *d, const struct source *s);
void probe_cpu(struct probe_device *d, const struct source *s);
void probe_virtualization(struct probe_device *d, const struct source *s);
void probe_container(struct probe_device *d, const struct source *s);
void probe_isa(struct probe_device *d, const struct source *s);
void probe_topology(struct probe_device *d, const struct source *s);
void probe_memory(struct probe_device *d, const struct source *s);
void probe_limits(struct probe_device *d, const struct source *s);
void probe_freq(struct probe_device *d, const struct source *s);
void probe_power(struct probe_device *d, const struct source *s);
void probe_thermal(struct probe_device *d, const struct source *s);

/* The drivers' answers come from children that run while the other steps work. */
struct gpu_query;
struct gpu_query *probe_gpu_start(const struct source *s); /* NULL: drivers are not asked */
void probe_gpu(struct probe_device *d, const struct source *s, struct gpu_query *q);

/* CPU features: what the CPU says, before anything is executed. */
void cpu_x86(struct probe_device *d, const struct source *s, const char *cpuinfo);
void cpu_arm(struct probe_device *d, const struct source *s, const char *cpuinfo);
bool cpu_is_guest(const struct probe_device *d);

/* Executes one instruction of the extension in a child. *why: a reason for a note, or "". */
enum isa_state isa_prove(int bit, char why[96]);
typedef int isa_proof(void); /* 0: ran and gave the right result */
isa_proof *isa_proof_x86(int bit);
isa_proof *isa_proof_arm(int bit);
bool isa_amx_permit(void); /* asks the kernel for tile data in this process */

/* Hottest sensor and lowest trip point in degrees C; NaN. */
double thermal_hottest(const struct source *s);
double rapl_joules(const struct source *s);
double freq_ghz_now(const struct source *s);
void probe_sample_from(struct probe_state *st, const struct source *s);

/* Both hashes of the struct as it stands; "" when memory runs out. */
int device_hash(struct probe_device *d, struct err *e);
#endif
