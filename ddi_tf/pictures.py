"""Pictures of what gates do: block by epoch, and the images they tell apart.

Drawn with Pillow, which every installation has; matplotlib is an extra.
"""

import numpy as np
from PIL import Image
from PIL import ImageDraw
from PIL import ImageFont

# Nine samples of viridis, which keeps its order for every kind of colour
# vision and in print (https://bids.github.io/colormap).
_VIRIDIS = np.array([
    (68, 1, 84), (71, 45, 123), (59, 82, 139), (44, 114, 142), (33, 145, 140),
    (40, 174, 128), (94, 201, 98), (173, 220, 48), (253, 231, 37)], float)

_INK, _PALE, _PAPER = (20, 20, 20), (110, 110, 110), (255, 255, 255)
_FONT, _TITLE = (ImageFont.load_default(size) for size in (13, 17))
_MARGIN, _LINE = 14, 18  # pixels

# A heat map's columns share this width; each gets at least and at most so much.
_MAP_WIDTH, _NARROW, _WIDE = 720, 3, 46
_ROW = 22
_NUMBER_WIDTH = 30  # a column this wide has room for its numbers

_THUMBNAIL = 96
_PER_ROW = 8


def colour(share):
    """RGB of a share in [0, 1]: dark violet is 0, yellow is 1."""
    position = min(max(float(share), 0.0), 1.0) * (len(_VIRIDIS) - 1)
    low = min(int(position), len(_VIRIDIS) - 2)
    mixed = _VIRIDIS[low] + (position - low) * (_VIRIDIS[low + 1]
                                                - _VIRIDIS[low])
    return tuple(int(round(channel)) for channel in mixed)


