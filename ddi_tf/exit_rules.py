"""Families of exit thresholds with one number to turn, as others choose them.

Kept for comparison, and as starting points of `search`. Every exit is on.
"""

import numpy as np

from ddi_tf import thresholds as thresholds_lib

# Values of the one number that are offered.
_SETTINGS = 160


def geometric(traces):
    """MSDNet's rule (arXiv:1703.09844, Section 5): of all images a share
    proportional to q^k leaves at answer k, the surest that are left.

    Theirs takes the softmax's largest probability, ours the entropy.

    Args:
        traces: `traces.Traces` with E exits, of the tune split.

    Returns:
        Lists of E thresholds in nats, one for each q, most images leaving
        early first.
    """
    count = traces.entropies.shape[1]
    found = []
    for q in np.geomspace(1 / 20, 20, _SETTINGS):
        shares = q ** np.arange(count)
        found.append(_leaving(traces.entropies, shares / shares.sum()))
    return found


def _leaving(entropies, shares):
    """Thresholds at which these shares of the images leave, exit by exit."""
    left, thresholds = np.ones(len(entropies), bool), []
    for e, share in enumerate(shares[:-1]):
        order = np.sort(entropies[left, e])
        leaving = min(round(share * len(entropies)), len(order))
        # Below 0 none leaves.
        threshold = float(order[leaving - 1]) if leaving else -1.0
        thresholds.append(threshold)
        left &= entropies[:, e] > np.float32(threshold)
    return thresholds


def shared(traces):
    """One threshold for all exits, as BranchyNet's users mostly take it.

    Args and returns as for `geometric`.
    """
    exits = traces.entropies.shape[1] - 1
    values = np.quantile(traces.entropies[:, :-1],
                         np.linspace(1, 0, _SETTINGS)) if exits else []
    return [[float(np.float32(value))] * exits for value in values]


def counts(traces, cost, offered):
    """(right answers, cost), each [M], summed over images.

    Args:
        traces, cost: `traces.Traces` and `traces.Cost`.
        offered: M lists of thresholds.
    """
    outcomes = [thresholds_lib.apply(traces, cost, chosen)
                for chosen in offered]
    return (np.array([outcome.correct.sum() for outcome in outcomes]),
            np.array([outcome.cost.sum() for outcome in outcomes]))


def within(traces, cost, offered, budgets):
    """For each mean budget the most accurate thresholds that keep it, or None.

    Args:
        traces, cost, offered: as for `counts`.
        budgets: mean costs per image.
    """
    right, spent = counts(traces, cost, offered)
    found = []
    for budget in budgets:
        kept = np.where(
            spent <= budget * len(traces.labels) * (1 + 1e-9), right, -1)
        best = int(kept.argmax())
        found.append(offered[best] if kept[best] >= 0 else None)
    return found


RULES = {"geometric": geometric, "shared": shared}
