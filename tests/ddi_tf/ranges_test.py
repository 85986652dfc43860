"""Tests of finding int8 ranges on the way that a device goes."""

import gate_case
import numpy as np
import tensorflow as tf
import tf_keras
from absl.testing import parameterized

from ddi_tf import data
from ddi_tf import errors
from ddi_tf import network as network_lib
from ddi_tf import quantization
from ddi_tf import ranges
from ddi_tf import traces

_SCALING = data.Scaling((128.0,) * 3, (64.0,) * 3)


def _network(seed=0, depth=8, **settings):
    tf_keras.utils.set_random_seed(seed)
    net = network_lib.Network(network_lib.NetworkConfig(
        depth=depth, image_shape=(16, 16, 3), **settings))
    for score in gate_case.scores(net):  # of both minds
        score.bias.assign(tf.zeros_like(score.bias))
        score.kernel.assign(4 * score.kernel)
    return net


def _images(count, seed=1):
    coarse = np.random.default_rng(seed).integers(0, 256, [count, 4, 4, 3])
    return coarse.repeat(4, axis=1).repeat(4, axis=2).astype(np.uint8)


def _open_all_but(net, closed):
    """Closes one block for every image, and opens all others."""
    for bias in net.layer_gate.biases:
        bias.assign([50.0])
    for name, gate in net.channel_gates.items():
        gate.score.bias.assign(2 * [-50.0 if name == closed else 50.0])


def _value(range_):
    return float(range_.low), float(range_.high)


class FoundTest(tf.test.TestCase, parameterized.TestCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.images = _images(40)
        cls.net = _network()
        cls.float = traces.Tracer(cls.net, _SCALING).collect(
            data.Split(cls.images, np.zeros(40, np.int32)))
        ranges.attach(cls.net, _SCALING)
        cls.found = ranges.find(
            cls.net, _SCALING, cls.images, _images(10, seed=2))

    def test_images_have_the_range_that_pixels_can_have(self):
        self.assertAllClose(_value(self.net.image_range), (-2.0, 127 / 64))

    def test_a_stage_has_one_range(self):
        net = self.net
        self.assertIs(net.blocks[0].range, net.stem.range)
        self.assertIs(net.blocks[1].in_range, net.blocks[0].range)
        self.assertIsNot(net.blocks[1].range, net.blocks[0].range)

    def test_other_images_lie_mostly_inside(self):
        self.assertEqual(self.found.images, 40)
        self.assertBetween(self.found.saturated, 0, 0.01)
        self.assertGreaterEqual(self.found.worst_share, self.found.saturated)

    def test_the_network_rounds_from_then_on_and_hardly_differs(self):
        self.assertEqual(self.net.rounding.mode, quantization.ROUND)
        traced = traces.Tracer(self.net, _SCALING).collect(
            data.Split(self.images, np.zeros(40, np.int32)))
        logits = self.float.logits
        self.assertNotAllClose(traced.logits, logits, atol=1e-5)
        self.assertLess(np.median(np.abs(traced.logits - logits)),
                        0.03 * np.abs(logits).max())

    def test_residuals_hold_what_makes_a_difference(self):
        block = self.net.blocks[0]
        self.assertGreaterEqual(_value(block.conv2.range)[0],
                                -_value(block.in_range)[1] - 1e-6)

    def test_few_images_are_refused(self):
        with self.assertRaisesRegex(
                errors.ConfigError, "need 32 images at least .*found 1"):
            ranges.find(self.net, _SCALING, self.images[:1], self.images)


class SharedTest(tf.test.TestCase):
    """Who leaves features in whose range, of other families."""

    def test_a_dense_block_has_one_that_its_layers_write_in(self):
        net = _network(backbone="densenet", depth=16)
        ranges.attach(net, _SCALING)
        first, second, transition, after, *_ = net.blocks
        for layer in (first, second):
            self.assertIs(layer.in_range, net.stem.range)
            self.assertIs(layer.range, net.stem.range)
            self.assertIs(layer.conv2.range, net.stem.range)
            self.assertIsNot(layer.conv1.range, net.stem.range)
        self.assertIs(transition.in_range, net.stem.range)
        self.assertIsNot(transition.range, net.stem.range)
        self.assertIs(after.in_range, transition.range)

    def test_an_inverted_residual_has_one_for_its_sum(self):
        net = _network(backbone="mobilenetv2", depth=53, width=0.25)
        ranges.attach(net, _SCALING)
        blocks = {block.name: block for block in net.blocks}
        summed, changed = blocks["stage2_block2"], blocks["stage3_block1"]
        self.assertIs(summed.range, summed.in_range)
        self.assertIsNot(summed.project.range, summed.range)
        # Nothing is added: the projection writes the features.
        self.assertIsNot(changed.range, changed.in_range)
        self.assertIs(changed.project.range, changed.range)


class RealPathTest(tf.test.TestCase):

    def test_a_block_counts_the_images_that_run_it(self):
        net, images = _network(seed=4), _images(40)
        ranges.attach(net, _SCALING)
        block = net.blocks[0]
        probability = net.channel_gates[block.name](net.stem(
            data.normalize(images, _SCALING))).numpy()
        layer, _ = net.layer_gate(
            net.stem(data.normalize(images, _SCALING)),
            net.layer_gate.initial_state(40), block.name)
        run = (layer.numpy()[:, 0] >= 0.5) & (probability >= 0.5).any(axis=1)
        self.assertBetween(run.sum(), 1, 39)  # else this shows nothing
        ranges.find(net, _SCALING, images, images[:4])
        net.rounding.mode = quantization.OFF
        features = net.stem(data.normalize(images, _SCALING))
        inner = block.conv1(features).numpy()
        self.assertAllClose(block.conv1.range.high, inner[run].max(), rtol=1e-4)

    def test_a_block_that_nothing_runs_gets_sane_norms_and_a_range(self):
        net, images = _network(seed=5), _images(40)
        dead, alive = net.blocks[1], net.blocks[0]
        _open_all_but(net, dead.name)
        dead.conv2.norm.moving_variance.assign(
            tf.zeros_like(dead.conv2.norm.moving_variance))
        # Its shortcut runs all the same.
        self.assertIsNotNone(dead.projection)
        before = [(v, v.numpy()) for v in (*alive.variables,
                                           *dead.projection.variables)]
        ranges.attach(net, _SCALING)
        found = ranges.find(net, _SCALING, images, images[:4])
        self.assertEqual(found.images, 40)
        self.assertAllGreater(dead.conv2.norm.moving_variance, 0)
        self.assertGreater(float(dead.conv1.range.high), 0)
        self.assertFalse(dead.conv2.range.is_empty)
        # Only the dead block's change.
        for variable, value in before:
            self.assertAllEqual(variable, value)


if __name__ == "__main__":
    tf.test.main()
