"""Waiting that does not sleep: what tests of inputs put in its place."""

from unittest import mock

from device.inputs import waiting


class Waiter:
    """Does the next thing of a script at every wait, then stops.

    Args:
        script: callables without arguments, or None for nothing.

    Attributes:
        waits: seconds of every wait so far.
    """

    def __init__(self, *script):
        self.stopped, self.waits = False, []
        self._script = list(script)

    def wait(self, seconds=None, descriptor=None):
        self.waits.append(seconds)
        if not self._script:
            self.stopped = True
        elif (action := self._script.pop(0)) is not None:
            action()
        return False

    def breathe(self):
        """A script has no idle time."""

    def stop(self):
        self.stopped = True

    def close(self):
        """There is nothing to free."""


def waits(waiter):
    """A context in which inputs get this waiter."""
    return mock.patch.object(waiting, "Waiter", lambda: waiter)
