"""Tests of adaptive computation time: halting, ponder cost, MACs, training."""

import dataclasses

import numpy as np
import tensorflow as tf
import tf_keras
from absl.testing import parameterized

import training_case
from ddi_tf import costs
from ddi_tf import deciding
from ddi_tf import errors
from ddi_tf import network
from ddi_tf import phases
from ddi_tf import run_folder
from ddi_tf import strategies
from ddi_tf import subgraphs
from ddi_tf.peers import act

# Two blocks per stage, on 16 x 16, 8 x 8 and 4 x 4.
_CONFIG = network.NetworkConfig(
    depth=14, image_shape=(16, 16, 3), channel_gates=False, exits=False,
    strategy="act")


def _build(**settings):
    tf_keras.utils.set_random_seed(1)
    return strategies.make(dataclasses.replace(_CONFIG, **settings))


def _images(batch):
    return tf.random.stateless_normal([batch, 16, 16, 3], [0, 1])


def _go_on(net, value):
    """Makes every score sigmoid(-value), whatever the features are."""
    for score in net.gates:
        score.dense.kernel.assign(tf.zeros_like(score.dense.kernel))
        score.dense.bias.assign([value])


def _halt(scores):
    """What comes of a stage's scores, of one image each row, block by block.

    Every block leaves its number, from 1: (active before each block [B, L],
    decided likewise, `Halting` at the end).
    """
    halting = act.Halting([scores.shape[0], 1, 1, 1])
    active, decided = [], []
    blocks = [*tf.unstack(scores[:, None, None, None], axis=-1), 1.0]
    for block, score in enumerate(blocks, start=1):
        active.append(halting.active[:, 0, 0, 0])
        decided.append(halting.decided[:, 0, 0, 0])
        halting.add(tf.fill([scores.shape[0], 1, 1, 1], float(block)), score)
    return tf.stack(active, axis=1), tf.stack(decided, axis=1), halting


class HaltingTest(tf.test.TestCase, parameterized.TestCase):

    @parameterized.named_parameters(
        # h_1 to h_3, h_4 = 1; blocks executed; R; sum_l p_l l.
        ("never", [0.1, 0.2, 0.3], 4, 0.4, 0.1 + 2 * 0.2 + 3 * 0.3 + 4 * 0.4),
        ("third", [0.1, 0.2, 0.7], 3, 0.7, 0.1 + 2 * 0.2 + 3 * 0.7),
        ("third_by_far", [0.1, 0.2, 0.9], 3, 0.7, 0.1 + 2 * 0.2 + 3 * 0.7),
        ("second", [0.5, 0.6, 0.0], 2, 0.5, 0.5 + 2 * 0.5),
        ("first", [0.995, 0.6, 0.4], 1, 1.0, 1.0),
        ("short_of_eps", [0.985, 0.0, 0.0], 4, 0.015, 0.985 + 4 * 0.015))
    def test_a_stage_by_hand(self, scores, executed, remainder, output):
        active, decided, halting = _halt(tf.constant([scores]))
        self.assertAllEqual(
            active[0], [1.0] * executed + [0.0] * (4 - executed))
        self.assertAllEqual(decided, active)
        self.assertAllClose(halting.remainder[0, 0, 0, 0], remainder)
        self.assertAllClose(halting.output[0, 0, 0, 0], output)

    def test_shares_add_up_to_1(self):
        scores = tf.random.stateless_uniform([50, 3], [3, 4])
        halting = act.Halting([50, 1, 1, 1])
        for score in tf.unstack(scores, axis=1):
            halting.add(tf.ones([50, 1, 1, 1]), score[:, None, None, None])
        halting.add(tf.ones([50, 1, 1, 1]), 1.0)
        self.assertAllClose(halting.output, tf.ones([50, 1, 1, 1]))

    def test_images_halt_by_themselves(self):
        rows = tf.constant([[0.1, 0.2, 0.3], [0.995, 0.6, 0.4]])
        together, _, _ = _halt(rows)
        for row in range(2):
            alone, _, _ = _halt(rows[row:row + 1])
            self.assertAllEqual(together[row], alone[0])

    @parameterized.named_parameters(
        # N + R = 4 + 1 - h_1 - h_2 - h_3; 3 + 1 - h_1 - h_2; 1 + 1.
        ("never", [0.1, 0.2, 0.3], [-1, -1, -1]),
        ("third", [0.1, 0.2, 0.7], [-1, -1, 0]),
        ("first", [0.995, 0.6, 0.4], [0, 0, 0]))
    def test_what_is_decided_has_the_gradient_of_the_ponder_cost(
            self, scores, expected):
        scores = tf.constant([scores])
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(scores)
            active, decided, halting = _halt(scores)
            executed = tf.reduce_sum(decided)
            ponder = tf.reduce_sum(active) + tf.reduce_sum(halting.remainder)
        for cost in (executed, ponder):
            gradient = tape.gradient(
                cost, scores, unconnected_gradients="zero")
            self.assertAllEqual(gradient[0], expected)


