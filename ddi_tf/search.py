"""Exit thresholds that answer the most images right within a mean budget.

Dual Dynamic Inference, Section 3.2, asks for thresholds per exit and a mean
cost, and leaves open how to find them. Here: give every exit a few candidate
thresholds ("off" among them), and count right answers and cost of *every*
combination at once. An image leaves at the first exit whose threshold reaches
its entropy, so how many leave where is a box of the E-dimensional histogram of
entropies, and all boxes are its cumulative sums (`combinations`). A coarse grid
over all exits finds the region; two exits at a time, on fine grids, find the
place in it. No random numbers: equal traces give equal thresholds.
"""

import itertools
from typing import NamedTuple

import numpy as np

from ddi_tf import errors
from ddi_tf import exit_rules

# Combinations that the coarse grid may have: a second's work.
_CELLS = 300_000

# Candidates of one exit while two are refined: over all entropies, and next to
# where it is.
_SPREAD, _NEAR = 60, 60

# Cells of the coarse grid to refine from, and how often at most.
_STARTS, _ROUNDS = 3, 12


# Of the cost of the most accurate thresholds, a budget that is tried for the
# same accuracy.
_SAVING = 0.98

# Budgets that `Search.cheapest` tries: each halves what it does not know.
_BISECTIONS = 6


class Found(NamedTuple):
    """Thresholds, and what they do on the traces they were chosen on."""

    thresholds: list  # E entropies in nats, or None: off
    accuracy: float   # share of right answers
    cost: float       # mean, of the search's resource


class Counts(NamedTuple):
    """What combinations of candidates do, each [C_1, ..., C_E]."""

    right: np.ndarray  # images
    cost: np.ndarray   # sum over images


def combinations(traces, cost, candidates):
    """Right answers and cost of every combination of candidate thresholds.

    With r_e the first candidate of exit e that an image's entropy reaches, and
    c_e the chosen one, the image leaves at e if `c_j < r_j` for all j < e and
    `c_e >= r_e`: cumulative sums along the axes of a histogram of the r.

    Args:
        traces: `traces.Traces` with E exits.
        cost: `traces.Cost`.
        candidates: E lists of thresholds in nats, ascending; None, off, may
            come first.

    Returns:
        `Counts`, one entry per combination.
    """
    shape = tuple(map(len, candidates))
    right = traces.predictions == traces.labels[:, None]
    ranks = [_ranks(traces.entropies[:, e], options)
             for e, options in enumerate(candidates)]
    answered, spent = np.zeros(shape), np.zeros(shape)
    everyone = np.ones(len(traces.labels))
    for e, options in enumerate(candidates):
        # Who comes here pays the exit, if it is on.
        reach = _sums(ranks[:e], shape[:e], everyone)
        on = np.array([option is not None for option in options])
        spent += _wide(reach[..., None] * (cost.answers[e] * on), shape)
        leave = lambda weights: np.cumsum(_sums(
            ranks[:e + 1], shape[:e + 1], weights, leaving=True), axis=-1)
        answered += _wide(leave(right[:, e]), shape)
        spent += _wide(leave(cost.spent[:, e]), shape)
    answered += _sums(ranks, shape, right[:, -1])
    spent += _sums(ranks, shape, cost.spent[:, -1] + cost.answers[-1])
    return Counts(answered, spent)


def _ranks(entropies, options):
    """[N] index of the first option that lets an image out; len if none."""
    start = int(bool(options) and options[0] is None)
    limits = np.array(options[start:], np.float32)
    return start + np.searchsorted(limits, entropies, side="left")


def _sums(ranks, shape, weights, leaving=False):
    """Sums over images that pass every exit, by the exits' candidates.

    Args:
        ranks: of each exit, [N] ints in [0, C_e].
        shape: (C_1, ...).
        weights: [N], what to sum.
        leaving: whether the last axis stays a histogram: who leaves there.

    Returns:
        [C_1, ...].
    """
    if not ranks:
        return np.asarray(weights.sum(), float)
    passing = len(shape) - leaving
    # Rank 0 leaves whatever is chosen, the last never.
    index = [rank - (axis < passing) for axis, rank in enumerate(ranks)]
    keep = np.logical_and.reduce([
        (0 <= i) & (i < size) for i, size in zip(index, shape)])
    table = np.bincount(
        np.ravel_multi_index([i[keep] for i in index], shape), weights[keep],
        minlength=int(np.prod(shape))).reshape(shape)
    for axis in range(passing):
        if shape[axis] > 1:  # passes c: its rank is above c
            table = np.flip(np.cumsum(np.flip(table, axis), axis), axis)
    return table


def _wide(table, shape):
    """A table of the first exits, broadcast over the later ones."""
    return table.reshape(table.shape + (1,) * (len(shape) - table.ndim))


