"""Accuracy against FLOPs, as in Figures 5 to 8 of the paper, and searches."""

import numpy as np

from ddi_tf.report import items
from ddi_tf.report import lines
from ddi_tf.report import static
from ddi_tf.report import style
from ddi_tf.report import wording

_FLOPS = "mean MFLOPs per image (2 x MACs)"
_ACCURACY = "test accuracy [%]"
_ZOOM = 8  # percentage points below our best that the close-up shows,
_LINE = 3  # if there are so many points of a line in it
_MARGIN = 0.06  # round them, as a share of the axis

# What rules are called in a legend.
RULES = {"geometric": "geometric rule (MSDNet)",
         "shared": "one threshold for all exits"}


def series_of(group, look, resource="macs", scale=wording.megaflops,
              together=False):
    """`lines.Series` of a group: its curve, and its gates alone.

    Args:
        group: `groups.Group`.
        look: `style.Look` of the curve.
        resource: whose mean cost is the abscissa.
        scale: function of such a cost, for the axis.
        together: whether other groups are beside it. In the legend its line
            then stands for it, and its point is named once for all of them.
    """
    found, entry = [], group.name if together else ""
    if resource in group.curves:
        curve = group.curves[resource]
        name = "gates and exits" if group.has_gates else "exits"
        found.append(lines.over_seeds(
            f"{group.name}: {name}", scale(curve.test_cost),
            100 * curve.test_accuracy, look)._replace(entry=entry))
    alone = group.without_exits(resource)
    what = "gates only" if group.has_gates else "no exit"
    found.append(lines.point(
        f"{group.name}: {what}", scale(alone.cost), 100 * alone.accuracy,
        look._replace(line="none", filled=False, size=7))._replace(
            entry=what if found and together else entry))
    return found


def base_series(groups, resource="macs", scale=wording.megaflops):
    """`lines.Series` of base networks in full, a point for each backbone.

    Of several backbones, each has the colour of the group that it is of.
    """
    found = {}
    for index, group in enumerate(groups):
        found.setdefault(group.network, []).append((index, group))
    series = []
    for network, of_it in found.items():
        bases, look = [group.base(resource) for _, group in of_it], style.BASE
        if len(of_it) == 1 < len(found):
            look = look._replace(colour=style.look(of_it[0][0]).colour)
        series.append(lines.point(
            f"base {network} in full",
            scale(np.concatenate([base.cost for base in bases])),
            100 * np.concatenate([base.accuracy for base in bases]),
            look)._replace(entry="in full" if len(found) > 1 else ""))
    return series


def figures(groups):
    """Accuracy against FLOPs, and a close-up where it is needed."""
    series = []
    for index, group in enumerate(groups):
        look = style.look(index)
        series += series_of(group, look, together=len(groups) > 1)
        if group.opened:
            what = "exits only, no gates"
            series.append(lines.over_seeds(
                f"{group.name}: {what}",
                wording.megaflops(group.opened.test_cost),
                100 * group.opened.test_accuracy,
                look._replace(line=":", filled=False))._replace(
                    entry=what if len(groups) > 1 else ""))
    ours = [*series, *base_series(groups)]
    series = ours + _static_series(groups[0].about.settings["data"]["name"])
    found = [_figure("accuracy_flops", "Accuracy against FLOPs",
                     _caption(groups), groups, series)]
    least = lines.zoomed(ours, _ZOOM)
    if least is not None and any(
            np.sum(one.y >= least) >= _LINE for one in ours):
        limits = _close_up(ours, least)
        found.append(_figure(
            "accuracy_flops_close", "The same, close up",
            f"The upper end of our lines: what lies within {_ZOOM} percentage "
            "points of the best of them.", groups,
            [one for one in series if _is_within(one, *limits)],
            lambda axes: axes.set(xlim=limits[0], ylim=limits[1])))
    return found


def _close_up(series, least):
    """Limits (x, y) of what of `lines.Series` lies at or above `least`."""
    x = np.concatenate([one.x[one.y >= least] for one in series])
    y = np.concatenate([one.high for one in series])
    across = (x.max() / x.min())**_MARGIN
    return ((x.min() / across, x.max() * across),
            (least, y.max() + _MARGIN * (y.max() - least)))


