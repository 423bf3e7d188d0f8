#!/bin/sh
# Records the machine it runs on as a folder that `whichquant probe --from FOLDER` reads: only the files the probe
# looks at, cut to the lines it uses, without serial numbers, unique ids or host name. Needs no root.
# usage: record.sh FOLDER       (look the folder over before you publish it; docs/PROBE.md says what is in it)
set -eu
[ $# -eq 1 ] || { echo "usage: record.sh FOLDER" >&2; exit 2; }
out=$1
[ ! -e "$out" ] || { echo "record.sh: $out exists; give a new folder" >&2; exit 1; }

take() {   # each file that is readable, as it is
    for f in "$@"; do
        [ -f "$f" ] && [ -r "$f" ] || continue
        mkdir -p "$out/$(dirname "$f")"
        cat "$f" >"$out/$f" 2>/dev/null || rm -f "$out/$f"
    done
}
cut_to() { # FILE PATTERN: its matching lines
    [ -r "$1" ] || return 0
    mkdir -p "$out/$(dirname "$1")"
    grep -E "$2" "$1" >"$out/$1" || rm -f "$out/$1"
}

mkdir -p "$out/proc"
# the first processor whole, of the others what tells cores apart; never the serial number of a board
awk '/^(Serial|Revision|Hardware|Model)[ \t]*:/ { next }
     /^$/ { first_done = 1 }
     !first_done || /^$/ || /^(processor|physical id|core id|CPU implementer|CPU part)[ \t]*:/' \
    /proc/cpuinfo >"$out/proc/cpuinfo"
take /proc/meminfo /proc/loadavg /proc/sys/kernel/osrelease /proc/self/cgroup /proc/device-tree/model \
    /proc/device-tree/compatible /proc/device-tree/hypervisor/compatible /.dockerenv /run/.containerenv
cut_to /proc/stat '^cpu '
cut_to /proc/self/status '^Cpus_allowed_list'
cut_to /proc/self/mountinfo ' - cgroup2? '
cut_to /etc/os-release '^PRETTY_NAME='
for f in /proc/driver/nvidia/gpus/*/information; do cut_to "$f" '^Model'; done

cpu=/sys/devices/system/cpu
take $cpu/online $cpu/cpufreq/boost $cpu/intel_pstate/no_turbo $cpu/amd_pstate/cpb_boost \
    /sys/devices/cpu_core/cpus /sys/devices/cpu_atom/cpus /sys/devices/system/node/online
for c in $cpu/cpu[0-9]*; do
    take "$c"/topology/physical_package_id "$c"/topology/core_id "$c"/topology/thread_siblings_list "$c"/cpu_capacity
    take "$c"/cpufreq/scaling_governor "$c"/cpufreq/scaling_driver "$c"/cpufreq/cpuinfo_max_freq \
        "$c"/cpufreq/scaling_cur_freq "$c"/thermal_throttle/core_throttle_count
    for i in "$c"/cache/index*; do take "$i"/level "$i"/type "$i"/size "$i"/shared_cpu_list; done
done
for n in /sys/devices/system/node/node*; do
    take "$n"/cpulist
    cut_to "$n"/meminfo 'MemTotal'
done
for d in /sys/devices/system/edac/mc/mc*/dimm*; do take "$d"/size "$d"/dimm_mem_type "$d"/dimm_location; done
for z in /sys/class/thermal/thermal_zone*; do take "$z"/type "$z"/temp "$z"/trip_point_*_type "$z"/trip_point_*_temp; done
for h in /sys/class/hwmon/hwmon*; do take "$h"/name "$h"/temp[1-4]_input; done
for p in /sys/class/power_supply/*; do
    take "$p"/type "$p"/scope "$p"/online "$p"/status "$p"/capacity "$p"/energy_full "$p"/charge_full "$p"/voltage_min_design
done
for r in /sys/class/powercap/intel-rapl:*; do take "$r"/name "$r"/energy_uj; done
for d in /sys/bus/pci/devices/*; do   # display controllers and accelerators only
    if grep -qE '^PCI_CLASS=(3|12)[0-9A-F]{4}$' "$d"/uevent 2>/dev/null; then take "$d"/uevent "$d"/mem_info_vram_total; fi
done
for d in /sys/class/drm/card[0-9] /sys/class/accel/accel*; do
    if [ -e "$d" ]; then cut_to "$d"/device/uevent '^(DRIVER|OF_COMPATIBLE_0|PCI_CLASS|PCI_ID|PCI_SLOT_NAME)='; fi
done
take /sys/module/nvidia/version /sys/class/dmi/id/sys_vendor /sys/class/dmi/id/product_name /sys/hypervisor/type

# the limits of our control group and of all above it
while IFS=: read -r _ controllers path; do
    case $controllers in
    '') mount=$(awk '/ - cgroup2 / { print $5; exit }' /proc/self/mountinfo) ;;
    *memory* | cpu | cpu,* | *,cpu | *,cpu,*)
        mount=$(awk -v c="$controllers" '/ - cgroup / && index($NF, c) { print $5; exit }' /proc/self/mountinfo) ;;
    *) continue ;;
    esac
    [ -n "$mount" ] || continue
    while :; do
        take "$mount$path"/memory.max "$mount$path"/memory.high "$mount$path"/memory.current "$mount$path"/memory.stat \
            "$mount$path"/cpu.max "$mount$path"/memory.limit_in_bytes "$mount$path"/memory.usage_in_bytes \
            "$mount$path"/cpu.cfs_quota_us "$mount$path"/cpu.cfs_period_us
        [ -n "$path" ] && [ "$path" != / ] || break
        path=${path%/*}
    done
done </proc/self/cgroup

# what a recording cannot execute: the auxiliary vector (ARM), CPUID (x86; the cpuid program or the cpuid module), libc
if command -v od >/dev/null; then
    od -An -v -t x8 -w16 /proc/self/auxv | awk '$1 ~ /^0*10$/ { print "AT_HWCAP: 0x" $2 } $1 ~ /^0*1a$/ { print "AT_HWCAP2: 0x" $2 }' >"$out/auxv"
fi
if command -v cpuid >/dev/null; then
    cpuid -1 -r | grep -E '^ *0x(0000000[0147bd]|00000016|4000000|8000000|8000001d)' >"$out/cpuid" || rm -f "$out/cpuid"
elif [ -r /dev/cpu/0/cpuid ]; then
    for leaf in 0:0 1:0 4:0 4:1 4:2 4:3 7:0 7:1 22:0 1073741824:0 2147483648:0 2147483650:0 2147483651:0 2147483652:0 \
        2147483677:0 2147483677:1 2147483677:2 2147483677:3; do
        number=${leaf%:*} sub=${leaf#*:}
        # shellcheck disable=SC2046
        printf '   0x%08x 0x%02x: eax=0x%s ebx=0x%s ecx=0x%s edx=0x%s\n' "$number" "$sub" \
            $(dd if=/dev/cpu/0/cpuid bs=16 count=1 iflag=skip_bytes skip=$((number + (sub << 32))) 2>/dev/null | od -An -t x4)
    done >"$out/cpuid"
fi
getconf GNU_LIBC_VERSION >"$out/libc" 2>/dev/null || rm -f "$out/libc"
echo "recorded in $out: $(find "$out" -type f | wc -l) files; look them over before you publish them"
