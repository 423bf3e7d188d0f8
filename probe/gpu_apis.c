/* The driver libraries, asked through their C interfaces: how many devices, what they are called, how much memory.
 * Everything here runs in a child of its own, since drivers crash and hang. No unique id of a device is read.
 * The declarations restate the published interfaces, as far as they are used. */
#include "probe/gpu.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#define SYM(lib, type, name, args) type(*name) args = (type(*) args)dlsym(lib, #name)
#define MAX_FOUND                  ((int)(sizeof((struct gpu_answer *)0)->found / sizeof(struct gpu_found)))

static struct gpu_found *add(struct gpu_answer *out)
{
    if (out->n == MAX_FOUND)
        return NULL;
    struct gpu_found *f = &out->found[out->n++];
    memset(f, 0, sizeof *f);
    f->a.memory_bytes = -1;
    return f;
}

static void set_pci(struct gpu_found *f, unsigned vendor, unsigned device)
{
    if (vendor > 0 && vendor <= 0xffff && device <= 0xffff)
        snprintf(f->a.pci_id, sizeof f->a.pci_id, "%04x:%04x", vendor, device);
}

/* NVML: NVIDIA's management library, quick to start. */
static void ask_nvml(struct gpu_answer *out)
{
    struct memory {
        unsigned long long total, free, used;
    } memory;
    struct pci {
        char legacy[16];
        unsigned domain, bus, device, device_id, subsystem;
        char slot[32];
    } pci;
    void *lib = dlopen("libnvidia-ml.so.1", RTLD_NOW), *dev;
    if (!lib)
        return;
    SYM(lib, int, nvmlInit_v2, (void));
    SYM(lib, int, nvmlDeviceGetCount_v2, (unsigned *));
    SYM(lib, int, nvmlDeviceGetHandleByIndex_v2, (unsigned, void **));
    SYM(lib, int, nvmlDeviceGetName, (void *, char *, unsigned));
    SYM(lib, int, nvmlDeviceGetMemoryInfo, (void *, struct memory *));
    SYM(lib, int, nvmlDeviceGetPciInfo_v3, (void *, struct pci *));
    SYM(lib, int, nvmlSystemGetDriverVersion, (char *, unsigned));
    unsigned n = 0;
    if (!nvmlInit_v2 || !nvmlDeviceGetCount_v2 || !nvmlDeviceGetHandleByIndex_v2 || !nvmlDeviceGetName ||
        nvmlInit_v2() != 0 || nvmlDeviceGetCount_v2(&n) != 0)
        return;
    for (unsigned i = 0; i < n; i++) {
        struct gpu_found *f = nvmlDeviceGetHandleByIndex_v2(i, &dev) == 0 ? add(out) : NULL;
        if (!f)
            continue;
        nvmlDeviceGetName(dev, f->a.name, sizeof f->a.name);
        snprintf(f->a.vendor, sizeof f->a.vendor, "NVIDIA");
        if (nvmlDeviceGetMemoryInfo && nvmlDeviceGetMemoryInfo(dev, &memory) == 0)
            f->a.memory_bytes = (int64_t)memory.total;
        memset(&pci, 0, sizeof pci);
        if (nvmlDeviceGetPciInfo_v3 && nvmlDeviceGetPciInfo_v3(dev, &pci) == 0) {
            set_pci(f, pci.device_id & 0xffff, pci.device_id >> 16);
            snprintf(f->slot, sizeof f->slot, "%04x:%02x:%02x.0", pci.domain & 0xffff, pci.bus & 0xff,
                     pci.device & 0xff);
        }
        memcpy(f->a.driver, "nvidia ", 8);
        if (nvmlSystemGetDriverVersion)
            nvmlSystemGetDriverVersion(f->a.driver + 7, sizeof f->a.driver - 7);
    }
}

