"""How long things took, counted in buckets: constant memory for any number."""

import math

_LEAST_MS, _MOST_MS = 1e-3, 1e7
_RATIO = 1.01  # a bucket is 1% wide


class Histogram:
    """Counts milliseconds; percentiles are right to half a percent."""

    def __init__(self):
        self._counts = [0] * (_bucket(_MOST_MS) + 1)
        self._total = 0

    def add(self, milliseconds):
        """One more; what is beyond the ends counts as they do."""
        self._counts[_bucket(milliseconds)] += 1
        self._total += 1

    def percentile(self, percent):
        """What `percent` of them do not pass, in ms; None of nothing."""
        if not self._total:
            return None
        rank = max(1, math.ceil(self._total * percent / 100))
        for bucket, count in enumerate(self._counts):
            rank -= count
            if rank <= 0:
                return _LEAST_MS * _RATIO ** (bucket + 0.5)
        raise AssertionError("counts and total differ")

    def memory(self):
        """For JSON: [bucket, count] of those that are not empty."""
        return [[bucket, count] for bucket, count in enumerate(self._counts)
                if count]

    def recall(self, memory):
        """Adds the counts of a `memory`. Raises if it is none."""
        for bucket, count in memory:
            if not (0 <= bucket and count >= 0):
                raise ValueError(f"expected counts, found {bucket}, {count}")
            self._counts[bucket] += count
            self._total += count


def _bucket(milliseconds):
    inside = min(max(milliseconds, _LEAST_MS), _MOST_MS)
    return int(math.log(inside / _LEAST_MS) / math.log(_RATIO))
