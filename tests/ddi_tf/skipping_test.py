"""Tests of what comes out of a gated block, and of its gradient."""

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from ddi_tf import skipping

_SHAPE = (5, 3, 2, 4)


def _equation(shortcut, residual, weight):
    """F as the paper writes it, differentiated by TensorFlow."""
    return (weight * tf.nn.relu(shortcut + residual)
            + (1 - weight) * tf.nn.relu(shortcut))


def _inputs(width, positive):
    rng = np.random.default_rng(width + 10 * positive)
    shortcut, residual = rng.normal(size=[2, *_SHAPE])
    # Zeros too: that is where a ReLU's gradient is easily got wrong.
    shortcut[rng.random(_SHAPE) < 0.3] = 0
    if positive:
        shortcut = np.maximum(shortcut, 0)
    weight = np.zeros([_SHAPE[0], 1, 1, width])
    weight[rng.permutation(_SHAPE[0])[:3]] = 1
    if width > 1:
        weight = rng.integers(0, 2, weight.shape)
    return [tf.constant(values, tf.float32)
            for values in (shortcut, residual, weight)]


class GatedSumTest(tf.test.TestCase, parameterized.TestCase):

    def test_by_hand(self):
        # Image 0 runs: relu(1 - 3) and relu(2 + 1); image 1 is skipped.
        out = skipping.gated_sum(
            tf.reshape([1.0, 2.0, 1.0, -2.0], [2, 1, 1, 2]),
            tf.reshape([-3.0, 1.0, 9.0, 9.0], [2, 1, 1, 2]),
            tf.reshape([1.0, 0.0], [2, 1, 1, 1]), positive=False)
        self.assertAllEqual(tf.reshape(out, [2, 2]), [[0, 3], [1, 0]])

    @parameterized.product(
        width=(1, 4), positive=(False, True), compiled=(False, True))
    def test_is_the_equation_and_its_gradient(self, width, positive, compiled):
        inputs = _inputs(width, positive)
        upstream = tf.constant(
            np.random.default_rng(3).normal(size=_SHAPE), tf.float32)

        def differentiated(function):
            with tf.GradientTape() as tape:
                tape.watch(inputs)
                out = function(*inputs)
            return [out, *tape.gradient(out, inputs, upstream)]

        ours = lambda *args: skipping.gated_sum(*args, positive=positive)
        if compiled:
            ours = tf.function(ours, jit_compile=True)
        found, expected = differentiated(ours), differentiated(_equation)
        for index in range(3):  # F, dS and dR to the last bit
            self.assertAllEqual(found[index], expected[index])
        self.assertAllClose(found[3], expected[3], rtol=1e-5, atol=1e-5)

    def test_nan_that_is_not_chosen_stays_out(self):
        out = skipping.gated_sum(
            tf.ones([1, 1, 1, 1]), tf.fill([1, 1, 1, 1], float("nan")),
            tf.zeros([1, 1, 1, 1]), positive=True)
        self.assertAllEqual(out, [[[[1.0]]]])


if __name__ == "__main__":
    tf.test.main()