/* CUDA's driver interface and HIP's runtime, which mirrors it, under their own names. */
static void ask_cuda(struct gpu_answer *out)
{
    void *lib = dlopen("libcuda.so.1", RTLD_NOW);
    if (!lib)
        return;
    SYM(lib, int, cuInit, (unsigned));
    SYM(lib, int, cuDeviceGetCount, (int *));
    SYM(lib, int, cuDeviceGet, (int *, int));
    SYM(lib, int, cuDeviceGetName, (char *, int, int));
    SYM(lib, int, cuDeviceTotalMem_v2, (size_t *, int));
    SYM(lib, int, cuDeviceGetPCIBusId, (char *, int, int));
    int n = 0, dev;
    if (!cuInit || !cuDeviceGetCount || !cuDeviceGet || !cuDeviceGetName || cuInit(0) != 0 || cuDeviceGetCount(&n) != 0)
        return;
    for (int i = 0; i < n; i++) {
        struct gpu_found *f = cuDeviceGet(&dev, i) == 0 ? add(out) : NULL;
        size_t bytes;
        if (!f)
            continue;
        cuDeviceGetName(f->a.name, sizeof f->a.name, dev);
        snprintf(f->a.vendor, sizeof f->a.vendor, "NVIDIA");
        if (cuDeviceTotalMem_v2 && cuDeviceTotalMem_v2(&bytes, dev) == 0)
            f->a.memory_bytes = (int64_t)bytes;
        if (cuDeviceGetPCIBusId)
            cuDeviceGetPCIBusId(f->slot, sizeof f->slot, dev);
    }
}

static void ask_rocm(struct gpu_answer *out)
{
    static const char *const names[] = {"libamdhip64.so.7", "libamdhip64.so.6", "libamdhip64.so.5", "libamdhip64.so"};
    void *lib = NULL;
    for (size_t i = 0; i < sizeof names / sizeof *names && !lib; i++)
        lib = dlopen(names[i], RTLD_NOW);
    if (!lib)
        return;
    SYM(lib, int, hipGetDeviceCount, (int *));
    SYM(lib, int, hipDeviceGetName, (char *, int, int));
    SYM(lib, int, hipDeviceTotalMem, (size_t *, int));
    SYM(lib, int, hipDeviceGetPCIBusId, (char *, int, int));
    int n = 0;
    if (!hipGetDeviceCount || !hipDeviceGetName || hipGetDeviceCount(&n) != 0)
        return;
    for (int i = 0; i < n; i++) {
        struct gpu_found *f = add(out);
        size_t bytes;
        if (!f)
            return;
        hipDeviceGetName(f->a.name, sizeof f->a.name, i);
        snprintf(f->a.vendor, sizeof f->a.vendor, "AMD");
        if (hipDeviceTotalMem && hipDeviceTotalMem(&bytes, i) == 0)
            f->a.memory_bytes = (int64_t)bytes;
        if (hipDeviceGetPCIBusId)
            hipDeviceGetPCIBusId(f->slot, sizeof f->slot, i);
    }
}

/* oneAPI Level Zero: Intel's GPUs and NPUs. */
struct ze_device {
    uint32_t stype;
    void *next;
    uint32_t type, vendor_id, device_id, flags, subdevice_id, core_clock;
    uint64_t max_alloc;
    uint32_t counts[7];
    uint64_t timer_resolution;
    uint32_t timer_bits[2];
    uint8_t uuid[16];
    char name[256];
    char spare[256]; /* a newer library may write more */
};
struct ze_memory {
    uint32_t stype;
    void *next;
    uint32_t flags, max_clock, bus_width;
    uint64_t total;
    char name[256];
    char spare[64];
};

static void ze_add(struct gpu_answer *out, void *dev, int (*get)(void *, struct ze_device *),
                   int (*get_memory)(void *, uint32_t *, struct ze_memory *))
{
    enum { ZE_DEVICE_PROPERTIES = 3, ZE_MEMORY_PROPERTIES = 7, ZE_GPU = 1, ZE_VPU = 5, ZE_INTEGRATED = 1 };
    struct ze_device p = {.stype = ZE_DEVICE_PROPERTIES};
    struct ze_memory m[4] = {{.stype = ZE_MEMORY_PROPERTIES}};
    uint32_t n_memories = 1;
    if (get(dev, &p) != 0 || (p.type != ZE_GPU && p.type != ZE_VPU))
        return;
    struct gpu_found *f = add(out);
    if (!f)
        return;
    p.name[sizeof p.name - 1] = 0;
    text_copy(f->a.name, sizeof f->a.name, p.name);
    set_pci(f, p.vendor_id, p.device_id);
    f->npu = p.type == ZE_VPU;
    if (!(p.flags & ZE_INTEGRATED) && !f->npu && get_memory && get_memory(dev, &n_memories, m) == 0 && n_memories > 0)
        f->a.memory_bytes = (int64_t)m[0].total;
}

