"""Features to which one block after the other appends channels (DenseNet).

They lie in one array for all blocks of a run, each of which fills its own
channels: what comes into the run is copied once, and after that only what a
block computed, or the zeros of a skipped one.
"""

import itertools

import numpy as np


class Append:
    """What one block does to the features.

    Args:
        room: [1, H, W, C] array of all blocks of the run.
        received: channels that the block receives.
        appended: that it adds.
        zero: number that stands for 0.
        is_first: whether the features come from elsewhere.
    """

    def __init__(self, room, received, appended, zero, is_first):
        end = received + appended
        self._before, self._own, self._after = (
            room[..., :received], room[..., received:end], room[..., :end])
        self._zero, self._is_first = zero, is_first

    def __call__(self, features, own=None):
        """The features after the block, a view that the next image reuses.

        Args:
            features: [1, H, W, received], as the block before left them.
            own: [1, H, W, appended] that the block computed; None: zeros.
        """
        if self._is_first:
            self._before[...] = features
        self._own[...] = self._zero if own is None else own
        return self._after


def appends(plan, specs):
    """Per step of a `bundle.Plan` its `Append`, or None.

    Args:
        specs: graph name -> `bundle.Graph`.
    """
    found = []
    for is_appending, steps in itertools.groupby(
            plan.steps, lambda step: step.appended > 0):
        steps = list(steps)
        found += _run(steps, specs) if is_appending else [None] * len(steps)
    return found


def _run(steps, specs):
    """The `Append`s of steps that follow each other."""
    tensors = [specs[step.variants[0].graph].inputs[0] for step in steps]
    last = tensors[-1]
    shape = (*last.shape[:-1], last.shape[-1] + steps[-1].appended)
    zero = last.zero_point or 0
    room = np.full(shape, zero, last.dtype)
    return [Append(room, tensor.shape[-1], step.appended, zero, not number)
            for number, (tensor, step) in enumerate(zip(tensors, steps))]
