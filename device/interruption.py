"""Ends a run in good order when a signal asks for it."""

import signal

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Interruption:
    """While entered, SIGTERM and Ctrl-C call `stop`; a second one ends at once.

    Args:
        stop: called in the signal's handler.

    Attributes:
        received: number of the first signal, or None.
    """

    def __init__(self, stop):
        self._stop, self._before = stop, {}
        self.received = None

    def __enter__(self):
        for number in _SIGNALS:
            self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *exception):
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, number, _):
        if self.received is not None:
            raise KeyboardInterrupt
        self.received = number
        self._stop()
