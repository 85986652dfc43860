"""Tests of whole runs: interrupted and resumed, ended early, gone wrong."""

import dataclasses
import json
import math
import pathlib
import shutil
import tempfile
from unittest import mock

import numpy as np
import tensorflow as tf
import tf_keras
from absl import logging

from ddi_tf import data
from ddi_tf import errors
from ddi_tf import network
from ddi_tf import phases
from ddi_tf import run_folder
from ddi_tf import steering
from ddi_tf import trainer

_CONFIG = network.NetworkConfig(depth=8, image_shape=(16, 16, 3))
_PLAIN = dataclasses.replace(
    _CONFIG, layer_gates=False, channel_gates=False, exits=False)

# Batches of 16 from 64 images: four steps per epoch.
_SCHEDULE = phases.Schedule(
    batch_size=16, epochs={"skip": 2, "exits": 2}, base_lr=0.02, seed=3,
    norm_batches=3)
_BASE_ONLY = dataclasses.replace(_SCHEDULE, epochs={"base": 2})


def _dataset():
    generator = np.random.default_rng(0)
    splits = [data.Split(
        generator.integers(0, 256, [size, 16, 16, 3]).astype(np.uint8),
        generator.integers(0, 10, size).astype(np.int32))
        for size in (64, 20, 4)]
    return data.Dataset(
        "random", tuple("0123456789"),
        data.Scaling((127.0,) * 3, (74.0,) * 3), True, *splits)


class _Progress:
    """Remembers what it is told, and does something at one of the steps."""

    def __init__(self, at=None, action=None):
        self.starts, self.steps = [], 0
        self._at, self._action = at, action

    def start(self, phase, steps, done):
        self.starts.append((phase, steps, done))

    def update(self, metrics):
        del metrics
        self.steps += 1
        if self.steps == self._at:
            self._action()


def _interrupt():
    raise KeyboardInterrupt


class _Run:
    """A trainer in a folder, made anew as the command would."""

    def __init__(self, path, config=_CONFIG, schedule=_SCHEDULE, at=None,
                 action=_interrupt):
        self.path = pathlib.Path(path)
        self.folder = run_folder.RunFolder(path)
        self.folder.create({"network": dataclasses.asdict(config)}, "")
        self.progress = _Progress(at, action)
        self.epochs = []
        tf_keras.utils.set_random_seed(schedule.seed)
        self.network = network.Network(config)
        self.trainer = trainer.Trainer(
            self.folder, self.network, _dataset(), schedule,
            self.network.costs, self.progress,
            on_epoch=lambda *epoch: self.epochs.append(epoch))
        self.resumed_from = self.trainer.resume()

    def to_the_end(self):
        self.trainer.run()
        return self

    def interrupted(self):
        """Runs into the interrupt, and saves as the command does."""
        try:
            self.trainer.run()
        except KeyboardInterrupt:
            self.trainer.save()
            return self
        raise AssertionError("the run was not interrupted")

    @property
    def metrics(self):
        lines = (self.path / "metrics.jsonl").read_text().splitlines()
        records = [json.loads(line) for line in lines]
        for record in records:
            del record["seconds"]
        return records


class _TrainerTest(tf.test.TestCase):

    def _path(self):
        return pathlib.Path(self.create_tempdir().full_path)

    def _assert_same_weights(self, ours, theirs):
        for a, b in zip(ours.network.variables, theirs.network.variables):
            self.assertAllClose(a, b, rtol=1e-5, atol=1e-5, msg=a.name)


