"""How every figure looks, and its bytes as SVG and PNG."""

import io
import re
from typing import NamedTuple

import matplotlib
from matplotlib import figure as mpl_figure
from matplotlib import lines as mpl_lines
from matplotlib import style as mpl_style

# Okabe and Ito's palette, told apart by every kind of colour vision
# (https://jfly.uni-koeln.de/color); without its yellow, too pale for lines.
BLACK, ORANGE, SKY, GREEN, BLUE, VERMILLION, PURPLE = (
    "#000000", "#E69F00", "#56B4E9", "#009E73", "#0072B2", "#D55E00",
    "#CC79A7")
INK, PALE = "#222222", "#6b6b6b"

WIDTH = 5.0  # inches: at the width of a phone, text is still readable
_PNG_DPI = 200

_FONT = "DejaVu Sans"  # comes with matplotlib, so widths never change

# What makes an SVG small: coordinates (in points; numbers below 1 are scales
# and stay) of two decimals, no indentation, the font named once; where a
# browser lacks the font, others of about its width.
_SHORTER = (
    (rb"\b([1-9]\d*\.\d\d)\d+", rb"\1"), (rb"\n\s+", rb"\n"),
    (b"font-family: '" + _FONT.encode() + b"'; ", b""),
    (rb"\*\{stroke-linejoin", b"text{font-family:'" + _FONT.encode()
     + b"',Verdana,Arial,sans-serif}*{stroke-linejoin"))

_SETTINGS = {
    "font.size": 10, "axes.titlesize": 10.5, "axes.labelsize": 10,
    "xtick.labelsize": 9, "ytick.labelsize": 9, "legend.fontsize": 9,
    "font.family": _FONT, "text.color": INK, "axes.edgecolor": PALE,
    "axes.labelcolor": INK, "xtick.color": INK, "ytick.color": INK,
    "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True,
    "grid.color": "#dddddd", "grid.linewidth": 0.6, "axes.axisbelow": True,
    "lines.linewidth": 1.6, "lines.markersize": 5, "legend.frameon": False,
    "legend.handlelength": 2.6, "figure.facecolor": "white",
    "hatch.linewidth": 0.6, "svg.fonttype": "none",
}


class Look(NamedTuple):
    """A line's colour, marker and dashes; told apart without colour too."""

    colour: str
    marker: str
    line: str
    filled: bool = True
    size: float = 5.0


BASE = Look(BLACK, "*", "none", size=11)
STATIC = (Look(PALE, "x", "none", size=6), Look(PALE, "+", "none", size=8))

_COLOURS = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, BLACK)
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "p")
_LINES = ("-", "--", "-.", (0, (1, 1)), (0, (5, 1, 1, 1, 1, 1)))


def look(index):
    """`Look` of the index-th line; all of the first 168 differ."""
    return Look(_COLOURS[index % len(_COLOURS)],
                _MARKERS[index % len(_MARKERS)], _LINES[index % len(_LINES)])


def drawn(look_):
    """A `Look` as what `axes.plot` takes."""
    return {"color": look_.colour, "marker": look_.marker,
            "linestyle": look_.line, "markersize": look_.size,
            "markerfacecolor": look_.colour if look_.filled else "white"}


def handle(look_):
    """What a legend shows of a `Look`."""
    return mpl_lines.Line2D([], [], **drawn(look_))


def rendered(key, height, painter, width=WIDTH):
    """(SVG, PNG), the same bytes for the same picture.

    Args:
        key: names the picture; its SVG's ids are made from it.
        height, width: inches.
        painter: function of a `matplotlib.figure.Figure`.
    """
    with mpl_style.context(["default", {**_SETTINGS, "svg.hashsalt": key}]):
        figure = mpl_figure.Figure(
            figsize=(width, height), layout="constrained")
        painter(figure)
        svg = _saved(figure, "svg", {"Date": None, "Creator": None})
        png = _saved(figure, "png", {"Software": None})
    for pattern, shorter in _SHORTER:
        svg = re.sub(pattern, shorter, svg)
    return svg, png


def _saved(figure, suffix, metadata):
    content = io.BytesIO()
    figure.savefig(content, format=suffix, dpi=_PNG_DPI, metadata=metadata)
    return content.getvalue()


def legend(figure, handles, labels):
    """Under everything, so that it hides nothing."""
    if len(labels) > 1:
        figure.legend(handles, labels, loc="outside lower center",
                      ncols=columns(labels))


def columns(labels):
    """Of a legend: as many as are as wide as the picture."""
    return 1 if max(map(len, labels)) > 26 else 2


def shade(share):
    """RGBA of a share in [0, 1]: dark is 0, bright is 1 (viridis)."""
    return matplotlib.colormaps["viridis"](share)


def on(colour):
    """Black or white, whichever is readable on an RGBA."""
    red, green, blue = colour[:3]
    return BLACK if 0.3 * red + 0.59 * green + 0.11 * blue > 0.5 else "white"
