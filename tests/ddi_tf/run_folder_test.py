"""Tests of a run's files, whole, missing and damaged."""

import dataclasses
import errno
import fcntl
import json
import pathlib
import subprocess
from unittest import mock

import numpy as np
import tensorflow as tf
from absl import logging
from absl.testing import parameterized

from ddi_tf import errors
from ddi_tf import network
from ddi_tf import run_folder
from ddi_tf import storage

_CONFIG = network.NetworkConfig(depth=8, image_shape=(16, 16, 3))
_PLAIN = dataclasses.replace(
    _CONFIG, layer_gates=False, channel_gates=False, exits=False)
_SETTINGS = {"network": dataclasses.asdict(_CONFIG),
             "schedule": {"epochs": {"base": 1.0}}, "deterministic": False}

_POINTS = [{"name": "default", "thresholds": [0.5, None, 0.1]}]


class _FolderTest(tf.test.TestCase):
    """A folder of its own for every test."""

    def setUp(self):
        super().setUp()
        path = pathlib.Path(self.create_tempdir().full_path) / "runs" / "it"
        self.folder = run_folder.RunFolder(path)

    def _create(self):
        self.folder.create(_SETTINGS, "--seed=1\n")
        return self.folder.path


class CommitTest(tf.test.TestCase):

    def test_it_is_unknown_outside_a_repository(self):
        failed = subprocess.CalledProcessError(128, "git")
        for error in (failed, FileNotFoundError("git")):
            with mock.patch.object(subprocess, "run", side_effect=error):
                self.assertEqual(run_folder.commit(), "unknown")

    def test_it_is_one_word(self):
        self.assertRegex(run_folder.commit(), r"^[-0-9a-z]+$")


class SettingsTest(_FolderTest):

    def test_flags_are_read_back(self):
        self.assertEqual(self.folder.flags, [])
        self._create()
        self.assertEqual(self.folder.flags, ["--seed=1"])

    def test_new_run_keeps_flags_settings_and_commit(self):
        path = self._create()
        self.assertEqual((path / "flags.cfg").read_text(), "--seed=1\n")
        settings = json.loads((path / "run.json").read_text())
        self.assertEqual(settings.pop("commit"), run_folder.commit())
        self.assertEqual(
            settings, json.loads(json.dumps(_SETTINGS)))
        self.assertEqual(self.folder.network_config, _CONFIG)

    def test_same_settings_go_on_and_leave_the_files_alone(self):
        path = self._create()
        before = (path / "run.json").read_text()
        self.folder.create(_SETTINGS, "--seed=1\n--verbosity=1\n")
        self.assertEqual((path / "run.json").read_text(), before)
        self.assertEqual((path / "flags.cfg").read_text(), "--seed=1\n")

    def test_changed_settings_are_named(self):
        self._create()
        changed = {**_SETTINGS, "deterministic": True,
                   "schedule": {"epochs": {"base": 2.0}}}
        with self.assertRaisesRegex(
                errors.ConfigError,
                "other settings: schedule.epochs.base was 1.0, now is 2.0; "
                f"deterministic was false, now is true.*--flagfile="
                f"{self.folder.path}/flags.cfg, or give another --run"):
            self.folder.create(changed, "")

    def test_settings_that_came_or_went_are_named(self):
        self._create()
        changed = {**_SETTINGS, "schedule": {"alpha": 0.5, "epochs": {}}}
        with self.assertRaisesRegex(
                errors.ConfigError,
                "epochs.base was 1.0, now is null; .*alpha was null, now is "
                "0.5"):
            self.folder.create(changed, "")

    def test_of_many_changed_settings_three_are_named(self):
        self._create()
        changed = {**_SETTINGS, "schedule": {"epochs": {
            "base": 1.0, **{name: 2.0 for name in "abcde"}}}}
        with self.assertRaisesRegex(
                errors.ConfigError,
                r"epochs\.a was null, now is 2\.0; \S*b was [^;]*; "
                r"\S*c was null, now is 2\.0; and 2 more\. Go on"):
            self.folder.create(changed, "")

    def test_missing_run_json_says_what_to_give(self):
        with self.assertRaisesRegex(
                errors.CheckpointError,
                f"{self.folder.path} is not a training run.*ddi_tf.train"):
            _ = self.folder.settings

    def test_broken_run_json_names_the_file(self):
        path = self._create() / "run.json"
        for broken in (path.read_text()[:-20], "", "\x00"):
            path.write_text(broken)
            with self.assertRaisesRegex(
                    errors.CheckpointError,
                    f"{path} cannot be read as JSON.*train again"):
                _ = self.folder.settings

    def test_run_json_without_a_network_names_the_file(self):
        path = self._create() / "run.json"
        for other in ("{}", "[]"):
            path.write_text(other)
            with self.assertRaisesRegex(errors.CheckpointError, str(path)):
                _ = self.folder.network_config

    def test_a_file_in_the_way_is_a_config_error(self):
        self.folder.path.parent.mkdir()
        self.folder.path.write_text("not a folder")
        with self.assertRaisesRegex(
                errors.ConfigError, str(self.folder.path)):
            self._create()


