"""Registers of chips on a fake I2C bus; values by hand and from datasheets."""

import errno
from unittest import mock

from absl.testing import absltest
from absl.testing import parameterized

from device import errors
from device.power import discharge
from device.power import i2c
from device.power import ina
from device.power import max17048
from device.power import reading
from tests.device import power_fakes


class I2cTest(parameterized.TestCase):

    def setUp(self):
        super().setUp()
        self.bus = power_fakes.Bus({0x40: {0x01: 0xF830, 0x05: 0}})
        self.chip = i2c.Chip("INA219", 1, 0x40, self.bus.open)

    def test_high_byte_first(self):
        self.assertEqual(self.chip.read(0x01), 0xF830)
        self.assertEqual(self.chip.read_signed(0x01), -2000)
        self.chip.write(0x05, 0x1234)
        self.assertEqual(self.chip.read(0x05), 0x1234)
        self.assertEqual(self.bus.opened, 1)

    @parameterized.parameters(
        (errno.ENOENT, "there is no /dev/i2c-1.*raspi-config"),
        (errno.EACCES, "group i2c"), (errno.EBUSY, "sysfs"),
        (errno.EREMOTEIO, "nothing answers.*i2cdetect -y 1"),
        (errno.ENXIO, "nothing answers"), (errno.ETIMEDOUT, "wiring"))
    def test_failures_say_what_to_do_and_pass(self, number, message):
        self.bus.broken = OSError(number, "broken")
        for _ in range(3):
            with self.assertRaisesRegex(
                    errors.PowerError, f"INA219 at 0x40 on I2C bus 1.*"
                    f"{message}"):
                self.chip.read(0x01)
        self.bus.broken = None  # plugged in again
        self.assertEqual(self.chip.read(0x01), 0xF830)

    def test_the_bus_is_opened_anew_after_a_failure(self):
        self.chip.read(0x01)
        self.bus.broken = OSError(errno.ENODEV, "adapter unplugged")
        with self.assertRaises(errors.PowerError):
            self.chip.read(0x01)
        self.bus.broken = None
        self.chip.read(0x01)
        self.assertEqual((self.bus.opened, self.bus.closed), (2, 1))

    def test_closed_twice(self):
        self.chip.read(0x01)
        self.chip.close()
        self.chip.close()
        self.assertEqual(self.bus.closed, 1)

    @parameterized.parameters(0x02, 0x78, -1)
    def test_addresses_that_cannot_be(self, address):
        with self.assertRaisesRegex(errors.PowerError, "0x03 to 0x77"):
            i2c.Chip("INA219", 1, address, self.bus.open)

    def test_without_smbus2(self):
        with mock.patch.dict("sys.modules", {"smbus2": None}):
            with self.assertRaisesRegex(errors.PowerError,
                                        "pip install smbus2"):
                i2c.Chip("INA219", 1, 0x40)


def _ina(model, registers, **options):
    bus = power_fakes.Bus({0x40: registers})
    return ina.Ina(model, open_bus=bus.open, **options)


class Ina219Test(parameterized.TestCase):

    def registers(self, **changes):
        # The datasheet's example, table 8: 20 mV over the shunt, 11.98 V at
        # the bus (0x5D98 with the bit of a finished conversion).
        return {0x00: 0x399F, 0x01: 0x07D0, 0x02: 0x5D98 | 0b10, **changes}

    def test_the_datasheets_example(self):
        result = _ina("INA219", self.registers(), shunt_ohm=0.002).read()
        self.assertAlmostEqual(result.voltage_v, 11.98 + 0.02)  # before it
        self.assertAlmostEqual(result.draw_w, 12.0 * 10.0)
        self.assertEqual((result.charge, result.charging), (None, False))

    def test_where_positive_is_charging(self):
        result = _ina("INA219", self.registers(), shunt_ohm=0.01,
                      positive="charging").read()
        self.assertAlmostEqual(result.voltage_v, 11.98)
        self.assertAlmostEqual(result.draw_w, -11.98 * 2.0)
        self.assertTrue(result.charging)

    def test_a_negative_shunt_voltage(self):
        # -20 mV: 0xF830.
        result = _ina("INA219", self.registers(**{}) | {0x01: 0xF830},
                      shunt_ohm=0.1, positive="charging").read()
        self.assertAlmostEqual(result.draw_w, 11.98 * 0.2)
        self.assertFalse(result.charging)

    def test_no_current_means_that_something_else_feeds(self):
        # 100 uV over 0.01 ohm are 10 mA.
        result = _ina("INA219", self.registers() | {0x01: 10},
                      shunt_ohm=0.01).read()
        self.assertTrue(result.charging)

    def test_charge_from_the_voltage_at_rest(self):
        # 7.3 V and 1 A out of 0.31 ohm: 7.61 V at rest, half full.
        registers = self.registers() | {0x01: 0x10000 - 10000,
                                        0x02: 1825 << 3}
        result = _ina("INA219", registers, positive="charging", cells=2,
                      resistance_ohm=0.31).read()
        self.assertAlmostEqual(result.voltage_v, 7.3)
        self.assertAlmostEqual(result.draw_w, 7.3)
        self.assertAlmostEqual(result.charge, 0.5)
        self.assertAlmostEqual(discharge.charge(7.61, 2), 0.5)

    # A range of 40 mV clips at 4,000 steps, one of 320 mV at 32,000.
    @parameterized.parameters((0x019F, 4000, True), (0x019F, 3999, False),
                              (0x399F, 0x8300, True), (0x399F, 31999, False))
    def test_a_clipped_current_is_refused(self, config, steps, clipped):
        source = _ina("INA219", self.registers() | {0x00: config, 0x01: steps})
        if clipped:
            with self.assertRaisesRegex(errors.PowerError, "too large"):
                source.read()
        else:
            self.assertIsInstance(source.read(), reading.Reading)

    def test_a_chip_that_was_put_to_sleep_is_woken(self):
        registers = {0x40: self.registers() | {0x00: 0x3998}}
        bus = power_fakes.Bus(registers)
        ina.Ina("INA219", open_bus=bus.open).read()
        self.assertEqual(registers[0x40][0x00], 0x399F)

    def test_no_battery(self):
        with self.assertRaisesRegex(errors.PowerError, "0 V"):
            _ina("INA219", self.registers() | {0x02: 0b10}).read()

    @parameterized.parameters(
        dict(positive="up"), dict(shunt_ohm=0.0), dict(cells=-1),
        dict(resistance_ohm=-0.1), dict(shunt_ohm=float("nan")))
    def test_wrong_options(self, **wrong):
        (name,) = wrong
        with self.assertRaisesRegex(errors.PowerError, name):
            _ina("INA219", {}, **wrong)


