"""The parts of the screen: each a list of lines for one width."""

from rich.text import Text

from device.terminal import drawing
from device.terminal import path
from device.terminal.lines import (
    MARK, QUIET, WARN, Line, ends, rule, spread, tail)

# Characters of the word that a line begins with, of a value, of a named value,
# and of a hard limit and how near the last image came to it.
_LABEL, _VALUE, _NAMED, _LIMIT = 9, 10, 17, 20

_BAR = 12  # of a limit, at most

_HEALTH = {"good": "good", "held": "held: last good value",
           "lost": "lost: frugal point"}


def title(status, values, images_per_s, width):
    """Which bundle, since when, and what came of all images.

    Args:
        status: `status.Status`.
        values: those of its summary.
        images_per_s: how fast images come now; None where that is not known.
        width: characters of a line.
    """
    accuracy = values["accuracy"]
    return [
        Line(ends(Text(drawing.printable(status.bundle), "bold"),
                  Text(f"up {drawing.clock(status.seconds)}", QUIET), width)),
        Line(spread([
            Text(f"{values['images']:,} images"),
            Text("" if images_per_s is None else drawing.pace(images_per_s)),
            _counted(values["late"], "late"),
            _counted(values["failed"], "failed"),
            Text("" if accuracy is None
                 else f"{drawing.percent(accuracy)} right")], width), 1)]


def image(status, plan, width):
    """The last image: what it was taken for, and its path."""
    answer, found, name = status.answer, Text(), Text(
        drawing.printable(status.name or ""))
    if status.name is None:
        name = Text("waiting for the first image", QUIET)
    elif answer is None:
        found = Text("could not be classified", WARN)
    else:
        found = Text.assemble(
            (drawing.printable(status.label), f"bold {MARK}"), "  ",
            drawing.percent(float(answer.probabilities[answer.label])),
            (f"  entropy {answer.entropy:.2f} nats", QUIET))
    lines = [Line(rule("image", "", width)),
             Line(ends(tail(name, width - found.cell_len - 2), found, width))]
    # As high where there is no path: the rest of the screen stays in place.
    for blocks, exits_ in (
            path.rows(plan, answer, width) if answer else [("", "")]):
        lines += [Line(Text(blocks, MARK)), Line(Text(exits_))]
    return [*lines, Line(Text(path.LEGEND, QUIET), 3)]


