"""python -m device.simulate: from flags to a table, numbers and a picture."""

import importlib.util
import json
import pathlib
import subprocess
import sys

from absl.testing import absltest

from device import bundle
import command_case
import tracing

_ROOT = pathlib.Path(__file__).parents[2]
_BUNDLE = _ROOT / "tests" / "testdata" / "digits_resnet8"
_HAS_MATPLOTLIB = importlib.util.find_spec("matplotlib") is not None


class SimulateTest(command_case.CommandCase):

    def setUp(self):
        super().setUp()
        self.traces = self.folder / "test.npz"
        tracing.save(self.traces, bundle.load(_BUNDLE))

    def run_with(self, *flags):
        return subprocess.run(
            [sys.executable, "-m", "device.simulate", f"--bundle={_BUNDLE}",
             f"--traces={self.traces}", "--hours=1", *flags], cwd=_ROOT,
            capture_output=True, text=True, check=False)

    def test_a_table_and_numbers_come_out(self):
        output = self.folder / "day.json"
        process = self.run_with(
            "--full_hours=0.6", "--energy_scale=1000", "--seed=3",
            f"--output={output}")
        self.assert_succeeded(process)
        self.assertIn("battery-driven", process.stdout)
        self.assertIn("Next, on the device: python -m device.run",
                      process.stderr)
        values = json.loads(output.read_text())
        self.assertEqual(
            (values["bundle"], values["flags"]["seed"], values["images"]),
            ("digits_resnet8", 3, 1800))
        self.assertEqual(
            list(values["policies"]),
            ["full network", "gates alone", "default", "battery-driven"])
        full = values["policies"]["full network"]
        self.assertAlmostEqual(full["empty_at_hour"], 0.6, delta=0.02)

    def test_a_picture_is_drawn_or_matplotlib_is_asked_for(self):
        plot = self.folder / "day.svg"
        process = self.run_with("--full_hours=0.6", "--energy_scale=1000",
                                f"--plot={plot}")
        if _HAS_MATPLOTLIB:
            self.assert_succeeded(process)
            self.assertIn("battery-driven", plot.read_text())
        else:
            self.assert_failed(process, "matplotlib.*pip install")
            self.assertFalse(plot.exists())

    def test_flags_that_do_not_suffice_are_one_error(self):
        good = ["--battery_wh=1", "--energy_scale=1000"]
        for flags, message in (
                (good[:1], "^error: what an image really draws is not known"),
                ([*good, "--full_hours=1"], "^error: expected one of"),
                ([good[1], "--full_hours=0"], "^error: --full_hours: expected"),
                ([good[1], "--full_hours=1", "--model_error_percent=-200"],
                 "^error: simulation: error must be above -1"),
                ([*good, "--lost_hours=3"], "^error: --lost_hours: expected"),
                ([*good, "--lost_hours=9,6"], "two rising numbers .* 9,6"),
                ([*good, "--seed=-1"], "seed=-1: -1 is not a non-negative"),
                ([*good, "--plot=day.pdf"], "ends in .svg or .png"),
                ([*good, "--output=/nowhere/day.json"], "cannot be written"),
                ([*good, "--traces=/nowhere.npz"], "no such file")):
            with self.subTest(message):
                self.assert_failed(self.run_with(*flags), message)


if __name__ == "__main__":
    absltest.main()
