"""Tests of data sets, augmentation and the sampler."""

import itertools
import types
from unittest import mock

import numpy as np
import tensorflow as tf
from absl.testing import parameterized
from sklearn import datasets

from ddi_tf import data
from ddi_tf import errors

_PAD = data.CROP_PADDING


class DigitsTest(tf.test.TestCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.dataset = data.load("digits")
        cls.splits = [getattr(cls.dataset, name) for name in data.SPLITS]

    def test_splits_have_their_sizes_and_types(self):
        for split, size in zip(self.splits, (1077, 360, 360)):
            self.assertEqual(split.images.shape, (size, 32, 32, 3))
            self.assertEqual(split.labels.shape, (size,))
            self.assertEqual(split.images.dtype, np.uint8)
            self.assertEqual(split.labels.dtype, np.int32)

    def test_values_fill_the_range(self):
        images = np.concatenate([split.images for split in self.splits])
        labels = np.concatenate([split.labels for split in self.splits])
        self.assertEqual((images.min(), images.max()), (0, 255))
        self.assertEqual(set(labels), set(range(10)))
        self.assertEqual(self.dataset.label_names, tuple("0123456789"))

    def test_splits_are_one_after_the_other_without_overlap(self):
        digits = datasets.load_digits()
        self.assertAllEqual(
            np.concatenate([split.labels for split in self.splits]),
            digits.target)
        # Enlarged by a whole factor, so each cell keeps about its mean.
        images = np.concatenate([split.images for split in self.splits])
        cells = images[..., 0].reshape([-1, 8, 4, 8, 4]).mean(axis=(2, 4))
        error = cells - digits.images * (255 / 16)
        self.assertLess(np.abs(error).mean(), 20)
        self.assertGreater(
            np.corrcoef(cells.ravel(), digits.images.ravel())[0, 1], 0.95)

    def test_scaling_is_that_of_the_training_images(self):
        scaled = data.normalize(
            self.dataset.train.images, self.dataset.scaling).numpy()
        self.assertAllClose(scaled.mean(), 0.0, atol=0.02)
        self.assertAllClose(scaled.std(), 1.0, atol=0.02)

    def test_digits_are_not_mirrored(self):
        self.assertFalse(self.dataset.flip)


class LoadTest(tf.test.TestCase):

    def test_unknown_name_lists_the_known_ones(self):
        with self.assertRaisesRegex(
                errors.DataError, "must be one of digits, cifar10.*: mnist"):
            data.load("mnist")

    def test_missing_cifar10_says_what_gets_it(self):
        folder = self.create_tempdir().full_path
        with self.assertRaisesRegex(
                errors.DataError,
                f"CIFAR-10 is not in {folder}.*--data_dir.*--data_download"):
            data.load("cifar10", folder)

    def test_incomplete_data_says_what_gets_the_rest(self):
        few = types.SimpleNamespace(
            images=np.zeros([5, 8, 8]), target=np.zeros([5]), target_names=())
        with mock.patch.object(datasets, "load_digits", return_value=few):
            with self.assertRaisesRegex(
                    errors.DataError,
                    "expected 1797 images, found 5.*--data_download"):
                data.load("digits")


class NormalizeTest(tf.test.TestCase):

    def test_value_by_hand_per_channel(self):
        images = np.array([[[[0, 100, 255]]]], np.uint8)
        scaling = data.Scaling((10.0, 100.0, 55.0), (5.0, 7.0, 100.0))
        scaled = data.normalize(images, scaling)
        self.assertEqual(scaled.dtype, tf.float32)
        self.assertAllClose(scaled, [[[[-2.0, 0.0, 2.0]]]])


class AugmentTest(tf.test.TestCase, parameterized.TestCase):

    def setUp(self):
        super().setUp()
        # No black pixel, so that black in a crop is the padding.
        self.images = np.random.default_rng(0).integers(
            1, 256, [3, 8, 10, 3]).astype(np.uint8)

    def _augment(self, offset, flips=(False, False, False)):
        return data.augment(
            tf.constant(self.images), tf.constant([offset] * 3, tf.int32),
            tf.constant(flips)).numpy()

    def test_middle_crop_without_flip_is_the_image(self):
        self.assertAllEqual(self._augment([_PAD, _PAD]), self.images)

    def test_shape_and_type_are_kept(self):
        crop = self._augment([0, 2 * _PAD])
        self.assertEqual(crop.shape, self.images.shape)
        self.assertEqual(crop.dtype, np.uint8)

    def test_flips_mirror_the_chosen_images_left_to_right(self):
        crop = self._augment([_PAD, _PAD], (True, False, True))
        self.assertAllEqual(crop[0], self.images[0, :, ::-1])
        self.assertAllEqual(crop[1], self.images[1])
        self.assertAllEqual(crop[2], self.images[2, :, ::-1])

    def test_first_corner_shows_black_at_the_top_and_left(self):
        crop = self._augment([0, 0])
        self.assertAllEqual(crop[:, _PAD:, _PAD:],
                            self.images[:, :-_PAD, :-_PAD])
        self.assertAllEqual(crop[:, :_PAD], np.zeros([3, _PAD, 10, 3]))
        self.assertAllEqual(crop[:, :, :_PAD], np.zeros([3, 8, _PAD, 3]))

    def test_last_corner_shows_black_at_the_bottom_and_right(self):
        crop = self._augment([2 * _PAD, 2 * _PAD])
        self.assertAllEqual(crop[:, :-_PAD, :-_PAD],
                            self.images[:, _PAD:, _PAD:])
        self.assertAllEqual(crop[:, -_PAD:], np.zeros([3, _PAD, 10, 3]))
        self.assertAllEqual(crop[:, :, -_PAD:], np.zeros([3, 8, _PAD, 3]))

    @parameterized.product(flip=(False, True))
    def test_every_image_has_its_own_crop(self, flip):
        offsets = np.array([[0, 8], [3, 4], [8, 1]], np.int32)
        crops = data.augment(tf.constant(self.images), tf.constant(offsets),
                             tf.constant([flip] * 3)).numpy()
        padded = np.pad(
            self.images, [(0, 0), (_PAD, _PAD), (_PAD, _PAD), (0, 0)])
        for crop, image, (top, left) in zip(crops, padded, offsets):
            expected = image[top:top + 8, left:left + 10]
            self.assertAllEqual(
                crop, expected[:, ::-1] if flip else expected)


class SamplerTest(tf.test.TestCase, parameterized.TestCase):

    def test_draw_has_the_stated_shapes_types_and_ranges(self):
        draw = data.Sampler(50, 8, seed=0, flip=True).draw(3)
        self.assertEqual(
            [(field.shape, field.dtype) for field in draw],
            [((8,), np.int32), ((8, 2), np.int32), ((8,), bool)])
        self.assertAllInRange(draw.indices, 0, 49)
        self.assertAllInRange(draw.offsets, 0, 2 * _PAD)

    def test_draws_are_a_function_of_seed_and_step_alone(self):
        in_order = data.Sampler(20, 6, seed=5, flip=True)
        draws = [in_order.draw(step) for step in range(10)]
        another = data.Sampler(20, 6, seed=5, flip=True)
        for step in (9, 0, 4, 4, 3, 7, 1, 8, 2, 6, 5):
            for ours, theirs in zip(another.draw(step), draws[step]):
                self.assertAllEqual(ours, theirs)

    def test_an_epoch_covers_distinct_images(self):
        sampler = data.Sampler(20, 6, seed=0, flip=False)
        self.assertEqual(sampler.steps_per_epoch, 3)
        for epoch in range(3):
            indices = np.concatenate([
                sampler.draw(3 * epoch + step).indices for step in range(3)])
            self.assertLen(set(indices), 18)

    def test_an_epoch_of_whole_batches_covers_every_image(self):
        sampler = data.Sampler(20, 5, seed=0, flip=False)
        indices = [sampler.draw(step).indices for step in range(4)]
        self.assertEqual(set(np.concatenate(indices)), set(range(20)))

    @parameterized.parameters(("seed", 1, 0, 0), ("epoch", 0, 0, 2),
                              ("step", 0, 0, 1))
    def test_every_draw_differs(self, _, seed, step, other_step):
        ours = data.Sampler(20, 10, 0, True).draw(step)
        theirs = data.Sampler(20, 10, seed, True).draw(other_step)
        self.assertNotAllEqual(ours.indices, theirs.indices)
        self.assertNotAllEqual(ours.offsets, theirs.offsets)

    def test_all_offsets_and_about_half_of_the_flips_occur(self):
        sampler = data.Sampler(100, 100, seed=0, flip=True)
        draws = [sampler.draw(step) for step in range(10)]
        offsets = np.concatenate([draw.offsets for draw in draws])
        self.assertEqual(
            {tuple(offset) for offset in offsets.tolist()},
            set(itertools.product(range(2 * _PAD + 1), repeat=2)))
        flips = np.concatenate([draw.flips for draw in draws])
        self.assertBetween(flips.mean(), 0.4, 0.6)

    def test_no_flips_where_they_change_the_class(self):
        sampler = data.Sampler(100, 100, seed=0, flip=False)
        self.assertFalse(any(sampler.draw(s).flips.any() for s in range(5)))

    @parameterized.parameters(0, 21, -1)
    def test_batch_must_fit_the_training_images(self, batch_size):
        with self.assertRaisesRegex(
                errors.ConfigError,
                rf"`train_batch_size` must lie in 1\.\.20 .*: {batch_size}"):
            data.Sampler(20, batch_size, seed=0, flip=True)


if __name__ == "__main__":
    tf.test.main()
