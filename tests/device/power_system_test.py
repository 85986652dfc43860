"""What Linux and a Raspberry Pi's own controller say; charge counted."""

import math
import pathlib
import subprocess
import tempfile
from unittest import mock

from absl.testing import absltest
from absl.testing import parameterized
import hypothesis
from hypothesis import strategies as st

from device import errors
from device.power import counting
from device.power import pmic
from device.power import reading
from device.power import sysfs
from tests.device import power_fakes

_LAPTOP = {"type": "Battery", "status": "Discharging", "capacity": "81",
           "energy_now": "40000000", "energy_full": "50000000",
           "power_now": "12500000", "voltage_now": "11400000"}


class SysfsTest(parameterized.TestCase):

    def setUp(self):
        super().setUp()
        self.root = pathlib.Path(
            self.enter_context(tempfile.TemporaryDirectory()))

    def add(self, name, **files):
        (self.root / name).mkdir()
        for file, text in files.items():
            (self.root / name / file).write_text(f"{text}\n", encoding="ascii")

    def read(self, battery=None):
        return sysfs.PowerSupply(battery, self.root).read()

    def test_a_laptop(self):
        self.add("BAT0", **_LAPTOP)
        self.add("AC", type="Mains", online="0")
        self.add("hidpp_battery_0", **_LAPTOP | {"scope": "Device"})
        result = self.read()
        self.assertAlmostEqual(result.charge, 0.8)
        self.assertAlmostEqual(result.draw_w, 12.5)
        self.assertAlmostEqual(result.voltage_v, 11.4)
        self.assertFalse(result.charging)

    # 0.5 A at 3.8 V, whatever sign the driver gives the current.
    @parameterized.product(current=["500000", "-500000"], status_sign=[
        ("Discharging", 1.9), ("Charging", -1.9), ("Not charging", -1.9)])
    def test_the_status_gives_the_sign(self, current, status_sign):
        status, draw_w = status_sign
        self.add("battery", type="Battery", status=status, capacity="50",
                 current_now=current, voltage_now="3800000")
        self.assertAlmostEqual(self.read().draw_w, draw_w)

    @parameterized.parameters(
        ("Charging", "0", True), ("Discharging", "1", False),
        ("Full", "1", True), ("Full", "0", False), ("Full", None, True),
        ("Not charging", None, True), ("Unknown", "1", True),
        ("Unknown", "0", False), ("Unknown", None, None))
    def test_charging(self, status, online, charging):
        self.add("BAT0", type="Battery", status=status, capacity="50",
                 power_now="1000000")
        if online:
            self.add("ucsi-source-psy", type="USB", online=online)
        result = self.read()
        self.assertIs(result.charging, charging)
        # Unknown, and nothing else tells which way power flows.
        self.assertEqual(result.draw_w is None, charging is None)

    def test_charge_from_the_finest_files_there_are(self):
        self.add("a", type="Battery", charge_now="1500000",
                 charge_full="2000000", capacity="70")
        self.add("b", type="Battery", capacity="70", energy_now="1",
                 energy_full="0")
        self.assertAlmostEqual(self.read("a").charge, 0.75)
        self.assertAlmostEqual(self.read("b").charge, 0.7)

    def test_several_are_one_by_their_capacity(self):
        self.add("BAT0", **_LAPTOP)
        self.add("BAT1", **_LAPTOP | {"energy_now": "10000000",
                                      "energy_full": "25000000",
                                      "power_now": "0"})
        result = self.read()
        self.assertAlmostEqual(result.charge, 50 / 75)
        self.assertAlmostEqual(result.draw_w, 12.5)
        self.assertIsNone(result.voltage_v)
        self.assertFalse(result.charging)
        self.assertAlmostEqual(self.read("BAT1").charge, 0.4)

    def test_several_of_unknown_capacity_count_alike(self):
        self.add("BAT0", **_LAPTOP)
        self.add("BAT1", type="Battery", status="Charging", capacity="40")
        result = self.read()
        self.assertAlmostEqual(result.charge, 0.6)
        self.assertIsNone(result.draw_w)
        self.assertTrue(result.charging)

    def test_what_is_missing_is_said(self):
        self.add("AC", type="Mains", online="1")
        with self.assertRaisesRegex(errors.PowerError, "no battery among AC"):
            self.read()
        with self.assertRaisesRegex(errors.PowerError, "BAT7 among AC"):
            self.read("BAT7")
        self.add("BAT0", type="Battery", status="Unknown")
        with self.assertRaisesRegex(errors.PowerError, "tells nothing"):
            self.read()
        with self.assertRaisesRegex(errors.PowerError, "name another source"):
            sysfs.PowerSupply(root=self.root / "none").read()

    def test_nonsense_in_a_file(self):
        self.add("BAT0", **_LAPTOP | {"power_now": "much"})
        with self.assertRaisesRegex(errors.PowerError,
                                    "power_now: 'much' is not a number"):
            self.read()


