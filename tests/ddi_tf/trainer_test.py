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

from ddi_tf import averages
from ddi_tf import checkpoints
from ddi_tf import crops
from ddi_tf import data
from ddi_tf import errors
from ddi_tf import finish
from ddi_tf import gates
from ddi_tf import monitor
from ddi_tf import network
from ddi_tf import operating_points
from ddi_tf import ordering
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
    gate_noise=0.5, norm_batches=3)
_SKIP_ONLY = dataclasses.replace(_SCHEDULE, epochs={"skip": 1})
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
        self.starts, self.steps, self.stop = [], 0, False
        self._at, self._action = at, action

    def start(self, phase, steps, done):
        self.starts.append((phase, steps, done))

    def update(self, metrics):
        del metrics
        self.steps += 1
        if self.steps == self._at:
            if self._action:
                self._action()
            else:
                self.stop = True


def _kill():
    raise KeyboardInterrupt


class _Run:
    """A trainer in a folder, made anew as the command would."""

    def __init__(self, path, config=_CONFIG, schedule=_SCHEDULE, at=None,
                 action=None, **options):
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
            stop_requested=lambda: self.progress.stop,
            on_epoch=lambda *epoch: self.epochs.append(epoch), **options)
        self.resumed_from = self.trainer.resume()

    def to_the_end(self):
        self.trainer.run()
        return self

    def interrupted(self):
        """Runs until it is asked to stop, which it says it was."""
        try:
            self.trainer.run()
        except errors.StoppedError as stopped:
            self.message = str(stopped)
            return self
        raise AssertionError("the run was not interrupted")

    def killed(self):
        """Runs until something kills it, which saves nothing."""
        try:
            self.trainer.run()
        except KeyboardInterrupt:
            return self
        raise AssertionError("the run was not killed")

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
                with mock.patch.object(
                        gates, "draw_thresholds",
                        side_effect=gates.draw_thresholds) as thresholds:
                    cls.whole = _Run(root / "whole").to_the_end()
        cls.draws = [call.args[1] for call in draw.call_args_list]
        cls.thresholds = [call.args for call in thresholds.call_args_list]
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

    def test_an_interrupted_run_chooses_the_same_operating_points(self):
        for ours, theirs in zip(
                self.resumed.folder.operating_points,
                self.whole.folder.operating_points, strict=True):
            self.assertEqual(ours["name"], theirs["name"])
            self.assertAllClose(
                ours["tune_mean_macs"], theirs["tune_mean_macs"])
            self.assertEqual(ours["tune_accuracy"], theirs["tune_accuracy"])

    def test_norms_are_measured_on_the_draws_that_come_next(self):
        epochs = [[*range(start, start + 4), *range(start + 4, start + 7)]
                  for start in range(0, 16, 4)]
        self.assertEqual(self.draws, [*sum(epochs, []), 16, 17, 18])

    def test_thresholds_are_drawn_for_every_step(self):
        # Their noise is there in the skip phase; the exits phase has none.
        noise = [*[0.5] * 8, *[0.0] * 8]
        self.assertEqual(self.thresholds, [
            ([16, 3 + 3 * 2], noise[step], 3, step) for step in range(16)])

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

    def test_operating_points_are_those_of_the_tune_split(self):
        point, *others = self.whole.folder.operating_points
        self.assertEqual(point["name"], operating_points.DEFAULT)
        costs = [other["tune_mean_macs"] for other in others]
        self.assertEqual(costs, sorted(costs))
        self.assertLen(point["thresholds"], 3)
        self.assertBetween(point["tune_accuracy"], 0, 1)
        accuracy = self.whole.metrics[-1]["tune"]["accuracy"]
        self.assertGreaterEqual(
            point["tune_accuracy"],
            accuracy - operating_points.TOLERANCE - 1e-5)

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


