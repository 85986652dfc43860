"""What gates say in one forward pass, collected block by block."""

from typing import NamedTuple

import tensorflow as tf

from ddi_tf import gates
from ddi_tf import settled_gates


class Decisions(NamedTuple):
    """What the gates said: K blocks, G_k channel groups in block k."""

    layers: tf.Tensor  # [B, K] float in {0, 1}, or probabilities
    masks: tuple       # K times [B, G_k] float in {0, 1}, or probabilities


def closed(network, opened):
    """The `Decisions` that run as little as a network's gates may say.

    What no gate decides about runs, and of a block that cannot be skipped the
    first group of channels.

    Args:
        network: `network.Network`.
        opened: its `all_open`.
    """
    layers = [float(not network.layer_gating.decides(block))
              for block in network.blocks]

    def least(block, mask):
        if not network.channel_gating.decides(block):
            return mask
        return mask * (0.0 if block.skippable else tf.one_hot(
            0, mask.shape[1]))

    return Decisions(opened.layers * layers,
                     tuple(map(least, network.blocks, opened.masks)))


class Walk:
    """The decisions of one forward pass, collected block by block."""

    def __init__(self, network, batch_size, train_gates, forced, thresholds,
                 sampled):
        self._network, self._forced = network, forced
        self._thresholds = thresholds
        self._train_gates = train_gates
        self._decided = gates.drawn if sampled else gates.straight_through
        self._ones = tf.ones([batch_size, 1])
        self._layer_answers = settled_gates.answers(
            network.config, settled_gates.LAYER)
        self._layer_state = network.layer_gating.initial_state(batch_size)
        self._channel_state = network.channel_gating.initial_state(batch_size)
        self._soft_layers, self._soft_masks = [], []
        self._hard_layers, self._hard_masks = [], []

    def run(self, index, block, x, training):
        """Features after block number `index`, of those before it."""
        gate, mask = self._decide(index, block, x)
        groups = self._settled_groups(block)
        if groups is None:
            return block(x, gate, mask, training)
        return block.settled(
            x, gate, groups=groups, total=self._hard_masks[-1].shape[1],
            training=training)

    def _settled_groups(self, block):
        """As `settled_gates.groups_computed`; None if decisions are given.

        A block's first call makes variables for all.
        """
        if self._forced is not None or not block.built:
            return None
        return settled_gates.groups_computed(self._network, block)

    def _decide(self, index, block, x):
        """(gate, mask) for `block.call`; None where nothing decides."""
        if self._forced is not None:
            layer = hard_layer = self._forced.layers[:, index:index + 1]
            mask = hard_mask = self._forced.masks[index]
        else:
            layer, hard_layer = self._ask_layer(index, block, x)
            mask, hard_mask = self._ask_channels(index, block, x, hard_layer)
        self._soft_layers.append(layer)
        self._soft_masks.append(mask)
        self._hard_layers.append(hard_layer)
        self._hard_masks.append(hard_mask)
        network = self._network
        has_gate = block.skippable if self._forced is not None else (
            network.layer_gating.decides(block)
            and self._layer_answers.get(block.name) != (1,))
        return (hard_layer[:, 0] if has_gate else None,
                hard_mask if network.channel_gating.decides(block) else None)

    def decisions(self):
        return Decisions(tf.concat(self._hard_layers, axis=1),
                         tuple(self._hard_masks))

    def probabilities(self):
        return Decisions(tf.concat(self._soft_layers, axis=1),
                         tuple(self._soft_masks))

    def _ask_layer(self, index, block, x):
        """[B, 1] probabilities, and what is decided."""
        gating = self._network.layer_gating
        if not gating.decides(block):
            return self._ones, self._ones
        layer, self._layer_state = gating.ask(
            block, x, self._layer_state, self._train_gates)
        return layer, self._decided(
            layer, self._thresholds.layers[:, index:index + 1])

    def _ask_channels(self, index, block, x, hard_layer):
        """[B, G] probabilities, and what is decided."""
        gating = self._network.channel_gating
        if not gating.decides(block):
            return self._ones, self._ones
        mask, state = gating.ask(
            block, x, self._channel_state, self._train_gates)
        if state is not None:
            # Behind a closed layer gate it is not asked.
            self._channel_state = tf.where(
                hard_layer > 0.5, state, self._channel_state)
        return mask, self._decided(mask, self._thresholds.masks[index])