def _is_within(series, across, upwards):
    """Whether any point of it lies within limits."""
    return np.any((across[0] <= series.x) & (series.x <= across[1])
                  & (upwards[0] <= series.y) & (series.y <= upwards[1]))


def _figure(key, title, caption, groups, series, painter=lambda axes: None):
    return lines.figure(
        key, title, caption, wording.origin(groups),
        f"Line chart: {_ACCURACY} against {_FLOPS} of "
        f"{wording.listed([group.name for group in groups])}.", series, _FLOPS,
        _ACCURACY, painter)


def _static_series(data_name):
    known = static.published(data_name)
    found = []
    for family in dict.fromkeys(one.family for one in known):
        of_it = [one for one in known if one.family == family]
        found.append(lines.over_seeds(
            f"published static {static.FAMILIES[family]}",
            [wording.megaflops(one.macs) for one in of_it],
            [100 * one.accuracy for one in of_it],
            style.STATIC[len(found)])._replace(
                entry=f"published {static.FAMILIES[family]}",
                notes=tuple(one.short for one in of_it),
                above=bool(found)))
    return found


def _caption(groups):
    text = ["Higher and further left is better."]
    if any(group.curves for group in groups):
        text.append("Along a line, the exit thresholds follow the mean "
                    "budget.")
    for group in groups:
        if "macs" in group.curves:
            curve = group.curves["macs"]
            accuracy = curve.test_accuracy.mean(axis=0)
            best = accuracy.argmax()
            cost = curve.test_cost[:, best].mean()
            text.append(
                f"{group.name} is best at {wording.megaflops(cost):.1f} MFLOPs "
                f"({wording.percent(cost / group.base().cost.mean(), 0)} of "
                f"its base network): {wording.percent(accuracy[best])} right.")
    if any(len(group.runs) > 1 for group in groups):
        text.append("Bands and bars reach from the least to the most accurate "
                    "seed.")
    if not all(group.opened for group in groups if group.has_exits):
        text.append("Where there are traces of it, exits without gates are "
                    "drawn too: `python -m ddi_tf.evaluate --run=RUN "
                    "--split=tune --gates_open`, then `--split=test`.")
    if static.published(groups[0].about.settings["data"]["name"]):
        text.append(f"Static networks: {static.SOURCE}.")
    return " ".join(text)


def search_figure(group):
    """What a threshold for each exit gains over the rules of others."""
    ours = group.table_curve
    budgets = np.broadcast_to(wording.megaflops(ours.budgets),
                              ours.test_accuracy.shape)
    series = []
    for index, (rule, curve) in enumerate(group.rules.items()):
        look, name = style.look(index), RULES.get(rule, rule)
        series += [
            lines.over_seeds(
                f"over {name}, test", budgets,
                100 * (ours.test_accuracy - curve.test_accuracy), look),
            lines.over_seeds(
                f"over {name}, tune", budgets,
                100 * (ours.tune_accuracy - curve.tune_accuracy),
                look._replace(filled=False, line=":"))]
    return lines.figure(
        f"search_{group.key}",
        f"{group.name}: what a threshold for each exit gains",
        "Above zero, our search answers more images right than the rule at the "
        f"same mean budget. {_gain(group)} The gain on tune is what was "
        "searched for; the one on test is real.", wording.origin([group]),
        f"Line chart: accuracy gained by our thresholds of {group.name} over "
        "two simpler rules, against the mean budget.", series,
        "mean budget [MFLOPs per image]", "accuracy gained [points]",
        lambda axes: axes.axhline(0, color=style.PALE, linewidth=1))


def _gain(group):
    """How much more our thresholds get right, in words."""
    ours = group.table_curve.test_accuracy
    parts = []
    for rule, curve in group.rules.items():
        gains = [100 * (mine - theirs)
                 for mine, theirs in zip(ours.T, curve.test_accuracy.T)
                 if theirs.min() >= 0]
        if gains:
            mean = sum(gain.mean() for gain in gains) / len(gains)
            parts.append(f"{mean:+.2f} percentage points against "
                         f"{RULES.get(rule, rule)}")
    if not parts:
        return "No rule keeps any of the budgets."
    return f"On test, on average: {wording.listed(parts)}."


def section(groups):
    """`items.Section`."""
    return items.Section(
        "tradeoff", "Accuracy against FLOPs",
        ("As in Figures 5 to 8 of the paper.",), tuple(figures(groups)))
