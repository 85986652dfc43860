"""What a bundle needs on a microcontroller: flash, RAM, and MACs along paths.

One arena serves all graphs, since they run one after the other and leave
nothing in it: the largest counts, not the sum. A graph's inputs are copied into
the arena before it runs and its outputs out of it after, so one buffer for
features is enough: a block's output takes the place of its input, and a skipped
block leaves it where it is. Channels that a block appends come into a second
buffer, which gates and exits use too, and from there behind each pixel's own.
The prepared image lies in the first until the stem has run.
"""

import dataclasses
from typing import NamedTuple

import numpy as np

from converters import c_sources
from ddi_tf import calibration
from ddi_tf import errors
from device import budget

_KB = 1024           # as chips' data sheets count
_ARENA_ALIGNMENT = 16
_LARGEST_NAMED = 3


@dataclasses.dataclass(frozen=True)
class Memory:
    """Bytes; of RAM and flash what the program itself takes comes on top."""

    arenas: dict        # graph -> `tflm.Arena`
    arena: int          # shared by all graphs
    arena_kept: int     # if every graph's interpreter were kept ready instead
    work: int           # the controller's: features, state, logits
    image: int          # the caller's
    graphs: int         # in flash
    tables: int         # in flash

    @property
    def ram(self):
        return self.arena + self.work + self.image

    @property
    def flash(self):
        return self.graphs + self.tables


class Path(NamedTuple):
    """What one image executes, or the mean over images."""

    macs: float
    ram: float           # bytes
    graph_bytes: float   # of the graphs that it runs, each counted once
    runs: float          # graphs run


def memory(bundle, plan, arenas):
    """The `Memory` of a bundle.

    Args:
        bundle: `bundle.Bundle`.
        plan: `c_plan.Plan` of it.
        arenas: graph name -> `tflm.Arena`.
    """
    largest = max(arena.total for arena in arenas.values())
    return Memory(
        arenas, -(-largest // _ARENA_ALIGNMENT) * _ARENA_ALIGNMENT,
        max(arena.head for arena in arenas.values())
        + sum(arena.tail for arena in arenas.values()),
        plan.work_bytes, plan.image_bytes, c_sources.graph_bytes(bundle),
        plan.table_bytes)


def check(memory_, bundle, flash_kb, ram_kb):
    """Raises ExportError if flash or RAM do not suffice; says by how much.

    Args:
        memory_: `Memory`.
        bundle: `bundle.Bundle`.
        flash_kb: there is, in 1024 bytes.
        ram_kb: there is, in 1024 bytes.
    """
    problems = []
    if (missing := memory_.flash - flash_kb * _KB) > 0:
        sizes = {name: len(bundle.content(name)) for name in bundle.graphs}
        problems.append(
            f"flash: {memory_.flash:,} bytes of graphs and tables are "
            f"{missing:,} more than --micro_flash_kb={flash_kb}; the largest "
            f"graphs are {_largest(sizes)}. Export one graph per block "
            "(--export_max_variants=1), or train a network with fewer blocks.")
    if (missing := memory_.ram - ram_kb * _KB) > 0:
        sizes = {name: arena.total for name, arena in memory_.arenas.items()}
        problems.append(
            f"RAM: {memory_.ram:,} bytes (arena {memory_.arena:,}, features "
            f"and state {memory_.work:,}, image {memory_.image:,}) are "
            f"{missing:,} more than --micro_ram_kb={ram_kb}; the largest "
            f"graphs need arenas of {_largest(sizes)}. Train on smaller "
            "images.")
    if problems:
        raise errors.ExportError(
            f"{bundle.folder} does not fit. {' '.join(problems)} Or give the "
            "chip's real size.")


def _largest(sizes):
    names = sorted(sizes, key=lambda name: (-sizes[name], name))
    return ", ".join(f"{name} {sizes[name]:,}"
                     for name in names[:_LARGEST_NAMED])


class Paths:
    """Adds up what paths through a bundle take.

    Args:
        bundle: `bundle.Bundle`.
        memory_: `Memory` of it.
    """

    def __init__(self, bundle, memory_):
        self._bundle, self._memory = bundle, memory_
        self._plan = bundle.manifest.plan

    def path(self, names):
        """The `Path` that runs the graphs `names`."""
        graphs = self._bundle.graphs
        arena = max(self._memory.arenas[name].total for name in names)
        return Path(
            sum(graphs[name].macs for name in names),
            arena + self._memory.work + self._memory.image,
            sum(graphs[name].bytes for name in set(names)), len(names))

    def full(self):
        """Every gate and exit asked, and all run that gates can open."""
        return self.path([*budget.opened(self._plan, self._bundle.graphs),
                          *budget.asked(self._plan)])

    def cheapest(self):
        """The way to an answer that the smallest hard budget leaves."""
        costs = budget.costs(self._plan, self._bundle.graphs)
        names, left = [self._plan.stem], costs.past_stem
        for step, prices, onward in zip(
                self._plan.steps, costs.steps, costs.past_exit):
            passed = budget.graph_run(
                step, budget.least_groups(step), self._bundle.graphs)
            if passed is not None:
                names.append(passed)
            left -= prices.skip
            if prices.has_exit and left < onward:
                return self.path([*names, step.exit])
        return self.path([*names, self._plan.head])

    def mean(self, decisions, thresholds):
        """(mean `Path` of images, share of them that each exit answered).

        Args:
            decisions: list of `rehearsal.Decisions`.
            thresholds: nats per early exit, None for one that is off.
        """
        exits = len(decisions[0].logits) - 1
        uncertain = calibration.entropies(
            np.stack([one.logits for one in decisions]), np.ones(exits + 1),
            self._bundle.manifest.entropy)
        taken = [self._taken(one, thresholds, entropies)
                 for one, entropies in zip(decisions, uncertain)]
        paths = np.array([self.path(names) for names, _ in taken], float)
        shares = np.bincount([exit_ for _, exit_ in taken],
                             minlength=exits + 1) / len(taken)
        return Path(*paths.mean(axis=0).tolist()), shares.tolist()

    def _taken(self, decisions, thresholds, entropies):
        """(graphs that one image runs, number of the exit that answered)."""
        names, number = [self._plan.stem], 0
        for step, passed in zip(self._plan.steps, decisions.passed):
            names += passed.graphs
            if step.exit is not None:
                if thresholds[number] is not None:
                    names.append(step.exit)
                    if entropies[number] <= thresholds[number]:
                        return names, number
                number += 1
        return [*names, self._plan.head], number
