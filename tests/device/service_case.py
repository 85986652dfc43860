"""What tests of a long run of `device.run` share."""

import json
import pathlib
import struct
import subprocess
import sys
import time

import numpy as np

import command_case
import pictures

ROOT = pathlib.Path(__file__).parents[2]
BUNDLE = ROOT / "tests" / "testdata" / "digits_resnet8"
IMAGES = ROOT / "tests" / "testdata" / "digits.npz"


class ServiceCase(command_case.CommandCase):

    def setUp(self):
        super().setUp()
        self.output = self.folder / "answers.jsonl"
        self.state = self.folder / "state.json"
        with np.load(IMAGES) as arrays:
            self.images = arrays["images"]

    def start(self, *flags, source, **options):
        """The running `python -m device.run`."""
        return subprocess.Popen(
            [sys.executable, "-m", "device.run", f"--bundle={BUNDLE}",
             f"--input={source}", *map(str, flags)], cwd=ROOT,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)

    def ended(self, process, content=b""):
        """It, finished, as `subprocess.run` would return it."""
        # An emulated machine takes a minute for what takes this one a second.
        stdout, stderr = process.communicate(content, timeout=600)
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
