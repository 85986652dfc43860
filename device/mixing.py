"""A mean cost per image: met by mixing two operating points, image by image.

Mixing two operating points reaches the straight line between them in the plane
of cost and accuracy. The best that can be reached lies on the upper hull: at
any mean cost, a mixture of the two neighbours there answers at least as well as
any other, and an operating point below the hull is beaten by a mixture of the
same cost. Only points of the hull are used, cheapest first: the ladder.
"""

import bisect
import math

from device import errors
from device import status

# Images over which a debt is paid back: so many that single ones hardly move
# the choice (on a concave hull each stray from the target costs accuracy), and
# few against any battery.
_HORIZON = 1000

# Images between two looks at what was learnt: it takes longer than to choose.
_LEARN_EVERY = 10

# Share of the ladder that debts may move the choice by in any case. What cannot
# be paid back, the target being near the ladder's end or beyond, is dropped.
_SLACK = 0.05

# Images' worth of trust in what is known of a point before it is seen; and how
# many images are remembered, so that a change of scene is followed.
_TRUST, _MEMORY = 50, 1000


def ladder(points):
    """The operating points worth mixing, from the cheapest to the best.

    Args:
        points: `bundle.OperatingPoint`s.

    Returns:
        A tuple of those on the upper hull of accuracy over cost on tune; each
        costs more than the one before it and is more accurate.

    Raises:
        BudgetError: there are none.
    """
    if not points:
        raise errors.BudgetError(
            "a mean budget mixes operating points, but the bundle has none. "
            "Export a run of a network with exits.")
    hull = []
    for point in sorted(
            points, key=lambda p: (p.tune_mean_macs, -p.tune_accuracy)):
        while len(hull) > 1 and (
                _slope(hull[-2], hull[-1]) <= _slope(hull[-2], point)):
            hull.pop()
        if not hull or point.tune_accuracy > hull[-1].tune_accuracy:
            hull.append(point)
    return tuple(hull)


def _slope(one, other):
    """Accuracy per MAC gained from one point to a more expensive one."""
    gained = other.tune_accuracy - one.tune_accuracy
    spent = other.tune_mean_macs - one.tune_mean_macs
    return gained / spent if spent else math.copysign(math.inf, gained)


def macs(answer):
    """MACs that an image cost."""
    return answer.macs


def energy_mj(answer):
    """Modelled millijoules that an image cost."""
    return answer.energy_mj


def mj_per_mac(bundle):
    """Modelled millijoules of a MAC in the blocks of a `bundle.Bundle`.

    Raises BudgetError where it models no energy.
    """
    blocks = [g for g in bundle.manifest.graphs if g.role == "block"]
    macs_, energy_nj = (sum(getattr(graph, name) for graph in blocks)
                        for name in ("macs", "energy_nj"))
    if not macs_ or not energy_nj:
        raise errors.BudgetError(
            f"{bundle.folder} models no energy of its blocks. Give a budget in "
            "MACs, or export again.")
    return energy_nj / 1e6 / macs_


