"""A block of a plan, drawn: features pass along a line, or down through it.

Everything is placed in inches, one unit of the axes each.
"""

import math
from typing import NamedTuple

from matplotlib import patches

from converters import plan_words
from ddi_tf.report import style

WIDTH = 2.3
ABOVE = 0.78  # from the line of features to the block's upper edge
_BELOW = 1.22 # and down to its lower edge, without its variants
_BAR, _BAR_STEP = 0.15, 0.22   # height of a variant; from one to the next
# A variant of hardly any, and one of the plan's most channels.
_NARROWEST, _WIDEST = 0.2, 0.72
_FAINTEST = 0.2                # of a variant without any MACs

LAYER_GATE, CHANNEL_GATE, EXIT = style.ORANGE, style.PURPLE, style.GREEN
_PANEL, _EDGE = "#f5f5f5", "#d0d0d0"

# From a block's left edge: its gates, its variants, where both ways meet, and
# where its exit branches off.
_GATE_X, _BARS_X, _JOIN_X, _EXIT_X = 0.4, 0.56, 1.83, 2.06
_CHANNEL_GATE_Y, _FIRST_BAR_Y = -0.52, -0.95


class Scale(NamedTuple):
    """What the widest and the darkest variant of a plan stand for."""

    channels: int
    macs: int

    @classmethod
    def of(cls, bundle):
        """The `Scale` of a `bundle.Bundle`."""
        blocks = [graph for graph in bundle.manifest.graphs
                  if graph.role == "block"]
        return cls(max((graph.outputs[0].shape[-1] for graph in blocks),
                       default=1),
                   max([1, *(graph.macs for graph in blocks)]))

    def width(self, channels):
        """The more channels, the wider; a network's last may have many."""
        share = math.sqrt(channels / self.channels)
        return _NARROWEST + (_WIDEST - _NARROWEST) * share

    def colour(self, macs):
        """The more MACs, the darker."""
        weight = _FAINTEST + (1 - _FAINTEST) * macs / self.macs
        blue = [int(style.BLUE[i:i + 2], 16) / 255 for i in (1, 3, 5)]
        return tuple(1 - weight * (1 - part) for part in blue)


def height(variants):
    """Of a block with so many variants."""
    return ABOVE + _BELOW + _BAR_STEP * variants


def line(axes, points, dashed=False, arrow=False):
    """Features go from point to point."""
    axes.plot(*zip(*points), color=style.INK, linewidth=1.2, zorder=1,
              linestyle=(0, (3, 2)) if dashed else "-")
    if arrow:  # its head alone: its shaft would lie beside the line
        axes.annotate("", points[-1], points[-2], arrowprops={
            "arrowstyle": "-|>", "color": style.INK, "linewidth": 0,
            "shrinkA": 0, "shrinkB": 0, "mutation_scale": 15})


def box(axes, x, y, text, colour, align="center"):
    """A graph that is one box; x is its centre, or the edge that `align` is."""
    axes.text(x, y, plan_words.printable(text), fontsize=8, ha=align,
              va="center", color="white", zorder=4, parse_math=False, bbox={
                  "boxstyle": "round,pad=0.35", "linewidth": 0,
                  "facecolor": colour})


def diamond(axes, x, y, colour):
    """A gate."""
    size = 0.12
    axes.add_patch(patches.Polygon(
        [(x - size, y), (x, y + size), (x + size, y), (x, y - size)],
        facecolor=colour, edgecolor="white", linewidth=0.8, zorder=4))


def bar(axes, x, y, width, groups, of, colour, masked=False):
    """A variant: `groups` of its `of` channel groups are filled."""
    for group in range(of):
        filled = group in groups
        axes.add_patch(patches.Rectangle(
            (x + group * width / of, y - _BAR / 2), width / of, _BAR, zorder=3,
            facecolor=colour if filled else "white",
            edgecolor=style.PALE, linewidth=0.5))
    if masked:
        axes.add_patch(patches.Rectangle(
            (x, y - _BAR / 2), width, _BAR, facecolor="none", zorder=3,
            edgecolor="white", linewidth=0, hatch="//////"))


