"""Means of a training epoch's metrics, kept through an interruption."""

import json
import time

import tensorflow as tf


class EpochMeans(tf.train.experimental.PythonState):
    """Sums of the steps' metrics since the epoch began; part of a checkpoint.

    Attributes:
        steps: how many steps it holds.
    """

    def __init__(self):
        self.reset()

    def reset(self):
        """Begins an epoch."""
        self.steps, self._sums = 0, {}
        self._seconds, self._started = 0.0, time.monotonic()

    def add(self, metrics):
        """Takes in a step's metrics, a dict of floats with the same keys."""
        self.steps += 1
        for name, value in metrics.items():
            self._sums[name] = self._sums.get(name, 0.0) + value

    @property
    def means(self):
        """Dict of float: the means over the steps so far."""
        return {name: value / self.steps for name, value in self._sums.items()}

    @property
    def seconds(self):
        """Seconds of training so far, without what lay between two runs."""
        return self._seconds + time.monotonic() - self._started

    def serialize(self):
        """What a checkpoint keeps."""
        return json.dumps([self.steps, self._sums, self.seconds])

    def deserialize(self, string_value):
        """The inverse of `serialize`."""
        self.steps, self._sums, self._seconds = json.loads(string_value)
        self._started = time.monotonic()
