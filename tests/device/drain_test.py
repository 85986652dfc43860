"""The estimate of a battery's drain: by hand, and that it converges."""

import random

from absl.testing import absltest
from absl.testing import parameterized
import hypothesis
from hypothesis import strategies as st

from device import drain
import strategies


def follow(estimate, *, capacity_j, work_w, scale, idle_w, gauge, until=0.5,
           real_capacity_j=None):
    """(estimate, true charge) after a battery went down to `until`."""
    charge, seconds = 1.0, 10.0
    while charge > until:
        charge -= (scale * work_w + idle_w) * seconds / (
            real_capacity_j or capacity_j)
        estimate = drain.drawn(
            estimate, work_w * seconds, seconds, capacity_j)
        estimate = drain.told(estimate, gauge(charge))
    return estimate, charge


class ByHandTest(absltest.TestCase):

    def test_work_and_time_take_charge_and_certainty(self):
        before = drain.begin(0.8, idle_w=2.0, idle_sd_w=1.0, scale_sd=0.5)
        self.assertAlmostEqual(before.charge_sd, 0.01)
        # (1 x 30 J + 2 W x 10 s) / 1000 J
        after = drain.drawn(before, 30.0, 10.0, 1000.0)
        self.assertAlmostEqual(after.charge, 0.75)
        self.assertAlmostEqual(after.untold, 0.05)
        # 0.01^2 + (0.5 x 30 / 1000)^2 + (1 x 10 / 1000)^2 + 0.01^2 x 0.05
        self.assertAlmostEqual(after.charge_sd ** 2, 4.3e-4)
        self.assertAlmostEqual(after.covariance[0][1], -0.25 * 0.03)

    def test_a_gauge_that_says_less_tells_of_more_drain(self):
        before = drain.drawn(
            drain.begin(0.8, 2.0, 1.0, 0.5), 30.0, 10.0, 1000.0)
        after = drain.told(before, 0.72)
        # Gains: 4.3e-4, 7.5e-3 and 1e-2, over 4.3e-4 + 1e-4.
        variance = before.covariance[0][0] + 1e-4
        self.assertAlmostEqual(
            after.charge, 0.75 - 0.03 * before.covariance[0][0] / variance)
        self.assertAlmostEqual(after.scale, 1 + 0.03 * 7.5e-3 / variance)
        self.assertAlmostEqual(after.idle_w, 2 + 0.03 * 1e-2 / variance)
        self.assertEqual(after.untold, 0.0)

    def test_readings_close_together_are_not_counted_twice(self):
        before = drain.drawn(
            drain.begin(0.8, 2.0, 1.0, 0.5), 1.0, 1.0, 1000.0)
        self.assertIs(drain.told(before, 0.7), before)

    def test_another_battery_changes_the_charge_alone(self):
        before = drain.drawn(
            drain.begin(0.3, 2.0, 1.0, 0.5), 30.0, 10.0, 1000.0)
        after = drain.told(before, 0.9)
        self.assertEqual((after.charge, after.scale, after.idle_w),
                         (0.9, 1.0, 2.0))
        self.assertAlmostEqual(after.charge_sd, 0.01)
        self.assertEqual(after.covariance[1], (0.0, *before.covariance[1][1:]))

    def test_an_empty_battery_stays_empty(self):
        after = drain.drawn(drain.begin(0.01, 2.0, 1.0, 0.5), 90, 0, 1000)
        self.assertEqual(after.charge, 0.0)


class ConvergesTest(parameterized.TestCase):

    def start(self):
        return drain.begin(1.0, idle_w=1.0, idle_sd_w=0.3, scale_sd=0.2)

    @parameterized.parameters(0.7, 0.8, 1.2, 1.5)
    def test_the_drain_is_learnt_from_whole_percents(self, scale):
        found, charge = follow(
            self.start(), capacity_j=1e5, work_w=2.0, scale=scale, idle_w=1.0,
            gauge=lambda charge: round(charge, 2))
        # What is learnt is the whole; work and rest were never apart.
        self.assertAlmostEqual(
            (found.scale * 2.0 + found.idle_w) / (scale * 2.0 + 1.0), 1.0,
            delta=0.03)
        self.assertAlmostEqual(found.charge, charge, delta=0.006)

    def test_an_old_battery_seems_to_drain_faster(self):
        found, _ = follow(
            self.start(), capacity_j=1e5, work_w=2.0, scale=1.0, idle_w=1.0,
            gauge=lambda charge: round(charge, 2), real_capacity_j=0.8e5)
        self.assertAlmostEqual(
            (found.scale * 2.0 + found.idle_w) / 3.0, 1.25, delta=0.03)

    def test_different_work_tells_scale_and_rest_apart(self):
        estimate, charge = self.start(), 1.0
        while charge > 0.2:
            for work_w, steps in ((0.0, 250), (4.0, 50)):
                for _ in range(steps):
                    charge -= (1.3 * work_w + 0.8) * 200.0 / 1e6
                    estimate = drain.drawn(
                        estimate, work_w * 200.0, 200.0, 1e6)
                    estimate = drain.told(estimate, round(charge, 2))
        self.assertAlmostEqual(estimate.scale, 1.3, delta=0.1)
        self.assertAlmostEqual(estimate.idle_w, 0.8, delta=0.2)

    def test_a_gauge_of_percents_and_noise_does_not_make_it_wander(self):
        noise = random.Random(0)
        wandered = []
        estimate = self.start()
        for until in (0.6, 0.5, 0.4, 0.3, 0.2):
            estimate, _ = follow(
                self.start(), capacity_j=1e5, work_w=2.0, scale=1.0,
                idle_w=1.0, until=until, gauge=lambda charge: round(
                    charge + noise.gauss(0.0, 0.01), 2))
            wandered.append((estimate.scale * 2.0 + estimate.idle_w) / 3.0)
        self.assertBetween(min(wandered), 0.95, 1.05)
        self.assertBetween(max(wandered), 0.95, 1.05)

    @strategies.SETTINGS
    @hypothesis.given(st.lists(st.tuples(
        st.floats(0, 1e5), st.floats(0, 1e5), st.none() | st.floats(0, 1)),
        max_size=40))
    def test_whatever_it_is_told_it_stays_an_estimate(self, course):
        estimate = self.start()
        for joules, seconds, gauge in course:
            estimate = drain.drawn(estimate, joules, seconds, 1e5)
            if gauge is not None:
                estimate = drain.told(estimate, gauge)
            self.assertTrue(drain.is_sound(estimate), estimate)


class SoundTest(parameterized.TestCase):

    @parameterized.parameters(
        {"charge": 1.1}, {"charge": -0.1}, {"scale": 0.0}, {"scale": 99.0},
        {"idle_w": -1.0}, {"untold": -1.0}, {"covariance": ()},
        {"covariance": ((1.0,), (1.0, 2.0), (3.0,))},
        {"covariance": ((1.0, 0.5, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))},
        {"covariance": ((-1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))},
        {"covariance": ((1e300, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))})
    def test_what_no_estimate_can_be_is_told(self, **changes):
        values = {"charge": 0.5, "scale": 1.0, "idle_w": 1.0,
                  "covariance": ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0),
                                 (0.0, 0.0, 1.0))}
        self.assertTrue(drain.is_sound(drain.Drain(**values)))
        self.assertFalse(drain.is_sound(drain.Drain(**{**values, **changes})))


if __name__ == "__main__":
    absltest.main()
