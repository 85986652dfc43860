"""A good toy profile, for tests that spoil it."""

import dataclasses

from device import bundle_check
from device import energy
from device import machine
from device import profile
import fakes

BUNDLE = fakes.in_memory(fakes.manifest([fakes.GATED], stem=100))

QUIET = machine.State(
    governors=("performance",), clock_mhz=1790.0, clock_limit_mhz=1800.0,
    clock_max_mhz=1800.0, temperatures_c={"cpu-thermal": 51.6},
    throttled="0x0", throttle_events=None, load_1min=0.1)

_TIMES = {role: number for number, role in enumerate(
    bundle_check.ROLES, start=1)}


def _graph(spec):
    """It takes as many milliseconds as its role's number, the median of 60."""
    return profile.GraphLatency(
        spec.name, spec.role, spec.macs, float(_TIMES[spec.role]),
        _TIMES[spec.role] + 0.5, _TIMES[spec.role] + 0.25, 60)


PROFILE = profile.Profile(
    format_version=profile.FORMAT_VERSION,
    bundle=profile.BundleId("toy", BUNDLE.checksum),
    machine=machine.Machine("pi", "Raspberry Pi 9 [rev 1]", "aarch64",
                            "Linux-9", 4),
    interpreter=machine.Interpreter("ai-edge-litert", "9.9"), threads=1,
    date="2030-01-02T03:04:05Z", runs=60, warmup=10, images="random",
    before=QUIET, after=QUIET,
    full_path=profile.FullPath(("stem", "block0_way2", "head"), 20.0, 22.0,
                               20.5, 60),
    graphs=tuple(map(_graph, BUNDLE.manifest.graphs)), energy=None,
    warnings=())

# Half a watt at 10 and 40 images a second; 50 and 12.5 mJ of 2 and 0.5.
ENERGY = energy.Energy(
    "INA219 [0x43]", idle_w=2.5, idle_w_error=0.01,
    workloads=(energy.Workload("full", 600, 60.0, 3.0, 2.0, 50.0, 0.4),
               energy.Workload("cheapest", 2400, 60.0, 3.0, 0.5, 12.5, 0.1)),
    scale=25.0, scale_error=0.2, offset_mj=0.0, lag=0.01)


def changed(**changes):
    """PROFILE with some fields changed."""
    return dataclasses.replace(PROFILE, **changes)


def full_path(**changes):
    """PROFILE with fields of its full path changed."""
    return changed(full_path=dataclasses.replace(PROFILE.full_path, **changes))


def graph(name, /, **changes):
    """PROFILE with fields of graph `name` changed."""
    return changed(graphs=tuple(
        dataclasses.replace(each, **changes) if each.name == name else each
        for each in PROFILE.graphs))


def state(when, **changes):
    """PROFILE with fields of its state "before" or "after" changed."""
    return changed(**{when: dataclasses.replace(QUIET, **changes)})
