/* Driver libraries for the test of the GPU query, one per FAKE_ macro: two cards that answer to NVML and CUDA, a
 * Vulkan loader that crashes, a Level Zero loader that hangs, an OpenCL with the same cards and the CPU. */
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#pragma GCC diagnostic ignored "-Wmissing-prototypes"

#if FAKE_NVML
struct pci {
    char legacy[16];
    unsigned domain, bus, device, id, subsystem;
    char slot[32];
};
int nvmlInit_v2(void)
{
    return 0;
}
int nvmlDeviceGetCount_v2(unsigned *n)
{
    *n = 2;
    return 0;
}
int nvmlDeviceGetHandleByIndex_v2(unsigned i, void **dev)
{
    *dev = (void *)(uintptr_t)(i + 1);
    return 0;
}
int nvmlDeviceGetName(void *dev, char *name, unsigned n)
{
    (void)dev;
    snprintf(name, n, "NVIDIA Fake 4090");
    return 0;
}
int nvmlDeviceGetMemoryInfo(void *dev, unsigned long long *total_free_used)
{
    (void)dev;
    total_free_used[0] = 25757220864ull;
    return 0;
}
int nvmlDeviceGetPciInfo_v3(void *dev, struct pci *p)
{
    *p = (struct pci){.bus = (unsigned)(uintptr_t)dev, .id = 0x268410de};
    return 0;
}
int nvmlSystemGetDriverVersion(char *v, unsigned n)
{
    snprintf(v, n, "550.54.15");
    return 0;
}
#elif FAKE_CUDA
int cuInit(unsigned flags)
{
    return (int)flags;
}
int cuDeviceGetCount(int *n)
{
    *n = 2;
    return 0;
}
int cuDeviceGet(int *dev, int i)
{
    *dev = i;
    return 0;
}
int cuDeviceGetName(char *name, int n, int dev)
{
    (void)dev;
    snprintf(name, (size_t)n, "Fake 4090 of CUDA");
    return 0;
}
int cuDeviceTotalMem_v2(size_t *bytes, int dev)
{
    (void)dev;
    *bytes = 1;
    return 0;
}
int cuDeviceGetPCIBusId(char *slot, int n, int dev)
{
    snprintf(slot, (size_t)n, "0000:%02X:00.0", dev + 1);
    return 0;
}
#elif FAKE_VULKAN
int vkCreateInstance(const void *info, const void *allocator, void **instance)
{
    (void)info, (void)allocator, (void)instance;
    fputs("a driver that talks\n", stdout);
    return raise(SIGSEGV);
}
int vkEnumeratePhysicalDevices(void)
{
    return 0;
}
void vkGetPhysicalDeviceProperties(void) {}
void vkGetPhysicalDeviceMemoryProperties(void) {}
#elif FAKE_ZE
int zeInit(uint32_t flags)
{
    (void)flags;
    for (;;)
        pause();
}
int zeDriverGet(void)
{
    return 0;
}
int zeDeviceGet(void)
{
    return 0;
}
int zeDeviceGetProperties(void)
{
    return 0;
}
#elif FAKE_OPENCL
int clGetPlatformIDs(uint32_t n, void **platform, uint32_t *n_found)
{
    (void)n;
    platform[0] = platform;
    *n_found = 1;
    return 0;
}
int clGetDeviceIDs(void *platform, uint64_t type, uint32_t n, void **device, uint32_t *n_found)
{
    (void)platform, (void)type, (void)n;
    device[0] = (void *)(uintptr_t)1;
    device[1] = (void *)(uintptr_t)2;
    device[2] = (void *)(uintptr_t)3;
    *n_found = 3;
    return 0;
}
int clGetDeviceInfo(void *device, uint32_t what, size_t bytes, void *out, size_t *n)
{
    (void)n;
    int cpu = (uintptr_t)device == 3;
    if (what == 0x1000)
        memcpy(out, &(uint64_t){cpu ? 2 : 4}, 8);
    else if (what == 0x102b)
        snprintf(out, bytes,
                 cpu ? "pthread-\xff\x01"
                       "fake"
                     : "NVIDIA Fake 4090");
    else if (what == 0x102c)
        snprintf(out, bytes, cpu ? "The pocl project" : "NVIDIA Corporation");
    else
        return -30;
    return 0;
}
#endif