class WholeRunTest(_TrainerTest):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        root = pathlib.Path(tempfile.mkdtemp())
        cls.addClassCleanup(shutil.rmtree, root)
        with mock.patch.object(logging, "warning") as warning:
            with mock.patch.object(
                    data.Sampler, "draw", autospec=True,
                    side_effect=data.Sampler.draw) as draw:
                cls.whole = _Run(root / "whole").to_the_end()
        cls.draws = [call.args[1] for call in draw.call_args_list]
        cls.warnings = [call.args[0] % call.args[1:]
                        for call in warning.call_args_list]
        # In the middle of the first epoch of the skip phase.
        _Run(root / "cut", at=2).interrupted()
        cls.resumed = _Run(root / "cut").to_the_end()

    def test_an_interrupted_run_goes_on_where_it_stopped(self):
        self.assertEqual(self.resumed.resumed_from, 2)
        self.assertEqual(self.resumed.progress.starts,
                         [("skip", 8, 2), ("exits", 8, 0), ("finish", 3, 0)])
        self.assertEqual(self.resumed.progress.steps, 14 + 3)

    def test_an_interrupted_run_ends_with_the_same_weights(self):
        self._assert_same_weights(self.resumed, self.whole)

    def test_an_interrupted_run_reports_the_same_apart_from_its_epoch(self):
        whole, resumed = self.whole.metrics, self.resumed.metrics
        self.assertLen(whole, 5)
        for records in (whole, resumed):
            del records[0]["train"]  # the epoch that was interrupted
        self._assert_same_records(resumed, whole)

    def test_an_interrupted_epoch_reports_the_mean_of_all_its_steps(self):
        self._assert_same_records(
            self.resumed.metrics[:1], self.whole.metrics[:1])

    def test_an_interrupted_run_chooses_the_same_operating_point(self):
        ours, = self.resumed.folder.operating_points
        theirs, = self.whole.folder.operating_points
        self.assertEqual(ours["name"], theirs["name"])
        self.assertAllClose(ours["tune_mean_macs"], theirs["tune_mean_macs"])
        self.assertEqual(ours["tune_accuracy"], theirs["tune_accuracy"])

    def test_no_draw_is_used_twice(self):
        self.assertEqual(self.draws, list(range(16 + 3)))

    def test_every_epoch_has_a_record(self):
        self.assertEqual(
            [(r["phase"], r["step"], r.get("phase_step"))
             for r in self.whole.metrics],
            [("skip", 4, 4), ("skip", 8, 8), ("exits", 12, 4),
             ("exits", 16, 8), ("finish", 17, None)])

    def test_records_hold_the_train_means_and_the_tune_split(self):
        for record in self.whole.metrics:
            self.assertEqual(set(record["tune"]), {
                "accuracy", "exit_accuracy", "skip_ratio", "cost", "blocks"})
            self.assertLen(record["tune"]["blocks"], 3)
            self.assertAllClose(1 - np.mean(record["tune"]["blocks"]),
                                record["tune"]["skip_ratio"], atol=2e-5)
            self.assertLen(record["tune"]["exit_accuracy"], 3)
        for record in self.whole.metrics[:-1]:
            self.assertEqual(set(record["train"]), {
                "loss", "accuracy_loss", "resource_loss", "accuracy", "cost",
                "alpha", "skip_ratio"})

    def test_every_epoch_is_told_with_the_traces_behind_it(self):
        self.assertEqual([record["step"] for record, _ in self.whole.epochs],
                         [record["step"] for record in self.whole.metrics])
        for record, tune in self.whole.epochs:
            self.assertAllClose(
                tune.accuracy[-1], record["tune"]["accuracy"], atol=1e-5)

    def test_progress_is_told_of_every_step(self):
        self.assertEqual(self.whole.progress.starts, [
            ("skip", 8, 0), ("exits", 8, 0), ("finish", 3, 0)])
        self.assertEqual(self.whole.progress.steps, 16 + 3)

    def test_networks_of_every_phase_and_of_the_end_are_kept(self):
        for phase in ("skip", "exits"):
            self.assertTrue(self.whole.folder.has_phase(phase), phase)
        self.assertFalse(self.whole.folder.has_phase("warmup"))
        net = self.whole.folder.load_network()
        for ours, theirs in zip(net.variables, self.whole.network.variables):
            self.assertAllEqual(ours, theirs)

    def test_operating_point_is_that_of_the_tune_split(self):
        point, = self.whole.folder.operating_points
        self.assertLen(point["thresholds"], 3)
        self.assertBetween(point["tune_accuracy"], 0, 1)
        accuracy = self.whole.metrics[-1]["tune"]["accuracy"]
        self.assertGreaterEqual(
            point["tune_accuracy"], accuracy - trainer.EXIT_TOLERANCE - 1e-5)

    def test_a_finished_run_stays_as_it_is(self):
        again = _Run(self.whole.path)
        metrics = again.metrics
        again.to_the_end()
        self.assertEqual(again.resumed_from, 17)
        self.assertEqual(again.progress.steps, 0)
        self.assertEqual(again.metrics, metrics)
        self._assert_same_weights(again, self.whole)

    def _assert_same_records(self, ours, theirs):
        self.assertEqual([record.pop("phase") for record in ours],
                         [record.pop("phase") for record in theirs])
        self.assertAllClose(ours, theirs, rtol=0, atol=2e-5)  # 5 decimals


