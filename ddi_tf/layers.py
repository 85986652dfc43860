"""Convolution, batch norm and ReLU as one layer, and what it costs."""

import tensorflow as tf
import tf_keras

from ddi_tf import quantization
from ddi_tf import work

BATCH_NORM_MOMENTUM = 0.9
BATCH_NORM_EPSILON = 1e-5


def same_padding_size(size, stride):
    """Output height or width of a SAME convolution: ceil(size / stride)."""
    return -(-size // stride)


class _GlobalBatchNorm(tf_keras.layers.BatchNormalization):
    """Batch norm by the global batch of all replicas.

    Keras keeps moving statistics per replica and averages them when they are
    read, which all workers must do at once. These come from global batches, so
    they are the same everywhere: kept as weights are, any worker can read them.
    """

    def __init__(self, **kwargs):
        super().__init__(synchronized=True, **kwargs)

    def add_weight(self, **kwargs):
        if not kwargs.get("trainable", True):
            kwargs["synchronization"] = tf.VariableSynchronization.AUTO
            kwargs["aggregation"] = tf.VariableAggregation.ONLY_FIRST_REPLICA
        return super().add_weight(**kwargs)


def _batch_norm(**kwargs):
    """Of the batch: where there are replicas, of the global one (slower)."""
    alone = tf.distribute.get_strategy().num_replicas_in_sync == 1
    return (tf_keras.layers.BatchNormalization if alone
            else _GlobalBatchNorm)(**kwargs)


class ConvBN(tf_keras.layers.Layer):
    """`relu(batch_norm(conv(x)))`, SAME padding, no bias; ReLU is optional.

    Args:
        filters: output channels, > 0.
        kernel_size: height and width of the kernel, in pixels.
        stride: step in both directions, in pixels.
        relu: whether the ReLU is applied.

    Attributes:
        range: `quantization.Range` of its output, or None.

    Input shape: [B, H, W, C] float.
    Output shape: [B, ceil(H / stride), ceil(W / stride), filters].
    """

    def __init__(self, filters, kernel_size, *, stride=1, relu=True, **kwargs):
        super().__init__(**kwargs)
        if filters <= 0:
            raise ValueError(f"`filters` must be positive. Received: {filters}")
        self.filters, self.kernel_size = filters, kernel_size
        self.stride, self.relu = stride, relu
        self.range = None
        self.conv = tf_keras.layers.Conv2D(
            filters, kernel_size, stride, "same", use_bias=False,
            kernel_initializer="he_normal", name="conv")
        self.norm = _batch_norm(
            momentum=BATCH_NORM_MOMENTUM, epsilon=BATCH_NORM_EPSILON,
            name="norm")

    def call(self, x, training=False):
        if quantization.rounds(self.range):
            x = tf.nn.conv2d(x, tf.cast(self._kernel(), x.dtype), self.stride,
                             "SAME")
        else:
            x = self.conv(x)
        return self._activated(self.norm(x, training=training))

    def narrow(self, x, inputs=None, outputs=None):
        """Inference with some channels only; the others are not computed.

        Args:
            x: [B, H, W, len(inputs)] float: the input channels that are left.
            inputs: which input channels `x` holds, ascending; None for all.
            outputs: which output channels are wanted; None for all.

        Returns:
            [B, H', W', len(outputs)]: the same numbers as `call` on an input
            whose other channels are zero, restricted to `outputs`.
        """
        inputs = range(self.conv.kernel.shape[2]) if inputs is None else inputs
        outputs = range(self.filters) if outputs is None else outputs
        mean, variance, offset, scale = (
            tf.gather(weights, list(outputs)) for weights in (
                self.norm.moving_mean, self.norm.moving_variance,
                self.norm.beta, self.norm.gamma))
        x = tf.nn.conv2d(
            x, self._kernel(list(inputs), list(outputs)), self.stride, "SAME")
        return self._activated(tf.nn.batch_normalization(
            x, mean, variance, offset, scale, BATCH_NORM_EPSILON))

    def _kernel(self, inputs=None, outputs=None):
        """The kernel, or a part of it, rounded if the output is."""
        kernel = self.conv.kernel
        bounds = quantization.kernel_bounds(kernel)
        if inputs is not None:
            kernel = tf.gather(kernel, inputs, axis=2)
        if outputs is not None:
            kernel = tf.gather(kernel, outputs, axis=3)
            bounds = tf.gather(bounds, outputs)
        if quantization.rounds(self.range):
            return quantization.rounded_kernel(kernel, bounds)
        return kernel

    def _activated(self, x):
        return quantization.rounded(
            tf.nn.relu(x) if self.relu else x, self.range)

    def work(self, height, width, channels):
        """`work.Work` for one [H, W, C] input."""
        positions = (same_padding_size(height, self.stride)
                     * same_padding_size(width, self.stride))
        kernel = self.kernel_size**2 * channels * self.filters
        return work.Work(
            positions * kernel, kernel + self.filters,
            height * width * channels + positions * self.filters)

    def get_config(self):
        return {**super().get_config(), "filters": self.filters,
                "kernel_size": self.kernel_size, "stride": self.stride,
                "relu": self.relu}
