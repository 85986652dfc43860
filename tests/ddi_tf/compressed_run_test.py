"""Tests of runs that prune and cluster: what is left, and dying on the way."""

import pathlib
import shutil
import tempfile

import numpy as np
import tensorflow as tf

from ddi_tf import kernels
from ddi_tf import network
from ddi_tf import phases
from ddi_tf import run_folder
import lives

_CONFIG = network.NetworkConfig(
    depth=8, image_shape=(16, 16, 3), layer_gates=False, channel_gates=False,
    exits=False)

# Batches of 16 from 64 images: four steps per epoch. Pruned over two of six
# steps, so that means over all of them are of dense weights, too.
_SCHEDULE = phases.Schedule(
    batch_size=16, epochs={"base": 0.5, "prune": 1.5, "cluster": 1},
    base_lr=0.02, joint_lr=0.02, average=0.5, weight_decay=0.1, seed=3,
    norm_batches=1, sparsity=0.7, clusters=6)


def _live(path, steps=None):
    return lives.live(path, _CONFIG, _SCHEDULE, steps)


class CompressedRunTest(tf.test.TestCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        root = pathlib.Path(tempfile.mkdtemp())
        cls.addClassCleanup(shutil.rmtree, root)
        cls.whole = _live(root / "whole")
        # Before steps 5 and 10 are saved: the third of the prune phase, the
        # second of the cluster phase.
        _live(root / "died", 5)
        cls.kept = [run_folder.RunFolder(root / "died").checkpoints.steps[-1]]
        cls.died = _live(root / "died", 6)
        cls.kept.append(cls.died.checkpoints.steps[-1])
        cls.died = _live(root / "died")

    def _kernels(self, folder, phase=None):
        return kernels.of(folder.load_network(phase))

    def test_the_network_is_as_sparse_as_asked(self):
        for phase in ("prune", "cluster", None):
            for kernel in self._kernels(self.whole, phase):
                self.assertAllClose(
                    np.mean(kernel.numpy() == 0), 0.7, atol=1e-3)

    def test_what_was_pruned_stays_so_through_the_next_phase(self):
        for before, after in zip(self._kernels(self.whole, "prune"),
                                 self._kernels(self.whole), strict=True):
            self.assertAllEqual(before == 0, after == 0)
            self.assertNotAllEqual(before, after)

    def test_the_network_has_as_few_values_as_asked(self):
        for kernel in self._kernels(self.whole, "prune"):
            self.assertGreater(len(np.unique(kernel)), 6)
        for phase in ("cluster", None):
            for kernel in self._kernels(self.whole, phase):
                self.assertLen(np.unique(kernel), 6)

    def test_records_say_how_sparse_it_is(self):
        base, *pruned, cluster = (
            line.get("sparsity") for line in self.whole.metrics)
        self.assertIsNone(base)
        self.assertAllClose([*pruned, cluster], [0.7] * 3, atol=1e-3)

    def test_killed_within_both_phases_it_ends_with_the_same_kernels(self):
        self.assertEqual(self.kept, [4, 9])
        for phase in ("prune", "cluster", None):
            for ours, theirs in zip(self._kernels(self.died, phase),
                                    self._kernels(self.whole, phase)):
                self.assertAllClose(ours, theirs, rtol=1e-5, atol=1e-5)
                self.assertAllEqual(ours == 0, theirs == 0)


if __name__ == "__main__":
    tf.test.main()
