"""Where images leave: a picture of the stream, and all operating points."""

from typing import NamedTuple

import numpy as np
from matplotlib import patches
from matplotlib import path as mpl_path

from ddi_tf import operating_points
from ddi_tf import thresholds as thresholds_lib
from ddi_tf.report import items
from ddi_tf.report import style
from ddi_tf.report import wording

# Inches: width of the stream of all images; radius of the inner bend; room
# between two answers; height of an answer's two lines of text.
_STREAM, _BEND, _GAP, _TEXT = 1.5, 0.1, 0.1, 0.36
_SPLIT, _END = 2.2, 2.6  # inches from the left: right and wrong part; end
_KAPPA = 0.5523  # of a quarter circle drawn as a Bezier curve
_TRUNK, _RIGHT, _WRONG = "#9fd0ee", style.GREEN, style.VERMILLION


class Flow(NamedTuple):
    """What becomes of images at thresholds; E + 1 answers."""

    left: np.ndarray   # [E + 1] share of all images answered there
    right: np.ndarray  # [E + 1] share of all images answered right there
    cost: np.ndarray   # [E + 1] mean MACs of those; nan: none
    on: tuple          # E + 1 bools: whether the answer is on

    @property
    def accuracy(self):
        return self.right.sum()


def flow(recorded, thresholds):
    """`Flow` of thresholds on `trace_files.Recorded`."""
    found = thresholds_lib.apply(
        recorded.traces, recorded.costs["macs"], thresholds)
    here = found.exits == np.arange(len(thresholds) + 1)[:, None]
    counts = here.sum(axis=1)
    with np.errstate(invalid="ignore"):
        cost = (here * found.cost).sum(axis=1) / counts
    return Flow(counts / len(found.exits),
                (here & found.correct).sum(axis=1) / len(found.exits), cost,
                (*(t is not None for t in thresholds), True))


def stream(group, point):
    """`items.Figure`: from the stem along the answers, at one point.

    Args:
        group: `groups.Group`.
        point: operating point of its first run.
    """
    found = flow(group.first.test, point["thresholds"])
    name, base = point["name"], group.base().cost[0]
    images = len(group.first.test.traces.labels)
    tops, bottom = _levels(found)
    rows = [(answer, *map(float, (left, right, left - right, cost)))
            for answer, left, right, cost in zip(
                group.answers, found.left, found.right, found.cost)]
    share = float((found.left * np.nan_to_num(found.cost)).sum() / base)
    return items.draw(
        f"flow_{group.key}_{wording.key(name)}",
        f"{group.name}{wording.first_seed(group)}: where images leave at "
        f"“{name}”",
        f"At “{name}”, {wording.percent(found.accuracy)} of the test images "
        f"are answered right at {wording.percent(share)} of the base network's "
        "FLOPs. The wider a band, the more images; "
        f"{_busiest(group, found)}", wording.origin([group]),
        f"Stream of {images:,} test images through {group.name} at {name}: "
        + "; ".join(f"{answer} {wording.percent(left)}"
                    for answer, left in zip(group.answers, found.left)) + ".",
        ("answer", "share of images", "share answered right",
         "share answered wrong", "mean MACs"), rows,
        0.75 - bottom, lambda drawing: _paint_stream(
            drawing, found, group.answers, images, base, tops, bottom))


def _busiest(group, found):
    e = int(found.left.argmax())
    return (f"{group.answers[e]} answers the largest share of them, "
            f"{wording.percent(found.left[e], 0)}.")


def _levels(found):
    """(y of each band's upper edge, y of the lowest text), inches, down."""
    tops, y = [], -0.25
    for left, on in zip(found.left, found.on):
        tops.append(y)
        y -= max(_STREAM * left, _TEXT if on else _TEXT / 2) + _GAP
    return tops, y


def _paint_stream(drawing, found, answers, images, base, tops, bottom):
    drawing.set_layout_engine("none")  # one inch is one unit
    axes = drawing.add_axes([0, 0, 1, 1])
    axes.set_axis_off()
    axes.set_xlim(-0.15, style.WIDTH - 0.15)
    axes.set_ylim(bottom - 0.35, 0.4)
    axes.text(0, 0.1, f"stem: all {images:,} test images", fontsize=9.5,
              fontweight="bold")
    remaining = 1.0
    for e, (name, top) in enumerate(zip(answers, tops)):
        left = found.left[e]
        if left > 0:
            rest = max(0.0, remaining - left)
            _bend(axes, _STREAM * rest, _STREAM * remaining, top)
            _ends(axes, top, left, found.right[e])
        _label(axes, name, top, found, e, remaining, base)
        remaining -= left
    axes.legend(
        handles=[patches.Patch(color=_TRUNK, label="on their way"),
                 patches.Patch(facecolor=_RIGHT, label="right"),
                 patches.Patch(facecolor=_WRONG, hatch="////",
                               edgecolor="white", label="wrong")],
        loc="lower left", ncols=3, bbox_to_anchor=(0.02, 0.0),
        borderaxespad=0.2, handlelength=1.4)


