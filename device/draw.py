"""The draw of a machine, read beside its work.

A thread reads: reading between two images would put the sensor's answering
time, when nothing is computed, into what computing draws.
"""

import math
import threading
import time

import numpy as np

from device import errors

# Often enough for some dozens of readings in a phase of seconds; a reading
# itself takes a machine up to some 10 ms (a program that is started).
INTERVAL_S = 0.2

# After which a source that is being read has stopped answering.
_ANSWER_S = 10

# Without which there is no mean, let alone of two halves.
_FEWEST = 4


class Draw:
    """Readings of a source, taken while the block runs; a context manager.

    Args:
        source: `power.reading.Source`.
        interval_s: between two readings, seconds.
        clock: callable -> seconds, as `watts` gets them.
    """

    def __init__(self, source, *, interval_s=INTERVAL_S, clock=time.monotonic):
        self._source, self._interval_s = source, interval_s
        self._clock = clock
        self._samples, self._failures = [], []  # (second, watts); errors
        self._ended = threading.Event()
        # A source that never answers must not keep the program alive.
        self._thread = threading.Thread(target=self._read, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *exception):
        self._ended.set()
        self._thread.join(_ANSWER_S)

    def watts(self, since_s):
        """[N] float64, N >= 4: readings taken from second `since_s` on.

        Raises:
            PowerError: charging, more failures than readings, or hardly any.
        """
        if self._thread.is_alive():
            raise errors.PowerError(
                f"{self._source.name} has not answered for {_ANSWER_S} "
                "seconds. Check its wiring.")
        if charging := [error for error in self._failures
                        if isinstance(error, _Charging)]:
            raise charging[0]
        if len(self._failures) > len(self._samples):
            raise self._failures[-1]
        found = [watts for second, watts in self._samples if second >= since_s]
        if len(found) < _FEWEST:
            raise errors.PowerError(
                f"{self._source.name}: expected at least {_FEWEST} readings in "
                f"a phase, found {len(found)}. Raise --energy_seconds.")
        return np.array(found, np.float64)

    def _read(self):
        while not self._ended.wait(self._interval_s):
            try:
                self._samples.append((self._clock(), now_w(self._source)))
            except errors.PowerError as error:
                self._failures.append(error)


class _Charging(errors.PowerError):
    """External power feeds the machine, so its battery tells nothing."""


def reading(source):
    """The source's reading of now.

    Raises:
        PowerError: it fails, or the machine is not fed by the battery alone.
    """
    found = source.read()
    if found.charging or (found.draw_w or 0) < 0:
        raise _Charging(
            f"{source.name} says that the battery is charging or external "
            "power is there, so what the machine draws does not show. Unplug "
            "the charger, and measure again.")
    return found


def now_w(source):
    """The machine's draw at this moment, watts, 0 or more.

    Raises:
        PowerError: as for `reading`; or the source does not tell watts.
    """
    watts = reading(source).draw_w
    if watts is None:
        raise errors.PowerError(
            f"{source.name} tells no watts, so energy cannot be measured with "
            "it: charge alone falls by a percent in many minutes. Give a "
            "source that tells them (ina219, ina226, pmic), or measure latency "
            "alone, without --power.")
    if not math.isfinite(watts):
        raise errors.PowerError(
            f"{source.name}: expected watts, found {watts}. Check its wiring.")
    return watts
