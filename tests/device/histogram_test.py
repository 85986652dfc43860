"""device.histogram: percentiles of any number of times, in constant memory."""

import hypothesis
import numpy as np
from absl.testing import absltest
from hypothesis import strategies as st

from device import histogram
import strategies

TIMES = st.lists(st.floats(1e-3, 1e6), min_size=1, max_size=50)


def of(times):
    """A `histogram.Histogram` of milliseconds."""
    found = histogram.Histogram()
    for time in times:
        found.add(time)
    return found


class HistogramTest(absltest.TestCase):

    def test_nothing_has_no_percentile(self):
        self.assertIsNone(of([]).percentile(50))

    @strategies.SETTINGS
    @hypothesis.given(TIMES, st.floats(0, 100))
    def test_a_percentile_is_that_of_the_times(self, times, percent):
        expected = np.percentile(times, percent, method="inverted_cdf")
        self.assertAlmostEqual(
            of(times).percentile(percent) / expected, 1, delta=0.0051)

    def test_what_is_beyond_the_ends_counts_at_them(self):
        found = of([0, -1, 1e300])
        self.assertAlmostEqual(found.percentile(50), 1e-3, delta=1e-5)
        self.assertAlmostEqual(found.percentile(99), 1e7, delta=1e5)

    @strategies.FEW
    @hypothesis.given(TIMES, TIMES)
    def test_what_is_recalled_is_added(self, one, other):
        found = of(one)
        found.recall(of(other).memory())
        self.assertEqual(found.memory(), of([*one, *other]).memory())

    def test_what_is_no_memory_is_refused(self):
        for nonsense in ([[-1, 2]], [[1, -2]], [[10**9, 1]], [["a", 1]], 7):
            with self.assertRaises((ValueError, IndexError, TypeError)):
                of([]).recall(nonsense)


if __name__ == "__main__":
    absltest.main()
