"""Tests of DenseNet-BC: its layers, its depths and what they cost."""

import itertools

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from ddi_tf import densenet
from ddi_tf import errors
from ddi_tf import network


def _plain(**settings):
    """Without gates and exits it is built faster; they are no part of it."""
    return network.Network(network.NetworkConfig(
        layer_gates=False, channel_gates=False, exits=False, **settings))


class FamilyTest(tf.test.TestCase, parameterized.TestCase):

    @parameterized.parameters((10, 1), (22, 3), (46, 7), (58, 9), (64, 10),
                              (82, 13), (100, 16))
    def test_depth_is_six_per_layer_and_four(self, depth, layers):
        self.assertEqual(densenet.layers_per_stage(depth), layers)

    @parameterized.parameters(-2, 0, 4, 8, 38, 101)
    def test_other_depths_are_errors(self, depth):
        with self.assertRaisesRegex(
                errors.ConfigError,
                rf"DenseNet-BC must be 6n \+ 4 .*Received: {depth}$"):
            densenet.layers_per_stage(depth)

    def test_other_depths_for_imagenet_are_errors(self):
        with self.assertRaisesRegex(
                errors.ConfigError,
                "one of 121, 169, 201. Received: 100"):
            densenet.build_imagenet(network.NetworkConfig(depth=100))

    @parameterized.parameters(
        (densenet.build, 22, 24, 16), (densenet.build_imagenet, 121, 48, 32))
    def test_image_sizes_that_do_not_halve_are_errors(
            self, build, depth, size, multiple):
        with self.assertRaisesRegex(
                errors.ConfigError, f"must be multiples of {multiple}. "
                f"Received: {size} x {size}"):
            build(network.NetworkConfig(
                depth=depth, image_shape=(size, size, 3)))

    def test_layers_append_and_transitions_halve(self):
        backbone = densenet.build(network.NetworkConfig(depth=22))
        self.assertEqual(
            [(block.name, block.out_shape) for block in backbone.blocks], [
                ("stage1_layer1", (32, 32, 36)),   # 24 + 12
                ("stage1_layer2", (32, 32, 48)),
                ("stage1_layer3", (32, 32, 60)),
                ("transition1", (16, 16, 30)),
                ("stage2_layer1", (16, 16, 42)),
                ("stage2_layer2", (16, 16, 54)),
                ("stage2_layer3", (16, 16, 66)),
                ("transition2", (8, 8, 33)),
                ("stage3_layer1", (8, 8, 45)),
                ("stage3_layer2", (8, 8, 57)),
                ("stage3_layer3", (8, 8, 69))])
        for before, after in itertools.pairwise(backbone.blocks):
            self.assertEqual(before.out_shape, after.in_shape)
        self.assertEqual([block.skippable for block in backbone.blocks],
                         [True] * 3 + [False] + [True] * 3 + [False]
                         + [True] * 3)
        # A quarter and three quarters of three layers are 1 and 2.
        self.assertEqual(backbone.exit_after, (0, 1, 4, 5, 8, 9))

    def test_densenet121_has_two_exits_in_each_of_its_four_dense_blocks(self):
        backbone = densenet.build_imagenet(network.NetworkConfig(
            depth=121, image_shape=(224, 224, 3)))
        self.assertLen(backbone.blocks, 6 + 12 + 24 + 16 + 3)
        self.assertEqual(backbone.blocks[-1].out_shape, (7, 7, 1024))
        names = [backbone.blocks[index].name for index in backbone.exit_after]
        self.assertEqual(names, [
            "stage1_layer2", "stage1_layer5", "stage2_layer3", "stage2_layer9",
            "stage3_layer6", "stage3_layer18", "stage4_layer4",
            "stage4_layer12"])


class LayerTest(tf.test.TestCase):

    def test_value_by_hand(self):
        layer = densenet.DenseLayer((1, 1, 1), 1, mask_site="inner")
        layer(tf.zeros([1, 1, 1, 1]))
        for norm in (layer.norm.norm, layer.conv1.norm):
            norm.moving_variance.assign(tf.ones_like(norm.moving_variance)
                                        - norm.epsilon)
        layer.norm.norm.beta.assign([1.0])
        layer.conv1.conv.kernel.assign([[[[2.0, -1.0, 0.0, 1.0]]]])
        kernel = np.zeros([3, 3, 4, 1])
        kernel[1, 1, :, 0] = [1.0, 5.0, 7.0, 0.5]
        layer.conv2.conv.kernel.assign(kernel)
        x = tf.reshape([0.5, 0.5, -3.0], [3, 1, 1, 1])
        # relu(0.5 + 1) = 1.5; relu of (3, -1.5, 0, 1.5); 3 + 0.75. No ReLU
        # follows, and what came in stays as it is.
        y = layer(x, tf.constant([1.0, 0.0, 1.0]))
        self.assertAllClose(
            y[:, 0, 0], [[0.5, 3.75], [0.5, 0.0], [-3.0, 0.0]])

    def test_a_closed_channel_is_a_map_of_zeros(self):
        layer = densenet.DenseLayer((4, 4, 6), 4, mask_site="output")
        x = tf.random.stateless_normal([1, 4, 4, 6], [0, 1])
        y, full = layer(x, None, tf.constant([[1.0, 0.0]])), layer(x)
        self.assertAllEqual(y[..., :8], full[..., :8])
        self.assertAllEqual(y[..., 8:], tf.zeros([1, 4, 4, 2]))
        self.assertNotAllClose(full[..., 8:], tf.zeros([1, 4, 4, 2]))


class MacsTest(tf.test.TestCase, parameterized.TestCase):

    def test_densenet_bc_100_and_its_gates(self):
        net = network.Network(network.NetworkConfig(
            backbone="densenet", depth=100))
        self.assertEqual(net.costs.base, 287_929_692)
        # The ResNets' gates would cost 3.89 times the network.
        share = sum(net.costs.channel_gates) / net.costs.base
        self.assertBetween(share, 0.09, 0.12)
        self.assertLess(sum(net.costs.layer_gates) / net.costs.base, 0.001)

    @parameterized.parameters(
        (46, 88_488_954), (58, 124_358_046), (64, 144_103_536),
        (82, 210_583_782), (100, 287_929_692))
    def test_densenet_bc_by_hand(self, depth, expected):
        # Stage of n layers on so many pixels from c channels:
        # sum_i 48 (c + 12 i) for the 1x1, 9 * 48 * 12 for the 3x3; a transition
        # halves channels.
        macs, channels = 1024 * 27 * 24, 24
        for pixels in (1024, 256, 64):
            for _ in range((depth - 4) // 6):
                macs += pixels * (48 * channels + 9 * 48 * 12)
                channels += 12
            if pixels > 64:
                macs += pixels * channels * (channels // 2)
                channels //= 2
        self.assertEqual(macs + channels * 10, expected)
        self.assertEqual(
            _plain(backbone="densenet", depth=depth).costs.base, expected)

    def test_densenet121(self):
        # 2.83 G as published (torchvision: 2.834 of convolutions and dense).
        net = _plain(backbone="imagenet_densenet", depth=121,
                     image_shape=(224, 224, 3), classes=1000)
        self.assertEqual(net.costs.base, 2_834_161_664)


if __name__ == "__main__":
    tf.test.main()
