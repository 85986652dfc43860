"""int8 while still in Keras: numbers rounded as TensorFlow Lite will round them.

Activations lie in ranges [low, high], cut into 255 steps; kernels are symmetric
round 0, with a scale per output channel
(https://ai.google.dev/edge/litert/conversion/tensorflow/quantization/quantization_spec).
All subgraphs of a stage read and write the same range, so that what one leaves
is what any other takes, byte for byte, and a skip changes nothing.

The same rounding serves three ends: with ranges found on images it says what
int8 will do, trained through (straight-through) it is quantisation-aware
training, and the converter takes scales and zero points from it.
`tfmot.quantization.keras.quantize_model` is not used: it copies layers, each
with a range of its own, and takes no part of a kernel.
"""

import tensorflow as tf
import tf_keras

# What a network's ranges do with the activations that pass.
OFF, OBSERVE, COUNT, ROUND = "off", "observe", "count", "round"

_BITS = 8

# A kernel's channel that is all zeros gets a scale as if its largest weight
# were this share of the kernel's.
_LEAST_BOUND = 1e-4


class Rounding:
    """What the ranges of one network do now; a compiled function keeps it.

    Attributes:
        mode: OFF passes activations on; OBSERVE widens the ranges; COUNT counts
            what lies beyond them; ROUND rounds to their 255 steps.
        counts: range name -> [2] float64 variable: activations beyond, and all.
    """

    def __init__(self, mode=OFF):
        self.mode, self.counts = mode, {}


class Range(tf_keras.layers.Layer):
    """Where the values of an activation lie; 0 is always among them.

    Args:
        rounding: `Rounding` of the network.
        interval: (low, high) to begin with.
    """

    def __init__(self, rounding, interval=(0.0, 0.0), **kwargs):
        super().__init__(
            dtype="float32", trainable=False, autocast=False, **kwargs)
        self._rounding, self.frozen = rounding, False
        self.low, self.high = (
            self.add_weight(
                name, (), initializer=tf_keras.initializers.Constant(value))
            for name, value in zip(("low", "high"), interval))
        rounding.counts[self.name] = tf.Variable([0.0, 0.0], dtype=tf.float64)

    @property
    def rounds(self):
        """Whether activations are rounded now."""
        return self._rounding.mode == ROUND

    @property
    def is_empty(self):
        """Whether nothing but 0 was seen."""
        return bool(self.high <= self.low)

    def limit(self, low, high):
        """Cuts the range to what lies in [low, high]."""
        self.low.assign(tf.maximum(self.low, low))
        self.high.assign(tf.minimum(self.high, high))

    def divide(self, number):
        """Follows activations that are divided by a number."""
        self.low.assign(self.low / number)
        self.high.assign(self.high / number)

    def call(self, x):
        """`x`, rounded or not; the same shape and type."""
        if self._rounding.mode == OBSERVE and not self.frozen:
            self.low.assign(tf.minimum(self.low, tf.reduce_min(x)))
            self.high.assign(tf.maximum(self.high, tf.reduce_max(x)))
        elif self._rounding.mode == COUNT:
            beyond = tf.math.count_nonzero((x < self.low) | (x > self.high))
            self._rounding.counts[self.name].assign_add(tf.cast(
                [beyond, tf.size(x, tf.int64)], tf.float64))
        elif self.rounds:
            x = tf.cast(tf.quantization.fake_quant_with_min_max_vars(
                tf.cast(x, tf.float32), self.low, self.high, _BITS), x.dtype)
        return x


def rounded(x, range_):
    """`range_(x)`; `x` where there is no range."""
    return x if range_ is None else range_(x)


def rounds(range_):
    """Whether what has this range, or None, is rounded now."""
    return range_ is not None and range_.rounds


def kernel_bounds(kernel):
    """[F] largest absolute weight of each output channel of [..., F]."""
    bounds = tf.reduce_max(tf.abs(kernel), list(range(len(kernel.shape) - 1)))
    return tf.maximum(bounds, _LEAST_BOUND * tf.reduce_max(bounds))


def rounded_kernel(kernel, bounds):
    """A kernel rounded to -127..127 steps per output channel.

    A weight that is 0 stays so in training: a pruned kernel stays pruned.

    Args:
        kernel: [H, W, C, F].
        bounds: [F] > 0, what 127 steps reach; of the whole kernel, where this
            is a part of one, so that both compute the same.
    """
    kernel = tf.where(kernel == 0, tf.stop_gradient(kernel), kernel)
    return tf.quantization.fake_quant_with_min_max_vars_per_channel(
        kernel, -bounds, bounds, _BITS, narrow_range=True)


def dense(layer, x, range_):
    """A Keras `Dense` without activation, in int8 where `range_` rounds.

    There it is a convolution of one pixel: of those, LiteRT and TFLite Micro
    round the sums alike, of dense layers they do not
    (https://github.com/google-ai-edge/LiteRT/issues/8567).

    Args:
        layer: the layer, built.
        x: [B, I].
        range_: `Range` of the outcome, or None.

    Returns:
        [B, O].
    """
    if not rounds(range_):
        return rounded(layer(x), range_)
    kernel = layer.kernel[tf.newaxis, tf.newaxis]
    pixel = tf.nn.conv2d(
        tf.reshape(x, [-1, 1, 1, kernel.shape[2]]),
        rounded_kernel(kernel, kernel_bounds(kernel)), 1, "VALID")
    return range_(tf.reshape(pixel + layer.bias, [-1, layer.units]))
