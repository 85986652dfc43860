"""device.machine: what Linux tells in files, here written by hand."""

import os
import pathlib
import platform
import tempfile
from unittest import mock

from absl.testing import absltest
from absl.testing import parameterized

from device import machine
from device import runtime

_CPU = "sys/devices/system/cpu"
_THERMAL = "sys/class/thermal"


class MachineTest(parameterized.TestCase):
    """`self.root` stands for /, and is empty; there is no vcgencmd."""

    def setUp(self):
        super().setUp()
        self.root = pathlib.Path(
            self.enter_context(tempfile.TemporaryDirectory()))
        self.programs = self.root / "bin"
        self.programs.mkdir()
        self.enter_context(
            mock.patch.dict(os.environ, {"PATH": str(self.programs)}))

    def file(self, name, content):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    def vcgencmd(self, command):
        """A program of that name which runs a line of shell."""
        path = self.programs / "vcgencmd"
        path.write_text(f"#!/bin/sh\n{command}\n")
        path.chmod(0o755)

    def state(self):
        return machine.state(self.root)


class DescribeTest(MachineTest):

    def test_a_raspberry_pi_says_its_model(self):
        self.file("proc/device-tree/model", b"Raspberry Pi 4 Model B\0")
        self.file("proc/cpuinfo", b"model name\t: ARM\n")
        self.assertEqual(machine.describe(self.root).model,
                         "Raspberry Pi 4 Model B")

    @parameterized.parameters(
        (b"processor\t: 0\nmodel name\t: Some CPU @ 2 GHz\n\n"
         b"processor\t: 1\nmodel name\t: Another\n", "Some CPU @ 2 GHz"),
        (b"processor\t: 0\nmodel name\t: ARMv7\n\nModel\t: Raspberry Pi 2\n",
         "Raspberry Pi 2"))
    def test_else_the_processor_is_named(self, cpuinfo, expected):
        self.file("proc/cpuinfo", cpuinfo)
        self.assertEqual(machine.describe(self.root).model, expected)

    def test_nothing_known_is_something_said(self):
        found = machine.describe(self.root)
        self.assertNotEmpty(found.model)
        self.assertEqual(found.architecture, platform.machine())
        self.assertEqual(found.hostname, platform.node())
        self.assertGreaterEqual(found.cores, 1)

    def test_the_interpreter_is_the_one_that_runs(self):
        found = machine.interpreter()
        self.assertEqual(found.name.replace("-", "_"),
                         runtime.Interpreter.__module__.split(".")[0])
        self.assertRegex(found.version, r"^\d+\.\d+")

    def test_an_interpreter_without_a_package_has_no_version(self):
        class Interpreter:
            __module__ = "my_own.interpreter"

        with mock.patch.object(runtime, "Interpreter", Interpreter):
            self.assertEqual(machine.interpreter(),
                             machine.Interpreter("my-own", "unknown"))


    def test_no_interpreter_is_said(self):
        with mock.patch.object(runtime, "Interpreter", None):
            self.assertEqual(machine.interpreter(),
                             machine.Interpreter("none", "unknown"))


class StateTest(MachineTest):

    def test_a_machine_that_tells_nothing(self):
        found = self.state()
        self.assertEqual(found, machine.State(
            (), None, None, None, {}, None, None, found.load_1min))

    def test_clocks_are_those_of_the_fastest_core(self):
        for core, khz in enumerate((b"600000", b"1500000", b"", b"<unknown>")):
            for file, more in (("scaling_cur_freq", b""),
                               ("scaling_max_freq", b"0"),
                               ("cpuinfo_max_freq", b"00")):
                self.file(f"{_CPU}/cpu{core}/cpufreq/{file}",
                          khz + more + b"\n")
        found = self.state()
        self.assertEqual(
            (found.clock_mhz, found.clock_limit_mhz, found.clock_max_mhz),
            (1500.0, 15_000.0, 150_000.0))

    def test_governors_are_named_once(self):
        for core, name in enumerate((b"powersave", b"ondemand", b"powersave")):
            self.file(f"{_CPU}/cpu{core}/cpufreq/scaling_governor",
                      name + b"\n")
        self.file(f"{_CPU}/cpufreq/scaling_governor", b"none\n")
        self.assertEqual(self.state().governors, ("ondemand", "powersave"))

    def test_temperatures_are_in_degrees_by_zone(self):
        for zone, kind, content in (
                (0, b"cpu-thermal\n", b"51634\n"), (1, b"acpitz\n", b"-5000\n"),
                (2, b"acpitz\n", b"27800"), (3, None, b"40000"),
                (4, b"off\n", b"-274000"), (5, b"odd\n", b"n/a")):
            self.file(f"{_THERMAL}/thermal_zone{zone}/temp", content)
            if kind is not None:
                self.file(f"{_THERMAL}/thermal_zone{zone}/type", kind)
        self.assertEqual(self.state().temperatures_c, {
            "cpu-thermal": 51.634, "acpitz": -5.0,
            "acpitz thermal_zone2": 27.8, "thermal_zone3": 40.0})

    def test_a_zone_that_cannot_be_read_is_passed_over(self):
        (self.root / _THERMAL / "thermal_zone0" / "temp").mkdir(parents=True)
        self.assertEqual(self.state().temperatures_c, {})

    def test_throttle_events_are_summed_over_cores(self):
        for core, count in enumerate((b"3\n", b"4\n")):
            self.file(f"{_CPU}/cpu{core}/thermal_throttle/"
                      "core_throttle_count", count)
        self.assertEqual(self.state().throttle_events, 7)

    def test_the_firmware_s_flags_are_read(self):
        self.vcgencmd("[ $1 = get_throttled ] && echo throttled=0x50005")
        self.assertEqual(self.state().throttled, "0x50005")

    @parameterized.parameters(
        "exit 1", "echo VCHI initialization failed", "echo throttled=no",
        "echo temp=0x1", "true")
    def test_a_firmware_that_does_not_answer_has_no_flags(self, command):
        self.vcgencmd(command)
        self.assertIsNone(self.state().throttled)

    def test_the_load_is_unknown_where_the_system_does_not_tell(self):
        with mock.patch.object(os, "getloadavg", side_effect=OSError):
            self.assertIsNone(self.state().load_1min)
        with mock.patch.object(os, "getloadavg", return_value=(1.239, 2, 3)):
            self.assertEqual(self.state().load_1min, 1.24)


if __name__ == "__main__":
    absltest.main()
