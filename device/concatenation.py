"""Features to which one block after the other appends channels (DenseNet).

They lie in one array for all blocks of a run, each of which fills its own
channels: what comes into the run is copied once, and after that only what a
block computed, or the zeros of a skipped one.
"""

import itertools

import numpy as np

from device import passing


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
    for is_appending, run in itertools.groupby(
            zip(plan.steps, passing.along(plan, specs)),
            lambda pair: pair[0].appended > 0):
        run = list(run)
        found += _run(run) if is_appending else [None] * len(run)
    return found


def _run(run):
    """The `Append`s of steps that follow each other.

    Args:
        run: pairs of a `bundle.Step` and the `bundle.Tensor` in front of it.
    """
    step, last = run[-1]
    shape = (*last.shape[:-1], last.shape[-1] + step.appended)
    zero = last.zero_point or 0
    room = np.full(shape, zero, last.dtype)
    return [Append(room, tensor.shape[-1], step.appended, zero, not number)
            for number, (step, tensor) in enumerate(run)]
