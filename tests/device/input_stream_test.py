"""device.inputs.stream: images of standard input, whatever comes in."""

import io
import os
import signal
import struct
import tempfile
from unittest import mock

import hypothesis
import numpy as np
from absl.testing import absltest
from absl.testing import parameterized
from hypothesis import strategies as st
from PIL import Image

from device import errors
from device.inputs import stream
from device.inputs import waiting
import pictures
import strategies

SHAPE = (4, 5, 3)


def encoded(kind, image):
    """Bytes of an image file."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, kind)
    return buffer.getvalue()


def framed(*contents):
    """The stream of these images."""
    return b"".join(struct.pack(">I", len(content)) + content
                    for content in contents)


IMAGE = pictures.noise(4, 5)
PNG = encoded("png", IMAGE)


class StreamTest(parameterized.TestCase):

    def open(self, content, shape=SHAPE):
        """A `stream.Stream` of bytes."""
        file = self.enter_context(tempfile.TemporaryFile())
        file.write(content)
        file.seek(0)
        return self.enter_context(stream.Stream(shape, file))

    def assert_refused(self, content, message):
        """InputError after one good image."""
        found = []
        with self.assertRaisesRegex(errors.InputError, message):
            found.extend(self.open(framed(PNG) + content))
        # `extend` keeps what came before the error.
        self.assertEqual([item.name for item in found], ["stdin[0]"])

    @parameterized.parameters("png", "bmp", "jpeg", "webp")
    def test_image_files_are_decoded(self, kind):
        first, second = self.open(framed(encoded(kind, IMAGE), PNG))
        self.assertEqual((first.name, second.name), ("stdin[0]", "stdin[1]"))
        self.assertEqual(first.image.shape, SHAPE)
        np.testing.assert_array_equal(second.image, IMAGE)
        if kind in ("png", "bmp"):
            np.testing.assert_array_equal(first.image, IMAGE)

    def test_raw_pixels_are_taken_as_they_are(self):
        item, = self.open(framed(IMAGE.tobytes()))
        np.testing.assert_array_equal(item.image, IMAGE)

    def test_an_image_file_as_long_as_raw_pixels_is_an_image_file(self):
        black = np.zeros([8, 8, 3], np.uint8)
        content = encoded("png", black).ljust(black.size, b"\1")
        item, = self.open(framed(content), shape=black.shape)
        np.testing.assert_array_equal(item.image, black)

    def test_nothing_is_the_end(self):
        self.assertEmpty(list(self.open(b"")))
        self.assertIsNone(self.open(b"").total)

    def test_what_does_not_decode_does_not_end_the_stream(self):
        kinds = [type(item.image) for item in self.open(framed(
            b"", b"no image", PNG[:40], IMAGE.tobytes()[1:],
            encoded("png", pictures.noise(5, 4)), encoded("gif", IMAGE), PNG))]
        self.assertEqual(kinds, 6 * [errors.ImageError] + [np.ndarray])

    def test_a_length_too_large_is_an_error(self):
        at = len(framed(PNG))
        self.assert_refused(
            b"\x04\x00\x00\x01", rf"stdin: image 1 \(at byte {at}\): expected a"
            r" length of at most 67108864 bytes, found 67108865\. Send the len")

    @parameterized.parameters(
        (b"\0", "expected 4 bytes of its length, found 1 before"),
        (b"\0\0\0\5", "expected 5 bytes of its content, found 0 before"),
        (b"\0\0\0\5abc", "expected 5 bytes of its content, found 3 before"))
    def test_an_end_within_an_image_is_an_error(self, content, message):
        self.assert_refused(content, rf"image 1 \(at byte \d+\): {message} "
                            "the end. Send whole images, and close")

    def test_it_stops_while_it_waits_for_the_rest_of_an_image(self):
        read, write = os.pipe()
        self.addCleanup(os.close, write)
        os.write(write, framed(PNG) + b"\0\0\0\5abc")
        with open(read, "rb") as file, stream.Stream(SHAPE, file) as source:
            before = signal.signal(
                signal.SIGALRM, lambda *unused: source.stop())
            self.addCleanup(signal.signal, signal.SIGALRM, before)
            signal.setitimer(signal.ITIMER_REAL, 0.1)
            self.assertLen(list(source), 1)

    def test_there_is_idle_time_while_nothing_comes(self):
        read, write = os.pipe()
        self.addCleanup(os.close, write)
        with mock.patch.object(waiting, "IDLE_S", 0.01):
            with open(read, "rb") as file, stream.Stream(SHAPE, file) as source:
                source.when_idle(source.stop)
                self.assertEmpty(list(source))

    @strategies.MANY
    @hypothesis.given(st.lists(
        st.binary(max_size=12).map(framed) | st.binary(max_size=12)
        | st.just(framed(PNG)) | st.just(framed(IMAGE.tobytes()))
        | st.tuples(strategies.POSITIONS, strategies.FLIPS).map(
            lambda change: framed(_changed(PNG, *change))), max_size=5))
    def test_garbage_gives_images_reports_or_one_error(self, parts):
        with tempfile.TemporaryFile() as file, stream.Stream(
                SHAPE, file) as source:
            file.write(b"".join(parts))
            file.seek(0)
            try:
                images = [item.image for item in source]
            except errors.InputError as error:
                self.assertRegex(str(error), r"^stdin: image \d+ \(at byte \d")
                return
        for image in images:
            if not isinstance(image, errors.ImageError):
                self.assertEqual(image.shape, SHAPE)
                self.assertEqual(image.dtype, np.uint8)


def _changed(content, position, flip):
    content = bytearray(content)
    content[int(position * len(content))] ^= flip
    return bytes(content)


if __name__ == "__main__":
    absltest.main()
