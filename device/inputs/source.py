"""What an input is: images one after the other, ended from outside."""

import abc

from device.inputs import waiting


class Input(abc.ABC):
    """Yields `images.Item`; a context manager.

    Attributes:
        total: how many images there will be, or None where nobody knows.
    """

    total = None

    def __init__(self):
        self._waiter = waiting.Waiter()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def when_idle(self, call):
        """Has `call()` called about every second while there is no image."""
        self._waiter.idle = call

    @abc.abstractmethod
    def __iter__(self):
        """`images.Item`s in order. Raises InputError if the input breaks."""

    def start(self, after):
        """Goes on where an earlier run ended; to be called before iterating.

        Args:
            after: name of the last image that was answered.
        """

    def done(self, item):
        """The answer to `item` was written. Never raises."""

    def stop(self):
        """Ends the iteration soon, also while it waits.

        May be called at any time, by a signal handler or another thread.
        """
        self._waiter.stop()

    def close(self):
        """Frees what it holds; may be called twice."""
        self._waiter.close()
