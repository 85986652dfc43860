"""Tests of low-cost layers: what they silence is 0, and costs nothing."""

import dataclasses

import numpy as np
import tensorflow as tf
import tf_keras

from ddi_tf import data
from ddi_tf import errors
from ddi_tf import losses
from ddi_tf import network
from ddi_tf import strategies
from ddi_tf import subgraphs
from ddi_tf import trace_files
from ddi_tf import traces
from ddi_tf import work

_CONFIG = network.NetworkConfig(
    depth=8, image_shape=(16, 16, 3), layer_gates=False, channel_gates=False,
    exits=False, strategy="lccl")


def _network(**settings):
    tf_keras.utils.set_random_seed(2)
    return strategies.make(dataclasses.replace(_CONFIG, **settings))


def _images(count):
    return tf.random.stateless_normal([count, 16, 16, 3], [0, 1])


def _say(net, value):
    """Makes all low-cost layers leave `value`, before their ReLU."""
    for block in net.blocks:
        for low in (block.low1, block.low2):
            low.kernel.assign(tf.zeros_like(low.kernel))
            low.norm.beta.assign([value])


class WorkTest(tf.test.TestCase):

    def test_work_of_a_block_by_hand(self):
        # 16 x 16 x 16 to 8 x 8 x 32.
        run = _network().blocks[1].run_work
        self.assertEqual(run.first, work.Work(64 * 9 * 16 * 32))
        self.assertEqual(run.second, work.Work(64 * 9 * 32 * 32))
        # Features read, written, read, written and the shortcut read.
        self.assertEqual(run.moved, work.Work(
            0, 9 * 16 * 32 + 9 * 32 * 32 + 64, 4096 + 4 * 2048))
        self.assertEqual(run.low, work.Work(
            64 * 9 * 16 + 64 * 9 * 32, 9 * 16 + 9 * 32 + 2,
            4096 + 64 + 2048 + 64))

    def test_macs_of_a_resnet14_by_hand(self):
        net = _network(depth=14, image_shape=(32, 32, 3))
        low = 9 * (4 * 1024 * 16 + 256 * (16 + 3 * 32) + 64 * (32 + 3 * 64))
        self.assertEqual(low, 976_896)
        # The plain backbone has no low-cost layers.
        self.assertEqual(net.costs.base, 26_657_408)
        self.assertEqual(net.costs.everything, 26_657_408 + low)


class PositionsTest(tf.test.TestCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.net = _network()

    def test_cost_by_hand_of_all_and_of_nothing(self):
        net = _network()
        table = net.costs
        convolutions = sum(run.first + run.second for run in table.runs)
        for value, expected in ((1.0, table.everything),
                                (-1.0, table.everything - convolutions)):
            _say(net, value)
            outputs = net(_images(2))
            self.assertAllEqual(
                outputs.spent[:, 0], [expected - table.head] * 2)
            self.assertAllEqual(outputs.decisions.masks[0],
                                tf.fill([2, 512], float(value > 0)))

    def test_cost_by_hand_of_some(self):
        mask = np.zeros([1, 8])
        mask[0, :3], mask[0, 4:5] = 1, 1  # 3 and 1 of 4 positions
        run = self.net.costs.runs[0]._replace(
            low=1.0, moved=0.0, first=100.0, second=1000.0)
        self.assertAllEqual(run.executed(tf.constant(mask)), [1 + 75 + 250])

    def test_a_block_adds_nothing_where_nothing_is_computed(self):
        x = tf.nn.relu(tf.random.stateless_normal([4, 16, 16, 16], [0, 2]))
        block = self.net.blocks[0]
        positions = block.positions(x)
        second = tf.reshape(positions[:, 256:], [4, 16, 16])
        self.assertBetween(float(tf.reduce_mean(second)), 0.2, 0.8)
        same = tf.reduce_all(block(x) == x, axis=3)
        self.assertAllEqual(tf.cast(~same, tf.float32), second)
        # Nor does the first convolution count where its layer is 0.
        first = tf.reshape(positions[:, :256], [4, 16, 16])
        self.assertAllEqual(
            tf.cast(block.low1(x)[..., 0] > 0, tf.float32), first)

    def test_its_second_factor_is_limited(self):
        net = _network()
        x = tf.nn.relu(tf.random.stateless_normal([2, 16, 16, 16], [0, 2]))
        block, results = net.blocks[0], []
        for value in (0.5, 1.0, 7.0):
            _say(net, value)
            results.append(block(x))
        full = block.conv2(block.conv1(x))
        self.assertAllClose(results[1], tf.nn.relu(x + full), atol=1e-4)
        self.assertAllEqual(results[2], results[1])
        self.assertAllClose(results[0], tf.nn.relu(
            x + 0.5 * block.conv2(0.5 * block.conv1(x))), atol=1e-4)

    def test_decisions_that_are_given_are_counted(self):
        outputs = self.net(_images(2), decisions=self.net.all_open(2))
        self.assertAllEqual(outputs.spent[:, 0], [
            self.net.costs.everything - self.net.costs.head] * 2)
        self.assertAllClose(outputs.logits, self.net.base(_images(2)))

    def test_traces_keep_what_was_computed(self):
        generator = np.random.default_rng(0)
        images = generator.integers(0, 256, [5, 16, 16, 3]).astype(np.uint8)
        tracer = traces.Tracer(
            self.net, data.Scaling((127.0,) * 3, (64.0,) * 3))
        found = tracer.collect(data.Split(images, np.zeros(5, np.int32)))
        read = trace_files.from_arrays(trace_files.to_arrays(found))
        self.assertAllEqual(
            np.rint(read.cost(self.net.costs, "MACs").spent), found.spent)
        self.assertLess(found.spent.max(), self.net.costs.base)
        self.assertGreater(np.ptp(found.spent), 0)

    def test_gradient_reaches_both_layers(self):
        with tf.GradientTape() as tape:
            loss = losses.cross_entropy(
                self.net.base(_images(4), training=True), tf.range(4))
        variables = self.net.base_variables
        self.assertLen([v for block in self.net.blocks
                        for low in (block.low1, block.low2)
                        for v in low.trainable_variables], 18)
        for variable, gradient in zip(
                variables, tape.gradient(loss, variables)):
            self.assertGreater(
                float(tf.reduce_max(tf.abs(gradient))), 0, variable.name)

    def test_graphs_of_a_device_compute_all(self):
        cut = subgraphs.cut(self.net, subgraphs.masked)
        x, macs = cut.stem.function(_images(1)), cut.stem.macs + cut.head.macs
        for step in cut.steps:
            variant, = step.variants
            x, macs = variant.graph.function(x), macs + variant.graph.macs
        self.assertAllClose(cut.head.function(x), self.net.base(_images(1)))
        self.assertEqual(macs, self.net.costs.everything)


class ErrorsTest(tf.test.TestCase):

    def test_gates_are_an_error(self):
        for gates in ({"layer_gates": True}, {"channel_gates": True}):
            with self.assertRaisesRegex(
                    errors.ConfigError, "`lccl` has no gates: give --nomodel"):
                _network(**gates)

    def test_other_blocks_are_an_error(self):
        with self.assertRaisesRegex(
                errors.ConfigError, "residual blocks of two convolutions"):
            _network(backbone="densenet", depth=22)


if __name__ == "__main__":
    tf.test.main()