static void ask_level_zero(struct gpu_answer *out)
{
    void *lib = dlopen("libze_loader.so.1", RTLD_NOW), *driver[4], *device[8];
    if (!lib)
        return;
    SYM(lib, int, zeInit, (uint32_t));
    SYM(lib, int, zeDriverGet, (uint32_t *, void **));
    SYM(lib, int, zeDeviceGet, (void *, uint32_t *, void **));
    SYM(lib, int, zeDeviceGetProperties, (void *, struct ze_device *));
    SYM(lib, int, zeDeviceGetMemoryProperties, (void *, uint32_t *, struct ze_memory *));
    uint32_t n_drivers = 4;
    if (!zeInit || !zeDriverGet || !zeDeviceGet || !zeDeviceGetProperties || zeInit(0) != 0 ||
        zeDriverGet(&n_drivers, driver) != 0)
        return;
    for (uint32_t i = 0; i < n_drivers && i < 4; i++) {
        uint32_t n_devices = 8;
        if (zeDeviceGet(driver[i], &n_devices, device) != 0)
            continue;
        for (uint32_t k = 0; k < n_devices && k < 8; k++)
            ze_add(out, device[k], zeDeviceGetProperties, zeDeviceGetMemoryProperties);
    }
}

/* Vulkan 1.0 is enough: properties and memory heaps. */
struct vk_application {
    uint32_t stype;
    const void *next;
    const char *name;
    uint32_t version;
    const char *engine;
    uint32_t engine_version, api_version;
};
struct vk_instance_info {
    uint32_t stype;
    const void *next;
    uint32_t flags;
    const struct vk_application *application;
    uint32_t n_layers;
    const char *const *layers;
    uint32_t n_extensions;
    const char *const *extensions;
};
struct vk_properties {
    uint32_t api_version, driver_version, vendor_id, device_id, type;
    char name[256];
    uint64_t rest[256]; /* UUID, limits, sparse properties: not looked at */
};
struct vk_memory {
    uint32_t n_types;
    uint32_t types[32][2];
    uint32_t n_heaps;
    struct {
        uint64_t bytes;
        uint32_t flags;
    } heap[16];
};

static void vk_add(struct gpu_answer *out, const struct vk_properties *p, const struct vk_memory *m)
{
    enum { VK_DISCRETE = 2, VK_CPU = 4, VK_HEAP_DEVICE_LOCAL = 1 };
    struct gpu_found *f = add(out);
    if (!f)
        return;
    snprintf(f->a.name, sizeof f->a.name, "%.*s", (int)sizeof p->name, p->name);
    f->a.software = p->type == VK_CPU;
    if (!f->a.software)
        set_pci(f, p->vendor_id, p->device_id);
    int64_t local = 0;
    for (uint32_t i = 0; i < m->n_heaps && i < 16; i++)
        if (m->heap[i].flags & VK_HEAP_DEVICE_LOCAL)
            local += (int64_t)m->heap[i].bytes;
    if (p->type == VK_DISCRETE && local > 0) /* the heap of an integrated GPU is main memory */
        f->a.memory_bytes = local;
}

