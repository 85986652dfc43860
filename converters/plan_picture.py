"""A bundle's plan as a picture: blocks from left to right, a row per stage.

Everything is placed in inches, one unit of the axes each.
"""

import itertools

from converters import plan_block
from converters import plan_words
from ddi_tf import storage
from ddi_tf.report import style
from device import passing

# Stages share a row of up to so many blocks; a longer stage is broken, into
# rows that are much alike.
_SHORT_ROW, _LONG_ROW = 3, 6

# Left of a row: image and stem; right of it: head and answer; between rows.
_LEFT, _RIGHT, _GAP = 1.7, 1.5, 0.35
_MARGIN, _TITLE = 0.25, 0.9
_NARROWEST = 8.6  # less, and title and key have no room
_KEY_WIDTH, _KEY_STEP = 4.1, 0.4


def _mark_variant(axes, x, y, scale, masked=False):
    plan_block.bar(axes, x - 0.25, y, 0.5, (0, 1) if masked else (0,), 2,
                   scale.colour(scale.macs / 2), masked)


def _mark_shades(axes, x, y, scale):
    for part in range(4):
        plan_block.bar(axes, x - 0.25 + 0.125 * part, y, 0.125, (0,), 1,
                       scale.colour(scale.macs * part / 3))


# (draws a mark at x, y; what it means), in the order of reading.
_KEY = (
    (lambda axes, x, y, scale: plan_block.diamond(
        axes, x, y, plan_block.LAYER_GATE),
     "layer gate: run this block, or skip it"),
    (lambda axes, x, y, scale: plan_block.diamond(
        axes, x, y, plan_block.CHANNEL_GATE),
     "channel gate: which of its channels to run"),
    (_mark_variant, "one graph of a block: it computes the filled\n"
     "channels; the wider, the more channels"),
    (_mark_shades, "the darker, the more MACs, up to {most}"),
    (lambda axes, x, y, scale: plan_block.line(
        axes, [(x - 0.25, y), (x + 0.25, y)], dashed=True),
     "skipped: features go on as they are, with zeros for\n"
     "channels to append; or through a small graph"),
    (lambda axes, x, y, scale: plan_block.box(
        axes, x, y, "exit", plan_block.EXIT),
     "exit: answers if it is sure, and the rest is not\n"
     "run; the head answers what is left"))
_KEY_MASKED = (
    lambda axes, x, y, scale: _mark_variant(axes, x, y, scale, masked=True),
    "hatched: a graph that computes all its channels,\nthen sets closed ones "
    "to 0")


def write(bundle, path):
    """Draws the plan of a `bundle.Bundle` into the file `path`.

    Args:
        bundle: the bundle.
        path: pathlib.Path that ends in .svg or .png.

    Raises:
        StorageError: it cannot be written.
    """
    svg, png = render(bundle)
    is_svg = path.suffix.lower() == ".svg"
    storage.write_atomically(path, svg if is_svg else png)


