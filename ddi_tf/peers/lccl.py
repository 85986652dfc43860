"""LCCL: a cheap layer says where a convolution need not be computed.

Dong et al. 2017, "More is Less: A More Complicated Network with Less Inference
Complexity" (arXiv:1703.08651), Section 3. Beside every convolution of a block
stands a low-cost collaborative layer, here the kind of one filter that all
output channels share (W'_i = W'_j of their Figure 1), with batch norm and ReLU:

    output = convolution(x) * min(relu(batch_norm(low(x))), 1)

Where the second factor is 0 so is the output, whatever the first one is; the
convolution's MACs count at the other positions only. It is trained from the
start as a static network, with nothing but the labels. The ReLU of a block's
second convolution stands behind the sum with the shortcut, as in any ResNet.
The limit of 1 is ours: without it every convolution squares how much an image
differs in scale from the batch, and until batch norm's averages had settled,
inference overflowed (ResNet14, digits).
"""

from typing import Any, NamedTuple

import tensorflow as tf

from ddi_tf import deciding
from ddi_tf import errors
from ddi_tf import layers
from ddi_tf import network as network_lib
from ddi_tf import resnet
from ddi_tf import work


class Run(NamedTuple):
    """A block's branch, by the shares of positions it is computed at."""

    low: Any     # the low-cost layers
    moved: Any   # features and weights, whatever is computed of them
    first: Any   # MACs of the first convolution, at all positions
    second: Any  # and of the second

    @property
    def plain(self):
        """As `costs.Run.plain`: all but the low-cost layers."""
        return self._replace(low=type(self.low)())

    def executed(self, mask):
        """As `costs.Run.executed`, for `CollaborativeBlock.positions`."""
        first, second = (tf.reduce_mean(part, axis=1)
                         for part in tf.split(mask, 2, axis=1))
        return (self.low + self.moved + self.first * first
                + self.second * second)


class CollaborativeBlock(resnet.ResidualBlock):
    """A residual block with a low-cost layer beside both convolutions."""

    channels = 0  # there is no choice of channels

    def _make_branch(self):
        super()._make_branch()
        self.low1 = layers.ConvBN(1, 3, stride=self.stride, name="low1")
        self.low2 = layers.ConvBN(1, 3, name="low2")

    def _branch(self, x, mask, training):
        del mask
        x = self.conv1(x, training) * _limited(self.low1(x, training))
        return self.conv2(x, training) * _limited(self.low2(x, training))

    def positions(self, x):
        """Where its convolutions are computed (inference).

        Args:
            x: [B, H, W, C] float, its features.

        Returns:
            [B, 2 P] float in {0, 1}, for the P positions of its output: of the
            first convolution, then of the second.
        """
        first = self.low1(x)
        second = self.low2(self.conv1(x) * _limited(first))
        height, width, _ = self.out_shape
        return tf.concat([
            tf.cast(tf.reshape(low, [-1, height * width]) > 0, tf.float32)
            for low in (first, second)], axis=1)

    @property
    def run_work(self):
        """`Run` of `work.Work`."""
        between = self.conv1.out_shape(self.in_shape)
        first, second = self.conv1.work(*self.in_shape), self.conv2.work(
            *between)
        moved = work.Work(0, first.weights + second.weights) + work.traffic(
            self.in_shape, between, between) + self.written
        return Run(
            self.low1.work(*self.in_shape) + self.low2.work(*between), moved,
            work.Work(first.macs), work.Work(second.macs))


def _limited(low):
    return tf.minimum(low, 1)


class LCCL(network_lib.Network):
    """A ResNet of `CollaborativeBlock`s, without gates.

    Its `deciding.Decisions` hold positions for masks.
    """

    def _make_backbone(self):
        if self.config.layer_gates or self.config.channel_gates:
            raise errors.ConfigError(
                "`lccl` has no gates: give --nomodel_layer_gates and "
                "--nomodel_channel_gates.")
        backbone = super()._make_backbone()
        return backbone._replace(blocks=[
            _collaborative(block) for block in backbone.blocks])

    def _walk(self, batch_size, train_gates, decisions, thresholds, sampled):
        del train_gates, thresholds, sampled  # gates' own
        return _Walk(batch_size, decisions)

    def all_closed(self, batch_size):
        """As of `network.Network`: no position needs any block."""
        opened = self.all_open(batch_size)
        return opened._replace(masks=tuple(map(tf.zeros_like, opened.masks)))

    @property
    def _group_counts(self):
        return [2 * block.out_shape[0] * block.out_shape[1]
                for block in self.blocks]


def _collaborative(block):
    if type(block) is not resnet.ResidualBlock:
        raise errors.ConfigError(
            "`lccl` is for residual blocks of two convolutions; "
            f"{block.name} is none. Give --model_backbone=resnet.")
    return CollaborativeBlock(
        block.in_shape, block.filters, stride=block.stride,
        mask_site=block.mask_site, name=block.name)


class _Walk:
    """What one forward pass computes, as of `network.Network`."""

    def __init__(self, batch_size, forced):
        self._one, self._forced = tf.ones([batch_size, 1]), forced
        self._layers, self._masks = [], []

    def run(self, index, block, x, training):
        """Features after block number `index`, of those before it."""
        if self._forced is None:
            gate, layer, mask = None, self._one, block.positions(x)
        else:
            layer = self._forced.layers[:, index:index + 1]
            gate, mask = layer[:, 0], self._forced.masks[index]
        self._layers.append(layer)
        self._masks.append(mask)
        return block(x, gate, training=training)

    def decisions(self):
        return deciding.Decisions(
            tf.concat(self._layers, axis=1), tuple(self._masks))

    probabilities = decisions
