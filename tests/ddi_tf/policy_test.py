"""Tests of the policy gradient, with figures worked out by hand."""

import math

import numpy as np
import tensorflow as tf

from ddi_tf import deciding
from ddi_tf import policy


def _decisions(layers, *masks):
    return deciding.Decisions(
        tf.constant(layers, tf.float32),
        tuple(tf.constant(mask, tf.float32) for mask in masks))


class LogLikelihoodTest(tf.test.TestCase):

    def test_it_counts_the_gates_that_were_asked(self):
        chances = _decisions([[0.8, 0.4], [0.8, 0.4]],
                             [[0.5, 0.9]] * 2, [[0.25, 0.1]] * 2)
        drawn = _decisions([[1, 0], [0, 1]], [[1, 0]] * 2, [[1, 1]] * 2)
        self.assertAllClose(policy.log_likelihood(chances, drawn), [
            math.log(0.8) + math.log(0.6) + math.log(0.5) + math.log(0.1),
            math.log(0.2) + math.log(0.4) + math.log(0.25) + math.log(0.1)])

    def test_what_could_not_happen_is_finite(self):
        value = policy.log_likelihood(
            _decisions([[0.0, 1.0]], [[1.0]], [[0.0]]),
            _decisions([[1.0, 0.0]], [[0.0]], [[1.0]]))
        self.assertAllInRange(value, -100.0, -1.0)


class LossTest(tf.test.TestCase):

    def test_gradient_by_hand(self):
        chances = tf.Variable([[0.5], [0.25]])
        masks = (tf.ones([2, 1]),)
        drawn = _decisions([[1.0], [0.0]])._replace(masks=masks)
        with tf.GradientTape() as tape:
            value = policy.loss(deciding.Decisions(chances + 0.0, masks), drawn,
                                tf.constant([3.0, 1.0]))
        # Advantages 1 and -1; d log p = 1 / 0.5, d log (1 - p) = -1 / 0.75.
        self.assertAllClose(tape.gradient(value, chances),
                            [[1 * 2 / 2], [-1 * -1 / 0.75 / 2]])

    def test_what_is_the_same_for_all_images_teaches_nothing(self):
        chances = tf.Variable([[0.3], [0.6]])
        masks = (tf.ones([2, 1]),)
        with tf.GradientTape() as tape:
            value = policy.loss(
                deciding.Decisions(chances + 0.0, masks),
                _decisions([[1.0], [0.0]])._replace(masks=masks),
                tf.constant([7.0, 7.0]))
        self.assertAllEqual(tape.gradient(value, chances), np.zeros([2, 1]))

    def test_a_gate_learns_what_is_better_on_average(self):
        # Running costs 1, skipping costs 0.2 more where x is above 0.
        generator = np.random.default_rng(0)
        slope, bias = tf.Variable(0.0), tf.Variable(0.0)
        optimizer = tf.keras.optimizers.SGD(0.5)
        for _ in range(300):
            x = tf.constant(generator.normal(size=[64, 1]), tf.float32)
            with tf.GradientTape() as tape:
                chance = tf.sigmoid(slope * x + bias)
                run = tf.cast(
                    chance >= generator.random([64, 1]), tf.float32)
                penalty = tf.where(x > 0, 1.0 - run, run)[:, 0]
                masks = (tf.ones([64, 1]),)
                value = policy.loss(deciding.Decisions(chance, masks),
                                    deciding.Decisions(run, masks), penalty)
            gradients = tape.gradient(value, [slope, bias])
            optimizer.apply_gradients(zip(gradients, [slope, bias]))
        self.assertGreater(float(slope), 2.0)
        self.assertAllClose(bias, 0.0, atol=1.0)


if __name__ == "__main__":
    tf.test.main()