class MetricsTest(_FolderTest):

    def setUp(self):
        super().setUp()
        self.path = self._create() / "metrics.jsonl"

    def _steps(self):
        return [json.loads(line)["step"]
                for line in self.path.read_text().splitlines()]

    def test_one_line_per_record(self):
        self.folder.append_metrics({"step": 4, "loss": 0.5})
        self.folder.append_metrics({"step": 8, "loss": 0.25})
        self.assertEqual(
            self.path.read_text(),
            '{"step": 4, "loss": 0.5}\n{"step": 8, "loss": 0.25}\n')

    def test_lines_after_the_resumed_step_are_dropped(self):
        for step in (4, 8, 12, 16):
            self.folder.append_metrics({"step": step})
        self.folder.drop_metrics_after(8)
        self.assertEqual(self._steps(), [4, 8])
        self.folder.append_metrics({"step": 12})
        self.assertEqual(self._steps(), [4, 8, 12])

    def test_a_line_that_was_cut_off_is_dropped(self):
        for step in (4, 8):
            self.folder.append_metrics({"step": step})
        self.path.write_text(self.path.read_text()[:-4])
        self.folder.drop_metrics_after(8)
        self.folder.append_metrics({"step": 8})
        self.assertEqual(self._steps(), [4, 8])

    def test_lines_that_are_no_records_are_dropped(self):
        self.folder.append_metrics({"step": 4})
        with open(self.path, "ab") as file:
            file.write(b'\x00\xff\n\n1\n[]\n{"phase": "ba')
        self.assertEqual(self.folder.metrics, [{"step": 4}])
        self.folder.drop_metrics_after(8)
        self.assertEqual(self._steps(), [4])

    def test_nothing_to_drop_writes_nothing(self):
        # A full disk does not keep a run from being looked at.
        self.folder.append_metrics({"step": 4, "loss": 0.1, "seconds": 1e-9})
        with mock.patch.object(storage, "write_atomically") as write:
            self.folder.drop_metrics_after(4)
        write.assert_not_called()

    def test_nothing_to_drop_is_no_error(self):
        self.folder.drop_metrics_after(8)
        self.assertFalse(self.path.exists())


class OperatingPointsTest(_FolderTest):

    def test_there_are_none_before_the_end(self):
        self.assertEqual(self.folder.operating_points, [])

    def test_they_survive_the_file(self):
        self._create()
        self.folder.save_operating_points(_POINTS)
        self.assertEqual(self.folder.operating_points, _POINTS)

    def test_a_damaged_file_is_named_and_the_remedy(self):
        path = self._create() / "operating_points.json"
        for damaged in ("", '[{"name": "def', "1", '{"name": 1}', '["name"]',
                        '[{"name": "default"}]', "[1]", "\x00\xff"):
            path.write_bytes(damaged.encode("latin-1"))
            with self.assertRaisesRegex(
                    errors.CheckpointError,
                    f"{path} does not hold operating points .*training "
                    "command again"):
                _ = self.folder.operating_points


class LockTest(_FolderTest):

    def test_a_second_process_is_refused_until_the_first_ends(self):
        other = run_folder.RunFolder(self.folder.path)
        with self.folder.locked():
            with self.assertRaisesRegex(
                    errors.ConfigError,
                    f"another process is training in {self.folder.path} .*"
                    "another --run"):
                with other.locked():
                    self.fail("not refused")
        with other.locked():
            pass

    def test_a_file_system_without_locks_is_warned_of(self):
        with mock.patch.object(fcntl, "flock", side_effect=OSError(
                errno.ENOSYS, "Function not implemented")):
            with mock.patch.object(logging, "warning") as warning:
                with self.folder.locked():
                    warning.assert_called_once()

    def test_a_file_in_the_way_is_a_config_error(self):
        self.folder.path.parent.mkdir()
        self.folder.path.write_text("not a folder")
        with self.assertRaisesRegex(
                errors.ConfigError, str(self.folder.path)):
            with self.folder.locked():
                self.fail("not refused")


