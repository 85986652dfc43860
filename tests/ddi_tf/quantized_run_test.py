"""Tests of runs that end in int8: what is kept, and dying on the way."""

import pathlib
import shutil
import tempfile

import tensorflow as tf

from ddi_tf import network
from ddi_tf import phases
from ddi_tf import quantization
from ddi_tf import run_folder
import lives

_CONFIG = network.NetworkConfig(depth=8, image_shape=(16, 16, 3))

# Batches of 16 from 64 images: four steps per epoch.
_SCHEDULE = phases.Schedule(
    batch_size=16, epochs={"exits": 0.25, "quantize": 1}, joint_lr=0.02,
    calibrate=True, seed=3, norm_batches=2, target_cost=1.0)


def _live(path, steps=None):
    return lives.live(path, _CONFIG, _SCHEDULE, steps)


class QuantizedRunTest(tf.test.TestCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        root = pathlib.Path(tempfile.mkdtemp())
        cls.addClassCleanup(shutil.rmtree, root)
        cls.whole = _live(root / "whole")
        _live(root / "died", 4)  # the third step of the quantize phase
        cls.kept = run_folder.RunFolder(root / "died").checkpoints.steps[-1]
        cls.died = _live(root / "died")

    def test_the_network_rounds_and_has_its_ranges(self):
        net = self.whole.load_network()
        self.assertTrue(net.rounds)
        for block in net.blocks:
            for conv in block.convolutions:
                self.assertFalse(conv.range.is_empty)

    def test_before_its_phase_it_does_not(self):
        net = self.whole.load_network("exits")
        self.assertEqual(net.rounding.mode, quantization.OFF)
        self.assertTrue(net.stem.range.is_empty)

    def test_weights_learned_and_ranges_stayed(self):
        before, after = (self.whole.load_network(phase)
                         for phase in ("exits", "quantize"))
        self.assertNotAllClose(before.blocks[0].conv1.conv.kernel,
                               after.blocks[0].conv1.conv.kernel)
        last = self.whole.load_network()
        for ours, theirs in zip(after.blocks, last.blocks):
            self.assertEqual(float(ours.conv1.range.high),
                             float(theirs.conv1.range.high))

    def test_temperatures_divide_the_ranges_of_logits(self):
        before, after = (self.whole.load_network(phase)
                         for phase in ("quantize", None))
        self.assertAllClose(
            after.head.dense.kernel / before.head.dense.kernel,
            tf.fill([64, 10], after.head.range.high / before.head.range.high))

    def test_operating_points_are_those_of_int8(self):
        self.assertNotEmpty(self.whole.operating_points)

    def test_killed_within_the_phase_it_ends_the_same(self):
        self.assertEqual(self.kept, 3)
        ours, theirs = (folder.load_network()
                        for folder in (self.died, self.whole))
        for mine, other in zip(ours.variables, theirs.variables, strict=True):
            self.assertAllClose(mine, other, rtol=1e-5, atol=1e-5)


if __name__ == "__main__":
    tf.test.main()
