"""Tests of the ResNets for ImageNet: their blocks and what they cost."""

import itertools

import tensorflow as tf
from absl.testing import parameterized

from ddi_tf import errors
from ddi_tf import imagenet_resnet
from ddi_tf import network

_IMAGENET = {"backbone": "imagenet_resnet", "image_shape": (224, 224, 3),
             "classes": 1000}
_STEM = 112 * 112 * 49 * 3 * 64


class FamilyTest(tf.test.TestCase, parameterized.TestCase):

    @parameterized.parameters(
        (18, 8, (0, 1, 2, 3, 4, 5), 512), (34, 16, (0, 1, 3, 5, 8, 11), 512),
        (50, 16, (0, 1, 3, 5, 8, 11), 2048))
    def test_blocks_and_exits(self, depth, blocks, exit_after, channels):
        backbone = imagenet_resnet.build(network.NetworkConfig(
            depth=depth, image_shape=(224, 224, 3)))
        self.assertLen(backbone.blocks, blocks)
        self.assertEqual(backbone.exit_after, exit_after)
        self.assertEqual(backbone.blocks[0].in_shape, (56, 56, 64))
        self.assertEqual(backbone.blocks[-1].out_shape, (7, 7, channels))
        for before, after in itertools.pairwise(backbone.blocks):
            self.assertEqual(before.out_shape, after.in_shape)

    @parameterized.parameters(38, 101)
    def test_other_depths_are_errors(self, depth):
        with self.assertRaisesRegex(
                errors.ConfigError, f"one of 18, 34, 50. Received: {depth}"):
            imagenet_resnet.build(network.NetworkConfig(
                depth=depth, image_shape=(64, 64, 3)))

    def test_image_sizes_that_do_not_halve_are_errors(self):
        with self.assertRaisesRegex(
                errors.ConfigError, "multiples of 32. Received: 48 x 64"):
            imagenet_resnet.build(network.NetworkConfig(
                depth=34, image_shape=(48, 64, 3)))

    def test_a_bottleneck_halves_in_its_3x3(self):
        block = imagenet_resnet.Bottleneck(
            (8, 8, 16), 32, stride=2, mask_site="inner")
        self.assertEqual(
            [(layer.filters, layer.kernel_size, layer.stride, layer.relu)
             for layer in block.branch],
            [(8, 1, 1, True), (8, 3, 2, True), (32, 1, 1, False)])
        self.assertEqual(block.out_shape, (4, 4, 32))
        self.assertEqual(block.projection.stride, 2)


class MacsTest(tf.test.TestCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.tables = {depth: network.Network(network.NetworkConfig(
            depth=depth, **_IMAGENET)).costs for depth in (34, 50)}

    def test_resnet18_by_hand(self):
        # 1.81 G as published; of the sum, see ResNet-34's.
        whole = 56 * 56 * 9 * 64 * 64
        macs = _STEM + 2 * (2 + 2 + 2 + 2) * whole - 3 * whole // 2
        macs += 3 * 28 * 28 * 64 * 128 + 512 * 1000
        self.assertEqual(macs, 1_814_073_344)
        table = network.Network(network.NetworkConfig(
            depth=18, layer_gates=False, channel_gates=False, exits=False,
            **_IMAGENET)).costs
        self.assertEqual(table.base, macs)

    def test_resnet34_by_hand(self):
        # In every stage a 3x3 from c to c channels takes as much; the first of
        # a stage reads half as many, and a 1x1 shortcut stands beside it.
        whole = 56 * 56 * 9 * 64 * 64
        macs = _STEM + 2 * (3 + 4 + 6 + 3) * whole - 3 * whole // 2
        macs += 3 * 28 * 28 * 64 * 128 + 512 * 1000
        self.assertEqual(macs, 3_663_761_408)
        self.assertEqual(self.tables[34].base, macs)

    def test_resnet50_by_hand(self):
        macs, channels, size = _STEM, 64, 56
        for inner, count in ((64, 3), (128, 4), (256, 6), (512, 3)):
            for index in range(count):
                halved = size // (2 if index == 0 and inner > 64 else 1)
                macs += size**2 * channels * inner
                macs += halved**2 * (9 * inner**2 + inner * 4 * inner)
                if index == 0:
                    macs += halved**2 * channels * 4 * inner
                channels, size = 4 * inner, halved
        macs += 2048 * 1000
        self.assertEqual(macs, 4_089_184_256)
        self.assertEqual(self.tables[50].base, macs)

    def test_gates_of_resnet34_cost_what_the_paper_says(self):
        # 12.5% of each block that keeps the shape, and a dense layer; a gate
        # before a block that halves looks at what comes in, before that.
        table = self.tables[34]
        self.assertEqual(
            table.channel_gates[1] - 64 * 2, sum(table.runs[1]) / 8)
        share = sum(table.channel_gates) / table.base
        self.assertAllClose(share, 0.1310, atol=5e-5)
        # The paper's layer gates take 0.04%; an LSTM of ten, less.
        self.assertLess(sum(table.layer_gates) / table.base, 0.0004)

    def test_gates_of_resnet50_reduce_what_they_look_at(self):
        table = self.tables[50]
        self.assertLess(sum(table.channel_gates) / table.base, 0.125)


if __name__ == "__main__":
    tf.test.main()
