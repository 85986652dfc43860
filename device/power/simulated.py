"""A battery that is only computed: a small world, and the gauge in it."""

import random
import time

from device import errors
from device.power import discharge
from device.power import reading

_J_PER_WH = 3600.0

# At -18 C half of what there is at room temperature can be drawn: Battery
# University, BU-502, https://batteryuniversity.com. A straight line between,
# and below.
_RATED_C, _HALF_C = 25.0, -18.0


def usable(temperature_c):
    """Share of the capacity, 0 to 1, that can be drawn at a temperature."""
    lost = 0.5 * (_RATED_C - temperature_c) / (_RATED_C - _HALF_C)
    return min(max(1.0 - lost, 0.0), 1.0)


class Battery:
    """Joules that are drawn and refilled, and a gauge that tells of them.

    What cold withholds is not lost: it is there again when it gets warmer.
    Charging and discharging lose nothing.

    Args:
        capacity_wh: what it holds in full at 25 C; above 0.
        charge: 0 to 1, at the beginning.
        idle_w: watts that `advance` draws.
        temperature_c: of the cells; `warm` changes it.
        resolution: step of the gauge's charge; 0.01: whole percents.
        noise: standard deviation of the gauge's charge, before rounding.
        cells: in series.
        seed: of the noise.
    """

    def __init__(self, capacity_wh, *, charge=1.0, idle_w=0.0,
                 temperature_c=_RATED_C, resolution=0.01, noise=0.0, cells=1,
                 seed=0):
        _check(capacity_wh > 0, "capacity_wh", "above 0", capacity_wh)
        _check(0 <= charge <= 1, "charge", "0 to 1", charge)
        _check(idle_w >= 0, "idle_w", "0 or more", idle_w)
        _check(0 <= resolution < 1, "resolution", "0 to below 1", resolution)
        _check(0 <= noise < 1, "noise", "0 to below 1", noise)
        _check(cells >= 1, "cells", "1 or more", cells)
        self.name = f"simulated battery of {capacity_wh:g} Wh"
        self._full_j = capacity_wh * _J_PER_WH
        self._idle_w, self._charger_w = idle_w, 0.0
        self._resolution, self._noise, self._cells = resolution, noise, cells
        self._random = random.Random(seed)
        # Both count from where cold lets no more be drawn.
        self._usable_j = self._full_j * usable(temperature_c)
        self._left_j = charge * self._usable_j
        # Since the gauge was last read:
        self._drawn_j = self._seconds = 0.0
        self._draw_w = idle_w

    @property
    def truth_j(self):
        """Joules that can be drawn; the gauge tells less exactly."""
        return self._left_j if self._left_j > 0.0 else 0.0

    @property
    def dead(self):
        """Whether nothing can be drawn."""
        return self._left_j <= 0.0

    def use(self, joules):
        """Draws joules, as far as they are there."""
        self._move_to(self._left_j - joules)

    def advance(self, seconds):
        """Lets time pass: idling draws, a charger fills."""
        self._seconds += seconds
        self._move_to(
            self._left_j + (self._charger_w - self._idle_w) * seconds)

    def charge_with(self, watts):
        """Connects a charger of so many watts; 0 disconnects it."""
        self._charger_w = watts

    def warm(self, temperature_c):
        """Brings the cells to a temperature; in the cold less can be drawn."""
        usable_j = self._full_j * usable(temperature_c)
        # Below 0 while cold withholds all that is left: dead, not empty.
        self._left_j += usable_j - self._usable_j
        self._usable_j = usable_j

    def read(self):
        """What the gauge says: a `reading.Reading`.

        `draw_w` is the mean since the last reading.
        """
        if self._seconds > 0:
            self._draw_w = self._drawn_j / self._seconds
            self._drawn_j = self._seconds = 0.0
        charge = self.truth_j / self._usable_j if self._usable_j else 0.0
        return reading.Reading(
            charge=self._gauged(charge), draw_w=self._draw_w,
            voltage_v=discharge.voltage_v(charge, self._cells),
            charging=self._charger_w > 0)

    def close(self):
        """There is nothing to free."""

    def _move_to(self, left_j):
        """Takes or brings joules, between empty and full."""
        if left_j > self._usable_j:
            left_j = self._usable_j
        elif left_j < 0.0 and left_j < self._left_j:
            left_j = min(self._left_j, 0.0)
        self._drawn_j += self._left_j - left_j
        self._left_j = left_j

    def _gauged(self, charge):
        if self._noise:
            charge += self._random.gauss(0.0, self._noise)
        if self._resolution:
            charge = round(charge / self._resolution) * self._resolution
        return min(max(charge, 0.0), 1.0)


class Live:
    """A simulated `Battery` that ages as a clock runs: for trying a device.

    Args:
        battery: `Battery`.
        clock: seconds; only differences count.
    """

    def __init__(self, battery, clock=time.monotonic):
        self.name = battery.name
        self._battery, self._clock, self._now_s = battery, clock, clock()

    def read(self):
        """The gauge's `reading.Reading`."""
        now_s = self._clock()
        self._battery.advance(now_s - self._now_s)
        self._now_s = now_s
        return self._battery.read()

    def close(self):
        """There is nothing to free."""


def _check(holds, name, expected, found):
    if not holds:
        raise errors.PowerError(
            f"Simulated battery: {name} must be {expected}, but is {found}.")
