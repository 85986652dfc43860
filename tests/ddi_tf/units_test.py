"""Tests of numbers in words."""

from absl.testing import absltest
from absl.testing import parameterized

from ddi_tf import units


class InWordsTest(parameterized.TestCase):

    @parameterized.parameters(
        (26_657_408, "MACs", "26.7 M MACs"), (999, "MACs", "999 MACs"),
        (5_796_000, "MACs", "5.80 M MACs"), (4.1e9, "MACs", "4.10 G MACs"),
        (2_328_000, "pJ", "2.33 µJ"), (11.08e9, "pJ", "11.1 mJ"),
        (0.00704, "mJ", "7.04 µJ"), (3.6e-4, "mJ", "360 nJ"),
        (0.2104, "ms", "210 µs"), (3.05, "ms", "3.05 ms"),
        (2100, "ms", "2.10 s"), (0, "pJ", "0.00 pJ"), (12.5, "cats", "12.5 cats"))
    def test_value_by_hand(self, value, unit, expected):
        self.assertEqual(units.in_words(value, unit), expected)


if __name__ == "__main__":
    absltest.main()
