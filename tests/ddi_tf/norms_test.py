"""Tests of batch norm: padded, or of some channels, it is Keras's."""

from unittest import mock

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


class NarrowTest(tf.test.TestCase, parameterized.TestCase):

    @parameterized.product(kept=([0, 3], [2], [0, 1, 2, 3, 4]),
                           policy=(_FLOAT32, _BFLOAT16))
    def test_in_training_it_is_the_whole_norm_of_some_channels(
            self, kept, policy):
        _, whole = _pair(5)
        norm = norms.make(5, policy)
        norm.build([None, None, None, 5])
        norm.set_weights(whole.get_weights())
        others = [channel for channel in range(5) if channel not in kept]
        before = np.array(norm.get_weights())[:, others]
        generator = np.random.default_rng(1)
        x = tf.constant(generator.normal(1, 2, [4, 5, 5, 5]), tf.float32)
        weights = generator.normal(size=x.shape).astype(np.float32)
        weights[..., others] = 0
        y, expected = _answer(whole, x, tf.constant(weights), True)
        some = tf.cast(tf.gather(x, kept, axis=3), policy.compute_dtype)
        narrow, gradients = _answer(
            Some(norm, kept), some, weights[..., kept], True)
        tolerance = 1e-5 if policy is _FLOAT32 else 0.03
        self.assertAllClose(tf.cast(narrow, tf.float32),
                            y.numpy()[..., kept], atol=tolerance)
        expected[0] = tf.gather(expected[0], kept, axis=3)
        for ours, theirs in zip(gradients, expected):
            # Sparse ones would leave what momentum has of the others.
            self.assertIsInstance(ours, tf.Tensor)
            size = np.abs(theirs).max()
            self.assertAllClose(tf.cast(ours, tf.float32) / size,
                                theirs / size, atol=tolerance)
        for ours, theirs in zip(norm.get_weights(), whole.get_weights()):
            self.assertAllClose(ours[kept], theirs[kept], rtol=1e-2
                                if policy is _BFLOAT16 else 1e-5)
        self.assertAllEqual(np.array(norm.get_weights())[:, others], before)

    def test_that_of_replicas_is_the_same(self):
        two = mock.Mock(num_replicas_in_sync=2)
        with mock.patch.object(tf.distribute, "get_strategy", lambda: two):
            of_replicas = norms.make(4, _FLOAT32)
        alone = norms.make(4, _FLOAT32)
        self.assertIsNot(type(of_replicas), type(alone))
        x = tf.random.stateless_normal([4, 5, 5, 2], [0, 1])
        drawn = np.random.default_rng(0).uniform(0.5, 2, [4, 4])
        answers = []
        for norm in (of_replicas, alone):
            norm.build([None, None, None, 4])
            norm.set_weights(drawn)
            answers.append((norms.narrow(norm, x, [1, 2], True),
                            norm.moving_mean.numpy()[1:3]))
        for ours, theirs in zip(*answers):
            self.assertAllClose(ours, theirs, atol=1e-5)


class Some:
    """A batch norm of some channels, as `_answer` calls it."""

    def __init__(self, norm, channels):
        self._norm, self._channels = norm, channels
        self.gamma, self.beta = norm.gamma, norm.beta

    def __call__(self, x, training):
        return norms.narrow(self._norm, x, self._channels, training)


if __name__ == "__main__":
    tf.test.main()
