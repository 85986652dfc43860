"""Tests of a run's summary: from hand-made folders, and as a page."""

import dataclasses
import io
import json
import os
import pathlib
from unittest import mock

import tensorflow as tf

from ddi_tf import errors
from ddi_tf import kernels
from ddi_tf import network
from ddi_tf import run_folder
from ddi_tf import run_summary
from ddi_tf import starting
from ddi_tf import summary_page

_CONFIG = network.NetworkConfig(depth=8, image_shape=(16, 16, 3))
_PLAIN = dataclasses.replace(
    _CONFIG, layer_gates=False, channel_gates=False, exits=False)
_WITH_EXITS = dataclasses.replace(_PLAIN, exits=True)

_TUNE = {"accuracy": 0.88, "exit_accuracy": [0.5, 0.6, 0.87],
         "skip_ratio": 0.4, "cost": 0.612, "blocks": [1.0, 0.3, 0.5]}
_LINES = {
    "early": {"phase": "base", "step": 4, "phase_step": 4, "seconds": 40.2,
              "train": {"loss": 2.0}, "tune": {"accuracy": 0.6}},
    "base": {"phase": "base", "step": 8, "phase_step": 8, "seconds": 40.2,
             "train": {"loss": 1.0}, "tune": {"accuracy": 0.9}},
    "skip": {"phase": "skip", "step": 11, "phase_step": 3, "seconds": 30.0,
             "train": {"loss": 1.0, "resource_loss": 0.1},
             "tune": {**_TUNE, "accuracy": 0.7}},
    "exits": {"phase": "exits", "step": 17, "phase_step": 6, "seconds": 3600.0,
              "train": {"loss": 2.0}, "tune": _TUNE},
    "finish": {"phase": "finish", "step": 18, "seconds": 5.0,
               "gate_shift": 0.1, "tune": _TUNE},
}
_WHOLE = ("early", "base", "skip", "exits", "finish")
_POINT = {"name": "default", "thresholds": [0.25, None, 0.75],
          "tune_accuracy": 0.875, "tune_mean_macs": 1e6,
          "tune_left": [0.5, 0.0, 0.25, 0.25],
          "tune_left_accuracy": [0.96, None, 0.8, 0.7]}


