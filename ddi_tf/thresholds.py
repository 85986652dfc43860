"""Exit thresholds: who leaves where, and which thresholds lose little.

Dual Dynamic Inference, Section 3.2. An image leaves at the first exit whose
entropy is at most the exit's threshold. A threshold of None switches an exit
off: it is not evaluated and not paid.
"""

from typing import NamedTuple

import numpy as np


class Outcome(NamedTuple):
    """What thresholds make of traces."""

    exits: np.ndarray    # [N] int: index of the answer taken; E is the head
    correct: np.ndarray  # [N] bool
    macs: np.ndarray     # [N] int64: everything executed for the image


def apply(traces, answer_macs, thresholds):
    """The `Outcome` of `thresholds` on `traces`.

    Args:
        traces: `traces.Traces` with E exits.
        answer_macs: [E + 1], `costs.CostTable.answers`.
        thresholds: E entropies in nats, or None.
    """
    enabled = [t is not None for t in thresholds] + [True]
    limits = np.array([-1.0 if t is None else t for t in thresholds] + [np.inf])
    leaves = traces.entropies <= limits.astype(np.float32)
    leaves &= np.array(enabled)
    exits = leaves.argmax(axis=1)
    paid = np.cumsum(np.where(enabled, answer_macs, 0))
    rows = np.arange(len(exits))
    return Outcome(exits, traces.predictions[rows, exits] == traces.labels,
                   traces.spent[rows, exits] + paid[exits])


def point(name, thresholds, outcome):
    """An operating point, as a dict for JSON.

    `tune_left` is the share of images that each answer is taken from, exits
    first, `tune_left_accuracy` the share of right ones among those; None where
    no image leaves.

    Args:
        name: of the point.
        thresholds: E entropies in nats, or None.
        outcome: `Outcome` of these thresholds on the tune split.
    """
    left = [outcome.exits == e for e in range(len(thresholds) + 1)]
    return {"name": name, "thresholds": thresholds,
            "tune_accuracy": float(outcome.correct.mean()),
            "tune_mean_macs": float(outcome.macs.mean()),
            "tune_left": [float(here.mean()) for here in left],
            "tune_left_accuracy": [
                float(outcome.correct[here].mean()) if here.any() else None
                for here in left]}


def within_loss(traces, answer_macs, tolerance):
    """Thresholds that lose at most `tolerance` of accuracy on these traces.

    Exit by exit from the first, each takes the highest threshold at which the
    images that leave there lose no more than its share of the tolerance
    against the head's answers; an exit that then costs more than it saves is
    switched off. This is a simple rule for one good point, not a search for
    the best point at a given cost.

    Args:
        traces: of the tune split.
        answer_macs: [E + 1] MACs of each answer.
        tolerance: share of images, e.g. 0.005.

    Returns:
        List of E thresholds in nats, or None where an exit is off.
    """
    count = traces.predictions.shape[1] - 1
    correct = traces.predictions == traces.labels[:, None]
    left = np.ones(len(traces.labels), bool)
    allowance = tolerance * len(traces.labels) / max(count, 1)
    thresholds = []
    for e in range(count):
        threshold, leaving = _highest(
            traces.entropies[:, e], left,
            correct[:, -1].astype(int) - correct[:, e], allowance)
        saved = np.sum((traces.spent[:, -1] - traces.spent[:, e])[leaving])
        if saved <= answer_macs[e] * left.sum():
            thresholds.append(None)
            continue
        thresholds.append(threshold)
        left &= ~leaving
    return thresholds


def operating_point(traces, answer_macs, tolerance):
    """The default operating point, as a run's JSON keeps it.

    Args:
        traces, answer_macs, tolerance: as for `within_loss`.
    """
    chosen = within_loss(traces, answer_macs, tolerance)
    return point("default", chosen, apply(traces, answer_macs, chosen))


def _highest(entropies, left, lost, allowance):
    """(threshold, who leaves): the highest that loses `allowance` at most.

    Args:
        entropies: [N] of one exit.
        left: [N] bool: images that have not left before.
        lost: [N] in {-1, 0, 1}: right answers given up by leaving here.
        allowance: number of right answers that may be lost.
    """
    order = np.flatnonzero(left)[np.argsort(entropies[left], kind="stable")]
    total = np.cumsum(lost[order])
    ends = np.flatnonzero(total <= allowance)
    # Images of equal entropy leave together.
    ends = [e for e in ends if e + 1 == len(order)
            or entropies[order[e]] < entropies[order[e + 1]]]
    if not ends:
        return None, np.zeros_like(left)
    threshold = float(entropies[order[ends[-1]]])
    return threshold, left & (entropies <= threshold)
