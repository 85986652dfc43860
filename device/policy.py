"""What an image may cost so that the battery lasts: pure functions of numbers.

The plan is made anew all the time, for what is left until the end (a receding
horizon): the joules above the reserve, spread evenly over the seconds to go,
less what the board draws at rest, spread over the images to come. Evenly,
because accuracy over cost is concave: two different halves of a day answer
fewer images right than two equal ones of the same energy. Whatever went wrong
so far is spread over all the time that is left.
"""

import math
from typing import NamedTuple

_S_PER_HOUR = 3600.0

# Standard deviations of the charge that are kept beside the reserve, which is
# asked for and not merely aimed at.
_CAUTION = 1.5

# Share of the asked time that is planned for at least: there is no end at which
# all that is left may go at once.
_LAST_SHARE = 0.002

# Plans that differ by less than that share are the same.
_BAND = 0.02

# What a sensor may show of a full battery that rests beside a charger.
_TRICKLE_W = 0.1

# Seconds that a charger must be seen, or not seen, before it counts.
_DWELL_S = 60.0


class State(NamedTuple):
    """What a plan is made from."""

    charge: float        # 0 to 1
    charge_sd: float     # standard deviation of it
    capacity_j: float
    reserve: float       # 0 to 1
    seconds_left: float  # of those asked; below 0 when they are over
    seconds_asked: float
    images_per_s: float  # to be expected, above 0
    idle_w: float
    scale: float         # real joules per joule that is believed of images


def image_j(state):
    """Joules that images may be believed to draw; below 0 if none are left."""
    charge = state.charge - _CAUTION * state.charge_sd - state.reserve
    allowed_w = max(charge, 0.0) * state.capacity_j / _horizon_s(state)
    return (allowed_w - state.idle_w) / (state.scale * state.images_per_s)


def draw_w(state, believed_j):
    """Watts that are drawn while images are believed to draw so many joules."""
    return state.idle_w + state.scale * believed_j * state.images_per_s


def hours(state, believed_j):
    """Hours to the reserve at so many believed joules per image; or infinity.

    Of the charge as it is most likely: nothing is held back.
    """
    left_j = max(state.charge - state.reserve, 0.0) * state.capacity_j
    watts = draw_w(state, believed_j)
    return left_j / watts / _S_PER_HOUR if watts > 0 else math.inf


def shortfall(state, least_j):
    """A warning if even the cheapest images do not last; or "".

    Args:
        state: `State`.
        least_j: believed joules of an image at the cheapest operating point.
    """
    lasts, asked = hours(state, least_j), state.seconds_left / _S_PER_HOUR
    if lasts >= asked:
        return ""
    return ("even the cheapest operating point lasts only "
            f"{lasts:.1f} of the {asked:.1f} hours to go")


def settle(state, old_j):
    """Joules that an image may be believed to draw, 0 or more.

    Those asked so far stay unless the plan is another: a dead band, of what the
    doubt about the charge explains. It widens as the end comes near and there
    is less and less to spread an error over: the last plan is then kept, and
    not made worse by the gauge.

    Args:
        state: `State`.
        old_j: what the last call returned; infinite: everything was allowed.
    """
    new_j = max(image_j(state), 0.0)
    doubt_j = state.charge_sd * state.capacity_j / (
        _horizon_s(state) * state.scale * state.images_per_s)
    keep = abs(new_j - old_j) <= max(_BAND * new_j, doubt_j)
    return old_j if keep and state.charge > state.reserve else new_j


def _horizon_s(state):
    """Seconds that what is left must last."""
    return max(state.seconds_left, _LAST_SHARE * state.seconds_asked)


def charging(reading):
    """Whether a `power.reading.Reading` tells of energy that flows in."""
    return bool(reading.charging) or (
        reading.draw_w is not None and reading.draw_w < 0)


def lifts(reading):
    """Whether so much flows in that images may cost what they will.

    A charger that gives less than is drawn lifts nothing.
    """
    return charging(reading) and (
        reading.draw_w is None or reading.draw_w <= _TRICKLE_W)


class Charger(NamedTuple):
    """Whether a charger counts as present, and since when that is in doubt."""

    present: bool = False
    doubted_s: float = math.inf  # time; infinite: not in doubt


def charger(before, seen, now_s):
    """The `Charger` after one more look.

    Args:
        before: `Charger`.
        seen: whether a charger is seen now.
        now_s: of a clock that is never set.
    """
    if seen == before.present:
        return Charger(before.present)
    doubted_s = min(before.doubted_s, now_s)
    if now_s - doubted_s < _DWELL_S:
        return Charger(before.present, doubted_s)
    return Charger(seen)
