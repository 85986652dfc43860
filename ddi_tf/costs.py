"""What an image costs: what is executed, as the device executes it.

A skipped block pays its shortcut alone; a closed layer gate also saves the
channel gate behind it (Dual Dynamic Inference, Section 3.1).
"""

from typing import Any, NamedTuple

import tensorflow as tf

from ddi_tf import gates
from ddi_tf import work


class Run(NamedTuple):
    """A block's residual branch, by the fraction m of open channels.

    `opened * [m > 0] + linear * m + square * m^2`.
    """

    opened: Any
    linear: Any
    square: Any

    @property
    def plain(self):
        """What the plain backbone has of it: all."""
        return self

    def executed(self, mask):
        """[B] float64: cost for a mask, [B, G] float64 in {0, 1}."""
        m = tf.reduce_mean(mask, axis=1)
        return (self.opened * gates.opened(mask) + self.linear * m
                + self.square * m * m)


class CostTable(NamedTuple):
    """Costs of one network's subgraphs, in one unit; K blocks, E exits."""

    stem: Any
    layer_gates: tuple    # K
    channel_gates: tuple  # K; 0 where there is none
    skips: tuple          # K: paid by every image
    runs: tuple           # K `Run`, or what has its methods: paid on top when
                          # the block runs
    exits: tuple          # E
    exit_after: tuple     # E block indices
    head: Any

    def priced(self, price):
        """This table with `price(cost)` for every cost: another unit."""
        def each(costs):
            return tuple(map(price, costs))
        return CostTable(
            price(self.stem), each(self.layer_gates), each(self.channel_gates),
            each(self.skips), tuple(run._make(each(run)) for run in self.runs),
            each(self.exits), self.exit_after, price(self.head))

    @property
    def base(self):
        """Cost of the plain backbone: stem, every block, head."""
        return self._in_full(sum(run.plain) for run in self.runs)

    @property
    def everything(self):
        """Cost of all gates open and all exits evaluated, none taken."""
        return (self._in_full(map(sum, self.runs)) + sum(self.layer_gates)
                + sum(self.channel_gates) + sum(self.exits))

    def _in_full(self, runs):
        return self.stem + sum(self.skips) + self.head + sum(runs)

    @property
    def answers(self):
        """[E + 1] cost of each answer by itself: exits, then the head."""
        return (*self.exits, self.head)


def work_table(network, stem_work):
    """The `CostTable` of a `network.Network`, in `work.Work`."""
    exit_after = [index for index, block in enumerate(network.blocks)
                  if block.name in network.exits]

    def asked(gating):
        return tuple(gating.work(block) if gating.decides(block)
                     else work.Work() for block in network.blocks)

    return CostTable(
        stem=stem_work,
        layer_gates=asked(network.layer_gating),
        channel_gates=asked(network.channel_gating),
        skips=tuple(block.skip_work for block in network.blocks),
        runs=tuple(block.run_work for block in network.blocks),
        exits=tuple(exit_.work for exit_ in network.exits.values()),
        exit_after=tuple(exit_after),
        head=network.head.work)


def without_gates(table):
    """The `CostTable` of the same network when no gate is asked."""
    nothing = tuple(0 * cost for cost in table.layer_gates)
    return table._replace(layer_gates=nothing, channel_gates=nothing,
                          runs=tuple(run.plain for run in table.runs))


def spent(table, decisions):
    """Cost of the way to each answer, without the answers' own cost.

    Args:
        table: `CostTable`.
        decisions: `deciding.Decisions`, hard, [B, K] and K times [B, G_k].

    Returns:
        [B, E + 1] float64, in the table's unit (MACs do not fit float32
        exactly); differentiable
        with respect to the decisions. Which exits are evaluated, and so paid,
        is chosen later: add `answers` of those (`full_path`: of all).
    """
    total = tf.zeros_like(decisions.layers[:, 0], tf.float64) + table.stem
    at_exits = []
    for k, run in enumerate(table.runs):
        gate = tf.cast(decisions.layers[:, k], tf.float64)
        mask = tf.cast(decisions.masks[k], tf.float64)
        executed = table.channel_gates[k] + run.executed(mask)
        total += table.layer_gates[k] + table.skips[k] + gate * executed
        if k in table.exit_after:
            at_exits.append(total)
    return tf.stack([*at_exits, total], axis=1)


def full_path(table, spent_):
    """[B] cost of going all the way, every exit evaluated on the way.

    This is E of Eq. 5 before division by `table.base`: gates, exits and head
    always count.
    """
    return spent_[:, -1] + sum(table.answers)


def least(table, closed):
    """Cost with all closed that may be and all exits evaluated, none taken.

    Args:
        table: `CostTable`.
        closed: `network.Network.all_closed` of one image.

    Returns:
        float, in the table's unit.
    """
    return float(full_path(table, spent(table, closed))[0])
