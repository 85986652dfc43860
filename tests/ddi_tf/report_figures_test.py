"""Tests of the numbers in the report's figures and tables, by hand."""

import csv
import dataclasses
import io

import numpy as np
import report_runs
import tensorflow as tf

from ddi_tf.report import calibrated
from ddi_tf.report import curves
from ddi_tf.report import exits
from ddi_tf.report import flow
from ddi_tf.report import gates
from ddi_tf.report import groups
from ddi_tf.report import lines
from ddi_tf.report import resources
from ddi_tf.report import source
from ddi_tf.report import static
from ddi_tf.report import style
from ddi_tf.report import tables
from ddi_tf.report import tradeoff
from ddi_tf.report import wording

_WORSE = tuple((a, b, 0) for a, b, _ in report_runs.PREDICTIONS)


def _run(name="run", points=(), **options):
    return source.Run(name, report_runs.recorded(name, "tune", **options),
                      report_runs.recorded(name, **options), points=points)


def _group(*runs, **options):
    runs = runs or (_run(),)
    return groups.Group("net", "net", runs, **options)


class SourceTest(tf.test.TestCase):

    def test_runs_that_differ_by_seed_alone_are_one(self):
        runs = [_run("flops_s0"), _run("other", resource="energy"),
                _run("flops_s1", seed=1)]
        found = source.by_settings(runs)
        self.assertEqual(
            {name: [run.name for run in alike]
             for name, alike in found.items()},
            {"flops (2 seeds)": ["flops_s0", "flops_s1"], "other": ["other"]})

    def test_groups_of_like_names_stay_apart(self):
        runs = [_run("a1"), _run("a2", seed=1), _run("a3", resource="energy"),
                _run("a4", resource="energy", seed=1)]
        names = list(source.by_settings(runs))
        self.assertEqual(names, ["a (2 seeds)", "a3 (2 seeds)"])
        self.assertEqual(groups._keys(["a-b", "a_b", "A b"]),
                         ["a_b", "a_b_1", "a_b_2"])

    def test_default_thresholds_or_no_exit(self):
        self.assertEqual(_run().chosen, [None, None])
        points = ({"name": "x", "thresholds": [1, 2]},
                  {"name": "default", "thresholds": [0.5, None]})
        self.assertEqual(_run(points=points).chosen, [0.5, None])


class CurvesTest(tf.test.TestCase):

    def test_thresholds_by_hand(self):
        accuracy, cost = curves.outcome(
            report_runs.recorded(), "macs", [0.3, 0.3])
        # Four at 11, then 13, 53 and two at 66 million.
        self.assertAllClose((accuracy, cost), (7 / 8, 242e6 / 8))

    def test_search_reaches_from_the_cheapest_to_the_most_accurate(self):
        steps = []
        curve = curves.searched([_run()], "macs", 5, lambda: steps.append(1))
        self.assertLen(steps, 5)
        self.assertAllClose(curve.tune_cost[0, 0], 11e6)
        self.assertAllClose(curve.tune_accuracy[0, [0, -1]], [0.5, 7 / 8])
        self.assertAllLessEqual(curve.tune_cost[0] - curve.budgets, 1.0)
        self.assertAllEqual(curve.test_accuracy, curve.tune_accuracy)

    def test_a_rule_without_a_cheap_enough_setting_has_no_point(self):
        curve = curves.by_rule([_run()], "macs", [10e6, 66e6], "shared")
        self.assertAllEqual(np.isnan(curve.test_accuracy), [[True, False]])
        self.assertAllClose(curve.test_accuracy[0, 1], 7 / 8)


