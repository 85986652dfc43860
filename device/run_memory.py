"""What a run of `device.run` takes up again after a restart."""

import dataclasses
from typing import Optional


@dataclasses.dataclass
class Position:
    """The last image that was answered."""

    number: int = 0              # of all, across restarts
    image: Optional[str] = None  # its name

    def take(self, last):
        """Takes up a dict with both; anything else is ignored."""
        if isinstance(last, dict) and type(last.get("number")) is int:
            self.number, self.image = last["number"], last.get("image")


class RunMemory:
    """Collects and recalls the parts of a run.

    Args:
        bundle: `bundle.Bundle` that runs.
        position: `Position`.
        summary: `summary.Summary`.
        chooser: `choosing.Chooser`.
    """

    def __init__(self, bundle, position, summary, chooser):
        self._bundle, self._position = bundle, position
        self._summary, self._chooser = summary, chooser

    def collect(self):
        """A dict for `state.Saver`."""
        return {"bundle": self._bundle.checksum,
                "last": dataclasses.asdict(self._position),
                "summary": self._summary.memory(),
                "chooser": self._chooser.memory()}

    def recall(self, state, warn):
        """Gives back what was collected; before anything is added.

        What another bundle did is not this one's: its totals and what it learnt
        about costs are left behind, with a warning.

        Args:
            state: a dict that `state.load` returned, or None.
            warn: called with a message.
        """
        if state is None:
            return
        self._position.take(state.get("last"))
        if state.get("bundle") != self._bundle.checksum:
            warn("the state is of another bundle: totals, and what was learnt "
                 "about costs, begin anew.")
            return
        self._chooser.recall(state.get("chooser", {}))
        try:
            self._summary.recall(state["summary"])
        except (KeyError, TypeError, ValueError, AttributeError, IndexError):
            warn("the state holds no totals: they begin anew.")
