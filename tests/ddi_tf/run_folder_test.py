"""Tests of a run's files, whole, missing and damaged."""

import dataclasses
import json
import os
import pathlib
import subprocess
from unittest import mock

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from ddi_tf import errors
from ddi_tf import network
from ddi_tf import run_folder

_CONFIG = network.NetworkConfig(depth=8, image_shape=(16, 16, 3))
_PLAIN = dataclasses.replace(
    _CONFIG, layer_gates=False, channel_gates=False, exits=False)
_SETTINGS = {"network": dataclasses.asdict(_CONFIG),
             "schedule": {"epochs": {"base": 1.0}}, "deterministic": False}


class _FolderTest(tf.test.TestCase):
    """A folder of its own for every test."""

    def setUp(self):
        super().setUp()
        path = pathlib.Path(self.create_tempdir().full_path) / "runs" / "it"
        self.folder = run_folder.RunFolder(path)

    def _create(self):
        self.folder.create(_SETTINGS, "--seed=1\n")
        return self.folder.path


class WriteAtomicallyTest(_FolderTest):

    def setUp(self):
        super().setUp()
        self.path = pathlib.Path(self.create_tempdir().full_path) / "a.txt"

    def test_text_is_written_in_utf8_and_nothing_else_is_left(self):
        run_folder.write_atomically(self.path, "one\nzwölf")
        self.assertEqual(self.path.read_bytes(), "one\nzwölf".encode())
        self.assertEqual(os.listdir(self.path.parent), ["a.txt"])

    def test_old_text_stays_when_writing_fails(self):
        self.path.write_text("old")
        with mock.patch.object(os, "fsync", side_effect=OSError("disk full")):
            with self.assertRaisesRegex(OSError, "disk full"):
                run_folder.write_atomically(self.path, "new")
        self.assertEqual(self.path.read_text(), "old")

    def test_an_old_file_is_replaced(self):
        run_folder.write_atomically(str(self.path), "a longer old text")
        run_folder.write_atomically(str(self.path), "new")
        self.assertEqual(self.path.read_text(), "new")


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
                "holds a run with another schedule, deterministic.*"
                "another --run"):
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

    def test_lines_are_read_back_without_one_that_was_cut_off(self):
        self.assertEqual(self.folder.metrics, [])
        for step in (4, 8):
            self.folder.append_metrics({"step": step})
        self.assertEqual(self.folder.metrics, [{"step": 4}, {"step": 8}])
        self.path.write_text(self.path.read_text()[:-4])
        self.assertEqual(self.folder.metrics, [{"step": 4}])

    def test_nothing_to_drop_is_no_error(self):
        self.folder.drop_metrics_after(8)
        self.assertFalse(self.path.exists())


class OperatingPointsTest(_FolderTest):

    def test_there_are_none_before_the_end(self):
        self.assertEqual(self.folder.operating_points, [])

    def test_they_survive_the_file(self):
        self._create()
        points = [{"name": "default", "thresholds": [0.5, None, 0.1]}]
        self.folder.save_operating_points(points)
        self.assertEqual(self.folder.operating_points, points)


class CheckpointsTest(tf.test.TestCase, parameterized.TestCase):
    """Networks saved once, and copied for every kind of damage."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.net, cls.other = (network.Network(_CONFIG) for _ in range(2))
        generator = np.random.default_rng(0)
        for variable in cls.net.variables:
            variable.assign(generator.uniform(0.1, 1, variable.shape))

    def setUp(self):
        super().setUp()
        self.path = pathlib.Path(self.create_tempdir().full_path)
        self.folder = run_folder.RunFolder(self.path)
        self.folder.create(_SETTINGS, "")

    def _save(self, *steps):
        manager = self.folder.manager(tf.train.Checkpoint(network=self.net))
        for step in steps:
            manager.save(checkpoint_number=step)

    def _damaged(self, name, share):
        """Cuts a file of the checkpoints to a share of its length."""
        path, = self.path.glob(f"*/{name}")
        path.write_bytes(path.read_bytes()[:int(
            share * path.stat().st_size)])

    def _restore(self, step):
        """What `load_network` does, into a network that is built already."""
        run_folder.restore(
            tf.train.Checkpoint(network=self.other),
            str(self.path / "checkpoints" / f"ckpt-{step}"), self.path)

    def _assert_restored(self, net):
        self.assertEqual(net.config, _CONFIG)
        for ours, theirs in zip(net.variables, self.net.variables):
            self.assertAllEqual(ours, theirs)

    def test_last_checkpoint_is_the_network(self):
        self._save(3, 5)
        self._assert_restored(self.folder.load_network())

    def test_three_are_kept(self):
        self._save(1, 2, 3, 4)
        kept = sorted(
            path.name for path in self.path.glob("checkpoints/*.index"))
        self.assertEqual(
            kept, ["ckpt-2.index", "ckpt-3.index", "ckpt-4.index"])

    def test_network_of_a_phase_is_kept(self):
        self.assertFalse(self.folder.has_phase("skip"))
        self.folder.save_phase("skip", self.net)
        self.assertTrue(self.folder.has_phase("skip"))
        self._assert_restored(self.folder.load_network("skip"))

    def test_missing_checkpoint_says_to_train(self):
        with self.assertRaisesRegex(
                errors.CheckpointError,
                f"{self.path} holds no checkpoint.*Train first"):
            self.folder.load_network()

    def test_missing_phase_is_named(self):
        with self.assertRaisesRegex(
                errors.CheckpointError, "holds no checkpoint .*phases/base"):
            self.folder.load_network("base")

    @parameterized.parameters(0.0, 0.5, 0.99)
    def test_truncated_data_names_the_file_and_the_remedy(self, share):
        self._save(3, 5)
        self._damaged("ckpt-5.data-00000-of-00001", share)
        with self.assertRaisesRegex(
                errors.CheckpointError, "ckpt-5 cannot be restored .*delete"):
            self._restore(5)

    @parameterized.parameters(0.0, 0.5, 0.99)
    def test_truncated_index_names_the_file_and_the_remedy(self, share):
        self._save(3, 5)
        self._damaged("ckpt-5.index", share)
        with self.assertRaisesRegex(
                errors.CheckpointError, "ckpt-5 cannot be restored .*delete"):
            self._restore(5)

    def test_missing_data_file_is_an_error(self):
        self._save(3)
        for path in self.path.glob("checkpoints/ckpt-3.data*"):
            path.unlink()
        with self.assertRaisesRegex(
                errors.CheckpointError, "ckpt-3 cannot be restored"):
            self._restore(3)

    def test_deleting_the_damaged_one_falls_back_as_the_error_says(self):
        self._save(3, 5)
        for path in self.path.glob("checkpoints/ckpt-5.*"):
            path.unlink()
        self._assert_restored(self.folder.load_network())

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
            self.folder.phase_prefix("base"))
        with self.assertRaisesRegex(
                errors.CheckpointError, "phases/base cannot be restored"):
            self.folder.load_network("base")


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
