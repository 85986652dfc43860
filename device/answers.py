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
    entropy: float              # of the probabilities, nats; of which kind
                                # the bundle says
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


def softmax(logits, kind="shannon"):
    """Probabilities and their entropy.

    Args:
        logits: [C] float32.
        kind: of entropy, one of `bundle_check.ENTROPIES`: `-sum p log p`, or
            `-log max p` (Renyi's entropies of order 1 and infinity).

    Returns:
        probabilities: [C] float32, sum 1.
        entropy: float in [0, log C], nats.
    """
    label = logits.argmax()
    shifted = logits - logits[label]
    exponentials = np.exp(shifted)
    exponentials[label] = 0
    others = float(exponentials.sum())
    exponentials[label] = 1
    probabilities = exponentials / (1 + others)
    # log p = shifted - log(1 + others): no log of zero, and answers that are as
    # good as sure stay apart.
    entropy = math.log1p(others)
    return probabilities, entropy if kind == "min" else entropy - float(
        np.dot(probabilities, shifted))
