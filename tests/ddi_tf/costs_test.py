"""Tests of what an image costs."""

import tensorflow as tf
from absl.testing import parameterized

from ddi_tf import costs
from ddi_tf import network

# Two blocks; the second has a shortcut that always costs, and one exit stands
# after the first.
_TABLE = costs.CostTable(
    stem=1000, layer_gates=(1, 2), channel_gates=(10, 20), skips=(0, 5),
    runs=(costs.Run(300, 40, 0), costs.Run(0, 100, 800)),
    exits=(7,), exit_after=(0,), head=9)


def _decisions(layers, masks):
    return network.Decisions(
        tf.constant(layers, tf.float32),
        tuple(tf.constant(mask, tf.float32) for mask in masks))


class CostTableTest(tf.test.TestCase):

    def test_base_is_stem_blocks_and_head_only(self):
        self.assertEqual(_TABLE.base, 1000 + 5 + 340 + 900 + 9)

    def test_everything_is_all_gates_and_all_exits_too(self):
        self.assertEqual(
            _TABLE.everything, _TABLE.base + (1 + 2) + (10 + 20) + 7)
        spent = costs.spent(_TABLE, _decisions([[1, 1]], [[[1]], [[1]]]))
        self.assertAllEqual(
            costs.full_path(_TABLE, spent), [_TABLE.everything])

    def test_answers_are_the_exits_and_then_the_head(self):
        self.assertEqual(_TABLE.answers, (7, 9))


class SpentTest(tf.test.TestCase, parameterized.TestCase):

    @parameterized.named_parameters(
        ("everything", [1, 1], [1, 1], [1, 1],
         # 1000 + 1 + 10 + 340; then 2 + 5 + 20 + 100 + 800
         [1351, 2278]),
        ("nothing", [0, 0], [1, 1], [1, 1],
         # No channel gate is asked behind a closed layer gate.
         [1001, 1008]),
        ("half_of_the_channels", [1, 1], [1, 0], [0, 1],
         # 1000 + 1 + 10 + 300 + 20; then 2 + 5 + 20 + 50 + 200
         [1331, 1608]),
        ("no_channel", [1, 1], [0, 0], [0, 0],
         # The channel gates were asked, for nothing.
         [1011, 1038]),
        ("second_block_only", [0, 1], [1, 1], [1, 1], [1001, 1928]))
    def test_value_by_hand(self, layers, mask1, mask2, expected):
        spent = costs.spent(_TABLE, _decisions([layers], [[mask1], [mask2]]))
        self.assertAllEqual(spent, [expected])

    def test_images_of_a_batch_pay_for_themselves(self):
        spent = costs.spent(_TABLE, _decisions(
            [[1, 1], [0, 0], [0, 1]],
            [[[1, 1], [1, 1], [0, 0]], [[1, 0], [0, 0], [0, 1]]]))
        self.assertAllEqual(spent, [[1351, 1628], [1001, 1008], [1001, 1278]])

    def test_one_column_per_exit_and_one_for_the_head_in_float64(self):
        spent = costs.spent(_TABLE, _decisions([[1, 1]], [[[1]], [[1]]]))
        self.assertEqual(spent.shape, (1, 2))
        self.assertEqual(spent.dtype, tf.float64)

    def test_large_networks_are_counted_to_the_last_mac(self):
        macs = 253_149_825  # odd and above 2^24: no float32
        table = _TABLE._replace(
            stem=0, runs=(costs.Run(0, macs, 0), costs.Run(0, 1, 0)))
        spent = costs.spent(table, _decisions([[1, 0]], [[[1, 1]], [[1, 1]]]))
        self.assertAllEqual(spent, [[macs + 11, macs + 18]])

    def test_gradient_of_a_gate_is_what_its_block_costs(self):
        layers = tf.constant([[1.0, 0.0]])
        masks = (tf.constant([[1.0, 1.0]]), tf.constant([[1.0, 0.0]]))
        with tf.GradientTape() as tape:
            tape.watch([layers, masks])
            spent = costs.spent(_TABLE, network.Decisions(layers, masks))[:, -1]
        to_layers, to_masks = tape.gradient(spent, [layers, masks])
        # 10 + 340, and 20 + 50 + 200
        self.assertAllClose(to_layers, [[350.0, 270.0]])
        # Linear 40 over two groups; "any open" cannot change by one of two.
        self.assertAllClose(to_masks[0], [[20.0, 20.0]])
        self.assertAllClose(to_masks[1], [[0.0, 0.0]])


class FullPathTest(tf.test.TestCase):

    def test_every_exit_and_the_head_are_paid(self):
        spent = tf.constant([[1001.0, 1008.0], [1351.0, 2278.0]], tf.float64)
        self.assertAllEqual(
            costs.full_path(_TABLE, spent), [1008 + 16, 2278 + 16])


class MacTableTest(tf.test.TestCase):

    def test_resnet8_by_hand(self):
        table = network.Network(network.NetworkConfig(depth=8)).costs
        self.assertEqual(table, costs.CostTable(
            stem=32 * 32 * 9 * 3 * 16,
            layer_gates=(970, 970, 1130),
            channel_gates=(16 * 16 * 9 * 16 * 16 + 32,
                           16 * 16 * 9 * 16 * 16 + 32,
                           8 * 8 * 9 * 32 * 32 + 64),
            skips=(0, 16 * 16 * 16 * 32, 8 * 8 * 32 * 64),
            runs=((0, 2 * 32 * 32 * 9 * 16 * 16, 0),
                  (0, 16 * 16 * 9 * (16 + 32) * 32, 0),
                  (0, 8 * 8 * 9 * (32 + 64) * 64, 0)),
            exits=(39_424, 152_576, 600_064), exit_after=(0, 1, 2), head=640))


if __name__ == "__main__":
    tf.test.main()
