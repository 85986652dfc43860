"""Tests of keeping decoded images in memory or on disk."""

import collections
import io
import pathlib
import shutil
from unittest import mock

import numpy as np
import tensorflow as tf
from PIL import Image

from ddi_tf import array_store
from ddi_tf import data
from ddi_tf import decoding
from ddi_tf import errors

_COUNTS = {"train": 5, "tune": 2, "test": 3}
_NEEDED_GB = 10 * 8 * 8 * 3 / 1e9


def _png(pixels):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


class SplitsTest(tf.test.TestCase):

    def setUp(self):
        super().setUp()
        self.root = pathlib.Path(self.create_tempdir().full_path) / "cache"

    def _splits(self, memory_gb=1, cache=None, identity="a"):
        encoded = {name: [decoding.Encoded(
            "?", _png(np.full([8, 8, 3], value, np.uint8)), value)
            for value in range(count)]
            for name, count in _COUNTS.items()}
        return array_store.splits(encoded, _COUNTS, 8, "photos", [identity],
                                  memory_gb, cache)

    def _assert_right(self, splits):
        self.assertEqual(tuple(splits), data.SPLITS)
        for name, count in _COUNTS.items():
            self.assertAllEqual(splits[name].labels, np.arange(count))
            self.assertAllEqual(splits[name].images, np.broadcast_to(
                np.arange(count)[:, None, None, None], [count, 8, 8, 3]))

    def test_what_fits_is_held_in_memory(self):
        for cache in (None, self.root):
            splits = self._splits(_NEEDED_GB * 1.01, cache)
            self._assert_right(splits)
            self.assertNotIsInstance(splits["train"].images, np.memmap)

    def test_what_does_not_fit_stays_on_disk(self):
        splits = self._splits(_NEEDED_GB * 0.99, self.root)
        self._assert_right(splits)
        self.assertIsInstance(splits["train"].images, np.memmap)

    def test_what_does_not_fit_needs_a_cache(self):
        with self.assertRaisesRegex(
                errors.DataError,
                "^photos: 10 images of 8 x 8 pixels take 0.0 MB, more than "
                "--data_memory_gb=0. Lower --data_image_size.*--data_cache="):
            self._splits(0)

    def test_a_cache_is_not_decoded_again_unless_the_data_is_another(self):
        with mock.patch.object(decoding, "splits",
                               side_effect=decoding.splits) as decode:
            self._assert_right(self._splits(cache=self.root))
            self._assert_right(self._splits(cache=self.root))
            self._assert_right(self._splits(0, cache=self.root))
            self.assertEqual(decode.call_count, 1)
            self._splits(cache=self.root, identity="b")
            self.assertEqual(decode.call_count, 2)

    def test_a_cache_that_was_not_finished_is_made_again(self):
        with mock.patch.object(np, "savez", side_effect=KeyboardInterrupt):
            with self.assertRaises(KeyboardInterrupt):
                self._splits(cache=self.root)
        self._assert_right(self._splits(cache=self.root))

    def test_a_damaged_cache_is_named(self):
        self._splits(cache=self.root)
        [folder] = self.root.iterdir()
        (folder / "tune.npy").write_bytes(b"?")
        with self.assertRaisesRegex(
                errors.DataError, f"^{folder}: damaged .*Delete the folder"):
            self._splits(cache=self.root)

    def test_a_cache_that_cannot_be_a_folder(self):
        self.root.write_bytes(b"")
        with self.assertRaisesRegex(
                errors.DataError, "--data_cache=.*cannot be used .*written"):
            self._splits(cache=self.root)

    def test_a_full_disk_is_told_before_decoding(self):
        usage = collections.namedtuple("usage", "free")(100)
        with mock.patch.object(shutil, "disk_usage", return_value=usage):
            with self.assertRaisesRegex(
                    errors.DataError, "photos: 10 images.*has 0.0 MB left"):
                self._splits(cache=self.root)


if __name__ == "__main__":
    tf.test.main()
