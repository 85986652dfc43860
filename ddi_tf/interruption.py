"""Ctrl-C and SIGTERM as a wish that training looks at between its steps."""

import os
import signal

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interruption:
    """Takes the first of the signals as a wish; a second one stops at once.

    A context manager, of the main thread only. Python raises KeyboardInterrupt
    anywhere, between a step and its counters too: a checkpoint written after
    that would not be of any step.

    Attributes:
        signal: number of the signal that came, or None.
    """

    def __init__(self):
        self.signal = None
        self._previous = {}

    def __enter__(self):
        self._previous = {number: signal.signal(number, self._take)
                          for number in _SIGNALS}
        return self

    def __exit__(self, *exception):
        self._give_back()

    def requested(self):
        """Whether training is to stop."""
        return self.signal is not None

    def _take(self, number, frame):
        del frame
        self.signal = number
        self._give_back()
        # Not by way of sys.stderr, which may be in the middle of a line.
        os.write(2, b"\nstopping after this step; once more stops at once, "
                    b"back to the last checkpoint.\n")

    def _give_back(self):
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous = {}
