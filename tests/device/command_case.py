"""What tests of the device's commands share: a folder, and how one ended."""

import pathlib
import tempfile

from absl.testing import parameterized


class CommandCase(parameterized.TestCase):
    """`self.folder` is empty."""

    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(
            self.enter_context(tempfile.TemporaryDirectory()))

    def assert_succeeded(self, process):
        self.assertNotIn("Traceback", process.stderr)
        self.assertEqual(process.returncode, 0, process.stderr)

    def assert_failed(self, process, message):
        """Status 1, `message` in standard error, and no traceback."""
        self.assertNotIn("Traceback", process.stderr)
        self.assertEqual(process.returncode, 1, process.stderr)
        self.assertRegex(process.stderr, message)