class FinishTest(_TrainerTest):
    """What follows the last step, from a run of one epoch."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.root = pathlib.Path(tempfile.mkdtemp())
        cls.addClassCleanup(shutil.rmtree, cls.root)
        cls.trained = cls.root / "trained"
        # A run as the last phase leaves it: everything but the finish.
        with mock.patch.object(
                trainer.Trainer, "_finish", side_effect=KeyboardInterrupt):
            cls.before = _Run(cls.trained, schedule=_SKIP_ONLY).killed()
        with mock.patch.object(logging, "warning") as warning:
            cls.whole = cls._copy("whole").to_the_end()
        cls.warnings = [call.args[0] % call.args[1:]
                        for call in warning.call_args_list]

    @classmethod
    def _copy(cls, name, at=None, **changes):
        """The run once more, about to finish."""
        path = cls.root / name
        if not path.exists():
            shutil.copytree(cls.trained, path)
        return _Run(path, at=at, action=_kill, schedule=dataclasses.replace(
            _SKIP_ONLY, **changes))

    def test_nothing_is_trained_again(self):
        self.assertEqual(self.whole.resumed_from, 4)
        self.assertEqual(self.whole.progress.starts, [("finish", 3, 0)])
        for ours, theirs in zip(self.whole.network.base_variables,
                                self.before.network.base_variables):
            self.assertAllEqual(ours, theirs)

    def test_record_says_by_how_much_all_gates_moved(self):
        record = self.whole.metrics[-1]
        self.assertEqual(
            set(record), {"phase", "step", "gate_shift", "tune"})
        self.assertEqual((record["phase"], record["step"]), ("finish", 5))
        for ours, theirs in zip(self.whole.network.gates,
                                self.before.network.gates):
            for after, before in zip(ours.biases, theirs.biases):
                self.assertAllClose(after, before + record["gate_shift"])

    def test_record_is_of_the_network_as_it_is_kept(self):
        net = self.whole.folder.load_network()
        for ours, theirs in zip(net.variables, self.whole.network.variables):
            self.assertAllEqual(ours, theirs)
        looking = monitor.Monitor(net, net.costs, _dataset())
        self.assertAllClose(
            self.whole.metrics[-1]["tune"], looking.record(looking.look()))

    def test_norms_are_those_of_the_batches_after_the_last_step(self):
        # Fewer than on the way: they are measured anew.
        run = self._copy("fewer", norm_batches=2).to_the_end()
        batches, sampler = [], data.Sampler(64, 16, 3, True)
        for step in (4, 5):
            draw = sampler.draw(step)
            batches.append(data.normalize(crops.Shift().cut(
                tf.constant(_dataset().train.images[draw.indices]),
                draw.crops, draw.flips), _dataset().scaling))
        net = run_folder.RunFolder(self.trained).load_network()
        finish.Norms(net).measure(batches)
        for ours, theirs in zip(run.network.non_trainable_variables,
                                net.non_trainable_variables):
            self.assertAllClose(ours, theirs, rtol=1e-4, atol=1e-5)
        self.assertNotAllClose(net.stem.norm.moving_mean,
                               self.before.network.stem.norm.moving_mean)

    def test_no_norm_batches_leave_the_running_averages(self):
        run = self._copy("averages", norm_batches=0).to_the_end()
        self.assertEqual(run.progress.starts, [("finish", 0, 0)])
        self.assertEqual(run.progress.steps, 0)
        for ours, theirs in zip(run.network.non_trainable_variables,
                                self.before.network.non_trainable_variables):
            self.assertAllEqual(ours, theirs)

    def test_target_is_held_where_gates_can_be_shifted_to_it(self):
        run = self._copy("held", target_cost=0.8)
        # A cost that follows the shift, whatever twenty images would say.
        bias = run.network.gates[0].biases[0]
        start = float(bias[0])
        with mock.patch.object(monitor.Monitor, "cost", lambda self, tune=None:
                               0.7 + 0.4 * (float(bias[0]) - start)):
            with mock.patch.object(logging, "warning") as warning:
                run.to_the_end()
        self.assertAllClose(
            run.metrics[-1]["tune"]["cost"], 0.8, rtol=0.002)
        self.assertAllClose(run.metrics[-1]["gate_shift"], 0.25, atol=0.01)
        warning.assert_not_called()

    def test_target_that_no_shift_reaches_is_a_warning(self):
        run = self._copy("far", target_cost=0.5)
        with mock.patch.object(
                monitor.Monitor, "cost", lambda self, tune=None: 0.6):
            with mock.patch.object(logging, "warning") as warning:
                run.to_the_end()
        said = [call.args[0] % call.args[1:]
                for call in warning.call_args_list]
        self.assertEqual(run.metrics[-1]["gate_shift"], 0.0)
        self.assertLen(said, 1)
        self.assertRegex(
            said[0], r"costs 0\.600 of the base .* target is 0\.500.*epochs")

    def test_warning_is_for_more_than_two_percent(self):
        cost = self.whole.metrics[-1]["tune"]["cost"]
        self.assertEqual(
            any("the target is" in words for words in self.warnings),
            abs(cost - _SKIP_ONLY.target_cost) > 0.02 * _SKIP_ONLY.target_cost)

    def test_interrupted_while_norms_are_measured_it_starts_again(self):
        self._assert_starts_again(
            self._copy("norms", at=2).killed())

    def test_interrupted_while_the_target_is_sought_it_starts_again(self):
        run, costs = self._copy("target"), iter([0.1, 0.2])

        def cost(*_):
            found = next(costs, None)
            return _kill() if found is None else found
        with mock.patch.object(monitor.Monitor, "cost", cost):
            run.killed()
        self._assert_starts_again(run)

    def test_interrupted_before_or_after_its_record_it_starts_again(self):
        for name, function in (
                ("look", (trainer.Trainer, "_look")),
                ("record", (run_folder.RunFolder, "append_metrics"))):
            with self.subTest(name):
                run = self._copy(name)
                with mock.patch.object(
                        *function, side_effect=KeyboardInterrupt):
                    run.killed()
                self._assert_starts_again(run)

    def test_a_finished_run_is_not_finished_again(self):
        again = _Run(self.whole.path, schedule=_SKIP_ONLY)
        with mock.patch.object(finish, "hold_target") as hold:
            again.to_the_end()
        hold.assert_not_called()
        self.assertEqual(again.resumed_from, 5)
        self.assertEqual(again.metrics, self.whole.metrics)
        for ours, theirs in zip(again.network.variables,
                                self.whole.network.variables):
            self.assertAllEqual(ours, theirs)

    def _assert_starts_again(self, interrupted):
        with self.subTest("nothing of it was kept"):
            net = interrupted.folder.load_network()
            for ours, theirs in zip(
                    net.variables, self.before.network.variables):
                self.assertAllEqual(ours, theirs)
        resumed = _Run(interrupted.path, schedule=_SKIP_ONLY).to_the_end()
        self.assertEqual(resumed.resumed_from, 4)
        self.assertEqual(resumed.progress.starts, [("finish", 3, 0)])
        self._assert_same_weights(resumed, self.whole)
        self.assertEqual([r["step"] for r in resumed.metrics], [4, 5])
        self.assertAllClose(resumed.metrics[-1]["gate_shift"],
                            self.whole.metrics[-1]["gate_shift"])


class PlainTest(_TrainerTest):
    """A plain backbone's base phase of two epochs, eight steps."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        root = pathlib.Path(tempfile.mkdtemp())
        cls.addClassCleanup(shutil.rmtree, root)
        with mock.patch.object(
                checkpoints, "write", side_effect=checkpoints.write) as write:
            cls.whole = _Run(root, _PLAIN, _BASE_ONLY).to_the_end()
        cls.written = [pathlib.Path(call.args[1]).relative_to(root)
                       for call in write.call_args_list]

    def test_every_epoch_and_phase_is_saved_once(self):
        self.assertCountEqual(map(str, self.written), {
            "checkpoints/ckpt-4", "checkpoints/ckpt-8", "phases/base",
            *(f"best/ckpt-{r['step']}" for r in self._leaders())})

    def test_the_best_epoch_is_kept(self):
        best, = self.whole.path.glob("best/*.index")
        self.assertEqual(best.name, f"ckpt-{self._leaders()[-1]['step']}.index")

    def _leaders(self):
        """The records that were the best when they were written."""
        records = self.whole.metrics
        return [record for n, record in enumerate(records)
                if record["tune"]["accuracy"] == max(
                    r["tune"]["accuracy"] for r in records[:n + 1])]

    def test_base_phase_skips_nothing(self):
        for record in self.whole.metrics:
            self.assertEqual(record["phase"], "base")
            self.assertEqual(set(record["tune"]), {"accuracy"})
            self.assertEqual(
                set(record["train"]), {"loss", "accuracy_loss", "accuracy"})

    def test_a_base_network_is_left_as_its_last_step_left_it(self):
        self.assertEqual(self.whole.progress.starts, [("base", 8, 0)])
        self.assertEqual([r["step"] for r in self.whole.metrics], [4, 8])
        net = self.whole.folder.load_network("base")
        for ours, theirs in zip(net.variables, self.whole.network.variables):
            self.assertAllEqual(ours, theirs)

    def test_interrupts_at_the_ends_of_epochs_and_phases_change_nothing(self):
        path = self._path()
        first = _Run(path, _PLAIN, _BASE_ONLY, at=4).interrupted()
        self.assertEqual(
            first.message, f"stopped at step 4 and saved in {path}; the same "
            "command goes on from here.")
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

    def test_a_damaged_checkpoint_falls_back_on_the_one_before(self):
        path = self._path() / "copy"
        shutil.copytree(self.whole.path, path)
        last = path / "checkpoints" / "ckpt-8.data-00000-of-00001"
        last.write_bytes(last.read_bytes()[:last.stat().st_size // 2])
        with mock.patch.object(logging, "warning") as warning:
            run = _Run(path, _PLAIN, _BASE_ONLY)
        call, = warning.call_args_list
        self.assertRegex(
            call.args[0] % call.args[1:],
            r"ckpt-8 cannot be restored \(.*\): going on from step 4")
        self.assertEqual(run.resumed_from, 4)
        self.assertEqual(run.metrics, self.whole.metrics[:1])
        self._assert_same_weights(run.to_the_end(), self.whole)
        self.assertEqual(run.metrics, self.whole.metrics)


class WarmupTest(_TrainerTest):

    def test_warmup_ends_when_the_gates_are_open(self):
        config = dataclasses.replace(_PLAIN, layer_gates=True)
        schedule = dataclasses.replace(_SCHEDULE, epochs={"warmup": 5})
        run = _Run(self._path(), config, schedule)
        for bias in run.network.layer_gate.biases:
            bias.assign([9.0])
        with mock.patch.object(steering, "_EMA_DECAY", 0.5):
            run.to_the_end()
        # The mean falls from 1 by half each step: 1 / 64, then 1 / 128.
        self.assertEqual(run.progress.starts[0], ("warmup", 20, 0))
        self.assertEqual([r["step"] for r in run.metrics], [4, 7, 8])
        self.assertTrue(run.folder.has_phase("warmup"))
        # Nothing asked for a cost, so none is held.
        self.assertEqual(run.metrics[-1]["gate_shift"], 0.0)

    def test_gates_find_channels_in_order_and_the_base_is_kept_as_it_was(self):
        schedule = dataclasses.replace(
            _SCHEDULE, epochs={"base": 1, "warmup": 0.5})
        run = _Run(self._path(), _CONFIG, schedule).to_the_end()
        base, warm = (run.folder.load_network(phase)
                      for phase in ("base", "warmup"))
        for ours, theirs in zip(warm.blocks, base.blocks):
            self.assertNotAllEqual(ours.conv1.kernel, theirs.conv1.kernel)
        optimizer = tf_keras.optimizers.SGD(momentum=0.9)
        optimizer.build(base.trainable_variables)
        ordering.order(base, optimizer)
        for ours, theirs in zip(warm.blocks, base.blocks):
            self.assertAllEqual(ours.conv1.kernel, theirs.conv1.kernel)
            self.assertAllEqual(ours.conv2.kernel, theirs.conv2.kernel)


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
        _Run(path, _PLAIN, _BASE_ONLY).to_the_end()
        (path / "run.json").unlink()
        with self.assertRaisesRegex(
                errors.CheckpointError, "ckpt-8.* cannot be restored"):
            _Run(path, _CONFIG)


class AverageTest(_TrainerTest):

    def test_the_means_are_kept_at_the_end_of_a_phase(self):
        means = []

        def apply(self):
            original(self)
            means.extend(v.numpy() for v in self._variables)

        original = averages.Averages.apply
        with mock.patch.object(averages.Averages, "apply", apply):
            run = _Run(self._path(), _PLAIN, dataclasses.replace(
                _BASE_ONLY, average=0.9)).to_the_end()
        self.assertEqual(
            run.progress.starts, [("base", 8, 0), ("average", 3, 0)])
        kept = run.folder.load_network().trainable_variables
        self.assertLen(means, len(kept))
        for ours, theirs in zip(kept, means):
            self.assertAllEqual(ours, theirs)

    def test_means_of_the_last_step_alone_are_the_last_weights(self):
        last = _Run(self._path(), _PLAIN, _BASE_ONLY).to_the_end()
        mean = _Run(self._path(), _PLAIN, dataclasses.replace(
            _BASE_ONLY, average=1e-9)).to_the_end()
        for ours, theirs in zip(mean.network.trainable_variables,
                                last.network.trainable_variables):
            self.assertAllClose(ours, theirs, rtol=1e-5, atol=1e-5)


class ExitsAloneTest(_TrainerTest):

    def test_nothing_but_exits_changes(self):
        run = _Run(self._path(), schedule=dataclasses.replace(
            _SCHEDULE, epochs={"exits": 2}, exits_alone=True, average=0.5,
            distill=0.7))
        before = {v.ref(): v.numpy() for v in run.network.variables}
        run.to_the_end()
        self.assertEqual([start[0] for start in run.progress.starts],
                         ["exits", "average", "finish"])
        of_exits = {v.ref() for exit_ in run.network.exits.values()
                    for v in exit_.variables}
        for variable in run.network.variables:
            self.assertEqual(
                np.array_equal(variable, before[variable.ref()]),
                variable.ref() not in of_exits, variable.name)
        self.assertEqual(run.metrics[-1]["gate_shift"], 0.0)


class DeployedTest(_TrainerTest):

    def test_what_is_recorded_is_what_the_deployed_network_does(self):
        deployed = network.Network(_CONFIG)
        run = _Run(self._path(), schedule=_SKIP_ONLY, deployed=deployed)
        run.to_the_end()
        for ours, theirs in zip(run.network.variables, deployed.variables):
            self.assertAllEqual(ours, theirs)
        same = _Run(self._path(), schedule=_SKIP_ONLY).to_the_end()
        self.assertAllClose(run.metrics[-1]["tune"], same.metrics[-1]["tune"])


class ReachTargetTest(_TrainerTest):

    def test_the_skip_phase_ends_at_the_target(self):
        # What no step of so short a phase could bring about.
        with mock.patch.object(finish, "SMALL_SHIFT", finish.MAX_SHIFT):
            run = _Run(self._path(), schedule=dataclasses.replace(
                _SKIP_ONLY, target_cost=0.7)).to_the_end()
        skip, finished = run.metrics
        self.assertAllClose(skip["tune"]["cost"], 0.7, atol=0.05)
        self.assertAllClose(finished["tune"]["cost"], 0.7, atol=0.05)

    def test_epochs_after_it_stay_there(self):
        with mock.patch.object(
                finish, "hold_target", side_effect=finish.hold_target
        ) as hold, mock.patch.object(finish, "SMALL_SHIFT", 7.0):
            run = _Run(self._path(), schedule=dataclasses.replace(
                _SCHEDULE, epochs={"skip": 2, "restore": 2})).to_the_end()
        # One at the end of skip, two epochs of restore, the last step.
        self.assertEqual([call.args[3:] for call in hold.call_args_list],
                         [(finish.NEAR, 7.0)] * 3 + [()])
        self.assertEqual(
            [call.args[1].__name__ for call in hold.call_args_list],
            ["sampled_cost"] * 3 + ["cost"])
        _, *held = (record["tune"]["cost"] for record in run.metrics)
        self.assertAllClose(held, [0.5] * 4, atol=0.05)


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
        # The same command goes on from what was saved.
        self.assertEqual(_Run(run.path, _PLAIN, _BASE_ONLY).resumed_from, 4)

    def test_weights_that_broke_are_not_saved_within_an_epoch(self):
        for stop, options, kept in ((False, {"checkpoint_minutes": 0}, [1, 2]),
                                    (True, {}, [])):
            def break_(stop=stop):
                kernel = run.network.stem.conv.kernel
                kernel.assign(tf.fill(kernel.shape, math.nan))
                run.progress.stop = stop

            run = _Run(self._path(), _PLAIN, _BASE_ONLY, at=3, action=break_,
                       **options)
            with self.assertRaisesRegex(
                    errors.TrainingError, "weights is nan at step 3 .*intact"):
                run.to_the_end()
            self.assertEqual(run.folder.checkpoints.steps, kept)

    def test_weights_that_broke_at_the_end_of_an_epoch_are_not_kept(self):
        # The loss of a step is that of the weights before its update.
        run = _Run(self._path(), _PLAIN, _BASE_ONLY, at=4, action=lambda: (
            run.network.head.dense.bias.assign(tf.fill([10], math.nan))))
        with self.assertRaisesRegex(errors.TrainingError, "--train_base_lr"):
            run.to_the_end()
        for index in run.path.glob("checkpoints/*.index"):
            net = network.Network(_PLAIN)
            checkpoints.restore(
                tf.train.Checkpoint(network=net), str(index)[:-6], run.path)
            self._assert_finite(net)

    def _assert_finite(self, net):
        for variable in net.variables:
            self.assertTrue(np.all(np.isfinite(variable)), variable.name)


if __name__ == "__main__":
    tf.test.main()
