"""What every backbone must do, small: decide, learn, and be cut and counted."""

import functools

import backbone_cases
import numpy as np
import pytest
import subgraphs_test
import tensorflow as tf
import training_case
from absl.testing import parameterized

from ddi_tf import block as block_lib
from ddi_tf import deciding
from ddi_tf import network as network_lib
from ddi_tf import subgraphs

# Compiling a training step takes a second per block or two.
_QUICK = ("densenet22", "resnet18")
_LARGE = ("resnet34", "densenet121")
_SLOW = ("mobilenetv2", "resnet50", *_LARGE)
CASES = tuple(name for name in backbone_cases.NETWORKS if name not in _LARGE)

_BATCH = 4


@functools.cache
def _network(name, mask_site="inner"):
    """A network with uneven batch norms; nothing changes it."""
    net = backbone_cases.make(name, mask_site=mask_site)
    generator = np.random.default_rng(1)
    for variable in net.variables:
        if "variance" in variable.name:
            variable.assign(generator.uniform(0.5, 1.5, variable.shape))
        elif "norm" in variable.name:
            variable.assign(
                variable + generator.normal(0, 0.2, variable.shape))
    return net


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


class Contract(training_case.TrainingCase, parameterized.TestCase):

    def assert_forward(self, name):
        net = _network(name)
        outputs = net(backbone_cases.images_for(net, 2))
        self.assertEqual(outputs.logits.shape, (2, 10))
        self.assertEqual([logits.shape for logits in outputs.exit_logits],
                         [(2, 10)] * len(net.exits))
        self.assertBetween(len(net.exits), 3, 8)
        self.assertEqual(outputs.decisions.layers.shape, (2, len(net.blocks)))
        self.assertAllGreater(
            [np.ptp(logits) for logits in outputs.exit_logits], 0)

    def assert_base(self, name):
        net = _network(name)
        images = backbone_cases.images_for(net, 2)
        self.assertAllClose(
            net(images, decisions=net.all_open(2)).logits, net.base(images),
            rtol=1e-5, atol=1e-5)

    def assert_pieces_are_the_network(self, name, mask_site):
        net = _network(name, mask_site)
        cut = subgraphs.cut(net, subgraphs.every_set(3))
        images = backbone_cases.images_for(net, 1)
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
            outputs = net(backbone_cases.images_for(net, _BATCH), training=True)
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
        self.assert_steps_teach(backbone_cases.make(name), "exits")


class BackbonesTest(Contract):

    def test_every_family_is_here(self):
        self.assertEqual(
            {case["backbone"] for case in backbone_cases.NETWORKS.values()},
            set(network_lib.BACKBONES))

    @parameterized.parameters(*CASES)
    def test_it_answers_at_every_exit_and_says_what_it_decided(self, name):
        self.assert_forward(name)

    @parameterized.parameters(*CASES)
    def test_all_open_is_the_plain_backbone(self, name):
        self.assert_base(name)

    @parameterized.product(name=CASES, mask_site=block_lib.MASK_SITES)
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

    @parameterized.parameters(*_LARGE)
    def test_large_ones_do_the_rest(self, name):
        self.assert_forward(name)
        self.assert_base(name)
        self.assert_gradients(name)
        self.assert_macs(name)
        for mask_site in block_lib.MASK_SITES:
            self.assert_pieces_are_the_network(name, mask_site)

    def test_densenet121_at_224_pixels_takes_a_training_step(self):
        net = backbone_cases.make(
            "densenet121", width=1.0, image_shape=(224, 224, 3), classes=1000)
        self.assertEqual(net.costs.base, 2_834_161_664)
        with training_case.eagerly():
            self.assert_steps_teach(net, "exits", steps=1, batch=2)


if __name__ == "__main__":
    tf.test.main()
