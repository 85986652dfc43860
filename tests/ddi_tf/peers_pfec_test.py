"""Tests of filter pruning: which filters go, what is left and what it costs."""

import dataclasses

import numpy as np
import tensorflow as tf
import tf_keras
from absl.testing import parameterized

from ddi_tf import errors
from ddi_tf import network
from ddi_tf import strategies
from ddi_tf.peers import pfec

_PLAIN = network.NetworkConfig(
    depth=8, image_shape=(16, 16, 3), layer_gates=False, channel_gates=False,
    exits=False)


def _pruned(*shares, **settings):
    return strategies.make(dataclasses.replace(
        _PLAIN, strategy="pfec", inner_width=shares, **settings))


class KeptFiltersTest(tf.test.TestCase):

    def test_the_smallest_l1_norms_go(self):
        kernel = np.zeros([1, 1, 2, 4], np.float32)
        # Norms 3, 1, 3, 4: an L2 norm, or a sum with signs, keeps others.
        kernel[0, 0] = [[3, -1, 1.5, -2], [0, 0, -1.5, 2]]
        self.assertAllEqual(pfec.kept_filters(kernel, 1), [3])
        self.assertAllEqual(pfec.kept_filters(kernel, 2), [0, 3])
        self.assertAllEqual(pfec.kept_filters(kernel, 3), [0, 2, 3])


class WidthTest(tf.test.TestCase, parameterized.TestCase):

    def test_macs_of_a_resnet14_by_hand(self):
        # Inner channels 11, 22 and 45; stem and head beside.
        first = 2 * 2 * 1024 * 9 * 16 * 11
        second = 256 * (9 * (16 * 22 + 3 * 22 * 32) + 16 * 32)
        third = 64 * (9 * (32 * 45 + 3 * 45 * 64) + 32 * 64)
        net = _pruned(0.7, depth=14, image_shape=(32, 32, 3))
        self.assertEqual(
            net.costs.base,
            1024 * 27 * 16 + first + second + third + 64 * 10)
        self.assertEqual(net.costs.base, 18_676_352)  # of 26,657,408
        self.assertEqual(net.costs.everything, net.costs.base)

    def test_its_base_network_is_not_called_as_the_whole_one(self):
        self.assertEqual(_PLAIN.title, "resnet8")
        self.assertEqual(_pruned(0.7).config.title, "resnet8 pruned to 0.7")
        self.assertEqual(_pruned(1.0, 0.5, 0.25).config.title,
                         "resnet8 pruned to 1/0.5/0.25")

    def test_each_stage_has_its_share(self):
        net = _pruned(1.0, 0.5, 0.01)
        self.assertEqual([block.conv1.filters for block in net.blocks],
                         [16, 16, 1])
        self.assertEqual([block.out_shape for block in net.blocks],
                         [(16, 16, 16), (8, 8, 32), (4, 4, 64)])

    @parameterized.parameters((0.5, 0.5), (0.0,), (1.1,), (float("nan"),), ())
    def test_other_shares_are_an_error(self, *shares):
        with self.assertRaisesRegex(
                errors.ConfigError, r"in \(0, 1\], or one for each of the 3"):
            _pruned(*shares)

    def test_other_blocks_are_an_error(self):
        with self.assertRaisesRegex(
                errors.ConfigError, "residual blocks of two conv.*block"):
            _pruned(0.5, backbone="mobilenetv2", depth=53)

    def test_config_survives_json(self):
        config = dataclasses.replace(
            _PLAIN, strategy="pfec", inner_width=(0.5, 0.6, 0.7))
        values = {name: list(value) if isinstance(value, tuple) else value
                  for name, value in dataclasses.asdict(config).items()}
        self.assertEqual(network.NetworkConfig.from_dict(values), config)


class PruneTest(tf.test.TestCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        tf_keras.utils.set_random_seed(3)
        cls.whole, cls.part = network.Network(_PLAIN), _pruned(0.5)
        generator = np.random.default_rng(3)
        for variable in cls.whole.variables:
            if "kernel" not in variable.name:
                variable.assign(generator.uniform(0.5, 1.5, variable.shape))

    def test_what_is_left_computes_what_the_kept_filters_do(self):
        pfec.prune(self.whole, self.part)
        # Without the others: a filter, and what its batch norm adds.
        for block in self.whole.blocks:
            gone = np.ones(block.filters, bool)
            gone[pfec.kept_filters(
                block.conv1.kernel.numpy(), block.filters // 2)] = False
            self.assertEqual(gone.sum(), block.filters // 2)
            for variable in (block.conv1.kernel, block.conv1.norm.beta,
                             block.conv1.norm.moving_mean):
                variable.assign(np.where(gone, 0, variable.numpy()))
        images = tf.random.stateless_normal([3, 16, 16, 3], [0, 1])
        expected = self.whole.base(images)
        self.assertAllClose(
            self.part.base(images), expected, rtol=1e-4, atol=1e-4)
        self.assertGreater(np.std(expected), 0.1)

    def test_another_network_is_an_error(self):
        for settings, pattern in (
                ({"classes": 5}, "classes is 10 there, 5 here"),
                ({"width": 0.5}, "width is 1.0 there, 0.5 here")):
            with self.assertRaisesRegex(errors.ConfigError, pattern):
                pfec.prune(self.whole, _pruned(0.5, **settings))

    def test_a_narrower_one_is_an_error(self):
        with self.assertRaisesRegex(
                errors.ConfigError, "stage1_block1 has 16 inner.* only 8 in"):
            pfec.prune(self.part, _pruned(1.0))

    def test_another_strategy_is_an_error(self):
        with self.assertRaisesRegex(
                errors.ConfigError, "--model_strategy=pfec. Received: gates"):
            pfec.prune(self.whole, self.whole)
        lccl = strategies.make(dataclasses.replace(_PLAIN, strategy="lccl"))
        with self.assertRaisesRegex(
                errors.ConfigError, "is of --model_strategy=lccl"):
            pfec.prune(lccl, self.part)


if __name__ == "__main__":
    tf.test.main()
