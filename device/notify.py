"""Tells systemd how a service is: ready, alive, stopping.

https://www.freedesktop.org/software/systemd/man/latest/sd_notify.html: a
datagram to the socket that NOTIFY_SOCKET names. Without systemd nothing
happens.
"""

import contextlib
import os
import socket
import time

_US_PER_S = 1e6

# systemd asks for one sign of life in half its WatchdogSec; twice as often
# leaves room for one that is late.
_PER_WATCHDOG = 4


class Service:
    """What systemd is told about this process.

    Args:
        environment: mapping with NOTIFY_SOCKET and WATCHDOG_USEC, if any.
        clock: seconds, of a clock that is never set.
    """

    def __init__(self, environment=os.environ, clock=time.monotonic):
        self._address = environment.get("NOTIFY_SOCKET", "")
        self._clock = clock
        self._period_s = _watchdog_s(environment) / _PER_WATCHDOG
        self._next_s = clock()

    def ready(self):
        """Everything is loaded: images may come."""
        self._send("READY=1")

    def alive(self):
        """To be called often, also while waiting; tells as often as asked."""
        if self._period_s and self._clock() >= self._next_s:
            self._send("WATCHDOG=1")
            self._next_s = self._clock() + self._period_s

    def stopping(self):
        """The end has begun: what is left is being written."""
        self._send("STOPPING=1")

    def _send(self, message):
        if not self._address:
            return
        # "@" stands for the zero byte of a name that is in no file system.
        address = self._address
        if address.startswith("@"):
            address = "\0" + address[1:]
        # A full or vanished socket is systemd's trouble; images go on.
        with contextlib.suppress(OSError), socket.socket(
                socket.AF_UNIX, socket.SOCK_DGRAM) as datagrams:
            datagrams.setblocking(False)
            datagrams.sendto(message.encode(), address)


def _watchdog_s(environment):
    """Seconds within which systemd wants a sign of life; 0: it wants none."""
    if environment.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return 0.0
    text = environment.get("WATCHDOG_USEC", "")
    return int(text) / _US_PER_S if text.isdecimal() else 0.0
