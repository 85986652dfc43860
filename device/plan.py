"""The steps of a bundle's plan, with their graphs and prices at hand."""

import functools
from typing import NamedTuple, Optional

from device import budget
from device import quantization

# What a block ran with: the open channel groups, ascending; () is a skip.
SKIPPED = ()


class Node(NamedTuple):
    """A graph and what running it costs."""

    name: str
    graph: object
    macs: int
    energy_pj: int  # modelled
    # Of a recurrent gate: its role, since each kind has one state.
    state: Optional[str] = None


class Way(NamedTuple):
    """How a block runs some of its groups."""

    choice: int    # index of the variant
    node: Node
    masks: tuple   # of arrays: the one that the variant takes, or none


class Block:
    """A `bundle.Step` with its graphs and prices at hand.

    Args:
        step: `bundle.Step`.
        number: its place in the plan, from 0.
        nodes: graph name -> `Node`.
        specs: graph name -> `bundle.Graph`.
        append: `concatenation.Append`, of a block that appends; or None.

    Attributes:
        least: the groups that run in any case (`budget.least_groups`).
        settled: the groups that run where no gate chooses channels.
    """

    def __init__(self, step, number, nodes, specs, append=None):
        self.append, self.least = append, budget.least_groups(step)
        self.settled = budget.settled_groups(step)
        self.step, self.number, self._specs = step, number, specs
        self.layer_gate = nodes.get(step.layer_gate)
        self.channel_gate = nodes.get(step.channel_gate)
        self.variants = tuple(nodes[v.graph] for v in step.variants)
        self.skip, self.exit = nodes.get(step.skip), nodes.get(step.exit)
        # Few sets of groups occur; bounded, since a block can have many.
        self.choose = functools.lru_cache(maxsize=1024)(self._choose)
        self.masks = functools.lru_cache(maxsize=1024)(self._masks)
        self.way = functools.lru_cache(maxsize=1024)(self._way)

    def completed(self, groups):
        """`groups`, ascending, and those that run in any case."""
        has_least = groups[:len(self.least)] == self.least
        return groups if has_least else tuple(sorted({*self.least, *groups}))

    def _way(self, groups):
        """The `Way` that runs `groups`; None for SKIPPED."""
        choice = self._choose(groups)
        return None if choice is None else Way(
            choice, self.variants[choice], self._masks(choice, groups))

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
        choice = budget.cheapest_variant(
            self.step.variants, [node.macs for node in self.variants], groups)
        if choice is None:
            raise ValueError(
                f"{self.step.name} has no graph for the groups {groups}: its "
                f"gates are settled. `forced` needs {self.settled} or SKIPPED")
        return choice

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
