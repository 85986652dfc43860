"""device.regular_file: what is no file is neither waited for nor read."""

import pathlib
import tempfile

from absl.testing import absltest
from absl.testing import parameterized

from device import regular_file
import damage
import fuzzing


class RegularFileTest(parameterized.TestCase):
    """`self.path` does not exist yet."""

    def setUp(self):
        super().setUp()
        self.path = pathlib.Path(
            self.enter_context(tempfile.TemporaryDirectory())) / "file"

    def test_a_file_is_read(self):
        self.path.write_bytes(b"three")
        with regular_file.open_(self.path) as file:
            self.assertEqual(file.read(), b"three")

    def test_a_link_is_followed(self):
        self.path.write_bytes(b"three")
        link = self.path.with_name("link")
        link.symlink_to(self.path)
        self.assertEqual(regular_file.read(link, 5), b"three")

    def test_a_file_may_have_as_many_bytes_as_asked_and_no_more(self):
        self.path.write_bytes(b"three")
        self.assertEqual(regular_file.read(self.path, 5), b"three")
        with self.assertRaisesRegex(OSError, "larger than 4 bytes"):
            regular_file.read(self.path, 4)

    @parameterized.parameters("pipe", "endless", "nothing")
    def test_what_is_no_file_is_refused_at_once(self, kind):
        damage.ODD_FILES[kind](self.path)
        with fuzzing.limits(seconds=10):
            with self.assertRaisesRegex(OSError, "neither a file nor a link"):
                regular_file.open_(self.path)

    @parameterized.parameters(
        ("missing", "No such file"), ("dangling", "No such file"),
        ("folder", "Is a directory"), ("circle", "symbolic links"),
        ("socket", "No such device"), ("huge", "larger than 9 bytes"))
    def test_the_system_says_what_is_wrong(self, kind, message):
        damage.ODD_FILES[kind](self.path)
        with self.assertRaisesRegex(OSError, message):
            regular_file.read(self.path, 9)


if __name__ == "__main__":
    absltest.main()
