"""Where a run is: part of its checkpoints."""

import json

import tensorflow as tf


class Position(tf.train.experimental.PythonState):
    """Counts phases and steps.

    Attributes:
        phase: phases behind.
        phase_step: steps done in the phase that runs.
        step: steps done in all.
    """

    def __init__(self):
        self.phase = self.phase_step = self.step = 0

    def advance(self):
        """One more step is done."""
        self.phase_step += 1
        self.step += 1

    def end_phase(self):
        """The phase that runs is behind."""
        self.phase += 1
        self.phase_step = 0

    def serialize(self):
        """What a checkpoint keeps."""
        return json.dumps([self.phase, self.phase_step, self.step])

    def deserialize(self, string_value):
        """The inverse of `serialize`."""
        self.phase, self.phase_step, self.step = json.loads(string_value)
