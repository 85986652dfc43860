"""Lines with bands and single points in one pair of axes."""

import math
from typing import NamedTuple

from matplotlib import ticker
import numpy as np

from ddi_tf.report import items
from ddi_tf.report import style

_HEIGHT = 4.0    # inches, and so much for each line of a legend:
_LEGEND = 0.19

# Costs that differ by more than this factor are drawn on a logarithmic axis.
_WIDE = 20


class Series(NamedTuple):
    """One line, or one point."""

    label: str
    x: np.ndarray     # [P]
    y: np.ndarray     # [P]
    low: np.ndarray   # [P] of several seeds; y for one
    high: np.ndarray  # [P]
    look: style.Look
    notes: tuple = ()  # P texts next to the points, or none
    above: bool = False  # where the notes are
    entry: str = ""    # in the legend, once for all that share it; else label

    @property
    def named(self):
        """What the legend calls it."""
        return self.entry or self.label


def over_seeds(label, x, y, look):
    """`Series` of the means over seeds, with a band from least to most.

    Args:
        label: in the legend.
        x, y: [S, P]; a point that any seed lacks (nan) is left out.
        look: `style.Look`.
    """
    x, y = np.atleast_2d(x), np.atleast_2d(y)
    there = ~np.isnan(x + y).any(axis=0)
    x, y = x[:, there], y[:, there]
    return Series(label, x.mean(axis=0), y.mean(axis=0), y.min(axis=0),
                  y.max(axis=0), look)


def point(label, x, y, look):
    """`Series` of one point; x, y: [S]."""
    return over_seeds(label, np.atleast_1d(x)[:, None],
                      np.atleast_1d(y)[:, None], look)


def figure(key, title, caption, origin, alt, series, x_label, y_label,
           painter=lambda axes: None):
    """`items.Figure` of `Series`.

    Args:
        key, title, caption, origin, alt: as for `items.draw`.
        series: `Series`, in the order of the legend.
        x_label, y_label: with units.
        painter: called with the axes at the end.
    """
    rows = [(one.label, *numbers) for one in series
            for numbers in zip(one.x, one.y, one.low, one.high)]
    entries = list(dict.fromkeys(one.named for one in sorted(
        series, key=lambda one: one.look.line == "none")))  # lines first

    def paint(drawing):
        axes = drawing.add_subplot()
        if _is_wide(series):
            axes.set_xscale("log")
            axes.xaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
            axes.xaxis.set_major_formatter("{x:g}")
            axes.xaxis.set_minor_locator(ticker.NullLocator())
        for one in series:
            _draw(axes, one)
        axes.set_xlabel(x_label)
        axes.set_ylabel(y_label)
        painter(axes)
        style.legend(drawing, [_handle(series, entry) for entry in entries],
                     entries)

    return items.draw(
        key, title, caption, origin, alt,
        ("series", x_label, y_label, "least of the seeds", "most of the seeds"),
        rows, _HEIGHT + _LEGEND * math.ceil(
            len(entries) / style.columns(entries)), paint)


def _is_wide(series):
    x = np.concatenate([one.x for one in series])
    return len(x) > 0 and 0 < _WIDE * x.min() < x.max()


def _handle(series, entry):
    """What an entry of the legend shows: in ink, what several share."""
    look, *others = [one.look for one in series if one.named == entry]
    return style.handle(look._replace(colour=style.INK) if others else look)


def _draw(axes, one):
    look = one.look
    if len(one.x) == 1:
        axes.errorbar(
            one.x, one.y, [one.y - one.low, one.high - one.y],
            color=look.colour, capsize=3)
    elif np.any(one.high > one.low):
        axes.fill_between(one.x, one.low, one.high, color=look.colour,
                          alpha=0.18, linewidth=0)
    axes.plot(one.x, one.y, label=one.label, zorder=3, **style.drawn(look))
    for x, y, note in zip(one.x, one.y, one.notes):
        axes.annotate(note, (x, y), (0, 5 if one.above else -12),
                      textcoords="offset points", ha="center", fontsize=8,
                      color=style.PALE)


def zoomed(series, points):
    """Least y in % that shows the best: `points` below the highest.

    None where all of it is near enough to be seen anyway.
    """
    highest = max(one.y.max() for one in series if len(one.y))
    lowest = min(one.low.min() for one in series if len(one.y))
    least = highest - points
    return least if lowest < least - points else None