class PlainTest(_TrainerTest):
    """A plain backbone's base phase of two epochs, eight steps."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        root = pathlib.Path(tempfile.mkdtemp())
        cls.addClassCleanup(shutil.rmtree, root)
        cls.whole = _Run(root, _PLAIN, _BASE_ONLY).to_the_end()

    def test_base_phase_skips_nothing(self):
        for record in self.whole.metrics:
            self.assertEqual(record["phase"], "base")
            self.assertEqual(set(record["tune"]), {"accuracy"})
            self.assertEqual(
                set(record["train"]), {"loss", "accuracy_loss", "accuracy"})

    def test_interrupts_at_the_ends_of_epochs_and_phases_change_nothing(self):
        path = self._path()
        _Run(path, _PLAIN, _BASE_ONLY, at=4).interrupted()
        second = _Run(path, _PLAIN, _BASE_ONLY, at=4).interrupted()
        with self.subTest("after an epoch's last step"):
            self.assertEqual(second.resumed_from, 4)
            self.assertIn(4, [record["step"] for record in second.metrics])
        third = _Run(path, _PLAIN, _BASE_ONLY).to_the_end()
        with self.subTest("after a phase's last step"):
            self.assertEqual(third.resumed_from, 8)
            self.assertEqual(third.progress.steps, 0)
            self.assertEqual(third.metrics[-1]["step"], 8)
            self._assert_same_weights(third, self.whole)

    def test_deleting_a_damaged_checkpoint_falls_back_as_its_error_says(self):
        path = self._path() / "copy"
        shutil.copytree(self.whole.path, path)
        last = path / "checkpoints" / "ckpt-8.data-00000-of-00001"
        last.write_bytes(last.read_bytes()[:last.stat().st_size // 2])
        with self.assertRaisesRegex(
                errors.CheckpointError, "ckpt-8 cannot be restored.*delete"):
            _Run(path, _PLAIN, _BASE_ONLY)
        for file in path.glob("checkpoints/ckpt-8.*"):
            file.unlink()
        self.assertEqual(_Run(path, _PLAIN, _BASE_ONLY).resumed_from, 4)


class WarmupTest(_TrainerTest):

    def test_warmup_ends_when_the_gates_are_open(self):
        config = dataclasses.replace(_PLAIN, layer_gates=True)
        schedule = dataclasses.replace(_SCHEDULE, epochs={"warmup": 5})
        run = _Run(self._path(), config, schedule)
        run.network.layer_gate.score.bias.assign([9.0])
        with mock.patch.object(steering, "_EMA_DECAY", 0.5):
            run.to_the_end()
        # The mean falls from 1 by half each step: 1 / 64, then 1 / 128.
        self.assertEqual(run.progress.starts[0], ("warmup", 20, 0))
        self.assertEqual([r["step"] for r in run.metrics], [4, 7, 8])
        self.assertTrue(run.folder.has_phase("warmup"))


class ResumeTest(_TrainerTest):

    def test_metrics_of_a_run_killed_before_its_first_checkpoint_go(self):
        path = self._path()
        run = _Run(path, _PLAIN, _BASE_ONLY)
        run.folder.append_metrics({"step": 4, "seconds": 1})
        again = _Run(path, _PLAIN, _BASE_ONLY)
        self.assertEqual(again.resumed_from, 0)
        self.assertEqual(again.metrics, [])

    def test_checkpoint_of_another_network_is_an_error(self):
        path = self._path()
        _Run(path, _PLAIN, _BASE_ONLY).trainer.save()
        (path / "run.json").unlink()
        with self.assertRaisesRegex(
                errors.CheckpointError, "ckpt-0 cannot be restored"):
            _Run(path, _CONFIG)


class NotFiniteTest(_TrainerTest):

    def test_loss_that_is_no_number_ends_training_and_keeps_the_last(self):
        run = _Run(self._path(), _PLAIN, _BASE_ONLY, at=6, action=lambda: (
            run.network.head.dense.bias.assign(tf.fill([10], math.nan))))
        with self.assertRaisesRegex(
                errors.TrainingError,
                f"loss is nan at step 6 .phase base.*{run.path} is intact.*"
                "--train_base_lr"):
            run.to_the_end()
        self.assertEqual([r["step"] for r in run.metrics], [4])
        self._assert_finite(run.folder.load_network())

    def test_weights_that_broke_at_the_end_of_an_epoch_are_not_kept(self):
        # The loss of a step is that of the weights before its update.
        run = _Run(self._path(), _PLAIN, _BASE_ONLY, at=4, action=lambda: (
            run.network.head.dense.bias.assign(tf.fill([10], math.nan))))
        with self.assertRaisesRegex(errors.TrainingError, "--train_base_lr"):
            run.to_the_end()
        for index in run.path.glob("checkpoints/*.index"):
            net = network.Network(_PLAIN)
            run_folder.restore(
                tf.train.Checkpoint(network=net), str(index)[:-6], run.path)
            self._assert_finite(net)

    def _assert_finite(self, net):
        for variable in net.variables:
            self.assertTrue(np.all(np.isfinite(variable)), variable.name)


if __name__ == "__main__":
    tf.test.main()
