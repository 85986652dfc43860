"""The subgraphs of a network and the order in which they are decided.

What the converter cuts. The masked forward of `network.Network` and this list
walk the same blocks; a test holds them together.
"""

import functools
import itertools
import re
from typing import Callable, NamedTuple, Optional

from ddi_tf import network as network_lib
from ddi_tf import quantization
from ddi_tf import settled_gates
from ddi_tf import work as work_lib

# A mask is 0 or 1, at the ends of its range.
_MASK_INTERVAL = (0.0, 1.0)


class Subgraph(NamedTuple):
    """The smallest thing the device may decide about."""

    name: str
    role: str           # stem, layer_gate, channel_gate, block, skip, exit or
                        # head
    function: Callable  # of tensors, in the order of `inputs`; inference
    inputs: dict        # name -> shape, batch 1 first
    work: work_lib.Work
    ranges: dict = {}   # name of an input -> `quantization.Range`, or None

    @property
    def macs(self):
        return self.work.macs


class Way(NamedTuple):
    """Which channel groups a graph of a block computes."""

    groups: tuple  # ascending
    masked: bool   # takes a mask, so may run fewer of them


class Variant(NamedTuple):
    """One way to run a block."""

    graph: Subgraph
    groups: tuple  # as of its `Way`
    masked: bool


class Step(NamedTuple):
    """One block and the decisions round it, in the order they are taken."""

    name: str
    layer_gate: Optional[Subgraph]
    channel_gate: Optional[Subgraph]
    groups: int
    variants: tuple
    skip: Optional[Subgraph]  # None: features pass, if it is skippable
    exit: Optional[Subgraph]
    skippable: bool
    appended: int             # as of `block.Block`
    settled: Optional[tuple]  # as `settled_gates.groups_run`

    @property
    def graphs(self):
        """Every subgraph of the step."""
        return [graph for graph in (
            self.layer_gate, self.channel_gate,
            *(variant.graph for variant in self.variants), self.skip, self.exit)
            if graph is not None]


class Cut(NamedTuple):
    """A network in pieces."""

    stem: Subgraph
    steps: tuple
    head: Subgraph

    @property
    def graphs(self):
        """Every subgraph, in the order of decisions."""
        return [self.stem, *(graph for step in self.steps
                             for graph in step.graphs), self.head]


def cut(network, ways):
    """The `Cut` of a `network.Network`.

    Args:
        network: built.
        ways: function of a block and its number of channel groups that returns
            the `Way`s to run it (`every_set`, `masked`); none if it never runs.
    """
    config, table = network.config, network.work
    stem = Subgraph("stem", "stem", network.stem,
                    {"images": (1, *config.image_shape)}, table.stem,
                    {"images": network.image_range})
    steps = tuple(_step(network, index, ways)
                  for index in range(len(network.blocks)))
    last = network.blocks[-1]
    head = Subgraph("head", "head", network.head, _features(last.out_shape),
                    table.head, {"features": last.range})
    return Cut(stem, steps, head)


def masked(block, groups):
    """One graph per block, which takes a mask if there is a choice."""
    del block
    return (Way(tuple(range(groups)), groups > 1),)


def every_set(most):
    """A graph for each set of open groups, of blocks that have `most` at most.

    It computes nothing else. Blocks with more sets are `masked`. The first
    group of a block that cannot be skipped is always open.
    """
    def ways(block, groups):
        sets = 2**groups - 1 if block.skippable else 2**(groups - 1)
        if not can_narrow(block, groups) or sets > most:
            return masked(block, groups)
        return tuple(Way(subset, False) for size in range(1, groups + 1)
                     for subset in itertools.combinations(range(groups), size)
                     if block.skippable or 0 in subset)
    return ways


