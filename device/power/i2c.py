"""16-bit registers of a chip on an I2C bus, high byte first."""

import errno

from device import errors

# What Linux says when nothing acknowledges an address:
# https://docs.kernel.org/i2c/fault-codes.html
_NOBODY = (errno.EREMOTEIO, errno.ENXIO)


def _smbus():
    """`smbus2.SMBus`. Raises PowerError."""
    try:
        import smbus2
    except ImportError as error:
        raise errors.PowerError(
            "Reading a chip over I2C needs smbus2, which is not installed: "
            "pip install smbus2.") from error
    return smbus2.SMBus


class Chip:
    """One chip; after a failure its bus is opened anew.

    Args:
        name: of the chip, for people.
        bus: number: 1 is /dev/i2c-1.
        address: 0x03 to 0x77.
        open_bus: makes a bus from its number; None: `smbus2.SMBus`.
    """

    def __init__(self, name, bus, address, open_bus=None):
        if not 0x03 <= address <= 0x77:
            raise errors.PowerError(
                f"{name}: an I2C address lies in 0x03 to 0x77, but is "
                f"{address:#04x}.")
        self.name = f"{name} at {address:#04x} on I2C bus {bus}"
        self._number, self._address = bus, address
        self._open_bus, self._bus = open_bus or _smbus(), None

    def read(self, register):
        """The register, 0 to 0xFFFF. Raises PowerError."""
        return _swapped(self._call("read_word_data", register))

    def read_signed(self, register):
        """The register, -0x8000 to 0x7FFF. Raises PowerError."""
        value = self.read(register)
        return value - 0x10000 if value & 0x8000 else value

    def write(self, register, value):
        """Sets the register. Raises PowerError."""
        self._call("write_word_data", register, _swapped(value))

    def close(self):
        bus, self._bus = self._bus, None
        if bus is not None:
            bus.close()

    def _call(self, method, *arguments):
        try:
            if self._bus is None:
                self._bus = self._open_bus(self._number)
            return getattr(self._bus, method)(self._address, *arguments)
        except OSError as error:
            try:
                self.close()
            except OSError:
                pass  # the first error says what is wrong
            raise errors.PowerError(
                f"{self.name}: {self._explain(error)}") from error

    def _explain(self, error):
        """What is wrong, and what to do."""
        device = f"/dev/i2c-{self._number}"
        if error.errno == errno.ENOENT:
            return (f"there is no {device}. Switch I2C on with raspi-config, "
                    "or name another bus.")
        if error.errno == errno.EACCES:
            return f"{device} may not be used. Add the user to group i2c."
        if error.errno == errno.EBUSY:
            return ("a kernel driver has the chip. Read it through sysfs "
                    "instead.")
        if error.errno in _NOBODY:
            return (f"nothing answers. Check the wiring; i2cdetect -y "
                    f"{self._number} lists the addresses.")
        return f"{error.strerror or error}. Check the wiring."


def _swapped(word):
    """SMBus words have the low byte first, these chips' the high one."""
    return (word & 0xFF) << 8 | word >> 8
