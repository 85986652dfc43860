"""Tests of the pictures, by the colours of their pixels."""

import numpy as np
from absl.testing import absltest

from ddi_tf import pictures


class ColourTest(absltest.TestCase):

    def test_ends_and_middle_are_those_of_viridis(self):
        self.assertEqual(pictures.colour(0), (68, 1, 84))
        self.assertEqual(pictures.colour(0.5), (33, 145, 140))
        self.assertEqual(pictures.colour(1), (253, 231, 37))

    def test_more_is_always_lighter(self):
        light = [np.dot(pictures.colour(share), (0.299, 0.587, 0.114))
                 for share in np.linspace(0, 1, 101)]
        self.assertTrue(np.all(np.diff(light) > -0.5))
        self.assertGreater(light[-1] - light[0], 150)

    def test_what_lies_outside_is_taken_for_the_end(self):
        self.assertEqual(pictures.colour(-0.1), pictures.colour(0))
        self.assertEqual(pictures.colour(1.1), pictures.colour(1))


class HeatMapTest(absltest.TestCase):

    def _pixels(self, shares, phases):
        count = len(shares)
        return np.asarray(pictures.heat_map(
            "title", shares, ["one", "two"], phases,
            [str(n) for n in range(1, count + 1)]))

    def test_every_cell_has_the_colour_of_its_share(self):
        pixels = self._pixels([[0, 1], [0.25, 0.75]], ["skip", "exits"])
        for share in (0, 1, 0.25, 0.75, 0.5):  # 0.5: the mean of all blocks
            # A cell with its number inside; the colour bar has one row of it.
            same = np.all(pixels == pictures.colour(share), axis=2)
            self.assertGreater(same.sum(), 300, share)

    def test_a_run_of_many_epochs_stays_readable_in_size(self):
        pixels = self._pixels(np.zeros([230, 2]), ["skip"] * 230)
        self.assertBetween(pixels.shape[1], 800, 1100)

    def test_a_run_of_one_epoch_is_drawn(self):
        self.assertEqual(self._pixels([[1, 1]], ["warmup"]).ndim, 3)

    def test_a_name_stands_above_those_that_it_reaches(self):
        spans = pictures._spans(["warmup"] * 2 + ["skip"] * 50, 5)
        self.assertEqual(spans, [("warmup", 0, 1), ("skip", 10, 0)])
        spans = pictures._spans(["warmup"] * 50 + ["skip"] * 50, 5)
        self.assertEqual([level for *_, level in spans], [0, 0])


class ExamplesTest(absltest.TestCase):

    def test_images_are_enlarged_pixel_by_pixel(self):
        image = np.full([32, 32, 3], 255, np.uint8)
        image[:16] = (200, 10, 10)
        pixels = np.asarray(pictures.examples(
            "title", [("most", [(image, ["cat", "97% skipped"])])]))
        red = np.all(pixels == (200, 10, 10), axis=2)
        self.assertEqual(red.sum(), 48 * 96)

    def test_images_larger_than_their_place_and_long_names_fit(self):
        image = np.zeros([300, 150, 3], np.uint8)
        row = [(image, ["a name that is much longer than its place"])] * 8
        picture = pictures.examples("title", [("most", row), ("least", row)])
        pixels = np.asarray(picture)
        self.assertTrue(np.all(pixels[:, -10:] == 255))


if __name__ == "__main__":
    absltest.main()
