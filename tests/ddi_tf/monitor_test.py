"""Tests of what the tune split says about a network."""

import json
from unittest import mock

import gate_case
import numpy as np
import tensorflow as tf
import tf_keras
from absl import logging
from absl.testing import parameterized

from ddi_tf import costs
from ddi_tf import data
from ddi_tf import deciding
from ddi_tf import energy
from ddi_tf import monitor
from ddi_tf import network
from ddi_tf import traces

_IMAGES = 12


def _dataset():
    generator = np.random.default_rng(0)
    tune = data.Split(
        generator.integers(0, 256, [_IMAGES, 16, 16, 3]).astype(np.uint8),
        generator.integers(0, 4, _IMAGES).astype(np.int32))
    none = data.Split(tune.images[:0], tune.labels[:0])
    return data.Dataset("random", tuple("0123"), data.Scaling(
        (127.0,) * 3, (74.0,) * 3), True, none, tune, none)


def _traces(layers, masks):
    """`Traces` of two images and three answers, right as below."""
    return traces.Traces(
        labels=np.array([0, 1]), logits=None,
        predictions=np.array([[0, 0, 0, 0], [0, 1, 0, 1]]), entropies=None,
        spent=None, layers=np.array(layers, np.float32),
        masks=tuple(np.array(mask, np.float32) for mask in masks))


def _mean_cost(prices, layers, masks):
    """Of the full path, as a fraction of the base network's."""
    return np.mean(costs.full_path(prices, costs.spent(
        prices, deciding.Decisions(layers, masks)))) / prices.base


