"""What an image costs: MACs of what is executed, as the device counts them.

A skipped block pays its shortcut alone; a closed layer gate also saves the
channel gate behind it (Dual Dynamic Inference, Section 3.1).
"""

from typing import NamedTuple

import tensorflow as tf

from ddi_tf import resnet


class CostTable(NamedTuple):
    """Costs of one network's subgraphs, in MACs; K blocks, E exits."""

    stem: int
    layer_gates: tuple    # K
    channel_gates: tuple  # K; 0 where there is none
    skips: tuple          # K: paid by every image
    runs: tuple           # K resnet.RunMacs: paid on top when the block runs
    exits: tuple          # E
    exit_after: tuple     # E block indices
    head: int

    @property
    def base(self):
        """Cost of the plain backbone: stem, every block, head."""
        return (self.stem + sum(self.skips) + self.head
                + sum(sum(run) for run in self.runs))

    @property
    def everything(self):
        """Cost of all gates open and all exits evaluated, none taken."""
        return (self.base + sum(self.layer_gates) + sum(self.channel_gates)
                + sum(self.exits))

    @property
    def least(self):
        """Cost with every gate closed and all exits evaluated, none taken."""
        return (self.stem + sum(self.skips) + sum(self.layer_gates)
                + sum(self.answers))

    @property
    def answers(self):
        """[E + 1] cost of each answer by itself: exits, then the head."""
        return (*self.exits, self.head)


def mac_table(network, stem_macs):
    """The `CostTable` of a `network.Network` (while it is being built)."""
    exit_after = [index for index, block in enumerate(network.blocks)
                  if block.name in network.exits]
    return CostTable(
        stem=stem_macs,
        layer_gates=tuple(
            network.layer_gate.macs(block.in_shape[-1])
            if network.layer_gate else 0 for block in network.blocks),
        channel_gates=tuple(
            network.channel_gates[block.name].macs(*block.in_shape[:2])
            if network.channel_gates else 0 for block in network.blocks),
        skips=tuple(block.skip_macs for block in network.blocks),
        runs=tuple(block.run_macs for block in network.blocks),
        exits=tuple(network.exits[network.blocks[i].name].macs()
                    for i in exit_after),
        exit_after=tuple(exit_after),
        head=network.head.macs())


def spent(table, decisions):
    """Cost of the way to each answer, without the answers' own cost.

    Args:
        table: `CostTable`.
        decisions: `network.Decisions`, hard, [B, K] and K times [B, G_k].

    Returns:
        [B, E + 1] float64 (MACs do not fit float32 exactly); differentiable
        with respect to the decisions. Which exits are evaluated, and so paid,
        is chosen later: add `answers` of those (`spent_with_exits`).
    """
    total = tf.zeros_like(decisions.layers[:, 0], tf.float64) + table.stem
    at_exits = []
    for k, run in enumerate(table.runs):
        gate = tf.cast(decisions.layers[:, k], tf.float64)
        mask = tf.cast(decisions.masks[k], tf.float64)
        m = tf.reduce_mean(mask, axis=1)
        executed = (table.channel_gates[k] + run.opened * resnet.opened(mask)
                    + run.linear * m + run.square * m * m)
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
