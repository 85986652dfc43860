"""python -m device.profile: from flags to a file, a table and a status."""

import os
import pathlib
import pty
import re
import shutil
import signal
import subprocess
import sys

import numpy as np
from absl.testing import absltest
from absl.testing import parameterized

from device import bundle
from device import own_profile
from device import profile
from device import runtime
import command_case
import pictures
import profiles

_ROOT = pathlib.Path(__file__).parents[2]
_BUNDLE = _ROOT / "tests" / "testdata" / "digits_resnet8"
_IMAGES = _ROOT / "tests" / "testdata" / "digits.npz"
_COMMAND = [sys.executable, "-m", "device.profile"]


class CommandTest(command_case.CommandCase):
    """`self.output` is to lie in `self.folder`."""

    def setUp(self):
        super().setUp()
        self.output = self.folder / "profile.json"

    def flags(self, *flags):
        return [f"--bundle={_BUNDLE}", f"--output={self.output}", *flags]

    def run_here(self, *flags):
        return subprocess.run(
            [*_COMMAND, *self.flags(*flags)], cwd=_ROOT, capture_output=True,
            text=True, check=False)

    def assert_failed(self, process, message):
        """Status 1, `message` in standard error, no traceback, no file."""
        super().assert_failed(process, message)
        self.assertEmpty(list(self.folder.glob("**/*profile*")))