def draw(axes, x, y, step, features, graphs, scale, tall):
    """A `bundle.Step` whose features come in at (x, y).

    Args:
        features: (`bundle.Tensor` in front of it, and behind it).
        graphs: name -> `bundle.Graph`.
        scale: `Scale`.
        tall: its height.
    """
    axes.add_patch(patches.FancyBboxPatch(
        (x + 0.1, y + ABOVE - tall + 0.1), WIDTH - 0.2, tall - 0.2,
        boxstyle="round,pad=0.04", facecolor=_PANEL, edgecolor=_EDGE,
        linewidth=0.8, zorder=0))
    axes.text(x + 0.16, y + ABOVE - 0.2, plan_words.printable(step.name),
              fontsize=9, fontweight="bold", va="center", parse_math=False)
    axes.text(x + 0.16, y + ABOVE - tall + 0.2, _shapes(step, *features),
              fontsize=7.5, va="center", color=style.PALE)
    _pass_by(axes, x, y, step, graphs)
    if step.variants:
        _run(axes, x, y, step, graphs, scale)
    else:
        axes.text(x + _BARS_X, y + _FIRST_BAR_Y, "never runs", fontsize=8,
                  va="center", color=style.PALE)
    if step.exit is not None:
        _exit(axes, x, y, step.exit, graphs[step.exit].macs)


def _shapes(step, before, after):
    """ "32x32x16" of its features; before and after where they differ."""
    if step.appended:
        return plan_words.grown(before, step.appended)
    before, after = plan_words.shape([before]), plan_words.shape([after])
    return after if before == after else f"{before} to {after}"


def _pass_by(axes, x, y, step, graphs):
    """The line of features, with the way round the block."""
    line(axes, [(x, y), (x + _GATE_X, y)])
    line(axes, [(x + _JOIN_X, y), (x + WIDTH, y)])
    if not step.skippable:
        return
    line(axes, [(x + _GATE_X, y), (x + _JOIN_X, y)], dashed=True)
    middle = x + (_GATE_X + _JOIN_X) / 2
    if step.skip is None:
        axes.text(middle, y + 0.05, "skip: zeros" if step.appended else "skip",
                  fontsize=8, ha="center", va="bottom", color=style.PALE)
    else:
        box(axes, middle, y, f"skip {plan_words.macs(graphs[step.skip].macs)}",
            style.PALE)


def _run(axes, x, y, step, graphs, scale):
    """Down through the gates and one of the variants, and up again."""
    gate, join = x + _GATE_X, x + _JOIN_X
    last = y + _FIRST_BAR_Y - _BAR_STEP * (len(step.variants) - 1)
    line(axes, [(gate, y), (gate, last)])
    line(axes, [(join, last), (join, y)], arrow=True)
    if step.layer_gate is not None:
        diamond(axes, gate, y, LAYER_GATE)
        axes.text(gate, y + 0.15, plan_words.macs(graphs[step.layer_gate].macs),
                  fontsize=7.5, ha="center", va="bottom")
    axes.text(gate + 0.07, y - 0.24, "run", fontsize=8, va="center",
              color=style.PALE)
    if step.channel_gate is not None:
        diamond(axes, gate, y + _CHANNEL_GATE_Y, CHANNEL_GATE)
        axes.text(gate + 0.17, y + _CHANNEL_GATE_Y,
                  plan_words.macs(graphs[step.channel_gate].macs), fontsize=7.5,
                  va="center")
    for index, variant in enumerate(step.variants):
        _variant(axes, x, y + _FIRST_BAR_Y - _BAR_STEP * index, step, variant,
                 graphs[variant.graph], scale)


def _variant(axes, x, y, step, variant, graph, scale):
    """A bar as wide as its channels, and its MACs."""
    axes.plot([x + _GATE_X, x + _JOIN_X], [y, y], color=style.INK,
              linewidth=0.6, zorder=1)
    width = scale.width(graph.outputs[0].shape[-1])
    bar(axes, x + _BARS_X, y, width, variant.groups, step.groups,
        scale.colour(graph.macs), variant.masked)
    axes.text(x + _BARS_X + width + 0.06, y, plan_words.macs(graph.macs),
              fontsize=7.5, va="center", zorder=2, bbox={
                  "boxstyle": "square,pad=0.1", "linewidth": 0,
                  "facecolor": _PANEL})


def _exit(axes, x, y, name, macs):
    """Up and out, behind the block."""
    line(axes, [(x + _EXIT_X, y), (x + _EXIT_X, y + ABOVE + 0.1)], arrow=True)
    box(axes, x + _EXIT_X + 0.06, y + 0.33, f"{name} {plan_words.macs(macs)}",
        EXIT, align="right")
    axes.text(x + _EXIT_X - 0.06, y + ABOVE - 0.2, "if sure", fontsize=8,
              ha="right", va="center", color=style.PALE)