def ways_in(network, names):
    """Ways to run a block (`cut`) of which graphs have these names.

    Without a graph that takes all masks, there must be one for each, unless
    the network's gates are settled there; none if they never run it.
    """
    def ways(block, groups):
        pattern = re.compile(rf"{block.name}_groups_([\d_]+)")
        found = [tuple(map(int, match[1].split("_")))
                 for match in map(pattern.fullmatch, names) if match]
        exact = tuple(Way(some, False) for some in found)
        run = settled_gates.groups_run(network, block)
        if block.name not in names and (exact or run == ()):
            return exact if run is not None else every_set(
                2**groups)(block, groups)
        return (*exact, *masked(block, groups))
    return ways


def can_narrow(block, groups):
    """Whether there are graphs of a block that compute some groups only."""
    return groups > 1 and block.narrows


def way_work(network, index, way):
    """`work.Work` of block number `index` run in a `Way`, shortcut included."""
    block, run = network.blocks[index], network.work.runs[index]
    total = groups_of(network, block)
    skip = network.work.skips[index]
    if len(way.groups) == total:
        return sum(run, skip)
    share = lambda cost, power: cost.share(len(way.groups)**power, total**power)
    return skip + run.opened + share(run.linear, 1) + share(run.square, 2)


def groups_of(network, block):
    """How many channel groups gates decide about in a block."""
    return (network_lib.groups_of(network.config, block)
            if network.channel_gating.decides(block) else 1)


def _step(network, index, ways):
    block, table = network.blocks[index], network.work
    inputs, after = _features(block.in_shape), _features(block.out_shape)
    reads, leaves = {"features": block.in_range}, {"features": block.range}
    layer_gate = channel_gate = skip = exit_ = None
    if network.layer_gating.decides(block):
        layer_gate = _gate(network.layer_gating, block, "layer_gate",
                           table.layer_gates[index])
    if network.channel_gating.decides(block):
        channel_gate = _gate(network.channel_gating, block, "channel_gate",
                             table.channel_gates[index])
    if block.skippable and not block.keeps_features:
        skip = Subgraph(f"{block.name}_skip", "skip", block.skip, inputs,
                        table.skips[index], reads)
    if block.name in network.exits:
        number = table.exit_after.index(index)
        exit_ = Subgraph(f"exit{number + 1}", "exit", network.exits[block.name],
                         after, table.exits[number], leaves)
    groups = groups_of(network, block)
    return Step(block.name, layer_gate, channel_gate, groups, tuple(
        Variant(_block_graph(network, index, way), *way)
        for way in ways(block, groups)), skip, exit_, block.skippable,
        block.appended, settled_gates.groups_run(network, block))


def _gate(gating, block, role, work):
    """The `Subgraph` that asks a gate about a block; None for a settled one."""
    inputs, state = _features(block.in_shape), gating.initial_state(1)
    function = gating.function(block)
    if function is None:
        return None
    if state is not None:
        inputs["state"] = tuple(state.shape)
    return Subgraph(f"{block.name}_{role}", role, function, inputs, work,
                    {"features": block.in_range})


def _block_graph(network, index, way):
    """The `Subgraph` that runs a block in one `Way`."""
    block = network.blocks[index]
    total = groups_of(network, block)
    function = block.run
    if can_narrow(block, total):
        function = functools.partial(
            block.run_groups, groups=way.groups, total=total)
    inputs = _features(block.in_shape)
    ranges = {"features": block.in_range}
    if way.masked:
        inputs = {**inputs, "mask": (1, len(way.groups))}
        ranges["mask"] = network.rounding and quantization.Range(
            network.rounding, _MASK_INTERVAL)
    return Subgraph(way_name(block, total, way), "block", function, inputs,
                    way_work(network, index, way), ranges)


def way_name(block, groups, way):
    """Name of the graph that runs a block with `groups` groups in a `Way`."""
    if len(way.groups) == groups and (way.masked or groups == 1):
        return block.name
    return f"{block.name}_groups_{'_'.join(map(str, way.groups))}"


def _features(shape):
    return {"features": (1, *shape)}
