"""Numbers and small pictures as text: what a terminal screen is made of."""

import math

_EIGHTHS = " ▏▎▍▌▋▊▉█"
_LEVELS = " ▁▂▃▄▅▆▇█"
_PREFIXES = ((1e9, "G"), (1e6, "M"), (1e3, "k"))


def number(value):
    """Three significant digits without an exponent: 0.0412, 5.53, 12,345."""
    if value == 0 or not math.isfinite(value):
        return f"{value:.0f}"
    decimals = 2 - math.floor(math.log10(abs(value)))
    return f"{value:,.{min(max(decimals, 0), 9)}f}"


def count(value):
    """A large number of things: 5.53 M, 482 k, 999."""
    for factor, prefix in _PREFIXES:
        if value >= factor:
            return f"{number(value / factor)} {prefix}"
    return f"{value:.0f}"


def percent(share):
    """`share` in [0, 1] as 34.8%."""
    return f"{100 * share:.1f}%"


def hours(value):
    """Hours as people say them: 7.9 h, or from two days on 12.3 days."""
    return f"{value:.1f} h" if value < 48 else f"{value / 24:,.1f} days"


def clock(seconds):
    """Seconds, 0 or more, as 3 d 04:12:45."""
    minutes, second = divmod(int(seconds), 60)
    whole_hours, minute = divmod(minutes, 60)
    days, hour = divmod(whole_hours, 24)
    return (f"{days} d " if days else "") + f"{hour:02}:{minute:02}:{second:02}"


def pace(images_per_s):
    """How fast images come: 31.2/s, or every 10.0 s."""
    if 0 < images_per_s < 1:
        return f"every {number(1 / images_per_s)} s"
    return f"{number(images_per_s)}/s"


def printable(text):
    """`text` without what could move a cursor: names come from anywhere."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}"
                   for char in text)


def bar(share, width):
    """`share`, clipped to [0, 1], of a bar of `width` characters, padded."""
    eighths = round(8 * width * _clipped(share))
    # What is there at all is seen.
    eighths = max(eighths, 1) if share > 0 else 0
    full, rest = divmod(eighths, 8)
    return ("█" * full + _EIGHTHS[rest] * bool(rest)).ljust(width)


def gauge(share, reserve, width):
    """A battery of `width` characters, its reserve shaded: ▒▒████░░░░."""
    filled, kept = (round(width * _clipped(s)) for s in (share, reserve))
    return ("▒" * min(filled, kept) + "█" * max(filled - kept, 0)
            + "░" * (width - filled))


def level(share):
    """One character, full to `share`, clipped to [0, 1]; blank only for 0."""
    return _LEVELS[math.ceil(8 * _clipped(share))]


def _clipped(share):
    return min(max(share, 0), 1)
