"""`python -m converters.export`: what it writes, and what it refuses."""

import dataclasses
import json
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import tensorflow as tf

from ddi_tf import network as network_lib
from ddi_tf import run_folder
from device import bundle as bundle_lib
from device import controller as controller_lib

_POINT = {"name": "default", "thresholds": [0.5, None, 1.0],
          "tune_accuracy": 0.5, "tune_mean_macs": 1e6,
          "tune_left": [0.5, 0.5], "tune_left_accuracy": [0.5, None]}


def make_run(path):
    """A run folder as training leaves it, with random weights."""
    config = network_lib.NetworkConfig(depth=8)
    folder = run_folder.RunFolder(path)
    folder.create({
        "network": dataclasses.asdict(config),
        "data": {"name": "digits", "label_names": [str(n) for n in range(10)],
                 "scaling": {"mean": [1.0] * 3, "std": [2.0] * 3}},
        "schedule": {"seed": 0}}, "--model_depth=8\n")
    checkpoint = tf.train.Checkpoint(network=network_lib.Network(config))
    folder.checkpoints.save(checkpoint, 1)
    folder.save_operating_points([_POINT])
    return folder


def export(run, output, *extra):
    """The finished `python -m converters.export`."""
    return subprocess.run(
        [sys.executable, "-m", "converters.export", f"--checkpoint={run}",
         f"--output={output}", *extra], capture_output=True, text=True)


class ExportTest(tf.test.TestCase):

    def setUp(self):
        super().setUp()
        self.temp = pathlib.Path(self.create_tempdir().full_path)
        self.run_path, self.output = self.temp / "run", self.temp / "out" / "b"

    def assert_refused(self, result, message):
        self.assertEqual(result.returncode, 1, result.stderr)
        self.assertNotIn("Traceback", result.stderr)
        self.assertRegex(result.stderr, message)
        left = list(self.temp.glob("**/graphs")) + list(
            self.temp.glob("out/.*"))
        self.assertEmpty(left, "something half-written was left")

    def test_bundle_carries_labels_points_and_provenance(self):
        make_run(self.run_path)
        result = export(self.run_path, self.output)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("python -m device.run", result.stdout)
        bundle = bundle_lib.load(self.output)
        self.assertLen(bundle.manifest.labels, 10)
        self.assertEqual(bundle.operating_point("default").thresholds,
                         (0.5, None, 1.0))
        self.assertEqual(bundle.manifest.base_macs, 12_501_632)
        settings = bundle.manifest.provenance.settings
        self.assertEqual(settings["network"]["depth"], 8)
        with controller_lib.Controller(bundle) as controller:
            answer = controller.classify(np.zeros([32, 32, 3], np.uint8))
        self.assertEqual(answer.probabilities.shape, (10,))

    def test_one_variant_per_block_is_one_masked_graph(self):
        make_run(self.run_path)
        result = export(self.run_path, self.output, "--export_max_variants=1")
        self.assertEqual(result.returncode, 0, result.stderr)
        steps = bundle_lib.load(self.output).manifest.plan.steps
        self.assertEqual([[v.masked for v in step.variants] for step in steps],
                         [[True]] * 3)

    def test_int8_twice_is_the_same_bundle(self):
        make_run(self.run_path)
        again = self.output.with_name("again")
        for output in (self.output, again):
            result = export(self.run_path, output, "--export_quantize=int8",
                            "--export_calibration_images=40")
            self.assertEqual(result.returncode, 0, result.stderr)
        self.assertRegex(result.stdout, "found on 40 tune images; .*% of other")
        numbers = bundle_lib.load(self.output).manifest.numbers
        self.assertEqual((numbers.kind, numbers.calibration.images),
                         ("int8", 40))
        files = sorted(path.relative_to(again) for path in again.rglob("*.*"))
        self.assertLen(files, 1 + len(bundle_lib.load(again).graphs))
        for file in files:
            self.assertEqual((self.output / file).read_bytes(),
                             (again / file).read_bytes(), file)

    def test_one_image_finds_no_ranges(self):
        make_run(self.run_path)
        self.assert_refused(
            export(self.run_path, self.output, "--export_quantize=int8",
                   "--export_calibration_images=1"),
            "need 32 images at least to be found on, found 1. Give more")

    def test_a_profile_needs_to_know_what_images_want(self):
        make_run(self.run_path)
        profile = self.temp / "profile.json"
        profile.write_text('{"graphs": []}')
        self.assert_refused(
            export(self.run_path, self.output, f"--export_profile={profile}"),
            "tune.npz is not there. Write it first: python -m ddi_tf.evaluate")

    def test_missing_run_is_refused(self):
        self.assert_refused(export(self.run_path, self.output),
                            "run is not a training run.*ddi_tf.train")

    def test_run_without_checkpoint_is_refused(self):
        make_run(self.run_path)
        shutil.rmtree(self.run_path / "checkpoints")
        self.assert_refused(export(self.run_path, self.output),
                            "holds no checkpoint.*Train first")

    def test_truncated_checkpoint_is_refused(self):
        make_run(self.run_path)
        [data] = (self.run_path / "checkpoints").glob("*.data-*")
        data.write_bytes(data.read_bytes()[:1000])
        self.assert_refused(export(self.run_path, self.output),
                            "ckpt-1 cannot be restored.*truncated")

    def test_settings_of_another_network_are_refused(self):
        make_run(self.run_path)
        path = self.run_path / "run.json"
        settings = json.loads(path.read_text())
        settings["network"]["depth"] = 14
        path.write_text(json.dumps(settings))
        self.assert_refused(export(self.run_path, self.output),
                            "cannot be restored.*another network")

    def test_existing_output_is_left_alone(self):
        make_run(self.run_path)
        self.output.mkdir(parents=True)
        (self.output / "precious").write_text("x")
        self.assert_refused(export(self.run_path, self.output),
                            "exists already")
        self.assertEqual((self.output / "precious").read_text(), "x")

    def test_unknown_flag_is_refused(self):
        self.assert_refused(
            export(self.run_path, self.output, "--export_quality=9"),
            "Unknown command line flag 'export_quality'")


if __name__ == "__main__":
    tf.test.main()