class Ina226Test(absltest.TestCase):

    # The datasheet's example, table 1: 20 mV over 2 mOhm, 11.98 V.
    registers = {0x00: 0x4127, 0x01: 0x1F40, 0x02: 0x2570, 0xFE: 0x5449,
                 0xFF: 0x2260}

    def test_the_datasheets_example(self):
        result = _ina("INA226", self.registers, shunt_ohm=0.002,
                      positive="charging").read()
        self.assertAlmostEqual(result.voltage_v, 11.98)
        self.assertAlmostEqual(result.draw_w, -119.8)

    def test_another_chip_at_its_address_is_noticed(self):
        with self.assertRaisesRegex(errors.PowerError,
                                    "0xff holds 0x2270, expected 0x2260"):
            _ina("INA226", self.registers | {0xFF: 0x2270}).read()

    def test_a_clipped_current_is_refused(self):
        for steps in (0x7FFF, 0x8000):
            with self.assertRaisesRegex(errors.PowerError, "too large"):
                _ina("INA226", self.registers | {0x01: steps}).read()


class Max17048Test(parameterized.TestCase):

    def source(self, registers, **options):
        bus = power_fakes.Bus({0x36: registers})
        return max17048.Max17048(open_bus=bus.open, **options)

    def test_a_max17048(self):
        # 0xC000 * 78.125 uV = 3.84 V; 0x3280 / 256 = 50.5%; 0xFFF6 is
        # -10 * 0.208%/h: 2.08% of 37 Wh are 0.7696 Wh in an hour.
        result = self.source({0x02: 0xC000, 0x04: 0x3280, 0x08: 0x0012,
                              0x16: 0xFFF6}, capacity_wh=37.0).read()
        self.assertAlmostEqual(result.voltage_v, 3.84)
        self.assertAlmostEqual(result.charge, 0.505)
        self.assertAlmostEqual(result.draw_w, 0.7696)
        self.assertFalse(result.charging)

    @parameterized.parameters((10, True), (-10, False), (4, None), (-4, None))
    def test_charging_where_the_rate_shows_it(self, steps, charging):
        result = self.source({0x02: 0xC000, 0x04: 0x3280, 0x08: 0x0012,
                              0x16: steps & 0xFFFF}).read()
        self.assertIs(result.charging, charging)
        self.assertIsNone(result.draw_w)

    def test_a_max17044_has_no_rate_and_two_cells(self):
        # Linux and the datasheet: 12 bits of 2.5 mV: 0xC00 are 7.68 V.
        result = self.source({0x02: 0xC000, 0x04: 0x6400, 0x08: 0x0003},
                             cells=2, capacity_wh=37.0).read()
        self.assertAlmostEqual(result.voltage_v, 7.68)
        self.assertEqual((result.charge, result.draw_w, result.charging),
                         (1.0, None, None))

    def test_no_battery(self):
        with self.assertRaisesRegex(errors.PowerError, "0 V"):
            self.source({0x02: 0}).read()

    def test_cells(self):
        with self.assertRaisesRegex(errors.PowerError, "1 or 2, but is 3"):
            self.source({}, cells=3)


if __name__ == "__main__":
    absltest.main()