def _bend(axes, x0, x1, top):
    """The part [x0, x1] of the stream turns to the right under y = top."""
    start = 0.0
    width, turn = x1 - x0, top + _BEND
    outer = _BEND + width
    points = [
        (x0, start), (x1, start), (x1, turn),
        (x1, turn - _KAPPA * _BEND), (x1 + _BEND * (1 - _KAPPA), top),
        (x1 + _BEND, top), (_SPLIT, top), (_SPLIT, top - width),
        (x1 + _BEND, top - width),
        (x1 + _BEND - _KAPPA * outer, top - width),
        (x0, turn - _KAPPA * outer), (x0, turn), (x0, start)]
    move, line, curve = (mpl_path.Path.MOVETO, mpl_path.Path.LINETO,
                         mpl_path.Path.CURVE4)
    codes = [move, line, line, curve, curve, curve, line, line, line, curve,
             curve, curve, mpl_path.Path.CLOSEPOLY]
    axes.add_patch(patches.PathPatch(
        mpl_path.Path(points, codes), facecolor=_TRUNK, edgecolor=_TRUNK,
        linewidth=0.5))  # an edge, or hair lines show between two parts


def _ends(axes, top, left, right):
    """A band's last piece: right above, wrong below."""
    for y, share, colour, hatch in (
            (top - _STREAM * right, right, _RIGHT, None),
            (top - _STREAM * left, left - right, _WRONG, "////")):
        axes.add_patch(patches.Rectangle(
            (_SPLIT, y), _END - _SPLIT, _STREAM * share, facecolor=colour,
            hatch=hatch, edgecolor="white", linewidth=0))


def _label(axes, name, top, found, e, remaining, base):
    left = found.left[e]
    if not found.on[e]:
        axes.text(_END + 0.12, top, f"{name}: off", fontsize=9, va="top",
                  color=style.PALE)
        return
    y = top - max(0, _STREAM * left - _TEXT) / 2 + 0.03
    axes.text(_END + 0.12, y, f"{name}: {wording.percent(left)} of images",
              fontsize=9, fontweight="bold", va="top")
    if left > 0:
        detail = (f"{wording.percent(found.right[e] / left)} right, at "
                  f"{wording.percent(found.cost[e] / base, 0)} of base")
    else:
        detail = ("none is sure enough" if remaining > 1e-9
                  else "no image comes here")
    axes.text(_END + 0.12, y - 0.17, detail, fontsize=8.5, va="top",
              color=style.PALE)


def points_figure(group):
    """`items.Figure`: shares of the answers at every operating point."""
    points, base = group.first.points, group.base().cost[0]
    flows = [flow(group.first.test, point["thresholds"]) for point in points]
    costs = [float((one.left * np.nan_to_num(one.cost)).sum() / base)
             for one in flows]
    return items.draw(
        f"points_{group.key}",
        f"{group.name}{wording.first_seed(group)}: all operating points",
        "Share of the test images that each answer is taken from, dark to "
        "bright from the first exit to the head. With more to spend, images "
        "stay longer.", wording.origin([group]),
        f"Stacked bars: where images leave at {len(points)} operating points "
        f"of {group.name}.",
        ("operating point", "accuracy", "FLOPs of base", *group.answers),
        [(point["name"], float(one.accuracy), cost, *map(float, one.left))
         for point, one, cost in zip(points, flows, costs)],
        1.3 + 0.42 * len(points),
        lambda drawing: _paint_points(drawing, group, flows, costs))


def _paint_points(drawing, group, flows, costs):
    axes = drawing.add_subplot()
    ends = np.zeros(len(flows))
    for e, answer in enumerate(group.answers):
        shares = np.array([100 * one.left[e] for one in flows])
        colour = style.shade(0.95 * e / max(1, len(group.answers) - 1))
        axes.barh(range(len(flows)), shares, left=ends, color=colour,
                  edgecolor="white", linewidth=0.8, label=answer, height=0.72)
        for row, share in enumerate(shares):
            if share >= 7:
                axes.text(ends[row] + share / 2, row, f"{share:.0f}",
                          ha="center", va="center", fontsize=8,
                          color=style.on(colour))
        ends += shares
    axes.set_yticks(range(len(flows)), [
        f"{point['name']}\n{wording.percent(one.accuracy)} right at "
        f"{wording.percent(cost, 0)}" for point, one, cost in zip(
            group.first.points, flows, costs)], fontsize=8)
    axes.invert_yaxis()
    axes.set_xlim(0, 100)
    axes.grid(False)
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("test images [%]")
    drawing.legend(*axes.get_legend_handles_labels(), ncols=4,
                   loc="outside lower center", handlelength=1.2)


def section(groups):
    """`items.Section`."""
    texts = [*wording.without_exits(groups, "all images go to the head")]
    found = []
    for group in (group for group in groups if group.has_exits):
        points = group.first.points
        if not points:
            texts.append(
                f"{group.name} has no operating points yet: `python -m "
                f"ddi_tf.choose --run={group.first.name}` chooses them.")
        else:
            found += [stream(group, point) for point in _shown(points)]
            found.append(points_figure(group))
    return items.Section("flow", "Where images leave", tuple(texts),
                         tuple(found))


def _shown(points):
    """The default point, the cheapest of the others and the dearest."""
    default = [point for point in points
               if point["name"] == operating_points.DEFAULT]
    others = sorted((point for point in points if point not in default),
                    key=lambda point: point.get("tune_mean_macs", 0))
    shown = default + others[:1] + others[1:][-1:]
    # Points with the same thresholds make the same picture.
    return list({tuple(point["thresholds"]): point
                 for point in reversed(shown)}.values())[::-1]
