"""Waiting that a signal handler or another thread can end."""

import math
import select
import socket
import time

IDLE_S = 1.0


class Waiter:
    """Sleeps for a time, until stopped, or until there is something to read.

    `stop` only sets a flag and writes a byte, so that a signal handler may call
    it while `wait` sleeps: a lock, as `threading.Event` has one, could be held
    by the very code that the signal interrupted.

    Attributes:
        stopped: whether it was.
        idle: called without arguments about every IDLE_S while it sleeps.
    """

    def __init__(self):
        self.stopped = False
        self.idle = lambda: None
        self._idle_s = time.monotonic()
        self._stop, self._stopper = socket.socketpair()
        self._stopper.setblocking(False)

    def stop(self):
        """Ends this wait and every later one; may be called after `close`."""
        self.stopped = True
        try:
            self._stopper.send(b"\0")
        except OSError:
            pass  # full of such bytes, so it ends; or closed, so nobody waits

    def wait(self, seconds=None, descriptor=None):
        """Sleeps.

        Args:
            seconds: at most; None: without an end.
            descriptor: of a file; there is something to read or it has ended.

        Returns:
            Whether `descriptor` is why it woke.
        """
        poll = select.poll()
        poll.register(self._stop, select.POLLIN)
        if descriptor is not None:
            poll.register(descriptor, select.POLLIN)
        end_s = time.monotonic() + (math.inf if seconds is None else seconds)
        while not self.stopped:
            left_s = max(0.0, end_s - time.monotonic())
            ready = dict(poll.poll(1000 * min(left_s, IDLE_S)))
            if descriptor in ready:
                return not self.stopped
            self.breathe()
            if left_s <= IDLE_S:
                break
        return False

    def breathe(self):
        """Calls `idle` if that is due."""
        if time.monotonic() - self._idle_s >= IDLE_S:
            self._idle_s = time.monotonic()
            self.idle()

    def close(self):
        """Frees its sockets; may be called twice."""
        self._stop.close()
        self._stopper.close()
