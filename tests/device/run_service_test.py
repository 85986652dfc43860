"""device.run for months: it goes on, follows a battery, and ends in order."""

import dataclasses
import json
import pathlib
import random
import shutil
import signal
import sqlite3
import struct
import subprocess
import sys
import time

import numpy as np
from absl.testing import absltest
from absl.testing import parameterized

from device import bundle
from device import profile as profile_lib
import command_case
import pictures
import profiles

_ROOT = pathlib.Path(__file__).parents[2]
_BUNDLE = _ROOT / "tests" / "testdata" / "digits_resnet8"
_IMAGES = _ROOT / "tests" / "testdata" / "digits.npz"


class ServiceCase(command_case.CommandCase):

    def setUp(self):
        super().setUp()
        self.output = self.folder / "answers.jsonl"
        self.state = self.folder / "state.json"
        with np.load(_IMAGES) as arrays:
            self.images = arrays["images"]

    def start(self, *flags, source, **options):
        """The running `python -m device.run`."""
        return subprocess.Popen(
            [sys.executable, "-m", "device.run", f"--bundle={_BUNDLE}",
             f"--input={source}", *map(str, flags)], cwd=_ROOT,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)

    def ended(self, process, content=b""):
        """It, finished, as `subprocess.run` would return it."""
        stdout, stderr = process.communicate(content, timeout=60)
        return subprocess.CompletedProcess(
            process.args, process.returncode, stdout.decode(), stderr.decode())

    def frames(self, count):
        """The first images as a stream, each after its length."""
        contents = []
        for image in self.images[:count]:
            pictures.save(self.folder / "frame.png", image)
            contents.append((self.folder / "frame.png").read_bytes())
        return [struct.pack(">I", len(each)) + each for each in contents]

    def records(self):
        return [json.loads(line)
                for line in self.output.read_text().splitlines()]

    def written(self):
        """Records in the output, with one that is not whole."""
        return self.output.read_bytes().count(b"\n") if (
            self.output.exists()) else 0

    def wait_for_records(self, count):
        """Until so many are in the output."""
        end = time.monotonic() + 30
        while not self.output.exists() or len(self.records()) < count:
            self.assertLess(time.monotonic(), end)
            time.sleep(0.02)