static void ask_vulkan(struct gpu_answer *out)
{
    enum { VK_INSTANCE_CREATE_INFO = 1, VK_INCOMPLETE = 5 };
    void *lib = dlopen("libvulkan.so.1", RTLD_NOW), *instance, *device[MAX_FOUND];
    if (!lib)
        return;
    SYM(lib, int, vkCreateInstance, (const struct vk_instance_info *, const void *, void **));
    SYM(lib, int, vkEnumeratePhysicalDevices, (void *, uint32_t *, void **));
    SYM(lib, void, vkGetPhysicalDeviceProperties, (void *, struct vk_properties *));
    SYM(lib, void, vkGetPhysicalDeviceMemoryProperties, (void *, struct vk_memory *));
    struct vk_instance_info info = {.stype = VK_INSTANCE_CREATE_INFO};
    uint32_t n = MAX_FOUND;
    if (!vkCreateInstance || !vkEnumeratePhysicalDevices || !vkGetPhysicalDeviceProperties ||
        !vkGetPhysicalDeviceMemoryProperties || vkCreateInstance(&info, NULL, &instance) != 0)
        return;
    int rc = vkEnumeratePhysicalDevices(instance, &n, device);
    for (uint32_t i = 0; (rc == 0 || rc == VK_INCOMPLETE) && i < n && i < (uint32_t)MAX_FOUND; i++) {
        struct vk_properties p;
        struct vk_memory m;
        memset(&p, 0, sizeof p);
        memset(&m, 0, sizeof m);
        vkGetPhysicalDeviceProperties(device[i], &p);
        vkGetPhysicalDeviceMemoryProperties(device[i], &m);
        vk_add(out, &p, &m);
    }
}

struct cl {
    int (*info)(void *device, uint32_t what, size_t bytes, void *out, size_t *n);
};

static void cl_add(struct gpu_answer *out, const struct cl *cl, void *dev)
{
    enum {
        TYPE = 0x1000,
        VENDOR_ID = 0x1001,
        MEMORY = 0x101f,
        NAME = 0x102b,
        VENDOR = 0x102c,
        UNIFIED = 0x1035,
        BOARD_NAME_AMD = 0x4038,
        IS_CPU = 2
    };
    char text[256] = "";
    uint64_t type = 0, bytes = 0;
    uint32_t unified = 1;
    struct gpu_found *f = add(out);
    if (!f)
        return;
    cl->info(dev, TYPE, sizeof type, &type, NULL);
    f->a.software = (type & IS_CPU) != 0;
    if ((cl->info(dev, BOARD_NAME_AMD, sizeof text - 1, text, NULL) != 0 || !text[0]) &&
        cl->info(dev, NAME, sizeof text - 1, text, NULL) != 0)
        text[0] = 0;
    text_copy(f->a.name, sizeof f->a.name, text);
    if (cl->info(dev, VENDOR, sizeof text - 1, text, NULL) == 0)
        text_copy(f->a.vendor, sizeof f->a.vendor, text);
    cl->info(dev, UNIFIED, sizeof unified, &unified, NULL);
    if (!f->a.software && !unified && cl->info(dev, MEMORY, sizeof bytes, &bytes, NULL) == 0)
        f->a.memory_bytes = (int64_t)bytes;
}

static void ask_opencl(struct gpu_answer *out)
{
    void *lib = dlopen("libOpenCL.so.1", RTLD_NOW), *platform[8], *device[MAX_FOUND];
    if (!lib)
        return;
    SYM(lib, int, clGetPlatformIDs, (uint32_t, void **, uint32_t *));
    SYM(lib, int, clGetDeviceIDs, (void *, uint64_t, uint32_t, void **, uint32_t *));
    SYM(lib, int, clGetDeviceInfo, (void *, uint32_t, size_t, void *, size_t *));
    uint32_t n_platforms = 0, n_devices;
    if (!clGetPlatformIDs || !clGetDeviceIDs || !clGetDeviceInfo || clGetPlatformIDs(8, platform, &n_platforms) != 0)
        return;
    struct cl cl = {clGetDeviceInfo};
    for (uint32_t i = 0; i < n_platforms && i < 8; i++) {
        n_devices = 0;
        if (clGetDeviceIDs(platform[i], 0xffffffff, (uint32_t)MAX_FOUND, device, &n_devices) != 0)
            continue;
        for (uint32_t k = 0; k < n_devices && k < (uint32_t)MAX_FOUND; k++)
            cl_add(out, &cl, device[k]);
    }
}

/* Names from the first ones are kept: they are what the vendor calls the card. */
const struct gpu_api gpu_apis[] = {
    {"nvml", ask_nvml},     {"cuda", ask_cuda},     {"rocm", ask_rocm}, {"level-zero", ask_level_zero},
    {"vulkan", ask_vulkan}, {"opencl", ask_opencl},
};
const int n_gpu_apis = sizeof gpu_apis / sizeof *gpu_apis;
