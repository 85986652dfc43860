"""Layer and channel gates: what decides which work an image needs.

Dual Dynamic Inference, Section 3.1. The layer gate is one recurrent network
shared by all blocks (as in SkipNet, arXiv:1711.09485); every block has its own
small convolutional channel gate.
"""

import numpy as np
import tensorflow as tf
import tf_keras

from ddi_tf import layers
from ddi_tf import quantization
from ddi_tf import work

# Gates start a little open, so that warm-up only has to finish the job: a
# sigmoid driven far to one side has no gradient left for the skip phase.
_OPEN_BIAS = tf_keras.initializers.Constant(1.0)


def straight_through(probability, threshold=0.5):
    """Rounds to {0, 1} forwards and is the identity backwards.

    `p + stop_gradient(1[p >= t] - p)`; the sum is exact in floating point.

    Args:
        probability: any shape, float in [0, 1].
        threshold: t, of a shape that broadcasts; one half except in training.

    Returns:
        The same shape and dtype, in {0, 1}; 1 runs the layer or channels.
    """
    hard = tf.cast(probability >= threshold, probability.dtype)
    return probability + tf.stop_gradient(hard - probability)


def opened(mask):
    """Whether any group is open: `1 - prod_k (1 - mask_k)`, [B, G] -> [B]."""
    return 1 - tf.reduce_prod(1 - mask, axis=1)


def unmasked_if_closed(mask):
    """A mask that opens every channel of the images for which it opens none.

    What such an image computes is thrown away, and no gradient comes back from
    it; but batch norm counts it. Of zeros alone it would learn a variance of 0,
    and blow up the first image that opens the block again by 300 (ResNet14,
    CIFAR-10: 77.7% to 30.3% when the gates were shifted to the target).

    Args:
        mask: [B, G] in {0, 1}, or None.

    Returns:
        [B, G] in {0, 1}, with no gradient where all were closed; None for None.
    """
    if mask is None:
        return None
    any_open = tf.reduce_max(mask, axis=1, keepdims=True) > 0
    return tf.where(any_open, mask, tf.ones_like(mask))


def draw_thresholds(shape, noise, seed, step):
    """Thresholds for `straight_through` in one training step.

    With a threshold of one half every probability gathers there: the price of
    work pushes a gate down until it closes, the loss that follows pushes it up
    again, and nothing asks it to be sure (ResNet14, CIFAR-10: +-0.02 in the
    scores moved the cost from 0.63 to 0.09). A gate that is unsure of its
    answer in the face of noise gets it wrong half the time, so it learns to be
    sure. A threshold uniform in [0, 1] opens a gate with probability p.

    Args:
        shape: [B, D], images and decisions per image.
        noise: width of the interval round one half, in [0, 1].
        seed: whole number.
        step: whole number; every step has its own draw.

    Returns:
        [B, D] float32 numpy array.
    """
    uniform = np.random.default_rng([seed, 2, step]).random(shape, np.float32)
    return 0.5 + np.float32(noise) * (uniform - np.float32(0.5))


class LayerGate(tf_keras.layers.Layer):
    """Recurrent gate over blocks: pool -> 1x1 conv -> LSTM step -> sigmoid.

    One LSTM and one output layer serve all blocks; there is one 1x1 convolution
    per feature width. On pooled [B, C] features that is a dense layer.

    Args:
        widths: the feature widths (channels) it will be asked about.
        hidden: size of the embedding and of the LSTM's state.

    Attributes:
        pooled_ranges: width -> `quantization.Range` of the pooled features.
            What follows is float32 on any device: a few hundred MACs, and the
            LSTM's state has no range of its own to be rounded in.
    """

    def __init__(self, widths, *, hidden=10, **kwargs):
        super().__init__(**kwargs)
        if hidden <= 0:
            raise ValueError(f"`hidden` must be positive. Received: {hidden}")
        self.widths, self.hidden = tuple(widths), hidden
        self.pooled_ranges = {}
        self.embed = {
            str(width): tf_keras.layers.Dense(
                hidden, activation="relu", name=f"embed_{width}")
            for width in sorted(set(self.widths))}
        self.cell = tf_keras.layers.LSTMCell(hidden, name="lstm")
        self.score = tf_keras.layers.Dense(
            1, activation="sigmoid", bias_initializer=_OPEN_BIAS, name="score")

    def initial_state(self, batch_size):
        """[B, 2 * hidden] zeros: the LSTM's h and c side by side."""
        return tf.zeros([batch_size, 2 * self.hidden])

    def call(self, features, state):
        """Whether the next block should run.

        Args:
            features: [B, H, W, C] float, the block's input.
            state: [B, 2 * hidden] float, from the block before.

        Returns:
            probability: [B, 1] float in (0, 1).
            state: [B, 2 * hidden] float, for the block after.
        """
        width = str(features.shape[-1])
        pooled = quantization.rounded(tf.reduce_mean(features, axis=[1, 2]),
                                      self.pooled_ranges.get(width))
        embedded = self.embed[width](pooled)
        h, c = tf.split(state, 2, axis=1)
        output, (h, c) = self.cell(embedded, [h, c])
        return self.score(output), tf.concat([h, c], axis=1)

    def work(self, height, width, channels):
        """`work.Work` of one decision on [H, W, C] features."""
        return (work.traffic((height, width, channels))
                + work.dense(channels, self.hidden)
                + work.dense(2 * self.hidden, 4 * self.hidden)
                + work.dense(self.hidden, 1))

    def get_config(self):
        return {**super().get_config(), "widths": self.widths,
                "hidden": self.hidden}


class ChannelGate(tf_keras.layers.Layer):
    """Convolutional gate: 3x3 conv, stride 2 -> pool -> dense -> sigmoid.

    Args:
        channels: width of the features it looks at.
        groups: decisions to make, one per group of channels, > 0.

    Attributes:
        pooled_range: `quantization.Range` of what is pooled, or None; the dense
            layer behind it is float32 on any device.
    """

    def __init__(self, channels, groups, **kwargs):
        super().__init__(**kwargs)
        if groups <= 0:
            raise ValueError(f"`groups` must be positive. Received: {groups}")
        self.channels, self.groups = channels, groups
        self.pooled_range = None
        self.conv = layers.ConvBN(channels, 3, stride=2, name="conv")
        self.score = tf_keras.layers.Dense(
            groups, activation="sigmoid", bias_initializer=_OPEN_BIAS,
            name="score")

    def call(self, features, training=False):
        """[B, H, W, C] float -> [B, groups] probabilities in (0, 1)."""
        pooled = tf.reduce_mean(self.conv(features, training), axis=[1, 2])
        return self.score(quantization.rounded(pooled, self.pooled_range))

    def work(self, height, width):
        """`work.Work` of one decision on [H, W, channels]."""
        convolved = (layers.same_padding_size(height, self.conv.stride),
                     layers.same_padding_size(width, self.conv.stride),
                     self.channels)
        return (self.conv.work(height, width, self.channels)
                + work.traffic(convolved)
                + work.dense(self.channels, self.groups))

    def get_config(self):
        return {**super().get_config(), "channels": self.channels,
                "groups": self.groups}
