"""What an image costs the battery: real energy from modelled energy.

A bundle models the energy of its graphs (`bundle.Manifest.energy_model`): of
arithmetic and memory on a chip. A machine needs many times as much. Here is how
many times, from draw that was measured (`device.measure_energy`).
"""

import dataclasses
import math
from typing import NamedTuple

import numpy as np

from device import errors

# A difference of fewer standard errors is noise. Of six cycles, chance gives
# four in one case of 200 (Student's t, 5 degrees of freedom, one side).
SURE = 4

_MJ_PER_J = 1e3


class Phase(NamedTuple):
    """Some seconds of one kind of work, or of none."""

    watts: np.ndarray    # [N] float64, N >= 2: the machine's draw, in order
    seconds: float = 0.0
    images: int = 0
    modelled_mj: float = 0.0  # of one image


class Cycle(NamedTuple):
    """A phase of each kind, in little time: draw drifts as it warms."""

    idle: Phase
    work: dict  # name of a workload -> Phase; the dearest first


@dataclasses.dataclass(frozen=True)
class Workload:
    """Images classified without a pause, all on one way through the plan."""

    name: str              # "full", "half" or "cheapest"
    images: int
    seconds: float         # that they took
    draw_w: float          # mean, of the whole machine meanwhile
    modelled_mj: float     # of one image
    real_mj: float         # of one image, above idle
    real_mj_error: float   # its standard error

    @property
    def ratio(self):
        """Real energy per modelled energy, above idle."""
        return self.real_mj / self.modelled_mj


@dataclasses.dataclass(frozen=True)
class Energy:
    """Of an image, above idle, mJ: real = `scale` x modelled + `offset_mj`."""

    source: str            # name of the source of readings
    idle_w: float          # draw of the whole machine, the process asleep
    idle_w_error: float    # its standard error
    workloads: tuple[Workload, ...]  # the dearest first
    scale: float           # real per modelled energy
    scale_error: float     # its standard error
    offset_mj: float       # of every image, whatever it runs
    # How much more the second half of a phase drew than the first, as a share
    # of what work adds: about 0 of a source that follows at once, undisturbed.
    lag: float

    @property
    def misfit(self):
        """The line's largest error at a workload, as a share of its energy."""
        return max(abs(self.real_mj(each.modelled_mj) / each.real_mj - 1)
                   for each in self.workloads)

    def real_mj(self, modelled_mj):
        """Real energy of an image above idle, millijoules."""
        return self.scale * modelled_mj + self.offset_mj


def estimate(source, cycles):
    """The `Energy` of what was measured.

    Each cycle gives one value of every number; from their spread comes its
    standard error, whatever draw, drift and rounding made them differ.

    Args:
        source: name of the source of readings.
        cycles: two or more `Cycle`s with the same workloads.

    Raises:
        PowerError: what work draws drowns in noise, or the bundle models no
            energy.
    """
    phases = [tuple(cycle.work.values()) for cycle in cycles]
    idle_w = np.array([cycle.idle.watts.mean() for cycle in cycles])
    draw_w = np.array([[phase.watts.mean() for phase in row]
                         for row in phases])  # [cycles, workloads]
    image_s = np.array([[phase.seconds / phase.images for phase in row]
                        for row in phases])
    real_mj = _MJ_PER_J * (draw_w - idle_w[:, np.newaxis]) * image_s
    workloads = tuple(
        _workload(name, [row[index] for row in phases], draw_w[:, index],
                  real_mj[:, index])
        for index, name in enumerate(cycles[0].work))
    for each in workloads:
        _require_sure(each.real_mj, each.real_mj_error, (
            f"{source}: what the workload {each.name!r} adds to the idle draw "
            f"of {idle_w.mean():.3g} W, {each.draw_w - idle_w.mean():.2g} W"))
    scales, offset_mj = _lines(
        np.array([each.modelled_mj for each in workloads]), real_mj)
    _require_sure(scales.mean(), _error(scales), (
        f"{source}: how much more dearer images draw, "
        f"{scales.mean():.2g} J per modelled J"))
    return Energy(
        source, float(idle_w.mean()), _error(idle_w), workloads,
        float(scales.mean()), _error(scales), offset_mj,
        _lag([row[0].watts for row in phases],
             (draw_w[:, 0] - idle_w).mean()))


def check(energy):
    """What no measurement can have given, in words; else None."""
    if not energy.workloads:
        return "energy without a workload"
    positive = {"scale": energy.scale}
    others = {name: getattr(energy, name) for name in (
        "idle_w", "idle_w_error", "scale_error", "offset_mj")}
    for each in energy.workloads:
        where = f"workload {each.name}: "
        positive.update({where + name: getattr(each, name) for name in (
            "images", "seconds", "draw_w", "modelled_mj", "real_mj")})
        others[f"{where}real_mj_error"] = each.real_mj_error
    for name, value in positive.items():
        if not 0 < value < math.inf:
            return f"energy: {name}: expected a number above 0, found {value}"
    for name, value in others.items():
        if not 0 <= value < math.inf:
            return f"energy: {name}: expected 0 or more, found {value}"
    return None


def _workload(name, phases, draw_w, real_mj):
    """The `Workload` of its phases, one a cycle; the others are [cycles]."""
    return Workload(
        name, sum(phase.images for phase in phases),
        sum(phase.seconds for phase in phases), float(draw_w.mean()),
        phases[0].modelled_mj, float(real_mj.mean()), _error(real_mj))


def _lines(modelled_mj, real_mj):
    """Least squares of relative errors: real = scale * modelled + offset.

    Of relative ones, since an error in watts costs an image as many millijoules
    as it takes time.

    Args:
        modelled_mj: [workloads], of one image.
        real_mj: [cycles, workloads], of one image; their means are above 0.

    Returns:
        scales: [cycles].
        offset_mj: their mean, 0 or more. An image that runs nothing does not
            fill the battery: where the lines say so, and where a single
            workload gives none, they go through the origin instead.
    """
    if not modelled_mj.all():
        raise errors.PowerError(
            "the bundle models no energy, so there is nothing to scale. "
            "Export again with this version.")
    weights = 1 / real_mj.mean(axis=0)
    if len(modelled_mj) > 1:
        scales, offsets = np.polyfit(modelled_mj, real_mj.T, 1, w=weights)
        if offsets.mean() >= 0:
            return scales, float(offsets.mean())
    weighted = weights * modelled_mj
    return (weights * real_mj) @ weighted / (weighted @ weighted), 0.0


def _require_sure(value, error, what):
    if not value > SURE * error:
        raise errors.PowerError(
            f"{what}, is not measurable: it is no more than {SURE} times its "
            f"standard error. Stop other work, raise --energy_seconds, or use "
            "a source that tells watts more finely and more often.")


def _error(values):
    """Standard error of the mean of independent `values`."""
    return float(np.std(values, ddof=1) / math.sqrt(len(values)))


def _lag(phases, added_w):
    """`Energy.lag` of [N] watts of several phases."""
    halves = [np.array_split(watts, 2) for watts in phases]
    return float(np.mean([late.mean() - early.mean()
                          for early, late in halves]) / added_w)
