"""A clock that is set, sources that say what they shall, I2C without wires."""

import errno

from device.power import reading


class Clock:
    """Seconds that pass only when told."""

    def __init__(self, seconds=0.0):
        self.seconds = seconds

    def __call__(self):
        return self.seconds

    def advance(self, seconds):
        self.seconds += seconds


class Source:
    """Says what `says` is; raises it, or calls it, if it is such a thing."""

    name = "fake"

    def __init__(self, says=None):
        self.says = says
        self.reads = self.closed = 0

    def read(self):
        self.reads += 1
        if isinstance(self.says, BaseException):
            raise self.says
        return self.says() if callable(self.says) else self.says

    def close(self):
        self.closed += 1


def charged(charge, **others):
    """A `reading.Reading` of a charge."""
    return reading.Reading(charge=charge, **others)


class Bus:
    """`smbus2.SMBus` of chips in memory: address -> register -> value.

    Attributes:
        broken: OSError that every call raises; None: none.
        opened, closed: how often.
    """

    def __init__(self, chips, broken=None):
        self.chips, self.broken = chips, broken
        self.opened = self.closed = 0

    def open(self, number):
        """For `open_bus`."""
        self.opened += 1
        if self.broken and self.broken.errno in (errno.ENOENT, errno.EACCES):
            raise self.broken
        return self

    def read_word_data(self, address, register):
        return _swapped(self._registers(address)[register])

    def write_word_data(self, address, register, value):
        self._registers(address)[register] = _swapped(value)

    def close(self):
        self.closed += 1

    def _registers(self, address):
        if self.broken:
            raise self.broken
        if address not in self.chips:
            raise OSError(errno.EREMOTEIO, "Remote I/O error")
        return self.chips[address]


def _swapped(word):
    """What SMBus, low byte first, makes of a chip's high byte first."""
    return int.from_bytes(word.to_bytes(2, "big"), "little")
