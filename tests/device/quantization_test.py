"""Tests of int8 numbers and what they stand for."""

import hypothesis
import numpy as np
from absl.testing import absltest
from hypothesis import strategies

from device import bundle
from device import quantization

HALVES = bundle.Tensor("x", (1, 4), "int8", 0.5, -3)
FLOATS = bundle.Tensor("x", (1, 4), "float32")


class NumbersTest(absltest.TestCase):

    def test_by_hand(self):
        # q = x / 0.5 - 3, rounded to the even one, at most 127.
        encoded = quantization.encode(
            np.array([[0.0, 1.0, 0.25, 1e9]], np.float32), HALVES)
        self.assertEqual(encoded.dtype, np.int8)
        np.testing.assert_array_equal(encoded, [[-3, -1, -3, 127]])
        decoded = quantization.decode(encoded, HALVES)
        self.assertEqual(decoded.dtype, np.float32)
        np.testing.assert_array_equal(decoded, [[0.0, 1.0, 0.0, 65.0]])

    def test_floats_stay_what_they_are(self):
        values = np.array([[0.1, -2.0]], np.float32)
        self.assertIs(quantization.decode(values, FLOATS), values)
        np.testing.assert_array_equal(
            quantization.encode(values, FLOATS), values)

    @hypothesis.given(strategies.integers(-128, 127),
                      strategies.floats(2.0**-20, 2.0**10, width=32),
                      strategies.integers(-128, 127))
    def test_every_number_comes_back(self, number, scale, zero_point):
        tensor = bundle.Tensor("x", (1,), "int8", scale, zero_point)
        value = quantization.decode(np.array([number], np.int8), tensor)
        self.assertEqual(quantization.encode(value, tensor)[0], number)


class PixelsTest(absltest.TestCase):

    SETTINGS = bundle.Input((1, 1, 2), (100.0, 0.0), (50.0, 255.0))

    def test_floats_are_scaled_per_channel(self):
        table = quantization.pixels(self.SETTINGS, FLOATS)
        self.assertEqual((table.shape, table.dtype), ((2, 256), np.float32))
        np.testing.assert_allclose(table[:, [0, 100, 255]],
                                   [[-2, 0, 3.1], [0, 100 / 255, 1]], rtol=1e-6)

    def test_int8_saturates(self):
        tensor = bundle.Tensor("x", (1, 1, 1, 2), "int8", 0.01, 0)
        table = quantization.pixels(self.SETTINGS, tensor)
        self.assertEqual(table.dtype, np.int8)
        np.testing.assert_array_equal(table[0, [0, 75, 100, 255]],
                                      [-128, -50, 0, 127])


if __name__ == "__main__":
    absltest.main()
