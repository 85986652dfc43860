"""device.energy: joules from watts by hand, and what is lost in noise."""

import dataclasses

import hypothesis
import numpy as np
from absl.testing import absltest
from absl.testing import parameterized
from hypothesis import strategies as st

from device import energy
from device import errors
import profiles
import strategies


def phase(watts, seconds=0.0, images=0, modelled_mj=0.0):
    """An `energy.Phase`; a single number is a steady draw."""
    return energy.Phase(np.broadcast_to(np.asarray(watts, float), [
        max(4, np.size(watts))]), seconds, images, modelled_mj)


def cycle(idle_w, full_w, cheapest_w):
    """100 images of 2 modelled mJ in 10 s; 250 of 0.5 mJ."""
    return energy.Cycle(phase(idle_w), {
        "full": phase(full_w, 10.0, 100, 2.0),
        "cheapest": phase(cheapest_w, 10.0, 250, 0.5)})


class EstimateTest(parameterized.TestCase):

    def test_a_steady_machine_by_hand(self):
        # 1 W above idle: 10 J for 100 images, 10 J for 250.
        found = energy.estimate("a meter", [cycle(2, 3, 3)] * 3)
        self.assertEqual((found.source, found.idle_w, found.idle_w_error),
                         ("a meter", 2.0, 0.0))
        self.assertEqual(found.workloads, (
            energy.Workload("full", 300, 30.0, 3.0, 2.0, 100.0, 0.0),
            energy.Workload("cheapest", 750, 30.0, 3.0, 0.5, 40.0, 0.0)))
        # 60 mJ more for 1.5 modelled mJ more; 40 - 0.5 * 40 are left.
        self.assertAlmostEqual(found.scale, 40.0)
        self.assertAlmostEqual(found.offset_mj, 20.0)
        self.assertAlmostEqual(found.scale_error, 0.0)
        self.assertAlmostEqual(found.misfit, 0.0)
        self.assertEqual(found.lag, 0.0)
        self.assertEqual([each.ratio for each in found.workloads], [50, 80])

    def test_errors_are_those_of_the_cycles(self):
        # 120 and 80 mJ; 48 and 32 mJ: deviations 20 sqrt 2 and 8 sqrt 2.
        found = energy.estimate(
            "", [cycle(1.9, 3.1, 3.1), cycle(2.1, 2.9, 2.9)])
        self.assertAlmostEqual(found.idle_w, 2.0)
        self.assertAlmostEqual(found.idle_w_error, 0.1)
        full, cheapest = found.workloads
        self.assertAlmostEqual(full.real_mj, 100.0)
        self.assertAlmostEqual(full.real_mj_error, 20.0)
        self.assertAlmostEqual(cheapest.real_mj_error, 8.0)
        # Slopes of 48 and 32.
        self.assertAlmostEqual(found.scale, 40.0)
        self.assertAlmostEqual(found.scale_error, 8.0)

    def test_a_drift_that_idle_shares_changes_nothing(self):
        steady = energy.estimate("", [cycle(2, 3, 3)] * 4)
        drifting = energy.estimate("", [
            cycle(2 + drift, 3 + drift, 3 + drift)
            for drift in (0.0, 0.5, 1.0, 1.5)])
        self.assertAlmostEqual(drifting.scale, steady.scale)
        self.assertAlmostEqual(drifting.scale_error, 0.0)

    def test_an_image_that_runs_nothing_does_not_give_energy_back(self):
        # 100 and 20 mJ: a line through them would begin at -6.7 mJ.
        found = energy.estimate("", [cycle(2, 3, 2.5)] * 2)
        self.assertEqual(found.offset_mj, 0.0)
        # Of 100 and 20 it makes shares s * 0.02 and s * 0.025, both near 1:
        # s = (0.02 + 0.025) / (0.02 ** 2 + 0.025 ** 2).
        self.assertAlmostEqual(found.scale, 0.045 / 0.001025)
        # At 2 mJ the line says 87.8, and 100 were measured.
        self.assertAlmostEqual(found.misfit, 1 - 0.02 * 0.045 / 0.001025)

    def test_workloads_count_by_relative_error(self):
        # 50, 80 and 200 mJ at 1, 2 and 4 modelled.
        row = energy.Cycle(phase(2), {
            "full": phase(2.2, 1.0, 1, 4.0), "half": phase(2.08, 1.0, 1, 2.0),
            "cheapest": phase(2.05, 1.0, 1, 1.0)})
        found = energy.estimate("", [row] * 2)
        shares = np.array([[4 / 200, 1 / 200], [2 / 80, 1 / 80],
                           [1 / 50, 1 / 50]])
        scale, offset_mj = np.linalg.lstsq(shares, np.ones(3), rcond=None)[0]
        self.assertAlmostEqual(found.scale, scale)  # 43.5
        self.assertAlmostEqual(found.offset_mj, offset_mj)  # 3.7
        # The line says 90.7 mJ for what took 80.
        self.assertAlmostEqual(found.misfit, (2 * scale + offset_mj) / 80 - 1)

    def test_one_workload_is_a_line_through_the_origin(self):
        only = energy.Cycle(phase(2), {"full": phase(3, 10.0, 100, 2.0)})
        found = energy.estimate("", [only] * 2)
        self.assertEqual((found.scale, found.offset_mj), (50.0, 0.0))

    def test_a_source_that_lags_is_seen(self):
        # Its second half shows 0.5 W more than its first, of 1 W.
        late = [2.75, 2.75, 3.25, 3.25]
        found = energy.estimate("", [cycle(2, late, 3)] * 2)
        self.assertAlmostEqual(found.lag, 0.5)

    def test_a_bundle_without_modelled_energy_is_refused(self):
        none = energy.Cycle(phase(2), {"full": phase(3, 10.0, 100, 0.0)})
        with self.assertRaisesRegex(errors.PowerError, "models no energy"):
            energy.estimate("", [none] * 2)

    @strategies.SETTINGS
    @hypothesis.given(
        st.floats(0, 100), st.floats(1e-3, 1e3), st.floats(0, 1e2),
        st.lists(st.floats(1e-3, 10), min_size=2, max_size=4, unique_by=(
            lambda value: round(value, 2))), st.integers(2, 8))
    def test_a_line_is_found_again(self, idle_w, scale, offset_mj, modelled,
                                   cycles):
        def work(modelled_mj):
            # A second an image: as many watts as joules.
            watts = idle_w + (scale * modelled_mj + offset_mj) / 1000
            return phase(watts, 60.0, 60, modelled_mj)

        found = energy.estimate("", [energy.Cycle(phase(idle_w), {
            str(each): work(each) for each in sorted(modelled, reverse=True)
        })] * cycles)
        for each in modelled:
            expected = scale * each + offset_mj
            self.assertAlmostEqual(
                found.real_mj(each) / expected, 1, delta=1e-3)


