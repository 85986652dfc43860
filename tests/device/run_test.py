"""device.run: the command, from flags to lines, summary and exit status."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import numpy as np
from absl.testing import absltest
from absl.testing import parameterized

from device import bundle
from device import controller
import command_case
import pictures

_ROOT = pathlib.Path(__file__).parents[2]
_BUNDLE = _ROOT / "tests" / "testdata" / "digits_resnet8"
_IMAGES = _ROOT / "tests" / "testdata" / "digits.npz"


def run(*flags, stdout=subprocess.PIPE):
    """The finished process of `python -m device.run` with these flags."""
    return subprocess.run(
        [sys.executable, "-m", "device.run", *map(str, flags)], cwd=_ROOT,
        stdout=stdout, stderr=subprocess.PIPE, text=True, check=False)


def lines(process):
    """What it wrote to standard output, line by line."""
    return [json.loads(line) for line in process.stdout.splitlines()]


class CommandTest(command_case.CommandCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.bundle = bundle.load(_BUNDLE)
        with np.load(_IMAGES) as arrays:
            cls.keras = dict(arrays)

    def run_here(self, *flags, source=_IMAGES):
        return run(f"--bundle={_BUNDLE}", f"--input={source}", *flags)


class AnswersTest(CommandTest):

    def test_with_exits_off_the_lines_are_what_keras_says(self):
        process = self.run_here("--thresholds=off",
                                f"--summary={self.folder}/summary.json")
        self.assert_succeeded(process)
        found = lines(process)
        self.assertEqual([line["image"] for line in found],
                         [f"digits.npz[{n}]" for n in range(len(found))])
        self.assertEqual([line["label"] for line in found],
                         [str(n) for n in self.keras["predictions"]])
        self.assertEqual([line["macs"] for line in found],
                         self.keras["macs"].tolist())
        self.assertEqual({line["exit"] for line in found}, {"head"})
        self.assert_blocks(found)
        self.assert_summary(process)

    def assert_blocks(self, found):
        """Every line names the open groups of the blocks that ran."""
        names = [step.name for step in self.bundle.manifest.plan.steps]
        open_ = self.keras["layers"][..., np.newaxis] * self.keras["masks"]
        for line, blocks in zip(found, open_, strict=True):
            groups = [np.flatnonzero(block).tolist() for block in blocks]
            self.assertEqual(line["blocks_run"], {
                name: each for name, each in zip(names, groups) if each})

    def assert_summary(self, process):
        """The file and the table agree with Keras."""
        values = json.loads((self.folder / "summary.json").read_text())
        accuracy = np.mean(self.keras["predictions"] == self.keras["labels"])
        number = len(self.keras["labels"])
        self.assertEqual((values["images"], values["failed"]), (number, 0))
        self.assertAlmostEqual(values["accuracy"], accuracy)
        self.assertAlmostEqual(values["mean_macs"], self.keras["macs"].mean())
        self.assertEqual(values["exits"], {"head": number})
        self.assertIn(f"{number} images classified, 0 failed", process.stderr)
        self.assertRegex(process.stderr, rf"accuracy\W+{100 * accuracy:.2f}%")

    def test_the_bundle_s_thresholds_are_the_default(self):
        process = self.run_here()
        self.assert_succeeded(process)
        point = self.bundle.operating_point("default")
        with controller.Controller(self.bundle) as device:
            answers = [device.classify(image, thresholds=point.thresholds)
                       for image in self.keras["images"]]
        self.assertEqual([(line["exit"], line["macs"], line["entropy"])
                          for line in lines(process)],
                         [(answer.exit, answer.macs, round(answer.entropy, 5))
                          for answer in answers])

    def test_thresholds_may_be_given(self):
        off = ["off"] * (len(self.bundle.exits) - 1)
        process = self.run_here(f"--thresholds={','.join(['10.0', *off])}")
        self.assert_succeeded(process)
        self.assertEqual({line["exit"] for line in lines(process)},
                         {self.bundle.exits[0]})

    def test_a_line_has_every_field(self):
        pictures.save(self.folder / "digit.png", self.keras["images"][0])
        process = self.run_here("--thresholds=off", source=self.folder)
        self.assert_succeeded(process)
        line, = lines(process)
        self.assertEqual(list(line), [
            "number", "time", "image", "label", "probability", "exit",
            "entropy", "blocks_run", "macs", "energy_mj", "latency_ms",
            "operating_point"])
        self.assertEqual((line["number"], line["operating_point"]),
                         (1, "thresholds"))
        self.assertBetween(line["probability"], 0.1, 1)
        self.assertGreater(line["latency_ms"], 0)

    def test_no_image_passes_a_hard_budget(self):
        with controller.Controller(self.bundle) as device:
            budget = device.costs.cheapest
        process = self.run_here("--thresholds=off", f"--max_macs={budget}")
        self.assert_succeeded(process)
        found = lines(process)
        self.assertLen(found, len(self.keras["images"]))
        self.assertLessEqual(max(line["macs"] for line in found), budget)

    def test_one_image_file_is_enough(self):
        pictures.save(self.folder / "digit.png", self.keras["images"][0])
        process = self.run_here("--thresholds=off",
                                source=self.folder / "digit.png")
        self.assert_succeeded(process)
        line, = lines(process)
        self.assertEqual((line["image"], line["macs"]),
                         ("digit.png", self.keras["macs"][0]))
        self.assertNotIn("accuracy", process.stderr)


class BadImagesTest(CommandTest):

    def setUp(self):
        super().setUp()
        for name in ("a", "c", "f"):
            pictures.save(self.folder / f"{name}.png", self.keras["images"][0])
        (self.folder / "b.png").write_bytes(b"broken")
        pictures.save(self.folder / "d.png", pictures.noise(31, 32))
        (self.folder / "e.png").write_bytes(
            pictures.deep_png(pictures.GREY, 32))

    def test_bad_images_are_reported_and_the_others_classified(self):
        process = self.run_here(f"--summary={self.folder}/summary.json",
                                source=self.folder)
        self.assert_failed(process, "error: 3 of the images could not be")
        found = {line["image"]: line for line in lines(process)}
        self.assertLen(found, 6)
        for name in ("a.png", "c.png", "f.png"):
            self.assertIn("label", found[name])
        for name, message in (
                ("b.png", "cannot be decoded .*not an image"),
                ("d.png", r"expected .*\[32, 32, 3\].*found \[31, 32, 3\]"),
                ("e.png", "expected 8 bits per channel, found mode I;16")):
            self.assertEqual(list(found[name]),
                             ["number", "time", "image", "error"])
            self.assertRegex(found[name]["error"], message)
            self.assertRegex(process.stderr, f"{name}: .*{message}")
        values = json.loads((self.folder / "summary.json").read_text())
        self.assertEqual((values["images"], values["failed"]), (3, 3))

    def test_a_small_budget_is_refused_before_any_image(self):
        (self.folder / "a.png").unlink()  # now the first one is broken
        process = self.run_here("--max_macs=1000", source=self.folder)
        self.assert_failed(process, "error: a budget of 1,000 MACs pays for no "
                           "answer; the smallest that works is")
        self.assertEqual(process.stdout, "")


class RefusedTest(CommandTest):

    @parameterized.named_parameters(
        ("unknown_flag", ["--budget=5"], "Unknown command line flag 'budget'"),
        ("no_flag", ["5"], "error: unexpected argument '5'; flags begin with"),
        ("negative_budget", ["--max_macs=-1"],
         "max_macs=-1: .*not a non-negative"),
        ("unknown_point", ["--operating_point=fast"],
         "error: .*digits_resnet8 has no operating point 'fast'; it has: def"),
        ("too_many_thresholds", ["--thresholds=1,2,3,4,5,6,7,8"],
         r"error: --thresholds needs \d values, one per exit \(exit1, .*found "
         "8"),
        ("words", ["--thresholds=high,off,off"],
         "error: --thresholds needs numbers or `off`: .*'high'"),
        ("no_input", [f"--input={_ROOT}/none"],
         "error: .*/none: no such folder or file"),
        ("no_bundle", [f"--bundle={_ROOT}/none"],
         "error: .*/none is not a bundle: it has no manifest.json"))
    def test_a_bad_flag_is_one_line_and_no_answers(self, flags, message):
        process = self.run_here(*flags)
        self.assert_failed(process, message)
        self.assertEqual(process.stdout, "")

    @parameterized.parameters("nan", "-1")
    def test_a_threshold_that_no_entropy_can_have_is_refused(self, value):
        off = ["off"] * (len(self.bundle.exits) - 1)
        process = self.run_here(f"--thresholds={','.join([value, *off])}")
        self.assert_failed(process, f"error: .*threshold.*{value}")
        self.assertEqual(process.stdout, "")

    @parameterized.parameters("bundle", "input")
    def test_a_missing_flag_is_named(self, name):
        flags = {"bundle": _BUNDLE, "input": _IMAGES}
        del flags[name]
        self.assert_failed(run(*(f"--{key}={value}" for key, value in
                                 flags.items())), f"--{name} must have a value")

    def test_the_smallest_budget_that_a_refusal_names_works(self):
        refused = self.run_here("--max_macs=0")
        smallest = re.search("works is ([0-9,]+)", refused.stderr).group(1)
        process = self.run_here(f"--max_macs={smallest.replace(',', '')}")
        self.assert_succeeded(process)
        self.assertLen(lines(process), len(self.keras["images"]))

    def test_a_damaged_bundle_is_refused_before_any_image(self):
        damaged = self.folder / "bundle"
        shutil.copytree(_BUNDLE, damaged)
        graph = damaged / "graphs" / "head.tflite"
        graph.write_bytes(graph.read_bytes()[:-1])
        process = run(f"--bundle={damaged}", f"--input={_IMAGES}")
        self.assert_failed(
            process, r"error: .*head\.tflite: expected \d+ bytes .*found \d+ "
            "bytes.*Copy the bundle again")
        self.assertEqual(process.stdout, "")

    def test_a_summary_that_cannot_be_written_is_reported(self):
        process = self.run_here(f"--summary={self.folder}/none/summary.json")
        self.assert_failed(process, "error: .*summary.json: cannot be written")
        self.assertEqual(process.stdout, "")

    def test_a_reader_that_leaves_stops_the_run(self):
        reader, writer = os.pipe()
        os.close(reader)
        try:
            process = run(f"--bundle={_BUNDLE}", f"--input={_IMAGES}",
                          stdout=writer)
        finally:
            os.close(writer)
        self.assertNotIn("Traceback", process.stderr)
        self.assertNotEqual(process.returncode, 0)


if __name__ == "__main__":
    absltest.main()