class TablesTest(tf.test.TestCase):

    def test_answers_by_hand(self):
        (_, rows), = tables.answers([_group()]).parts
        self.assertEqual(rows, [
            ("exit1", "22.0", "11.0%", "50.00%"),
            ("exit2", "64.0", "32.0%", "75.00%"),
            ("head", "86.0", "43.0%", "87.50%"),
            ("base ResNet8 in full", "200.0", "100.0%", "87.50%")])

    def test_seeds_are_mean_and_deviation(self):
        group = _group(_run(), _run(seed=1, predictions=_WORSE))
        (_, rows), = tables.answers([group]).parts
        # 7/8 and 4/8: mean 68.75, deviation 37.5 / sqrt(2).
        self.assertEqual(rows[2], ("head", "86.0", "43.0%", "68.75 ± 26.52%"))

    def test_budgets_by_hand(self):
        number = np.array([[0.8]])
        curve = curves.Curve(np.array([50e6]), number, np.array([[50e6]]),
                             number, np.array([[54.965e6]]))
        table = tables.budgets([_group(curves={"macs": curve})])
        # Half-way from ResNet20 to ResNet32.
        self.assertEqual(table.parts[0][1], [(
            "100.0", "50.0%", "109.9", "+9.9%", "80.00%",
            "ResNet20 to ResNet32", "93.06%", "-13.06")])

    def test_static_networks(self):
        name, accuracy = static.at("cifar10", "resnet", 40.81e6)
        self.assertEqual((name, accuracy), ("ResNet20 to ResNet32", 0.926))
        self.assertEqual(static.at("cifar10", "resnet", 30e6),
                         ("MobileNetV2 x0.5 (cheaper)", 0.9288))
        self.assertEqual(static.at("cifar10", "densenet", 500e6)[0],
                         "ResNet56 (cheaper)")
        self.assertIsNone(static.at("cifar10", "resnet", 20e6))
        self.assertIsNone(static.at("digits", "resnet", 50e6))

    def test_takeaway_begins_with_the_cheapest_of_the_nearly_best(self):
        dear = _group()
        cheap = groups.Group("cheap", "cheap", (_run(points=(
            {"name": "default", "thresholds": [0.3, 0.3]},)),))
        first, second = tables.takeaway([dear, cheap])
        self.assertStartsWith(first, "At 30.2% of the base network's FLOPs, c")
        self.assertStartsWith(second, "At 43.0% of the base network's FLOPs, n")


class FiguresTest(tf.test.TestCase):

    def test_exit_ratio_by_hand(self):
        shares, accuracy = exits.sweep(
            report_runs.recorded().traces, 0, [0, 0.25, 3 / 8, 5 / 8, 1])
        # The third and fourth surest are equally sure: they leave together.
        self.assertAllClose(shares, [0, 2 / 8, 4 / 8, 5 / 8, 1])
        self.assertAllClose(accuracy, [7 / 8, 7 / 8, 7 / 8, 6 / 8, 4 / 8])

    def test_flow_by_hand(self):
        found = flow.flow(report_runs.recorded(), [0.3, 0.3])
        self.assertAllClose(found.left, [4 / 8, 2 / 8, 2 / 8])
        self.assertAllClose(found.right, [4 / 8, 2 / 8, 1 / 8])
        self.assertAllClose(found.cost, [11e6, 33e6, 66e6])
        self.assertAllClose(found.accuracy, 7 / 8)
        found = flow.flow(report_runs.recorded(), [None, 9.0])
        self.assertAllClose(found.left, [0, 1, 0])
        self.assertEqual(found.on, (False, True, True))
        self.assertAllEqual(np.isnan(found.cost), [True, False, True])

    def test_bands_of_a_flow_do_not_overlap(self):
        found = flow.flow(report_runs.recorded(), [0.3, 0.3])
        tops, bottom = flow._levels(found)
        ends = np.array(tops) - flow._STREAM * found.left
        self.assertAllLess(np.array([*tops[1:], bottom]) - ends, 0)

    def test_points_shown_are_the_default_the_cheapest_and_the_dearest(self):
        points = [{"name": name, "thresholds": [t], "tune_mean_macs": cost}
                  for name, t, cost in (("default", 1, 5), ("b", 2, 9),
                                        ("c", 3, 1), ("d", 4, 6), ("e", 1, 7))]
        shown = [point["name"] for point in flow._shown(points)]
        self.assertEqual(shown, ["default", "c", "b"])
        # The same thresholds twice are one picture.
        shown = [point["name"] for point in flow._shown(points[::4])]
        self.assertEqual(shown, ["default"])

    def test_blocks_by_class_by_hand(self):
        found = gates.by_class(report_runs.recorded().traces, 3)
        self.assertAllClose(found[:2], [[1, 0], [1, 1]])
        self.assertAllEqual(np.isnan(found[2]), [True, True])

    def test_savings_by_hand(self):
        one = np.array([[0.2, 0.4, 0.6], [0.5, 0.7, 0.9]])
        other = np.array([[0.1, 0.3], [0.6, 0.8]])
        rows = resources.savings(one, other)
        self.assertAllClose(rows[0], (0.6, 0.3, 0.1, 2 / 3))
        self.assertAllClose(rows[-1], (0.8, 0.5, 0.3, 0.4))
        self.assertEqual(resources.savings(one, other + [[0], [0.5]]), [])

    def test_one_loss_alone_is_a_sentence(self):
        section = resources.against_flops_loss([_group()])
        self.assertEmpty(section.items)
        self.assertIn("with the FLOPs loss", section.texts[0])
        self.assertIn("--loss_resource=energy", section.texts[0])

    def test_a_mend_takes_its_temperature_from_tune(self):
        found = calibrated.mend(_run(), 0)
        # Half are right, whatever the logits (2, 0) say: e^0.88 is too sure.
        self.assertAllClose(found.temperature, 10, rtol=1e-3)
        self.assertAllClose(found.errors["before"], 0.3808, atol=1e-4)
        self.assertAllClose(found.errors["after"], 0.0498, atol=1e-4)


