"""Tests of what changes in the course of a phase."""

import math

import tensorflow as tf
from absl.testing import parameterized

from ddi_tf import course
from ddi_tf import phases

(_BASE, _WARMUP, _SKIP, _RESTORE, _REINFORCE, _EXITS, _PRUNE, _CLUSTER,
 _) = phases.PHASES


class LearningRateTest(tf.test.TestCase, parameterized.TestCase):

    @parameterized.parameters(
        (0, 0.1), (499, 0.1), (500, 0.01), (749, 0.01), (750, 0.001),
        (999, 0.001))
    def test_in_steps_it_falls_at_a_half_and_at_three_quarters(
            self, step, rate):
        schedule = phases.Schedule(base_lr=0.1, decay="steps")
        self.assertAllClose(
            course.learning_rate(_BASE, schedule, step, 1000), rate)

    @parameterized.parameters(_SKIP, _RESTORE, _EXITS)
    def test_in_steps_the_joint_rate_is_constant(self, *phase):
        schedule = phases.Schedule(joint_lr=0.01, decay="steps")
        for step in (0, 500, 999):
            self.assertEqual(0.01, course.learning_rate(
                phases.Phase(*phase), schedule, step, 1000))

    def setUp(self):
        super().setUp()
        self.schedule = phases.Schedule(base_lr=0.6, joint_lr=0.02)

    def _rate(self, phase, step, steps=100):
        return course.learning_rate(phase, self.schedule, step, steps)

    @parameterized.parameters(
        (0, 0.1), (1, 0.2), (4, 0.5),   # climbs over 5 of 100 steps, to 0.6
        (50, 0.3), (100, 0.0))
    def test_base_phase_climbs_and_falls_to_zero(self, step, expected):
        self.assertAllClose(self._rate(_BASE, step), expected)

    @parameterized.parameters(0, 37, 99)
    def test_gates_are_opened_and_closed_at_a_constant_rate(self, step):
        self.assertAllClose(self._rate(_WARMUP, step), 0.02)
        self.assertAllClose(self._rate(_SKIP, step), 0.02)

    @parameterized.parameters((0, 0.02), (50, 0.011), (100, 0.002))
    def test_restore_phase_ends_at_a_tenth(self, step, expected):
        self.assertAllClose(self._rate(_RESTORE, step), expected)

    @parameterized.parameters(
        (0, 0.006), (25, 0.003 * (1 + math.sqrt(0.5))), (100, 0.0))
    def test_exits_phase_is_a_whole_cosine(self, step, expected):
        self.assertAllClose(self._rate(_EXITS, step), expected)

    @parameterized.parameters(
        (_PRUNE, 0, 0.006), (_PRUNE, 50, 0.003), (_PRUNE, 100, 0.0),
        (_CLUSTER, 0, 0.002), (_CLUSTER, 50, 0.001), (_CLUSTER, 100, 0.0))
    def test_kernels_are_made_smaller_at_a_low_rate(
            self, phase, step, expected):
        self.assertAllClose(self._rate(phase, step), expected)

    @parameterized.parameters(1, 2, 7, 1000)
    def test_every_step_has_a_rate_above_zero_and_up_to_the_peak(self, steps):
        for phase in phases.PHASES:
            peak = 0.6 if phase is _BASE else 0.02
            for step in range(steps):
                rate = self._rate(phase, step, steps)
                self.assertGreater(rate, 0)
                self.assertLessEqual(rate, peak * (1 + 1e-12))  # rounding


class TargetTest(tf.test.TestCase, parameterized.TestCase):

    def setUp(self):
        super().setUp()
        self.schedule = phases.Schedule(target_cost=0.6)

    @parameterized.parameters((0, 1.14), (4, 0.9), (8, 0.66), (9, 0.6))
    def test_it_descends_evenly_over_the_skip_phase(self, step, expected):
        self.assertAllClose(
            course.target(_SKIP, self.schedule, 1.2, step, 10), expected)

    @parameterized.parameters(_WARMUP, _RESTORE, _EXITS, _PRUNE, _CLUSTER)
    def test_it_stands_still_in_other_phases(self, name, *_):
        phase, = (p for p in phases.PHASES if p.name == name)
        for step in (0, 5, 9):
            self.assertEqual(
                course.target(phase, self.schedule, 1.2, step, 10), 0.6)


class GateNoiseTest(tf.test.TestCase, parameterized.TestCase):

    @parameterized.parameters(
        (_SKIP, 0, 0.4), (_SKIP, 1, 0.8), (_SKIP, 19, 0.8),
        (_RESTORE, 0, 0.8), (_RESTORE, 19, 0.8))
    def test_it_is_there_while_gates_learn_to_skip_and_weights_recover(
            self, phase, step, expected):
        schedule = phases.Schedule(gate_noise=0.8)
        self.assertAllClose(
            course.gate_noise(phase, schedule, step, 20), expected)

    def test_gates_that_are_drawn_open_with_their_probability(self):
        self.assertEqual(course.gate_noise(
            _REINFORCE, phases.Schedule(gate_noise=0.0), 3, 10), 1.0)

    @parameterized.parameters(_BASE, _WARMUP, _EXITS)
    def test_other_phases_have_none(self, *phase):
        for step in (0, 5, 9):
            self.assertEqual(course.gate_noise(
                phases.Phase(*phase), phases.Schedule(), step, 10), 0.0)

    @parameterized.parameters(1, 2, 7, 1000)
    def test_it_stays_between_0_and_what_was_asked(self, steps):
        schedule = phases.Schedule(gate_noise=1.0)
        for phase in phases.PHASES:
            for step in range(steps):
                self.assertBetween(
                    course.gate_noise(phase, schedule, step, steps), 0, 1)

    def test_none_asked_is_none(self):
        schedule = phases.Schedule(gate_noise=0.0)
        for phase in phases.PHASES:
            if phase.sampled:
                continue
            self.assertEqual(course.gate_noise(phase, schedule, 3, 10), 0.0)


class IsDoneTest(tf.test.TestCase, parameterized.TestCase):

    @parameterized.parameters(
        (_WARMUP, 0.01, True), (_WARMUP, 0.011, False), (_WARMUP, 0.5, False),
        (_BASE, 0.0, False), (_SKIP, 0.0, False), (_RESTORE, 0.0, False),
        (_EXITS, 0.0, False))
    def test_only_the_warm_up_ends_early(self, phase, skip_ratio, expected):
        self.assertEqual(course.is_done(phase, skip_ratio), expected)


if __name__ == "__main__":
    tf.test.main()
