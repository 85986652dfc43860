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

# Where a Raspberry Pi's firmware begins to slow its clock down.
HOT_C = 80

# Load beyond the cores that the interpreter's threads leave over.
_LOAD_MARGIN = 0.5

# Bits of `vcgencmd get_throttled`; 16 further up: so once, since boot.
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
    return (*found, *_heat(before, after))


def _heat(before, after):
    """Warnings of two `machine.State`s."""
    hottest = max([*before.temperatures_c.values(),
                   *after.temperatures_c.values()], default=0)
    if hottest >= HOT_C:
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


def print_table(profile, plan, file):
    """A table of roles, and the warnings.

    Args:
        profile: `profile.Profile`.
        plan: `bundle.Plan` of its bundle.
        file: to write to.
    """
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
    console = Console(file=file)
    console.print(table)
    for warning in profile.warnings:
        console.print(f"warning: {warning}", markup=False, highlight=False,
                      soft_wrap=True)


def _uses(plan, full_path):
    """How often each graph runs if all is asked and every block is open."""
    uses = collections.Counter(full_path)
    for step in plan.steps:
        uses.update(name for name in (
            step.layer_gate, step.channel_gate, step.skip, step.exit) if name)
    return uses
