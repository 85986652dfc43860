"""Convolution, batch norm and ReLU as one layer, and what it costs."""

import math

import tensorflow as tf
import tf_keras

from ddi_tf import norms
from ddi_tf import quantization
from ddi_tf import work


def same_padding_size(size, stride):
    """Output height or width of a SAME convolution: ceil(size / stride)."""
    return -(-size // stride)


class _Convolution(tf_keras.layers.Layer):
    """`relu(batch_norm(conv(x)))`, SAME padding; norm and ReLU are optional.

    Args:
        filters: output channels, > 0.
        kernel_size: height and width of the kernel, in pixels.
        stride: step in both directions, in pixels.
        norm: whether there is a batch norm; the convolution has no bias.
        relu: whether the ReLU is applied.

    Attributes:
        range: `quantization.Range` of its output, or None.
        mixes_channels: whether every output is made of all inputs.

    Input shape: [B, H, W, C] float.
    Output shape: [B, ceil(H / stride), ceil(W / stride), filters].
    """

    mixes_channels = True
    kernel_name = "kernel"  # of its variable, in a checkpoint

    def __init__(self, filters, kernel_size, *, stride=1, norm=True, relu=True,
                 **kwargs):
        super().__init__(**kwargs)
        if filters <= 0:
            raise ValueError(f"`filters` must be positive. Received: {filters}")
        self.filters, self.kernel_size = filters, kernel_size
        self.stride, self.relu = stride, relu
        self.range = None
        self.conv = self._make(
            kernel_size=kernel_size, strides=stride, padding="same",
            use_bias=False, name="conv")
        self.norm = norms.make(
            filters, self.dtype_policy) if norm else None

    def call(self, x, training=False):
        if quantization.rounds(self.range):
            x = self._convolved(x, self._kernel())
        else:
            x = self.conv(x)
        if self.norm is not None:
            x = tf.cast(self.norm(x, training=training), self.compute_dtype)
        return self._activated(x)

    def narrow(self, x, inputs=None, outputs=None, training=False):
        """Some channels only; the others are not computed.

        Args:
            x: [B, H, W, len(inputs)] float: the input channels that are left.
            inputs: which input channels `x` holds, ascending; None for all.
            outputs: which output channels are wanted; None for all.
            training: as for `call`; of what batch norm knows, that about other
                outputs stays.

        Returns:
            [B, H', W', len(outputs)]: the same numbers as `call` on an input
            whose other channels are zero, restricted to `outputs`.
        """
        outputs = list(range(self.filters) if outputs is None else outputs)
        x = self._narrow(
            tf.cast(x, self.conv.compute_dtype), inputs, outputs)
        if self.norm is not None:
            x = tf.cast(norms.narrow(self.norm, x, outputs, training),
                        self.compute_dtype)
        return self._activated(x)

    def out_shape(self, shape):
        """(height, width, filters) of its output for (height, width, ...)."""
        return (*(same_padding_size(size, self.stride) for size in shape[:2]),
                self.filters)

    def _activated(self, x):
        return quantization.rounded(
            tf.nn.relu(x) if self.relu else x, self.range)

    def get_config(self):
        return {**super().get_config(), "filters": self.filters,
                "kernel_size": self.kernel_size, "stride": self.stride,
                "norm": self.norm is not None, "relu": self.relu}


class ConvBN(_Convolution):
    """A convolution; see `_Convolution`."""

    def _make(self, **settings):
        return tf_keras.layers.Conv2D(
            self.filters, kernel_initializer="he_normal", **settings)

    def _convolved(self, x, kernel):
        return tf.nn.conv2d(x, tf.cast(kernel, x.dtype), self.stride, "SAME")

    def _narrow(self, x, inputs, outputs):
        inputs = range(self.conv.kernel.shape[2]) if inputs is None else inputs
        return self._convolved(x, self._kernel(list(inputs), outputs))

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

    @property
    def kernel(self):
        """[h, w, C, filters] variable."""
        return self.conv.kernel

    def work(self, height, width, channels):
        """`work.Work` for one [H, W, C] input."""
        kernel = self.kernel_size**2 * channels * self.filters
        return _work((height, width, channels), self.out_shape(
            (height, width)), kernel)


class DepthwiseConvBN(_Convolution):
    """A convolution of each channel by itself; `filters` are its inputs too.
    """

    mixes_channels = False
    kernel_name = "depthwise_kernel"

    def _make(self, **settings):
        # With a stride, the gradient in bfloat16 takes five times as long on a
        # CPU as in float32, casts counted.
        dtype = "float32" if self.stride > 1 else None
        return tf_keras.layers.DepthwiseConv2D(
            depthwise_initializer="he_normal", dtype=dtype, **settings)

    def _convolved(self, x, kernel):
        return tf.nn.depthwise_conv2d(
            x, tf.cast(kernel, x.dtype), [1, self.stride, self.stride, 1],
            "SAME")

    def _narrow(self, x, inputs, outputs):
        if inputs is None:
            x = tf.gather(x, outputs, axis=3)
        return self._convolved(x, self._kernel(outputs))

    def _kernel(self, channels=None):
        kernel = self.conv.depthwise_kernel
        if channels is not None:
            kernel = tf.gather(kernel, channels, axis=2)
        if quantization.rounds(self.range):
            # A scale per channel, which is the third axis here.
            across = tf.transpose(kernel, [0, 1, 3, 2])
            kernel = tf.transpose(quantization.rounded_kernel(
                across, quantization.kernel_bounds(across)), [0, 1, 3, 2])
        return kernel

    @property
    def kernel(self):
        """[h, w, filters, 1] variable."""
        return self.conv.depthwise_kernel

    def work(self, height, width, channels):
        """`work.Work` for one [H, W, C] input; C is `filters`."""
        return _work((height, width, channels), self.out_shape(
            (height, width)), self.kernel_size**2 * channels)


class NormReLU(tf_keras.layers.Layer):
    """`relu(batch_norm(x))`, of features that come as they are (DenseNet).

    Attributes:
        range: `quantization.Range` of its output, or None.
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.range = None

    def build(self, shape):
        self.norm = norms.make(shape[-1], self.dtype_policy)
        super().build(shape)

    def call(self, x, training=False):
        """[B, H, W, C] float -> the same shape, >= 0."""
        x = tf.cast(self.norm(x, training=training), self.compute_dtype)
        return quantization.rounded(tf.nn.relu(x), self.range)

    def out_shape(self, shape):
        """The shape that it is given."""
        return tuple(shape)

    def work(self, *shape):
        """`work.Work`: as any norm, it happens on the way of what reads it."""
        del shape
        return work.Work()


class Pool(tf_keras.layers.Layer):
    """Mean of neighbours, VALID padding.

    Args:
        size: of the window, in pixels; its step, too.
    """

    def __init__(self, size, **kwargs):
        super().__init__(**kwargs)
        self.size = size

    def call(self, x, training=False):
        """[B, H, W, C] float -> [B, H // size, W // size, C]."""
        del training
        return tf.nn.avg_pool2d(x, self.size, self.size, "VALID")

    def out_shape(self, shape):
        """Of its output for (height, width, channels)."""
        height, width, channels = shape
        return height // self.size, width // self.size, channels

    def work(self, *shape):
        """`work.Work` for one input of [H, W, C]."""
        return work.traffic(shape, self.out_shape(shape))


class ImageNetStem(ConvBN):
    """7x7 convolution and 3x3 maximum, stride 2 each: 224 pixels to 56."""

    def __init__(self, filters, **kwargs):
        super().__init__(filters, 7, stride=2, **kwargs)

    def call(self, x, training=False):
        return tf.nn.max_pool2d(super().call(x, training), 3, 2, "SAME")

    def out_shape(self, shape):
        return super().out_shape(super().out_shape(shape))

    def work(self, *shape):
        between = super().out_shape(shape)
        return _work(shape, between, self.kernel_size**2 * shape[-1]
                     * self.filters) + work.traffic(
                         between, super().out_shape(between))

    def get_config(self):
        config = super().get_config()
        return {name: value for name, value in config.items()
                if name not in ("kernel_size", "stride")}


def _work(in_shape, out_shape, kernel):
    """`work.Work` of a convolution with so many weights, biases beside."""
    height, width, filters = out_shape
    return work.Work(
        height * width * kernel, kernel + filters,
        math.prod(in_shape) + math.prod(out_shape))
