"""device.passing: what stands in front of every step."""

import dataclasses

from absl.testing import absltest

from device import passing
import fakes


def shapes(*blocks, **changes):
    """Of the features along a toy plan."""
    manifest = fakes.manifest(blocks)
    for name, shape in changes.items():
        manifest = fakes.with_graph(
            manifest, name, outputs=fakes.tensors(shape))
    return [tensor.shape for tensor in passing.along(
        manifest.plan, fakes.in_memory(manifest).graphs)]


class AlongTest(absltest.TestCase):

    def test_the_stem_comes_first(self):
        self.assertEqual(shapes(stem=(1, 3, 3, 2)), [(1, 3, 3, 2)])

    def test_a_graph_says_what_it_leaves(self):
        self.assertEqual(
            shapes(fakes.Block(), fakes.Block(), block0_way0=(1, 1, 1, 8),
                   block1_way0=(1, 1, 1, 9)),
            [fakes.FEATURES, (1, 1, 1, 8), (1, 1, 1, 9)])

    def test_appended_channels_stand_behind(self):
        *size, channels = fakes.FEATURES
        self.assertEqual(
            shapes(fakes.Block(appended=3), fakes.Block(appended=1)),
            [(*size, channels), (*size, channels + 3), (*size, channels + 4)])

    def test_a_block_that_never_runs_has_no_graph_to_ask(self):
        never = fakes.Block(variants=(), settled=())
        with self.subTest("features pass as they are"):
            self.assertEqual(shapes(never), [fakes.FEATURES] * 2)
        with self.subTest("or through its skip"):
            self.assertEqual(
                shapes(dataclasses.replace(never, skip=1),
                       block0_skip=(1, 1, 1, 8)),
                [fakes.FEATURES, (1, 1, 1, 8)])
        with self.subTest("or get zeros"):
            *size, channels = fakes.FEATURES
            self.assertEqual(
                shapes(dataclasses.replace(never, appended=2)),
                [fakes.FEATURES, (*size, channels + 2)])


if __name__ == "__main__":
    absltest.main()
