"""What a page is made of: sections of figures, tables and sentences."""

import csv
import io
from typing import NamedTuple

import numpy as np

from ddi_tf.report import style


_TALL = 1.2


class Figure(NamedTuple):
    """A picture, and the numbers that are drawn in it."""

    key: str      # file name without suffix
    title: str
    caption: str  # what to see in it
    origin: str   # runs, commits, seeds
    alt: str
    svg: bytes
    png: bytes
    csv: str
    is_tall: bool  # much higher than wide


class Table(NamedTuple):
    """Rows of texts, in parts with a heading each ("": none)."""

    key: str
    title: str
    caption: str
    origin: str
    columns: tuple
    parts: tuple  # of (heading, rows)

    @property
    def csv(self):
        heads = any(heading for heading, _ in self.parts)
        return as_csv(
            [*(["of"] if heads else []), *self.columns],
            [[*([heading] if heads else []), *row]
             for heading, rows in self.parts for row in rows])


class Section(NamedTuple):
    """A heading, sentences, then figures and tables."""

    key: str
    title: str
    texts: tuple
    items: tuple = ()


def draw(key, title, caption, origin, alt, columns, rows, height, painter,
         width=style.WIDTH):
    """A `Figure`.

    Args:
        key, title, caption, origin, alt: as in `Figure`.
        columns: names of the numbers, with units.
        rows: what is drawn.
        height, width: inches.
        painter: function of a `matplotlib.figure.Figure`.
    """
    return Figure(key, title, caption, origin, alt,
                  *style.rendered(key, height, painter, width),
                  as_csv(columns, rows), height > _TALL * width)


def as_csv(columns, rows):
    """CSV text; numbers in full, nan as an empty cell."""
    content = io.StringIO()
    writer = csv.writer(content, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_plain(value) for value in row])
    return content.getvalue()


def _plain(value):
    if isinstance(value, (float, np.floating)):
        return "" if np.isnan(value) else repr(float(value))
    return value
