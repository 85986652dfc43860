"""device.images: what fuzzing found, one by one."""

import io
import os
import zipfile

import numpy as np
from absl.testing import absltest
from absl.testing import parameterized
from PIL import Image

from device import errors
from device import images
import command_case
import damage
import fuzzing
import pictures


class ImageFileTest(command_case.CommandCase):

    def assert_reported(self, name, message):
        """The only item of a file is an ImageError, at once."""
        with fuzzing.limits(seconds=10):
            item, = images.Source(self.folder / name, (2, 2, 3))
        self.assertIsInstance(item.image, errors.ImageError)
        self.assertRegex(str(item.image), message)

    @parameterized.parameters("pipe", "socket", "endless", "nothing")
    def test_what_is_no_file_is_not_waited_for(self, kind):
        damage.ODD_FILES[kind](self.folder / "a.png")
        self.assert_reported("a.png", r"a\.png: cannot be decoded")

    def test_a_colour_profile_cut_short_is_reported(self):
        """Pillow raises an IndexError."""
        whole = io.BytesIO()
        Image.fromarray(pictures.noise(2, 2)).save(whole, "PNG")
        # Before the end (IEND, 12 bytes): behind the pixels.
        (self.folder / "a.png").write_bytes(
            whole.getvalue()[:-12] + pictures.chunk(b"iCCP", b"a\0")
            + whole.getvalue()[-12:])
        self.assert_reported("a.png", r"a\.png: cannot be decoded \(.*index")

    def test_no_program_is_run_for_an_image(self):
        """An EPS file is a program, for which Pillow starts Ghostscript."""
        Image.fromarray(pictures.noise(2, 2)).save(self.folder / "a.eps")
        os.rename(self.folder / "a.eps", self.folder / "a.png")
        self.assert_reported("a.png", r"cannot be decoded \(not an image")

    def test_a_name_of_two_lines_is_one_in_the_message(self):
        (self.folder / "a\nb.png").write_bytes(b"")
        self.assert_reported("a\nb.png", r"a\\nb\.png: cannot be decoded")


class NpzTest(command_case.CommandCase):

    def assert_refused(self, message):
        with fuzzing.limits(seconds=10):
            with self.assertRaisesRegex(errors.ImageError, message):
                images.Source(self.folder / "a.npz")

    @parameterized.parameters("pipe", "endless", "socket", "folder", "empty")
    def test_what_is_no_npz_is_not_waited_for(self, kind):
        damage.ODD_FILES[kind](self.folder / "a.npz")
        self.assert_refused(r"a\.npz: cannot be read as \.npz")

    def test_a_member_that_is_no_array_is_refused(self):
        """numpy hands on its bytes."""
        with zipfile.ZipFile(self.folder / "a.npz", "w") as archive:
            archive.writestr("images.npy", b"pixels")
        self.assert_refused(r"cannot be read as \.npz \(`images` is no array")

    def test_labels_that_are_no_array_are_refused(self):
        with zipfile.ZipFile(self.folder / "a.npz", "w") as archive:
            with archive.open("images.npy", "w") as member:
                np.save(member, np.zeros([1, 2, 2, 3], np.uint8))
            archive.writestr("labels", b"cat")
        self.assert_refused(r"`labels` is no array")

    def test_what_would_unpack_to_more_than_memory_is_not_unpacked(self):
        with zipfile.ZipFile(self.folder / "a.npz", "w") as archive:
            archive.writestr("images.npy", b"")
            archive.getinfo("images.npy").file_size = 2**31
        self.assert_refused(r"it unpacks to 2,147,483,648 bytes, more than "
                            r"1,073,741,824\)\. Write it again")


if __name__ == "__main__":
    absltest.main()
