"""A profile for people: a table, and what may have disturbed it."""

import collections

import numpy as np
from rich import markup
from rich.console import Console
from rich.table import Table

from device import bundle_check

# The full path's p95 / median beyond which one run in twenty took half as long
# again: a choice, not a measurement. The same work should take the same time.
NOISY_RATIO = 1.5

# Below this, a 95th percentile is one of the largest two or three values.
FEW_RUNS = 50

# Where a Raspberry Pi's firmware begins to slow its clock down
# (https://www.raspberrypi.com/documentation/computers/config_txt.html), and how
# near to it heat is worth a warning.
HOT_C, _NEAR_C = 80, 5

# A clock below this share of what is allowed was slowed down by something;
# turbo clocks, which hold for one core or a moment, lie above it.
_SLOW_CLOCK = 0.75

# Of `energy.Energy`: shares from which it is a rough figure.
LAGGING, MISFIT = 0.1, 0.25

# Load beyond the cores that the interpreter's threads leave over.
_LOAD_MARGIN = 0.5

# Bits of `vcgencmd get_throttled`; 16 further up: so once, since boot
# (https://www.raspberrypi.com/documentation/computers/os.html#get_throttled).
_FLAGS = {0: "under-voltage", 1: "clock capped", 2: "throttled",
          3: "soft temperature limit"}
_SINCE_BOOT = 16


def warnings(profile):
    """Sentences; none for a machine that was left alone.

    Args:
        profile: `profile.Profile`; its own `warnings` are not read.
    """
    found = []
    ratio = profile.full_path.p95_ms / profile.full_path.median_ms
    if ratio > NOISY_RATIO:
        found.append(
            f"noisy: the full path's p95 is {ratio:.1f} times its median "
            f"(quiet: up to {NOISY_RATIO}). Stop other work and measure again.")
    if profile.runs < FEW_RUNS:
        found.append(
            f"few runs: {profile.runs}, for a p95 at least {FEW_RUNS}. Raise "
            "--runs or --seconds.")
    before, after = profile.before, profile.after
    others = set(before.governors + after.governors) - {"performance"}
    if others:
        found.append(
            f"clock governor {', '.join(sorted(others))}: the clock may have "
            "changed while measuring. `sudo cpupower frequency-set -g "
            "performance` holds it.")
    idle = max(profile.machine.cores - profile.threads, 0)
    if (before.load_1min or 0) > idle + _LOAD_MARGIN:
        found.append(
            f"busy: a load of {before.load_1min} on {profile.machine.cores} "
            "cores before measuring. Stop other work and measure again.")
    return (*found, *_clock(after), *_heat(before, after),
            *_energy(profile.energy))


def _clock(after):
    """Warnings of the `machine.State` right after measuring."""
    now, limit, most = (
        after.clock_mhz, after.clock_limit_mhz, after.clock_max_mhz)
    if limit and most and limit < most:
        yield (f"clock limited to {limit:.0f} of {most:.0f} MHz by its "
               "settings. `sudo cpupower frequency-set -u "
               f"{most:.0f}MHz` lifts that.")
    if now and limit and now < _SLOW_CLOCK * limit:
        yield (f"slow clock: {now:.0f} MHz at the end of measuring, of "
               f"{limit:.0f} allowed. Cool the machine, or give it a stronger "
               "power supply.")


def _heat(before, after):
    """Warnings of two `machine.State`s."""
    hottest = max([*before.temperatures_c.values(),
                   *after.temperatures_c.values()], default=0)
    if hottest >= HOT_C - _NEAR_C:
        yield (f"hot: {hottest:.0f} degrees C, and clocks slow down from "
               f"{HOT_C} on. Cool the machine.")
    first, last = (int(state.throttled or "0", 16) for state in (before, after))
    # What happened since boot only counts if it happened meanwhile.
    now = first | last | ((last & ~first) >> _SINCE_BOOT)
    if names := [name for bit, name in _FLAGS.items() if now >> bit & 1]:
        yield (f"slowed down by the firmware: {', '.join(names)}. Cool the "
               "machine, or give it a stronger power supply.")
    if (after.throttle_events or 0) > (before.throttle_events or 0):
        yield ("throttled: the processor slowed down for heat "
               f"{after.throttle_events - (before.throttle_events or 0)} "
               "times while measuring. Cool the machine.")


