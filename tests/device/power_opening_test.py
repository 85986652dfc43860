"""A text names a source, or says what there is."""

import pathlib
import sys
import tempfile
import types
from unittest import mock

from absl.testing import absltest
from absl.testing import parameterized

from device import errors
from device.power import opening
from device.power import reading
from tests.device import power_fakes


class OpeningTest(parameterized.TestCase):

    def setUp(self):
        super().setUp()
        self.chips = {}
        self.numbers = []
        self.enter_context(mock.patch.dict(sys.modules, {
            "smbus2": types.SimpleNamespace(SMBus=self._open)}))
        self.folder = pathlib.Path(
            self.enter_context(tempfile.TemporaryDirectory()))

    def _open(self, number):
        self.numbers.append(number)
        return power_fakes.Bus(self.chips)

    def test_ina219(self):
        # 100 mV over 0.05 ohm: 2 A; 0x1F40 is 4 V.
        self.chips[0x45] = {0x00: 0x399F, 0x01: 10000, 0x02: 0x1F40}
        result = opening.open_source(
            "ina219:bus=3,address=0x45,shunt_ohm=0.05,positive=charging"
        ).read()
        self.assertAlmostEqual(result.draw_w, -8.0)
        self.assertEqual((result.charge, self.numbers), (None, [3]))

    def test_ina226_is_counted_where_the_capacity_is_known(self):
        self.chips[0x40] = {0x00: 0x4127, 0x01: 4000, 0x02: 0x0C80,
                            0xFE: 0x5449, 0xFF: 0x2260}
        source = opening.open_source("ina226:charge=0.4", capacity_wh=37.0)
        self.assertEqual(source.read().charge, 0.4)
        self.assertEqual(source.memory(), {"charge": 0.4})
        by_voltage = opening.open_source("ina226:cells=1", capacity_wh=37.0)
        self.assertNotEqual(by_voltage.read().charge, 0.4)

    def test_a_hat_and_its_options_overridden(self):
        # -50 mV over 0.1 ohm: 0.5 A out of the battery at 7.6 V.
        self.chips[0x42] = {0x00: 0x399F, 0x01: 0x10000 - 5000,
                            0x02: 1900 << 3}
        result = opening.open_source("waveshare-ups-hat-b").read()
        self.assertAlmostEqual(result.draw_w, 3.8)
        self.assertAlmostEqual(result.charge, 0.4861, places=4)
        self.assertFalse(result.charging)
        halved = opening.open_source("waveshare-ups-hat-b:shunt_ohm=0.2")
        self.assertAlmostEqual(halved.read().draw_w, 1.9)

    @parameterized.parameters(*opening.PRESETS)
    def test_every_hat_can_be_opened(self, name):
        with self.assertRaisesRegex(errors.PowerError, "nothing answers"):
            opening.open_source(name).read()

    def test_max17048_is_told_the_capacity(self):
        self.chips[0x36] = {0x02: 0xC000, 0x04: 0x3280, 0x08: 0x0012,
                            0x16: 0xFFF6}
        for name in ("max17048", "geekworm-x120x"):
            result = opening.open_source(name, capacity_wh=37.0).read()
            self.assertAlmostEqual(result.draw_w, 0.7696)

    def test_sysfs(self):
        (self.folder / "BAT1").mkdir()
        for file, text in (("type", "Battery"), ("capacity", "33")):
            (self.folder / "BAT1" / file).write_text(text, encoding="ascii")
        for spec in (f"sysfs:root={self.folder}",
                     f"sysfs:battery=BAT1,root={self.folder}"):
            self.assertEqual(opening.open_source(spec).read(),
                             reading.Reading(charge=0.33))
        self.assertEqual(opening.open_source("sysfs:BAT1").name,
                         "battery BAT1")

    def test_replay(self):
        path = self.folder / "a, b.csv"
        path.write_text("seconds,charge\n0,0.5\n", encoding="ascii")
        clock = power_fakes.Clock(9.0)
        source = opening.open_source(f"replay:{path}", clock=clock)
        self.assertEqual(source.read().charge, 0.5)

    def test_simulated(self):
        clock = power_fakes.Clock()
        source = opening.open_source(
            "simulated:idle_w=3.6,cells=2", capacity_wh=1.0, clock=clock)
        clock.advance(100.0)
        self.assertAlmostEqual(source.read().charge, 0.9)
        small = opening.open_source("simulated:capacity_wh=0.1",
                                    capacity_wh=1.0, clock=clock)
        self.assertIn("0.1 Wh", small.name)

    def test_pmic(self):
        source = opening.open_source("pmic:scale=1.15,offset_w=0.6",
                                     capacity_wh=37.0)
        self.assertEqual(source.memory(), {"charge": 1.0})
        self.assertEqual(opening.open_source("pmic").name,
                         "Raspberry Pi 5 PMIC")

    @parameterized.parameters(
        ("", "There are sysfs, ina219"), ("ina3221", "waveshare-ups-hat-b"),
        ("ina219:adress=0x40", "no 'adress'. There are bus, address"),
        ("ina219:shunt_ohm", "shunt_ohm must be a number"),
        ("ina219:0x40", "no '0x40'"),
        ("ina219:address=forty", "'forty'"), ("ina219:cells=1.5", "'1.5'"),
        ("ina219:shunt_ohm=nan", "'nan'"), ("ina219:shunt_ohm=-1", "above 0"),
        ("ina219:address=0x90", "0x03 to 0x77"), ("max17048:cells=4", "1 or 2"),
        ("pmic:offset_w=inf", "'inf'"), ("simulated", "capacity_wh"),
        ("simulated:capacity_wh=-1", "above 0"), ("replay", "name the file"),
        ("replay:/none.csv", "cannot be read"), ("pmic:charge=2", "0 to 1"))
    def test_what_is_wrong_is_said(self, spec, message):
        capacity_wh = 1.0 if spec.startswith("pmic") else None
        with self.assertRaisesRegex(errors.PowerError, message):
            opening.open_source(spec, capacity_wh=capacity_wh)

    def test_without_smbus2(self):
        with mock.patch.dict(sys.modules, {"smbus2": None}):
            with self.assertRaisesRegex(errors.PowerError,
                                        "pip install smbus2"):
                opening.open_source("max17048")


if __name__ == "__main__":
    absltest.main()
