"""Families of exit thresholds with one number to turn, as others choose them.

Kept for comparison, and as starting points of `search`. Every exit is on.
"""

import numpy as np

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


RULES = {"geometric": geometric, "shared": shared}
