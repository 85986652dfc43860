"""Tests of random crops."""

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from ddi_tf import crops

_PAD = crops.SHIFT_PADDING


class MakeTest(tf.test.TestCase, parameterized.TestCase):

    @parameterized.parameters(
        ("auto", 32, "shift"), ("auto", 64, "shift"), ("auto", 80, "zoom"),
        ("auto", 224, "zoom"), ("shift", 224, "shift"), ("zoom", 32, "zoom"))
    def test_small_images_are_shifted_and_large_ones_zoomed(
            self, name, size, expected):
        self.assertEqual(crops.make(name, size).name, expected)

    def test_centre_is_the_middle(self):
        images = np.arange(2 * 5 * 5 * 3).reshape(2, 5, 5, 3)
        self.assertAllEqual(crops.centre(images, 3), images[:, 1:4, 1:4])
        self.assertAllEqual(crops.centre(images, 5), images)


class ShiftTest(tf.test.TestCase, parameterized.TestCase):

    def setUp(self):
        super().setUp()
        # No black pixel, so that black in a crop is the padding.
        self.images = np.random.default_rng(0).integers(
            1, 256, [3, 8, 10, 3]).astype(np.uint8)

    def _augment(self, offset, flips=(False, False, False)):
        return crops.Shift().cut(
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
        cut = crops.Shift().cut(
            tf.constant(self.images), tf.constant(offsets),
            tf.constant([flip] * 3)).numpy()
        padded = np.pad(
            self.images, [(0, 0), (_PAD, _PAD), (_PAD, _PAD), (0, 0)])
        for crop, image, (top, left) in zip(cut, padded, offsets):
            expected = image[top:top + 8, left:left + 10]
            self.assertAllEqual(
                crop, expected[:, ::-1] if flip else expected)


class ZoomTest(tf.test.TestCase):

    def setUp(self):
        super().setUp()
        self.images = np.random.default_rng(0).integers(
            0, 256, [2, 8, 8, 3]).astype(np.uint8)

    def _cut(self, box, flip=False):
        return crops.Zoom().cut(
            tf.constant(self.images), tf.constant([box] * 2, tf.float32),
            tf.constant([flip] * 2))

    def test_imagenet_is_stored_at_256_pixels_for_224(self):
        self.assertEqual(crops.Zoom().stored_size(224), 256)

    def test_output_has_the_size_that_the_images_are_stored_for(self):
        zoom, flips = crops.Zoom(), tf.constant([False])
        box = tf.constant([[0.0, 0.0, 1.0, 1.0]])
        for size in range(8, 320):
            stored = zoom.stored_size(size)
            self.assertEqual(round(stored * 7 / 8), size)
        cut = zoom.cut(tf.zeros([1, 38, 38, 3],
                                tf.uint8), box, flips)
        self.assertEqual(cut.shape, (1, 33, 33, 3))
        self.assertEqual(cut.dtype, tf.float32)

    def test_a_box_of_the_output_size_is_a_crop(self):
        # 7 of 8 pixels, from row 1 and column 0.
        box = [1 / 8, 0, 7 / 8, 7 / 8]
        expected = self.images[:, 1:, :7]
        self.assertAllClose(self._cut(box), expected, atol=1e-3)
        self.assertAllClose(
            self._cut(box, flip=True), expected[:, :, ::-1], atol=1e-3)

    def test_values_between_pixels_by_hand(self):
        # A ramp 0, 10, ..., 70 to the right; the box is columns 2 to 5.5.
        self.images[:] = 10 * np.arange(8)[None, None, :, None]
        cut = self._cut([0, 2 / 8, 1, 3.5 / 8]).numpy()
        # Seven outputs of half a pixel: middles at 2.25, 2.75, ... from the
        # left edge, where a pixel's value stands at its middle.
        expected = 10 * (np.arange(2.25, 5.5, 0.5) - 0.5)
        self.assertAllClose(cut[0, 3, :, 1], expected, atol=1e-3)

    def test_the_edge_is_continued_outwards(self):
        self.images[:] = 10 * np.arange(8)[None, :, None, None]
        cut = self._cut([0, 0, 0.35, 1]).numpy()  # middles at 0.2, 0.6, ...
        self.assertAllClose(cut[0, :3, 0, 0], [0, 1, 5], atol=1e-3)
        cut = self._cut([0.65, 0, 0.35, 1]).numpy()
        self.assertAllClose(cut[0, -3:, 0, 0], [65, 69, 70], atol=1e-3)

    def test_cut_compiles_with_xla_to_the_same(self):
        noise = np.random.default_rng(3)
        boxes = tf.constant(crops.Zoom().draw(noise, 2))
        flips = tf.constant([True, False])
        compiled = tf.function(crops.Zoom().cut, jit_compile=True)
        images = tf.constant(self.images)
        self.assertAllClose(compiled(images, boxes, flips),
                            crops.Zoom().cut(images, boxes, flips), atol=1e-3)

    def test_boxes_lie_in_the_image_with_the_stated_area_and_aspect(self):
        boxes = crops.Zoom().draw(np.random.default_rng(0), 20_000)
        self.assertEqual(boxes.dtype, np.float32)
        top, left, height, width = boxes.T
        self.assertAllInRange(boxes, 0, 1)
        self.assertAllInRange(top + height, 0, 1 + 1e-6)
        self.assertAllInRange(left + width, 0, 1 + 1e-6)
        self.assertAllInRange(width / height, 3 / 4 - 1e-3, 4 / 3 + 1e-3)
        area = height * width
        self.assertBetween(area.min(), 0.0799, 0.09)
        self.assertGreater(area.max(), 0.95)
        # Uniform in 0.08..1 but for the sides cut at the edge.
        self.assertBetween(area.mean(), 0.5, 0.54)
        self.assertAllClose(np.log(width / height).mean(), 0, atol=0.01)

    def test_equal_noise_draws_equal_boxes(self):
        self.assertAllEqual(*(
            crops.Zoom().draw(np.random.default_rng(7), 5) for _ in range(2)))


class CutoutTest(tf.test.TestCase, parameterized.TestCase):

    def setUp(self):
        super().setUp()
        self.images = np.random.default_rng(0).integers(
            0, 256, [2, 8, 10, 3]).astype(np.uint8)

    def _cut(self, crop, *drawn, flips=(False, False)):
        return crop.cut(tf.constant(self.images),
                        tf.constant(drawn, tf.float32), tf.constant(flips))

    def test_squares_by_hand(self):
        crop = crops.Cutout(crops.Shift(), 3, (1.5, 2.0, 3.0))
        # Middles: row 4 and column 5; row 0 and column 9, half outside.
        found = self._cut(crop, [_PAD, _PAD, 0.5, 0.5],
                          [_PAD, _PAD, 0.0, 0.99]).numpy()
        expected = self.images.astype(np.float32)
        expected[0, 3:6, 4:7] = expected[1, :2, 8:] = 1.5, 2.0, 3.0
        self.assertAllEqual(found, expected)

    def test_what_is_not_hidden_is_the_other_crop(self):
        drawn, flips = np.array([[0, 3], [8, 1]], np.float32), (True, False)
        plain = crops.Shift().cut(
            tf.constant(self.images), tf.constant(drawn, tf.int32),
            tf.constant(flips)).numpy()
        found = self._cut(
            crops.Cutout(crops.Shift(), 2, (-1.0,) * 3),
            *np.concatenate([drawn, [[0.3, 0.3]] * 2], axis=1),
            flips=flips).numpy()
        hidden = found == -1
        self.assertAllEqual(hidden.sum(axis=(1, 2, 3)), [12, 12])
        self.assertAllEqual(found[~hidden], plain[~hidden])

    def test_draws_the_other_crop_and_a_middle(self):
        drawn = crops.Cutout(crops.Shift(), 2, (0.0,) * 3).draw(
            np.random.default_rng(1), 1000)
        self.assertAllEqual(drawn[:, :2], crops.Shift().draw(
            np.random.default_rng(1), 1000))
        middles = drawn[:, 2:]
        self.assertAllInRange(middles, 0, 1, open_upper_bound=True)
        self.assertAllClose(middles.mean(axis=0), [0.5, 0.5], atol=0.05)

    @parameterized.parameters(crops.Shift(), crops.Zoom())
    def test_cut_compiles_with_xla_to_the_same(self, inner):
        crop = crops.Cutout(inner, 3, (7.0,) * 3)
        images = np.tile(np.arange(16, dtype=np.uint8)[:, None], [2, 1, 16, 3])
        images = images.reshape(2, 16, 16, 3)
        arguments = (tf.constant(images),
                     tf.constant(crop.draw(np.random.default_rng(2), 2)),
                     tf.constant([True, False]))
        self.assertAllClose(
            tf.function(crop.cut, jit_compile=True)(*arguments),
            crop.cut(*arguments), atol=1e-5)


if __name__ == "__main__":
    tf.test.main()