class NoiseTest(parameterized.TestCase):
    """Of a meter that is off by 50 mW at a time, 30 readings a phase."""

    @staticmethod
    def cycles(seed, added_w):
        noise = np.random.default_rng(seed)
        draw = lambda watts: noise.normal(watts, 0.05, 30)
        return [cycle(draw(2), draw(2 + added_w), draw(2 + added_w))
                for _ in range(6)]

    def test_a_watt_is_measured_within_its_error(self):
        for seed in range(20):
            found = energy.estimate("", self.cycles(seed, 1.0))
            # One of 50 mW / sqrt 30 for idle and for work, of six cycles.
            self.assertBetween(found.workloads[0].real_mj_error, 0.1, 1.5)
            self.assertLess(abs(found.workloads[0].real_mj - 100), 2.5)
            self.assertLess(abs(found.scale - 40),
                            5 * found.scale_error)

    def test_no_difference_is_no_number(self):
        for seed in range(50):
            with self.assertRaisesRegex(
                    errors.PowerError, r"a meter: what the workload 'full' adds"
                    r" to the idle draw of (2|1\.99|2\.01) W, \S+ W, is not "
                    "measurable.*4 times.*--energy_seconds"):
                energy.estimate("a meter", self.cycles(seed, 0.0))

    @parameterized.parameters(0.0, -0.5)
    def test_a_frozen_or_falling_draw_is_no_number(self, added_w):
        with self.assertRaisesRegex(errors.PowerError, "not measurable"):
            energy.estimate("", [cycle(2, 2 + added_w, 2 + added_w)] * 6)

    def test_dearer_images_that_draw_no_more_give_no_scale(self):
        # 40 mJ each, whatever they run.
        same = energy.Cycle(phase(2), {
            "full": phase(3, 10.0, 250, 2.0),
            "cheapest": phase(3, 10.0, 250, 0.5)})
        other = energy.Cycle(phase(2), {
            "full": phase(3.1, 10.0, 250, 2.0),
            "cheapest": phase(3.11, 10.0, 250, 0.5)})
        with self.assertRaisesRegex(
                errors.PowerError, "a meter: how much more dearer images draw, "
                ".*not measurable"):
            energy.estimate("a meter", [same, other])


class CheckTest(parameterized.TestCase):

    def test_a_good_one_passes(self):
        self.assertIsNone(energy.check(profiles.ENERGY))

    @parameterized.parameters("scale", "idle_w", "idle_w_error", "scale_error",
                              "offset_mj")
    def test_a_number_below_zero_is_named(self, name):
        spoilt = dataclasses.replace(profiles.ENERGY, **{name: -1.0})
        self.assertRegex(energy.check(spoilt),
                         f"^energy: {name}: expected .*, found -1.0$")

    @parameterized.parameters("images", "seconds", "draw_w", "modelled_mj",
                              "real_mj")
    def test_nothing_was_measured(self, name):
        spoilt = dataclasses.replace(profiles.ENERGY, workloads=(
            profiles.ENERGY.workloads[0], dataclasses.replace(
                profiles.ENERGY.workloads[1], **{name: 0})))
        self.assertEqual(
            energy.check(spoilt), f"energy: workload cheapest: {name}: "
            "expected a number above 0, found 0")

    def test_no_workload(self):
        spoilt = dataclasses.replace(profiles.ENERGY, workloads=())
        self.assertEqual(energy.check(spoilt), "energy without a workload")


if __name__ == "__main__":
    absltest.main()
