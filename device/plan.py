"""The steps of a bundle's plan, with their graphs and prices at hand."""

import functools
from typing import NamedTuple

from device import budget
from device import quantization

# What a block ran with: the open channel groups, ascending; () is a skip.
SKIPPED = ()


class Node(NamedTuple):
    """A graph and what running it costs."""

    name: str
    graph: object
    macs: int


class Block:
    """A `bundle.Step` with its graphs and prices at hand.

    Args:
        step: `bundle.Step`.
        prices: `budget.StepCosts`.
        reserve: MACs to keep for the way to an answer behind the block.
        onward: MACs of the cheapest way to the answer after the block's exit.
        nodes: graph name -> `Node`.
        specs: graph name -> `bundle.Graph`.
    """

    def __init__(self, step, prices, reserve, onward, nodes, specs):
        self.step, self.prices, self._specs = step, prices, specs
        self.reserve, self.onward = reserve, onward
        self.layer_gate = nodes.get(step.layer_gate)
        self.channel_gate = nodes.get(step.channel_gate)
        self.variants = tuple(nodes[v.graph] for v in step.variants)
        self.skip, self.exit = nodes.get(step.skip), nodes.get(step.exit)
        # Few sets of groups occur; bounded, since a block can have many.
        self.choose = functools.lru_cache(maxsize=1024)(self._choose)
        self.masks = functools.lru_cache(maxsize=1024)(self._masks)

    def _choose(self, groups):
        """Index of the cheapest variant that runs `groups`; None for SKIPPED.

        Raises:
            ValueError: `groups` is no ascending tuple of the block's groups.
        """
        if groups == SKIPPED:
            return None
        if list(groups) != sorted(set(groups) & set(range(self.step.groups))):
            raise ValueError(
                "`forced` needs an ascending tuple of groups below "
                f"{self.step.groups} for {self.step.name}. Received: {groups}")
        return budget.cheapest_variant(
            self.step.variants, self.prices.variants, groups)

    def spec(self, choice):
        """`bundle.Graph` of variant number `choice`."""
        return self._specs[self.step.variants[choice].graph]

    def _masks(self, choice, groups):
        """The masks, one or none, with which a variant runs `groups`."""
        variant = self.step.variants[choice]
        if not variant.masked:
            return ()
        return (quantization.mask(
            variant.groups, groups, self.spec(choice).inputs[1]),)