def _energy(energy):
    """Warnings of an `energy.Energy`, or of None."""
    if energy is None:
        return
    if abs(energy.lag) > LAGGING:
        yield (f"energy: the watts of {energy.source} moved within its phases, "
               f"by {100 * abs(energy.lag):.0f}% of what work adds: it lags "
               "behind, or is disturbed. Stop other work, or raise "
               "--energy_seconds.")
    if energy.misfit > MISFIT:
        yield ("energy: real energy is not a straight line of modelled, off by "
               f"up to {100 * energy.misfit:.0f}%. Budgets in joules are as "
               "rough, until the battery corrects them.")


def print_tables(profile, plan, file):
    """Tables of roles and, where measured, of energy; and the warnings.

    Args:
        profile: `profile.Profile`.
        plan: `bundle.Plan` of its bundle.
        file: to write to.
    """
    console = Console(file=file)
    console.print(_latency_table(profile, plan))
    if profile.energy is not None:
        console.print(_energy_table(profile.energy))
    for warning in profile.warnings:
        console.print(f"warning: {warning}", markup=False, highlight=False,
                      soft_wrap=True)


def _latency_table(profile, plan):
    table = Table(
        title=markup.escape(
            f"{profile.bundle.name} on {profile.machine.model}: "
            f"{profile.runs} rounds, threads: {profile.threads}, "
            f"{profile.interpreter.name} {profile.interpreter.version}"),
        caption="median: of the role's graphs; p95: of the slowest; per image: "
        "if every block asks it, or runs it in full")
    table.add_column("role", no_wrap=True)
    for name in ("graphs", "median ms", "p95 ms", "per image ms", "of full"):
        table.add_column(name, justify="right", no_wrap=True)
    whole = profile.full_path
    share = lambda ms: f"{100 * ms / whole.median_ms:.1f}%"
    uses = _uses(plan, whole.graphs)
    for role in bundle_check.ROLES:
        graphs = [graph for graph in profile.graphs if graph.role == role]
        if not graphs:
            continue
        image_ms = sum(uses[graph.name] * graph.median_ms for graph in graphs)
        table.add_row(
            role, f"{len(graphs)}",
            f"{np.median([graph.median_ms for graph in graphs]):.4f}",
            f"{max(graph.p95_ms for graph in graphs):.4f}",
            f"{image_ms:.4f}", share(image_ms))
    table.add_section()
    table.add_row("stem + blocks + head", f"{len(whole.graphs)}", "", "",
                  f"{profile.parts_ms:.4f}", share(profile.parts_ms))
    table.add_row("full path, measured", f"{len(whole.graphs)}",
                  f"{whole.median_ms:.4f}", f"{whole.p95_ms:.4f}",
                  f"{whole.median_ms:.4f}", share(whole.median_ms))
    return table


def _energy_table(energy):
    table = Table(
        title=markup.escape(f"energy, by {energy.source}"),
        caption="mJ: of an image; real: above idle. For budgets: real = "
        f"({energy.scale:.4g} ± {energy.scale_error:.2g}) x modelled + "
        f"{energy.offset_mj:.3g} mJ")
    table.add_column("workload", no_wrap=True)
    for name in ("images/s", "watts", "modelled mJ", "real mJ", "ratio"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_row("idle", "", _measured(energy.idle_w, energy.idle_w_error))
    for each in energy.workloads:
        table.add_row(
            each.name, f"{each.images / each.seconds:.1f}",
            f"{each.draw_w:.3g}", f"{each.modelled_mj:.3g}",
            _measured(each.real_mj, each.real_mj_error), f"{each.ratio:.3g}")
    return table


def _measured(value, error):
    return f"{value:.3g} ± {error:.1g}"


def _uses(plan, full_path):
    """How often each graph runs if all is asked and every block is open."""
    uses = collections.Counter(full_path)
    for step in plan.steps:
        uses.update(name for name in (
            step.layer_gate, step.channel_gate, step.skip, step.exit) if name)
    return uses
