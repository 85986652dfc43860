"""device.concatenation: channels behind channels, by hand."""

import numpy as np
from absl.testing import absltest

from device import concatenation
import fakes

STEM = fakes.FEATURES  # [1, 2, 2, 4]


def appends(*appended, **types):
    """The `Append`s of blocks that append so many channels each.

    Args:
        *appended: per block.
        **types: `dtype`, `scale` and `zero_point` of all features.
    """
    manifest = fakes.manifest(
        [fakes.Block(appended=count) for count in appended])
    for graph in manifest.graphs if types else ():
        manifest = fakes.with_graph(manifest, graph.name, **{
            side: fakes.tensors(
                *(tensor.shape for tensor in getattr(graph, side)), **types)
            for side in ("inputs", "outputs")})
    return concatenation.appends(
        manifest.plan, fakes.in_memory(manifest).graphs)


def filled(value, channels, dtype=np.float32):
    return np.full((*STEM[:-1], channels), value, dtype)


class AppendTest(absltest.TestCase):

    def assert_channels(self, features, *expected):
        """Everywhere the same `expected` numbers, one per channel."""
        self.assertEqual(features.shape, (*STEM[:-1], len(expected)))
        np.testing.assert_array_equal(
            features, np.broadcast_to(expected, features.shape))

    def test_channels_stand_behind_those_received(self):
        first, second = appends(1, 2)
        own = filled(0, 2)
        own[..., 1] = 9
        features = first(filled(5, 4), filled(7, 1))
        self.assert_channels(features, 5, 5, 5, 5, 7)
        self.assert_channels(second(features, own), 5, 5, 5, 5, 7, 0, 9)

    def test_every_pixel_keeps_its_own(self):
        first, = appends(2)
        received = np.arange(16, dtype=np.float32).reshape(STEM)
        own = np.arange(100, 108, dtype=np.float32).reshape(1, 2, 2, 2)
        np.testing.assert_array_equal(
            first(received, own), np.concatenate([received, own], axis=3))

    def test_a_skipped_block_leaves_zeros(self):
        first, second = appends(1, 2)
        features = second(first(filled(5, 4)), filled(3, 2))
        self.assert_channels(features, 5, 5, 5, 5, 0, 3, 3)

    def test_what_the_image_before_left_is_gone(self):
        first, second = appends(1, 2)
        second(first(filled(5, 4), filled(7, 1)), filled(8, 2))
        self.assert_channels(second(first(filled(6, 4))), 6, 6, 6, 6, 0, 0, 0)

    def test_int8_has_the_number_that_stands_for_zero(self):
        first, second = appends(1, 1, dtype="int8", scale=0.5, zero_point=-3)
        features = second(first(filled(5, 4, np.int8)), filled(7, 1, np.int8))
        self.assertEqual(features.dtype, np.int8)
        self.assert_channels(features, 5, 5, 5, 5, -3, 7)

    def test_features_received_stay_as_they_are(self):
        first, = appends(1)
        received = filled(5, 4)
        first(received, filled(7, 1))[...] = 0
        self.assert_channels(received, 5, 5, 5, 5)

    def test_nothing_is_copied_between_the_blocks_of_a_run(self):
        first, second = appends(1, 2)
        features = first(filled(5, 4), filled(7, 1))
        self.assertTrue(np.shares_memory(second(features), features))


class RunsTest(absltest.TestCase):

    def test_other_blocks_append_nothing(self):
        found = appends(0, 1, 0)
        self.assertEqual([each is None for each in found], [True, False, True])
        self.assertEmpty(appends())

    def test_runs_apart_have_memory_of_their_own(self):
        first, _, second = appends(1, 0, 2)
        before = first(filled(5, 4), filled(7, 1))
        # Between them stands a block that leaves as many channels as it got.
        after = second(filled(6, 5), filled(8, 2))
        self.assertFalse(np.shares_memory(before, after))
        np.testing.assert_array_equal(before[..., 4:], filled(7, 1))
        np.testing.assert_array_equal(after[..., :5], filled(6, 5))


if __name__ == "__main__":
    absltest.main()
