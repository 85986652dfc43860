"""Tests of splits, scaling and the sampler."""

import itertools

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from ddi_tf import crops
from ddi_tf import data
from ddi_tf import errors

_PAD = crops.SHIFT_PADDING


class DatasetTest(tf.test.TestCase):

    def setUp(self):
        super().setUp()
        images = np.arange(2 * 16 * 16 * 3).astype(np.uint8).reshape(
            2, 16, 16, 3)
        stored = data.Split(images, np.array([0, 1], np.int32))
        seen = stored._replace(images=images[:, 1:15, 1:15])
        self.dataset = data.Dataset(
            "photos", ("a", "b"), data.Scaling((1.0,) * 3, (2.0,) * 3), True,
            stored, seen, seen, crops.Zoom(), {"files": "abc"})

    def test_image_shape_is_what_the_network_receives(self):
        self.assertEqual(self.dataset.image_shape, (14, 14, 3))

    def test_evaluation_sees_the_middle_of_training_images(self):
        part = self.dataset.part("train")
        self.assertAllEqual(part.images, self.dataset.tune.images)
        self.assertAllEqual(part.labels, [0, 1])
        self.assertAllEqual(
            self.dataset.part("test").images, self.dataset.test.images)

    def test_settings_hold_the_details(self):
        self.assertEqual(self.dataset.settings, {
            "name": "photos", "label_names": ("a", "b"), "files": "abc",
            "scaling": {"mean": (1.0,) * 3, "std": (2.0,) * 3}})

    def test_cutout_hides_a_square_of_the_mean_and_is_remembered(self):
        self.assertIs(self.dataset.augmented(0, 0).crop, self.dataset.crop)
        cut = self.dataset.augmented(0, 4)
        self.assertEqual(cut.settings, {**self.dataset.settings, "cutout": 4})
        box, middle = [0, 0, 1, 1], [0.5, 0.5]
        batch = data.training_batch(
            tf.constant(cut.train.images), tf.constant([1]),
            tf.constant([box + middle], tf.float32), tf.constant([False]),
            cut.crop, cut.scaling)
        self.assertEqual(batch.shape, (1, 14, 14, 3))
        self.assertAllEqual(batch[0, 5:9, 5:9], np.zeros([4, 4, 3]))
        self.assertEqual(np.count_nonzero(np.all(batch[0] == 0, axis=-1)), 16)


class MeasuredScalingTest(tf.test.TestCase):

    def test_value_by_hand_per_channel(self):
        images = np.zeros([2, 1, 2, 3], np.uint8)
        images[..., 0] = [[[10, 20]], [[30, 40]]]  # variance 125
        images[1, ..., 1] = 200
        scaling = data.measured_scaling(images)
        self.assertEqual(scaling.mean, (25.0, 100.0, 0.0))
        # All alike: no division by 0.
        self.assertEqual(scaling.std, (11.18, 100.0, 1.0))

    def test_many_images_as_numpy_has_it(self):
        images = np.random.default_rng(0).integers(
            0, 256, [600, 4, 4, 3]).astype(np.uint8)
        scaling = data.measured_scaling(images)
        self.assertAllClose(
            scaling.mean, images.mean(axis=(0, 1, 2)), atol=1e-3)
        self.assertAllClose(
            scaling.std, images.std(axis=(0, 1, 2)), atol=1e-3)


class NormalizeTest(tf.test.TestCase):

    def test_value_by_hand_per_channel(self):
        images = np.array([[[[0, 100, 255]]]], np.uint8)
        scaling = data.Scaling((10.0, 100.0, 55.0), (5.0, 7.0, 100.0))
        scaled = data.normalize(images, scaling)
        self.assertEqual(scaled.dtype, tf.float32)
        self.assertAllClose(scaled, [[[[-2.0, 0.0, 2.0]]]])


class SamplerTest(tf.test.TestCase, parameterized.TestCase):

    def test_draw_has_the_stated_shapes_types_and_ranges(self):
        draw = data.Sampler(50, 8, seed=0, flip=True).draw(3)
        self.assertEqual(
            [(field.shape, field.dtype) for field in draw],
            [((8,), np.int32), ((8, 2), np.int32), ((8,), bool)])
        self.assertAllInRange(draw.indices, 0, 49)
        self.assertAllInRange(draw.crops, 0, 2 * _PAD)

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
        self.assertNotAllEqual(ours.crops, theirs.crops)

    def test_all_offsets_and_about_half_of_the_flips_occur(self):
        sampler = data.Sampler(100, 100, seed=0, flip=True)
        draws = [sampler.draw(step) for step in range(10)]
        offsets = np.concatenate([draw.crops for draw in draws])
        self.assertEqual(
            {tuple(offset) for offset in offsets.tolist()},
            set(itertools.product(range(2 * _PAD + 1), repeat=2)))
        flips = np.concatenate([draw.flips for draw in draws])
        self.assertBetween(flips.mean(), 0.4, 0.6)

    def test_no_flips_where_they_change_the_class(self):
        sampler = data.Sampler(100, 100, seed=0, flip=False)
        self.assertFalse(any(sampler.draw(s).flips.any() for s in range(5)))

    def test_cifar_draws_are_what_they_always_were(self):
        draw = data.Sampler(45_000, 3, seed=0, flip=True).draw(1)
        self.assertAllEqual(draw.indices, [16729, 9311, 7221])
        self.assertAllEqual(draw.crops, [[6, 7], [7, 2], [8, 2]])
        self.assertAllEqual(draw.flips, [False, True, False])

    def test_zoom_draws_boxes_in_the_same_order_of_images(self):
        ours = data.Sampler(20, 6, 5, True, crops.Zoom()).draw(4)
        theirs = data.Sampler(20, 6, 5, True).draw(4)
        self.assertAllEqual(ours.indices, theirs.indices)
        self.assertEqual(ours.crops.shape, (6, 4))

    @parameterized.parameters(0, 21, -1)
    def test_batch_must_fit_the_training_images(self, batch_size):
        with self.assertRaisesRegex(
                errors.ConfigError,
                rf"`train_batch_size` must lie in 1\.\.20 .*: {batch_size}"):
            data.Sampler(20, batch_size, seed=0, flip=True)


if __name__ == "__main__":
    tf.test.main()
