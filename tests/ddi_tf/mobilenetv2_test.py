"""Tests of MobileNetV2: its blocks, its widths and what they cost."""

import itertools

import tensorflow as tf
from absl.testing import parameterized

from ddi_tf import errors
from ddi_tf import mobilenetv2
from ddi_tf import network
from ddi_tf import subgraphs


def _config(**settings):
    return network.NetworkConfig(
        **{"backbone": "mobilenetv2", "depth": 53, **settings})


class FamilyTest(tf.test.TestCase, parameterized.TestCase):

    @parameterized.parameters(
        # Table 2 times the width, multiples of 8 that are not much less.
        (1.0, (16, 24, 32, 64, 96, 160, 320)),
        (0.75, (16, 24, 24, 48, 72, 120, 240)),
        (0.5, (8, 16, 16, 32, 48, 80, 160)))
    def test_channels_of_the_stages(self, width, expected):
        blocks = mobilenetv2.build(_config(width=width)).blocks
        stages = [list(group)[-1].filters for _, group in itertools.groupby(
            blocks[:-1], lambda block: block.name.split("_")[0])]
        self.assertEqual(tuple(stages), expected)
        # The last layer's width does not shrink.
        self.assertEqual(blocks[-1].out_shape, (4, 4, 1280))

    def test_blocks_follow_on_from_each_other(self):
        backbone = mobilenetv2.build(_config(image_shape=(48, 64, 3)))
        self.assertLen(backbone.blocks, 1 + 2 + 3 + 4 + 3 + 3 + 1 + 1)
        for before, after in itertools.pairwise(backbone.blocks):
            self.assertEqual(before.out_shape, after.in_shape)
        self.assertEqual(backbone.blocks[-1].out_shape, (6, 8, 1280))

    def test_only_blocks_that_keep_the_shape_are_skipped(self):
        blocks = mobilenetv2.build(_config()).blocks
        self.assertEqual(
            [block.name for block in blocks if not block.skippable],
            [*(f"stage{stage}_block1" for stage in range(1, 8)), "last"])
        # All are masked that have an expansion.
        self.assertEqual(
            [block.name for block in blocks if not block.channels],
            ["stage1_block1", "last"])

    def test_exits_stand_in_the_resolutions_that_are_not_the_last(self):
        backbone = mobilenetv2.build(_config())
        self.assertEqual(
            [backbone.blocks[index].out_shape[0]
             for index in backbone.exit_after], [32, 32, 16, 16, 8, 8])

    def test_another_depth_is_an_error(self):
        with self.assertRaisesRegex(
                errors.ConfigError, "is 53; --model_width .*Received: 38"):
            mobilenetv2.build(_config(depth=38))

    def test_image_sizes_that_do_not_halve_are_errors(self):
        with self.assertRaisesRegex(
                errors.ConfigError, "multiples of 16. Received: 24 x 32"):
            mobilenetv2.build(_config(image_shape=(24, 32, 3)))


class BlockTest(tf.test.TestCase, parameterized.TestCase):

    @parameterized.parameters((1.0, -1.0), (0.0, -3.0))
    def test_the_sum_may_be_negative(self, gate, expected):
        block = mobilenetv2.InvertedResidual(
            (1, 1, 1), 1, expansion=2, stride=1, mask_site="inner")
        block(tf.zeros([1, 1, 1, 1]))
        for layer in block.branch:
            layer.norm.moving_variance.assign(
                tf.ones([layer.filters]) - layer.norm.epsilon)
        block.expand.conv.kernel.assign([[[[-1.0, 1.0]]]])
        depthwise = block.depthwise.conv.depthwise_kernel
        depthwise.assign(2 * tf.ones_like(depthwise))
        block.project.conv.kernel.assign([[[[1 / 3], [9.0]]]])
        # relu(3, -3) doubled is (6, 0); -3 + 6 / 3 = -1.
        y = block(tf.fill([1, 1, 1, 1], -3.0), tf.constant([gate]))
        self.assertAllClose(y[0, 0, 0], [expected])

    def test_a_mask_lets_expanded_channels_by_in_groups(self):
        block = mobilenetv2.InvertedResidual(
            (4, 4, 2), 3, expansion=2, stride=2, mask_site="inner")
        x = tf.random.stateless_normal([1, 4, 4, 2], [0, 1])
        masked = block(x, None, tf.constant([[1.0, 0.0]]))
        kernel = block.project.conv.kernel
        kernel.assign(kernel * tf.reshape([1.0, 1, 0, 0], [1, 1, 4, 1]))
        self.assertAllClose(masked, block(x))


class CutTest(tf.test.TestCase):

    def test_gates_of_blocks_of_a_width_read_each_its_own_shape(self):
        # Stages 2 and 3 have 16 channels, at 32 x 32 and at 16 x 16.
        net = network.Network(_config(
            width=0.5, channel_gates=False, exits=False))
        cut = subgraphs.cut(net, subgraphs.masked)
        gates = {step.layer_gate.name: step.layer_gate.inputs["features"]
                 for step in cut.steps if step.layer_gate}
        self.assertEqual(gates, {
            f"{block.name}_layer_gate": (1, *block.in_shape)
            for block in net.blocks if block.skippable})
        self.assertEqual(set(gates.values()), {
            (1, 32, 32, 16), (1, 16, 16, 16), (1, 8, 8, 32), (1, 8, 8, 48),
            (1, 4, 4, 80)})
        self.assertLen({graph.name for graph in cut.graphs}, len(cut.graphs))


class MacsTest(tf.test.TestCase, parameterized.TestCase):

    @parameterized.parameters(
        # chenyaofo/pytorch-cifar-models, millions, its x0.5 with 100 classes.
        (0.5, 10, 27_969_024, 27.97), (0.5, 100, 28_084_224, 28.08),
        (0.75, 10, 59_310_080, 59.31), (1.0, 10, 87_976_448, 87.98))
    def test_macs_are_the_published_ones(
            self, width, classes, macs, published):
        net = network.Network(_config(
            width=width, classes=classes, layer_gates=False,
            channel_gates=False, exits=False))
        self.assertEqual(net.costs.base, macs)
        self.assertAllClose(macs / 1e6, published, atol=0.005)

    def test_half_width_by_hand(self):
        macs, channels, size = 1024 * 27 * 16, 16, 32
        for expansion, filters, count, stride in (
                (1, 8, 1, 1), (6, 16, 2, 1), (6, 16, 3, 2), (6, 32, 4, 2),
                (6, 48, 3, 1), (6, 80, 3, 2), (6, 160, 1, 1)):
            for index in range(count):
                wide = expansion * channels
                if expansion > 1:
                    macs += size**2 * channels * wide
                size //= stride if index == 0 else 1
                macs += size**2 * wide * (9 + filters)
                channels = filters
        macs += 16 * 160 * 1280 + 1280 * 10
        self.assertEqual(macs, 27_969_024)

    def test_gates_cost_little(self):
        table = network.Network(_config(width=0.75, exits=False)).costs
        self.assertBetween(sum(table.channel_gates) / table.base, 0.02, 0.03)
        self.assertLess(sum(table.layer_gates) / table.base, 0.0005)


if __name__ == "__main__":
    tf.test.main()
