"""device.run where a standard stream is full, closed or shared."""

import json
import os
import pathlib
import pty
import shlex
import subprocess
import sys

import numpy as np
from absl.testing import absltest

import command_case
import pictures

_ROOT = pathlib.Path(__file__).parents[2]
_BUNDLE = _ROOT / "tests" / "testdata" / "digits_resnet8"
_IMAGES = _ROOT / "tests" / "testdata" / "digits.npz"


def shell(redirections, *flags):
    """The finished process of device.run, started by a shell."""
    command = shlex.join([
        sys.executable, "-m", "device.run", f"--bundle={_BUNDLE}",
        *map(str, flags)])
    return subprocess.run(
        f"{command} {redirections}", shell=True, cwd=_ROOT, text=True,
        capture_output=True, check=False, timeout=60)


class StreamsTest(command_case.CommandCase):

    def setUp(self):
        super().setUp()
        self.output = self.folder / "answers.jsonl"
        with np.load(_IMAGES) as arrays:
            self.images = arrays["images"]
        self.bad = self.folder / "images"
        self.bad.mkdir()
        pictures.save(self.bad / "b.png", self.images[0])
        (self.bad / "a.png").write_bytes(b"broken")

    def records(self):
        return [json.loads(line)
                for line in self.output.read_text().splitlines()]

    def test_a_log_on_a_full_disk_does_not_end_the_run(self):
        summary = self.folder / "summary.json"
        shell("2>/dev/full", f"--input={self.bad}", f"--output={self.output}",
              f"--summary={summary}")
        self.assertEqual([record["image"] for record in self.records()],
                         ["a.png", "b.png"])
        self.assertEqual(json.loads(summary.read_text())["images"], 1)

    def test_without_standard_error_the_output_is_answers_alone(self):
        process = shell("2>&-", f"--input={self.bad}")
        self.assertEqual([json.loads(line)["number"]
                          for line in process.stdout.splitlines()], [1, 2])

    def test_without_standard_output_answers_need_a_file(self):
        self.assert_failed(shell(">&-", f"--input={self.bad}"),
                           "error: standard output: is closed.*--output=FILE")
        process = shell(">&-", f"--input={_IMAGES}", f"--output={self.output}")
        self.assert_succeeded(process)
        self.assertLen(self.records(), len(self.images))

    def test_without_standard_input_no_images_come(self):
        process = shell("<&-", "--input=-")
        self.assert_succeeded(process)
        self.assertIn("0 images classified", process.stderr)

    def test_view_and_answers_do_not_share_a_terminal(self):
        ours, theirs = pty.openpty()
        self.addCleanup(os.close, ours)
        process = subprocess.run(
            [sys.executable, "-m", "device.run", f"--bundle={_BUNDLE}",
             f"--input={_IMAGES}", "--view"], cwd=_ROOT, stdout=theirs,
            stderr=subprocess.PIPE, text=True, check=False)
        os.close(theirs)
        self.assert_failed(process, "error: --view and the answers would write")


if __name__ == "__main__":
    absltest.main()
