"""A battery's day: by hand, and that following the battery pays."""

import importlib.util
import io
import json
import math
import pathlib

from absl.testing import absltest
from absl.testing import parameterized
import numpy as np

from device import bundle
from device import errors
from device import simulate
from device import simulate_report
from device import task

# Three ways to run images: modelled and believed 1, 2 or 4 J each.
POINTS = tuple(
    bundle.OperatingPoint(name, (), accuracy, 1e3 * macs)
    for name, macs, accuracy in (("a", 1, 0.5), ("b", 2, 0.7), ("c", 4, 0.8)))


def images(joules, right, count=1000):
    """`simulate.Images` that all draw the same; a share of them is right."""
    return simulate.Images(
        np.arange(count) < right * count, np.full(count, 1e3 * joules),
        np.full(count, np.nan), np.full(count, float(joules)))


AT_POINTS = {point.name: images(point.tune_mean_macs / 1e3, point.tune_accuracy)
             for point in POINTS}
FULL = images(8, 0.9)


def world(**changes):
    """An image a second; 1 Wh is 3,600 J."""
    return simulate.World(**{
        "battery_wh": 10.0, "hours": 2.0, "frames_per_hour": 3600.0,
        "idle_w": 1.0, **changes})


def compare(world_, reserve=0.1):
    """The `simulate_report.Comparison` in a world, at believed numbers."""
    asked = task.Task(world_.battery_wh, world_.hours, reserve, world_.idle_w,
                      energy_scale=1.0)
    return simulate_report.Comparison(
        simulate.driven("battery-driven", POINTS, AT_POINTS, asked, 1.0,
                        world_),
        simulate.fixed("full network", FULL, world_),
        simulate.fixed("gates alone", images(6, 0.85), world_),
        tuple(simulate.fixed(name, each, world_)
              for name, each in AT_POINTS.items()), world_, reserve)


class FixedTest(absltest.TestCase):

    def test_a_battery_empties_when_its_joules_are_gone(self):
        # 36,000 J at 1 W + 8 W last 4,000 s: 66 minutes and 40 seconds.
        course = simulate.fixed("full", FULL, world())
        self.assertAlmostEqual(course.died, 67 / 60)
        # The minute in which it dies does not count.
        self.assertEqual(course.frames.sum(), 66 * 60)
        self.assertEqual(course.energy_mj.sum(), 66 * 60 * 8e3)
        self.assertAlmostEqual(course.right.sum() / 3960, 0.9, delta=0.02)
        # To 10%: 3,600 s; the first minute that ends below.
        self.assertAlmostEqual(course.lasts(0.1), 61 / 60)
        self.assertAlmostEqual(course.charge[0], 1 - 9 * 60 / 36000)

    def test_what_lasts_longer_is_told_from_its_draw(self):
        course = simulate.fixed("b", AT_POINTS["b"], world())
        self.assertIsNone(course.died)
        # 90% of 36,000 J at 3 W.
        self.assertAlmostEqual(course.lasts(0.1), 3.0)

    def test_images_can_draw_more_than_believed(self):
        course = simulate.fixed("c", AT_POINTS["c"], world(error=0.5))
        self.assertAlmostEqual(course.charge[0], 1 - 7 * 60 / 36000)

    def test_the_sun_shines_by_day(self):
        sunny = world(solar_w=5.0)
        for night in (0, 6, 18, 23):
            self.assertEqual(sunny.sun_w(night), 0.0)
        self.assertAlmostEqual(sunny.sun_w(12), 5.0)
        self.assertAlmostEqual(sunny.sun_w(24 + 9), 5.0 * math.sqrt(0.5))
        dark, sunny = (simulate.fixed("a", AT_POINTS["a"], world(
            battery_wh=30.0, hours=9.0, solar_w=watts)) for watts in (0, 5))
        # 5 W x 12 h / pi x (1 - cos(pi / 4)) = 5.594 Wh
        self.assertAlmostEqual(
            sunny.charge[-1] - dark.charge[-1], 5.594 / 30, delta=0.002)

    def test_every_policy_gets_the_same_images(self):
        one, same, other = (
            simulate.fixed("a", AT_POINTS["a"], world(seed=seed))
            for seed in (0, 0, 1))
        np.testing.assert_array_equal(one.right, same.right)
        self.assertFalse(np.array_equal(one.right, other.right))


