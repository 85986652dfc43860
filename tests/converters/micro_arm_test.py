"""The C controller cross-compiled for a Cortex-M4 and run in QEMU."""

import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

import numpy as np
import tensorflow as tf

import micro_cases
import parity_test

_SCRIPT = (pathlib.Path(__file__).parent.parent.parent / "benchmarks"
           / "micro_arm.py")
_TOOLS = ("arm-none-eabi-gcc", "arm-none-eabi-size", "qemu-system-arm")
_MISSING = [tool for tool in _TOOLS if not shutil.which(tool)]


@unittest.skipIf(_MISSING, f"{', '.join(_MISSING)} not installed")
@micro_cases.needs_tflm
class CortexM4Test(tf.test.TestCase):

    def test_same_decisions_as_on_this_machine_in_little_memory(self):
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            np.savez(folder / "images.npz",
                     images=parity_test.random_images(5))
            result = subprocess.run(
                [sys.executable, _SCRIPT,
                 f"--bundle={micro_cases.shared_bundle()}",
                 f"--input={folder / 'images.npz'}"],
                capture_output=True, text=True)
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        report = json.loads(result.stdout)
        self.assertEqual(report["cases"], 20)
        for found in report["floats"].values():
            self.assertEqual(found["cases_that_differ"], 0)
            flash, stack = found["flash_bytes"], found["stack_bytes"]
            self.assertEqual(flash["tables"], report["table_bytes_expected"])
            self.assertLess(flash["controller_with_libm"], 8 << 10)
            self.assertLess(stack["measured_with_replaying_callback"], 512)


if __name__ == "__main__":
    tf.test.main()
