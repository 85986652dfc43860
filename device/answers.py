"""What a network says of an image, and how sure it is."""

import dataclasses
import math
from typing import Optional

import numpy as np

from device import budget


@dataclasses.dataclass(frozen=True)
class Answer:
    """What came out for one image, and how."""

    label: int                  # index into the bundle's labels
    probabilities: np.ndarray   # [C] float32
    logits: np.ndarray          # [C] float32
    exit: str                   # graph that answered
    entropy: float              # of the probabilities, nats
    path: tuple                 # per block passed: open groups, or SKIPPED
    macs: int                   # everything executed, gates and exits included
    energy_pj: int              # of the same, modelled, picojoules
    latency_ms: float
    deadline_ms: Optional[float] = None

    @property
    def energy_mj(self):
        """Modelled energy, millijoules."""
        return self.energy_pj / budget.PJ_PER_MJ

    @property
    def late(self):
        """Whether it came after its deadline."""
        return self.deadline_ms is not None and (
            self.latency_ms > self.deadline_ms)


def softmax(logits):
    """Probabilities and their entropy.

    Args:
        logits: [C] float32.

    Returns:
        probabilities: [C] float32, sum 1.
        entropy: float in [0, log C], nats.
    """
    shifted = logits - logits.max()
    exponentials = np.exp(shifted)
    total = exponentials.sum()
    probabilities = exponentials / total
    # -sum p log p with log p = shifted - log total: no log of zero.
    return probabilities, math.log(total) - float(
        np.dot(probabilities, shifted))
