"""Lines of a terminal screen: how they are laid out, and which go first."""

from typing import NamedTuple

from rich.text import Text

# Blue and orange differ for every kind of colour vision, on black and on white.
MARK, WARN, QUIET = "dodger_blue1", "bold dark_orange", "dim"


class Line(NamedTuple):
    """One line; of several, those of the highest rank are the first to go."""

    text: Text
    rank: int = 0


BLANK = Line(Text(), 9)


def fit(lines, height):
    """At most `height` of the `Line`s, in their order."""
    first_to_go = sorted(range(len(lines)),
                         key=lambda i: (lines[i].rank, i), reverse=True)
    gone = set(first_to_go[:max(len(lines) - height, 0)])
    return [line for i, line in enumerate(lines) if i not in gone]


def ends(left, right, width):
    """Two `Text`s at the ends of a line; `left` is cut where they collide."""
    room = max(width - right.cell_len - 1, 0)
    left = left.copy()
    left.truncate(room, overflow="ellipsis")
    return Text.assemble(
        left, " " * (width - left.cell_len - right.cell_len), right)


def beside(left, right, width):
    """Two lists of `Line`s as columns of one, `width` characters in all."""
    half = (width - 3) // 2
    rows = max(len(left), len(right))
    left, right = (lines + [BLANK] * (rows - len(lines))
                   for lines in (left, right))
    return [Line(Text.assemble(ends(a.text, Text(), half + 3), b.text),
                 min(a.rank, b.rank)) for a, b in zip(left, right)]


def spread(texts, width):
    """As many of the `Text`s that are not empty as fit beside each other."""
    gap, line = "   ", Text()
    for text in filter(None, texts):
        if line.cell_len + len(gap) + text.cell_len <= width:
            line = Text.assemble(line, gap if line else "", text)
    return line


def rule(title, note, width):
    """A thin line that begins with a title and ends with a note."""
    note = Text(f" {note} ─" if note else "")
    note.truncate(max(width - len(title) - 4, 0), overflow="ellipsis")
    dashes = "─" * max(width - len(title) - 1 - note.cell_len, 0)
    return Text.assemble((title, "bold"), " ", (dashes, QUIET), note)


def tail(text, width):
    """`text`, without its beginning where it has more than `width` cells."""
    while text.cell_len > max(width, 1):
        text = Text(f"…{text.plain[2:]}", text.style)
    return text
