"""device.run inside budgets: of a battery, of energy, of time, on average."""

import dataclasses
import json
import shutil
import subprocess
import sys
import time

import numpy as np
from absl.testing import absltest
from absl.testing import parameterized

from device import bundle
from device import profile as profile_lib
import profiles
import service_case


class BudgetTest(service_case.ServiceCase):

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
        loaded = bundle.load(service_case.BUNDLE)
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
            self.profile(points, energy=profiles.ENERGY),
            source=service_case.IMAGES))
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
        ("capacity_alone", ["--battery_wh=3"], "error: --battery_wh alone "
         "limits nothing.*--runtime_hours"),
        ("mean_and_point", ["--mean_macs=5e6", "--operating_point=default"],
         "error: expected one way .*--operating_point and --mean_macs"),
        ("no_mean", ["--mean_energy_mj=nan"],
         "error: --mean_energy_mj: expected a number, found nan"),
        ("one_file", ["--output=a.jsonl", "--state=./a.jsonl"],
         "error: --output and --state are one file, ./a.jsonl"),
        ("input_overwritten", [f"--summary={service_case.IMAGES}"],
         "error: --input and --summary are one file"),
        ("no_state", ["--state="], "error: --state: expected a name"),
        ("no_size", ["--output=a.csv", "--output_max_mb=nan"],
         "error: a.csv: expected a largest size above 0"),
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
        process = self.ended(self.start(*flags, source=service_case.IMAGES))
        self.assert_failed(process, message)
        self.assertEqual(process.stdout, "")

    def profile(self, bundle_flag, **changes):
        """A profile of this machine, with some fields changed."""
        made = subprocess.run(
            [sys.executable, "-m", "device.profile", bundle_flag,
             f"--output={self.folder}/profile.json", "--runs=5"],
            cwd=service_case.ROOT, capture_output=True, text=True, check=False)
        self.assert_succeeded(made)
        path = self.folder / "profile.json"
        profile_lib.save(path, dataclasses.replace(
            profile_lib.load(path), **changes))
        return f"--profile={path}"

    def test_energy_and_deadline_are_kept_and_told(self):
        process = self.ended(self.start(
            self.profile(f"--bundle={service_case.BUNDLE}"),
            "--deadline_ms=10000",
            "--max_energy_mj=0.02", f"--output={self.output}",
            f"--summary={self.folder}/summary.json",
            source=service_case.IMAGES))
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
