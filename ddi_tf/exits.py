"""Early exits: small classifiers along the way, and how sure they are.

BranchyNet (arXiv:1709.01686); Dual Dynamic Inference, Section 3.2.
"""

import math

import tensorflow as tf
import tf_keras

from ddi_tf import errors
from ddi_tf import layers
from ddi_tf import quantization
from ddi_tf import work

# An exit sees its features on a grid of as few cells, whatever the stage.
_GRID = 4


def shannon_entropy(logits):
    """Uncertainty of a softmax: `-sum_c p_c log p_c`, as in the paper.

    Args:
        logits: [..., C] float.

    Returns:
        [...] float in [0, log C], nats.
    """
    log_p = tf.nn.log_softmax(logits)
    return -tf.reduce_sum(tf.exp(log_p) * log_p, axis=-1)


def min_entropy(logits):
    """Uncertainty of a softmax: `-log max_c p_c`; as `shannon_entropy`.

    How probable the answer is, whatever the others are. Renyi's entropy of
    order infinity, where Shannon's is that of order 1.
    """
    # log(1 + sum of the others' p / max p): answers that are as good as sure
    # stay apart.
    ordered = tf.sort(logits, axis=-1, direction="DESCENDING")
    return tf.math.log1p(tf.reduce_sum(
        tf.exp(ordered[..., 1:] - ordered[..., :1]), axis=-1))


ENTROPIES = {"shannon": shannon_entropy, "min": min_entropy}


def entropy(kind):
    """The function of ENTROPIES called `kind`. Raises ConfigError."""
    if kind not in ENTROPIES:
        raise errors.ConfigError(
            f"`exit_entropy` must be one of {', '.join(ENTROPIES)}. "
            f"Received: {kind}")
    return ENTROPIES[kind]


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


def grid(size):
    """Cells of an exit's grid along a side of `size` pixels.

    4 where that divides the side, else the next larger number that does.
    """
    return next(cells for cells in range(min(_GRID, size), size + 1)
                if size % cells == 0)


class Exit(tf_keras.layers.Layer):
    """Average pool to a grid -> 3x3 conv -> dense.

    With as many filters as there are channels, its cost grows with the square
    of the stage's width: heads grow more complex from first to last.

    Args:
        shape: (height, width, channels) of the features.
        classes: number of classes.
        filters: of its convolution; None: as many as channels.
        normalizes: whether batch norm and ReLU come first.

    Attributes:
        range: `quantization.Range` of its logits, or None.
    """

    def __init__(self, shape, classes, *, filters=None, normalizes=False,
                 **kwargs):
        super().__init__(**kwargs)
        self.shape, self.classes, self.range = tuple(shape), classes, None
        self.cells = tuple(map(grid, shape[:2]))
        self.norm = layers.NormReLU(name="norm") if normalizes else None
        self.conv = layers.ConvBN(filters or shape[-1], 3, name="conv")
        self.dense = tf_keras.layers.Dense(classes, name="dense")

    def call(self, features, training=False):
        """[B, *shape] float -> [B, classes] logits."""
        if self.norm is not None:
            features = self.norm(features, training)
        cell = [size // cells for size, cells in zip(self.shape, self.cells)]
        if max(cell) > 1:
            features = tf.nn.avg_pool2d(features, cell, cell, "VALID")
        x = self.conv(features, training)
        x = tf.reshape(x, [-1, math.prod(self.cells) * self.conv.filters])
        return quantization.dense(self.dense, x, self.range)

    @property
    def work(self):
        """`work.Work` of one answer."""
        pooled = (*self.cells, self.shape[-1])
        pooling = work.Work()
        if pooled != self.shape:
            pooling = work.traffic(self.shape, pooled)
        return (pooling + self.conv.work(*pooled) + work.dense(
            math.prod(self.cells) * self.conv.filters, self.classes))

    def get_config(self):
        return {**super().get_config(), "shape": self.shape,
                "classes": self.classes, "filters": self.conv.filters,
                "normalizes": self.norm is not None}


class Head(tf_keras.layers.Layer):
    """The network's last answer: global average pool -> dense.

    Args:
        shape: (height, width, channels) of the features.
        classes: number of classes.
        normalizes: whether batch norm and ReLU come first.

    Attributes:
        pooled_range, range: `quantization.Range` of the pooled features and of
            the logits, or None.
    """

    def __init__(self, shape, classes, *, normalizes=False, **kwargs):
        super().__init__(**kwargs)
        self.shape, self.classes = tuple(shape), classes
        self.pooled_range = self.range = None
        self.norm = layers.NormReLU(name="norm") if normalizes else None
        self.dense = tf_keras.layers.Dense(classes, name="dense")

    def call(self, features, training=False):
        """[B, *shape] float -> [B, classes] logits."""
        if self.norm is not None:
            features = self.norm(features, training)
        pooled = quantization.rounded(
            tf.reduce_mean(features, axis=[1, 2]), self.pooled_range)
        return quantization.dense(self.dense, pooled, self.range)

    @property
    def work(self):
        """`work.Work` of one answer."""
        return work.traffic(self.shape) + work.dense(
            self.shape[-1], self.classes)

    def get_config(self):
        return {**super().get_config(), "shape": self.shape,
                "classes": self.classes, "normalizes": self.norm is not None}
