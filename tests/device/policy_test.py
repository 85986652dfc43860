"""The plan, the dead band and the charger: by hand."""

import math

from absl.testing import absltest
from absl.testing import parameterized
import hypothesis
from hypothesis import strategies as st

from device import policy
from device.power import reading
import strategies

# 1000 J, of which 10% stay: 700 J for 100 s.
STATE = policy.State(
    charge=0.8, charge_sd=0.0, capacity_j=1000.0, reserve=0.1,
    seconds_left=100.0, seconds_asked=200.0, images_per_s=2.0, idle_w=3.0,
    scale=1.0)


class PlanTest(parameterized.TestCase):

    def test_an_image_gets_its_share_of_what_is_left(self):
        # (700 J / 100 s - 3 W) / 2 per s
        self.assertAlmostEqual(policy.image_j(STATE), 2.0)

    def test_images_that_draw_twice_as_believed_get_half(self):
        self.assertAlmostEqual(policy.image_j(STATE._replace(scale=2.0)), 1.0)

    def test_doubt_about_the_charge_is_kept_back(self):
        # 1.5 x 0.02 x 1000 J fewer: (670 / 100 - 3) / 2
        self.assertAlmostEqual(
            policy.image_j(STATE._replace(charge_sd=0.02)), 1.85)

    def test_below_the_reserve_nothing_is_left(self):
        self.assertLess(policy.image_j(STATE._replace(charge=0.09)), 0.0)

    def test_after_the_end_the_rest_does_not_go_at_once(self):
        # 0.2% of 200 s: (700 / 0.4 - 3) / 2
        for over in (0.0, -500.0):
            self.assertAlmostEqual(
                policy.image_j(STATE._replace(seconds_left=over)), 873.5)

    def test_hours_count_down_to_the_reserve(self):
        # 700 J at 3 W + 2 per s x 2 J
        self.assertAlmostEqual(policy.hours(STATE, 2.0), 100 / 3600)
        self.assertEqual(
            policy.hours(STATE._replace(idle_w=0.0), 0.0), math.inf)
        self.assertEqual(policy.hours(STATE._replace(charge=0.05), 2.0), 0.0)

    def test_a_shortfall_is_said_in_hours(self):
        state = STATE._replace(capacity_j=3.6e5, seconds_left=36000.0)
        # 252 kJ: at 3 W + 2 per s x 2 J it lasts 10 hours, at 2.5 J 8.75.
        self.assertEqual(policy.shortfall(state, 2.0), "")
        self.assertIn("only 8.8 of the 10.0 hours",
                      policy.shortfall(state, 2.5))

    @strategies.SETTINGS
    @hypothesis.given(
        st.floats(0.15, 1), st.floats(10, 1e6), st.floats(0.01, 100),
        st.floats(0, 5), st.floats(0.2, 5))
    def test_who_does_as_planned_arrives_at_the_reserve(
            self, charge, seconds, images_per_s, idle_w, scale):
        state = STATE._replace(
            charge=charge, seconds_left=seconds, seconds_asked=seconds,
            images_per_s=images_per_s, idle_w=idle_w, scale=scale,
            capacity_j=7 * seconds / 0.05)
        planned = policy.image_j(state)
        hypothesis.assume(planned >= 0)
        self.assertAlmostEqual(
            policy.hours(state, planned) * 3600 / seconds, 1.0)


class SettleTest(absltest.TestCase):

    def test_a_plan_that_is_hardly_another_is_not_followed(self):
        self.assertEqual(policy.settle(STATE, 1.97), 1.97)
        self.assertEqual(policy.settle(STATE, 2.03), 2.03)
        self.assertAlmostEqual(policy.settle(STATE, 1.95), 2.0)
        self.assertAlmostEqual(policy.settle(STATE, 2.05), 2.0)

    def test_the_less_time_is_left_the_less_a_gauge_can_say(self):
        # The doubt: 0.01 x 1000 J / 100 s / 2 per s = 0.05 J of 1.925.
        state = STATE._replace(charge_sd=0.01)
        self.assertEqual(policy.settle(state, 1.96), 1.96)
        self.assertAlmostEqual(policy.settle(state, 1.98), 1.925)
        # A tenth of charge and time: the doubt is 0.5 J, of 1.25.
        state = state._replace(charge=0.17, seconds_left=10.0)
        self.assertEqual(policy.settle(state, 1.7), 1.7)

    def test_after_everything_was_allowed_the_plan_is_followed(self):
        self.assertAlmostEqual(policy.settle(STATE, math.inf), 2.0)

    def test_below_the_reserve_no_doubt_helps(self):
        state = STATE._replace(charge=0.1, charge_sd=0.5)
        self.assertEqual(policy.settle(state, 2.0), 0.0)

    @strategies.SETTINGS
    @hypothesis.given(st.lists(st.floats(0.99, 1.01), min_size=1))
    def test_it_does_not_flap(self, wobbles):
        """Within a band of 2%, the first plan stays."""
        first = target = policy.settle(STATE, 0.0)
        for wobble in wobbles:
            target = policy.settle(
                STATE._replace(images_per_s=2.0 * wobble), target)
        self.assertEqual(target, first)


class ChargerTest(parameterized.TestCase):

    @parameterized.parameters(
        (None, None, False, False), (False, None, False, False),
        (True, None, True, True), (True, -1.0, True, True),
        (None, -1.0, True, True), (True, 0.05, True, True),
        (True, 0.5, True, False), (False, 0.5, False, False))
    def test_energy_must_flow_in_and_suffice(
            self, charging, draw_w, flows, lifts):
        found = reading.Reading(charging=charging, draw_w=draw_w)
        self.assertEqual(policy.charging(found), flows)
        self.assertEqual(policy.lifts(found), lifts)

    def test_it_counts_after_a_minute_and_so_does_its_end(self):
        charger, present = policy.Charger(), []
        for second in range(0, 300, 20):
            charger = policy.charger(charger, 60 <= second < 200, second)
            present.append((second, charger.present))
        self.assertEqual([second for second, is_present in present
                          if is_present], [120, 140, 160, 180, 200, 220, 240])

    def test_a_loose_plug_changes_nothing(self):
        charger = policy.Charger()
        for second in range(0, 1000, 10):
            charger = policy.charger(charger, second % 50 == 0, second)
            self.assertFalse(charger.present)


if __name__ == "__main__":
    absltest.main()
