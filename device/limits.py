"""Hard budgets of one image, while it is classified: what is left of each.

A limit has `costs` (`budget.Costs`, in its resource), `left()`, and
`pay(node)`, which is called after every graph that ran.
"""

import math

from device import budget
from device import errors

# Nobody means more; in picojoules, it is still a whole number exactly.
_MOST = 10**15

_NS_PER_MS = 1e6


class Allowance:
    """So many MACs, or picojoules.

    Args:
        costs: `budget.Costs`.
        most: of the resource.
        price: `plan.Node` -> what running it costs.
    """

    def __init__(self, costs, most, price):
        self.costs, self._left, self._price = costs, most, price

    def left(self):
        return self._left

    def pay(self, node):
        self._left -= self._price(node)


class Deadline:
    """So much time; it passes by itself.

    Args:
        costs: `budget.Costs` in nanoseconds, of times that are seldom passed.
        until: when the answer is due, by `clock`, nanoseconds.
        clock: callable -> integer nanoseconds.
    """

    def __init__(self, costs, until, clock):
        self.costs, self._until, self._clock = costs, until, clock

    def left(self):
        return self._until - self._clock()

    def pay(self, node):
        """Nothing: the clock is watched."""


class Wanted:
    """Unlimited until somebody wants the answer now (`anytime.Ongoing`).

    Args:
        costs: any `budget.Costs`.
        ongoing: `anytime.Ongoing`.
    """

    def __init__(self, costs, ongoing):
        self.costs, self._ongoing = costs, ongoing

    def left(self):
        return -1 if self._ongoing.is_stopped else math.inf

    def pay(self, node):
        """Nothing."""


class Tariff:
    """What a bundle's graphs cost in every resource; makes an image's limits.

    Args:
        plan: `bundle.Plan`.
        graphs: names to `bundle.Graph`.
        profile: `profile.Profile` of this machine; None: no deadlines.

    Attributes:
        macs, energy_pj: `budget.Costs`.
        time_ns: `budget.Costs`, 95th percentiles; None without a profile.
    """

    def __init__(self, plan, graphs, profile=None):
        self.macs = budget.costs(plan, graphs)
        self.energy_pj = budget.costs(plan, graphs, budget.energy_pj)
        self.time_ns, self._rest_ns = None, 0
        if profile is not None:
            p95_ms = {graph.name: graph.p95_ms for graph in profile.graphs}
            self.time_ns = budget.costs(
                plan, graphs, lambda graph: _NS_PER_MS * p95_ms[graph.name])
            # Of an image, beside its graphs: scaling it, softmax, decisions.
            self._rest_ns = _NS_PER_MS * max(
                0, profile.full_path.median_ms - profile.parts_ms)

    def check(self, limits):
        """Whether every image can keep `status.Limits`.

        Raises:
            BudgetError: less than the cheapest way to any answer, more than
                can be counted, or a deadline without a profile.
        """
        if limits.max_macs is not None:
            _require(limits.max_macs, self.macs.cheapest, "{:,} MACs")
        if limits.max_energy_mj is not None:
            _require(limits.max_energy_mj,
                     self.energy_pj.cheapest / budget.PJ_PER_MJ, "{:.9f} mJ")
        if limits.deadline_ms is not None:
            if self.time_ns is None:
                raise errors.BudgetError(
                    "a deadline needs to know how long every graph takes on "
                    "this machine. Measure it: python -m device.profile.")
            _require(limits.deadline_ms, self.least_ms, "{:.3f} ms")

    @property
    def least_ms(self):
        """The shortest deadline that is accepted; there must be a profile."""
        return (self.time_ns.cheapest + self._rest_ns) / _NS_PER_MS

    def open(self, limits, started, clock, ongoing=None):
        """What is left of each limit that is set, for one image: a tuple.

        Args:
            limits: `status.Limits`.
            started: when the image came, by `clock`.
            clock: callable -> integer nanoseconds.
            ongoing: `anytime.Ongoing`, or None.

        Raises:
            BudgetError: as `check`.
        """
        self.check(limits)
        found = []
        if limits.max_macs is not None:
            found.append(Allowance(
                self.macs, limits.max_macs, lambda node: node.macs))
        if limits.max_energy_mj is not None:
            found.append(Allowance(
                self.energy_pj, whole_pj(limits.max_energy_mj),
                lambda node: node.energy_pj))
        if limits.deadline_ms is not None:
            until = started + _NS_PER_MS * limits.deadline_ms - self._rest_ns
            found.append(Deadline(self.time_ns, until, clock))
        if ongoing is not None:
            found.append(Wanted(self.macs, ongoing))
        return tuple(found)


def _require(value, least, unit):
    smallest = f"the smallest that works is {unit.format(least)}."
    if not abs(value) <= _MOST:  # also what is not a number
        raise errors.BudgetError(
            f"a budget is a number of at most {_MOST:,}; {smallest}")
    if value < least:
        raise errors.BudgetError(
            f"a budget of {unit.format(value)} pays for no answer; {smallest}")


def whole_pj(millijoules):
    """The most picojoules that are, in millijoules, not more than these."""
    nearest = round(millijoules * budget.PJ_PER_MJ)
    return nearest - (nearest / budget.PJ_PER_MJ > millijoules)
