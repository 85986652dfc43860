"""Tests of the blocks' kernels: which they are, and how small."""

import gzip

import numpy as np
import tensorflow as tf

from ddi_tf import errors
from ddi_tf import kernels
from ddi_tf import network


class KernelsTest(tf.test.TestCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.net = network.Network(network.NetworkConfig(
            depth=8, image_shape=(16, 16, 3)))

    def test_they_are_the_3x3_convolutions_of_the_blocks(self):
        self.assertEqual(
            [tuple(kernel.shape) for kernel in kernels.of(self.net)],
            [(3, 3, 16, 16), (3, 3, 16, 16), (3, 3, 16, 32), (3, 3, 32, 32),
             (3, 3, 32, 64), (3, 3, 64, 64)])

    def test_a_checkpoint_s_are_the_network_s_and_leave_another_alone(self):
        prefix = tf.train.Checkpoint(network=self.net).write(
            f"{self.get_temp_dir()}/net")
        other = network.Network(self.net.config)
        before = [kernel.numpy() for kernel in kernels.of(other)]
        found = kernels.stored(other, prefix)
        for ours, theirs in zip(found, kernels.of(self.net), strict=True):
            self.assertAllEqual(ours, theirs)
        for ours, theirs in zip(kernels.of(other), before, strict=True):
            self.assertAllEqual(ours, theirs)

    def test_a_checkpoint_that_also_names_them_otherwise_is_read(self):
        # As that of a run, whose training step refers to them.
        prefix = tf.train.Checkpoint(
            network=self.net, a=kernels.of(self.net)).write(
                f"{self.get_temp_dir()}/run")
        for ours, theirs in zip(kernels.stored(self.net, prefix),
                                kernels.of(self.net), strict=True):
            self.assertAllEqual(ours, theirs)

    def test_no_checkpoint_is_an_error(self):
        with self.assertRaisesRegex(errors.CheckpointError, "no checkpoint"):
            kernels.stored(self.net, f"{self.get_temp_dir()}/none")

    def test_figures_by_hand(self):
        found = [np.float32([[0, 0], [1, 2]]), np.float32([0, 3, 4, 5, 6, 7])]
        self.assertEqual(kernels.figures(found), {
            "weights": 10, "sparsity": 0.3, "distinct": 6,
            "gzip_bytes": len(gzip.compress(
                np.float32([0, 0, 1, 2, 0, 3, 4, 5, 6, 7]).tobytes(), 9))})

    def test_few_values_are_smaller(self):
        draw = np.random.default_rng(0).normal(size=5000).astype(np.float32)
        full, pruned, clustered = (
            kernels.figures([kernel])["gzip_bytes"] for kernel in (
                draw, np.where(abs(draw) < 0.67, 0, draw), np.round(draw)))
        self.assertLess(pruned, full)
        self.assertLess(clustered, pruned / 3)


if __name__ == "__main__":
    tf.test.main()
