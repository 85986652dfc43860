"""What every backbone must do, small: decide, learn, and be cut and counted."""

import functools

import numpy as np
import pytest
import subgraphs_test
import tensorflow as tf
import tf_keras
from absl.testing import parameterized

from ddi_tf import block as block_lib
from ddi_tf import data
from ddi_tf import deciding
from ddi_tf import network as network_lib
from ddi_tf import phases
from ddi_tf import steering
from ddi_tf import step
from ddi_tf import subgraphs

_SMALL = {"image_shape": (16, 16, 3)}
CASES = {
    "resnet8": {**_SMALL, "backbone": "resnet", "depth": 8},
    "densenet22": {**_SMALL, "backbone": "densenet", "depth": 22},
    "mobilenetv2": {**_SMALL, "backbone": "mobilenetv2", "depth": 53,
                    "width": 0.25},
    "resnet18": {"backbone": "imagenet_resnet", "depth": 18, "width": 0.25,
                 "image_shape": (64, 64, 3)},
    "resnet50": {"backbone": "imagenet_resnet", "depth": 50, "width": 0.25,
                 "image_shape": (64, 64, 3)},
}
_LARGE = {"densenet121": {
    "backbone": "imagenet_densenet", "depth": 121, "width": 0.125,
    "image_shape": (64, 64, 3)}}

# Compiling a training step takes a second per block or two.
_QUICK = ("densenet22", "resnet18")
_SLOW = ("mobilenetv2", "resnet50", "densenet121")

_BATCH = 4


@functools.cache
def _network(name, mask_site="inner"):
    """A network with uneven batch norms; nothing changes it."""
    tf_keras.utils.set_random_seed(1)
    net = network_lib.Network(network_lib.NetworkConfig(
        **{**CASES, **_LARGE}[name], mask_site=mask_site))
    generator = np.random.default_rng(1)
    for variable in net.variables:
        if "variance" in variable.name:
            variable.assign(generator.uniform(0.5, 1.5, variable.shape))
        elif "norm" in variable.name:
            variable.assign(
                variable + generator.normal(0, 0.2, variable.shape))
    return net


def _images(net, batch):
    return tf.random.stateless_normal([batch, *net.config.image_shape], [0, 1])


def _decisions(net, seed):
    """Random `Decisions` of one image; only what gates may say."""
    generator = np.random.default_rng(seed)
    layers, masks = np.ones([1, len(net.blocks)], np.float32), []
    for k, block in enumerate(net.blocks):
        mask = np.ones([1, subgraphs.groups_of(net, block)], np.float32)
        if net.layer_gating.decides(block):
            layers[0, k] = generator.integers(0, 2)
        if net.channel_gating.decides(block):
            first = 0 if block.skippable else 1
            mask[:, first:] = generator.integers(0, 2, mask[:, first:].shape)
        masks.append(tf.constant(mask))
    return deciding.Decisions(tf.constant(layers), tuple(masks))


def _walk(cut, images, decisions):
    """(exits' logits, head's logits), of what a device would run."""
    x, exit_logits = cut.stem.function(images), []
    for k, step_ in enumerate(cut.steps):
        x = _after(step_, x, decisions.layers[0, k], decisions.masks[k])
        if step_.exit:
            exit_logits.append(step_.exit.function(x))
    return exit_logits, cut.head.function(x)


def _after(step_, x, gate, mask):
    """The features after a step; a device appends what blocks leave."""
    wanted = tuple(np.flatnonzero(mask[0]).tolist())
    if not gate or not wanted:
        if step_.appended:
            return tf.pad(x, [[0, 0]] * 3 + [[0, step_.appended]])
        return step_.skip.function(x) if step_.skip else x
    variant = next(variant for variant in step_.variants
                   if variant.masked or variant.groups == wanted)
    made = variant.graph.function(x, *([mask] if variant.masked else []))
    return tf.concat([x, made], axis=3) if step_.appended else made