# Of a Raspberry Pi 5.
_PMIC = """ 3V7_WL_SW_A current(0)=0.10247270A
   3V3_SYS_A current(1)=0.10832820A
   1V8_SYS_A current(2)=0.15712470A
  DDR_VDD2_A current(3)=0.00585558A
  DDR_VDDQ_A current(4)=0.00000000A
   1V1_SYS_A current(5)=0.24105470A
    0V8_SW_A current(6)=0.31424950A
  VDD_CORE_A current(7)=1.42880000A
   3V3_DAC_A current(17)=0.00000000A
   3V3_ADC_A current(18)=0.00006105A
   0V8_AON_A current(16)=0.00354090A
      HDMI_A current(22)=0.02002440A
 3V7_WL_SW_V volt(8)=3.71091200V
   3V3_SYS_V volt(9)=3.30910500V
   1V8_SYS_V volt(10)=1.80073100V
  DDR_VDD2_V volt(11)=1.10439400V
  DDR_VDDQ_V volt(12)=0.60439500V
   1V1_SYS_V volt(13)=1.10805800V
    0V8_SW_V volt(14)=0.80402850V
  VDD_CORE_V volt(15)=0.90659250V
   3V3_DAC_V volt(20)=3.31135200V
   3V3_ADC_V volt(21)=3.31867800V
   0V8_AON_V volt(19)=0.79882700V
      HDMI_V volt(23)=5.07860000V
     EXT5V_V volt(24)=5.05716000V
      BATT_V volt(25)=0.00000000V
"""


class PmicTest(parameterized.TestCase):

    def test_a_boards_output(self):
        result = pmic.Pmic(run=lambda: _PMIC).read()
        # 0.3803 + 0.3585 + 0.2829 + 0.0065 + 0 + 0.2671 + 0.2527 + 1.2953
        # + 0 + 0.0002 + 0.0028 + 0.1017
        self.assertAlmostEqual(result.draw_w, 2.9480, delta=2e-4)
        self.assertEqual((result.voltage_v, result.charge, result.charging),
                         (5.05716, None, None))

    def test_scaled_to_a_meter(self):
        text = ("A_A current(0)=0.5A\nA_V volt(1)=2.0V\n"
                "B_A current(2)=9.0A\nC_V volt(3)=9.0V\n")
        source = pmic.Pmic(run=lambda: text, scale=1.1, offset_w=0.6)
        self.assertAlmostEqual(source.read().draw_w, 1.7)
        self.assertIsNone(source.read().voltage_v)

    @parameterized.parameters(
        "", 'error=1 error_msg="Command not registered"',
        "EXT5V_V volt(24)=5.05V\n", "VDD_CORE_A current(7)=nanA\n")
    def test_another_machine(self, text):
        with self.assertRaisesRegex(errors.PowerError, "Only a Raspberry Pi 5"):
            pmic.Pmic(run=lambda: text).read()

    @parameterized.parameters(
        (FileNotFoundError(), "vcgencmd: not found"),
        (PermissionError(13, "denied"), "denied"),
        (subprocess.TimeoutExpired("vcgencmd", 5.0), "timed out"))
    def test_a_command_that_fails(self, error, message):
        with mock.patch.object(subprocess, "run", side_effect=error):
            with self.assertRaisesRegex(errors.PowerError, message):
                pmic.Pmic().read()

    def test_a_command_that_may_not(self):
        done = subprocess.CompletedProcess(
            (), 255, "", "Can't open device file: /dev/vcio")
        with mock.patch.object(subprocess, "run", return_value=done):
            with self.assertRaisesRegex(errors.PowerError, "vcio.*group video"):
                pmic.Pmic().read()

    @parameterized.parameters(dict(scale=0.0), dict(offset_w=-1.0))
    def test_wrong_options(self, **wrong):
        with self.assertRaisesRegex(errors.PowerError, *wrong):
            pmic.Pmic(**wrong)