class MeasuredTest(CommandTest):

    def test_a_profile_is_written_for_the_bundle(self):
        process = self.run_here("--runs=4")
        self.assert_succeeded(process)
        self.assertEqual(process.stdout, "")
        self.assertEqual(list(self.folder.iterdir()), [self.output])
        loaded = bundle.load(_BUNDLE)
        found = profile.load(self.output, loaded)
        self.assertEqual([graph.name for graph in found.graphs],
                         [graph.name for graph in loaded.manifest.graphs])
        self.assertEqual((found.runs, found.warmup, found.threads), (4, 10, 1))
        self.assertEqual(found.bundle.name, "digits_resnet8")
        self.assertEqual(found.images, "random")
        self.assertRegex(found.date, r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
        self.assertIn(found.interpreter.name.replace("-", "_"),
                      runtime.Interpreter.__module__)
        self.assertEqual(found.full_path.count, 4)
        # Its blocks have three variants at most: so many walks a round.
        self.assertEqual(found.graph("head").count, 12)
        # Two blocks of 16 channels share their layer gate.
        self.assertEqual(found.graph("layer_gate_16").count, 24)

    def test_the_table_the_warnings_and_the_next_command_are_printed(self):
        process = self.run_here("--runs=4")
        self.assert_succeeded(process)
        text = process.stderr
        self.assertIn("4 rounds, threads: 1", text)
        for role in ("stem", "layer_gate", "block", "full path, measured"):
            self.assertRegex(text, rf"{role}\W+\d+\W+\d+\.\d{{4}}\W")
        found = profile.load(self.output)
        self.assertIn("few runs: 4, ", "\n".join(found.warnings))
        for warning in found.warnings:
            self.assertIn(f"\nwarning: {warning}\n", text)
        self.assertRegex(
            text, rf"\nwrote {re.escape(str(self.output))}\. Next: python -m "
            rf"device\.run --bundle={re.escape(str(_BUNDLE))} --input=FOLDER")

    def test_another_profile_is_replaced(self):
        self.output.write_text("something else")
        self.assert_succeeded(self.run_here("--runs=1"))
        self.assertEqual(profile.load(self.output).runs, 1)

    def test_images_may_be_given(self):
        self.assert_succeeded(self.run_here("--runs=1", f"--input={_IMAGES}"))
        self.assertEqual(profile.load(self.output).images, "digits.npz")

    def test_seconds_end_it(self):
        self.assert_succeeded(self.run_here("--runs=1000000", "--seconds=0.2"))
        found = profile.load(self.output)
        self.assertBetween(found.runs, 1, 999_999)

    def test_help_lists_the_flags(self):
        process = self.run_here("--help")
        for name in ("bundle", "output", "input", "runs", "seconds", "threads",
                     "power", "energy_seconds"):
            self.assertIn(f"--{name}: ", process.stdout)

    def test_a_terminal_has_a_bar(self):
        main, other = pty.openpty()
        try:
            process = subprocess.Popen(
                [*_COMMAND, *self.flags("--runs=3")], cwd=_ROOT, stderr=other,
                env={**os.environ, "TERM": "xterm", "COLUMNS": "100"})
            os.close(other)
            text = self.until_closed(main)
        finally:
            os.close(main)
        self.assertEqual(process.wait(), 0)
        self.assertIn("measuring", text)
        self.assertIn("100%", text)

    @staticmethod
    def until_closed(descriptor):
        """Everything a terminal shows until its program ends."""
        found = b""
        while True:
            try:
                part = os.read(descriptor, 4096)
            except OSError:  # how Linux says that the other side is closed
                part = b""
            if not part:
                return found.decode()
            found += part


class RefusedTest(CommandTest):

    @parameterized.named_parameters(
        ("unknown_flag", "--run=5", "Unknown command line flag 'run'"),
        ("no_flag", "5", "error: unexpected argument '5'; flags begin with"),
        ("no_runs", "--runs=0", "runs=0: 0 is not a positive integer"),
        ("half_a_run", "--runs=1.5", "runs=1.5"),
        ("no_time", "--seconds=0", "seconds=0.*must be a number of seconds"),
        ("no_number", "--seconds=nan", "seconds=nan: must be a number of sec"),
        ("no_thread", "--threads=0", "threads=0: .*range"),
        ("no_bundle", f"--bundle={_ROOT}/none",
         "error: .*/none is not a bundle: it has no manifest.json"),
        ("no_folder", "--output=none/p.json",
         r"error: none/p\.json: cannot be written \(No such file.*--output"),
        ("no_source", "--power=none", "error: 'none' names no source"),
        ("source_not_there", "--power=sysfs:none", "error: .*none"),
        ("no_phase", "--energy_seconds=59", "energy_seconds=59.*: must be 60"),
        ("no_seconds", "--energy_seconds=nan", "energy_seconds=nan: must be"),
        ("folder", "--output=/", "error: /: expected a file to write, found"),
        ("device", "--output=/dev/null", "error: /dev/null: expected a file"),
        ("nothing", "--output=", "error: : expected a file to write"),
        ("no_images", f"--input={_ROOT}/none", "error: .*/none: no such folde"),
        ("bundle_missing", "--bundle=", "error: .*not a bundle"))
    def test_a_bad_flag_is_one_line_and_no_file(self, flag, message):
        self.assert_failed(self.run_here(flag), message)

    def test_a_missing_bundle_is_named(self):
        process = subprocess.run(
            [*_COMMAND, f"--output={self.output}"], cwd=_ROOT, text=True,
            capture_output=True, check=False)
        self.assert_failed(process, "--bundle must have a value")

    def test_an_image_of_another_size_is_named(self):
        pictures.save(self.folder / "a.png", pictures.noise(31, 32))
        self.assert_failed(
            self.run_here(f"--input={self.folder}"),
            r"error: .*a\.png: .*\[32, 32, 3\].*found \[31, 32, 3\]")

    def test_images_of_another_size_are_refused(self):
        np.savez(self.folder / "images.npz",
                 images=np.zeros([2, 8, 8, 3], np.uint8))
        self.assert_failed(
            self.run_here(f"--input={self.folder}/images.npz"),
            r"error: .*shape \[32, 32, 3\].*found \[8, 8, 3\]")

    def test_a_damaged_bundle_is_refused(self):
        damaged = self.folder / "bundle"
        shutil.copytree(_BUNDLE, damaged)
        (damaged / "graphs" / "head.tflite").write_bytes(b"x")
        self.assert_failed(self.run_here(f"--bundle={damaged}"),
                           r"error: .*head\.tflite: expected \d+ bytes")


class PlaceTest(CommandTest):
    """Without --output."""

    def test_it_is_written_beside_the_bundle_and_found_there(self):
        folder = self.folder / "digits"
        shutil.copytree(_BUNDLE, folder)
        process = subprocess.run(
            [*_COMMAND, "--bundle=digits", "--runs=1"], cwd=self.folder,
            env={**os.environ, "PYTHONPATH": str(_ROOT)}, text=True,
            capture_output=True, check=False)
        self.assert_succeeded(process)
        found = own_profile.for_budgets(bundle.load(folder), threads=1)
        self.assertEqual(found.warnings, ())
        self.assertEqual(found.profile.bundle.name, "digits")
        self.assertEqual(sorted(self.folder.iterdir()), [folder, found.path])
        self.assertIn(f"wrote {found.path}.", process.stderr)


# Runs the command with a source that was made up, in place of the flag's.
_WITH_METER = """
import sys
from device import energy, errors, measure_energy, profile_command
from device.power import opening, reading

class Meter:
    name = "a meter"
    def read(self):
        return reading.Reading({reading})
    def close(self):
        print("closed")

def measure(controller, images, source, *, seconds, progress):
    assert (source.name, seconds) == ("a meter", 90)
    progress(1)
    {measured}

opening.open_source = lambda spec: {{"meter": Meter()}}[spec]
measure_energy.measure_energy = measure
profile_command.start()
"""


class EnergyTest(CommandTest):

    def run_with(self, *, reading="draw_w=2.5", measured):
        """`measured` is the body of what measures energy."""
        script = _WITH_METER.format(reading=reading, measured=measured)
        return subprocess.run(
            [sys.executable, "-c", script, *self.flags(
                "--runs=1", "--power=meter", "--energy_seconds=90")],
            cwd=_ROOT, capture_output=True, text=True, check=False)

    def test_energy_is_written_and_shown(self):
        process = self.run_with(
            measured=f"return energy.{profiles.ENERGY!r}".replace(
                "Workload(", "energy.Workload("))
        self.assert_succeeded(process)
        self.assertEqual(profile.load(self.output).energy, profiles.ENERGY)
        self.assertIn("energy, by INA219 [0x43]", process.stderr)
        self.assertEqual(process.stdout, "closed\n")

    def test_without_a_source_there_is_none(self):
        self.assert_succeeded(self.run_here("--runs=1"))
        self.assertIsNone(profile.load(self.output).energy)

    def test_latency_is_written_where_energy_cannot_be_measured(self):
        process = self.run_with(
            measured="raise errors.PowerError('it drowns')")
        self.assertEqual(process.returncode, 1)
        self.assertNotIn("Traceback", process.stderr)
        self.assertRegex(
            process.stderr,
            r"\nwrote .*\nerror: no energy was measured: it drowns\n$")
        found = profile.load(self.output)
        self.assertIsNone(found.energy)
        self.assertEqual(found.runs, 1)

    def test_a_charger_is_refused_before_minutes_of_measuring(self):
        self.assert_failed(
            self.run_with(reading="charging=True", measured="assert False"),
            "^error: a meter says that the battery is charging .*Unplug")


class InterruptedTest(CommandTest):

    def test_ctrl_c_leaves_the_old_file_alone(self):
        self.output.write_text("old")
        main, other = pty.openpty()
        try:
            process = subprocess.Popen(
                [*_COMMAND, *self.flags("--runs=100000000")], cwd=_ROOT,
                stderr=other, env={**os.environ, "TERM": "xterm"})
            os.close(other)
            text = b""
            while b"measuring" not in text:  # the bar: it has begun
                text += os.read(main, 4096)
            process.send_signal(signal.SIGINT)
            text += MeasuredTest.until_closed(main).encode()
        finally:
            os.close(main)
        self.assertEqual(process.wait(), 1)
        self.assertIn(b"stopped; nothing was written.", text)
        self.assertNotIn(b"Traceback", text)
        self.assertEqual(self.output.read_text(), "old")
        self.assertEqual(list(self.folder.iterdir()), [self.output])


if __name__ == "__main__":
    absltest.main()
