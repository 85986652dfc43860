"""What the training step keeps beside weights and optimizer."""

from typing import NamedTuple

import tensorflow as tf

from ddi_tf import averages as averages_lib
from ddi_tf import compression
from ddi_tf import steering as steering_lib


class StepState(NamedTuple):
    """Part of every checkpoint, under these names."""

    steering: steering_lib.Steering
    averages: averages_lib.Averages | None  # None: no means are asked for
    compressions: compression.Compressions

    def begin(self, phase, open_cost):
        """Before the first step of `phase`.

        Args:
            phase: `phases.Phase`.
            open_cost: cost with every gate open, as a fraction of the base
                network's.
        """
        self.compressions.begin(phase)
        if self.averages:
            self.averages.reset()
        # Warm-up ends when this mean has fallen.
        if phase.name == "warmup":
            self.steering.reset(open_cost, skip_ratio=1.0)

    def saved(self):
        """Name -> what a checkpoint holds."""
        return {**self._asdict(), "averages": self.averages or tf.Module()}


def make(network, planned, schedule, steps):
    """The `StepState` at the start of a run.

    Args:
        network: `network.Network` that is trained.
        planned: `phases.Phase`s of the run, in order.
        schedule: `phases.Schedule`.
        steps: phase name -> its steps.
    """
    averages = averages_lib.Averages(
        network.trainable_variables, schedule.average
    ) if schedule.average else None
    return StepState(
        steering_lib.Steering(schedule.alpha), averages,
        compression.Compressions(network, planned, schedule, steps))
