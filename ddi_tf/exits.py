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

# Filters and stride of a `SeparableExit`'s convolutions.
_SEPARABLE = ((64, 1), (128, 2), (128, 1))


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
    return _one_of(ENTROPIES, "exit_entropy", kind)


def form(kind):
    """The class of FORMS called `kind`. Raises ConfigError."""
    return _one_of(FORMS, "exit_head", kind)


def _one_of(table, setting, kind):
    if kind not in table:
        raise errors.ConfigError(
            f"`{setting}` must be one of {', '.join(table)}. Received: {kind}")
    return table[kind]


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


def grid(size, cells=_GRID):
    """Cells of an exit's grid along a side of `size` pixels.

    `cells` where that divides the side, else the next larger number that does.
    """
    return next(count for count in range(min(cells, size), size + 1)
                if size % count == 0)


class Exit(tf_keras.layers.Layer):
    """Average pool to a grid -> convolutions -> dense; FORMS has its kinds.

    Args:
        shape: (height, width, channels) of the features.
        classes: number of classes.
        filters: of a `GridExit`'s convolution; None: as many as channels.
        normalizes: whether batch norm and ReLU come first.

    Attributes:
        convolutions: in order.
        range: `quantization.Range` of its logits, or None.
    """

    _cells = _GRID

    def __init__(self, shape, classes, *, filters=None, normalizes=False,
                 **kwargs):
        super().__init__(**kwargs)
        self.shape, self.classes, self.range = tuple(shape), classes, None
        self.filters = filters or shape[-1]
        self.cells = tuple(grid(size, self._cells) for size in shape[:2])
        self.norm = layers.NormReLU(name="norm") if normalizes else None
        self._make_convolutions()
        self.dense = tf_keras.layers.Dense(classes, name="dense")

    def call(self, features, training=False):
        """[B, *shape] float -> [B, classes] logits."""
        if self.norm is not None:
            features = self.norm(features, training)
        cell = [size // cells for size, cells in zip(self.shape, self.cells)]
        if max(cell) > 1:
            features = tf.nn.avg_pool2d(features, cell, cell, "VALID")
        for conv in self.convolutions:
            features = conv(features, training)
        return quantization.dense(
            self.dense, self._as_vector(features), self.range)

    @property
    def work(self):
        """`work.Work` of one answer."""
        shape, done = (*self.cells, self.shape[-1]), work.Work()
        if shape != self.shape:
            done = work.traffic(self.shape, shape)
        for conv in self.convolutions:
            done, shape = done + conv.work(*shape), conv.out_shape(shape)
        return done + self._vector_work(shape)

    def get_config(self):
        return {**super().get_config(), "shape": self.shape,
                "classes": self.classes, "filters": self.filters,
                "normalizes": self.norm is not None}


class GridExit(Exit):
    """4x4 cells -> one 3x3 convolution -> dense, of every cell.

    With as many filters as there are channels, its cost grows with the square
    of the stage's width: heads grow more complex from first to last.
    """

    def _make_convolutions(self):
        self.conv = layers.ConvBN(self.filters, 3, name="conv")

    @property
    def convolutions(self):
        return [self.conv]

    def _as_vector(self, x):
        return tf.reshape(x, [-1, math.prod(self.cells) * self.filters])

    def _vector_work(self, shape):
        return work.dense(math.prod(shape), self.classes)


class SeparableExit(Exit):
    """8x8 cells -> three separable convolutions -> global mean -> dense.

    Early features are of edges, and an answer needs more than one layer to make
    objects of them. Depthwise-separable (MobileNet, arXiv:1704.04861, Section
    3.1), three of them take half a million MACs. The second halves the grid.

    Attributes:
        pooled_range: `quantization.Range` of the means, or None.
    """

    _cells = 2 * _GRID

    def _make_convolutions(self):
        self.convolutions, self.pooled_range = [], None
        channels = self.shape[-1]
        for number, (filters, stride) in enumerate(_SEPARABLE, start=1):
            self.convolutions += [
                layers.DepthwiseConvBN(
                    channels, 3, stride=stride, name=f"depthwise{number}"),
                layers.ConvBN(filters, 1, name=f"pointwise{number}")]
            channels = filters

    def _as_vector(self, x):
        return quantization.rounded(
            tf.reduce_mean(x, axis=[1, 2]), self.pooled_range)

    def _vector_work(self, shape):
        return work.traffic(shape) + work.dense(shape[-1], self.classes)


# Of --model_exit_head.
FORMS = {"grid": GridExit, "separable": SeparableExit}


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
