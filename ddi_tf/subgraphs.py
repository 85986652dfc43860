"""The subgraphs of a network and the order in which they are decided.

What the converter cuts. The masked forward of `network.Network` and this list
walk the same blocks; a test holds them together.
"""

import functools
import itertools
from typing import Callable, NamedTuple, Optional


class Subgraph(NamedTuple):
    """The smallest thing the device may decide about."""

    name: str
    role: str           # stem, layer_gate, channel_gate, block, skip, exit or
                        # head
    function: Callable  # of tensors, in the order of `inputs`; inference
    inputs: dict        # name -> shape, batch 1 first
    macs: int


class Variant(NamedTuple):
    """One way to run a block."""

    graph: Subgraph
    groups: tuple  # channel groups that it computes, ascending
    masked: bool   # takes a mask, so may run fewer


class Step(NamedTuple):
    """One block and the decisions round it, in the order they are taken."""

    name: str
    layer_gate: Optional[Subgraph]
    channel_gate: Optional[Subgraph]
    groups: int
    variants: tuple
    skip: Optional[Subgraph]  # None: a skipped block is the identity
    exit: Optional[Subgraph]

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
        """Every subgraph once; shared ones (layer gates) stand where first."""
        everything = [self.stem, *(graph for step in self.steps
                                   for graph in step.graphs), self.head]
        return list({graph.name: graph for graph in everything}.values())


def cut(network, max_variants):
    """The `Cut` of a `network.Network`.

    Args:
        network: built.
        max_variants: how many graphs a block may have. If every set of open
            channel groups fits, each gets a graph that computes nothing else;
            otherwise one graph computes all channels and takes the mask.
    """
    config, table = network.config, network.costs
    images = {"images": (1, *config.image_shape)}
    stem = Subgraph("stem", "stem", network.stem, images, table.stem)
    steps = tuple(_step(network, index, max_variants)
                  for index in range(len(network.blocks)))
    head = Subgraph("head", "head", network.head,
                    _features(network.blocks[-1].out_shape), table.head)
    return Cut(stem, steps, head)


def _step(network, index, max_variants):
    block, table = network.blocks[index], network.costs
    inputs, after = _features(block.in_shape), _features(block.out_shape)
    layer_gate = channel_gate = skip = exit_ = None
    groups = 1
    if network.layer_gate is not None:
        state = network.layer_gate.initial_state(1)
        layer_gate = Subgraph(
            f"layer_gate_{block.in_shape[-1]}", "layer_gate",
            network.layer_gate, {**inputs, "state": tuple(state.shape)},
            table.layer_gates[index])
    if block.name in network.channel_gates:
        gate = network.channel_gates[block.name]
        groups = gate.groups
        channel_gate = Subgraph(f"{block.name}_channel_gate", "channel_gate",
                                gate, inputs, table.channel_gates[index])
    if table.skips[index]:
        skip = Subgraph(f"{block.name}_skip", "skip", block.skip, inputs,
                        table.skips[index])
    if block.name in network.exits:
        number = table.exit_after.index(index)
        exit_ = Subgraph(f"exit{number + 1}", "exit", network.exits[block.name],
                         after, table.exits[number])
    return Step(block.name, layer_gate, channel_gate, groups,
                _variants(block, table.skips[index], table.runs[index], groups,
                          inputs, max_variants), skip, exit_)


def _variants(block, skip, run, groups, inputs, max_variants):
    """The `Variant`s of a block with `groups` channel groups.

    Args:
        block: the block.
        skip: MACs of its shortcut, which every variant computes.
        run: `costs.Run` in MACs.
        groups: how many channel groups.
        inputs: name -> shape.
        max_variants: as for `cut`.
    """
    full = skip + sum(run)
    everything = tuple(range(groups))
    if groups == 1:
        return (Variant(Subgraph(block.name, "block", block, inputs, full),
                        everything, False),)
    if block.mask_site != "inner" or 2**groups - 1 > max_variants:
        masked = Subgraph(
            block.name, "block", lambda x, mask: block(x, mask=mask),
            {**inputs, "mask": (1, groups)}, full)
        return (Variant(masked, everything, True),)
    subsets = itertools.chain.from_iterable(
        itertools.combinations(everything, size)
        for size in range(1, groups + 1))
    return tuple(
        Variant(Subgraph(
            f"{block.name}_groups_{'_'.join(map(str, subset))}", "block",
            functools.partial(
                block.run_groups, groups=subset, total=groups),
            inputs, skip + run.linear * len(subset) // groups), subset, False)
        for subset in subsets)


def _features(shape):
    return {"features": (1, *shape)}
