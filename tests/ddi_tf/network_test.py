"""Tests of the gated network: what it decides, obeys, answers and spends."""

import dataclasses
import json

import numpy as np
import tensorflow as tf
import tf_keras
from absl.testing import parameterized

from ddi_tf import costs
from ddi_tf import deciding
from ddi_tf import errors
from ddi_tf import losses
from ddi_tf import network


def _build(**settings):
    """A ResNet8 on 16 x 16 images, its batch norms as if it were trained."""
    tf_keras.utils.set_random_seed(1)
    net = network.Network(network.NetworkConfig(
        **{"depth": 8, "image_shape": (16, 16, 3), **settings}))
    generator = np.random.default_rng(1)
    for variable in net.non_trainable_variables:
        low = 0.5 if "variance" in variable.name else -0.3
        variable.assign(generator.uniform(low, low + 1, variable.shape))
    return net


def _images(batch, size=16):
    return tf.random.stateless_normal([batch, size, size, 3], [0, 1])


def _forced(layers, masks):
    """`Decisions` of one image."""
    return deciding.Decisions(
        tf.constant([layers], tf.float32),
        tuple(tf.constant([mask], tf.float32) for mask in masks))


class PresetsTest(tf.test.TestCase, parameterized.TestCase):

    @parameterized.parameters(
        (8, 12_501_632), (14, 26_657_408), (20, 40_813_184), (38, 83_280_512),
        (74, 168_215_168), (110, 253_149_824))
    def test_macs_of_the_plain_backbone(self, depth, macs):
        # Gates and exits are no part of it; without them it is built faster.
        net = network.Network(network.NetworkConfig(
            depth=depth, layer_gates=False, channel_gates=False, exits=False))
        self.assertEqual(net.costs.base, macs)

    def test_gates_cost_little_of_an_ordinary_block(self):
        net = network.Network(network.NetworkConfig(depth=14))
        # They and the exits are no part of the base.
        self.assertEqual(net.costs.base, 26_657_408)
        ordinary = [k for k, block in enumerate(net.blocks)
                    if not block.skip_work.macs]
        self.assertLen(ordinary, 4)
        for k in ordinary:
            block, filters = sum(net.costs.runs[k]), net.blocks[k].filters
            dense = filters * 2
            self.assertEqual(net.costs.channel_gates[k] - dense, block / 8)
            self.assertLessEqual(net.costs.layer_gates[k], 0.0005 * block)


class ConfigTest(tf.test.TestCase):

    def test_it_survives_json(self):
        config = network.NetworkConfig(depth=20, groups=0, exits=False)
        values = json.loads(json.dumps(dataclasses.asdict(config)))
        copy = network.NetworkConfig.from_dict(values)
        self.assertEqual(copy, config)
        self.assertEqual(copy.image_shape, (32, 32, 3))

    def test_unknown_setting_is_an_error(self):
        values = dataclasses.asdict(network.NetworkConfig())
        with self.assertRaisesRegex(
                errors.ConfigError, "a network has no setting colour, hue"):
            network.NetworkConfig.from_dict(
                {**values, "hue": 2, "colour": "red"})

    def test_unknown_backbone_is_an_error(self):
        with self.assertRaisesRegex(
                errors.ConfigError,
                "`model_backbone` must be one of .*resnet.*Received: vgg"):
            network.Network(network.NetworkConfig(backbone="vgg"))

    def test_groups_must_divide_the_channels(self):
        with self.assertRaisesRegex(
                errors.ConfigError,
                "`model_groups` must divide .*stage1_block1 has 16. "
                "Received: 3"):
            network.Network(network.NetworkConfig(depth=8, groups=3))


