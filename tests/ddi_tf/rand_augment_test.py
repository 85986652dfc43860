"""Tests of RandAugment's distortions, each by hand or against Pillow."""

import numpy as np
import tensorflow as tf
from absl.testing import parameterized
from PIL import Image
from PIL import ImageEnhance
from PIL import ImageOps

from ddi_tf import crops
from ddi_tf import rand_augment

_COLOUR = (10.0, 20.0, 30.0)
_UNSHIFTED = [crops.SHIFT_PADDING] * 2


def _row(**settings):
    """What is drawn for an image whose first layer has these settings."""
    layer = {**rand_augment._NOTHING, **settings}
    return [*_UNSHIFTED, *layer.values(), *rand_augment._NOTHING.values()]


class DistortionTest(tf.test.TestCase, parameterized.TestCase):

    def setUp(self):
        super().setUp()
        generator = np.random.default_rng(0)
        # Smooth, as photographs are.
        coarse = generator.integers(0, 256, [4, 4, 3]).astype(np.uint8)
        self.image = np.asarray(Image.fromarray(coarse).resize((16, 16)))
        self.augment = rand_augment.RandAugment(crops.Shift(), 9, _COLOUR)

    def _cut(self, **settings):
        cut = self.augment.cut(
            tf.constant(self.image[None]),
            tf.constant([_row(**settings)], tf.float32), tf.constant([False]))
        return cut.numpy()[0]

    def test_nothing_leaves_the_crop_as_it_is(self):
        self.assertAllClose(self._cut(), self.image, atol=1e-3)

    @parameterized.parameters(
        ("brightness", ImageEnhance.Brightness),
        ("contrast", ImageEnhance.Contrast), ("colour", ImageEnhance.Color))
    def test_colours_are_as_pillow_has_them(self, name, enhancer):
        for factor in (0.3, 1.7):
            expected = enhancer(Image.fromarray(self.image)).enhance(factor)
            # Pillow rounds to whole levels on the way.
            self.assertAllClose(
                self._cut(**{name: factor}), np.asarray(expected), atol=2)

    def test_sharpness_is_pillow_s_away_from_the_edge(self):
        expected = ImageEnhance.Sharpness(
            Image.fromarray(self.image)).enhance(1.9)
        self.assertAllClose(self._cut(sharpness=1.9)[1:-1, 1:-1],
                            np.asarray(expected)[1:-1, 1:-1], atol=2)

    def test_solarize_posterize_and_stretch_are_as_pillow_has_them(self):
        image = Image.fromarray(self.image)
        for found, expected in (
                (self._cut(solarize=100), ImageOps.solarize(image, 100)),
                (self._cut(step=16), ImageOps.posterize(image, 4)),
                (self._cut(stretch=1), ImageOps.autocontrast(image))):
            self.assertAllClose(found, np.asarray(expected), atol=1.01)

    def test_a_move_is_a_move_and_brings_the_colour_in(self):
        cut = self._cut(move_x=0.25, move_y=-0.125)  # 4 and 2 pixels
        self.assertAllClose(cut[2:, :12], self.image[:-2, 4:], atol=1e-3)
        self.assertAllClose(cut[:2], np.broadcast_to(_COLOUR, [2, 16, 3]))
        self.assertAllClose(cut[:, 12:], np.broadcast_to(_COLOUR, [16, 4, 3]))

    def test_a_quarter_turn_is_one(self):
        self.assertAllClose(self._cut(angle=np.pi / 2),
                            np.rot90(self.image), atol=0.01)

    def test_shear_moves_rows_by_their_distance_from_the_middle(self):
        cut = self._cut(shear_x=2 / 3)
        # Row 9 is 1.5 below the middle: 1 pixel.
        self.assertAllClose(cut[9, :15], self.image[9, 1:], atol=0.01)
        self.assertAllClose(cut[6, 1:], self.image[6, :15], atol=0.01)

    def test_images_of_a_batch_have_their_own(self):
        rows = tf.constant([_row(), _row(brightness=0.5)], tf.float32)
        cut = self.augment.cut(
            tf.constant([self.image] * 2), rows, tf.constant([False, True]))
        self.assertAllClose(cut[0], self.image, atol=1e-3)
        self.assertAllClose(cut[1], self.image[:, ::-1] / 2, atol=1e-3)


class DrawTest(tf.test.TestCase):

    def test_each_layer_sets_one_thing_or_none(self):
        augment = rand_augment.RandAugment(crops.Shift(), 9, _COLOUR)
        drawn = augment.draw(np.random.default_rng(0), 4000)
        self.assertEqual(drawn.dtype, np.float32)
        self.assertAllInRange(drawn[:, :2], 0, 2 * crops.SHIFT_PADDING)
        layers = drawn[:, 2:].reshape(8000, -1)
        nothing = np.array(list(rand_augment._NOTHING.values()), np.float32)
        changed = layers != nothing
        self.assertLessEqual(changed.sum(axis=1).max(), 1)
        # All alike often, one in thirteen.
        self.assertAllClose(changed.mean(axis=0), [1 / 13] * 12, atol=0.012)
        angle = layers[:, 0][changed[:, 0]]
        self.assertAllClose(np.abs(angle), np.full_like(angle, 0.9 * np.pi / 6))
        self.assertAllClose(np.mean(angle > 0), 0.5, atol=0.1)

    def test_strength_0_distorts_only_the_range(self):
        augment = rand_augment.RandAugment(crops.Shift(), 0, _COLOUR)
        layers = augment.draw(np.random.default_rng(0), 500)[:, 2:]
        nothing = np.tile(list(rand_augment._NOTHING.values()), 2)
        columns = np.any(layers != nothing.astype(np.float32), axis=0)
        self.assertEqual(
            {rand_augment._COLUMNS[n % 12] for n in np.flatnonzero(columns)},
            {"stretch"})

    def test_any_draw_stays_in_range_and_compiles_with_xla(self):
        images = np.random.default_rng(1).integers(
            0, 256, [64, 38, 38, 3], np.uint8)
        augment = rand_augment.RandAugment(crops.Zoom(), 10, _COLOUR)
        drawn = tf.constant(augment.draw(np.random.default_rng(2), 64))
        flips = tf.constant([False] * 64)
        cut = augment.cut(images, drawn, flips)
        self.assertEqual(cut.shape, [64, 33, 33, 3])
        self.assertAllInRange(cut, -1e-3, 255 + 1e-3)
        compiled = tf.function(augment.cut, jit_compile=True)
        self.assertAllClose(compiled(images, drawn, flips), cut, atol=0.5)

    def test_cutout_goes_over_it(self):
        crop = crops.Cutout(
            rand_augment.RandAugment(crops.Shift(), 5, _COLOUR), 6, _COLOUR)
        images = np.full([3, 16, 16, 3], 200, np.uint8)
        drawn = crop.draw(np.random.default_rng(0), 3)
        cut = crop.cut(tf.constant(images), tf.constant(drawn),
                       tf.constant([False] * 3)).numpy()
        for image in cut:
            hidden = np.all(np.abs(image - _COLOUR) < 1e-3, axis=-1)
            self.assertGreaterEqual(hidden.sum(), 9)


if __name__ == "__main__":
    tf.test.main()
