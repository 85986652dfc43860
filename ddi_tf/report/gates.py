"""What gates do: which blocks run for which class, which images skip most."""

import numpy as np
from PIL import Image

from ddi_tf.report import items
from ddi_tf.report import style
from ddi_tf.report import wording

_CLASSES = 20       # columns of the heat map that can still be read
_ROW = 0.21         # inches of a block's row

# Examples: side by side; inches between them, of a side, of three lines under
# each, of a heading.
_COLUMNS, _SPACE = 4, 0.1
_SIDE = (style.WIDTH - (_COLUMNS + 1) * _SPACE) / _COLUMNS
_TEXT, _HEADING = 0.68, 0.34
_THUMBNAIL = 96     # pixels, at most
_LABEL = 15         # letters under an image


def by_class(traces, classes):
    """[C, K] mean share of each block's gated work executed; nan: no image."""
    executed = traces.executed
    return np.array([
        executed[traces.labels == c].mean(axis=0)
        if (traces.labels == c).any() else np.full(executed.shape[1], np.nan)
        for c in range(classes)])


def heat_map(group):
    """`items.Figure`: block by class."""
    about = group.about
    found = np.mean([by_class(run.test.traces, len(about.label_names))
                     for run in group.runs], axis=0)
    total = found.mean(axis=1)
    order = np.argsort(-np.nan_to_num(total, nan=-1.0), kind="stable")
    order = order[~np.isnan(total[order])]
    shown = order if len(order) <= _CLASSES else np.concatenate(
        [order[:_CLASSES // 2], order[-(_CLASSES // 2):]])
    names = [about.label_names[c] for c in shown]
    table = np.vstack([found[shown].T, total[shown]])  # [K + 1, classes]
    blocks = [*about.blocks, "all blocks"]
    return items.draw(
        f"blocks_by_class_{group.key}",
        f"{group.name}: which blocks run for which class",
        _map_caption(group, total, order, shown), wording.origin([group]),
        f"Heat map of {group.name}: share of each block that is executed, by "
        "class.", ("block", *names),
        [(block, *row) for block, row in zip(blocks, table)],
        1.7 + _ROW * len(blocks),
        lambda drawing: _paint_map(drawing, table, blocks, names))


def _map_caption(group, total, order, shown):
    names = group.about.label_names
    most, least = order[0], order[-1]
    text = ("Classes from most to least work, left to right; bright is "
            f"executed. {names[most]} needs "
            f"{wording.percent(total[most], 0)} of the gated work, "
            f"{names[least]} {wording.percent(total[least], 0)}.")
    if len(shown) < len(order):
        text += (f" Shown are the {_CLASSES // 2} classes at either end, of "
                 f"{len(order)}.")
    return text


def _paint_map(drawing, table, blocks, names):
    axes = drawing.add_subplot()
    image = axes.imshow(table, vmin=0, vmax=1, cmap="viridis", aspect="auto")
    axes.grid(False)
    axes.set_xticks(range(len(names)), [_short(name) for name in names],
                    rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(blocks)), blocks)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.axhline(len(blocks) - 1.5, color="white", linewidth=3)
    if len(names) <= 10:
        for (row, column), share in np.ndenumerate(table):
            axes.text(column, row, f"{100 * share:.0f}", ha="center",
                      va="center", fontsize=7.5,
                      color=style.on(style.shade(share)))
    bar = drawing.colorbar(image, ax=axes, orientation="horizontal",
                           aspect=40, pad=0.02)
    bar.set_ticks([0, 0.5, 1], labels=["0%", "50%", "100%"])
    bar.set_label("of the block's gated work is executed")
    bar.outline.set_visible(False)


def examples(group):
    """`items.Figure`: images that skip most, and that skip least."""
    recorded = group.first.test
    half = len(recorded.examples) // 2
    rows = [_example(recorded, index, place < half)
            for place, index in enumerate(recorded.example_indices)]
    height = 2 * (_HEADING + -(-half // _COLUMNS) * (_SIDE + _TEXT))
    skips = [[row[4] for row in rows[part]]
             for part in (slice(half), slice(half, None))]
    return items.draw(
        f"examples_{group.key}",
        f"{group.name}{wording.first_seed(group)}: easy and hard images",
        "Of the test split, the images that the gates skip most of the work "
        f"for (above, {np.mean(skips[0]):.0f}% skipped on average) and those "
        f"they skip least for (below, {np.mean(skips[1]):.0f}%). Answers are "
        "the head's; a wrong one is in orange with a cross.",
        wording.origin([group]),
        f"{2 * half} test images: {half} that skip most, {half} that skip "
        "least, each with its class, the answer and the share skipped.",
        ("group", "test image", "class", "answer", "skipped [%]"), rows,
        height, lambda drawing: _paint_examples(
            drawing, recorded.examples, rows, half))


def _example(recorded, index, easy):
    names, traces = recorded.about.label_names, recorded.traces
    skipped = 1 - traces.executed[index].mean()
    return ("skips most" if easy else "skips least", int(index),
            names[traces.labels[index]], names[traces.predictions[index, -1]],
            100 * float(skipped))


def _paint_examples(drawing, images, rows, half):
    """Rows of images under two headings, placed in inches from the top."""
    drawing.set_layout_engine("none")
    y = 0.0
    for first, title in ((0, "Easy: skip most"), (half, "Hard: skip least")):
        drawing.text(_SPACE / style.WIDTH, _up(drawing, y + _HEADING - 0.1),
                     title, fontsize=11, fontweight="bold")
        y += _HEADING
        for place in range(half):
            column = place % _COLUMNS
            if place and not column:
                y += _SIDE + _TEXT
            axes = drawing.add_axes([
                (_SPACE + column * (_SIDE + _SPACE)) / style.WIDTH,
                _up(drawing, y + _SIDE), _SIDE / style.WIDTH,
                _SIDE / drawing.get_figheight()])
            axes.set_axis_off()
            _paint_example(axes, images[first + place], rows[first + place])
        y += _SIDE + _TEXT


def _up(drawing, y):
    """Share of the height above the bottom, of inches below the top."""
    return 1 - y / drawing.get_figheight()


def _paint_example(axes, image, row):
    _, _, label, answer, skipped = row
    axes.imshow(_thumbnail(image), interpolation="none")
    right = label == answer
    texts = ((_short(label), style.INK),
             (f"✓ {_short(answer)}" if right else f"✗ {_short(answer)}",
              style.GREEN if right else style.VERMILLION),
             (f"skips {skipped:.0f}%", style.PALE))
    for line, (text, colour) in enumerate(texts):
        axes.annotate(text, (0.5, 0), (0, -4 - 11.5 * line),
                      xycoords="axes fraction", textcoords="offset points",
                      ha="center", va="top", fontsize=8.5, color=colour)


def _thumbnail(image):
    """[h, w, 3] uint8, no side longer than _THUMBNAIL."""
    picture = Image.fromarray(np.asarray(image))
    picture.thumbnail((_THUMBNAIL, _THUMBNAIL), Image.Resampling.LANCZOS)
    return np.asarray(picture)


def _short(name):
    return name if len(name) <= _LABEL else name[:_LABEL - 1] + "…"


def _without(groups):
    return [f"{group.name} has no gates." for group in groups
            if not group.has_gates]


def examples_section(groups):
    """`items.Section`."""
    there = [group for group in groups
             if group.has_gates and len(group.first.test.examples) >= 2]
    texts = ["As in Figure 11 of the paper."] if there else []
    return items.Section("examples", "Easy and hard images",
                         (*texts, *_without(groups)),
                         tuple(map(examples, there)))


def blocks_section(groups):
    """`items.Section`."""
    there = [group for group in groups if group.has_gates]
    return items.Section("blocks", "Blocks by class", tuple(_without(groups)),
                         tuple(map(heat_map, there)))
