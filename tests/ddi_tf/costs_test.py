"""Tests of what an image costs."""

import backbone_cases
import tensorflow as tf
from absl.testing import parameterized

from ddi_tf import costs
from ddi_tf import deciding
from ddi_tf import energy
from ddi_tf import network
from ddi_tf import work

# Two blocks; the second has a shortcut that always costs, and one exit stands
# after the first.
_TABLE = costs.CostTable(
    stem=1000, layer_gates=(1, 2), channel_gates=(10, 20), skips=(0, 5),
    runs=(costs.Run(300, 40, 0), costs.Run(0, 100, 800)),
    exits=(7,), exit_after=(0,), head=9)


def _decisions(layers, masks):
    return deciding.Decisions(
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
            spent = costs.spent(_TABLE, deciding.Decisions(layers, masks))[:, -1]
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


def _works(factor):
    """A `CostTable` of one block, of `Work` that all differ."""
    numbers = iter(range(1, 100))

    def next_work():
        return work.Work(*(factor * next(numbers) for _ in range(3)))
    return costs.CostTable(
        stem=next_work(), layer_gates=(next_work(),),
        channel_gates=(next_work(),), skips=(next_work(),),
        runs=(costs.Run(next_work(), next_work(), next_work()),),
        exits=(next_work(),), exit_after=(0,), head=next_work())


class PricedTest(tf.test.TestCase):

    def test_every_cost_keeps_its_place(self):
        table = _works(1)
        self.assertEqual(table.priced(lambda cost: cost), table)
        self.assertEqual(
            table.priced(lambda cost: cost.weights), costs.CostTable(
                stem=2, layer_gates=(5,), channel_gates=(8,), skips=(11,),
                runs=(costs.Run(14, 17, 20),), exits=(23,), exit_after=(0,),
                head=26))

    def test_blocks_keep_their_places(self):
        doubled = _TABLE.priced(lambda cost: 2 * cost)
        self.assertEqual(doubled.exit_after, _TABLE.exit_after)
        self.assertEqual(doubled.runs, ((600, 80, 0), (0, 200, 1600)))
        self.assertEqual(doubled.skips, (0, 10))
        self.assertIsInstance(doubled.runs[0], costs.Run)

    def test_sums_of_prices_are_prices_of_sums(self):
        model = energy.EnergyModel(2.0, 30.0, 0.5, "pJ", "")
        table, decisions = _works(1), _decisions([[1]], [[[1, 0]]])
        prices = table.priced(model.energy)
        spent = costs.spent(prices, decisions)
        by_count = [
            costs.spent(table.priced(lambda w, c=count: w[c]), decisions)
            for count in range(3)]
        self.assertAllClose(
            spent, 2 * by_count[0] + 30 * by_count[1] + by_count[2] / 2)
        self.assertAllClose(
            costs.spent(_works(3).priced(model.energy), decisions), 3 * spent)
        self.assertAllClose(prices.base, sum(
            price * table.priced(lambda w, c=count: w[c]).base
            for count, price in enumerate((2, 30, 0.5))))

    def test_energy_of_a_decision_by_hand(self):
        model = energy.EnergyModel(2.0, 30.0, 0.5, "pJ", "")
        nothing = work.Work()
        table = costs.CostTable(
            stem=work.Work(100, 10, 40),                # 200 + 300 + 20
            layer_gates=(work.Work(5, 1, 2),),          # 10 + 30 + 1
            channel_gates=(work.Work(10, 2, 4),),       # 20 + 60 + 2
            skips=(work.Work(8, 4, 6),),                # 16 + 120 + 3
            runs=(costs.Run(work.Work(0, 0, 60),        # 30
                            work.Work(200, 20, 80),     # 400 + 600 + 40
                            nothing),),
            exits=(work.Work(3, 1, 2),),                # 6 + 30 + 1
            exit_after=(0,), head=work.Work(1, 1, 4)    # 2 + 30 + 2
        ).priced(model.energy)
        always = 520 + 41 + 139
        spent = costs.spent(table, _decisions(
            [[1], [1], [1], [0]], [[[1, 1], [0, 1], [0, 0], [1, 1]]]))
        self.assertAllClose(spent[:, 0], [
            always + 82 + 30 + 1040, always + 82 + 30 + 520, always + 82,
            always])
        self.assertAllClose(
            costs.full_path(table, spent) - spent[:, -1], [37 + 34] * 4)


class LeastTest(tf.test.TestCase):

    def test_it_is_the_shortcuts_the_layer_gates_and_the_answers(self):
        self.assertEqual(
            costs.least(_TABLE, _decisions([[0, 0]], [[[1]], [[1]]])),
            1000 + 1 + 2 + 5 + 7 + 9)

    def test_what_must_run_is_paid(self):
        # A block that changes the shape keeps the first of its two groups, and
        # its channel gate is asked; so is that of any block without a layer
        # gate, which then runs nothing.
        net = backbone_cases.make("mobilenetv2", "channels", short=True)
        table, closed = net.costs, net.all_closed(1)
        expected = table.stem + table.head
        for k, block in enumerate(net.blocks):
            expected += table.channel_gates[k] + table.skips[k]
            if not block.channels:
                expected += sum(table.runs[k])
            elif not block.skippable:
                run = table.runs[k]
                expected += run.opened + run.linear / 2 + run.square / 4
        self.assertEqual(costs.least(table, closed), expected)
        # No shift of the gates leads below it.
        spent = net(backbone_cases.images_for(net, 1), thresholds=tf.ones(
            [1, net.decision_count])).spent
        self.assertAllEqual(costs.full_path(table, spent), [expected])


class MacTableTest(tf.test.TestCase):

    def test_macs_are_those_of_the_work(self):
        net = network.Network(network.NetworkConfig(depth=8))
        self.assertEqual(net.costs, net.work.priced(lambda w: w.macs))
        self.assertEqual(net.work.stem, net.blocks[0].conv1.work(
            32, 32, 3)._replace(activations=32 * 32 * (3 + 16)))
        self.assertEqual(net.work.skips[0], work.Work())
        self.assertEqual(net.work.skips[1], net.blocks[1].skip_work)
        self.assertEqual(net.work.runs[2], net.blocks[2].run_work)
        self.assertEqual(net.work.head, net.head.work)
        self.assertEqual(
            net.work.layer_gates[1],
            net.layer_gate.work(32, 32, 16, "stage2_block1"))
        self.assertEqual(
            net.work.channel_gates[2],
            net.channel_gates["stage3_block1"].work(16, 16))
        self.assertEqual(
            net.work.exits[1], net.exits["stage2_block1"].work)

    def test_what_a_network_lacks_does_no_work(self):
        net = network.Network(network.NetworkConfig(
            depth=8, layer_gates=False, channel_gates=False, exits=False))
        self.assertEqual(net.work.layer_gates, (work.Work(),) * 3)
        self.assertEqual(net.work.channel_gates, (work.Work(),) * 3)
        self.assertEqual((net.work.exits, net.work.exit_after), ((), ()))

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