class DrivenTest(parameterized.TestCase):

    @parameterized.product(error=(-0.2, 0.0, 0.2), seed=(0, 1))
    def test_it_lasts_as_asked_and_is_more_often_right(self, error, seed):
        # Full inference empties it in 60% of the time.
        watts = 1 + 8 * (1 + error)
        found = compare(world(battery_wh=1.2 * watts, error=error, seed=seed,
                              noise=0.005))
        self.assertAlmostEqual(found.full.died, 1.2, delta=0.02)
        self.assertBetween(found.driven.lasts(0.1), 2.0, 2.06)
        self.assertGreater(found.driven.right.sum(),
                           found.best_point.right.sum())
        self.assertGreater(found.driven.right.sum(), found.full.right.sum())

    def test_a_lost_gauge_is_noted_and_recovered_from(self):
        found = compare(world(battery_wh=8.0, lost_hours=(0.5, 1.0)))
        (lost, text), (well, _) = found.driven.notes
        self.assertAlmostEqual(lost, 0.5, delta=0.05)
        self.assertIn("does not answer", text)
        self.assertAlmostEqual(well, 1.0, delta=0.05)
        self.assertBetween(found.driven.charge[-1], 0.1, 0.12)


class WorldTest(parameterized.TestCase):

    @parameterized.parameters(
        {"battery_wh": 0}, {"hours": math.nan}, {"frames_per_hour": -1},
        {"idle_w": -1}, {"solar_w": math.inf}, {"error": -1},
        {"hours": 1e9})
    def test_numbers_that_make_no_sense_are_refused(self, **changes):
        with self.assertRaisesRegex(
                errors.BudgetError, f"simulation: {next(iter(changes))} must"):
            world(**changes)


class ReportTest(absltest.TestCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.comparison = compare(world(battery_wh=9.0))

    def test_the_best_point_is_that_of_those_that_last(self):
        # 16.2 kWs for 2 h: 4.05 W, of which b takes 3, and c 5.
        self.assertEqual(self.comparison.best_point.name, "b")
        self.assertIsNone(compare(world(battery_wh=2.0)).best_point)

    def test_the_table_tells_every_policy_and_the_verdict(self):
        file = io.StringIO()
        simulate_report.print_table(self.comparison, file)
        text = file.getvalue()
        for name in ("full network", "gates alone", "a", "b", "c",
                     "battery-driven", "h to 10%"):
            self.assertIn(name, text)
        flat = " ".join(text.split())
        self.assertRegex(flat, r"lasts 2\.0 of 2 hours and gives 5,\d{3} right")
        self.assertRegex(flat, r"\d+ more than b, the best fixed point that")

    def test_where_no_point_lasts_that_is_said(self):
        self.assertIn("no fixed operating point lasts as long",
                      simulate_report.verdict(compare(world(battery_wh=2.0))))

    def test_values_are_json_without_nan(self):
        values = simulate_report.values(self.comparison)
        text = json.dumps(values, allow_nan=False)
        self.assertEqual(json.loads(text), values)
        full = values["policies"]["full network"]
        self.assertEqual(full["empty_at_hour"], self.comparison.full.died)
        self.assertIsNone(full["course"]["accuracy"][-1])
        self.assertLen(full["course"]["hours"], 40)
        self.assertEqual(full["answered"], self.comparison.full.frames.sum())

    def test_spans_of_time_lose_nothing(self):
        hours, charge, cost, accuracy = simulate_report.binned(
            self.comparison.points[0], 7)
        self.assertLen(hours, 7)
        self.assertEqual(hours[-1], 2.0)
        self.assertEqual(charge[-1], self.comparison.points[0].charge[-1])
        np.testing.assert_allclose(cost, 1e3)
        self.assertAlmostEqual(accuracy.mean(), 0.5, delta=0.02)

    @absltest.skipUnless(
        importlib.util.find_spec("matplotlib"), "matplotlib is an extra")
    def test_pictures_are_drawn_whole_and_alike(self):
        from device import simulate_plot
        folder = self.create_tempdir().full_path
        one, same, other = (pathlib.Path(folder, name) for name in (
            "one.svg", "same.svg", "other.png"))
        for file in (one, same, other):
            simulate_plot.write(self.comparison, str(file))
        self.assertStartsWith(one.read_bytes(), b"<?xml")
        self.assertEqual(one.read_bytes(), same.read_bytes())
        self.assertStartsWith(other.read_bytes(), b"\x89PNG")


if __name__ == "__main__":
    absltest.main()
