"""A battery's day, computed from traces: what policies make of the same images.

    python -m device.simulate --bundle=BUNDLE --traces=TRACES --battery_wh=...

Images come at a fixed pace, in an order that is the same for every policy. Each
costs what the traces say of it at the operating point chosen; the battery is
`power.simulated.Battery`, and a policy sees no more of it than a gauge tells.
"""

import dataclasses
import math
from typing import NamedTuple, Optional

import numpy as np

from device import battery as battery_lib
from device import errors
from device.power import simulated
from device.power import watch

_S_PER_HOUR, _J_PER_WH = 3600.0, 3600.0

# The battery is moved so often; a policy's clock runs on from image to image.
_TICK_S = 60.0

# As many take minutes, and 2 GB.
_MOST_IMAGES = 100_000_000

# The sun rises and sets at these hours of the day; the simulation begins at 0.
_SUNRISE, _SUNSET = 6.0, 18.0


@dataclasses.dataclass(frozen=True)
class World:
    """What is true, whatever a policy believes.

    Attributes:
        battery_wh: capacity, watt-hours; full at the beginning.
        hours: that are simulated.
        frames_per_hour: images that come.
        idle_w: drawn whatever is computed.
        error: real energy of images is 1 + error times the believed one.
        solar_w: of a panel at noon.
        resolution, noise: of the gauge's charge: its step, and the standard
            deviation of its error.
        lost_hours: (from, until) the gauge does not answer; or None.
        seed: of the images' order and the gauge's noise.
    """

    battery_wh: float
    hours: float
    frames_per_hour: float
    idle_w: float
    error: float = 0.0
    solar_w: float = 0.0
    resolution: float = 0.01
    noise: float = 0.0
    lost_hours: Optional[tuple[float, float]] = None
    seed: int = 0

    def __post_init__(self):
        # The capacity last: it may be concluded from the others.
        _require(-1 < self.error < math.inf, "error", "above -1", self.error)
        for name in ("idle_w", "solar_w"):
            value = getattr(self, name)
            _require(0 <= value < math.inf, name, "0 or more", value)
        for name in ("hours", "frames_per_hour", "battery_wh"):
            value = getattr(self, name)
            _require(0 < value < math.inf, name, "a number above 0", value)
        _require(self.hours * self.frames_per_hour <= _MOST_IMAGES, "hours",
                 f"at most {_MOST_IMAGES:,} images long", self.hours)

    @property
    def images(self):
        """That come."""
        return len(self.times_s)

    @property
    def times_s(self):
        """[N] when they come."""
        return np.arange(0.0, self.hours * _S_PER_HOUR,
                         _S_PER_HOUR / self.frames_per_hour)

    def sun_w(self, hour):
        """Watts of the panel: half a sine from sunrise to sunset."""
        day = (hour % 24.0 - _SUNRISE) / (_SUNSET - _SUNRISE)
        return self.solar_w * max(math.sin(math.pi * day), 0.0) if (
            0 < day < 1) else 0.0


def _require(holds, name, expected, found):
    if not holds:
        raise errors.BudgetError(
            f"simulation: {name} must be {expected}, but is {found}.")


class Images(NamedTuple):
    """What N images do at one operating point, and are believed to draw."""

    right: np.ndarray       # [N] bool
    energy_mj: np.ndarray   # [N] modelled
    latency_ms: np.ndarray  # [N]; NaN where unknown
    joules: np.ndarray      # [N] believed


class Seen(NamedTuple):
    """What a policy is told of an image; of `answers.Answer`."""

    energy_mj: float
    latency_ms: float


@dataclasses.dataclass(frozen=True, eq=False)
class Course:
    """What became of a policy; T ticks of time."""

    name: str
    hours: np.ndarray      # [T] end of every tick
    charge: np.ndarray     # [T] true, 0 to 1; 0 when dead
    frames: np.ndarray     # [T] answered
    right: np.ndarray      # [T] of them right
    energy_mj: np.ndarray  # [T] modelled, of them
    notes: tuple           # (hour, warning), as they came; "": and went

    @property
    def died(self):
        """Hour in which the battery was empty; or None."""
        dead = np.flatnonzero(self.charge <= 0)
        return float(self.hours[dead[0]]) if dead.size else None

    def lasts(self, reserve):
        """Hours until the charge passes `reserve` for the first time.

        What lies beyond the simulation is what the mean draw says.
        """
        below = np.flatnonzero(self.charge < reserve)
        if below.size:
            return float(self.hours[below[0]])
        drawn = 1.0 - self.charge[-1]
        return float(self.hours[-1] * (1.0 - reserve) / drawn) if (
            drawn > 0) else math.inf


class Clock:
    """Seconds that somebody sets forward."""

    def __init__(self):
        self.now_s = 0.0

    def __call__(self):
        return self.now_s


