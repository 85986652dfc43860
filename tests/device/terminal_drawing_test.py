"""device.terminal.drawing: numbers and bars, by hand."""

from absl.testing import absltest
from absl.testing import parameterized
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from device.terminal import drawing

_ANY = st.floats(allow_nan=False, allow_infinity=False)


class NumbersTest(parameterized.TestCase):

    @parameterized.parameters(
        (0, "0"), (0.04123, "0.0412"), (5.527, "5.53"), (31.24, "31.2"),
        (999.6, "1,000"), (12345, "12,345"), (-3.2, "-3.20"),
        (1e-20, "0.000000000"), (float("inf"), "inf"), (float("nan"), "nan"))
    def test_number(self, value, expected):
        self.assertEqual(drawing.number(value), expected)

    @parameterized.parameters(
        (0, "0"), (999, "999"), (482_762, "483 k"), (5_526_430, "5.53 M"),
        (1.5e9, "1.50 G"))
    def test_count(self, value, expected):
        self.assertEqual(drawing.count(value), expected)

    @parameterized.parameters(
        (0, "0.0 h"), (7.94, "7.9 h"), (47.9, "47.9 h"), (48, "2.0 days"),
        (36_000, "1,500.0 days"))
    def test_hours(self, value, expected):
        self.assertEqual(drawing.hours(value), expected)

    @parameterized.parameters(
        (0.9, "00:00:00"), (3661, "01:01:01"), (359_999, "4 d 03:59:59"))
    def test_clock(self, value, expected):
        self.assertEqual(drawing.clock(value), expected)

    @parameterized.parameters(
        (31.24, "31.2/s"), (1, "1.00/s"), (0.1, "every 10.0 s"), (0, "0/s"))
    def test_pace(self, value, expected):
        self.assertEqual(drawing.pace(value), expected)


class BarsTest(parameterized.TestCase):

    @parameterized.parameters(
        (0, "    "), (0.001, "▏   "), (0.5, "██  "), (0.59375, "██▍ "),
        (1, "████"), (7, "████"), (-1, "    "))
    def test_bar(self, share, expected):
        self.assertEqual(drawing.bar(share, 4), expected)

    @parameterized.parameters(
        (1, 0.2, "▒▒████████"), (0.5, 0.2, "▒▒███░░░░░"),
        (0.1, 0.2, "▒░░░░░░░░░"), (0, 0.2, "░░░░░░░░░░"),
        (1.5, 0, "██████████"))
    def test_gauge(self, share, reserve, expected):
        self.assertEqual(drawing.gauge(share, reserve, 10), expected)

    @parameterized.parameters(
        (0, " "), (0.01, "▁"), (0.5, "▄"), (0.51, "▅"), (1, "█"), (2, "█"))
    def test_level(self, share, expected):
        self.assertEqual(drawing.level(share), expected)

    @settings(deadline=None)
    @given(_ANY, _ANY, st.integers(1, 200))
    def test_bars_have_their_width_whatever_the_share(
            self, share, reserve, width):
        self.assertLen(drawing.bar(share, width), width)
        self.assertLen(drawing.gauge(share, reserve, width), width)
        self.assertLen(drawing.level(share), 1)


if __name__ == "__main__":
    absltest.main()