def cost(status, values, recent_macs, width):
    """What images cost, and how near the last one came to hard limits."""
    answer, limits, base = status.answer, status.limits, values["base_macs"]
    mj = lambda value: f"{drawing.number(value)} mJ"
    ms = lambda value: f"{drawing.number(value)} ms"
    of_base = lambda macs: drawing.percent(macs / base)
    mean_macs, most_macs = values["mean_macs"], values["largest_macs"]
    rows = [
        ("MACs", drawing.count, answer and answer.macs, limits.max_macs,
         ("mean", mean_macs), ("most", most_macs)),
        ("of base", of_base, answer and answer.macs, None,
         ("mean", mean_macs), ("most", most_macs)),
        ("energy", mj, answer and answer.energy_mj, limits.max_energy_mj,
         ("mean", values["mean_energy_mj"]),
         ("most", values["largest_energy_mj"])),
        ("latency", ms, answer and answer.latency_ms, limits.deadline_ms,
         ("median", values["latency_ms_median"]),
         ("95%", values["latency_ms_p95"]))]
    limited = any(row[3] is not None for row in rows)
    room = width - _LABEL - _VALUE - limited * _LIMIT
    named = min(max(room // _NAMED, 0), 2)
    lines = [Line(_cost_row(named, width, *row), 2 * (row[0] == "of base"))
             for row in rows]
    latest = recent_macs[-(width - _LABEL):]
    trend = "".join(drawing.level(macs / base) for macs in latest)
    return [Line(rule("cost", _aim(status.budget), width)), *lines,
            Line(_labelled("latest", (trend, MARK)), 4)]


def exits(names, counts, last, width, height):
    """How many images each exit answered; the last one's is marked.

    Args:
        names: of exits, in the network's order.
        counts: exit name -> images.
        last: the exit of the last image, or None.
        width: characters of a line.
        height: lines; where there are more exits, the busiest are shown.
    """
    total = max(sum(counts.values()), 1)
    busiest = sorted(names, key=lambda name: -counts.get(name, 0))
    shown = set(busiest[:max(height - 1, 0)])
    longest = max(map(len, names))
    room = max(width - longest - 8, 1)
    lines = [Line(rule("exits", "", width))]
    for name in names:
        if name in shown:
            share = counts.get(name, 0) / total
            lines.append(Line(Text.assemble(
                (name.ljust(longest), "bold" if name == last else ""), " ",
                (drawing.bar(share, room), MARK),
                f" {drawing.percent(share):>6}")))
    return lines


def battery(status, width):
    """`status.BatteryStatus`: charge, draw and how long it will last."""
    if status.charge is None:
        charge = Text("unknown", WARN)
    else:
        room = max(width - _LABEL - 5, 1)
        charge = Text.assemble(
            (drawing.gauge(status.charge, status.reserve, room), MARK),
            f"{status.charge:5.0%}")
    return [
        Line(rule("battery", drawing.printable(status.source), width)),
        Line(_labelled("charge", charge)),
        Line(_labelled("lasts", _lasts(status))),
        Line(_labelled("asked", f"{drawing.hours(status.hours_asked)}, "
                       f"reserve {status.reserve:.0%}")),
        Line(_labelled("draw", _draw(status))),
        Line(_labelled("sensor", (
            _HEALTH[status.health], "" if status.health == "good" else WARN)))]


def _aim(budget):
    """The operating point and the mean energy aimed at."""
    if budget.target_mj is None:
        return budget.point
    return f"{budget.point}, target {drawing.number(budget.target_mj)} mJ"


def _cost_row(named, width, name, form, value, limit, *others):
    """A line: this image's value, `named` of the others, and the limit.

    Args:
        named: how many of the others there is room for.
        width: characters of the line.
        name: what the value is called.
        form: callable, number -> text.
        value: of the last image, or None.
        limit: that hard budget, or None.
        *others: (name, number or None).
    """
    line = _labelled(name, (
        ("" if value is None else form(value)).rjust(_VALUE), "bold"))
    for what, each in others[:named]:
        number = "" if each is None else f" {form(each)}"
        line.append(what.rjust(_NAMED - len(number)) if number
                    else " " * _NAMED, QUIET)
        line.append(number)
    if limit is not None:
        room = width - line.cell_len - _LIMIT
        line = Text.assemble(line, "   ", _limit(form, value, limit, room))
    return line


def _limit(form, value, limit, room):
    """How much of a hard limit the image took: a bar, if there is room."""
    note = Text.assemble(("of ", QUIET), form(limit))
    if value is None or not limit:
        return note
    share = value / limit
    bar = f"{drawing.gauge(share, 0, min(room, _BAR))} " if room > 2 else ""
    return Text.assemble(
        (bar, MARK), (f"{share:4.0%} ", WARN if share > 1 else "bold"), note)


def _lasts(status):
    """How long the battery lasts, and whether that is enough."""
    if status.charging:
        return Text("while it is charged")
    if status.hours_left is None:
        return Text("unknown", WARN)
    text = Text(drawing.hours(status.hours_left), "bold")
    short = status.hours_asked - status.hours_left
    if short > 0.05:  # what one decimal shows
        text.append(f", {drawing.hours(short)} short", WARN)
    return text


def _draw(status):
    """Watts out of the battery, or into it."""
    if status.draw_w is None:
        return Text("charging" if status.charging else "unknown")
    watts = f"{drawing.number(abs(status.draw_w))} W"
    return Text(f"charging at {watts}" if status.draw_w < 0 else watts)


def _labelled(name, value):
    """A line of a quiet name and a `Text`, string, or (string, style)."""
    return Text.assemble((name.ljust(_LABEL), QUIET), value)


def _counted(number, what):
    return Text(f"{number:,} {what}", WARN if number else QUIET)
