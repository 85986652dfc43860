"""MAX17040, 41, 43, 44, 48 and 49: fuel gauges over I2C.

Datasheets: https://www.analog.com/en/products/max17048.html and so on.
"""

from device import errors
from device.power import i2c
from device.power import reading

_ADDRESS = 0x36  # of all of them
_VCELL, _SOC, _VERSION, _CRATE = 0x02, 0x04, 0x08, 0x16

# Per step of 16 bits and cell; the older chips leave the last four bits 0.
_CELL_V = 78.125e-6
_CHARGE = 1 / 256 / 100
_CHARGE_PER_HOUR = 0.208 / 100

# Slower than this it may be full, at rest, or drawn from very little.
_MOVES_PER_HOUR = 0.01


class Max17048:
    """A battery's charge and voltage; of a 48 or 49 also how fast it moves.

    The older chips have no register for the rate: they leave `draw_w` and
    `charging` untold.

    Args:
        bus: number of the I2C bus.
        cells: in series: 2 for a MAX17041, 44 or 49.
        capacity_wh: of the battery; None: `draw_w` is not told.
        open_bus: see `i2c.Chip`.

    Raises:
        PowerError: nothing can be so, or smbus2 is missing.
    """

    def __init__(self, *, bus=1, cells=1, capacity_wh=None,
                 open_bus=None):
        if cells not in (1, 2):
            raise errors.PowerError(
                f"MAX17048: cells must be 1 or 2, but is {cells}.")
        self._chip = i2c.Chip("MAX17048", bus, _ADDRESS, open_bus)
        self.name = self._chip.name
        self._cells, self._capacity_wh = cells, capacity_wh

    def read(self):
        """The `reading.Reading` of now. Raises PowerError."""
        voltage_v = self._chip.read(_VCELL) * _CELL_V * self._cells
        if voltage_v == 0.0:
            raise errors.PowerError(
                f"{self.name}: it measures 0 V. Connect the battery.")
        charge = self._chip.read(_SOC) * _CHARGE
        draw_w = charging = None
        # https://github.com/adafruit/Adafruit_CircuitPython_MAX1704x: 0x001_
        # is a 48 or 49; a 43 or 44 has 0x000_.
        if self._chip.read(_VERSION) & 0xFFF0 == 0x0010:
            rate = self._chip.read_signed(_CRATE) * _CHARGE_PER_HOUR
            if abs(rate) >= _MOVES_PER_HOUR:
                charging = rate > 0
            if self._capacity_wh is not None:
                draw_w = -rate * self._capacity_wh
        return reading.Reading(charge, draw_w, voltage_v, charging)

    def close(self):
        self._chip.close()