class MonitorTest(tf.test.TestCase, parameterized.TestCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        tf_keras.utils.set_random_seed(1)
        cls.net = network.Network(network.NetworkConfig(
            depth=8, classes=4, image_shape=(16, 16, 3)))
        # Unsure gates, so that images differ.
        for score in gate_case.scores(cls.net):
            score.kernel.assign(20 * score.kernel)
            score.bias.assign(tf.zeros_like(score.bias))
        cls.macs = cls.net.costs
        cls.picojoules = cls.net.work.priced(
            energy.model("horowitz", "int8").energy)
        cls.dataset = _dataset()
        cls.monitor = monitor.Monitor(cls.net, cls.macs, cls.dataset)
        cls.tune = cls.monitor.look()
        cls.mixed = _traces(
            [[1, 0, 1], [0, 1, 1]],
            [[[1, 0], [1, 1]], [[1, 1], [0, 1]], [[0, 0], [1, 1]]])

    def test_it_looks_at_the_tune_split(self):
        self.assertAllEqual(self.tune.labels, self.dataset.tune.labels)
        outputs = self.net(data.normalize(
            self.dataset.tune.images, self.dataset.scaling))
        self.assertAllClose(self.tune.logits[:, -1], outputs.logits, atol=1e-4)
        self.assertAllEqual(self.tune.layers, outputs.decisions.layers)

    def test_the_base_network_is_looked_at_with_everything_run(self):
        base = self.monitor.look(gated=False)
        self.assertAllEqual(base.layers, np.ones([_IMAGES, 3]))
        self.assertAllClose(base.logits[:, -1], self.net.base(data.normalize(
            self.dataset.tune.images, self.dataset.scaling)), atol=1e-4)

    def test_it_sees_weights_that_have_moved(self):
        before = self.net.head.dense.bias.numpy()
        self.net.head.dense.bias.assign_add([0.0, 0.0, 50.0, 0.0])
        try:
            moved = self.monitor.look()
        finally:
            self.net.head.dense.bias.assign(before)
        self.assertAllEqual(moved.predictions[:, -1], [2] * _IMAGES)

    def test_record_of_the_base_network_is_its_accuracy(self):
        self.assertEqual(
            self.monitor.record(self.mixed, gated=False), {"accuracy": 1.0})

    def test_record_of_the_gated_network_by_hand(self):
        record = self.monitor.record(self.mixed)
        self.assertEqual(list(record), [
            "accuracy", "exit_accuracy", "skip_ratio", "cost", "blocks"])
        self.assertEqual(record["accuracy"], 1.0)
        self.assertEqual(record["exit_accuracy"], [0.5, 1.0, 0.5])
        # Run: 0.5, 0, 0; 0, 0.5, 1 of six.
        self.assertEqual(record["blocks"], [0.25, 0.25, 0.5])
        self.assertEqual(record["skip_ratio"], round(1 - 2 / 6, 5))
        self.assertEqual(json.loads(json.dumps(record)), record)

    def test_cost_by_hand(self):
        table = self.macs
        run = [sum(run) for run in table.runs]
        always = (table.stem + sum(table.layer_gates) + sum(table.skips)
                  + sum(table.answers))
        gates = table.channel_gates
        first = always + gates[0] + run[0] / 2 + gates[2]
        second = always + gates[1] + run[1] / 2 + gates[2] + run[2]
        expected = (first + second) / 2 / table.base
        self.assertAllClose(self.monitor.cost(self.mixed), expected, rtol=1e-9)
        self.assertEqual(
            self.monitor.record(self.mixed)["cost"], round(expected, 5))

    def test_cost_is_that_of_the_table_that_was_given(self):
        found = []
        for prices in (self.macs, self.picojoules):
            expected = _mean_cost(prices, self.tune.layers, self.tune.masks)
            ours = monitor.Monitor(self.net, prices, self.dataset)
            self.assertAllClose(ours.cost(self.tune), expected, rtol=1e-9)
            found.append(expected)
        self.assertNotAllClose(found[0], found[1])

    def test_cost_without_traces_is_that_of_now(self):
        self.assertEqual(self.monitor.cost(), self.monitor.cost(self.tune))

    @parameterized.parameters((12, 1), (6, 2), (5, 2), (100, 1))
    def test_sampled_cost_is_that_of_images_spread_over_the_split(
            self, sample, step):
        with mock.patch.object(monitor, "_SAMPLE", sample):
            ours = monitor.Monitor(self.net, self.macs, self.dataset)
        expected = _mean_cost(
            self.macs, self.tune.layers[::step],
            tuple(mask[::step] for mask in self.tune.masks))
        self.assertAllClose(ours.sampled_cost(), expected, rtol=1e-9)
        self.assertEqual(step == 1, ours.sampled_cost() == ours.cost())

    def test_everything_open_costs_more_than_the_base(self):
        cost = self.monitor.cost(self.monitor.look(gated=False))
        self.assertAllClose(cost, self.macs.everything / self.macs.base)

    @parameterized.parameters(
        (0.99, 0.9, ["all gates are closed.*--loss_alpha.*--target_cost"]),
        (1.0, 0.9, ["all gates are closed"]),
        # Chance is 25%.
        (0.5, 0.375, [r"accuracy of 37\.5% is near chance.*train_joint_lr"]),
        (0.5, 0.1, [r"accuracy of 10\.0% is near chance"]),
        (1.0, 0.25, ["all gates are closed", "near chance"]),
        (0.989, 0.38, []), (0.0, 1.0, []))
    def test_collapse_is_a_warning(self, skip_ratio, accuracy, expected):
        with mock.patch.object(logging, "warning") as warning:
            self.monitor.warn_if_collapsed(
                {"skip_ratio": skip_ratio, "accuracy": accuracy})
        said = [call.args[0] % call.args[1:]
                for call in warning.call_args_list]
        self.assertLen(said, len(expected), said)
        for words, pattern in zip(said, expected):
            self.assertRegex(words, pattern)


class InWordsTest(tf.test.TestCase):

    def test_base_network(self):
        self.assertEqual(
            monitor.in_words({"accuracy": 0.9123}), "tune accuracy 91.23%")

    def test_gated_network(self):
        self.assertEqual(
            monitor.in_words({"accuracy": 0.9, "skip_ratio": 0.4567,
                              "cost": 0.5004, "exit_accuracy": []}),
            "tune accuracy 90.00%, skip ratio 45.7%, cost 0.500 of base")


if __name__ == "__main__":
    tf.test.main()
