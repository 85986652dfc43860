#!/usr/bin/env bash
# Writes what a Raspberry Pi 4 or 5 has in /proc and /sys under ROOT.
#
#   board.sh ROOT cortex-a72|cortex-a76
#
# An emulated program sees the host's files where ROOT has none, and the library
# by which LiteRT learns what the processor is crashes on those of a PC:
# https://github.com/pytorch/cpuinfo/pull/398
set -euo pipefail

root=$1
case $2 in
    cortex-a72)
        model="Raspberry Pi 4 Model B Rev 1.5" part=0xd08 khz=1800000
        l2=1024K l2_cpus=0-3 ;;
    cortex-a76)
        model="Raspberry Pi 5 Model B Rev 1.0" part=0xd0b khz=2400000
        l2=512K l2_cpus= ;;  # each core has its own
    *) echo "error: no board with a $2: cortex-a72 or cortex-a76" >&2; exit 1 ;;
esac

write() {  # write FILE TEXT; FILE is as the emulated program names it
    mkdir -p "$(dirname "$root$1")"
    printf '%s\n' "$2" >"$root$1"
}

cpus=/sys/devices/system/cpu
write $cpus/kernel_max 255
for list in possible present online; do
    write $cpus/$list 0-3
done
cpuinfo=
for cpu in 0 1 2 3; do
    cpuinfo+="processor : $cpu
CPU implementer : 0x41
CPU architecture: 8
CPU variant : 0x0
CPU part : $part
CPU revision : 3

"
    write $cpus/cpu$cpu/cache/index2/level 2
    write $cpus/cpu$cpu/cache/index2/size $l2
    write $cpus/cpu$cpu/cache/index2/shared_cpu_list ${l2_cpus:-$cpu}
    write $cpus/cpu$cpu/cpufreq/cpuinfo_max_freq $khz
    write $cpus/cpu$cpu/cpufreq/cpuinfo_min_freq 600000
    write $cpus/cpu$cpu/topology/physical_package_id 0
    write $cpus/cpu$cpu/topology/core_siblings_list 0-3
    write $cpus/cpu$cpu/topology/cluster_cpus_list 0-3
done
write /proc/cpuinfo "${cpuinfo}Model : $model"