class NetworksTest(tf.test.TestCase, parameterized.TestCase):
    """Networks of a run: the last, a phase's, the best."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.net = network.Network(_CONFIG)
        generator = np.random.default_rng(0)
        for variable in cls.net.variables:
            variable.assign(generator.uniform(0.1, 1, variable.shape))

    def setUp(self):
        super().setUp()
        self.path = pathlib.Path(self.create_tempdir().full_path)
        self.folder = run_folder.RunFolder(self.path)
        self.folder.create(_SETTINGS, "")

    def _save(self, *steps):
        for step in steps:
            self.folder.checkpoints.save(
                tf.train.Checkpoint(network=self.net), step)

    def _assert_restored(self, net):
        self.assertEqual(net.config, _CONFIG)
        for ours, theirs in zip(net.variables, self.net.variables):
            self.assertAllEqual(ours, theirs)

    def test_last_checkpoint_is_the_network(self):
        self._save(3, 5)
        self._assert_restored(self.folder.load_network())

    def test_network_of_a_phase_is_kept(self):
        self.assertFalse(self.folder.has_phase("skip"))
        self.folder.save_phase("skip", self.net)
        self.assertTrue(self.folder.has_phase("skip"))
        self._assert_restored(self.folder.load_network("skip"))

    def test_one_best_is_kept_and_loaded_on_demand(self):
        best = run_folder.RunFolder(self.path, best=True)
        self.assertFalse(best.has_network)
        with self.assertRaisesRegex(
                errors.CheckpointError, f"{self.path}/best holds no check"):
            best.load_network()
        for step in (4, 8):
            self.folder.save_best(self.net, step)
        self.assertTrue(best.has_network)
        self.assertFalse(self.folder.has_network)
        self._assert_restored(best.load_network())
        self.assertEqual(
            [path.name for path in self.path.glob("best/*.index")],
            ["ckpt-8.index"])

    def test_operating_points_of_the_best_are_its_own(self):
        best = run_folder.RunFolder(self.path, best=True)
        self.folder.save_best(self.net, 4)
        self.folder.save_operating_points(_POINTS)
        self.assertEqual(best.operating_points, [])
        best.save_operating_points([])
        self.assertEqual(self.folder.operating_points, _POINTS)

    def test_missing_checkpoint_says_to_train(self):
        with self.assertRaisesRegex(
                errors.CheckpointError,
                f"{self.path} holds no checkpoint.*Train first"):
            self.folder.load_network()

    def test_missing_phase_is_named(self):
        with self.assertRaisesRegex(
                errors.CheckpointError, "holds no checkpoint .*phases/base"):
            self.folder.load_network("base")

    @parameterized.parameters(
        {"depth": 14}, {"groups": 4}, {"classes": 11},
        {"image_shape": (16, 16, 1)})
    def test_checkpoint_of_another_network_is_an_error(self, **change):
        self._save(3)
        other = {**_SETTINGS, "network": {**_SETTINGS["network"], **change}}
        (self.path / "run.json").write_text(json.dumps(other))
        with self.assertRaisesRegex(
                errors.CheckpointError,
                "ckpt-3 cannot be restored .*another network"):
            self.folder.load_network()

    def test_checkpoint_that_lacks_a_part_is_an_error(self):
        plain = network.Network(_PLAIN)
        tf.train.Checkpoint(network=plain).write(
            self.folder.phase_prefix("skip"))
        with self.assertRaisesRegex(
                errors.CheckpointError, "phases/skip cannot be restored"):
            self.folder.load_network("skip")

    def test_of_the_base_phase_it_is_the_base_network(self):
        plain = network.Network(_PLAIN)
        plain.stem.kernel.assign(3 * plain.stem.kernel)
        tf.train.Checkpoint(network=plain).write(
            self.folder.phase_prefix("base"))
        loaded = self.folder.load_network("base")
        x = tf.random.stateless_normal([2, 16, 16, 3], [2, 3])
        self.assertAllEqual(loaded.base(x), plain.base(x))


class LoadBaseTest(tf.test.TestCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.plain = network.Network(_PLAIN)
        for variable in cls.plain.variables:
            variable.assign(tf.random.stateless_uniform(
                variable.shape, [0, 1], 0.1, 1.0))

    def setUp(self):
        super().setUp()
        self.folder = run_folder.RunFolder(self.create_tempdir().full_path)
        self.folder.save_phase("base", self.plain)

    def test_backbone_is_taken_and_gates_and_exits_stay(self):
        net = network.Network(_CONFIG)
        kept = [*net.gate_variables, *net.exit_variables]
        before = [v.numpy() for v in kept]
        self.folder.load_base(net)
        for variable, value in zip(kept, before):
            self.assertAllEqual(variable, value)
        x = tf.random.stateless_normal([2, 16, 16, 3], [2, 3])
        self.assertAllEqual(net.base(x), self.plain.base(x))

    def test_another_backbone_is_an_error(self):
        net = network.Network(dataclasses.replace(_CONFIG, depth=14))
        with self.assertRaisesRegex(
                errors.CheckpointError, "phases/base cannot be restored"):
            self.folder.load_base(net)

    def test_a_run_whose_base_phase_has_not_ended_is_an_error(self):
        empty = run_folder.RunFolder(self.create_tempdir().full_path)
        with self.assertRaisesRegex(
                errors.CheckpointError, "holds no checkpoint.*phases/base"):
            empty.load_base(self.plain)


if __name__ == "__main__":
    tf.test.main()