class Contract(tf.test.TestCase, parameterized.TestCase):

    def assert_forward(self, name):
        net = _network(name)
        outputs = net(_images(net, 2))
        self.assertEqual(outputs.logits.shape, (2, 10))
        self.assertEqual([logits.shape for logits in outputs.exit_logits],
                         [(2, 10)] * len(net.exits))
        self.assertBetween(len(net.exits), 3, 8)
        self.assertEqual(outputs.decisions.layers.shape, (2, len(net.blocks)))
        self.assertAllGreater(
            [np.ptp(logits) for logits in outputs.exit_logits], 0)

    def assert_base(self, name):
        net = _network(name)
        images = _images(net, 2)
        self.assertAllClose(
            net(images, decisions=net.all_open(2)).logits, net.base(images),
            rtol=1e-5, atol=1e-5)

    def assert_pieces_are_the_network(self, name, mask_site):
        net = _network(name, mask_site)
        cut = subgraphs.cut(net, subgraphs.every_set(3))
        images = _images(net, 1)
        decisions = _decisions(net, seed=len(net.blocks))
        exit_logits, logits = _walk(cut, images, decisions)
        outputs = net(images, decisions=decisions)
        close = dict(rtol=0, atol=1e-5 * float(
            tf.reduce_max(tf.abs(outputs.logits))))
        self.assertAllClose(logits, outputs.logits, **close)
        self.assertAllClose(exit_logits, outputs.exit_logits, rtol=1e-4,
                            atol=1e-4)

    def assert_gradients(self, name):
        net = _network(name)
        with tf.GradientTape() as tape:
            outputs = net(_images(net, _BATCH), training=True)
            value = sum(tf.reduce_mean(logits**2) for logits in (
                *outputs.exit_logits, outputs.logits))
        for gate, gradients in zip(net.gates, tape.gradient(
                value, [gate.biases for gate in net.gates])):
            for gradient in gradients:
                self.assertTrue(np.all(np.isfinite(gradient)), gate.name)
                self.assertNotAllEqual(gradient, tf.zeros_like(gradient),
                                       gate.name)

    def assert_macs(self, name):
        net = _network(name)
        whole, exact = (subgraphs.cut(net, ways) for ways in (
            subgraphs.masked, subgraphs.every_set(3)))
        for graph in exact.graphs:
            self.assertEqual(subgraphs_test._traced_macs(graph), graph.macs,
                             graph.name)
        path = [graph.macs for step_ in whole.steps for graph in step_.graphs
                if graph.role != "skip"]  # which the blocks' graphs contain
        self.assertEqual(whole.stem.macs + sum(path) + whole.head.macs,
                         net.costs.everything)

    def assert_training_steps(self, name):
        tf_keras.utils.set_random_seed(1)
        net = network_lib.Network(network_lib.NetworkConfig(
            **{**CASES, **_LARGE}[name]))
        phase, = (p for p in phases.PHASES if p.name == "exits")
        schedule = phases.Schedule(target_cost=0.5)
        optimizer = tf_keras.optimizers.SGD(0.1)
        optimizer.build(net.trainable_variables)
        function = step.make(
            net, optimizer, steering.Steering(schedule.alpha), phase, schedule,
            net.costs, data.Scaling((127.0,) * 3, (64.0,) * 3))
        generator = np.random.default_rng(0)
        batch = (
            tf.constant(generator.integers(
                0, 256, [_BATCH, *net.config.image_shape]), tf.uint8),
            tf.range(_BATCH), tf.range(_BATCH),
            tf.constant(generator.integers(0, 9, [_BATCH, 2]), tf.int32),
            tf.constant([True, False] * (_BATCH // 2)),
            tf.fill([_BATCH, net.decision_count], 0.5),
            tf.constant(0.01), tf.constant(0.5))
        before = [variable.numpy() for variable in net.trainable_variables]
        losses = [float(function(*batch)["loss"]) for _ in range(2)]
        self.assertTrue(np.all(np.isfinite(losses)), losses)
        for variable, value in zip(net.trainable_variables, before):
            self.assertNotAllEqual(variable, value, variable.name)


class BackbonesTest(Contract):

    def test_every_family_is_here(self):
        self.assertEqual(
            {case["backbone"] for case in (*CASES.values(), *_LARGE.values())},
            set(network_lib.BACKBONES))

    @parameterized.parameters(*CASES)
    def test_it_answers_at_every_exit_and_says_what_it_decided(self, name):
        self.assert_forward(name)

    @parameterized.parameters(*CASES)
    def test_all_open_is_the_plain_backbone(self, name):
        self.assert_base(name)

    @parameterized.product(name=tuple(CASES), mask_site=block_lib.MASK_SITES)
    def test_walking_the_pieces_is_the_masked_forward(self, name, mask_site):
        self.assert_pieces_are_the_network(name, mask_site)

    @parameterized.parameters(*CASES)
    def test_a_gradient_reaches_every_gate(self, name):
        self.assert_gradients(name)

    @parameterized.parameters(*CASES)
    def test_macs_are_those_of_the_operations_and_add_up(self, name):
        self.assert_macs(name)

    @parameterized.parameters(*_QUICK)
    def test_two_training_steps_move_everything(self, name):
        self.assert_training_steps(name)


@pytest.mark.slow
class SlowTest(Contract):

    @parameterized.parameters(*_SLOW)
    def test_two_training_steps_move_everything(self, name):
        self.assert_training_steps(name)

    def test_a_densenet_for_imagenet_does_the_rest(self):
        self.assert_forward("densenet121")
        self.assert_base("densenet121")
        self.assert_gradients("densenet121")
        self.assert_macs("densenet121")

    @parameterized.parameters(*block_lib.MASK_SITES)
    def test_walking_a_densenet_for_imagenet_is_its_forward(self, mask_site):
        self.assert_pieces_are_the_network("densenet121", mask_site)


if __name__ == "__main__":
    tf.test.main()
