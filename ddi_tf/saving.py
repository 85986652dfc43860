"""When a run saves, and what."""

import time

import tensorflow as tf

from ddi_tf import best
from ddi_tf import errors


class Saver:
    """Keeps a run's state in its folder.

    Args:
        folder: `run_folder.RunFolder`.
        network: `network.Network` that is trained.
        position: `position.Position` of the run.
        state: dict of what else a checkpoint holds.
        minutes: most minutes of training between two checkpoints.
        last_phase: `phases.Phase`, whose best epoch is kept.
        target_cost: of the run.
    """

    def __init__(self, folder, network, position, state, minutes, last_phase,
                 target_cost):
        self._folder, self._network, self._at = folder, network, position
        self._checkpoint = tf.train.Checkpoint(
            network=network, position=position, **state)
        self._minutes, self._last_phase = minutes, last_phase
        self._target_cost = target_cost
        self._step, self._time = 0, time.monotonic()

    def restore(self, distribution):
        """Puts the last good checkpoint in place, if there is one.

        Raises:
            CheckpointError: there are checkpoints, and none can be read.
            ConfigError: the workers do not see the same ones.
        """
        self._folder.checkpoints.restore(self._checkpoint)
        self._step = self._at.step
        if not distribution.all_equal(self._step):
            raise errors.ConfigError(
                "the workers would go on from different steps, this one from "
                f"{self._step}: --run={self._folder.path} must be one folder "
                "that all of them see.")

    def save(self):
        """Writes a checkpoint of everything; keeps the last three."""
        self._step = self._at.step
        self._folder.checkpoints.save(self._checkpoint, self._step)
        self.keep_if_best()
        self._time = time.monotonic()

    def is_behind(self, stop):
        """Whether to save now: it is time, or the run will `stop`."""
        waited = (time.monotonic() - self._time) / 60 >= self._minutes
        return self._at.step != self._step and (stop or waited)

    def keep_if_best(self):
        """Keeps the network if the best epoch so far has just ended."""
        record = best.epoch(
            self._folder.metrics, self._last_phase, self._target_cost)
        if record and record["step"] == self._at.step:
            self._folder.save_best(self._network, self._at.step)
