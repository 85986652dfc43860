"""Accuracy along mean budgets: chosen on tune, read on test."""

from typing import NamedTuple

import numpy as np

from ddi_tf import exit_rules
from ddi_tf import search
from ddi_tf import thresholds as thresholds_lib

# Budgets of the tables, and of a curve: those, and one between each two.
TABLE_BUDGETS = 8
CURVE_BUDGETS = 2 * TABLE_BUDGETS - 1


class Curve(NamedTuple):
    """What S networks, equal but for their seed, do at P mean budgets.

    nan where no thresholds keep the budget on tune.
    """

    budgets: np.ndarray        # [P] mean cost per image
    tune_accuracy: np.ndarray  # [S, P] in [0, 1]
    tune_cost: np.ndarray      # [S, P] mean
    test_accuracy: np.ndarray  # [S, P]
    test_cost: np.ndarray      # [S, P]

    def at(self, places):
        """The `Curve` of some of the budgets."""
        return Curve(self.budgets[places],
                     *(values[:, places] for values in self[1:]))


def searched(runs, resource, count, on_search=lambda: None):
    """`Curve` of the thresholds that `search.Search` finds.

    Budgets are spread evenly between the least and the most that make sense;
    a network whose own range is narrower takes its nearest.

    Args:
        runs: S `source.Run`s.
        resource: whose mean cost is the budget.
        count: budgets.
        on_search: called after each search.
    """
    searches = [search.Search(run.tune.traces, run.tune.costs[resource])
                for run in runs]
    budgets = np.unique(np.linspace(
        np.mean([found.least for found in searches]),
        np.mean([found.most for found in searches]), count))
    chosen = []
    for found in searches:
        chosen.append([])
        for budget in budgets:
            chosen[-1].append(found.within(
                np.clip(budget, found.least, found.most)).thresholds)
            on_search()
    return _measured(runs, resource, budgets, chosen)


def by_rule(runs, resource, budgets, rule):
    """`Curve` of a rule with one number to turn.

    Of all the rule's settings that keep a budget on tune, the most accurate.

    Args:
        runs, resource: as for `searched`.
        budgets: [P] mean cost per image.
        rule: key of `exit_rules.RULES`.
    """
    chosen = []
    for run in runs:
        traces = run.tune.traces
        chosen.append(exit_rules.within(
            traces, run.tune.costs[resource], exit_rules.RULES[rule](traces),
            budgets))
    return _measured(runs, resource, budgets, chosen)


def outcome(recorded, resource, thresholds):
    """(accuracy, mean cost) of thresholds on `trace_files.Recorded`."""
    found = thresholds_lib.apply(
        recorded.traces, recorded.costs[resource], thresholds)
    return float(found.correct.mean()), float(found.cost.mean())


def _measured(runs, resource, budgets, chosen):
    """`Curve` of chosen thresholds, S lists of P; None: there are none."""
    def table(split):
        found = np.array([
            [(np.nan, np.nan) if one is None
             else outcome(getattr(run, split), resource, one) for one in row]
            for run, row in zip(runs, chosen)])
        return found[..., 0], found[..., 1]

    return Curve(np.asarray(budgets), *table("tune"), *table("test"))
