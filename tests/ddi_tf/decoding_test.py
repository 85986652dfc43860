"""Tests of decoding image files."""

import io
import pathlib
import tempfile

import numpy as np
import tensorflow as tf
from absl.testing import parameterized
from PIL import Image

from ddi_tf import decoding
from ddi_tf import errors


def _encoded(pixels, form="PNG", mode=None, **options):
    """An image file's bytes of [H, W] or [H, W, C] uint8 `pixels`."""
    image = Image.fromarray(np.asarray(pixels))
    file = io.BytesIO()
    (image.convert(mode) if mode else image).save(file, form, **options)
    return file.getvalue()


def _random(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)


def _halves(height=32, width=32):
    """Left half red, right half blue."""
    pixels = np.zeros([height, width, 3], np.uint8)
    pixels[:, :width // 2, 0] = 255
    pixels[:, width // 2:, 2] = 255
    return pixels


class SquareTest(tf.test.TestCase, parameterized.TestCase):

    def test_an_image_of_the_right_size_keeps_every_value(self):
        pixels = _random(16, 16, 3)
        square = decoding.square(_encoded(pixels), 16)
        self.assertAllEqual(square, pixels)
        self.assertEqual(square.dtype, np.uint8)

    def test_the_middle_of_a_wide_and_of_a_tall_image(self):
        pixels = _random(16, 24, 3)
        self.assertAllEqual(decoding.square(_encoded(pixels), 16),
                            pixels[:, 4:20])
        tall = pixels.transpose(1, 0, 2)
        self.assertAllEqual(decoding.square(_encoded(tall), 16), tall[4:20])

    def test_shrinking_averages(self):
        # Fine stripes become grey, not black or white.
        stripes = np.zeros([64, 64, 3], np.uint8)
        stripes[:, ::2] = 255
        square = decoding.square(_encoded(stripes), 8)
        self.assertAllInRange(square, 120, 135)

    def test_small_images_are_enlarged(self):
        square = decoding.square(_encoded(np.full([3, 5, 3], 77, np.uint8)), 32)
        self.assertAllEqual(square, np.full([32, 32, 3], 77))

    def test_a_path_does_as_well_as_bytes(self):
        pixels = _random(16, 16, 3)
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "bild-äöü-図.png"
            path.write_bytes(_encoded(pixels))
            self.assertAllEqual(decoding.square(str(path), 16), pixels)

    def test_grey_is_the_same_in_every_channel(self):
        pixels = _random(16, 16)
        self.assertAllEqual(decoding.square(_encoded(pixels), 16),
                            np.repeat(pixels[..., None], 3, axis=2))

    def test_transparency_is_dropped(self):
        pixels = _random(16, 16, 4)
        self.assertAllEqual(decoding.square(_encoded(pixels), 16),
                            pixels[..., :3])

    @parameterized.parameters(({},), ({"transparency": 0},),
                              ({"transparency": b"\x00\x80"},))
    def test_palettes_become_colours(self, options):
        content = _encoded(_halves(), mode="P", **options)
        self.assertAllEqual(decoding.square(content, 32), _halves())

    def test_grey_with_a_transparent_value_keeps_it(self):
        pixels = _random(16, 16)
        square = decoding.square(_encoded(pixels, transparency=5), 16)
        self.assertAllEqual(square[..., 0], pixels)

    def test_cmyk_jpegs_become_rgb(self):
        square = decoding.square(
            _encoded(_halves(), "JPEG", mode="CMYK", quality=95), 32)
        self.assertAllClose(square[:, :12], _halves()[:, :12], atol=25)
        self.assertAllClose(square[:, -12:], _halves()[:, -12:], atol=25)

    def test_a_picture_on_its_side_is_turned(self):
        exif = Image.Exif()
        exif[0x0112] = 6  # turn by 90 degrees clockwise
        square = decoding.square(
            _encoded(_halves(), "JPEG", exif=exif.tobytes(), quality=95), 32)
        turned = np.rot90(_halves(), -1)  # red on top
        self.assertAllClose(square[:12], turned[:12], atol=25)
        self.assertAllClose(square[-12:], turned[-12:], atol=25)

    def test_large_jpegs_are_decoded_small_without_harm(self):
        square = decoding.square(
            _encoded(_halves(600, 800), "JPEG", quality=95), 32)
        self.assertAllClose(square[:, :14], _halves()[:, :14], atol=8)
        self.assertAllClose(square[:, -14:], _halves()[:, -14:], atol=8)

    @parameterized.parameters(
        (b"", "not an image"), (b"GIF89a, or so", "not an image"),
        (_encoded(_random(64, 64, 3))[:500], "."),
        (_encoded(_random(64, 64, 3), "JPEG")[:500], "(?i)truncated"),
        (_encoded(_random(8, 8).astype(np.uint16) * 256),
         "more than 8 bits per channel"))
    def test_broken_files_are_refused(self, content, pattern):
        with self.assertRaisesRegex(errors.DataError, pattern):
            decoding.square(content, 16)

    def test_missing_files_are_refused(self):
        with self.assertRaisesRegex(errors.DataError, "No such file"):
            decoding.square("/nowhere/at/all.png", 16)


class SplitsTest(tf.test.TestCase):

    def _splits(self, count, broken):
        """`count` images of their own number's value, some of them broken."""
        files = [decoding.Encoded(
            f"{index}.png", b"?" if index in broken else _encoded(
                np.full([8, 8, 3], index % 256, np.uint8)), index)
            for index in range(count)]
        half = count // 2
        return decoding.splits(
            {"train": files[:half], "test": iter(files[half:])},
            {"train": half, "test": count - half}, 8,
            lambda name, shape: np.zeros(shape, np.uint8), "photos")

    def test_images_stay_in_order_and_with_their_labels(self):
        splits = self._splits(600, ())  # more than are in flight at once
        for split, numbers in ((splits["train"], range(300)),
                               (splits["test"], range(300, 600))):
            self.assertAllEqual(split.labels, list(numbers))
            self.assertEqual(split.labels.dtype, np.int32)
            self.assertEqual(split.images.shape, (300, 8, 8, 3))
            self.assertAllEqual(split.images[:, 3, 3, 1],
                                [number % 256 for number in numbers])

    def test_one_broken_in_200_is_listed_and_left_out(self):
        with self.assertLogs(level="WARNING") as logs:
            splits = self._splits(200, {7})
        self.assertRegex(
            logs.output[0], r"photos: left out 1 of 200 images.*: 7\.png "
            r"\(not an image")
        numbers = [n for n in range(100) if n != 7]
        self.assertAllEqual(splits["train"].labels, numbers)
        self.assertAllEqual(splits["train"].images[:, 0, 0, 0], numbers)
        self.assertLen(splits["test"].labels, 100)

    def test_three_broken_in_100_are_an_error_that_names_them(self):
        with self.assertRaisesRegex(
                errors.DataError,
                r"^photos: 3 of 100 images cannot be decoded, more than 1%: "
                r"1\.png \(.*2\.png \(.*70\.png \(.*\. Replace or delete"):
            self._splits(100, {1, 2, 70})

    def test_an_error_names_ten_and_counts_the_rest(self):
        with self.assertRaisesRegex(
                errors.DataError, r"9\.png \([^)]*\) and 40 more\. Replace"):
            self._splits(50, set(range(50)))


if __name__ == "__main__":
    tf.test.main()
