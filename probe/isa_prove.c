/* An extension counts as present only when an instruction of it has run here and given the right result. Each is
 * tried in a child of its own, since a wrong claim ends in SIGILL. */
#include "probe/parts.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "base/os.h"

#define PROOF_LIMIT_MS 2000
#define AMX_BITS       (ISA(AMX_TILE) | ISA(AMX_INT8) | ISA(AMX_BF16))
#define EXIT_REFUSED   9

static int run_proof(void *arg)
{
    int bit = *(int *)arg;
    isa_proof *proof = isa_proof_x86(bit);
    if (!proof)
        proof = isa_proof_arm(bit);
    if (AMX_BITS >> bit & 1 && !isa_amx_permit())
        return EXIT_REFUSED;
    return proof();
}

bool isa_amx_permit(void)
{
#if defined __x86_64__
    enum { ARCH_REQ_XCOMP_PERM = 0x1023, XFEATURE_XTILEDATA = 18 };
    return syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0;
#else
    return false;
#endif
}

enum isa_state isa_prove(int bit, char why[96])
{
    why[0] = 0;
    if (!isa_proof_x86(bit) && !isa_proof_arm(bit))
        return ISA_CLAIMED;
    int rc = child_call(run_proof, &bit, PROOF_LIMIT_MS);
    if (rc == 0)
        return ISA_PROVED;
    if (rc == EXIT_REFUSED)
        snprintf(why, 96, "the kernel refused the permission for AMX tile data");
    else if (rc < 0 && rc > -100)
        snprintf(why, 96, "its instruction died of signal %d", -rc);
    else
        snprintf(why, 96, rc > 0 ? "its instruction gave a wrong result" : "its instruction could not be tried");
    return ISA_CLAIMED;
}

void probe_isa(struct probe_device *d, const struct source *s)
{
    d->cpu.isa_mask = 0;
    if (!s->live)
        return;
    for (int bit = 0; bit < N_ISA; bit++) {
        if (d->cpu.isa[bit] == ISA_ABSENT)
            continue;
        char why[96];
        d->cpu.isa[bit] = isa_prove(bit, why);
        if (d->cpu.isa[bit] == ISA_PROVED)
            d->cpu.isa_mask |= UINT64_C(1) << bit;
        else
            device_note(d, "%s is claimed but not usable: %s", isa_name(bit), why[0] ? why : "not this architecture");
    }
    /* The permission is per process: without it here as well, a kernel given these bits would crash. */
    if (d->cpu.isa_mask & AMX_BITS && !isa_amx_permit()) {
        d->cpu.isa_mask &= ~AMX_BITS;
        for (int bit = 0; bit < N_ISA; bit++)
            if (AMX_BITS >> bit & 1 && d->cpu.isa[bit] == ISA_PROVED)
                d->cpu.isa[bit] = ISA_CLAIMED;
        device_note(d, "AMX works in a child but the kernel refused it to this process: %s", strerror(errno));
    }
}
