"""The picture of a simulated battery: charge, cost and accuracy over time."""

import io
from typing import NamedTuple

import matplotlib
from matplotlib import figure as figure_lib
import numpy as np

from device import errors
from device import simulate_report
from device import whole_file

_INK, _PALE = "#222222", "#6b6b6b"
_SETTINGS = {
    "font.size": 10, "text.color": _INK, "axes.edgecolor": _PALE,
    "axes.labelcolor": _INK, "xtick.color": _INK, "ytick.color": _INK,
    "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True,
    "grid.color": "#dddddd", "grid.linewidth": 0.6, "axes.axisbelow": True,
    "svg.fonttype": "none", "svg.hashsalt": "battery"}

# Spans of time in which cost and accuracy are averaged, at most.
_SPANS = 24

# Longer is told in days.
_LONG_HOURS = 72.0


class _Look(NamedTuple):
    """How a policy is drawn; told apart without colour too."""

    colour: str  # Okabe and Ito's palette (https://jfly.uni-koeln.de/color)
    line: object
    width: float


_DRIVEN = _Look("#0072B2", "-", 2.6)
_LASTS = _Look("#009E73", (0, (6, 1.5)), 1.7)
_DIES = _Look("#CC79A7", (0, (3, 1.2, 1, 1.2)), 1.7)
_FULL = _Look("#D55E00", (0, (1.2, 1.2)), 1.9)


# Suffix -> how it is saved; without a date, a picture is the same file again.
_FORMATS = {"png": {"dpi": 150},
            "svg": {"metadata": {"Date": None, "Creator": None}}}


def write(comparison, path):
    """Draws a `simulate_report.Comparison` into the file `path`.

    Args:
        comparison: what to draw.
        path: ends in .svg or .png.

    Raises:
        OutputError: it cannot be written.
    """
    with matplotlib.rc_context({**matplotlib.rcParamsDefault, **_SETTINGS}):
        figure = figure_lib.Figure(figsize=(8.0, 8.0), layout="constrained")
        _draw(figure, comparison)
        kind = path.rpartition(".")[2]
        content = io.BytesIO()
        figure.savefig(content, format=kind, **_FORMATS[kind])
        whole_file.write(path, content.getvalue(), errors.OutputError)


def _draw(figure, comparison):
    charge, cost, accuracy = figure.subplots(
        3, sharex=True, height_ratios=(1.5, 1, 1))
    unit, hours = ("days", 24.0) if comparison.world.hours > _LONG_HOURS else (
        "hours", 1.0)
    full_mj = comparison.full.energy_mj.sum() / comparison.full.frames.sum()
    for course, look in _shown(comparison):
        _line(charge, course.hours / hours, 100 * course.charge, look,
              _label(comparison, course))
        ends, _, energy_mj, right = simulate_report.binned(course, _SPANS)
        middles = (ends - 0.5 * np.diff(ends, prepend=0.0)) / hours
        if course is not comparison.full:
            _line(cost, middles, 100 * energy_mj / full_mj, look)
        _line(accuracy, middles, 100 * right, look)
    end = comparison.world.hours / hours
    for axes, what in ((charge, "charge, %"), (
            cost, "energy per image,\n% of the full network"), (
            accuracy, "right answers, %")):
        axes.set_ylabel(what)
        axes.axvline(end, color=_PALE, linewidth=1.0)
    charge.axhline(100 * comparison.reserve, color=_PALE, linewidth=1.0)
    _note(charge, f"reserve, {100 * comparison.reserve:g}%",
          (0, 100 * comparison.reserve), (5, 4))
    _note(charge, f"asked: {end:g} {unit}", (end, 100), (-5, -9), ha="right")
    charge.set_ylim(0, 103)
    charge.set_xlim(0, 1.01 * end)
    cost.set_ylim(bottom=0)
    accuracy.set_xlabel(unit)
    handles, labels = charge.get_legend_handles_labels()
    figure.legend(handles[::-1], labels[::-1], loc="outside upper left",
                  frameon=False, handlelength=4.0, title=_title(comparison),
                  alignment="left", title_fontproperties={
                      "weight": "bold", "size": 11})


def _title(comparison):
    full = comparison.full
    ending = ("does not empty" if full.died is None else
              f"empties in {full.died:.1f} hours")
    return (f"{comparison.world.hours:g} hours on a battery that the full "
            f"network {ending}")


def _note(axes, text, place, offset, ha="left"):
    axes.annotate(text, place, offset, textcoords="offset points",
                  color=_PALE, ha=ha)


def _shown(comparison):
    """(`simulate.Course`, its `_Look`), the most important last."""
    best, points = comparison.best_point, comparison.points
    after = points[0 if best is None else points.index(best) + 1:][:1]
    return [(comparison.full, _FULL), *((course, _DIES) for course in after),
            *([] if best is None else [(best, _LASTS)]),
            (comparison.driven, _DRIVEN)]


def _label(comparison, course):
    lasts = course.lasts(comparison.reserve)
    ending = (f"empty after {course.died:.1f} h" if course.died is not None
              else f"at the reserve after {lasts:.1f} h")
    return f"{course.name}: {course.right.sum():,.0f} right, {ending}"


def _line(axes, x, y, look, label=None):
    """A line, which ends in a cross where the battery is empty."""
    alive = np.isfinite(y) & (y > 0)
    axes.plot(x[alive], y[alive], color=look.colour, linestyle=look.line,
              linewidth=look.width, label=label)
    if not alive.all():
        axes.plot(x[alive][-1:], y[alive][-1:], "x", color=look.colour,
                  markersize=8, markeredgewidth=2.2)
