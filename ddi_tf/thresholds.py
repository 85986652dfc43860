"""Exit thresholds: who leaves where, and what that answers and costs.

Dual Dynamic Inference, Section 3.2. An image leaves at the first exit whose
entropy is at most the exit's threshold. A threshold of None switches an exit
off: it is not evaluated and not paid. `search` finds thresholds.
"""

from typing import NamedTuple

import numpy as np


class Outcome(NamedTuple):
    """What thresholds make of traces."""

    exits: np.ndarray    # [N] int: index of the answer taken; E is the head
    correct: np.ndarray  # [N] bool
    cost: np.ndarray     # [N]: everything executed for the image


def apply(traces, cost, thresholds):
    """The `Outcome` of `thresholds` on `traces`.

    Args:
        traces: `traces.Traces` with E exits.
        cost: `traces.Cost` of the same images.
        thresholds: E entropies in nats, or None.
    """
    enabled = [t is not None for t in thresholds] + [True]
    limits = np.array([-1.0 if t is None else t for t in thresholds] + [np.inf])
    leaves = traces.entropies <= limits.astype(np.float32)
    leaves &= np.array(enabled)
    exits = leaves.argmax(axis=1)
    paid = np.cumsum(np.where(enabled, cost.answers, 0))
    rows = np.arange(len(exits))
    return Outcome(exits, traces.predictions[rows, exits] == traces.labels,
                   cost.spent[rows, exits] + paid[exits])


def point(name, thresholds, outcomes):
    """An operating point, as a dict for JSON.

    `tune_left` is the share of images that each answer is taken from, exits
    first, `tune_left_accuracy` the share of right ones among those; None where
    no image leaves. `tune_mean_R` is the mean cost in resource R.

    Args:
        name: of the point.
        thresholds: E entropies in nats, or None.
        outcomes: resource -> `Outcome` of these thresholds on the tune split;
            "macs" always.
    """
    outcome = outcomes["macs"]
    left = [outcome.exits == e for e in range(len(thresholds) + 1)]
    return {"name": name, "thresholds": thresholds,
            "tune_accuracy": float(outcome.correct.mean()),
            **{f"tune_mean_{resource}": float(other.cost.mean())
               for resource, other in outcomes.items()},
            "tune_left": [float(here.mean()) for here in left],
            "tune_left_accuracy": [
                float(outcome.correct[here].mean()) if here.any() else None
                for here in left]}
