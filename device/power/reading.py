"""What a source of battery readings tells, and what such a source is."""

import dataclasses
from typing import Optional, Protocol


@dataclasses.dataclass(frozen=True)
class Reading:
    """One look at the battery; None is what the source cannot tell."""

    charge: Optional[float] = None     # 0 to 1, of what the battery holds now
    draw_w: Optional[float] = None     # watts out of it; below 0 it charges
    voltage_v: Optional[float] = None
    charging: Optional[bool] = None    # external power is there


class Source(Protocol):
    """Reads one battery; `close` may be called twice."""

    name: str  # for people: "INA219 at 0x43 on I2C bus 1"

    def read(self):
        """The `Reading` of now. Raises PowerError."""

    def close(self):
        """Frees what it holds."""
