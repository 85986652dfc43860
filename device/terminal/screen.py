"""One terminal screen of how a run stands: what `device.view` draws.

It fits the terminal: a low one loses lines, a narrow one columns. Nothing is
told by colour alone.
"""

import dataclasses
from typing import NamedTuple, Optional

from rich.text import Text

from device import bundle
from device import status as status_lib
from device.terminal import drawing
from device.terminal import panes
from device.terminal.lines import BLANK, WARN, Line, beside, fit

# Narrower than this, the battery stands above the exits, not beside them.
_SIDE_BY_SIDE = 56

# Lines that the lower part has at least: a heading and three facts.
_LOWER = 4


class Recent(NamedTuple):
    """What one snapshot does not tell."""

    images_per_s: Optional[float] = None
    macs: tuple = ()   # of the latest images, oldest first
    message: str = ""  # what a message on standard error said last


@dataclasses.dataclass(frozen=True)
class Screen:
    """A rich renderable, of the size that it is given."""

    status: status_lib.Status
    manifest: bundle.Manifest
    recent: Recent = Recent()

    def __rich_console__(self, console, options):
        width = max(options.max_width - 2, 1)  # one blank on both sides
        for line in self._lines(width, options.height or console.height):
            text = line.text.copy()
            text.truncate(width, overflow="ellipsis")
            yield Text(" ") + text

    def _lines(self, width, height):
        """At most `height` of `Line`."""
        status, plan = self.status, self.manifest.plan
        values = status.summary.values()  # costly: once
        upper = [
            *panes.title(status, values, self.recent.images_per_s, width),
            BLANK, *panes.image(status, plan, width),
            BLANK, *panes.cost(status, values, self.recent.macs, width), BLANK]
        notes = self._notes()
        needed = sum(line.rank < 2 for line in upper) + len(notes)
        lower = self._lower(
            values["exits"], width, max(height - needed, _LOWER))
        upper = fit(upper, height - len(lower) - len(notes))
        return [*upper, *lower, *notes][:height]

    def _lower(self, counts, width, height):
        """Battery and exits, beside each other if there is room."""
        plan, answer = self.manifest.plan, self.status.answer
        names = [step.exit for step in plan.steps if step.exit] + [plan.head]
        exits = lambda width, height: panes.exits(
            names, counts, answer and answer.exit, width, height)
        if self.status.budget.battery is None:
            return exits(width, height)
        battery = lambda width: panes.battery(
            self.status.budget.battery, width)[:height]
        if width >= _SIDE_BY_SIDE:
            half = (width - 3) // 2
            return beside(exits(half, height), battery(width - 3 - half), width)
        upper = battery(width)
        return upper + exits(width, height - len(upper))

    def _notes(self):
        """What is wrong, if anything is."""
        battery = self.status.budget.battery
        texts = [battery.note if battery else "", self.recent.message]
        return [Line(Text(drawing.printable(text), WARN))
                for text in texts if text]