def render(bundle):
    """(SVG, PNG) bytes of the plan of a `bundle.Bundle`."""
    rows = rows_of(bundle)
    talls = [plan_block.height(max(
        (len(step.variants) for step in row), default=1)) for row in rows]
    width = max(_NARROWEST, _LEFT + _RIGHT
                + plan_block.WIDTH * max(map(len, rows)))
    scale = plan_block.Scale.of(bundle)
    key = _KEY + (_KEY_MASKED,) * any(
        variant.masked for step in bundle.manifest.plan.steps
        for variant in step.variants)
    columns = int((width - _MARGIN) // _KEY_WIDTH)
    height = (_TITLE + sum(talls) + _GAP * len(rows) + _MARGIN
              + _KEY_STEP * -(-len(key) // columns))

    def paint(drawing):
        drawing.set_layout_engine("none")
        axes = drawing.add_axes([0, 0, 1, 1])
        axes.set_axis_off()
        axes.set_xlim(0, width)
        axes.set_ylim(0, height)
        _paint_title(axes, bundle, height)
        _paint_rows(axes, bundle, rows, talls, height - _TITLE, scale)
        _paint_key(axes, key, columns, scale)

    return style.rendered(f"plan_{bundle.checksum[:12]}", height, paint, width)


def rows_of(bundle):
    """Lists of `bundle.Step`s; a stage leaves features of one resolution."""
    features = _features(bundle)
    resolution = lambda step: features[step.name][1].shape[:-1]
    stages = [list(steps) for _, steps in itertools.groupby(
        bundle.manifest.plan.steps, resolution)]
    rows = [[]]
    for stage in stages:
        if len(rows[-1]) + len(stage) <= _SHORT_ROW:
            rows[-1].extend(stage)
        else:
            count = -(-len(stage) // _LONG_ROW)
            longest = -(-len(stage) // count)
            rows.extend(stage[start:start + longest]
                        for start in range(0, len(stage), longest))
    return rows if rows[0] else rows[1:] or rows


def _features(bundle):
    """Step name -> `bundle.Tensor`s of features in front of it, and behind."""
    plan = bundle.manifest.plan
    return {step.name: both for step, both in zip(
        plan.steps, itertools.pairwise(passing.along(plan, bundle.graphs)))}


def _paint_title(axes, bundle, height):
    manifest = bundle.manifest
    axes.text(_MARGIN, height - 0.28,
              plan_words.printable(bundle.folder.resolve().name), fontsize=13,
              fontweight="bold", va="center", parse_math=False)
    base = plan_words.macs(manifest.base_macs)
    axes.text(
        _MARGIN, height - 0.56, f"{plan_words.printable(manifest.task)}, "
        f"{len(manifest.labels)} labels. Numbers are the MACs of one run; the "
        f"base network has {base}.", fontsize=9, va="center", color=style.PALE,
        parse_math=False)


def _paint_rows(axes, bundle, rows, talls, top, scale):
    """Every block; features go from each row's end to the next one's start."""
    end, features = None, _features(bundle)
    for row, tall in zip(rows, talls):
        y = top - plan_block.ABOVE
        if end is None:
            _paint_stem(axes, bundle, y)
        else:
            turn, low = end[0] + 0.3, top + _GAP / 2
            plan_block.line(axes, [
                end, (turn, end[1]), (turn, low), (1.2, low), (1.2, y),
                (_LEFT, y)])
        for column, step in enumerate(row):
            plan_block.draw(axes, _LEFT + plan_block.WIDTH * column, y, step,
                            features[step.name], bundle.graphs, scale, tall)
        end = _LEFT + plan_block.WIDTH * len(row), y
        top -= tall + _GAP
    _paint_head(axes, bundle, *end)


def _paint_stem(axes, bundle, y):
    stem = bundle.graphs[bundle.manifest.plan.stem]
    axes.text(_MARGIN, y + 0.08, "image", fontsize=8, va="bottom")
    axes.text(_MARGIN, y - 0.08, plan_words.shape(stem.inputs), fontsize=7.5,
              va="top", color=style.PALE)
    plan_block.line(axes, [(_MARGIN, y), (_LEFT, y)])
    plan_block.box(axes, 1.25, y, f"stem {plan_words.macs(stem.macs)}",
                   style.INK)


def _paint_head(axes, bundle, x, y):
    head = bundle.graphs[bundle.manifest.plan.head]
    plan_block.line(axes, [(x, y), (x + 1.35, y)], arrow=True)
    plan_block.box(axes, x + 0.5, y, f"head {plan_words.macs(head.macs)}",
                   plan_block.EXIT)
    axes.text(x + 1.35, y + 0.08, "answer", fontsize=8, ha="right", va="bottom")


def _paint_key(axes, key, columns, scale):
    """In columns, along the lower edge."""
    rows = -(-len(key) // columns)
    for index, (mark, meaning) in enumerate(key):
        column, row = divmod(index, rows)
        x = _MARGIN + _KEY_WIDTH * column
        y = _MARGIN / 2 + _KEY_STEP * (rows - row - 0.5)
        mark(axes, x + 0.3, y, scale)
        axes.text(x + 0.7, y, meaning.format(
            most=plan_words.macs(scale.macs)), fontsize=8.5, va="center")