class Mixed:
    """Chooses points so that the mean of what images really cost is a target.

    Two loops. The outer one adds what the past images cost too little or too
    much, spread over the next `_HORIZON`, to the target. The inner one meets
    that by error diffusion: of two neighbours it takes the dearer as often as
    the mean costs of both ask for. Debts are bounded, so that the running mean
    of n images differs from the target by a constant over n, whatever single
    images cost; if the target lies beyond the ladder, its end is taken.

    What a point costs on this device's images is learnt: it begins with its
    cost on tune, times what all images so far cost over what they should have.

    Args:
        points: `bundle.OperatingPoint`s.
        target: mean cost per image, in units of `cost`; may be infinite.
        cost: `macs` or `energy_mj`: of an image, 0 or more.
        unit_per_mac: what `cost` says of a MAC, roughly.

    Attributes:
        target: as above; may be changed at any time.
        ladder: `bundle.OperatingPoint`s in use, cheapest first.

    Raises:
        BudgetError: there are no points.
    """

    def __init__(self, points, target, cost=macs, unit_per_mac=1.0):
        self.target = target
        self.ladder = ladder(points)
        self._cost = cost
        self._prior = [
            max(p.tune_mean_macs, 1.0) * unit_per_mac for p in self.ladder]
        self._spent = [0.0] * len(self.ladder)   # by recent images of a point
        self._seen = [0.0] * len(self.ladder)    # how many
        self._debt = 0.0      # what images cost beyond the target
        self._share = 0.0     # of the dearer point that the last choice left
        self._chosen = 0
        self._learn()

    @property
    def means(self):
        """What an image costs at every point of the ladder, as far as known."""
        return tuple(self._means)

    def choose(self):
        """The `bundle.OperatingPoint` for the next image."""
        aim = self.target - self._debt / _HORIZON
        # The first that costs as much; the one before it costs less.
        dearer = bisect.bisect_left(self._means, aim)
        if dearer == 0:
            self._chosen = 0
        elif dearer == len(self._means):
            self._chosen = dearer - 1
        else:
            below, above = self._means[dearer - 1:dearer + 1]
            self._share += (aim - below) / (above - below)
            self._chosen = dearer - 1
            if self._share >= 0.5:
                self._share -= 1.0
                self._chosen = dearer
        return self.ladder[self._chosen]

    def spent(self, answer):
        """Tells what the image cost: its `answers.Answer`."""
        cost, chosen = self._cost(answer), self._chosen
        first, last = self._means[0], self._means[-1]
        slack = _SLACK * (last - first)
        self._debt = min(
            max(self._debt + cost - self.target,
                -_HORIZON * max(last - self.target, slack)),
            _HORIZON * max(self.target - first, slack))
        kept = 1.0 - 1.0 / _MEMORY
        self._spent[chosen] = kept * self._spent[chosen] + cost
        self._seen[chosen] = kept * self._seen[chosen] + 1.0
        self._unlearnt += 1
        if self._unlearnt == _LEARN_EVERY:
            self._learn()

    def status(self):
        """`status.BudgetStatus`."""
        return status.BudgetStatus(self.ladder[self._chosen].name, None, None)

    def memory(self):
        """What was learnt of each point, by its name, and in which cost."""
        return {"cost": self._cost.__name__, "points": {
            point.name: [spent, seen] for point, spent, seen in zip(
                self.ladder, self._spent, self._seen, strict=True)}}

    def recall(self, memory):
        """Takes up a `memory`; what is not of this ladder is left out.

        So is all that was learnt in another cost: MACs are no millijoules.
        """
        if not isinstance(memory, dict) or (
                memory.get("cost") != self._cost.__name__):
            return
        known = memory.get("points")
        known = known if isinstance(known, dict) else {}
        for index, point in enumerate(self.ladder):
            learnt = known.get(point.name)
            if _is_learnt(learnt):
                self._spent[index], self._seen[index] = map(float, learnt)
        self._learn()

    def _learn(self):
        """Says anew what images cost at every point, ascending."""
        self._unlearnt = 0
        expected = sum(
            seen * prior for seen, prior in zip(self._seen, self._prior))
        trust = _TRUST * self._prior[-1]
        ratio = (sum(self._spent) + trust) / (expected + trust)
        means = [
            (spent + _TRUST * ratio * prior) / (seen + _TRUST)
            for spent, seen, prior in zip(
                self._spent, self._seen, self._prior)]
        # Two points that lie close can change places by chance.
        for index in range(1, len(means)):
            means[index] = max(means[index], means[index - 1])
        self._means = means


def _is_learnt(value):
    """Whether it is a [cost, images] that `Mixed.memory` can have given."""
    return (isinstance(value, (list, tuple)) and len(value) == 2
            and all(type(each) in (int, float) and 0 <= each < math.inf
                    for each in value) and value[1] <= _MEMORY)
