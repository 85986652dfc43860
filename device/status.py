"""How a run stands at this moment: what a view shows and metrics tell."""

import dataclasses
from typing import NamedTuple, Optional


class BatteryStatus(NamedTuple):
    """The battery as the budget sees it."""

    source: str                  # its name
    health: str                  # "good", "held" (last good value) or "lost"
    charge: Optional[float]      # 0 to 1
    draw_w: Optional[float]      # measured, or modelled where nothing measures
    charging: bool
    hours_left: Optional[float]  # down to the reserve, at the present draw
    hours_asked: float           # that are still to go
    reserve: float               # 0 to 1
    note: str                    # a warning, or ""


class BudgetStatus(NamedTuple):
    """What the next image may cost."""

    point: str                   # operating point of the last image
    target_mj: Optional[float]   # asked mean energy per image, modelled mJ
    battery: Optional[BatteryStatus]


class Limits(NamedTuple):
    """Hard budgets of every image; None: no such limit."""

    max_macs: Optional[int] = None
    max_energy_mj: Optional[float] = None  # modelled
    deadline_ms: Optional[float] = None


@dataclasses.dataclass(frozen=True)
class Status:
    """A snapshot; made anew for every image."""

    bundle: str            # name of its folder
    limits: Limits
    budget: BudgetStatus
    seconds: float         # since the beginning, of a clock that is never set
    name: Optional[str]    # of the last image; None before the first
    label: Optional[str]   # what it was taken for; None where it failed
    answer: object         # its `answers.Answer`; None where it failed
    summary: object        # `summary.Summary` of all so far