class Gauge:
    """A `power.reading.Source` of a battery; it fails at some hours."""

    def __init__(self, battery, clock, lost_hours):
        self.name = battery.name
        self._battery, self._clock, self._lost = battery, clock, lost_hours

    def read(self):
        """The battery's `power.reading.Reading`. Raises PowerError."""
        hour = self._clock() / _S_PER_HOUR
        if self._lost is not None and self._lost[0] <= hour < self._lost[1]:
            raise errors.PowerError(f"{self.name}: does not answer")
        return self._battery.read()

    def close(self):
        """There is nothing to free."""


def fixed(name, images, world):
    """The `Course` of always the same way to run images.

    Args:
        name: of the policy.
        images: `Images` of it.
        world: `World`.
    """
    return _course(name, world, len(images.right),
                   lambda clock, battery: _Fixed(images))


def driven(name, points, images, task, mj_per_mac, world):
    """The `Course` of a battery-driven budget.

    Args:
        name: of the policy.
        points: `bundle.OperatingPoint`s.
        images: name of an operating point -> its `Images`.
        task: `task.Task` that the budget is given.
        mj_per_mac: as `battery.BatteryBudget` takes it.
        world: `World`.
    """
    def make(clock, battery):
        watched = watch.Watched(
            Gauge(battery, clock, world.lost_hours),
            capacity_wh=task.capacity_wh, patience_s=None, clock=clock,
            warn=lambda text: None)  # the status tells it too
        return _Driven(battery_lib.BatteryBudget(
            points, watched, task, mj_per_mac=mj_per_mac, clock=clock),
            images, clock)

    return _course(name, world, len(next(iter(images.values())).right), make)


class _Fixed:
    """Runs every image in the same way."""

    note = ""

    def __init__(self, images):
        self._images = images

    def answer(self, frames, times_s):
        """(right, modelled mJ, believed joules) of images, summed."""
        del times_s  # whenever they come
        return (self._images.right[frames].sum(),
                self._images.energy_mj[frames].sum(),
                self._images.joules[frames].sum())


class _Driven:
    """Runs every image as a `choosing.Chooser` says."""

    def __init__(self, chooser, images, clock):
        self._chooser, self._clock = chooser, clock
        # Numbers of lists are had in less time than those of arrays.
        self._images = {
            name: Images(*(column.tolist() for column in columns))
            for name, columns in images.items()}

    @property
    def note(self):
        """The present warning, or ""."""
        battery = self._chooser.status().battery
        return "" if battery is None else battery.note

    def answer(self, frames, times_s):
        """As `_Fixed.answer`."""
        sums = 0, 0.0, 0.0
        for frame, self._clock.now_s in zip(frames.tolist(), times_s.tolist()):
            images = self._images[self._chooser.choose().name]
            energy_mj = images.energy_mj[frame]
            self._chooser.spent(Seen(energy_mj, images.latency_ms[frame]))
            sums = (sums[0] + images.right[frame], sums[1] + energy_mj,
                    sums[2] + images.joules[frame])
        return sums


def _course(name, world, count, make):
    """The `Course` of a policy.

    Args:
        name: of it.
        world: `World`.
        count: N; which of them comes when is the same for every policy.
        make: (clock, battery) -> what has `answer` and `note`.
    """
    battery = simulated.Battery(
        world.battery_wh, idle_w=world.idle_w, resolution=world.resolution,
        noise=world.noise, seed=world.seed)
    policy = make(Clock(), battery)
    ends_s = np.arange(1, math.ceil(world.hours * _S_PER_HOUR / _TICK_S) + 1
                       ) * _TICK_S
    columns, notes = np.zeros((4, len(ends_s))), []
    for tick, (frames, times_s) in enumerate(_arrivals(world, count, ends_s)):
        battery.charge_with(world.sun_w(ends_s[tick] / _S_PER_HOUR))
        right, energy_mj, joules = policy.answer(frames, times_s)
        battery.use(joules * (1.0 + world.error))
        battery.advance(_TICK_S)
        if battery.dead:
            break
        columns[:, tick] = (
            battery.truth_j / (world.battery_wh * _J_PER_WH), len(frames),
            right, energy_mj)
        # A warning's numbers change all the time.
        if bool(policy.note) != bool(notes and notes[-1][1]):
            notes.append((float(ends_s[tick] / _S_PER_HOUR), policy.note))
    return Course(name, ends_s / _S_PER_HOUR, *columns, tuple(notes))


def _arrivals(world, count, ends_s):
    """Yields (numbers of images, their times in seconds) for every tick."""
    times_s = world.times_s
    order = np.random.default_rng(world.seed).integers(count, size=len(times_s))
    begins = np.searchsorted(times_s, np.concatenate(([0.0], ends_s)))
    for begin, end in zip(begins[:-1], begins[1:]):
        yield order[begin:end], times_s[begin:end]


if __name__ == "__main__":
    from absl import flags

    from device import simulate_command
    flags.adopt_module_key_flags(simulate_command)  # `--help` lists them
    simulate_command.start()
