"""Tests of alpha and the running means that steer it, with values by hand."""

import math

import tensorflow as tf
from absl.testing import parameterized

from ddi_tf import steering


class SteeringTest(tf.test.TestCase, parameterized.TestCase):

    def _weight(self, cost, target=0.5, alpha=3.0):
        """(weight, alpha afterwards) of one step at a running cost."""
        state = steering.Steering(alpha)
        state.reset(cost, skip_ratio=0.0)
        weight = state.weight(tf.constant(target))
        self.assertEqual((weight.shape, weight.dtype), ((), tf.float32))
        return float(weight), float(state.alpha)

    def test_at_the_target_alpha_stays_and_is_the_weight(self):
        self.assertAllClose(self._weight(0.5), (3.0, 3.0))

    @parameterized.parameters(
        # gap, weight / alpha: 5% above and below, then beyond 10%.
        (0.525, 0.05, 1.5), (0.475, -0.05, 0.5), (0.55, 0.1, 2.0),
        (0.45, -0.1, 0.0), (0.75, 0.5, 2.0), (0.3, -0.4, 0.0))
    def test_away_from_it_alpha_moves_and_the_weight_pulls(
            self, cost, gap, share):
        weight, alpha = self._weight(cost)
        self.assertAllClose(alpha, 3.0 * math.exp(gap / 30), rtol=1e-5)
        self.assertAllClose(weight, alpha * share, rtol=1e-4, atol=1e-5)

    def test_a_gap_counts_as_100_percent_at_most(self):
        _, alpha = self._weight(cost=1.9)
        self.assertAllClose(alpha, 3.0 * math.exp(1 / 30))

    def test_it_holds_a_cost_that_answers_to_the_weight(self):
        # A stand-in for the gates: every batch costs 1.2 - weight / 4, so the
        # target of 0.7 takes a weight of 2.
        state = steering.Steering(0.1)
        state.reset(1.2, skip_ratio=0.0)
        for _ in range(1000):
            weight = float(state.weight(tf.constant(0.7)))
            state.update(1.2 - weight / 4, skip_ratio=0.0)
        self.assertAllClose(state.cost, 0.7, rtol=0.02)
        self.assertAllClose(state.alpha, 2.0, rtol=0.1)

    def test_alpha_stays_finite_when_the_target_is_out_of_reach(self):
        state = steering.Steering(1.0)
        state.reset(0.4, skip_ratio=1.0)

        @tf.function
        def steps():  # ten epochs of CIFAR-10
            weight = 0.0
            for _ in tf.range(3510):
                weight = state.weight(0.2)
            return weight
        self.assertTrue(math.isfinite(steps()), float(state.alpha))

    def test_nothing_of_it_reaches_a_gradient(self):
        state, x = steering.Steering(1.0), tf.Variable(3.0)
        with tf.GradientTape() as tape:
            state.update(tf.stop_gradient(x), 0.0)
            weight = state.weight(tf.constant(0.5))
            loss = weight * x
        self.assertAllClose(tape.gradient(loss, x), weight)

    def test_running_means_by_hand(self):
        state = steering.Steering(1.0)
        state.reset(cost=1.2, skip_ratio=0.0)
        state.update(0.2, 1.0)
        self.assertAllClose(state.cost, 0.95 * 1.2 + 0.05 * 0.2)
        self.assertAllClose(state.skip_ratio, 0.05)
        state.update(tf.constant(0.2), tf.constant(1.0))
        self.assertAllClose(state.skip_ratio, 0.95 * 0.05 + 0.05)

    def test_half_of_a_found_distance_is_taken_each_time(self):
        state = steering.Steering(1.0)
        state.reset(cost=0.6, skip_ratio=0.0)
        self.assertEqual(float(state.offset), 0.0)
        for expected in (0.02, 0.03, 0.035):  # 0.04 away
            state.compare(0.64)
            self.assertAllClose(state.offset, expected)
        state.update(0.4, 0.0)  # the mean moves by -0.01, the distance to 0.05
        state.compare(0.64)
        self.assertAllClose(state.offset, 0.0425)
        self.assertAllClose(state.cost, 0.59)

    def test_a_tune_split_that_costs_less_has_a_negative_distance(self):
        state = steering.Steering(1.0)
        state.reset(cost=0.6, skip_ratio=0.0)
        state.compare(0.54)
        self.assertAllClose(state.offset, -0.03)

    @parameterized.parameters(
        (1.02, 0.03, -0.102), (1.02, 1.6, 0.102), (0.3, 0.5, 0.03))
    def test_a_lag_is_not_taken_for_a_distance(
            self, cost, tune_cost, expected):
        state = steering.Steering(1.0)
        state.reset(cost, skip_ratio=0.0)
        state.compare(tune_cost)
        self.assertAllClose(state.offset, expected)

    def test_a_large_distance_is_given_up_as_the_cost_falls(self):
        state = steering.Steering(1.0)
        state.reset(cost=1.0, skip_ratio=0.0)
        state.compare(0.2)
        self.assertAllClose(state.offset, -0.1)
        state.reset(cost=0.3, skip_ratio=0.0)
        state.compare(0.2)  # half of -0.1 and half of -0.1, of which 10%
        self.assertAllClose(state.offset, -0.03)

    @parameterized.parameters((0.55, -0.05, 0.0), (0.45, 0.075, 0.05))
    def test_the_tune_split_is_what_is_held_at_the_target(
            self, cost, offset, gap):
        state = steering.Steering(3.0)
        state.reset(cost, skip_ratio=0.0)
        state.offset.assign(offset)
        alpha = 3.0 * math.exp(gap / 30)
        self.assertAllClose(
            state.weight(tf.constant(0.5)), alpha * (1 + gap / 0.1), rtol=1e-4)
        self.assertAllClose(state.alpha, alpha, rtol=1e-5)

    @parameterized.parameters(2, 5)
    def test_parts_of_a_step_move_as_much_as_the_step(self, parts):
        whole, split = steering.Steering(2.0), steering.Steering(2.0)
        for state, count in ((whole, 1), (split, parts)):
            state.reset(cost=0.6, skip_ratio=0.0)
            for _ in range(count):
                state.weight(tf.constant(0.5), share=1 / count)
        self.assertAllClose(split.alpha, whole.alpha, rtol=1e-6)
        for state, count in ((whole, 1), (split, parts)):
            for _ in range(count):
                state.update(0.2, 1.0, share=1 / count)
        self.assertAllClose(split.cost, whole.cost)
        self.assertAllClose(split.skip_ratio, 0.05)

    def test_a_change_of_the_gates_moves_the_cost_and_not_the_distance(self):
        state = steering.Steering(1.0)
        state.reset(cost=0.3, skip_ratio=0.0)
        state.offset.assign(0.02)
        state.move(0.15)
        self.assertAllClose((state.cost, state.offset), (0.45, 0.02))

    def test_a_phase_starts_with_the_distance_that_was_found(self):
        state = steering.Steering(1.0)
        state.compare(1.2)
        state.reset(cost=0.5, skip_ratio=0.0)
        self.assertAllClose(state.offset, 0.1)


if __name__ == "__main__":
    tf.test.main()
