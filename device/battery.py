"""A budget that follows a battery: it lasts as long as asked, at its best.

Every few seconds: look at the battery, correct what is believed of its drain
(`drain`), plan what an image may cost (`policy`), have that met (`mixing`).
"""

import dataclasses
import math
import time
from typing import Optional

from device import drain as drain_lib
from device import mixing
from device import policy
from device import sealed_json
from device import status
from device import typed_json
from device import workload as workload_lib

_S_PER_HOUR = 3600.0

# Seconds between two plans.
_PLAN_S = 5.0

# Charged by more than this while the device was off: a new day begins.
_REFILLED = 0.05


class BatteryBudget:
    """A `choosing.Chooser` that makes a battery last.

    Args:
        points: `bundle.OperatingPoint`s.
        watch: `power.watch.Watched`.
        task: `task.Task`.
        mj_per_mac: modelled millijoules of a MAC, roughly.
        clock: seconds that never go back.

    Raises:
        BudgetError: there are no points.
    """

    def __init__(self, points, watch, task, *, mj_per_mac,
                 clock=time.monotonic):
        self._watch, self._task, self._clock = watch, task, clock
        # Until there is a plan, the frugal point.
        self._mixed = mixing.Mixed(
            points, 0.0, mixing.energy_mj, mj_per_mac)
        self._workload = workload_lib.Workload(task)
        self._drain = None     # before the first reading
        self._met = False      # whether this process had a reading
        self._charger = policy.Charger()
        self._allowed_j = 0.0  # per image
        self._elapsed_s, self._planned_s = 0.0, None
        self._look, self._note = None, ""

    def choose(self):
        """The `bundle.OperatingPoint` for the next image."""
        self._plan_if_due()
        return self._mixed.choose()

    def spent(self, answer):
        """Tells the cost of that image: its `answers.Answer`."""
        self._mixed.spent(answer)
        self._workload.add(answer)

    def status(self):
        """`status.BudgetStatus`; the battery is read while no image comes, too.
        """
        self._plan_if_due()
        target_mj = self._mixed.target
        return status.BudgetStatus(
            self._mixed.status().point,
            target_mj if math.isfinite(target_mj) else None,
            self._battery())

    def memory(self):
        """What was learnt, and how much of the asked time is over."""
        return sealed_json.values(_Memory(
            self._task.capacity_wh, self._task.runtime_hours, self._elapsed_s,
            self._drain, self._workload.memory(), self._mixed.memory(),
            self._watch.memory()))

    def recall(self, memory):
        """Takes up a `memory` of the same task; nonsense is ignored.

        A time that is over begins anew; so it does when the battery comes back
        fuller than it was left.
        """
        try:
            known = typed_json.parse(_Memory, memory)
        except typed_json.TypedJsonError:
            return
        self._mixed.recall(known.points)
        self._watch.recall(known.source)
        self._workload.recall(known.workload)
        if known.capacity_wh != self._task.capacity_wh:
            return
        if known.drain is not None and drain_lib.is_sound(known.drain):
            self._drain = known.drain
        if known.runtime_hours == self._task.runtime_hours and (
                0 <= known.elapsed_s < self._task.seconds):
            self._elapsed_s = known.elapsed_s

    def _plan_if_due(self):
        now_s = self._clock()
        if self._planned_s is None or now_s - self._planned_s >= _PLAN_S:
            self._plan(now_s)

    def _plan(self, now_s):
        """Looks at the battery, and says what the next images may cost."""
        seconds = 0.0 if self._planned_s is None else now_s - self._planned_s
        self._planned_s = now_s
        self._elapsed_s += seconds
        images_j = self._workload.take(seconds)
        capacity_j, used = self._task.capacity_j, 0.0
        if self._drain is not None:
            used = drain_lib.used(self._drain, images_j, seconds, capacity_j)
            self._drain = drain_lib.drawn(
                self._drain, images_j, seconds, capacity_j)
        self._look = self._watch.look(used * capacity_j)
        reading = self._look.reading
        if self._look.health == "good" and reading.charge is not None:
            self._hear(reading, now_s)
        self._note = self._decide()

    def _hear(self, reading, now_s):
        """Learns from a good `power.reading.Reading`."""
        if self._drain is None:
            self._drain = drain_lib.begin(reading.charge, *self._task.beliefs)
        elif not self._met:
            if reading.charge > self._drain.charge + _REFILLED:
                self._elapsed_s = 0.0
            self._drain = drain_lib.refilled(self._drain, reading.charge)
        elif policy.charging(reading):
            # What flows in is unknown: nothing is learnt of what flows out.
            self._drain = drain_lib.refilled(self._drain, reading.charge)
        else:
            self._drain = drain_lib.told(self._drain, reading.charge)
        self._met = True
        self._charger = policy.charger(
            self._charger, policy.lifts(reading), now_s)

    def _decide(self):
        """Says what images may cost; returns a warning or ""."""
        look, workload = self._look, self._workload
        if look.health == "lost" or look.reading.charge is None:
            self._allow(0.0)
            return look.note or f"{self._watch.name} does not tell its charge"
        if self._charger.present:
            self._allow(math.inf)
        elif workload.known:
            state = self._state()
            self._allow(policy.settle(state, self._allowed_j))
            return look.note or policy.shortfall(
                state, workload.joules(self._mixed.means[0]))
        return look.note

    def _allow(self, joules):
        """Lets images draw so much on average, as far as that is known."""
        self._allowed_j = joules
        self._mixed.target = self._workload.modelled_mj(joules)

    def _state(self):
        """`policy.State` of now; there is a drain."""
        return policy.State(
            self._drain.charge, self._drain.charge_sd, self._task.capacity_j,
            self._task.reserve, self._task.seconds - self._elapsed_s,
            self._task.seconds, self._workload.images_per_s,
            self._drain.idle_w, self._drain.scale)

    def _battery(self):
        """`status.BatteryStatus`; there was a look."""
        reading = self._look.reading
        charge = draw_w = hours_left = None
        if self._drain is not None:
            state, image_j = self._state(), self._workload.image_j
            charge, draw_w = state.charge, policy.draw_w(state, image_j)
            if not self._charger.present:
                hours_left = policy.hours(state, image_j)
        if reading is not None and reading.draw_w is not None:
            draw_w = reading.draw_w
        return status.BatteryStatus(
            self._watch.name, self._look.health, charge, draw_w,
            self._charger.present, hours_left,
            max(self._task.seconds - self._elapsed_s, 0.0) / _S_PER_HOUR,
            self._task.reserve, self._note)


@dataclasses.dataclass(frozen=True)
class _Memory:
    """What `BatteryBudget` remembers."""

    capacity_wh: float
    runtime_hours: float
    elapsed_s: float                   # of them
    drain: Optional[drain_lib.Drain]
    workload: workload_lib.Memory
    points: dict[str, object]          # `mixing.Mixed.memory`
    source: dict[str, object]          # `power.watch.Watched.memory`