class _SummaryTest(tf.test.TestCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.networks = {config: network.Network(config)
                        for config in (_CONFIG, _PLAIN, _WITH_EXITS)}

    def _folder(self, lines=_WHOLE, points=(_POINT,), config=_CONFIG,
                flags="--seed=5\n--data_dir=my data\n"):
        path = pathlib.Path(self.create_tempdir().full_path) / "runs" / "it"
        folder = run_folder.RunFolder(path)
        with mock.patch.object(run_folder, "commit", return_value="c0ffee"):
            folder.create({
                "network": dataclasses.asdict(config),
                "schedule": {"seed": 5, "target_cost": 0.6},
                "resource": {"name": "flops"},
                "data": {"name": "digits", "label_names": list("0123456789")},
            }, flags)
        for name in lines:
            folder.append_metrics(_LINES[name])
        if points:
            folder.save_operating_points(list(points))
        return folder

    def _values(self, config=_CONFIG, **how):
        folder = self._folder(config=config, **how)
        return run_summary.values(folder, self.networks[config])


class ValuesTest(_SummaryTest):

    def test_they_are_saved_as_json(self):
        folder = self._folder()
        found = run_summary.save(folder, self.networks[_CONFIG])
        saved = json.loads((folder.path / "summary.json").read_text())
        self.assertEqual(saved, found)
        self.assertEqual(found["run"], str(folder.path))

    def test_they_name_commit_seed_and_flags(self):
        found = self._values()
        self.assertEqual(found["commit"], "c0ffee")
        self.assertEqual(found["seed"], 5)
        self.assertEqual(found["flags"], ["--seed=5", "--data_dir=my data"])

    def test_network_is_the_one_that_was_trained(self):
        net = self.networks[_CONFIG]
        found = self._values()["network"]
        self.assertEqual(found["base_macs"], net.costs.base)
        self.assertEqual(
            found["macs_with_gates_and_exits"], net.costs.everything)
        self.assertEqual(found["parameters"], net.count_params())
        self.assertEqual((found["blocks"], found["exits"]), (3, 3))

    def test_phases_have_their_epochs_time_and_last_look(self):
        found = self._values()
        self.assertEqual(found["phases"], [
            {"name": "base", "epochs": 2, "seconds": 80.4, "accuracy": 0.9,
             "skip_ratio": None, "cost": None},
            {"name": "skip", "epochs": 0.75, "seconds": 30.0, "accuracy": 0.7,
             "skip_ratio": 0.4, "cost": 0.612},
            {"name": "exits", "epochs": 1.5, "seconds": 3600.0,
             "accuracy": 0.88, "skip_ratio": 0.4, "cost": 0.612},
            {"name": "finish", "epochs": 0, "seconds": 5.0, "accuracy": 0.88,
             "skip_ratio": 0.4, "cost": 0.612}])
        self.assertAllClose(found["seconds"], 80.4 + 30 + 3600 + 5)

    def test_epochs_are_counted_where_none_went_on(self):
        found = self._values(lines=("base", "skip", "finish"))["phases"]
        self.assertEqual([phase["epochs"] for phase in found], [1, 1, 0])

    def test_target_and_its_miss_by_hand(self):
        self.assertEqual(self._values()["target"], {
            "resource": "flops", "cost": 0.6, "reached": 0.612, "miss": 0.02})

    def test_base_against_gated(self):
        self.assertEqual(self._values()["tune"], {
            "base_accuracy": 0.9, "gated": {
                "accuracy": 0.88, "skip_ratio": 0.4, "cost": 0.612}})

    def test_operating_point_is_told_in_macs_of_base(self):
        base = self.networks[_CONFIG].costs.base
        self.assertEqual(self._values()["operating_points"], [
            {"name": "default", "accuracy": 0.875, "mean_macs": 1e6,
             "mean_macs_of_base": 1e6 / base}])

    def test_answers_of_the_default_point(self):
        keys = ("name", "threshold", "left", "left_accuracy",
                "accuracy_if_all")
        rows = [tuple(answer[key] for key in keys)
                for answer in self._values()["answers"]]
        self.assertEqual(rows, [
            ("exit1", 0.25, 0.5, 0.96, 0.5), ("exit2", None, 0.0, None, 0.6),
            ("exit3", 0.75, 0.25, 0.8, 0.87), ("head", None, 0.25, 0.7, 0.88)])

    def test_base_accuracy_comes_from_the_run_that_trained_it(self):
        base = self._folder(("base",), config=_PLAIN)
        found = self._values(
            lines=("skip",), flags=f"--train_base_checkpoint={base.path}\n")
        self.assertEqual(found["tune"]["base_accuracy"], 0.9)
        found = self._values(
            lines=("skip",), flags="--train_base_checkpoint=gone\n")
        self.assertIsNone(found["tune"]["base_accuracy"])

    def test_run_of_the_base_phase_alone(self):
        found = self._values(_PLAIN, lines=("base",), points=[
            {"name": "default", "thresholds": [], "tune_accuracy": 0.9,
             "tune_mean_macs": 1.0, "tune_left": [1.0],
             "tune_left_accuracy": [0.9]}])
        self.assertTrue(found["finished"])
        self.assertIsNone(found["target"])
        self.assertIsNone(found["tune"]["gated"])
        self.assertEqual(found["answers"], [
            {"name": "head", "threshold": None, "left": 1.0,
             "left_accuracy": 0.9, "accuracy_if_all": 0.9}])

    def test_base_accuracy_of_a_network_that_was_given_whole(self):
        base = self._folder(("base",), config=_PLAIN)
        whole = self._folder(
            ("skip",), flags=f"--train_base_checkpoint={base.path}\n")
        found = self._values(
            lines=("skip",), flags=f"--train_checkpoint={whole.path}\n")
        self.assertEqual(found["tune"]["base_accuracy"], 0.9)

    def test_kernels_before_and_after_they_were_made_smaller(self):
        net = self.networks[_CONFIG]
        initial = [variable.numpy() for variable in net.variables]

        def restored():
            for variable, value in zip(net.variables, initial):
                variable.assign(value)

        self.addCleanup(restored)
        folder = self._folder()
        folder.save_phase("exits", net)
        self.assertIsNone(run_summary.values(folder, net)["compression"])
        before = kernels.figures([k.numpy() for k in kernels.of(net)])
        for kernel in kernels.of(net):
            kernel.assign(tf.where(kernel > 0.1, 0.5, 0.0))
        for phase in ("prune", "cluster"):
            folder.save_phase(phase, net)
        folder.checkpoints.save(tf.train.Checkpoint(network=net), 17)
        after = kernels.figures([k.numpy() for k in kernels.of(net)])
        restored()
        self.assertEqual(run_summary.values(folder, net)["compression"], {
            "phases": ["prune", "cluster"], "before": before, "after": after})
        self.assertEqual((after["distinct"], before["sparsity"]), (2, 0.0))
        with self.subTest("of a network that was given"):
            folder.save_phase(starting.GIVEN, net)
            for kernel in kernels.of(net):
                kernel.assign(tf.ones_like(kernel))
            folder.save_phase("base", net)
            for file in folder.path.glob("phases/exits.*"):
                file.unlink()
            self.assertEqual(run_summary.values(
                folder, net)["compression"]["before"], before)
        with self.subTest("of one whose exits phase went on"):
            folder.save_phase("exits", net)
            self.assertEqual(
                run_summary.values(folder, net)["compression"]["before"],
                kernels.figures([k.numpy() for k in kernels.of(net)]))
            for file in folder.path.glob("phases/exits.*"):
                file.unlink()
        with self.subTest("damaged"):
            pathlib.Path(folder.phase_prefix(starting.GIVEN) + ".index"
                         ).write_bytes(b"")
            self.assertIsNone(run_summary.values(
                folder, net)["compression"]["before"])

    def test_run_that_is_not_finished(self):
        found = self._values(lines=("base", "skip"), points=())
        self.assertFalse(found["finished"])
        self.assertEqual(found["operating_points"], [])
        self.assertIsNone(found["answers"][0]["left"])

    def test_run_that_has_only_begun(self):
        found = self._values(lines=(), points=())
        self.assertEqual(found["phases"], [])
        self.assertEqual(found["seconds"], 0)

    def test_points_of_an_older_version_say_nothing_of_who_left(self):
        old = {key: value for key, value in _POINT.items()
               if not key.startswith("tune_left")}
        answers = self._values(points=(old,))["answers"]
        self.assertEqual(answers[0]["threshold"], 0.25)
        self.assertIsNone(answers[0]["left"])

    def test_folder_that_is_no_run_is_an_error(self):
        with self.assertRaisesRegex(errors.CheckpointError, "no run.json"):
            run_summary.values(run_folder.RunFolder(
                self.create_tempdir().full_path), self.networks[_CONFIG])


class PageTest(_SummaryTest):

    def _page(self, values, columns=80):
        file = io.StringIO()
        with mock.patch.dict(os.environ, COLUMNS=str(columns)):
            summary_page.show(values, file)
        return file.getvalue()

    def test_it_fits_80_columns_and_50_lines_apart_from_paths(self):
        values = self._values()
        lines = self._page(values).replace(values["run"], "RUN").splitlines()
        for line in lines[1:]:  # the first is for people and scripts
            self.assertLessEqual(len(line), 80, line)
        self.assertLess(len(lines), 50)

    def test_it_says_the_same_in_a_wider_terminal(self):
        values = self._values()
        self.assertEqual(self._page(values, 80).split(),
                         self._page(values, 120).split())

    def test_paths_and_commands_stay_on_one_line(self):
        values = self._values()
        run = values["run"]
        page = self._page(values, 40)
        self.assertIn(f"Trained {run}: tune accuracy 87.50% at ", page)
        self.assertIn(f"ddi_tf.evaluate --run={run} --split=test "
                      "'--data_dir=my data'\n", page)
        self.assertIn(f"converters.export --checkpoint={run} --output=", page)

    def test_it_says_what_was_reached(self):
        page = self._page(self._values())
        self.assertRegex(page, r"finish +5 s +88.00% +40.0% +0.612")
        self.assertRegex(page, r"exits +1.5 +1 h 00 min +88.00%")
        self.assertRegex(page, r"base +2 +1 min 20 s +90.00%")
        self.assertRegex(page, r"gated, no exit .* 88.00% +-2.00 pp +0.612")
        self.assertIn("target  0.600 of the base network's MACs; reached "
                      "0.612, +2.0%", page)
        self.assertRegex(page, r"exit1 +0.250 nats +50.0% +96.00% +50.00%")
        self.assertRegex(page, r"exit2 +off +0.0% +60.00%")
        self.assertIn("commit c0ffee, seed 5", page)

    def test_kernels_are_one_line_and_only_if_they_were_made_smaller(self):
        values = self._values()
        self.assertNotIn("\nkernels", self._page(values))
        before, after = (
            {"weights": 2, "sparsity": sparsity, "distinct": distinct,
             "gzip_bytes": size} for sparsity, distinct, size in (
                 (0.0, 36864, 23456789), (0.5, 16, 1234567)))
        values["compression"] = {
            "phases": ["prune"], "before": before, "after": after}
        line = ("kernels 0.0% to 50.0% zeros, 36,864 to 16 values at most, "
                "gzip 23,457 to 1,235 kB\n")
        self.assertIn("\n" + line, self._page(values))
        values["compression"]["before"] = None
        self.assertIn("kernels ? to 50.0% zeros, ? to 16", self._page(values))

    def test_run_of_the_base_phase_alone_speaks_of_no_gates(self):
        page = self._page(self._values(
            _PLAIN, lines=("base",), points=[{**_POINT, "thresholds": []}]))
        self.assertNotIn("gated", page)
        self.assertNotIn("target", page)
        self.assertNotIn("exits taken", page)
        self.assertIn("gates for nothing", page)

    def test_run_with_exits_alone_speaks_of_no_gates(self):
        page = self._page(self._values(_WITH_EXITS, lines=("base", "exits")))
        self.assertNotIn("gated", page)
        self.assertRegex(page, r"exits at default \(MACs\) +87.50%")

    def test_run_that_is_not_finished_says_so_and_offers_no_export(self):
        page = self._page(self._values(lines=("base", "skip"), points=()))
        self.assertIn("is not finished", page)
        self.assertNotIn("Next:", page)

    def test_run_that_has_only_begun_has_a_page(self):
        page = self._page(self._values(lines=(), points=()))
        self.assertIn("is not finished", page)


if __name__ == "__main__":
    tf.test.main()
