"""The machine a measurement is made on: what it is, and how it fares.

Linux tells most of it in files; what a machine does not tell is None or empty.
"""

import dataclasses
import importlib.metadata
import os
import pathlib
import platform
import subprocess
from typing import Optional

from device import runtime

_ROOT = pathlib.Path("/")

# What a thermal zone may say; some say nonsense while their sensor is off.
_COLDEST_C, _HOTTEST_C = -60, 150


@dataclasses.dataclass(frozen=True)
class Machine:
    """What does not change between two measurements."""

    hostname: str
    model: str          # "Raspberry Pi 4 Model B Rev 1.4", or the processor
    architecture: str   # "aarch64"
    system: str         # operating system and kernel
    cores: int          # that this process may use


@dataclasses.dataclass(frozen=True)
class State:
    """How a machine fares at one moment."""

    governors: tuple[str, ...]          # of its cores' clocks, without repeats
    clock_mhz: Optional[float]          # of the fastest core, now
    clock_limit_mhz: Optional[float]    # that settings allow it
    clock_max_mhz: Optional[float]      # that it was built for
    temperatures_c: dict[str, float]    # by thermal zone
    throttled: Optional[str]            # vcgencmd's flags, hexadecimal
    throttle_events: Optional[int]      # counted by the kernel since boot
    load_1min: Optional[float]          # processes running, mean of a minute


@dataclasses.dataclass(frozen=True)
class Interpreter:
    """The package that runs the graphs."""

    name: str     # "ai-edge-litert"
    version: str  # "unknown" where it was not installed as a package


def describe(root=_ROOT):
    """This `Machine`; `root` is where /proc lies."""
    return Machine(
        hostname=platform.node(), model=_model(root),
        architecture=platform.machine(), system=platform.platform(),
        cores=_cores())


def state(root=_ROOT):
    """This moment's `State`; `root` is where /sys lies."""
    cpus = root / "sys/devices/system/cpu"
    clock_mhz = _clock_mhz(cpus, "scaling_cur_freq")  # before work stops
    governors = _texts(cpus.glob("cpu[0-9]*/cpufreq/scaling_governor"))
    events = [int(text) for text in _texts(cpus.glob(
        "cpu[0-9]*/thermal_throttle/core_throttle_count")) if text.isdecimal()]
    return State(
        governors=tuple(sorted(set(governors))), clock_mhz=clock_mhz,
        clock_limit_mhz=_clock_mhz(cpus, "scaling_max_freq"),
        clock_max_mhz=_clock_mhz(cpus, "cpuinfo_max_freq"),
        temperatures_c=_temperatures_c(root), throttled=_throttled(),
        throttle_events=sum(events) if events else None,
        load_1min=_load_1min())


def interpreter():
    """The `Interpreter` that `runtime` found, "none" if there is none."""
    if runtime.Interpreter is None:
        return Interpreter("none", "unknown")
    name = runtime.Interpreter.__module__.split(".")[0].replace("_", "-")
    try:
        return Interpreter(name, importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        return Interpreter(name, "unknown")


def _model(root):
    if model := _text(root / "proc/device-tree/model"):
        return model
    facts = {}
    for line in (_text(root / "proc/cpuinfo") or "").splitlines():
        key, _, value = line.partition(":")
        facts.setdefault(key.strip(), value.strip())
    return (facts.get("Model") or facts.get("model name")
            or platform.processor() or platform.machine())


def _cores():
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _clock_mhz(cpus, file):
    """The highest of all cores' values, which are in kHz; else None.

    https://docs.kernel.org/admin-guide/pm/cpufreq.html
    """
    found = [int(text) / 1000 for text in _texts(cpus.glob(
        f"cpu[0-9]*/cpufreq/{file}")) if text.isdecimal()]
    return max(found, default=None)


def _temperatures_c(root):
    """Thermal zone -> degrees Celsius. Zones of one type get numbers."""
    found = {}
    zones = (root / "sys/class/thermal").glob("thermal_zone[0-9]*")
    for zone in sorted(zones, key=lambda zone: zone.name):
        text = _text(zone / "temp") or ""
        if not text.lstrip("-").isdecimal():
            continue
        degrees = int(text) / 1000
        if _COLDEST_C < degrees < _HOTTEST_C:
            name = _text(zone / "type") or zone.name
            found[name if name not in found else f"{name} {zone.name}"] = (
                degrees)
    return found


def _throttled():
    """The flags of a Raspberry Pi's firmware, as "0x50005"; else None."""
    try:
        process = subprocess.run(
            ["vcgencmd", "get_throttled"], capture_output=True, text=True,
            timeout=5, check=True)
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    key, _, value = process.stdout.strip().partition("=")
    try:
        return hex(int(value, 16)) if key == "throttled" else None
    except ValueError:
        return None


def _load_1min():
    try:
        return round(os.getloadavg()[0], 2)
    except (AttributeError, OSError):
        return None


def _texts(paths):
    return [text for text in map(_text, sorted(paths)) if text]


def _text(path):
    """A small file's text, or None; the kernel ends some with a zero byte."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    return text.strip("\0 \t\n")
