"""Which readings of a battery can be true."""

import math
import numbers

from device.power import reading

_J_PER_WH = 3600.0

# Wider than any machine this is for; gauges round, and overshoot a little.
_MAX_DRAW_W = 200.0
_MAX_VOLTAGE_V = 100.0
_CHARGE_OVERSHOOT = 0.05

# A charge may move by what gauges correct themselves by, and by what a charger
# or a load can do: 30 W (a Pi's largest supply has 27 W), or, where the
# capacity is unknown, all of it in 15 minutes, which such cells do not endure.
_CORRECTION = 0.05
_MAX_POWER_W = 30.0
_FULL_TO_EMPTY_S = 900.0

# So many readings in a row that agree on an impossible charge are right: the
# battery was swapped, or what was believed before was wrong.
_AGREEING = 5

# A gauge cannot stand still while so much of the capacity comes or goes.
_FROZEN_SHARE = 0.05
_FULL = 0.99


class Nonsense(Exception):
    """What a source says cannot be true; the text follows its name."""


def cleaned(reading_):
    """The `reading.Reading` in floats, its charge within 0 to 1.

    Raises Nonsense where a value by itself cannot be true.
    """
    if not isinstance(reading_, reading.Reading):
        raise Nonsense(f"gives a {type(reading_).__name__}")
    charge = _number("charge", reading_.charge, -_CHARGE_OVERSHOOT,
                     1 + _CHARGE_OVERSHOOT)
    if not isinstance(reading_.charging, (bool, type(None))):
        raise Nonsense(f"says charging is a {type(reading_.charging).__name__}")
    clean = reading.Reading(
        charge=charge if charge is None else min(max(charge, 0.0), 1.0),
        draw_w=_number("draw", reading_.draw_w, -_MAX_DRAW_W, _MAX_DRAW_W),
        voltage_v=_number("voltage", reading_.voltage_v, math.ulp(0.0),
                          _MAX_VOLTAGE_V),
        charging=reading_.charging)
    if clean == reading.Reading():
        raise Nonsense("tells nothing")
    return clean


def _number(name, value, low, high):
    """The value as a float; None stays None."""
    if value is None:
        return None
    if not isinstance(value, numbers.Real) or isinstance(value, bool):
        raise Nonsense(f"says {name} is a {type(value).__name__}")
    try:
        value = float(value)
    except OverflowError:  # an integer of hundreds of digits
        value = math.inf
    if not low <= value <= high:  # NaN is not
        raise Nonsense(f"says {name} is {value:.3g}")
    return value


class Judge:
    """Finds readings that cannot be true after those before.

    Args:
        capacity_wh: of the battery; None: unknown.
    """

    def __init__(self, capacity_wh):
        self._capacity_j = (None if capacity_wh is None
                            else capacity_wh * _J_PER_WH)
        self._jump = _Jump(self._capacity_j)
        self._same = _Same(self._capacity_j)

    def used(self, joules):
        """Hears of modelled joules drawn."""
        self._jump.used_j += joules
        self._same.used_j += joules

    def check(self, reading_, seconds):
        """Takes the next `cleaned` reading, of a time. Raises Nonsense."""
        self._same.check(reading_, seconds)
        self._jump.check(reading_.charge, seconds)


class _Same:
    """Notices that nothing changes although it must."""

    def __init__(self, capacity_j):
        self._capacity_j = capacity_j
        self._reading, self._since_s = None, 0.0
        self.used_j = 0.0  # modelled, since then

    def check(self, reading_, seconds):
        if reading_ != self._reading:
            self._reading, self._since_s, self.used_j = reading_, seconds, 0.0
        elif self._capacity_j is not None:
            same_s = seconds - self._since_s
            share = self._moved_j(same_s) / self._capacity_j
            if share > _FROZEN_SHARE:
                raise Nonsense(
                    f"has said the same for {same_s:.0f} s, in which "
                    f"{100 * share:.0f}% must have moved")

    def _moved_j(self, seconds):
        """Joules into or out of the battery, if its charge can show them."""
        charge, draw_w = self._reading.charge, self._reading.draw_w or 0.0
        if self._reading.charging:
            return 0.0 if charge is None or charge >= _FULL else max(
                -draw_w * seconds, 0.0)
        return 0.0 if charge == 0.0 else max(self.used_j, draw_w * seconds)


class _Jump:
    """Notices a charge that moves more quickly than anything can move it."""

    def __init__(self, capacity_j):
        self._capacity_j = capacity_j
        self._charge, self._seconds = None, 0.0  # the last believed
        self.used_j = 0.0                        # modelled, since then
        self._doubted, self._agreeing = None, 0

    def check(self, charge, seconds):
        if charge is None:
            return
        if self._charge is not None:
            moved = abs(charge - self._charge)
            if moved > self._possible(seconds) and not self._insists(charge):
                raise Nonsense(f"jumps from {100 * self._charge:.0f}% to "
                               f"{100 * charge:.0f}%")
        self._charge, self._seconds, self.used_j = charge, seconds, 0.0
        self._doubted, self._agreeing = None, 0

    def _possible(self, seconds):
        """By how much the charge can have moved."""
        passed_s = seconds - self._seconds
        if self._capacity_j is None:
            return _CORRECTION + passed_s / _FULL_TO_EMPTY_S
        return _CORRECTION + (
            self.used_j + _MAX_POWER_W * passed_s) / self._capacity_j

    def _insists(self, charge):
        """Whether the source has said about the same often enough."""
        agrees = (self._doubted is not None
                  and abs(charge - self._doubted) <= _CORRECTION)
        self._agreeing = self._agreeing + 1 if agrees else 1
        self._doubted = charge
        return self._agreeing >= _AGREEING
