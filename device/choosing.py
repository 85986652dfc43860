"""Which operating point the next image gets."""

from typing import Protocol

from device import status


class Chooser(Protocol):
    """Picks an operating point per image, and hears what the image cost."""

    def choose(self):
        """The `bundle.OperatingPoint` for the next image."""

    def spent(self, answer):
        """Tells the cost of that image: its `answers.Answer`."""

    def status(self):
        """`status.BudgetStatus`."""

    def memory(self):
        """What should survive a restart: a dict for JSON."""

    def recall(self, memory):
        """Takes up a `memory`, whatever is in it: nonsense is ignored."""


class Fixed:
    """Always the same operating point.

    Args:
        point: `bundle.OperatingPoint`.
    """

    def __init__(self, point):
        self._point = point

    def choose(self):
        return self._point

    def spent(self, answer):
        """Nothing depends on it."""

    def status(self):
        return status.BudgetStatus(self._point.name, None, None)

    def memory(self):
        return {}

    def recall(self, memory):
        """There is nothing to take up."""
