"""What a battery is asked for, and what is believed of device and battery."""

import dataclasses
import math
from typing import Optional

from device import errors

_J_PER_WH = 3600.0
_S_PER_HOUR = 3600.0

# How far off they may be, as shares (standard deviations): joules per modelled
# joule, where measured and where concluded from the time; watts at rest.
_MEASURED_SD, _CONCLUDED_SD, _IDLE_SD = 0.2, 0.5, 0.3


@dataclasses.dataclass(frozen=True)
class Task:
    """What a battery is asked for. Raises BudgetError where it makes no sense.

    Attributes:
        capacity_wh: of the battery when full, watt-hours.
        runtime_hours: that it must last. Time without power does not count,
            and no clock that can be set is looked at: after a power cut it
            lasts longer than asked rather than shorter.
        reserve: 0 to 1, charge that must be left at the end.
        idle_w: that the device draws when it classifies nothing; None: unknown,
            found out from how the charge falls.
        frames_per_hour: to be expected; None: as many as there are.
        energy_scale: real joules per modelled joule, measured; None: concluded
            from `active_w` and how long the first images take.
        offset_mj: real millijoules of every image beside those, measured.
        active_w: that the device draws more while it classifies.
    """

    capacity_wh: float
    runtime_hours: float
    reserve: float = 0.1
    idle_w: Optional[float] = None
    frames_per_hour: Optional[float] = None
    energy_scale: Optional[float] = None
    offset_mj: float = 0.0
    active_w: float = 2.0

    def __post_init__(self):
        for name in ("capacity_wh", "runtime_hours", "frames_per_hour",
                     "energy_scale", "active_w"):
            value = getattr(self, name)
            self._require(value is None or 0 < value < math.inf, name,
                          "a number above 0", value)
        self._require(0 <= self.reserve < 1, "reserve", "0 to below 1",
                      self.reserve)
        self._require(math.isfinite(self.offset_mj), "offset_mj",
                      "a finite number", self.offset_mj)
        self._require(self.idle_w is None or 0 <= self.idle_w < math.inf,
                      "idle_w", "0 or more", self.idle_w)

    def _require(self, holds, name, expected, found):
        if not holds:
            raise errors.BudgetError(
                f"battery: {name} must be {expected}, but is {found}.")

    @property
    def capacity_j(self):
        """Of the battery when full, joules."""
        return self.capacity_wh * _J_PER_WH

    @property
    def seconds(self):
        """That it must last."""
        return self.runtime_hours * _S_PER_HOUR

    @property
    def beliefs(self):
        """(idle watts, their standard deviation, that of `energy_scale`).

        The last is a share.
        """
        scale_sd = _CONCLUDED_SD if self.energy_scale is None else _MEASURED_SD
        if self.idle_w is None:
            # Half of what the battery can give: the rest is then for images.
            half_w = 0.5 * self.capacity_j / self.seconds
            return half_w, half_w, scale_sd
        return self.idle_w, _IDLE_SD * self.idle_w, scale_sd
