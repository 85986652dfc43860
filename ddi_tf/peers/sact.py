"""Spatially adaptive computation time: every position halts by itself.

Figurnov et al. 2017 (arXiv:1612.02297). As `act`, with a halting score for each
position,

    h = sigmoid(conv3x3(x) + w pool(x) + b)

A block is executed at the active positions, the others keep their features. Its
first convolution is needed wherever the second looks: at the active positions
and their neighbours.
"""

from typing import Any, NamedTuple

import tensorflow as tf

from ddi_tf import layers
from ddi_tf import work
from ddi_tf.peers import act


class Score(act.Score):
    """Halting score of positions: 3x3 conv, and the pooled features' dense.

    Args:
        shape: (height, width, channels) of the features it looks at.
    """

    def __init__(self, shape, **kwargs):
        super().__init__(shape, **kwargs)
        self.conv = layers.ConvBN(1, 3, norm=False, relu=False, name="conv")

    def call(self, features):
        """[B, *shape] float -> [B, height, width] halting scores in (0, 1)."""
        pooled = self._pooled(features)[:, tf.newaxis]
        return tf.sigmoid(-(self.conv(features)[..., 0] + pooled))

    @property
    def local_work(self):
        """`work.Work` of what is done at every position."""
        return self.conv.work(*self.shape)


class Positions(NamedTuple):
    """A block's residual branch, by the shares of positions it is computed at.

    A mask for it has two halves: the positions of the first convolution, then
    those of the second, [B, 2 H W] in {0, 1}.
    """

    first: Any   # convolution at every position
    second: Any  # likewise
    score: Any   # the 3x3 convolution of the score behind it, likewise

    @property
    def plain(self):
        """As `costs.Run.plain`: all but the score."""
        return self._replace(score=type(self.score)())

    def executed(self, mask):
        """As `costs.Run.executed`."""
        first, second = (tf.reduce_mean(half, axis=1)
                         for half in tf.split(mask, 2, axis=1))
        return self.first * first + (self.second + self.score) * second


class Walk(act.Walk):
    """As `act.Walk`, of positions."""

    def units(self, block):
        height, width, _ = block.out_shape
        return [self._batch_size, height, width, 1]

    def decisions_of(self, index, units):
        layer = tf.stop_gradient(tf.reduce_max(units, axis=[1, 2]))
        if self._network.begins_stage(index):
            return layer, tf.ones_like(layer)
        size = units.shape[1] * units.shape[2]
        second = tf.reshape(units, [-1, size])
        near = tf.reshape(tf.nn.max_pool2d(units, 3, 1, "SAME"), [-1, size])
        # Of both halves the gradient is that of the ponder cost.
        first = tf.stop_gradient(near - second) + second
        return layer, tf.concat([first, second], axis=1)

    def execute(self, block, x, layer, mask, training):
        ran = super().execute(block, x, layer, mask, training)
        if mask.shape[1] == 1:
            return ran
        height, width, _ = block.out_shape
        _, second = tf.split(mask, 2, axis=1)
        active = tf.reshape(second, [-1, height, width, 1]) > 0.5
        return tf.where(active, ran, x)


class SACT(act.ACT):
    """A ResNet whose stages halt, position by position.

    `Outputs.decisions.layers` says which blocks were executed anywhere, the
    masks where (`Positions`); these carry the gradient of the ponder cost, the
    mean over positions. A stage's first block runs everywhere and has a mask of
    one decision.
    """

    backbones = ("resnet",)
    make_score, make_walk = Score, Walk

    def _work_table(self, stem_work):
        table = super()._work_table(stem_work)
        runs, asked = list(table.runs), list(table.channel_gates)
        for index, block in enumerate(self.blocks):
            score = self.scores.get(block.name)
            local = score.local_work if score else work.Work()
            if self.begins_stage(index):
                asked[index] += local
            else:
                runs[index] = Positions(
                    block.conv1.work(*block.in_shape),
                    block.conv2.work(*block.out_shape)
                    + work.traffic(block.out_shape),  # the sum's other operand
                    local)
        return table._replace(runs=tuple(runs), channel_gates=tuple(asked))

    @property
    def _group_counts(self):
        return [1 if self.begins_stage(index)
                else 2 * block.out_shape[0] * block.out_shape[1]
                for index, block in enumerate(self.blocks)]
