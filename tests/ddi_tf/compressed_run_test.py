"""Tests of runs that prune and cluster: what is left, and dying on the way."""

import dataclasses
import pathlib
import shutil
import tempfile

import numpy as np
import tensorflow as tf
import tf_keras

from ddi_tf import data
from ddi_tf import kernels
from ddi_tf import network
from ddi_tf import phases
from ddi_tf import run_folder
from ddi_tf import trainer

_CONFIG = network.NetworkConfig(
    depth=8, image_shape=(16, 16, 3), layer_gates=False, channel_gates=False,
    exits=False)

# Batches of 16 from 64 images: four steps per epoch. Pruned over two of six
# steps, so that means over all of them are of dense weights, too.
_SCHEDULE = phases.Schedule(
    batch_size=16, epochs={"base": 0.5, "prune": 1.5, "cluster": 1},
    base_lr=0.02, joint_lr=0.02, average=0.5, weight_decay=0.1, seed=3,
    norm_batches=1, sparsity=0.7, clusters=6)


def _dataset():
    generator = np.random.default_rng(0)
    return data.Dataset(
        "random", tuple("0123456789"),
        data.Scaling((127.0,) * 3, (74.0,) * 3), True, *(
            data.Split(
                generator.integers(0, 256, [size, 16, 16, 3]).astype(np.uint8),
                generator.integers(0, 10, size).astype(np.int32))
            for size in (64, 20, 4)))


class _Dying:
    """A progress bar that ends the run after so many steps."""

    def __init__(self, steps=None):
        self._left = steps

    def start(self, phase, steps, done):
        pass

    def update(self, metrics):
        if metrics and self._left is not None:
            self._left -= 1
            if not self._left:
                raise KeyboardInterrupt


def _live(path, steps=None):
    """One life of a run, saved at every step; its `run_folder.RunFolder`."""
    folder = run_folder.RunFolder(path)
    folder.create({"network": dataclasses.asdict(_CONFIG)}, "")
    tf_keras.utils.set_random_seed(_SCHEDULE.seed)
    net = network.Network(_CONFIG)
    run = trainer.Trainer(
        folder, net, _dataset(), _SCHEDULE, net.costs, _Dying(steps),
        checkpoint_minutes=0)
    run.resume()
    try:
        run.run()
    except KeyboardInterrupt:
        if steps is None:
            raise
    return folder


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
