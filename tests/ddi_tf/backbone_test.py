"""Tests of how numbers of channels are scaled."""

import tensorflow as tf
from absl.testing import parameterized

from ddi_tf import backbone


class ScaledTest(tf.test.TestCase, parameterized.TestCase):

    @parameterized.parameters(
        (64, 0.5, 1, 32),
        (12, 1.0, 1, 12),
        (12, 0.125, 1, 2),     # 1.5, and halves go up
        (3, 0.1, 1, 1),        # never none
        (32, 0.75, 8, 24),
        (24, 0.75, 8, 24),     # 18 would be 16, less than 90% of it
        (16, 0.75, 8, 16),     # 12 is half-way: up
        (24, 0.5, 8, 16),      # so is this
        (160, 0.75, 8, 120),
        (16, 0.25, 8, 8),      # never less than the multiple
        (1280, 1.4, 8, 1792))
    def test_value_by_hand(self, channels, width, multiple, expected):
        self.assertEqual(
            backbone.scaled(channels, width, multiple), expected)


if __name__ == "__main__":
    tf.test.main()