def heat_map(title, shares, blocks, phases, labels):
    """How much of every block is executed, epoch by epoch.

    Args:
        title: of the picture.
        shares: [T, K] in [0, 1], executed of each block's gated work.
        blocks: K names, first to last.
        phases: T names: the phase that each epoch belongs to.
        labels: T texts under the columns; those that fit are drawn.

    Returns:
        `PIL.Image.Image`, RGB.
    """
    shares = np.asarray(shares)
    shares = np.concatenate([shares, shares.mean(axis=1, keepdims=True)], 1)
    names = [*blocks, "all blocks"]
    column = int(np.clip(_MAP_WIDTH // len(shares), _NARROW, _WIDE))
    left = _MARGIN + max(map(_width, names)) + 8
    spans = _spans(phases, column)
    top = _MARGIN + 32 + _LINE * (1 + max(level for *_, level in spans))
    right = left + column * len(shares)
    bottom = top + _ROW * len(names) + 6
    picture = Image.new("RGB", (
        max(right + 150, left + _width(title, _TITLE) + _MARGIN),
        max(bottom + 3 * _LINE, top + 180)), _PAPER)
    draw = ImageDraw.Draw(picture)
    draw.text((left, _MARGIN), title, _INK, _TITLE, "lt")
    for k, name in enumerate(names):
        y = top + _ROW * k + (6 if k == len(blocks) else 0)
        draw.text((left - 8, y + _ROW // 2), name, _INK, _FONT, "rm")
        for t, share in enumerate(shares[:, k]):
            _cell(draw, left + column * t, y, column, share)
        draw.text((right + 8, y + _ROW // 2), f"{100 * shares[-1, k]:.0f}%",
                  _INK, _FONT, "lm")
    for phase, x, level in spans:
        x, y = left + x, top - 6 - _LINE * (1 + level)
        draw.line((x - 1, y, x - 1, bottom), _INK)
        draw.text((x + 3, y + 13), phase, _INK, _FONT, "ls")
    _column_labels(draw, labels, left, bottom + 4, column)
    draw.text(((left + right) // 2, bottom + _LINE + 8), "epoch", _INK, _FONT,
              "mt")
    _colour_bar(draw, right + 66, top)
    return picture


def examples(title, rows):
    """Rows of up to eight images, each with lines of text under it.

    Args:
        title: of the picture.
        rows: list of (heading, list of ([H, W, 3] uint8, list of texts)).

    Returns:
        `PIL.Image.Image`, RGB.
    """
    cell = _THUMBNAIL + 12
    lines = max(len(texts) for _, row in rows for _, texts in row)
    height = _LINE + 8 + _THUMBNAIL + 4 + lines * _LINE + 10
    picture = Image.new(
        "RGB", (2 * _MARGIN + _PER_ROW * cell,
                2 * _MARGIN + 28 + len(rows) * height), _PAPER)
    draw = ImageDraw.Draw(picture)
    draw.text((_MARGIN, _MARGIN), title, _INK, _TITLE, "lt")
    for r, (heading, row) in enumerate(rows):
        y = _MARGIN + 32 + r * height
        draw.text((_MARGIN, y), heading, _INK, _FONT, "lt")
        for index, (image, texts) in enumerate(row[:_PER_ROW]):
            x = _MARGIN + index * cell
            picture.paste(_thumbnail(image), (x, y + _LINE + 4))
            for line, text in enumerate(texts):
                draw.text((x, y + 2 * _LINE + 4 + _THUMBNAIL + line * _LINE),
                          _fitting(text, _THUMBNAIL + 8),
                          _PALE if line else _INK, _FONT, "ls")
    return picture


def _cell(draw, x, y, width, share):
    gap = 1 if width > 5 else 0
    fill = colour(share)
    draw.rectangle((x, y, x + width - 1 - gap, y + _ROW - 2), fill)
    if width >= _NUMBER_WIDTH:
        bright = np.dot(fill, (0.299, 0.587, 0.114)) > 140
        draw.text((x + width // 2, y + _ROW // 2 - 1), f"{100 * share:.0f}",
                  _INK if bright else _PAPER, _FONT, "mm")


def _spans(phases, column):
    """[(name, x, level)] of phases; level 0 is next to the map.

    A name that is wider than its phase stands above those that it reaches.
    """
    starts = [t for t, phase in enumerate(phases)
              if not t or phases[t - 1] != phase]
    spans = []
    for t in reversed(starts):
        x = column * t
        end = x + 3 + _width(phases[t]) + 4
        level = max((1 + level for _, later, level in spans if later < end),
                    default=0)
        spans.append((phases[t], x, level))
    return spans[::-1]


def _column_labels(draw, labels, left, y, column):
    """Labels that do not touch, the last for certain."""
    last = left + column * len(labels) - column // 2
    limit = last - _width(labels[-1]) // 2 - 6
    end = 0
    for t, label in enumerate(labels):
        x, half = left + column * t + column // 2, _width(label) // 2
        is_last = t == len(labels) - 1
        if is_last or (x - half > end and x + half < limit):
            draw.text((x, y), label, _INK, _FONT, "mt")
            end = x + half + 6


def _colour_bar(draw, x, top):
    height = 132
    for row in range(height):
        draw.line((x, top + row, x + 14, top + row),
                  colour(1 - row / (height - 1)))
    for share in (1.0, 0.5, 0.0):
        draw.text((x + 20, top + (1 - share) * (height - 1)),
                  f"{100 * share:.0f}%", _INK, _FONT, "lm")
    for line, text in enumerate(("of the work", "is executed")):
        draw.text((x, top + height + 14 + line * _LINE), text, _INK, _FONT,
                  "lt")


def _thumbnail(image):
    """An image made to fit, pixels kept square and visible."""
    picture = Image.fromarray(np.asarray(image))
    scale = _THUMBNAIL / max(picture.size)
    size = [max(1, round(scale * side)) for side in picture.size]
    return picture.resize(size, Image.Resampling.NEAREST if scale >= 1
                          else Image.Resampling.LANCZOS)


def _fitting(text, width):
    if _width(text) <= width:
        return text
    while text and _width(text + "…") > width:
        text = text[:-1]
    return text + "…"


def _width(text, font=_FONT):
    return int(font.getlength(text)) + 1
