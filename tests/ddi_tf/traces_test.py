"""Tests of the record of what a network answered and spent."""

import dataclasses
from unittest import mock

import numpy as np
import tensorflow as tf
import tf_keras

from ddi_tf import data
from ddi_tf import deciding
from ddi_tf import exits
from ddi_tf import network
from ddi_tf import traces

_SCALING = data.Scaling((120.0, 125.0, 130.0), (60.0, 61.0, 62.0))
_IMAGES = 10


class TracesTest(tf.test.TestCase):

    def setUp(self):
        super().setUp()
        self.traces = traces.Traces(
            labels=np.array([0, 1, 2, 1]), logits=None,
            predictions=np.array([[0, 0], [0, 1], [2, 2], [0, 1]]),
            entropies=None, spent=None,
            layers=np.array([[1, 0], [1, 1], [0, 0], [1, 1]]),
            masks=(np.array([[1, 0], [1, 1], [1, 1], [0, 0]]),
                   np.array([[1], [1], [1], [1]])))

    def test_accuracy_by_hand(self):
        self.assertAllClose(self.traces.accuracy, [0.5, 1.0])

    def test_executed_shares_by_hand(self):
        self.assertAllClose(
            self.traces.executed, [[0.5, 0], [1, 1], [0, 0], [0, 1]])

    def test_skip_ratio_by_hand(self):
        # Executed: 0.5, 0; 1, 1; 0, 0; 0, 1 of eight.
        self.assertAllClose(self.traces.skip_ratio, 1 - 3.5 / 8)


class TracerTest(tf.test.TestCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        tf_keras.utils.set_random_seed(3)
        cls.network = network.Network(network.NetworkConfig(
            depth=8, classes=4, image_shape=(16, 16, 3)))
        generator = np.random.default_rng(0)
        cls.split = data.Split(
            generator.integers(0, 256, [_IMAGES, 16, 16, 3]).astype(np.uint8),
            generator.integers(0, 4, _IMAGES).astype(np.int32))
        _split_in_halves(cls.network, cls.split.images)
        cls.seen = []
        with mock.patch.object(traces, "_BATCH_SIZE", 4):
            cls.traces = traces.Tracer(cls.network, _SCALING).collect(
                cls.split, cls.seen.append)

    def test_fields_have_the_stated_shapes_and_types(self):
        shapes = tf.nest.map_structure(
            lambda array: (array.shape, array.dtype), self.traces)
        self.assertEqual(shapes, traces.Traces(
            labels=((10,), np.int32), logits=((10, 4, 4), np.float32),
            predictions=((10, 4), np.int32), entropies=((10, 4), np.float32),
            spent=((10, 4), np.int64), layers=((10, 3), np.float32),
            masks=(((10, 2), np.float32),) * 3))

    def test_every_batch_is_reported(self):
        self.assertEqual(self.seen, [4, 4, 2])

    def test_numbers_are_those_of_the_network(self):
        outputs = self.network(data.normalize(self.split.images, _SCALING))
        logits = tf.stack([*outputs.exit_logits, outputs.logits], axis=1)
        self.assertAllClose(self.traces.logits, logits, atol=1e-4)
        self.assertAllClose(
            self.traces.entropies, exits.shannon_entropy(logits), atol=1e-4)
        self.assertAllEqual(self.traces.spent, outputs.spent)
        self.assertAllEqual(self.traces.layers, outputs.decisions.layers)
        for ours, theirs in zip(self.traces.masks, outputs.decisions.masks):
            self.assertAllEqual(ours, theirs)

    def test_entropies_are_of_the_kind_that_the_network_asks_for(self):
        config = dataclasses.replace(self.network.config, exit_entropy="min")
        with mock.patch.object(self.network, "config", config):
            found = traces.Tracer(self.network, _SCALING).collect(self.split)
        self.assertAllClose(
            found.entropies, exits.min_entropy(found.logits), atol=1e-5)
        self.assertAllClose(found.logits, self.traces.logits, atol=1e-4)

    def test_images_differ_in_what_they_run(self):
        self.assertNotAllEqual(
            self.traces.spent, self.traces.spent[:1].repeat(_IMAGES, axis=0))
        self.assertAllEqual(self.traces.masks[0].sum(axis=0), [5, 5])

    def test_predictions_are_the_likeliest_classes(self):
        self.assertAllEqual(
            self.traces.predictions, self.traces.logits.argmax(axis=2))

    def test_decisions_of_another_image_are_taken_as_given(self):
        tracer = traces.Tracer(self.network, _SCALING)
        given = deciding.Decisions(*tf.nest.map_structure(
            lambda said: said[::-1],
            (self.traces.layers, self.traces.masks)))
        with mock.patch.object(traces, "_BATCH_SIZE", 4):
            found = tracer.collect(self.split, decisions=given)
            tf.nest.map_structure(
                self.assertAllEqual, (found.layers, found.masks), tuple(given))
            self.assertAllEqual(found.spent, self.traces.spent[::-1])
            tf.nest.map_structure(
                self.assertAllEqual, tuple(tracer.collect(self.split)),
                tuple(self.traces))

    def test_all_open_runs_everything(self):
        opened = traces.Tracer(
            self.network, _SCALING, all_open=True).collect(self.split)
        table = self.network.costs
        self.assertEqual(opened.skip_ratio, 0.0)
        gates = sum(table.layer_gates) + sum(table.channel_gates)
        self.assertAllEqual(
            opened.spent[:, -1], [table.base - table.head + gates] * _IMAGES)
        images = data.normalize(self.split.images, _SCALING)
        self.assertAllClose(
            opened.logits[:, -1], self.network.base(images), atol=1e-4)


def _split_in_halves(net, images):
    """Moves the first channel gate to where the images differ."""
    gate = net.channel_gates["stage1_block1"]
    features = net.stem(data.normalize(images, _SCALING))
    kernel = 10 * np.random.default_rng(0).normal(size=[16, 2])
    pooled = tf.reduce_mean(gate.conv(features), axis=[1, 2])
    gate.score.set_weights([kernel, -np.median(pooled @ kernel, axis=0)])


if __name__ == "__main__":
    tf.test.main()
