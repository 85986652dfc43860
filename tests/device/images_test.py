"""device.images: every image, or why there is none."""

import io
import pathlib
import tempfile
from unittest import mock

import hypothesis
import numpy as np
from absl.testing import absltest
from absl.testing import parameterized
from hypothesis import strategies as st
from PIL import Image

from device import errors
from device import images
import pictures
import strategies


class FilesTest(absltest.TestCase):
    """`self.folder` is empty."""

    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(
            self.enter_context(tempfile.TemporaryDirectory()))

    def item(self, name):
        """The only `images.Item` of a file in the folder."""
        item, = images.Source(self.folder / name)
        return item

    def assert_reported(self, name, message):
        """The file is an `ImageError` that names it, and does not stop."""
        item = self.item(name)
        self.assertEqual(item.name, name)
        self.assertIsInstance(item.image, errors.ImageError)
        self.assertRegex(str(item.image), rf"/{name}: {message}")


class FolderTest(FilesTest):

    def test_images_come_in_the_order_of_their_names(self):
        for seed, name in enumerate(["b.png", "c.BMP", "a.png"]):
            pictures.save(self.folder / name, pictures.noise(4, 5, seed))
        source = images.Source(str(self.folder))
        self.assertLen(source, 3)
        items = list(source)
        self.assertEqual([item.name for item in items],
                         ["a.png", "b.png", "c.BMP"])
        np.testing.assert_array_equal(items[0].image, pictures.noise(4, 5, 2))
        self.assertEqual([item.label for item in items], [None] * 3)

    def test_a_source_can_be_read_twice(self):
        pictures.save(self.folder / "a.png", pictures.noise(2, 2))
        source = images.Source(self.folder)
        self.assertLen(list(source), 1)
        self.assertLen(list(source), 1)

    def test_other_files_are_passed_by(self):
        (self.folder / "notes.txt").write_text("no image")
        (self.folder / "png").mkdir()
        pictures.save(self.folder / "a.webp", pictures.noise(2, 2))
        self.assertEqual([item.name for item in images.Source(self.folder)],
                         ["a.webp"])

    def test_a_folder_without_images_is_refused_with_what_was_expected(self):
        (self.folder / "notes.txt").write_text("no image")
        with self.assertRaisesRegex(
                errors.ImageError, rf"{self.folder}: expected files ending in "
                r"\.bmp, \.jpeg, .*found none"):
            images.Source(self.folder)

    def test_a_path_that_does_not_exist_is_refused(self):
        with self.assertRaisesRegex(
                errors.ImageError, r"/none: no such folder or file\. Give a "
                r"folder of images .*, one image, or an \.npz"):
            images.Source(self.folder / "none")

    def test_a_bad_file_does_not_hide_the_others(self):
        (self.folder / "b.png").write_bytes(b"broken")
        for name in ("a.png", "c.png"):
            pictures.save(self.folder / name, pictures.noise(2, 2))
        kinds = [type(item.image) for item in images.Source(self.folder)]
        self.assertEqual(kinds, [np.ndarray, errors.ImageError, np.ndarray])

    def test_a_link_to_nothing_is_reported(self):
        (self.folder / "a.png").symlink_to(self.folder / "gone")
        item, = images.Source(self.folder)
        self.assertRegex(str(item.image), r"a\.png: cannot be decoded \(.*No s")

    def test_a_folder_with_an_image_s_name_is_reported(self):
        (self.folder / "a.png").mkdir()
        item, = images.Source(self.folder)
        self.assertRegex(str(item.image), r"a\.png: cannot be decoded")


