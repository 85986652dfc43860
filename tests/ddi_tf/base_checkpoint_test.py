"""Tests of checkpoints of a base network."""

import dataclasses
import os
import pathlib

import numpy as np
import tensorflow as tf

from ddi_tf import base_checkpoint
from ddi_tf import checkpoints
from ddi_tf import data
from ddi_tf import errors
from ddi_tf import network as network_lib
from ddi_tf import ranges

_CONFIG = network_lib.NetworkConfig(depth=8, image_shape=(16, 16, 3))


def _network(seed=None, **settings):
    """A network; with a seed, of drawn variables."""
    network = network_lib.Network(dataclasses.replace(_CONFIG, **settings))
    generator = np.random.default_rng(seed)
    for variable in network.variables if seed is not None else []:
        variable.assign(generator.uniform(0.1, 2, variable.shape))
    return network


class BaseCheckpointTest(tf.test.TestCase):

    def setUp(self):
        super().setUp()
        self.prefix = os.path.join(self.create_tempdir().full_path, "base")
        self.network = _network(seed=0)
        base_checkpoint.write_small(self.network, self.prefix)

    def test_small_gives_back_what_float16_holds(self):
        other = _network(seed=1)
        gates = [variable.numpy() for variable in other.gate_variables]
        base_checkpoint.restore(other, self.prefix, "there")
        for given, found in zip(self.network.base_variables,
                                other.base_variables):
            kept = given.numpy()
            if kept.ndim > 1:
                kept = kept.astype(np.float16)
            self.assertAllEqual(kept, found)
        self.assertAllEqual(self.network.stem.norm.moving_variance,
                            other.stem.norm.moving_variance)
        for value, gate in zip(gates, other.gate_variables):
            self.assertAllEqual(value, gate)

    def test_a_norm_may_be_beyond_float16(self):
        self.network.stem.norm.moving_variance.assign(
            1e6 * self.network.stem.norm.moving_variance)
        base_checkpoint.write_small(self.network, self.prefix)
        other = _network()
        base_checkpoint.restore(other, self.prefix, "there")
        self.assertAllEqual(self.network.stem.norm.moving_variance,
                            other.stem.norm.moving_variance)

    def test_ranges_are_not_among_it(self):
        ranges.attach(self.network, data.Scaling((128.0,) * 3, (64.0,) * 3))
        base_checkpoint.write_small(self.network, self.prefix)
        other = _network(seed=1)  # without ranges
        base_checkpoint.restore(other, self.prefix, "there")
        base_checkpoint.restore(self.network, self.prefix, "there")
        images = tf.random.stateless_normal([2, 16, 16, 3], [0, 1])
        self.assertAllEqual(self.network.base(images), other.base(images))

    def test_whole_ones_are_read_as_they_are(self):
        checkpoints.write(
            tf.train.Checkpoint(network=self.network), self.prefix)
        other = _network()
        base_checkpoint.restore(other, self.prefix, "there")
        for given, found in zip(self.network.base_variables,
                                other.base_variables):
            self.assertAllEqual(given, found)

    def test_of_another_backbone_it_is_refused(self):
        for settings in ({"depth": 14}, {"width": 0.5}):
            with self.assertRaisesRegex(
                    errors.CheckpointError, "base cannot be restored"):
                base_checkpoint.restore(
                    _network(**settings), self.prefix, "there")

    def test_damaged_or_missing_it_is_refused(self):
        data_file = pathlib.Path(f"{self.prefix}.data-00000-of-00001")
        data_file.write_bytes(data_file.read_bytes()[:-100])
        with self.assertRaisesRegex(
                errors.CheckpointError, "base cannot be restored"):
            base_checkpoint.restore(_network(), self.prefix, "there")
        pathlib.Path(f"{self.prefix}.index").unlink()
        with self.assertRaisesRegex(
                errors.CheckpointError, "there holds no checkpoint"):
            base_checkpoint.restore(_network(), self.prefix, "there")


if __name__ == "__main__":
    tf.test.main()
