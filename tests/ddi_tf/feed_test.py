"""Tests of handing training images to the step."""

import pathlib

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from ddi_tf import crops
from ddi_tf import data
from ddi_tf import feed


class FeedTest(tf.test.TestCase, parameterized.TestCase):

    def setUp(self):
        super().setUp()
        images = np.random.default_rng(0).integers(
            0, 256, [20, 9, 9, 3]).astype(np.uint8)
        labels = np.arange(20, dtype=np.int32)
        path = pathlib.Path(self.create_tempdir().full_path) / "images.npy"
        np.save(path, images)
        self.resident = data.Split(images, labels)
        self.on_disk = data.Split(np.load(path, mmap_mode="r"), labels)

    def _sampler(self, crop=crops.Shift()):
        return data.Sampler(20, 6, seed=1, flip=True, crop=crop)

    def test_memory_or_disk_is_seen_from_the_images(self):
        self.assertIsInstance(
            feed.make(self.resident, self._sampler()), feed.Resident)
        from_disk = feed.make(self.on_disk, self._sampler())
        self.assertIsInstance(from_disk, feed.Streamed)
        from_disk.close()

    @parameterized.parameters((crops.Shift(),), (crops.Zoom(),))
    def test_both_give_the_step_the_same_images(self, crop):
        resident = feed.make(self.resident, self._sampler(crop))
        from_disk = feed.make(self.on_disk, self._sampler(crop))
        for step in (0, 1, 2, 3, 4, 9, 2):  # in order, and resumed
            batches = [
                (crop.cut(tf.gather(images, indices), drawn, flips),
                 tf.gather(labels, indices))
                for images, labels, indices, drawn, flips in (
                    resident.arguments(step), from_disk.arguments(step))]
            self.assertAllEqual(batches[0][0], batches[1][0])
            self.assertAllEqual(batches[0][1], batches[1][1])
        from_disk.close()

    def test_disk_gives_the_types_and_shapes_of_one_batch(self):
        from_disk = feed.make(self.on_disk, self._sampler())
        arguments = from_disk.arguments(0)
        from_disk.close()
        self.assertEqual(
            [(tuple(a.shape), a.dtype) for a in arguments],
            [((6, 9, 9, 3), tf.uint8), ((6,), tf.int32), ((6,), tf.int32),
             ((6, 2), tf.int32), ((6,), tf.bool)])


if __name__ == "__main__":
    tf.test.main()