class DecodingTest(FilesTest, parameterized.TestCase):

    @parameterized.parameters("a.png", "a.bmp", "a.tiff")
    def test_pixels_are_kept(self, name):
        pictures.save(self.folder / name, pictures.noise(3, 4))
        image = self.item(name).image
        self.assertEqual(image.dtype, np.uint8)
        np.testing.assert_array_equal(image, pictures.noise(3, 4))

    def test_red_comes_first(self):
        pictures.save(self.folder / "a.png",
                      np.full([1, 1, 3], [200, 100, 0], np.uint8))
        self.assertEqual(self.item("a.png").image.tolist(), [[[200, 100, 0]]])

    def test_grey_becomes_three_equal_channels(self):
        pictures.save(self.folder / "a.png", np.full([1, 2], 7, np.uint8))
        self.assertEqual(self.item("a.png").image.tolist(),
                         [[[7, 7, 7], [7, 7, 7]]])

    def test_a_palette_becomes_its_colours(self):
        image = Image.fromarray(np.full([1, 1, 3], [255, 0, 51], np.uint8))
        image.convert("P", palette=Image.Palette.ADAPTIVE).save(
            self.folder / "a.png")
        self.assertEqual(self.item("a.png").image.tolist(), [[[255, 0, 51]]])

    def test_transparency_is_dropped(self):
        pictures.save(self.folder / "a.png",
                      np.full([1, 1, 4], [1, 2, 3, 255], np.uint8))
        self.assertEqual(self.item("a.png").image.tolist(), [[[1, 2, 3]]])

    @parameterized.named_parameters(
        ("grey", pictures.GREY), ("rgb", pictures.RGB),
        ("grey_alpha", pictures.GREY_ALPHA), ("rgb_alpha", pictures.RGB_ALPHA))
    def test_sixteen_bits_per_channel_are_reported(self, colour_type):
        (self.folder / "a.png").write_bytes(pictures.deep_png(colour_type, 4))
        self.assert_reported(
            "a.png", "expected 8 bits per channel, found .*16.*Convert it to 8")

    def test_a_huge_image_is_reported_undecoded(self):
        Image.new("1", (9000, 9000)).save(self.folder / "a.png")
        with mock.patch.object(Image.Image, "load") as load:
            item, = images.Source(self.folder, (2, 2, 3))
        load.assert_not_called()
        self.assertRegex(str(item.image), r"a\.png: expected .*\[2, 2, 3\], "
                         r"found \[9000, 9000, 3\]\. Crop or scale")

    def test_a_picture_that_lies_on_its_side_is_put_upright(self):
        image = Image.fromarray(pictures.noise(2, 4))  # 2 high, 4 wide
        exif = image.getexif()
        exif[0x0112] = 6  # EXIF orientation: turn clockwise to see it upright
        image.save(self.folder / "a.png", exif=exif)
        item, = images.Source(self.folder, (4, 2, 3))
        np.testing.assert_array_equal(
            item.image, np.rot90(pictures.noise(2, 4), -1))

    def test_floats_are_reported(self):
        Image.fromarray(np.zeros([2, 2], np.float32)).save(
            self.folder / "a.tiff")
        self.assert_reported(
            "a.tiff", "expected 8 bits per channel, found mode F.*Convert it")

    @parameterized.parameters(b"", b"\x89PNG\r\n\x1a\n", b"text, not an image")
    def test_what_is_no_image_is_reported(self, content):
        (self.folder / "a.png").write_bytes(content)
        self.assert_reported("a.png", r"cannot be decoded \(not an image, or "
                             r"cut short\)\. Replace the file")

    @parameterized.parameters("png", "bmp", "jpg", "webp")
    def test_half_a_file_is_reported(self, suffix):
        path = self.folder / f"a.{suffix}"
        pictures.save(path, pictures.noise(32, 32))
        content = path.read_bytes()
        path.write_bytes(content[:len(content) // 2])
        self.assert_reported(f"a.{suffix}", "cannot be decoded .*Replace")

    def test_a_giant_image_is_reported(self):
        pictures.save(self.folder / "a.png", pictures.noise(8, 8))
        with mock.patch.object(Image, "MAX_IMAGE_PIXELS", 10):
            self.assert_reported(
                "a.png", r"cannot be decoded \(.*64 pixels.*Replace the file")

    @strategies.SETTINGS
    @hypothesis.given(st.sampled_from(["png", "bmp", "jpeg", "webp"]),
                      st.lists(st.tuples(st.integers(0, 700),
                                         st.integers(0, 255)), min_size=1),
                      st.sampled_from([0.5, 0.9, 1.0]))
    def test_damage_gives_an_image_or_a_report(self, kind, changes, kept):
        buffer = io.BytesIO()
        Image.fromarray(pictures.noise(8, 8)).save(buffer, kind)
        content = bytearray(buffer.getvalue())
        for position, value in changes:
            content[position % len(content)] = value
        path = self.folder / f"a.{kind}"
        path.write_bytes(content[:int(kept * len(content))])
        image = self.item(path.name).image
        if not isinstance(image, errors.ImageError):
            self.assertEqual((image.ndim, image.shape[2]), (3, 3))
            self.assertEqual(image.dtype, np.uint8)


class NpzTest(FilesTest, parameterized.TestCase):

    def save(self, **arrays):
        np.savez(self.folder / "a.npz", **arrays)

    def assert_refused(self, message):
        with self.assertRaisesRegex(
                errors.ImageError, rf"/a\.npz: {message}"):
            images.Source(self.folder / "a.npz")

    def test_images_come_with_their_labels(self):
        stored = np.stack([pictures.noise(4, 5, seed) for seed in (0, 1)])
        self.save(images=stored, labels=np.array([3, 1]))
        source = images.Source(self.folder / "a.npz")
        self.assertLen(source, 2)
        items = list(source)
        self.assertEqual([(item.name, item.label) for item in items],
                         [("a.npz[0]", 3), ("a.npz[1]", 1)])
        np.testing.assert_array_equal([item.image for item in items], stored)

    def test_labels_may_be_unknown(self):
        self.save(images=np.zeros([1, 2, 2, 3], np.uint8))
        item, = images.Source(self.folder / "a.npz")
        self.assertIsNone(item.label)

    @parameterized.named_parameters(
        ("one_image", np.zeros([2, 2, 3], np.uint8), r"\[2, 2, 3\] of uint8"),
        ("floats", np.zeros([1, 2, 2, 3]), r"\[1, 2, 2, 3\] of float64"),
        ("nothing", np.uint8(0), r"\[\] of uint8"))
    def test_other_images_are_refused(self, stored, found):
        self.save(images=stored)
        self.assert_refused(r"expected `images` of shape \[N, H, W, 3\] and "
                            rf"type uint8, found {found}")

    def test_no_images_at_all_are_refused(self):
        self.save(images=np.zeros([0, 2, 2, 3], np.uint8))
        self.assert_refused(r"expected .*, found (none|\[0, 2, 2, 3\])")

    @parameterized.named_parameters(
        ("too_few", np.array([1]), r"\[1\] of int64"),
        ("matrix", np.array([[1, 2]]), r"\[1, 2\] of int64"),
        ("floats", np.array([1.0, 2.0]), r"\[2\] of float64"),
        ("words", np.array(["a", "b"]), r"\[2\] of <U1"))
    def test_other_labels_are_refused(self, labels, found):
        self.save(images=np.zeros([2, 2, 2, 3], np.uint8), labels=labels)
        self.assert_refused(
            f"expected 2 whole numbers in `labels`, found {found}")

    def test_another_array_is_refused(self):
        self.save(pictures=np.zeros([1, 2, 2, 3], np.uint8))
        self.assert_refused(r"expected an array called `images` \[N, H, W, 3\] "
                            r"uint8, found none.*numpy\.savez\(path, images")

    def test_objects_are_refused(self):
        self.save(images=np.array([{}], object))
        self.assert_refused(r"cannot be read as \.npz .*pickle.*Write it again")

    @parameterized.parameters(b"", b"PK\x03\x04 and no more", b"no zip")
    def test_what_is_no_npz_is_refused(self, content):
        (self.folder / "a.npz").write_bytes(content)
        self.assert_refused(r"cannot be read as \.npz \(.+\)\. Write it again")

    def test_an_array_that_is_not_packed_is_refused(self):
        with open(self.folder / "a.npz", "wb") as file:
            np.save(file, np.zeros([1, 2, 2, 3], np.uint8))
        self.assert_refused(r"cannot be read as \.npz .*Write it again")


if __name__ == "__main__":
    absltest.main()
