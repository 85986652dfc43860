"""Tests of the commands that evaluate and choose, on traces made up."""

import dataclasses
import json

import tensorflow as tf

import trace_cases
import train_command
from ddi_tf import evaluation
from ddi_tf import operating_points
from ddi_tf import run_folder
from ddi_tf import run_summary
from ddi_tf import search
from ddi_tf import thresholds
from ddi_tf import trace_files


class PointsTest(tf.test.TestCase):

    def setUp(self):
        super().setUp()
        self.trace = trace_cases.hard_and_easy(4, 800, 3)
        macs = trace_cases.macs(self.trace, (9, 9, 9, 1))
        # What is dear in energy are the exits.
        self.costs = {"macs": macs, "energy": macs._replace(
            unit="pJ", base=10.0, answers=5 * macs.answers)}

    def test_the_default_loses_little_and_the_others_rise(self):
        default, *others = operating_points.choose(self.trace, self.costs)
        self.assertEqual(default["name"], "default")
        self.assertGreaterEqual(
            default["tune_accuracy"],
            self.trace.accuracy[-1] - operating_points.TOLERANCE)
        for key in ("tune_accuracy", "tune_mean_macs"):
            values = [point[key] for point in others]
            self.assertEqual(values, sorted(values))
        for point in others:
            self.assertEqual(
                point["name"], f"macs_{point['tune_mean_macs'] / 10:.0f}")

    def test_a_budget_in_energy_is_kept_in_energy(self):
        found = search.Search(self.trace, self.costs["energy"])
        budget = (found.least + found.most) / 2
        _, point = operating_points.choose(
            self.trace, self.costs, "energy", [budget])
        self.assertBetween(point["tune_mean_energy"], 0.98 * budget, budget)
        for key, cost in self.costs.items():
            outcome = thresholds.apply(self.trace, cost, point["thresholds"])
            self.assertEqual(point[f"tune_mean_{key}"], outcome.cost.mean())


class CommandTest(tf.test.TestCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.commands = train_command.Commands("ddi_tf.choose")
        cls.addClassCleanup(cls.commands.close)

    def setUp(self):
        super().setUp()
        self.folder = run_folder.RunFolder(self.create_tempdir().full_path)
        self.folder.create({"network": {}, "schedule": {}, "data": {
            "name": "made up", "label_names": []}}, "")
        recorded = trace_cases.recorded(
            trace_cases.hard_and_easy(4, 300, 3))
        about = dataclasses.replace(
            recorded.about, fingerprint=trace_files.fingerprint(
                self.folder, recorded.traces.labels))
        trace_files.save(trace_files.path(self.folder.path, "tune"),
                         recorded._replace(about=about))

    def _assert_refused(self, message, *given):
        result = self.commands.run(f"--run={self.folder.path}", *given)
        self.assertEqual(result.returncode, 1)
        self.assertRegex(result.stderr, message)
        self.assertNotIn("Traceback", result.stderr)

    def test_points_are_shown_and_kept(self):
        result = self.commands.run(f"--run={self.folder.path}")
        self.assertEqual(result.returncode, 0, result.stderr)
        points = self.folder.operating_points
        self.assertGreater(len(points), 4)
        for point in points:
            self.assertIn(point["name"], result.stdout)
        self.assertIn("converters.export --checkpoint=", result.stdout)
        self.assertFalse(run_summary.path(self.folder).exists())

    def test_a_summary_that_is_there_says_the_new_points(self):
        kept = run_summary.path(self.folder)
        kept.write_text("{}")
        result = self.commands.run(
            f"--run={self.folder.path}", "--budgets=200")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(
            [(point["name"], point["accuracy"])
             for point in json.loads(kept.read_text())["operating_points"]],
            [(point["name"], point["tune_accuracy"])
             for point in self.folder.operating_points])

    def test_budgets_are_taken_and_errors_keep_what_was(self):
        result = self.commands.run(
            f"--run={self.folder.path}", "--budgets=200,150")
        self.assertEqual(result.returncode, 0, result.stderr)
        points = self.folder.operating_points
        self.assertEqual([point["name"] for point in points],
                         ["default", "macs_15", "macs_20"])
        for message, *given in (
                (r"error: a mean budget of 1e.12 MACs per image makes no sense "
                 "here: it must lie between ", "--budgets=1e12"),
                ("error: --budgets takes numbers", "--budgets=many"),
                ("error: the traces know macs, energy, not latency. For time, "
                 ".*--latency_profile=", "--resource=latency"),
                ("error: .*tune-best.npz is not there. .*--best", "--best"),
                ("error: nowhere is not a training run", "--run=nowhere"),
                ("error: unexpected argument 'more'", "more")):
            self._assert_refused(message, *given)
        self.assertEqual(self.folder.operating_points, points)


class ReportTest(tf.test.TestCase):

    def test_accuracies_and_costs_by_hand(self):
        trace = trace_cases.traces(
            predictions=[[0, 0], [1, 0], [1, 1], [0, 1]],
            entropies=[[0.1, 0], [0.2, 0], [0.3, 0], [0.1, 0]],
            spent=[[10, 30]] * 4, labels=[0, 0, 1, 1])
        recorded = trace_cases.recorded(trace)  # answers cost 0 and 1
        found = evaluation.report(
            recorded, [{"name": "default", "thresholds": [0.15]}])
        self.assertEqual(found["accuracy_if_all_left_at_exit"], [0.5])
        points = found["operating_points"]
        self.assertEqual(points["in full"]["accuracy"], 1.0)
        self.assertEqual(points["gated"], {
            "accuracy": 1.0, "mean_macs": 31.0, "mean_energy": 31 / 3,
            "mean_macs_of_base": 0.031, "exits": [0, 4]})
        early = points["gated, exits at default"]
        self.assertEqual(early["exits"], [2, 2])
        self.assertEqual(early["accuracy"], 0.75)
        self.assertEqual(early["mean_macs"], (10 + 10 + 31 + 31) / 4)


if __name__ == "__main__":
    tf.test.main()
