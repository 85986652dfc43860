"""Counts the charge of a battery whose source tells only what is drawn."""

import dataclasses
import math
import time

from device import errors

_J_PER_WH = 3600.0


class Counted:
    """A source whose charge is counted from its draw.

    What was drawn between two readings is taken to be the mean of both. Time in
    which nothing was read for long, or the machine was off, is not counted, and
    errors of the draw add up: charge the battery fully now and then.

    Args:
        source: `reading.Source` that tells `draw_w`.
        capacity_wh: above 0.
        charge: 0 to 1, at the beginning, unless `recall` knows better.
        clock: seconds that never go back.
        longest_s: between two readings, for the time to be counted.
    """

    def __init__(self, source, capacity_wh, *, charge=1.0,
                 clock=time.monotonic, longest_s=600.0):
        if not (capacity_wh > 0 and 0 <= charge <= 1):
            raise errors.PowerError(
                f"{source.name}: counting needs capacity_wh above 0 and charge "
                f"of 0 to 1, but they are {capacity_wh} and {charge}.")
        self.name = f"{source.name}, counted"
        self._source, self._clock = source, clock
        self._full_j = capacity_wh * _J_PER_WH
        self._left_j = charge * self._full_j
        self._longest_s = longest_s
        self._draw_w, self._seconds = None, 0.0

    def read(self):
        """The source's `reading.Reading`, with a charge. Raises PowerError."""
        reading_ = self._source.read()
        draw_w, seconds = reading_.draw_w, self._clock()
        if draw_w is None or not math.isfinite(draw_w):
            raise errors.PowerError(
                f"{self.name}: the source does not tell what is drawn.")
        passed_s = seconds - self._seconds
        if self._draw_w is not None and passed_s <= self._longest_s:
            left_j = self._left_j - (self._draw_w + draw_w) / 2 * passed_s
            self._left_j = min(max(left_j, 0.0), self._full_j)
        self._draw_w, self._seconds = draw_w, seconds
        return dataclasses.replace(reading_,
                                   charge=self._left_j / self._full_j)

    def close(self):
        self._source.close()

    def memory(self):
        """The charge: a dict for JSON."""
        return {"charge": self._left_j / self._full_j}

    def recall(self, memory):
        """Takes up a `memory`; nonsense is ignored."""
        charge = memory.get("charge") if isinstance(memory, dict) else None
        if isinstance(charge, (int, float)) and 0 <= charge <= 1:
            self._left_j = charge * self._full_j
