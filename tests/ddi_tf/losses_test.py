"""Tests of the hybrid loss."""

import math

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from ddi_tf import deciding
from ddi_tf import losses


class CrossEntropyTest(tf.test.TestCase, parameterized.TestCase):

    @parameterized.parameters(
        # -log 0.5 and -log 0.8, and their mean
        (0.0, -(math.log(0.5) + math.log(0.8)) / 2),
        # 0.2 spread over two classes: 0.9 of the label, 0.1 of the other
        (0.2, -(math.log(0.5) + 0.9 * math.log(0.8) + 0.1 * math.log(0.2)) / 2))
    def test_value_by_hand(self, label_smoothing, expected):
        logits = tf.math.log([[0.5, 0.5], [0.2, 0.8]]) + 2.0
        loss = losses.cross_entropy(
            logits, tf.constant([0, 1]), label_smoothing)
        self.assertEqual(loss.shape, ())
        self.assertAllClose(loss, expected)

    def test_gradient_is_the_error_of_the_probabilities(self):
        logits = tf.math.log([[0.5, 0.3, 0.2]])
        with tf.GradientTape() as tape:
            tape.watch(logits)
            loss = losses.cross_entropy(logits, tf.constant([1]))
        self.assertAllClose(tape.gradient(loss, logits), [[0.5, -0.7, 0.2]])


class DistillationTest(tf.test.TestCase, parameterized.TestCase):

    @parameterized.parameters(1.0, 4.0)
    def test_a_student_that_answers_as_the_teacher_has_none(self, temperature):
        logits = tf.constant([[1.0, -2.0, 0.5], [0.0, 3.0, 1.0]])
        self.assertAllClose(
            losses.distillation(logits, logits + 7.0, temperature), 0.0,
            atol=1e-6)

    @parameterized.parameters(
        # The teacher's softened answers are 0.8 and 0.2, the student's halves.
        (1.0, 1), (2.0, 4))
    def test_value_by_hand(self, temperature, factor):
        teacher = temperature * tf.math.log([[0.8, 0.2]])
        loss = losses.distillation(tf.zeros([1, 2]), teacher, temperature)
        self.assertEqual(loss.shape, ())
        self.assertAllClose(
            loss, factor * (0.8 * math.log(1.6) + 0.2 * math.log(0.4)))

    def test_gradient_is_the_difference_of_the_softened_answers(self):
        logits, teacher = tf.zeros([1, 2]), 2.0 * tf.math.log([[0.8, 0.2]])
        with tf.GradientTape() as tape:
            tape.watch([logits, teacher])
            loss = losses.distillation(logits, teacher, 2.0)
        student, none = tape.gradient(loss, [logits, teacher])
        # T (p - q)
        self.assertAllClose(student, [[2 * (0.5 - 0.8), 2 * (0.5 - 0.2)]])
        self.assertIsNone(none)


class WithExitsTest(tf.test.TestCase):

    def test_no_exit_leaves_the_head_alone(self):
        self.assertAllEqual(losses.with_exits([tf.constant(2.5)]), 2.5)

    def test_every_answer_counts_the_same(self):
        total = losses.with_exits(
            [tf.constant(2.0), tf.constant(0.5), tf.constant(8.0)])
        self.assertAllClose(total, 6.0)

    def test_weights_stay_out_of_the_gradient(self):
        # L_o = 3x^2, L_1 = 5x, L_2 = x^3 at x = 2: 12, 10, 8
        x = tf.constant(2.0)
        with tf.GradientTape() as tape:
            tape.watch(x)
            total = losses.with_exits([3 * x**2, 5 * x, x**3])
        # 6x + (12 / 10) * 5 + (12 / 8) * 3 x^2
        self.assertAllClose(tape.gradient(total, x), 12 + 6 + 18)

    def test_a_teacher_s_share_does_not_weigh(self):
        # Weights 1 / 4 and 1 / 2 are those of the labels' losses.
        total = losses.with_exits(
            [tf.constant(16.0), tf.constant(5.0), tf.constant(3.0)],
            [tf.constant(1.0), tf.constant(4.0), tf.constant(2.0)])
        self.assertAllClose(total, 16 + 5 / 4 + 3 / 2)

    def test_gradient_is_that_of_fixed_weights_numerically(self):
        x, small = 2.0, 1e-4

        def fixed(value):
            return 3 * value**2 + 1.2 * 5 * value + 1.5 * value**3
        numeric = (fixed(x + small) - fixed(x - small)) / (2 * small)
        with tf.GradientTape() as tape:
            variable = tf.Variable(x)
            total = losses.with_exits(
                [3 * variable**2, 5 * variable, variable**3])
        self.assertAllClose(
            tape.gradient(total, variable), numeric, rtol=1e-4)

    def test_an_exit_without_any_loss_leaves_the_total_finite(self):
        # A small batch that an exit has learnt by heart rounds to exactly 0.
        logits = tf.constant([[60.0, 0.0]])
        with tf.GradientTape() as tape:
            tape.watch(logits)
            loss = losses.cross_entropy(logits, tf.constant([0]))
            total = losses.with_exits([tf.constant(2.0), loss])
        self.assertAllEqual(loss, 0.0)
        self.assertTrue(np.isfinite(total.numpy()), total)
        self.assertAllInRange(tape.gradient(total, logits), -10.0, 10.0)


class ResourceTest(tf.test.TestCase):

    def test_mean_over_images_as_a_share_of_the_base(self):
        cost = losses.resource(tf.constant([50.0, 100.0], tf.float64), 100)
        self.assertEqual(cost.dtype, tf.float32)
        self.assertAllClose(cost, 0.75)


class OpenGatesTest(tf.test.TestCase):

    def test_value_by_hand(self):
        probabilities = deciding.Decisions(
            tf.constant([[0.2, 0.9]]),              # (0.5 + 0) / 2
            (tf.constant([[0.7, 0.1, 1.0]]),        # 0.6 / 3
             tf.constant([[0.3]])))                 # 0.4
        self.assertAllClose(
            losses.open_gates(probabilities), 0.25 + 0.2 + 0.4)

    def test_open_gates_feel_no_pull(self):
        p = tf.constant([[0.8, 0.6]])
        with tf.GradientTape() as tape:
            tape.watch(p)
            loss = losses.open_gates(deciding.Decisions(p, ()))
        self.assertAllClose(tape.gradient(loss, p), [[0.0, -0.5]])


if __name__ == "__main__":
    tf.test.main()