class ForwardTest(tf.test.TestCase, parameterized.TestCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.net = _build()

    @parameterized.parameters(1, 3)
    def test_outputs_have_the_stated_shapes(self, batch):
        outputs = self.net(_images(batch))
        self.assertEqual(outputs.logits.shape, (batch, 10))
        self.assertEqual(
            [logits.shape for logits in outputs.exit_logits], [(batch, 10)] * 3)
        for decisions in (outputs.decisions, outputs.probabilities):
            self.assertEqual(decisions.layers.shape, (batch, 3))
            self.assertEqual(
                [mask.shape for mask in decisions.masks], [(batch, 2)] * 3)
        self.assertEqual(outputs.spent.shape, (batch, 4))
        self.assertEqual(outputs.spent.dtype, tf.float64)

    def test_decisions_are_the_rounded_probabilities(self):
        outputs = self.net(_images(3))
        for hard, soft in zip(tf.nest.flatten(outputs.decisions),
                              tf.nest.flatten(outputs.probabilities)):
            self.assertAllEqual(hard, tf.cast(soft >= 0.5, tf.float32))
            self.assertAllInRange(soft, 1e-6, 1 - 1e-6)

    def test_images_of_a_batch_do_not_see_each_other(self):
        images = _images(3)
        together = self.net(images)
        for b in range(3):
            alone = self.net(images[b:b + 1])
            self.assertAllClose(
                alone.logits[0], together.logits[b], atol=1e-4)
            self.assertAllClose(alone.probabilities.layers[0],
                                together.probabilities.layers[b], atol=1e-5)

    def test_exits_are_left_out_when_not_asked_for(self):
        images = _images(2)
        outputs = self.net(images, with_exits=False)
        self.assertEqual(outputs.exit_logits, ())
        self.assertAllClose(outputs.logits, self.net(images).logits)

    @parameterized.parameters(1, 3)
    def test_base_is_the_head_with_everything_open(self, batch):
        images = _images(batch)
        outputs = self.net(images, decisions=self.net.all_open(batch))
        self.assertAllClose(
            outputs.logits, self.net.base(images), atol=1e-6)
        self.assertAllEqual(outputs.decisions.layers, tf.ones([batch, 3]))

    def test_inference_changes_no_variable(self):
        before = [v.numpy() for v in self.net.variables]
        self.net(_images(2))
        for variable, value in zip(self.net.variables, before):
            self.assertAllEqual(variable, value)

    def test_variables_are_of_the_base_the_gates_or_the_exits(self):
        parts = (self.net.base_variables, self.net.gate_variables,
                 self.net.exit_variables)
        names = [v.ref() for part in parts for v in part]
        self.assertLen(set(names), len(names))
        self.assertEqual(
            set(names), {v.ref() for v in self.net.trainable_variables})


class PrecisionTest(tf.test.TestCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.exact = _build()
        cls.rounded = network.Network(cls.exact.config, "mixed_bfloat16")
        cls.rounded.copy_from(cls.exact)

    def test_stem_and_blocks_compute_in_it_and_the_rest_in_float32(self):
        net = self.rounded
        for part in (net.stem, *net.blocks):
            self.assertEqual(part.compute_dtype, "bfloat16")
        for part in (net.head, *net.gates, *net.exits.values()):
            self.assertEqual(part.compute_dtype, "float32")
        self.assertEqual({v.dtype for v in net.variables}, {tf.float32})
        self.assertEqual(
            tf_keras.mixed_precision.global_policy().name, "float32")

    def test_answers_are_those_of_float32_but_for_rounding(self):
        forced = self.exact.all_open(2)
        exact, rounded = (net(_images(2), decisions=forced)
                          for net in (self.exact, self.rounded))
        self.assertEqual(rounded.logits.dtype, tf.float32)
        self.assertNotAllClose(exact.logits, rounded.logits, rtol=0, atol=1e-6)
        scale = float(tf.reduce_max(tf.abs(exact.logits)))
        self.assertAllClose(
            exact.logits, rounded.logits, rtol=0, atol=0.05 * scale)

    def test_a_copy_is_equal_and_its_own(self):
        for ours, theirs in zip(self.rounded.variables, self.exact.variables):
            self.assertAllEqual(ours, theirs)
            self.assertIsNot(ours, theirs)


class ForcedDecisionsTest(tf.test.TestCase, parameterized.TestCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.net = _build()

    def test_skipped_blocks_are_not_in_the_answer(self):
        net, images = self.net, _images(1)
        outputs = net(images, decisions=_forced(
            [0, 1, 0], [[1, 1], [0, 1], [1, 1]]))
        x = net.stem(images)
        expected = [net.exits["stage1_block1"](x)]
        x = net.blocks[1].run_groups(x, groups=(1,), total=2)
        expected.append(net.exits["stage2_block1"](x))
        x = net.blocks[2].skip(x)
        expected.append(net.exits["stage3_block1"](x))
        self.assertAllClose(outputs.exit_logits, expected, atol=1e-4)
        self.assertAllClose(outputs.logits, net.head(x), atol=1e-4)

    def test_they_are_returned_as_they_were(self):
        forced = _forced([1, 0, 1], [[1, 0], [1, 1], [0, 0]])
        outputs = self.net(_images(1), decisions=forced)
        for given, hard, soft in zip(*map(tf.nest.flatten, (
                forced, outputs.decisions, outputs.probabilities))):
            self.assertAllEqual(hard, given)
            self.assertAllEqual(soft, given)

    def test_everything_else_of_the_batch_is_open(self):
        images = _images(3)
        decisions = self.net.all_open(3)
        closed = decisions.layers * tf.constant([[1.0], [0.0], [1.0]])
        outputs = self.net(images, decisions=decisions._replace(layers=closed))
        full = self.net.base(images)
        self.assertAllClose(outputs.logits[0], full[0], atol=1e-5)
        self.assertAllClose(outputs.logits[2], full[2], atol=1e-5)
        self.assertNotAllClose(outputs.logits[1], full[1])


def _flat(decisions):
    """`Decisions` -> [B, D], in the order of thresholds."""
    return tf.concat([decisions.layers, *decisions.masks], axis=1)


class ThresholdsTest(tf.test.TestCase, parameterized.TestCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.net = _build()

    @parameterized.parameters(
        ({}, 3 + 3 * 2), ({"groups": 0}, 3 + 16 + 32 + 64),
        ({"channel_gates": False}, 3 + 3), ({"layer_gates": False}, 3 + 3 * 2))
    def test_they_are_counted_per_block_and_group(self, settings, expected):
        self.assertEqual(_build(**settings).decision_count, expected)

    @parameterized.parameters({}, {"groups": 0})
    def test_each_is_that_of_one_decision(self, **settings):
        net = _build(**settings) if settings else self.net
        # All probabilities reach 0, and none reaches 1.
        closed = tf.eye(net.decision_count)
        outputs = net(_images(net.decision_count), thresholds=closed,
                      with_exits=False)
        self.assertAllEqual(_flat(outputs.decisions), 1 - closed)

    def test_a_probability_that_reaches_it_opens(self):
        images = _images(2)
        everything = self.net(images, thresholds=tf.zeros([2, 9]))
        self.assertAllEqual(_flat(everything.decisions), tf.ones([2, 9]))
        soft = _flat(everything.probabilities)
        below = self.net(images, thresholds=soft - 1e-4)
        self.assertAllEqual(_flat(below.decisions), tf.ones([2, 9]))
        # The first block's gates see what they saw before.
        above = self.net(images, thresholds=soft + 1e-4)
        self.assertAllEqual(above.decisions.layers[:, 0], [0.0, 0.0])
        self.assertAllEqual(above.decisions.masks[0], tf.zeros([2, 2]))

    def test_images_have_their_own(self):
        outputs = self.net(
            _images(2), thresholds=tf.constant([[0.0] * 9, [1.0] * 9]))
        self.assertAllEqual(
            _flat(outputs.decisions), [[1.0] * 9, [0.0] * 9])
        table = self.net.costs
        self.assertAllEqual(
            costs.full_path(table, outputs.spent),
            [table.everything, costs.least(table, self.net.all_closed(1))])

    def test_none_is_one_half(self):
        images = _images(3)
        for ours, theirs in zip(*(tf.nest.flatten(self.net(
                images, thresholds=thresholds)) for thresholds in (
                    None, tf.fill([3, 9], 0.5)))):
            self.assertAllEqual(ours, theirs)

    @parameterized.parameters(0.0, 1.0)
    def test_gradient_is_that_of_the_probabilities_by_chance(self, threshold):
        score = self.net.layer_gate.scores["stage1_block1"]
        with tf.GradientTape(persistent=True) as tape:
            outputs = self.net(
                _images(2), thresholds=tf.fill([2, 9], threshold))
            hard = outputs.decisions.layers[:, 0]
            soft = outputs.probabilities.layers[:, 0]
            chance = tf.stop_gradient(tf.abs(soft - threshold))
            halves = soft / (2 * chance)
        ours, theirs = (tape.gradient(value, score.trainable_variables)
                        for value in (hard, halves))
        self.assertNotAllClose(ours[1], [0.0])
        for a, b in zip(ours, theirs):
            self.assertAllClose(a, b)

    def test_forced_decisions_know_none(self):
        outputs = self.net(
            _images(2), decisions=self.net.all_open(2),
            thresholds=tf.ones([2, 9]))
        self.assertAllEqual(_flat(outputs.decisions), tf.ones([2, 9]))

    def test_gates_are_the_layer_gate_and_the_channel_gates(self):
        self.assertEqual(self.net.gates, [
            self.net.layer_gate, *self.net.channel_gates.values()])
        self.assertEqual(
            [v.ref() for v in self.net.gate_variables],
            [v.ref() for gate in self.net.gates
             for v in gate.trainable_variables])
        self.assertLen(self.net.gates, 1 + 3)
        self.assertLen(_build(layer_gates=False).gates, 3)
        self.assertLen(_build(channel_gates=False).gates, 1)


class SpentTest(tf.test.TestCase):

    def test_spent_by_hand_on_resnet8(self):
        net = network.Network(network.NetworkConfig(depth=8))
        outputs = net(_images(1, size=32), decisions=_forced(
            [1, 0, 1], [[1, 0], [1, 1], [0, 0]]))
        stem, gate, channel_gate = 442_368, 970, 589_856
        first = stem + gate + channel_gate + 4_718_592 // 2
        second = first + gate + 131_072        # skipped: its shortcut alone
        third = second + 1130 + 131_072 + 589_888   # asked, and no channel open
        self.assertAllEqual(outputs.spent, [[first, second, third, third]])
        self.assertAllEqual(
            costs.full_path(net.costs, outputs.spent),
            [third + 39_424 + 152_576 + 600_064 + 640])


class GradientTest(tf.test.TestCase, parameterized.TestCase):

    @parameterized.parameters(
        ("inner", 1), ("inner", 3), ("output", 1), ("both", 3))
    def test_accuracy_loss_reaches_every_gate(self, mask_site, batch):
        net = _build(mask_site=mask_site)
        with tf.GradientTape() as tape:
            outputs = net(_images(batch), training=True, with_exits=False)
            loss = losses.cross_entropy(outputs.logits, tf.range(batch))
        self._assert_all_non_zero(
            net.gate_variables, tape.gradient(loss, net.gate_variables))

    @parameterized.parameters("inner", "both")
    def test_resource_loss_reaches_every_gate(self, mask_site):
        # With one group "any channel is open" has a gradient of its own.
        net = _build(mask_site=mask_site, groups=1)
        with tf.GradientTape() as tape:
            outputs = net(_images(2), training=True, with_exits=False)
            full_path = costs.full_path(net.costs, outputs.spent)
            loss = losses.resource(full_path, net.costs.base)
        self._assert_all_non_zero(
            net.gate_variables, tape.gradient(loss, net.gate_variables))

    def test_every_answer_together_reaches_every_variable(self):
        net = _build()
        with tf.GradientTape() as tape:
            outputs = net(_images(3), training=True)
            loss = losses.with_exits([
                losses.cross_entropy(logits, tf.range(3))
                for logits in (outputs.logits, *outputs.exit_logits)])
        self._assert_all_non_zero(
            net.trainable_variables,
            tape.gradient(loss, net.trainable_variables))

    def _assert_all_non_zero(self, variables, gradients):
        self.assertNotEmpty(variables)
        for variable, gradient in zip(variables, gradients):
            self.assertIsNotNone(gradient, variable.name)
            self.assertTrue(
                np.all(np.isfinite(gradient)), f"{variable.name}: {gradient}")
            self.assertTrue(np.any(gradient != 0), variable.name)


class VariantsTest(tf.test.TestCase):

    def test_groups_of_zero_decide_about_every_channel(self):
        net = _build(groups=0)
        outputs = net(_images(2))
        self.assertEqual([mask.shape for mask in outputs.decisions.masks],
                         [(2, 16), (2, 32), (2, 64)])
        open_ = net(_images(2), decisions=net.all_open(2))
        self.assertAllClose(open_.logits, net.base(_images(2)), atol=1e-6)

    def test_without_layer_gates_every_block_runs(self):
        net = _build(layer_gates=False)
        outputs = net(_images(2))
        self.assertIsNone(net.layer_gate)
        self.assertAllEqual(outputs.decisions.layers, tf.ones([2, 3]))
        self.assertEqual([mask.shape for mask in outputs.decisions.masks],
                         [(2, 2)] * 3)
        self.assertEqual(net.costs.layer_gates, (0, 0, 0))

    def test_without_channel_gates_every_channel_runs(self):
        net = _build(channel_gates=False)
        outputs = net(_images(2))
        for mask in outputs.decisions.masks:
            self.assertAllEqual(mask, tf.ones([2, 1]))
        self.assertEqual(outputs.probabilities.layers.shape, (2, 3))
        self.assertEqual(net.costs.channel_gates, (0, 0, 0))
        skipped = net(_images(2), decisions=net.all_open(2)._replace(
            layers=tf.zeros([2, 3])))
        self.assertAllEqual(
            skipped.spent[:, -1], [net.costs.stem + sum(net.costs.skips)
                                   + sum(net.costs.layer_gates)] * 2)

    def test_without_gates_it_is_the_plain_backbone(self):
        net = _build(layer_gates=False, channel_gates=False)
        outputs = net(_images(2))
        self.assertEmpty(net.gate_variables)
        self.assertAllEqual(outputs.logits, net.base(_images(2)))
        self.assertAllEqual(
            outputs.spent[:, -1], [net.costs.base - net.costs.head] * 2)

    def test_without_exits_only_the_head_answers(self):
        net = _build(exits=False)
        outputs = net(_images(2))
        self.assertEmpty(net.exit_variables)
        self.assertEqual(outputs.exit_logits, ())
        self.assertEqual(outputs.spent.shape, (2, 1))
        self.assertEqual(net.costs.answers, (640,))


if __name__ == "__main__":
    tf.test.main()
