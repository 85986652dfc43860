"""Takes a network through its phases, and can be stopped at any step."""

import contextlib
import math
import time

import tensorflow as tf
import tf_keras
from absl import logging

from ddi_tf import adjusting
from ddi_tf import costs
from ddi_tf import course
from ddi_tf import data
from ddi_tf import distribution as distribution_lib
from ddi_tf import epoch_means
from ddi_tf import errors
from ddi_tf import feed as feed_lib
from ddi_tf import finish
from ddi_tf import gates
from ddi_tf import monitor
from ddi_tf import operating_points
from ddi_tf import ordering
from ddi_tf import phases
from ddi_tf import position
from ddi_tf import saving
from ddi_tf import starting
from ddi_tf import step as step_lib
from ddi_tf import step_state
from ddi_tf import teaching as teaching_lib


class Trainer:
    """Owns the state of one run: network, optimizer, where it is.

    Args:
        folder: `run_folder.RunFolder`, created.
        network: `network.Network` to train.
        dataset: `data.Dataset`.
        schedule: `phases.Schedule`.
        prices: `costs.CostTable` of the resource that the loss counts.
        progress: object with `start(phase, steps, done)` and
            `update(metrics)`, told of every step.
        jit_compile: whether XLA compiles the step.
        checkpoint_minutes: most minutes of training between two checkpoints.
        stop_requested: says, between any two steps, whether to stop.
        on_epoch: called with each line of metrics.jsonl and the
            `traces.Traces` behind it.
        distribution: of the `distribution` module, in whose scope this is
            made; all its workers do the same.
        deployed: `network.Network` of the same config that computes as a device
            does, alone and in float32; None: `network` does.
        on_phase: called with a `phases.Phase` before its first step.
        teaching: `teaching.Teaching`; None: the run's own base network teaches.
    """

    def __init__(self, folder, network, dataset, schedule, prices, progress,
                 jit_compile=False, checkpoint_minutes=10,
                 stop_requested=lambda: False,
                 on_epoch=lambda record, tune: None,
                 distribution=distribution_lib.LOCAL, deployed=None,
                 on_phase=lambda phase: None, teaching=None):
        self._folder, self._network, self._dataset = folder, network, dataset
        self._distribution, self._deployed = distribution, deployed or network
        self._schedule, self._prices = schedule, prices
        self._progress, self._on_epoch = progress, on_epoch
        self._on_phase = on_phase
        self._teaching = teaching or teaching_lib.Teaching(
            folder, network.config, schedule.distill,
            distribution=distribution)
        self._jit_compile, self._stop_requested = jit_compile, stop_requested
        self._phases = phases.planned(network.config, schedule)
        self._sampler = data.Sampler(
            len(dataset.train.images), schedule.batch_size, schedule.seed,
            dataset.flip, dataset.crop)
        share, *_ = distribution.shares(schedule.batch_size)
        phases.check_parts(schedule, share.stop - share.start)
        self._optimizer = tf_keras.optimizers.SGD(
            schedule.base_lr, momentum=0.9, nesterov=True)
        self._optimizer.build(network.trainable_variables)
        self._open_cost = prices.everything / prices.base
        phases.check_target(self._phases, schedule, costs.least(
            prices, network.all_closed(1)) / prices.base)
        self._epoch = epoch_means.EpochMeans()
        self._at = position.Position()
        self._state = step_state.make(
            network, self._phases, schedule,
            {phase.name: self._steps(phase) for phase in self._phases})
        self._steering = self._state.steering
        self._saver = saving.Saver(
            folder, network, self._at,
            {"optimizer": self._optimizer, "epoch": self._epoch,
             **self._state.saved()},
            checkpoint_minutes, self._phases[-1], schedule.target_cost)
        self._monitor = monitor.Monitor(self._deployed, prices, dataset)
        self._adjuster = adjusting.Adjuster(
            network, self._deployed, self._monitor, dataset, self._sampler,
            schedule, progress, self._state)

    def resume(self):
        """Goes on from the folder's last good checkpoint; its step, or 0."""
        self._saver.restore(self._distribution)
        # The line of an epoch that was not yet closed is written again.
        self._folder.drop_metrics_after(
            self._at.step - (1 if self._epoch.steps else 0))
        self._saver.keep_if_best()
        return self._at.step

    def go_on_from(self, folder):
        """Begins with the price of work of another run's last step, and saves.

        Gates may be settled before the first step, and the network made anew.
        """
        folder.restore_steering(self._steering)
        self._saver.save()

    def run(self):
        """Trains what is left. Returns the last tune record.

        Raises:
            TrainingError: the loss is not finite.
            StoppedError: it was asked to stop, and has saved.
            StorageError: something cannot be saved.
        """
        record = None
        ended = self._phases[:self._at.phase]
        if any(phase.name == "quantize" for phase in ended):
            self._adjuster.round(find=False)
        with contextlib.closing(feed_lib.make(
                self._dataset.train, self._sampler,
                self._distribution)) as feed:
            while self._at.phase < len(self._phases):
                record = self._run_phase(self._phases[self._at.phase], feed)
        self._pause(self._phases[-1].name)
        if self._at.phase == len(self._phases) and any(
                phase.gates or phase.exits for phase in self._phases):
            record = self._finish()
        self._deployed.copy_from(self._network)
        if self._distribution.is_chief:
            operating_points.save(self._folder, self._deployed, self._monitor)
        return record

    def _run_phase(self, phase, feed):
        self._distribution.any(False)  # until the chief has saved the last one
        steps = self._steps(phase)
        if phase.name == "quantize":
            self._adjuster.round(find=not self._at.phase_step)
        step = step_lib.make(
            self._network, self._optimizer, self._steering, phase,
            self._schedule, self._prices, self._dataset.scaling,
            self._teaching.teacher(phase), self._jit_compile,
            self._dataset.crop,
            self._distribution, self._state.averages,
            self._state.compressions)
        if not self._at.phase_step:
            self._on_phase(phase)
            if phases.gates_begin(
                    self._phases, self._at.phase
            ) and not self._folder.has_phase(starting.GIVEN):
                ordering.order(self._network, self._optimizer)
            self._state.begin(phase, self._open_cost)
        self._progress.start(phase.name, steps, self._at.phase_step)
        record = None
        while True:
            if self._epoch.steps and self._at_epoch_end(phase, steps):
                record = self._close_epoch(phase, steps)
            if self._is_over(phase, steps):
                break
            self._pause(phase.name)
            self._run_step(phase, step, steps, feed)
        if phase.name == "warmup":
            monitor.warn_if_not_open(self._steering.skip_ratio.numpy())
        self._at.end_phase()
        self._folder.save_phase(phase.name, self._network)
        self._saver.save()
        return record

    def _run_step(self, phase, step, steps, feed):
        index, blocks = self._at.phase_step, len(self._network.blocks)
        target = course.target(
            phase, self._schedule, self._open_cost, index, steps)
        thresholds = gates.draw_thresholds(
            [self._schedule.batch_size, self._network.decision_count],
            course.gate_noise(phase, self._schedule, index, steps),
            self._schedule.seed, self._at.step)
        # The first columns are the blocks', in order: open from 0 on.
        thresholds[:, :blocks - course.blocks_decided(
            phase, blocks, index, steps)] = 0
        result = step(
            *feed.arguments(self._at.step),
            *self._distribution.split(thresholds),
            tf.constant(self._rate(phase, steps), tf.float32),
            tf.constant(target, tf.float32))
        result = {name: float(value) for name, value in result.items()}
        self._check_finite(phase.name, result["loss"])
        self._epoch.add(result)
        self._at.advance()
        self._progress.update(result)

    def _rate(self, phase, steps):
        return course.learning_rate(
            phase, self._schedule, self._at.phase_step, steps)

    def _is_over(self, phase, steps):
        return self._at.phase_step >= steps or course.is_done(
            phase, self._steering.skip_ratio.numpy())

    def _at_epoch_end(self, phase, steps):
        return (self._at.phase_step % self._sampler.steps_per_epoch == 0
                or self._is_over(phase, steps))

    def _close_epoch(self, phase, steps):
        """Evaluates, writes the epoch's line, saves; returns the line."""
        self._adjuster.end_epoch(
            phase, self._at.step, self._is_over(phase, steps))
        record, tune = self._record(phase, self._rate(phase, steps))
        if phase.priced:
            self._steering.compare(record["tune"]["cost"])
        self._epoch.reset()
        self._folder.append_metrics(record)
        self._on_epoch(record, tune)
        if not self._is_over(phase, steps):  # else the phase's end is saved
            self._saver.save()
        return record

    def _pause(self, phase):
        """Between two steps: saves if it is time, stops if asked to."""
        stop = self._distribution.any(self._stop_requested())
        if self._saver.is_behind(stop):
            # The loss of a step is that of the weights before its update.
            self._check_finite(phase, float(tf.linalg.global_norm(
                self._network.variables)), "norm of the weights")
            self._saver.save()
        if stop:
            raise errors.StoppedError(
                f"stopped at step {self._at.step} and saved in "
                f"{self._folder.path}; the same command goes on from here.")

    def _record(self, phase, rate):
        """(line of metrics.jsonl, its `traces.Traces` of the tune split)."""
        gated = phase.gates or phase.exits
        traced = self._look(phase.name, gated)
        tune = self._monitor.record(traced, gated)
        means, seconds = self._epoch.means, self._epoch.seconds
        logging.info(
            "%s step %d: loss %.4f, %s, %.0f s", phase.name, self._at.step,
            means["loss"], monitor.in_words(tune), seconds)
        if gated:
            self._monitor.warn_if_collapsed(tune)
        return {
            "phase": phase.name, "step": self._at.step,
            "phase_step": self._at.phase_step, "learning_rate": rate,
            "seconds": round(seconds, 2),
            "train": {name: round(value, 5) for name, value in means.items()},
            **self._state.compressions.record(phase), "tune": tune}, traced

    def _look(self, phase, gated):
        self._deployed.copy_from(self._network)
        tune = self._monitor.look(gated)
        # The loss of a step is that of the weights before its update.
        self._check_finite(phase, float(tune.logits.sum()))
        return tune

    def _finish(self):
        """Measures batch norm, holds the target; see `finish`. Its record."""
        started = time.monotonic()
        self._adjuster.measure_norms("finish", self._at.step, self._phases)
        shift = 0.0
        if any(phase.priced for phase in self._phases):
            shift = self._adjuster.hold_target().shift
        traced = self._look("finish", gated=True)
        if self._schedule.calibrate:
            logging.info("finish: temperatures %s", ", ".join(
                f"{t:.2f}" for t in finish.calibrate(self._network, traced)))
            traced = self._look("finish", gated=True)
        tune = self._monitor.record(traced)
        logging.info("finish: gates shifted by %+.3f, %s", shift,
                     monitor.in_words(tune))
        # A step of its own, so that its checkpoint replaces none.
        self._at.step += 1
        record = {"phase": "finish", "step": self._at.step,
                  "seconds": round(time.monotonic() - started, 2),
                  "gate_shift": shift, "tune": tune}
        self._folder.append_metrics(record)
        self._on_epoch(record, traced)
        self._at.end_phase()
        self._saver.save()
        return record

    def _steps(self, phase):
        return math.ceil(self._schedule.epochs[phase.name]
                         * self._sampler.steps_per_epoch)

    def _check_finite(self, phase, value, what="loss"):
        if not math.isfinite(value):
            raise errors.TrainingError(
                f"the {what} is {value} at step {self._at.step} (phase "
                f"{phase}). What was saved before in {self._folder.path} "
                "is intact: lower --train_base_lr or --train_joint_lr and "
                "start a new --run.")
