/* Virtual machine and container, from what the system says openly. "none" only where something would have told. */
#include "probe/parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct hint {
    const char *text, *name;
};
static const struct hint signatures[] = {
    /* CPUID leaf 0x40000000 */
    {"KVMKVMKVM", "kvm"},           {"Microsoft Hv", "hyper-v"},  {"VMwareVMware", "vmware"},
    {"XenVMMXenVMM", "xen"},        {"TCGTCGTCGTCG", "qemu"},     {"bhyve bhyve ", "bhyve"},
    {"VBoxVBoxVBox", "virtualbox"}, {" lrpepyh vr", "parallels"}, {"prl hyperv  ", "parallels"},
    {"ACRNACRNACRN", "acrn"},       {"QNXQVMBSQG", "qnx"},        {"VirtualApple", "rosetta"},
};
static const struct hint makers[] = {
    /* DMI vendor and product of virtual machines */
    {"QEMU", "qemu"},
    {"KVM", "kvm"},
    {"VMware", "vmware"},
    {"innotek", "virtualbox"},
    {"VirtualBox", "virtualbox"},
    {"Xen", "xen"},
    {"Amazon EC2", "kvm"},
    {"Google Compute Engine", "kvm"},
    {"Virtual Machine", "hyper-v"},
    {"Parallels", "parallels"},
    {"BHYVE", "bhyve"},
    {"OpenStack", "kvm"},
    {"Apple Virtualization", "apple"},
};
static const struct hint groups[] = {
    /* parts of a control group's path */
    {"/kubepods", "kubernetes"},
    {"kubepods.slice", "kubernetes"},
    {"/docker", "docker"},
    {"docker-", "docker"},
    {"libpod", "podman"},
    {"/lxc", "lxc"},
    {"cri-containerd", "containerd"},
    {"machine.slice/machine-", "systemd-nspawn"},
};
#define N(a) (sizeof(a) / sizeof *(a))

static const char *first_hint(const struct hint *h, size_t n, const char *text)
{
    for (size_t i = 0; i < n; i++)
        if (strstr(text, h[i].text))
            return h[i].name;
    return NULL;
}

bool cpu_is_guest(const struct probe_device *d)
{
    return strcmp(d->virtualization, "none") != 0 && strcmp(d->virtualization, "unknown") != 0 && d->virtualization[0];
}

static const char *hypervisor(const struct probe_device *d, const struct source *s)
{
    uint32_t r[4];
    char text[512], product[256];
    if (cpu_is_guest(d) && source_cpuid(s, 0x40000000, 0, r)) {
        char signature[13] = "";
        memcpy(signature, &r[1], 12);
        const char *name = first_hint(signatures, N(signatures), signature);
        if (name)
            return name;
    }
    if (source_read(s, text, sizeof text, "/sys/hypervisor/type") > 0 && !strcmp(text, "xen"))
        return "xen";
    if (source_read(s, text, sizeof text, "/proc/device-tree/hypervisor/compatible") > 0)
        return strstr(text, "linux,kvm") ? "kvm" : strstr(text, "xen") ? "xen" : "unknown hypervisor";
    if (!strcmp(d->virtualization, "none")) /* the CPU's word is enough: bare-metal clouds use the same DMI names */
        return NULL;
    source_read(s, text, 200, "/sys/class/dmi/id/sys_vendor");
    source_read(s, product, sizeof product, "/sys/class/dmi/id/product_name");
    snprintf(text + strlen(text), sizeof text - strlen(text), " %s", product);
    return first_hint(makers, N(makers), text);
}

void probe_virtualization(struct probe_device *d, const struct source *s)
{
    const char *name = hypervisor(d, s);
    if (name)
        snprintf(d->virtualization, sizeof d->virtualization, "%s", name);
    else if (!d->virtualization[0] &&
             (source_has(s, "/proc/device-tree") || source_has(s, "/sys/class/dmi/id/sys_vendor")))
        snprintf(d->virtualization, sizeof d->virtualization, "none");
    else if (!d->virtualization[0])
        snprintf(d->virtualization, sizeof d->virtualization, "unknown");
}

static const char *container_kind(const struct source *s)
{
    char text[4096];
    if (source_has(s, "/run/.containerenv"))
        return "podman";
    if (source_read(s, text, sizeof text, "/proc/sys/kernel/osrelease") > 0 && strcasestr(text, "microsoft"))
        return "wsl";
    source_read(s, text, sizeof text, "/proc/self/cgroup");
    const char *name = first_hint(groups, N(groups), text);
    if (name && !strcmp(name, "kubernetes"))
        return name;
    if (source_has(s, "/.dockerenv"))
        return "docker";
    if (name)
        return name;
    if (s->live && getenv("KUBERNETES_SERVICE_HOST"))
        return "kubernetes";
    if (source_read(s, text, sizeof text, "/run/systemd/container") > 0)
        return !strcmp(text, "lxc") ? "lxc" : !strcmp(text, "systemd-nspawn") ? "systemd-nspawn" : "other";
    if (source_has(s, "/proc/vz") && !source_has(s, "/proc/bc"))
        return "openvz";
    return source_has(s, "/proc/self/cgroup") ? "none" : "unknown";
}

void probe_container(struct probe_device *d, const struct source *s)
{
    snprintf(d->container, sizeof d->container, "%s", container_kind(s));
}