class ScoreTest(tf.test.TestCase):

    def test_value_by_hand(self):
        score = act.Score((1, 2, 2))
        features = tf.constant([[[[1.0, 2.0], [3.0, 6.0]]]])
        score(features)
        score.dense.kernel.assign([[0.5], [-1.0]])
        score.dense.bias.assign([0.5])
        # Pooled 2 and 4; go on: 1 - 4 + 0.5 = -2.5.
        self.assertAllClose(score(features), [1 / (1 + np.exp(-2.5))])

    def test_it_begins_near_0(self):
        score = act.Score((1, 1, 4))
        self.assertAllClose(
            score(tf.zeros([1, 1, 1, 4])), [1 / (1 + np.exp(3.0))])

    def test_it_survives_its_config(self):
        score = act.Score((4, 4, 8), name="one")
        copy = act.Score.from_config(score.get_config())
        self.assertEqual(copy.get_config(), score.get_config())

    def test_work_by_hand(self):
        # Reads 4 x 4 x 8 numbers, then 8 pooled to 1, with 9 parameters.
        self.assertEqual(
            act.Score((4, 4, 8)).work, (8, 9, 4 * 4 * 8 + 8 + 1))


class ForwardTest(tf.test.TestCase, parameterized.TestCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.net = _build()

    @parameterized.parameters(1, 3)
    def test_outputs_have_the_stated_shapes(self, batch):
        outputs = self.net(_images(batch))
        self.assertEqual(outputs.logits.shape, (batch, 10))
        self.assertEqual(outputs.exit_logits, ())
        for decisions in (outputs.decisions, outputs.probabilities):
            self.assertEqual(decisions.layers.shape, (batch, 6))
            self.assertEqual(
                [mask.shape for mask in decisions.masks], [(batch, 1)] * 6)
        self.assertEqual(outputs.spent.shape, (batch, 1))

    def test_every_block_but_a_stage_s_last_has_a_score(self):
        self.assertEqual(list(self.net.scores), [
            f"stage{stage}_block1" for stage in (1, 2, 3)])
        self.assertLen(_build(depth=20).gates, 6)
        self.assertEmpty(_build(depth=8).gates)

    def test_a_stage_leaves_the_weighted_sum(self):
        net, images = _build(), _images(2)
        _go_on(net, 0.0)  # every score is one half
        x = net.stem(images)
        for first, second in zip(net.blocks[::2], net.blocks[1::2]):
            x = first(x)
            x = 0.5 * x + 0.5 * second(x)
        outputs = net(images)
        self.assertAllClose(outputs.logits, net.head(x), atol=1e-5)
        self.assertAllEqual(outputs.decisions.layers, tf.ones([2, 6]))
        self.assertAllClose(
            outputs.probabilities.layers, [[1, 0.5, 1, 0.5, 1, 0.5]] * 2)

    def test_what_is_halted_leaves_no_trace(self):
        net, images = _build(), _images(2)
        _go_on(net, -5.0)
        outputs = net(images)
        x = net.stem(images)
        for block in net.blocks[::2]:
            x = block(x)
        self.assertAllClose(outputs.logits, net.head(x), atol=1e-5)
        self.assertAllEqual(
            outputs.decisions.layers, [[1, 0, 1, 0, 1, 0]] * 2)

    def test_all_open_is_the_plain_backbone(self):
        images = _images(3)
        outputs = self.net(images, decisions=self.net.all_open(3))
        self.assertAllClose(outputs.logits, self.net.base(images), atol=1e-6)

    def test_given_decisions_are_obeyed(self):
        images = _images(1)
        layers = tf.constant([[1.0, 0.0, 1.0, 1.0, 1.0, 0.0]])
        decisions = deciding.Decisions(layers, (tf.ones([1, 1]),) * 6)
        outputs = self.net(images, decisions=decisions)
        x = self.net.stem(images)
        for index in (0, 2, 3, 4):
            x = self.net.blocks[index](x)
        self.assertAllClose(outputs.logits, self.net.head(x), atol=1e-5)
        self.assertAllEqual(outputs.decisions.layers, layers)

    def test_bfloat16_decides_as_float32(self):
        rounded = strategies.make(_CONFIG, "mixed_bfloat16")
        rounded.copy_from(self.net)
        images = _images(2)
        exact = self.net(images)
        self.assertAllClose(
            rounded(images).logits, exact.logits, rtol=0.1, atol=0.1)


class CostTest(tf.test.TestCase):

    def test_macs_by_hand(self):
        net, images = _build(), _images(2)
        # Stem, blocks of two 3x3, projections, head: 16 x 16 and smaller.
        stem = 256 * 9 * 3 * 16
        ordinary = 2 * 256 * 9 * 16 * 16  # the same in every stage
        second = 64 * (9 * 16 * 32 + 9 * 32 * 32 + 16 * 32)
        third = 16 * (9 * 32 * 64 + 9 * 64 * 64 + 32 * 64)
        always = stem + ordinary + second + third
        self.assertEqual(net.costs.base, always + 3 * ordinary + 640)
        # Whoever runs a first block asks the score behind it.
        self.assertEqual(costs.least(net.costs, net.all_closed(1)),
                         always + 112 + 640)
        self.assertEqual(net.costs.everything, net.costs.base + 16 + 32 + 64)
        _go_on(net, 5.0)
        self.assertAllEqual(
            net(images).spent[:, 0], [always + 3 * ordinary + 112] * 2)
        _go_on(net, -5.0)
        self.assertAllEqual(net(images).spent[:, 0], [always + 112] * 2)

    def test_scores_behind_the_halt_are_not_paid(self):
        net = _build(depth=20)  # three blocks per stage
        ordinary = 2 * 256 * 9 * 16 * 16
        _go_on(net, -5.0)
        halted = net(_images(1)).spent[0, 0]
        self.assertEqual(
            net.costs.everything - 640 - halted,
            6 * ordinary + 16 + 32 + 64)

    def test_gradient_is_the_ponder_costs(self):
        net = _build()
        scores = tf.Variable([0.25, 0.5, 0.75])
        ordinary = 2 * 256 * 9 * 16 * 16
        with tf.GradientTape() as tape:
            decided = [_halt(scores[k:k + 1][None])[1] for k in range(3)]
            spent = costs.spent(net.costs, deciding.Decisions(
                tf.concat(decided, axis=1), (tf.ones([1, 1]),) * 6))
        self.assertAllEqual(tape.gradient(spent, scores), [-ordinary] * 3)


class TrainingTest(training_case.TrainingCase):

    def test_two_steps_teach_weights_and_scores(self):
        self.assert_steps_teach(_build())

    def test_the_price_of_work_moves_scores_towards_halting(self):
        net = _build()
        with tf.GradientTape() as tape:
            outputs = net(_images(4), training=True)
            cost = tf.reduce_mean(outputs.spent)
        for score, gradient in zip(net.gates, tape.gradient(
                cost, [score.dense.bias for score in net.gates])):
            self.assertGreater(gradient[0], 0, score.name)


class RunFolderTest(tf.test.TestCase):

    def test_it_comes_back_from_a_run(self):
        net, images = _build(), _images(2)
        _go_on(net, 0.5)
        folder = run_folder.RunFolder(self.get_temp_dir())
        folder.create({"network": dataclasses.asdict(net.config)}, "")
        folder.save_phase("skip", net)
        found = folder.load_network("skip")
        self.assertIsInstance(found, act.ACT)
        self.assertAllClose(
            found(images).probabilities.layers,
            net(images).probabilities.layers)


class ErrorsTest(tf.test.TestCase, parameterized.TestCase):

    @parameterized.parameters(
        {"exits": True}, {"channel_gates": True}, {"layer_gates": False},
        {"backbone": "densenet", "depth": 22})
    def test_other_networks_are_refused(self, **settings):
        with self.assertRaisesRegex(
                errors.ConfigError, "`model_strategy` act decides about the "
                "blocks of a resnet .*--nomodel_exits. Received: backbone="):
            _build(**settings)

    def test_unknown_strategy_is_an_error(self):
        with self.assertRaisesRegex(
                errors.ConfigError, "`model_strategy` must be one of gates, "
                ".*Received: fastest"):
            _build(strategy="fastest")

    @parameterized.parameters("reinforce", "quantize")
    def test_phases_of_gates_alone_are_refused(self, name):
        with self.assertRaisesRegex(
                errors.ConfigError, f"act: give --train_{name}_epochs=0. "
                "Received: 2"):
            phases.planned(_CONFIG, phases.Schedule(epochs={name: 2}))

    def test_it_cannot_be_cut_for_a_device(self):
        with self.assertRaisesRegex(
                errors.ExportError, "not exported or timed. Received: halting "
                "scores for stage1_block1"):
            subgraphs.cut(_build(), subgraphs.masked)


if __name__ == "__main__":
    tf.test.main()
