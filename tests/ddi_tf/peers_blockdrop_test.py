"""Tests of the policy network: what it decides, costs and learns from."""

import dataclasses
import math

import numpy as np
import tensorflow as tf
import tf_keras
from absl.testing import parameterized

from ddi_tf import course
from ddi_tf import deciding
from ddi_tf import errors
from ddi_tf import network
from ddi_tf import phases
from ddi_tf import steering
from ddi_tf import step
from ddi_tf import strategies
from ddi_tf import subgraphs
from ddi_tf.peers import blockdrop

_CONFIG = network.NetworkConfig(
    depth=8, image_shape=(16, 16, 3), channel_gates=False, exits=False,
    strategy="blockdrop")
_SCHEDULE = phases.Schedule(epochs={"warmup": 1, "skip": 1, "reinforce": 1})
_WARMUP, _ALONE, _TOGETHER = phases.planned(_CONFIG, _SCHEDULE)


def _network(**settings):
    tf_keras.utils.set_random_seed(2)
    return strategies.make(dataclasses.replace(_CONFIG, **settings))


def _images(count):
    return tf.random.stateless_normal([count, 16, 16, 3], [0, 1])


class PolicyTest(tf.test.TestCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.net = _network()

    def test_probabilities_are_bounded(self):
        policy = blockdrop.Policy((16, 16, 3), 5)
        self.assertEqual(policy(_images(3)).shape, (3, 5))
        for bias, expected in ((99.0, 0.95), (-99.0, 0.05)):
            policy.score.bias.assign([bias] * 5)
            self.assertAllClose(
                policy(_images(3)), tf.fill([3, 5], expected))

    def test_scores_at_a_bound_learn_to_come_back_alone(self):
        scores = tf.Variable([-9.0, -9.0, 1.0, 9.0, 9.0])
        with tf.GradientTape() as tape:
            value = tf.reduce_sum(
                blockdrop.bounded(scores) * [1.0, -1.0, 1.0, 1.0, -1.0])
        inside = math.exp(-1) / (1 + math.exp(-1))**2
        self.assertAllClose(tape.gradient(value, scores), [
            0.0, -0.95 * 0.05, inside, 0.95 * 0.05, 0.0])

    def test_it_opens_what_an_unbounded_one_would(self):
        policy = blockdrop.Policy((16, 16, 3), 4)
        policy(_images(1))
        policy.score.kernel.assign(tf.zeros_like(policy.score.kernel))
        policy.score.bias.assign([-0.5, -0.01, 0.01, 0.5])
        self.assertAllEqual(policy(_images(1))[0] >= 0.5,
                            [False, False, True, True])

    def test_macs_by_hand(self):
        net = _network(depth=14, image_shape=(32, 32, 3))
        # A ResNet8 of 8, 16 and 32 channels, and a dense layer.
        policy = (1024 * 27 * 8 + 1024 * 9 * 2 * 8 * 8
                  + 256 * (9 * (8 * 16 + 16 * 16) + 8 * 16)
                  + 64 * (9 * (16 * 32 + 32 * 32) + 16 * 32) + 32 * 6)
        self.assertEqual(policy, 3_236_032)
        self.assertEqual(net.costs.layer_gates, (policy, 0, 0, 0, 0, 0))
        self.assertEqual(net.costs.base, 26_657_408)
        self.assertEqual(net.costs.everything, 26_657_408 + policy)

    def test_every_image_pays_for_the_policy_and_for_what_runs(self):
        opened = deciding.Decisions(
            tf.constant([[0.0, 0, 0], [1, 0, 1]]), (tf.ones([2, 1]),) * 3)
        table = self.net.costs
        nothing = table.stem + sum(table.skips) + table.layer_gates[0]
        self.assertAllEqual(
            self.net(_images(2), decisions=opened).spent[:, 0],
            [nothing, nothing + sum(table.runs[0]) + sum(table.runs[2])])

    def test_decisions_are_the_policy_s_and_are_obeyed(self):
        images = _images(6)
        chances = self.net.policy(images)
        thresholds = tf.tile(tf.reduce_mean(
            chances, axis=0, keepdims=True), [6, 2])
        outputs = self.net(images, thresholds=thresholds)
        self.assertAllClose(outputs.probabilities.layers, chances)
        self.assertAllEqual(
            outputs.decisions.layers,
            tf.cast(chances >= thresholds[:, :3], tf.float32))
        self.assertEqual(set(outputs.decisions.layers.numpy().ravel()), {0, 1})
        forced = self.net(images, decisions=outputs.decisions)
        self.assertAllClose(forced.logits, outputs.logits)
        self.assertAllEqual(forced.spent, outputs.spent)


class LearningTest(tf.test.TestCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.net = _network()

    def _gradients(self, phase, thresholds):
        """(of the policy's score bias, of the blocks' first kernel)."""
        with tf.GradientTape() as tape:
            terms, *_ = step.loss_terms(
                self.net, phase, _SCHEDULE, self.net.costs, _images(8),
                tf.range(8), steering.Steering(1.0), tf.constant(0.5),
                thresholds)
            loss = terms["policy_loss"]
        return tape.gradient(loss, [
            self.net.policy.score.bias, self.net.stem.kernel])

    def test_the_policy_learns_about_what_was_drawn_alone(self):
        drawn = np.random.default_rng(0).random([8, 6]).astype(np.float32)
        bias, kernel = self._gradients(_ALONE, tf.constant(drawn))
        self.assertIsNone(kernel)
        self.assertAllGreater(np.abs(bias), 0)
        drawn[:, :2] = 0  # only the last block is decided about
        bias, _ = self._gradients(_ALONE, tf.constant(drawn))
        self.assertAllEqual(bias[:2], [0, 0])
        self.assertGreater(abs(float(bias[2])), 0)

    def test_what_is_steered_is_what_a_device_will_decide(self):
        steered = steering.Steering(1.0)
        bias = self.net.policy.score.bias
        self.addCleanup(bias.assign, bias.numpy())
        bias.assign([9.0] * 3)  # every block runs, likeliest
        step.loss_terms(
            self.net, _ALONE, _SCHEDULE, self.net.costs, _images(8),
            tf.range(8), steered, tf.constant(0.5), tf.fill([8, 6], 0.99))
        prices = self.net.costs
        cost = prices.everything / prices.base
        self.assertAllClose(steered.cost, 0.95 + 0.05 * cost)
        self.assertAllClose(steered.skip_ratio, 0.95)

    def test_all_variables_of_the_policy_learn(self):
        with tf.GradientTape() as tape:
            terms, *_ = step.loss_terms(
                self.net, _TOGETHER, _SCHEDULE, self.net.costs, _images(8),
                tf.range(8), steering.Steering(1.0), tf.constant(0.5),
                tf.random.stateless_uniform([8, 6], [0, 1]))
            loss = tf.add_n(list(terms.values()))
        variables = self.net.gate_variables
        self.assertNotEmpty(variables)
        for variable, gradient in zip(
                variables, tape.gradient(loss, variables)):
            self.assertGreater(
                float(tf.reduce_max(tf.abs(gradient))), 0, variable.name)


class PhasesTest(tf.test.TestCase, parameterized.TestCase):

    def test_the_policy_learns_alone_then_with_the_rest(self):
        self.assertEqual(
            [(phase.name, phase.weights, phase.sampled, phase.curriculum)
             for phase in (_WARMUP, _ALONE, _TOGETHER)],
            [("warmup", False, False, False), ("skip", False, True, True),
             ("reinforce", True, True, False)])

    @parameterized.parameters((0, 1), (1, 2), (2, 2), (3, 3), (4, 3), (5, 4),
                              (8, 6), (9, 6))
    def test_blocks_come_in_from_the_last_to_the_first(self, index, expected):
        # 6 blocks in 10 steps: ceil(0.6 (index + 1)).
        self.assertEqual(
            course.blocks_decided(_ALONE, 6, index, 10), expected)
        self.assertEqual(course.blocks_decided(_TOGETHER, 6, index, 10), 6)

    def test_int8_is_an_error(self):
        with self.assertRaisesRegex(
                errors.ConfigError, "blockdrop: give --train_quantize_epochs"):
            phases.planned(_CONFIG, phases.Schedule(epochs={"quantize": 1}))


class ErrorsTest(tf.test.TestCase, parameterized.TestCase):

    @parameterized.parameters({"channel_gates": True}, {"layer_gates": False})
    def test_other_gates_are_an_error(self, **settings):
        with self.assertRaisesRegex(
                errors.ConfigError, "--model_layer_gates and --nomodel_chan"):
            _network(**settings)

    def test_blocks_that_cannot_be_skipped_are_an_error(self):
        with self.assertRaisesRegex(
                errors.ConfigError, "all be skipped; .* cannot"):
            _network(backbone="densenet", depth=22)

    def test_there_are_no_graphs_of_it(self):
        with self.assertRaisesRegex(
                errors.ExportError, "not exported or timed. Received: "
                "layer_gate of stage1_block1"):
            subgraphs.cut(_network(), subgraphs.masked)


if __name__ == "__main__":
    tf.test.main()