class GoesOnTest(ServiceCase):

    def test_killed_at_any_moment_no_answer_is_missing_or_twice(self):
        number = 1200
        np.savez(self.folder / "many.npz", images=np.tile(
            self.images, (number // len(self.images), 1, 1, 1)))
        flags = (f"--output={self.output}", f"--state={self.state}")
        killed = 0
        for cut in sorted(random.Random(0).sample(range(number), 10)):
            process = self.start(*flags, source=self.folder / "many.npz")
            while process.poll() is None and self.written() <= cut:
                time.sleep(0.001)
            process.kill()
            self.ended(process)
            killed += process.returncode == -signal.SIGKILL
        self.assertGreater(killed, 5)
        self.assert_succeeded(self.ended(self.start(
            *flags, source=self.folder / "many.npz")))
        self.assertEqual([record["number"] for record in self.records()],
                         list(range(1, number + 1)))
        self.assertEqual([record["image"] for record in self.records()],
                         [f"many.npz[{n}]" for n in range(number)])
        totals = json.loads(self.state.read_text())["state"]
        self.assertEqual(totals["last"]["number"], number)

    def test_a_run_that_is_done_has_nothing_left_to_do(self):
        flags = (f"--output={self.output}", f"--state={self.state}")
        first = self.ended(self.start(*flags, source=_IMAGES))
        self.assert_succeeded(first)
        before = self.records()
        again = self.ended(self.start(*flags, source=_IMAGES))
        self.assert_succeeded(again)
        self.assertEqual(self.records(), before)
        # Totals are of both.
        self.assertIn(f"{len(self.images)} images classified", again.stderr)

    def test_without_state_no_answers_are_overwritten(self):
        self.output.write_text('{"number": 1}\n')
        process = self.ended(
            self.start(f"--output={self.output}", source=_IMAGES))
        self.assert_failed(process, "error: .*exists already.*--state")
        self.assertEqual(self.output.read_text(), '{"number": 1}\n')

    def test_a_state_of_another_bundle_is_left_behind_with_a_warning(self):
        self.assert_succeeded(self.ended(self.start(
            f"--state={self.state}", source=_IMAGES)))
        content = json.loads(self.state.read_text())
        content["state"]["bundle"] = "other"
        del content["checksum"]
        content["checksum"] = bundle.checksum(content)
        self.state.write_text(json.dumps(content))
        process = self.ended(self.start(f"--state={self.state}",
                                        source=_IMAGES))
        self.assert_succeeded(process)
        self.assertIn("warning: the state is of another bundle", process.stderr)
        self.assertIn("0 images classified", process.stderr)

    def test_a_damaged_state_does_not_keep_it_from_starting(self):
        self.state.write_bytes(b"\0" * 100)
        process = self.ended(self.start(f"--state={self.state}",
                                        source=_IMAGES))
        self.assert_succeeded(process)
        self.assertRegex(process.stderr, "warning: .*state.json")
        self.assertTrue((self.folder / "state.json.damaged").exists())


class EndsTest(ServiceCase):

    @parameterized.parameters((signal.SIGTERM, 0), (signal.SIGINT, 130))
    def test_a_signal_ends_it_with_everything_written(self, number, status):
        process = self.start(f"--output={self.output}", "--state",
                             self.state, source="-", stdin=subprocess.PIPE)
        process.stdin.write(b"".join(self.frames(3)))
        process.stdin.flush()
        self.wait_for_records(3)
        process.send_signal(number)
        # It waits for the next image, and must not need one to end.
        self.assertEqual(process.wait(30), status)
        stderr = process.stderr.read().decode()
        process.stdin.close(), process.stdout.close(), process.stderr.close()
        self.assertNotIn("Traceback", stderr)
        self.assertIn("3 images classified, 0 failed", stderr)
        self.assertEqual([r["number"] for r in self.records()], [1, 2, 3])
        self.assertEqual(json.loads(self.state.read_text())[
            "state"]["last"]["number"], 3)

    def test_a_stream_cut_short_is_an_error_after_all_answers(self):
        process = self.ended(
            self.start(f"--output={self.output}", source="-",
                       stdin=subprocess.PIPE),
            b"".join(self.frames(3))[:-1])
        self.assert_failed(process, "error: stdin: image 2 .*expected \\d+ bytes")
        self.assertLen(self.records(), 2)

    def test_a_database_has_the_same_answers(self):
        database = self.folder / "answers.db"
        for output in (database, self.output):
            self.assert_succeeded(self.ended(self.start(
                f"--output={output}", source=_IMAGES)))
        with sqlite3.connect(database) as connection:
            rows = connection.execute(
                "SELECT number, label, macs FROM answers").fetchall()
        self.assertEqual(rows, [(r["number"], r["label"], r["macs"])
                                for r in self.records()])


class BudgetTest(ServiceCase):

    def battery(self, capacity):
        """A folder as the kernel has it for a battery."""
        supply = self.folder / "power" / "BAT0"
        supply.mkdir(parents=True)
        for name, text in (("type", "Battery"), ("status", "Discharging"),
                           ("capacity", str(capacity)), ("present", "1"),
                           ("scope", "System")):
            (supply / name).write_text(text + "\n")
        return f"--power=sysfs:root={supply.parent}"

    def with_points(self):
        """A copy of the bundle with three operating points, cheap to dear."""
        loaded = bundle.load(_BUNDLE)
        off = (None,) * (len(loaded.exits) - 1)
        points = [bundle.OperatingPoint("cheap", (10.0, *off), 0.5, 1.3e6),
                  *loaded.manifest.operating_points,
                  bundle.OperatingPoint("dear", (None, *off), 0.99, 8e6)]
        folder = self.folder / "bundle"
        folder.mkdir()
        bundle.write(folder, dataclasses.replace(
            loaded.manifest, operating_points=tuple(points)),
            {name: loaded.content(name) for name in loaded.graphs})
        return f"--bundle={folder}"

    @parameterized.named_parameters(
        ("full", 100, 0.001, "dear"), ("nearly_empty", 11, 1000, "cheap"))
    def test_what_images_may_cost_follows_the_battery(
            self, charge, hours, point):
        points = self.with_points()
        process = self.ended(self.start(
            self.battery(charge), "--battery_wh=10", "--frames_per_hour=3600",
            f"--runtime_hours={hours}", f"--output={self.output}", points,
            self.profile(points, energy=profiles.ENERGY), source=_IMAGES))
        self.assert_succeeded(process)
        self.assertEqual({record["operating_point"]
                          for record in self.records()}, {point})

    def test_a_battery_that_vanishes_is_a_warning(self):
        power = self.battery(80)
        process = self.start(
            power, "--battery_wh=10", "--runtime_hours=5", "--idle_w=1",
            f"--output={self.output}", self.with_points(), source="-",
            stdin=subprocess.PIPE)
        frames = self.frames(2)
        process.stdin.write(frames[0])
        process.stdin.flush()
        self.wait_for_records(1)
        shutil.rmtree(self.folder / "power")
        time.sleep(5.5)  # it is looked at every five seconds
        found = self.ended(process, frames[1])
        self.assert_succeeded(found)
        self.assertLen(self.records(), 2)
        self.assertRegex(found.stderr, "warning: Battery: .*holds for 300 s")

    @parameterized.named_parameters(
        ("two_ways", ["--mean_macs=5e6", "--thresholds=off"],
         "error: expected one way .*--thresholds and --mean_macs"),
        ("power_alone", ["--power=sysfs"], "error: --power alone limits "
         "nothing.*--runtime_hours"),
        ("no_capacity", ["--power=sysfs", "--runtime_hours=1"],
         "error: --runtime_hours needs --battery_wh as well"),
        ("unknown_source", ["--power=hamster", "--runtime_hours=1",
                            "--battery_wh=1"], "error: .*hamster.*sysfs"),
        ("no_time", ["--power=sysfs", "--runtime_hours=0", "--battery_wh=1"],
         "error: .*runtime_hours"),
        ("deadline_without_profile", ["--deadline_ms=5"],
         "error: .*python -m device.profile"),
        ("little_energy", ["--max_energy_mj=1e-9"],
         "error: a budget of .* mJ pays for no answer; the smallest"),
        ("no_view", ["--view"], "error: --view needs a terminal"),
        ("no_output_form", ["--output=answers.txt"], "error: .*answers.txt: "
         "expected a name that ends in"),
        ("no_camera", ["--input=camera:opencv:/dev/none"], "error: "),
        ("bad_address", ["--metrics=here"], "error: .*PORT"))
    def test_flags_that_cannot_be_are_one_line(self, flags, message):
        process = self.ended(self.start(*flags, source=_IMAGES))
        self.assert_failed(process, message)
        self.assertEqual(process.stdout, "")

    def profile(self, bundle_flag, **changes):
        """A profile of this machine, with some fields changed."""
        made = subprocess.run(
            [sys.executable, "-m", "device.profile", bundle_flag,
             f"--output={self.folder}/profile.json", "--runs=5"], cwd=_ROOT,
            capture_output=True, text=True, check=False)
        self.assert_succeeded(made)
        path = self.folder / "profile.json"
        profile_lib.save(path, dataclasses.replace(
            profile_lib.load(path), **changes))
        return f"--profile={path}"

    def test_energy_and_deadline_are_kept_and_told(self):
        process = self.ended(self.start(
            self.profile(f"--bundle={_BUNDLE}"), "--deadline_ms=10000",
            "--max_energy_mj=0.02", f"--output={self.output}",
            f"--summary={self.folder}/summary.json", source=_IMAGES))
        self.assert_succeeded(process)
        for record in self.records():
            self.assertLessEqual(record["energy_mj"], 0.02)
            self.assertFalse(record["late"])
        values = json.loads((self.folder / "summary.json").read_text())
        self.assertLessEqual(values["largest_energy_mj"], 0.02)
        self.assertEqual(values["late"], 0)

    def test_a_mean_is_met(self):
        np.savez(self.folder / "many.npz", images=np.tile(
            self.images, (40, 1, 1, 1)))
        process = self.ended(self.start(
            "--mean_macs=5e6", f"--output={self.output}", self.with_points(),
            source=self.folder / "many.npz"))
        self.assert_succeeded(process)
        macs = [record["macs"] for record in self.records()]
        self.assertAlmostEqual(np.mean(macs) / 5e6, 1, delta=0.02)


if __name__ == "__main__":
    absltest.main()
