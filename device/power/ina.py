"""INA219 and INA226: voltage and current of a battery over I2C.

Current is the shunt's voltage over its resistance; the chips' own current
register depends on a calibration that another program may have written.
Datasheets: https://www.ti.com/lit/gpn/ina219, https://www.ti.com/lit/gpn/ina226
"""

from typing import Callable, NamedTuple

from device import errors
from device.power import discharge
from device.power import i2c
from device.power import reading

_CONFIG, _SHUNT, _BUS = 0x00, 0x01, 0x02
_CONTINUOUS = 0b111  # mode in the last bits: shunt and bus, again and again

# Less than this comes out of a battery only when something else feeds the
# machine; also what the INA219 may be wrong by at 10 mOhm.
_IDLE_A = 0.02


class _Model(NamedTuple):
    """What differs between the chips."""

    config: int           # after power-on: continuous, the widest range
    bus_shift: int        # lowest bits that are not voltage
    bus_v: float          # per step
    shunt_v: float        # per step
    identity: dict        # register -> what it must hold
    full_scale: Callable  # config -> steps at which the shunt's voltage clips


MODELS = {
    # Bits 11 and 12 of the configuration: 40, 80, 160 or 320 mV. The chip
    # cannot say what it is.
    "INA219": _Model(0x399F, 3, 4e-3, 10e-6, {},
                     lambda config: 4000 << (config >> 11 & 0b11)),
    "INA226": _Model(0x4127, 0, 1.25e-3, 2.5e-6, {0xFE: 0x5449, 0xFF: 0x2260},
                     lambda config: 0x7FFF),
}


class Ina:
    """A battery's voltage and draw, and from them its charge if asked for.

    Args:
        model: of `MODELS`.
        bus, address: of the chip.
        shunt_ohm: above 0; modules mostly have 0.1, UPS HATs often 0.01.
        positive: "discharging" or "charging": what the battery does when the
            shunt's voltage is positive. The first where IN+ is the battery.
        cells: lithium-ion cells in series, to tell the charge from the voltage;
            0: it is not told.
        resistance_ohm: of the battery, whose voltage sags by it under load.
        open_bus: see `i2c.Chip`.

    Raises:
        PowerError: nothing can be so, or smbus2 is missing.
    """

    def __init__(self, model, *, bus=1, address=0x40, shunt_ohm=0.1,
                 positive="discharging", cells=0, resistance_ohm=0.0,
                 open_bus=None):
        if positive not in ("discharging", "charging"):
            raise errors.PowerError(
                f"{model}: positive is discharging or charging, but is "
                f"{positive}.")
        if not (shunt_ohm > 0 and resistance_ohm >= 0 and cells >= 0):
            raise errors.PowerError(
                f"{model}: shunt_ohm must be above 0, resistance_ohm and cells "
                f"0 or more, but are {shunt_ohm}, {resistance_ohm}, {cells}.")
        self._model = MODELS[model]
        self._chip = i2c.Chip(model, bus, address, open_bus)
        self.name = self._chip.name
        self._shunt_ohm, self._positive = shunt_ohm, positive
        self._cells, self._resistance_ohm = cells, resistance_ohm

    def read(self):
        """The `reading.Reading` of now. Raises PowerError."""
        self._check_identity()
        shunt_v = self._shunt_voltage(self._configured())
        voltage_v = ((self._chip.read(_BUS) >> self._model.bus_shift)
                     * self._model.bus_v)
        if voltage_v == 0.0:
            raise errors.PowerError(
                f"{self.name}: it measures 0 V. Connect the battery.")
        current_a = shunt_v / self._shunt_ohm
        if self._positive == "discharging":
            voltage_v += shunt_v  # the chip measures behind the shunt
        else:
            current_a = -current_a
        return self._reading(voltage_v, current_a)

    def close(self):
        self._chip.close()

    def _check_identity(self):
        for register, expected in self._model.identity.items():
            found = self._chip.read(register)
            if found != expected:
                raise errors.PowerError(
                    f"{self.name}: register {register:#04x} holds {found:#06x}"
                    f", expected {expected:#06x}: it is another chip. Check "
                    "the address.")

    def _configured(self):
        """The configuration; one that measures once is replaced."""
        config = self._chip.read(_CONFIG)
        if config & _CONTINUOUS != _CONTINUOUS:
            config = self._model.config
            self._chip.write(_CONFIG, config)
        return config

    def _shunt_voltage(self, config):
        steps = self._chip.read_signed(_SHUNT)
        if abs(steps) >= self._model.full_scale(config):
            raise errors.PowerError(
                f"{self.name}: the current is too large for a shunt of "
                f"{self._shunt_ohm:g} ohm. Take a smaller one.")
        return steps * self._model.shunt_v

    def _reading(self, voltage_v, current_a):
        draw_w = voltage_v * current_a
        charge = None
        if self._cells:
            charge = discharge.charge(
                discharge.at_rest_v(voltage_v, current_a,
                                    self._resistance_ohm), self._cells)
        return reading.Reading(charge, draw_w, voltage_v,
                               charging=current_a < _IDLE_A)