class CountingTest(parameterized.TestCase):

    def setUp(self):
        super().setUp()
        self.clock = power_fakes.Clock(50.0)
        self.source = power_fakes.Source(reading.Reading(draw_w=3.6))
        self.counted = counting.Counted(self.source, 1.0, clock=self.clock)

    def read(self, draw_w, after_s):
        self.source.says = reading.Reading(draw_w=draw_w, voltage_v=5.0)
        self.clock.advance(after_s)
        return self.counted.read()

    def test_it_integrates_the_mean_of_two_readings(self):
        self.assertEqual(self.counted.read().charge, 1.0)
        # (3.6 + 7.2) / 2 W * 100 s = 540 of 3,600 J
        result = self.read(7.2, 100.0)
        self.assertAlmostEqual(result.charge, 0.85)
        self.assertEqual((result.draw_w, result.voltage_v), (7.2, 5.0))
        self.assertAlmostEqual(self.read(-7.2, 100.0).charge, 0.85)
        self.assertAlmostEqual(self.read(-7.2, 25.0).charge, 0.9)

    def test_a_long_gap_is_not_counted(self):
        self.counted.read()
        self.assertEqual(self.read(3.6, 601.0).charge, 1.0)
        self.assertAlmostEqual(self.read(3.6, 100.0).charge, 0.9)

    @hypothesis.given(st.lists(st.tuples(st.floats(-200, 200),
                                         st.floats(0, 1000)), max_size=20))
    @hypothesis.settings(max_examples=50, deadline=None)
    def test_it_stays_within_the_battery(self, steps):
        for draw_w, after_s in steps:
            self.assertBetween(self.read(draw_w, after_s).charge, 0.0, 1.0)

    def test_a_restart(self):
        self.counted.read()
        self.read(3.6, 100.0)
        again = counting.Counted(self.source, 1.0, clock=self.clock)
        again.recall(self.counted.memory())
        self.assertAlmostEqual(again.read().charge, 0.9)

    @parameterized.parameters(
        (None,), ([],), ({},), ({"charge": 1.2},), ({"charge": None},),
        ({"charge": math.nan},), ({"charge": "full"},))
    def test_nonsense_is_not_recalled(self, memory):
        self.counted.recall(memory)
        self.assertEqual(self.counted.memory(), {"charge": 1.0})

    @parameterized.parameters(None, math.nan, math.inf)
    def test_a_draw_that_is_none(self, draw_w):
        with self.assertRaisesRegex(errors.PowerError, "does not tell"):
            self.read(draw_w, 1.0)

    def test_wrong_options(self):
        for capacity_wh, charge in ((0.0, 0.5), (math.nan, 0.5), (1.0, 1.5)):
            with self.assertRaisesRegex(errors.PowerError, "counting needs"):
                counting.Counted(self.source, capacity_wh, charge=charge)

    def test_closes_its_source(self):
        self.counted.close()
        self.assertEqual(self.source.closed, 1)


if __name__ == "__main__":
    absltest.main()
