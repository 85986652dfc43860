"""Early exits: small classifiers along the way, and how sure they are.

BranchyNet (arXiv:1709.01686); Dual Dynamic Inference, Section 3.2.
"""

import math

import tensorflow as tf
import tf_keras

from ddi_tf import layers
from ddi_tf import quantization
from ddi_tf import work

# An exit sees its features on a grid of 4 x 4 cells, whatever the stage.
GRID = 4


def entropy(logits):
    """Uncertainty of a softmax: `-sum_c p_c log p_c`.

    Args:
        logits: [..., C] float.

    Returns:
        [...] float in [0, log C], nats.
    """
    log_p = tf.nn.log_softmax(logits)
    return -tf.reduce_sum(tf.exp(log_p) * log_p, axis=-1)


def positions(blocks):
    """After which of a stage's blocks its exits stand: about 1/4 and 3/4.

    Args:
        blocks: number of blocks in the stage, > 0.

    Returns:
        One or two block numbers, counted from 1; a stage of one block has one.
    """
    quarter = max(1, round_half_up(blocks / 4))
    return sorted({quarter, max(1, round_half_up(blocks * 3 / 4))})


def round_half_up(value):
    """Nearest whole number; halves go up (Python's own go to the even one)."""
    return int(value + 0.5)


class Exit(tf_keras.layers.Layer):
    """Average pool to 4 x 4 -> 3x3 conv of the same width -> dense.

    Its cost grows with the square of the stage's width, so the heads grow more
    complex from the first stage to the last.

    Args:
        channels: width of the features.
        classes: number of classes.

    Attributes:
        range: `quantization.Range` of its logits, or None.
    """

    def __init__(self, channels, classes, **kwargs):
        super().__init__(**kwargs)
        self.channels, self.classes, self.range = channels, classes, None
        self.conv = layers.ConvBN(channels, 3, name="conv")
        self.dense = tf_keras.layers.Dense(classes, name="dense")

    def call(self, features, training=False):
        """[B, H, W, C] float, H and W multiples of 4 -> [B, classes] logits."""
        cell = [features.shape[1] // GRID, features.shape[2] // GRID]
        if max(cell) > 1:
            features = tf.nn.avg_pool2d(features, cell, cell, "VALID")
        x = self.conv(features, training)
        x = tf.reshape(x, [-1, GRID * GRID * self.channels])
        return quantization.dense(self.dense, x, self.range)

    def work(self, height, width):
        """`work.Work` of one answer about [H, W, channels]."""
        grid = (GRID, GRID, self.channels)
        pooling = work.Work()
        if (height, width) != (GRID, GRID):
            pooling = work.traffic((height, width, self.channels), grid)
        return (pooling + self.conv.work(*grid)
                + work.dense(math.prod(grid), self.classes))

    def get_config(self):
        return {**super().get_config(), "channels": self.channels,
                "classes": self.classes}


class Head(tf_keras.layers.Layer):
    """The network's last answer: global average pool -> dense.

    Attributes:
        pooled_range, range: `quantization.Range` of the pooled features and of
            the logits, or None.
    """

    def __init__(self, channels, classes, **kwargs):
        super().__init__(**kwargs)
        self.channels, self.classes = channels, classes
        self.pooled_range = self.range = None
        self.dense = tf_keras.layers.Dense(classes, name="dense")

    def call(self, features, training=False):
        """[B, H, W, C] float -> [B, classes] logits."""
        del training  # same signature as Exit; nothing here depends on it
        pooled = quantization.rounded(
            tf.reduce_mean(features, axis=[1, 2]), self.pooled_range)
        return quantization.dense(self.dense, pooled, self.range)

    def work(self, height, width):
        """`work.Work` of one answer about [H, W, channels]."""
        return (work.traffic((height, width, self.channels))
                + work.dense(self.channels, self.classes))

    def get_config(self):
        return {**super().get_config(), "channels": self.channels,
                "classes": self.classes}
