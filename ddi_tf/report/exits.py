"""Accuracy against the share of images that leave, as in Figure 10."""

import numpy as np

from ddi_tf.report import items
from ddi_tf.report import lines
from ddi_tf.report import style
from ddi_tf.report import wording

_RATIOS = np.linspace(0, 1, 41)  # of images leaving
_MARK_EVERY = 5


def sweep(traces, exit_index, ratios=_RATIOS):
    """(share that leaves, accuracy over all) with one exit alone.

    Its threshold rises so that about these shares of the images leave; equal
    entropies leave together.

    Args:
        traces: `traces.Traces` with E exits.
        exit_index: of the exit that is on.
        ratios: [P] in [0, 1].

    Returns:
        Two [P] arrays in [0, 1].
    """
    right = traces.predictions == traces.labels[:, None]
    order = np.argsort(traces.entropies[:, exit_index], kind="stable")
    ordered = traces.entropies[order, exit_index]
    count = len(order)
    wanted = np.rint(np.asarray(ratios) * count).astype(int)
    last = ordered[np.maximum(wanted - 1, 0)]
    leaving = np.where(
        wanted > 0, np.searchsorted(ordered, last, side="right"), 0)
    gained = np.concatenate([[0], np.cumsum(
        right[order, exit_index].astype(int) - right[order, -1])])
    return leaving / count, (right[:, -1].sum() + gained[leaving]) / count


def figure(group):
    """A line for each exit of a group."""
    series = []
    for e, name in enumerate(group.about.exits):
        found = np.array([sweep(run.test.traces, e) for run in group.runs])
        series.append(lines.over_seeds(
            f"{name}, after {group.about.blocks[group.about.exit_after[e]]}",
            100 * found[:, 0], 100 * found[:, 1], style.look(e)))
    return lines.figure(
        f"exit_ratio_{group.key}", f"{group.name}: one exit at a time",
        _caption(group, series), wording.origin([group]),
        f"Line chart: test accuracy of {group.name} against the share of "
        "images that leave, a line for each exit.", series,
        "images that leave at the exit [%]", "accuracy over all images [%]",
        _paint)


def _paint(axes):
    for line in axes.lines:
        line.set_markevery(_MARK_EVERY)


def _caption(group, series):
    best = max(range(len(series)), key=lambda e: series[e].y.max())
    place = series[best].y.argmax()
    return (
        "Only one exit is on, its threshold rises from left to right; who does "
        "not leave is answered by the head. On the left nobody leaves, on the "
        "right all do. A line that stays level means images that leave for "
        f"free. Best here: {group.about.exits[best]} with "
        f"{series[best].x[place]:.0f}% leaving, "
        f"{series[best].y[place]:.1f}% right.")


def section(groups):
    """`items.Section`."""
    there = [group for group in groups if group.has_exits]
    texts = ("As in Figure 10 of the paper.",) if there else ()
    texts += wording.without_exits(groups, "no ratio to choose")
    return items.Section("exit_ratio", "Accuracy against exit ratio",
                         texts, tuple(map(figure, there)))
