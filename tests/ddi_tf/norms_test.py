"""Tests of batch norm: padded, it is Keras's."""

import numpy as np
import tensorflow as tf
import tf_keras
from absl.testing import parameterized

from ddi_tf import norms

_BFLOAT16 = tf_keras.mixed_precision.Policy("mixed_bfloat16")
_FLOAT32 = tf_keras.mixed_precision.Policy("float32")


def _pair(channels):
    """(in bfloat16, Keras's in float32) of the same drawn variables."""
    generator = np.random.default_rng(channels)
    exact = tf_keras.layers.BatchNormalization(
        momentum=norms.MOMENTUM, epsilon=norms.EPSILON)
    pair = norms.make(channels, _BFLOAT16), exact
    drawn = generator.uniform(0.5, 2, [4, channels])
    for norm in pair:
        norm.build([None, None, None, channels])
        norm.set_weights(drawn)
    return pair


def _answer(norm, x, weights, training):
    """(outputs, gradients by input, gamma and beta) of a weighted sum."""
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = norm(x, training=training)
        total = tf.reduce_sum(weights * tf.cast(y, tf.float32))
    return y, tape.gradient(total, [x, norm.gamma, norm.beta])


class MakeTest(tf.test.TestCase, parameterized.TestCase):

    @parameterized.product(channels=(1, 12, 16, 24, 33),
                           training=(False, True))
    def test_bfloat16_is_keras_to_its_rounding(self, channels, training):
        norm, exact = _pair(channels)
        generator = np.random.default_rng(0)
        x = generator.normal(1, 2, [4, 5, 5, channels])
        x = tf.cast(tf.cast(x, tf.bfloat16), tf.float32)
        weights = tf.constant(
            generator.normal(size=x.shape), tf.float32)
        y, gradients = _answer(norm, x, weights, training)
        expected_y, expected = _answer(exact, x, weights, training)
        self.assertEqual(y.dtype, tf.bfloat16)
        self.assertAllClose(tf.cast(y, tf.float32), expected_y,
                            rtol=0.01, atol=0.02)
        for gradient, by_keras in zip(gradients, expected):
            size = np.abs(by_keras).max()
            self.assertAllClose(gradient / size, by_keras / size, atol=0.02)
        for ours, theirs in zip(norm.get_weights(), exact.get_weights()):
            self.assertAllClose(ours, theirs, rtol=1e-4)

    def test_moving_statistics_by_hand(self):
        norm, _ = _pair(1)
        norm.moving_mean.assign([3.0])
        norm.moving_variance.assign([1.0])
        norm(tf.constant([[[[1.0], [5.0]]]]), training=True)
        # Mean 3; of two numbers 2 away from it, the unbiased variance is 8.
        self.assertAllClose(norm.moving_mean, [3.0])
        self.assertAllClose(norm.moving_variance, [0.9 * 1 + 0.1 * 8])

    @parameterized.parameters((24, _FLOAT32), (16, _BFLOAT16))
    def test_what_needs_no_padding_is_keras_own(self, channels, policy):
        self.assertIs(type(norms.make(channels, policy)),
                      tf_keras.layers.BatchNormalization)


if __name__ == "__main__":
    tf.test.main()