class LinesTest(tf.test.TestCase):

    def test_seeds_become_a_mean_with_a_band(self):
        found = lines.over_seeds("x", [[1, 2, 3], [3, 2, np.nan]],
                                 [[10, 20, 30], [30, 20, 30]], style.look(0))
        self.assertAllClose(found.x, [2, 2])
        self.assertAllClose(found.y, [20, 20])
        self.assertAllClose(found.low, [10, 20])
        self.assertAllClose(found.high, [30, 20])

    def test_the_csv_holds_what_is_drawn(self):
        drawn = {}
        group = groups.measure([_run()])[0]
        series = tradeoff.series_of(group, style.look(0))
        found = lines.figure(
            "key", "", "", "", "", series, "x", "y", lambda axes: drawn.update(
                {line.get_label(): line.get_xydata() for line in axes.lines
                 if not line.get_label().startswith("_")}))
        rows = list(csv.reader(io.StringIO(found.csv)))[1:]
        self.assertLen(drawn, 2)
        for label, points in drawn.items():
            self.assertAllEqual(points, [
                [float(row[1]), float(row[2])] for row in rows
                if row[0] == label])

    def test_what_groups_share_is_in_the_legend_once(self):
        run, drawn = _run(), []
        found = groups.measure([run])
        series = [one for index in range(2) for one in tradeoff.series_of(
            dataclasses.replace(found[0], name=f"net{index}"),
            style.look(index), together=True)]
        lines.figure("key", "", "", "", "", series, "x", "y",
                     lambda axes: drawn.append(axes.figure))
        [legend] = drawn[0].legends
        self.assertEqual([text.get_text() for text in legend.get_texts()],
                         ["net0", "net1", "gates only"])
        self.assertEqual(
            [line.get_color() for line in legend.get_lines()],
            [style.look(0).colour, style.look(1).colour, style.INK])

    def test_costs_far_apart_are_on_a_logarithmic_axis(self):
        for farthest, scale in ((19, "linear"), (21, "log")):
            drawn = []
            lines.figure("key", "", "", "", "", [lines.over_seeds(
                "x", [1, farthest], [1, 2], style.look(0))], "x", "y",
                drawn.append)
            self.assertEqual(drawn[0].get_xscale(), scale)

    def test_looks_differ_without_colour(self):
        looks = [style.look(n) for n in range(20)]
        self.assertLen({(look.marker, look.line) for look in looks}, 20)

    def test_close_up_only_where_it_is_needed(self):
        look = style.look(0)
        low = lines.over_seeds("", [1, 2], [50, 90], look)
        self.assertEqual(lines.zoomed([low], 4), 86)
        self.assertIsNone(lines.zoomed(
            [lines.over_seeds("", [1, 2], [85, 90], look)], 4))

    def test_close_up_leaves_out_what_does_not_reach_into_it(self):
        one = lambda x, y: lines.over_seeds("", x, y, style.look(0))
        limits = tradeoff._close_up([one([1, 2, 3], [50, 88, 90])], 86)
        self.assertAllClose(limits, ((2 / 1.5**0.06, 3 * 1.5**0.06),
                                     (86, 90.24)))
        within = lambda x, y: tradeoff._is_within(one([x], [y]), *limits)
        self.assertTrue(within(2.5, 89))
        self.assertFalse(within(9, 89))
        self.assertFalse(within(2.5, 85))


class WordingTest(tf.test.TestCase):

    def test_numbers(self):
        self.assertEqual(wording.spread([1.0, 2.0]), "1.5 ± 0.7")
        self.assertEqual(wording.spread([1.0, 1.0]), "1.0")
        self.assertEqual(wording.shares([0.5, np.nan]), "–")
        self.assertEqual(wording.megaflops(3e6), 6)
        self.assertEqual(wording.listed("abc"), "a, b and c")
        self.assertEqual(wording.key("Flow", "a (2 seeds)"), "flow_a_2_seeds")

    def test_origin_names_commits_and_seeds(self):
        self.assertEqual(
            wording.origin([_group(_run(), _run(seed=3))]),
            "net: commit c0ffee, seeds 0, 3.")


if __name__ == "__main__":
    tf.test.main()