class Search:
    """Finds thresholds on one set of traces.

    Args:
        traces: `traces.Traces` of the tune split.
        cost: `traces.Cost` of the same images.
        cells: combinations that the coarse grid may have.
    """

    def __init__(self, traces, cost, cells=_CELLS):
        self._traces, self._cost = traces, cost
        self._images = len(traces.labels)
        self._exits = traces.entropies.shape[1] - 1
        self._values = [np.unique(traces.entropies[:, e])
                        for e in range(self._exits)]
        # So many per exit, "off" among them.
        size = int(cells ** (1 / max(self._exits, 1)))
        self._grid = [self._candidates(e, size - 1)
                      for e in range(self._exits)]
        self._coarse = combinations(traces, cost, self._grid)
        self._rules = [chosen for rule in exit_rules.RULES.values()
                       for chosen in rule(traces)]
        self._by_rules = Counts(
            *exit_rules.counts(traces, cost, self._rules))
        self.most_accurate = self._cheapest_of_the_best()

    @property
    def least(self):
        """Smallest mean cost that makes sense: all leave at one answer."""
        return float((self._cost.spent.mean(axis=0, dtype=np.float64)
                      + self._cost.answers).min())

    @property
    def most(self):
        """Largest that makes sense: that of the most accurate thresholds."""
        return self.most_accurate.cost

    def within(self, budget):
        """The most accurate `Found` whose mean cost is at most `budget`.

        Args:
            budget: mean cost per image, in the cost's unit.

        Raises:
            ConfigError: nothing is as cheap, or nothing as dear helps.
        """
        # A budget printed and typed in again is rounded.
        if not (1 - 1e-6) * self.least <= budget <= (1 + 1e-6) * self.most:
            raise errors.ConfigError(
                f"a mean budget of {budget:,.6g} {self._cost.unit} per image "
                "makes no sense here: it must lie between "
                f"{self.least:,.6g}, where all images leave at one answer, and "
                f"{self.most:,.6g}, where more work answers no more images "
                "right.")
        return self._find(max(budget, self.least))

    def frontier(self, count):
        """Up to `count` `Found`, each dearer and more accurate than the last.

        Their budgets are spread evenly between `least` and `most`.
        """
        found = []
        for budget in np.linspace(self.least, self.most, count)[:-1]:
            found.append(self._find(budget))
        found.append(self.most_accurate)
        return [point for n, point in enumerate(found) if not n or (
            point.accuracy > max(other.accuracy for other in found[:n]))]

    def cheapest(self, accuracy):
        """About the cheapest `Found` that is right as often as `accuracy`.

        The most accurate of all if none is.
        """
        found, low, high = self.most_accurate, self.least, self.most
        for _ in range(_BISECTIONS):
            other = self._find((low + high) / 2)
            if other.accuracy >= accuracy:
                found, high = other, other.cost
            else:
                low = (low + high) / 2
        return found

    def _cheapest_of_the_best(self):
        """`Found` of the highest accuracy, as cheap as it can be had."""
        found = self._find(np.inf)
        while found.cost > self.least:
            other = self._find(max(_SAVING * found.cost, self.least))
            if other.accuracy < found.accuracy:
                break
            found = other
        return found

    def _find(self, budget):
        limit = budget * self._images * (1 + 1e-9)
        found = [self._refined(start, limit)
                 for start in self._starts(limit)]
        return max(found, key=lambda one: (one.accuracy, -one.cost))

    def _starts(self, limit):
        """Thresholds to begin from: of the grid, and of simple rules."""
        best = []
        for on in itertools.product((False, True), repeat=self._exits):
            part = tuple(slice(1, None) if there else slice(0, 1)
                         for there in on)
            index = _best(Counts(*(t[part] for t in self._coarse)), limit)
            if index is not None:
                cell = tuple(i + there for i, there in zip(index, on))
                best.append((-self._coarse.right[cell],
                             self._coarse.cost[cell], cell))
        starts = [[options[i] for options, i in zip(self._grid, cell)]
                  for *_, cell in sorted(best)[:_STARTS]]
        index = _best(self._by_rules, limit)
        return starts + ([] if index is None else [self._rules[index[0]]])

    def _refined(self, chosen, limit):
        """`Found`: the best that pairs of exits lead to from `chosen`."""
        options = [[threshold] for threshold in chosen]
        counts = combinations(self._traces, self._cost, options)
        score = (counts.right.item(), -counts.cost.item())
        for _ in range(_ROUNDS):
            before = score
            for pair in itertools.combinations(
                    range(self._exits), min(2, self._exits)):
                tried = [self._candidates(e, _SPREAD, options[e][0])
                         if e in pair else options[e]
                         for e in range(self._exits)]
                counts = combinations(self._traces, self._cost, tried)
                index = _best(counts, limit)
                found = (counts.right[index], -counts.cost[index])
                if found > score:
                    score = found
                    options = [[o[i]] for o, i in zip(tried, index)]
            if score == before:
                break
        right, cost = score
        return Found([threshold for threshold, in options],
                     right / self._images, -cost / self._images)

    def _candidates(self, e, spread, current=None):
        """Thresholds of exit e to try, ascending, off first.

        Args:
            e: the exit.
            spread: how many, evenly over its entropies; the highest for sure.
            current: a threshold whose neighbours are tried too.
        """
        values = self._values[e]
        places = np.linspace(len(values) - 1, 0, max(spread, 1))
        if current is not None:
            place = np.searchsorted(values, np.float32(current))
            near = place + np.arange(-_NEAR // 2, _NEAR // 2 + 1)
            places = np.concatenate(
                [places, near[(near >= 0) & (near < len(values))]])
        found = set(values[np.unique(places.astype(int))].tolist())
        return [None, *sorted(found | ({current} - {None}))]


def _best(counts, limit):
    """Index of the most right answers that cost at most `limit`, or None.

    Of equals the cheapest.
    """
    right = np.where(counts.cost <= limit, counts.right, -1)
    if not right.size or right.max() < 0:
        return None
    equal = np.where(right == right.max(), counts.cost, np.inf)
    return np.unravel_index(equal.argmin(), equal.shape)
