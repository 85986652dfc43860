"""Tests of rounding to int8 in Keras."""

import numpy as np
import tensorflow as tf
import tf_keras
from absl.testing import parameterized

from ddi_tf import layers
from ddi_tf import quantization


def _range(mode, low=0.0, high=0.0):
    return quantization.Range(quantization.Rounding(mode), (low, high))


class RangeTest(tf.test.TestCase):

    def test_off_passes_everything_on(self):
        x = tf.constant([-1e9, 3.3])
        self.assertIs(quantization.rounded(x, None), x)
        self.assertAllEqual(_range(quantization.OFF)(x), x)

    def test_observing_widens_and_holds_zero(self):
        range_ = _range(quantization.OBSERVE)
        self.assertTrue(range_.is_empty)
        range_(tf.constant([2.0, 5.0]))
        self.assertEqual((float(range_.low), float(range_.high)), (0, 5))
        self.assertAllEqual(range_(tf.constant([-3.0])), [-3.0])
        self.assertEqual((float(range_.low), float(range_.high)), (-3, 5))
        range_.frozen = True
        range_(tf.constant([9.0]))
        self.assertEqual(float(range_.high), 5)

    def test_rounding_by_hand(self):
        # 255 steps of 0.1 from 0; beyond the end is the end.
        range_ = _range(quantization.ROUND, 0.0, 25.5)
        self.assertAllClose(range_(tf.constant([0.0, 0.14, 0.16, 30.0, -1.0])),
                            [0.0, 0.1, 0.2, 25.5, 0.0])

    def test_zero_is_always_a_step(self):
        range_ = _range(quantization.ROUND, -1.003, 2.0)
        self.assertEqual(float(range_(tf.constant(0.0))), 0.0)

    def test_gradient_passes_inside_the_range_only(self):
        range_, x = _range(quantization.ROUND, 0.0, 1.0), tf.constant([.3, 2.])
        with tf.GradientTape() as tape:
            tape.watch(x)
            total = tf.reduce_sum(range_(x))
        self.assertAllEqual(tape.gradient(total, x), [1.0, 0.0])

    def test_counting_says_what_lies_beyond(self):
        rounding = quantization.Rounding(quantization.COUNT)
        range_ = quantization.Range(rounding, (0.0, 1.0), name="some_range")
        range_(tf.constant([0.0, 1.0, 1.1, -0.1, 0.5]))
        self.assertAllEqual(rounding.counts["some_range"], [2, 5])

    def test_limit_cuts_and_never_widens(self):
        range_ = _range(quantization.ROUND, -4.0, 2.0)
        range_.limit(-1.0, 3.0)
        self.assertEqual((float(range_.low), float(range_.high)), (-1, 2))

    def test_bfloat16_stays_bfloat16(self):
        x = tf.constant([0.5], tf.bfloat16)
        range_ = _range(quantization.ROUND, 0.0, 1.0)
        self.assertEqual(range_(x).dtype, tf.bfloat16)


class KernelTest(tf.test.TestCase, parameterized.TestCase):

    def test_each_channel_has_its_scale(self):
        kernel = tf.reshape([1.0, 100.0, 0.5, -127.0], [1, 1, 2, 2])
        bounds = quantization.kernel_bounds(kernel)
        self.assertAllEqual(bounds, [1.0, 127.0])
        rounded = quantization.rounded_kernel(kernel, bounds)
        self.assertAllClose(tf.reshape(rounded, [4]),
                            [1.0, 100.0, 64 / 127, -127.0])

    def test_a_channel_of_zeros_has_a_scale(self):
        kernel = tf.reshape([0.0, 2.0], [1, 1, 1, 2])
        bounds = quantization.kernel_bounds(kernel)
        self.assertAllClose(bounds, [2e-4, 2.0])
        self.assertAllEqual(quantization.rounded_kernel(kernel, bounds), kernel)

    def test_pruned_weights_get_no_gradient(self):
        kernel = tf.Variable(tf.reshape([0.0, 1.0, 0.3], [1, 1, 3, 1]))
        with tf.GradientTape() as tape:
            total = tf.reduce_sum(quantization.rounded_kernel(
                kernel, quantization.kernel_bounds(kernel)))
        self.assertAllEqual(tf.reshape(tape.gradient(total, kernel), [3]),
                            [0, 1, 1])

    @parameterized.parameters((None, [0, 2, 5]), ([1, 3], None),
                              ([0], [0, 1, 2, 3]))
    def test_a_narrow_layer_rounds_as_the_whole(self, inputs, outputs):
        layer = layers.ConvBN(6, 3)
        tf_keras.utils.set_random_seed(3)
        x = tf.random.normal([2, 5, 5, 4])
        layer(x)
        layer.range = _range(quantization.ROUND, 0.0, 4.0)
        if inputs is not None:
            x *= tf.reduce_sum(tf.one_hot(inputs, 4), axis=0)
        whole = layer(x)
        narrow = layer.narrow(
            x if inputs is None else tf.gather(x, inputs, axis=3),
            inputs, outputs)
        self.assertAllClose(
            narrow, whole if outputs is None else
            tf.gather(whole, outputs, axis=3), atol=1e-6)


class DenseTest(tf.test.TestCase):

    def test_by_hand(self):
        layer = tf_keras.layers.Dense(2)
        layer.build([None, 2])
        layer.set_weights([np.array([[1.27, 0.004], [0.0, -0.5]]),
                           np.array([0.0, 1.0])])
        x = tf.constant([[1.0, 2.0]])
        self.assertAllClose(quantization.dense(layer, x, None),
                            [[1.27, 0.004]])
        # Kernel in steps of 0.01, outcome in steps of 0.1.
        range_ = _range(quantization.ROUND, -10.0, 15.5)
        self.assertAllClose(quantization.dense(layer, x, range_), [[1.3, 0.0]])


if __name__ == "__main__":
    tf.test.main()
