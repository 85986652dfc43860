"""How fast a battery drains: what the model says, corrected by its gauge.

Modelled energy is never exact, nor is a battery's capacity or what a board
draws at rest. So three numbers are estimated together, with their covariance,
by a Kalman filter: charge, real joules per modelled joule, and idle watts.

    charge falls by (scale modelled_j + idle_w seconds) / capacity_j
    gauge = charge + error

A gauge of whole percents, or a noisy one, does not make it wander: what is
learnt of the drain rests on the difference of readings over all that was drawn
between them, which grows, while the error of a reading does not. Where scale
and idle watts cannot be told apart (always the same work), their sum is what is
learnt, and the less certain of the two takes more of the correction; a change
of the operating point tells them apart. An old battery of 80% of its capacity
looks like one that drains 1.25 times as fast, which is as good a way to say it.

G. Plett, Extended Kalman filtering for battery management systems, part 3, J.
Power Sources 134 (2004), https://doi.org/10.1016/j.jpowsour.2004.02.033
"""

import dataclasses

import numpy as np

# Standard deviation of a gauge's charge: many tell whole percents.
_GAUGE_SD = 0.01

# How far charge, scale (a share of it) and idle watts (a share) may drift while
# a whole battery is drawn: warmth, load and age change them.
_DRIFT = np.array([0.01, 0.1, 0.1])

# A reading this many standard deviations off is another battery, or a charger
# that nobody told of.
_OUTLIER = 5.0

# Beyond these the model is of another device.
_LEAST_SCALE, _MOST_SCALE = 0.1, 10.0

# Of the idle watts, the largest of the three: no such device draws a kilowatt.
_MOST_VARIANCE = 1e6

# Of readings closer together, errors are alike: they would count twice.
_STEP = 0.005  # of the capacity drawn


@dataclasses.dataclass(frozen=True)
class Drain:
    """The estimate."""

    charge: float  # 0 to 1
    scale: float   # real joules per modelled joule
    idle_w: float  # drawn whatever is computed
    covariance: tuple[tuple[float, ...], ...]  # [3][3] of the three
    untold: float = 0.0  # share of the capacity drawn since `told`

    @property
    def charge_sd(self):
        """Standard deviation of the charge."""
        return self.covariance[0][0] ** 0.5


def begin(charge, idle_w, idle_sd_w, scale_sd):
    """The `Drain` before anything was drawn.

    Args:
        charge: what the gauge says, 0 to 1.
        idle_w: believed.
        idle_sd_w: how far off that may be: a standard deviation.
        scale_sd: the same of the scale, which is believed to be 1.
    """
    return Drain(charge, 1.0, idle_w, _rows(np.diag(
        [_GAUGE_SD ** 2, scale_sd ** 2, idle_sd_w ** 2])))


def used(drain, modelled_j, seconds, capacity_j):
    """Share of the capacity that this work and time took, 0 or more."""
    return (drain.scale * modelled_j + drain.idle_w * seconds) / capacity_j


def drawn(drain, modelled_j, seconds, capacity_j):
    """The `Drain` after work and time that no gauge has told of."""
    share = used(drain, modelled_j, seconds, capacity_j)
    motion = np.eye(3)
    motion[0, 1:] = -modelled_j / capacity_j, -seconds / capacity_j
    drift = _DRIFT * (1.0, drain.scale, drain.idle_w)
    covariance = motion @ drain.covariance @ motion.T + np.diag(
        drift ** 2 * share)
    return dataclasses.replace(
        drain, charge=max(drain.charge - share, 0.0),
        covariance=_rows(covariance), untold=drain.untold + share)


def told(drain, gauge):
    """The `Drain` corrected by what the gauge says (0 to 1) of this moment.

    Unchanged if little was drawn since it was last told.
    """
    if drain.untold < _STEP:
        return drain
    covariance = np.asarray(drain.covariance)
    error = gauge - drain.charge
    variance = covariance[0, 0] + _GAUGE_SD ** 2
    if abs(error) > _OUTLIER * variance ** 0.5:
        return refilled(drain, gauge)
    gain = covariance[:, 0] / variance
    charge, scale, idle_w = (gain * error).tolist()
    covariance = covariance - np.outer(gain, covariance[0])
    return Drain(
        min(max(drain.charge + charge, 0.0), 1.0),
        min(max(drain.scale + scale, _LEAST_SCALE), _MOST_SCALE),
        max(drain.idle_w + idle_w, 0.0), _rows(covariance))


def refilled(drain, gauge):
    """The `Drain` of a battery charged or changed: only the charge is new."""
    covariance = np.array(drain.covariance)
    covariance[0, :] = covariance[:, 0] = 0.0
    covariance[0, 0] = _GAUGE_SD ** 2
    return dataclasses.replace(
        drain, charge=gauge, covariance=_rows(covariance), untold=0.0)


def is_sound(drain):
    """Whether it can be an estimate: of a `Drain` that was stored."""
    if [len(row) for row in drain.covariance] != [3, 3, 3]:
        return False
    covariance = np.array(drain.covariance)
    return bool(
        0 <= drain.charge <= 1 and drain.idle_w >= 0 and drain.untold >= 0
        and _LEAST_SCALE <= drain.scale <= _MOST_SCALE
        and np.abs(covariance).max() < _MOST_VARIANCE
        and np.array_equal(covariance, covariance.T)
        and np.linalg.eigvalsh(covariance).min() > -1e-9)


def _rows(matrix):
    """A symmetric numpy matrix as plain numbers, which go into JSON."""
    return tuple(map(tuple, ((matrix + matrix.T) / 2).tolist()))
