"""A gate of one block that looks at its features with a small convolution.

Dual Dynamic Inference, Section 3.1, for channels; for layers it is SkipNet's
feed-forward gate (arXiv:1711.09485, Section 3.2).
"""

import tensorflow as tf
import tf_keras

from ddi_tf import gates
from ddi_tf import layers
from ddi_tf import quantization
from ddi_tf import work


class ConvGate(tf_keras.layers.Layer):
    """3x3 conv, stride 2 -> pool -> dense -> sigmoid.

    Args:
        channels: width of the features it looks at.
        groups: decisions to make, one per group of channels, or 1 for a whole
            block, > 0.
        filters: to how many channels a 1x1 convolution reduces those first;
            None: there is none, and the 3x3 has as many as the features.
        keeps_first: whether the first group is open in any case: of a block
            that cannot be skipped something must run.

    Attributes:
        pooled_range: `quantization.Range` of what is pooled, or None; the dense
            layer behind it is float32 on any device.
    """

    def __init__(self, channels, groups, *, filters=None, keeps_first=False,
                 **kwargs):
        super().__init__(**kwargs)
        if groups <= keeps_first:
            least = "more than 1" if keeps_first else "positive"
            raise ValueError(
                f"`groups` must be {least}. Received: {groups}")
        self.channels, self.groups = channels, groups
        self.keeps_first, self.pooled_range = keeps_first, None
        self.reduce = layers.ConvBN(
            filters, 1, name="reduce") if filters else None
        self.conv = layers.ConvBN(filters or channels, 3, stride=2, name="conv")
        self.score = gates.score(groups - keeps_first)

    @property
    def biases(self):
        """Variables that are added to its scores."""
        return [self.score.bias]

    @property
    def convolutions(self):
        """Its `layers.ConvBN`s, in order."""
        return [*([self.reduce] if self.reduce else []), self.conv]

    def call(self, features, training=False):
        """[B, H, W, C] float -> [B, groups] probabilities in (0, 1]."""
        for conv in self.convolutions:
            features = conv(features, training)
        pooled = tf.reduce_mean(features, axis=[1, 2])
        pooled = quantization.rounded(pooled, self.pooled_range)
        if self.keeps_first:
            return gates.keep_first(self.score, pooled)
        return self.score(pooled)

    def work(self, height, width):
        """`work.Work` of one decision on [H, W, channels]."""
        shape, total = (height, width, self.channels), work.Work()
        for conv in self.convolutions:
            total += conv.work(*shape)
            shape = conv.out_shape(shape)
        return total + work.traffic(shape) + work.dense(
            shape[-1], self.groups)

    def get_config(self):
        return {**super().get_config(), "channels": self.channels,
                "groups": self.groups,
                "filters": self.reduce and self.reduce.filters,
                "keeps_first": self.keeps_first}
