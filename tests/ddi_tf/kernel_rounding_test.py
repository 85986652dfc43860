"""Tests of rounding kernels so that their errors cancel."""

import hypothesis
import numpy as np
import tensorflow as tf
import tf_keras
from absl.testing import parameterized
from hypothesis import strategies

from ddi_tf import data
from ddi_tf import kernel_rounding
from ddi_tf import layers
from ddi_tf import network as network_lib
from ddi_tf import quantization
from ddi_tf import ranges

_SCALING = data.Scaling((128.0,) * 3, (64.0,) * 3)


def _steps(kernel):
    """[F] the width of a step of each output."""
    return quantization.kernel_bounds(kernel).numpy() / 127


def _int8(kernel):
    """A kernel as int8 graphs have it."""
    return quantization.rounded_kernel(
        kernel, quantization.kernel_bounds(kernel)).numpy()


def _drawn(shape, seed):
    """A kernel with a few weights that are 0, as pruned ones have."""
    generator = np.random.default_rng(seed)
    kernel = generator.normal(size=shape) * (generator.random(shape) > 0.2)
    return kernel.astype(np.float32)


class RoundedTest(tf.test.TestCase, parameterized.TestCase):

    def test_one_kernel_by_hand(self):
        # Steps of 1. To the nearest, 7 weights of 0.3 each lose 0.3 and one of
        # 0.6 gains 0.4: -1.7 together, so that two of the seven go up.
        kernel = np.float32([127, 0.6] + 7 * [0.3]).reshape(3, 3, 1, 1)
        found = kernel_rounding.rounded(kernel).ravel()
        self.assertAllClose(found[:2], [127, 1])
        self.assertAllClose(sorted(found[2:]), [0, 0, 0, 0, 0, 1, 1])

    def test_those_nearest_to_the_other_side_turn(self):
        # -0.45 - 0.4 - 0.3 + 0.4: -0.75, so that one goes up.
        kernel = np.float32([127, 1.45, 2.4, 3.3, 4.6, 0, 0, 0, 0])
        found = kernel_rounding.rounded(kernel.reshape(3, 3, 1, 1))
        self.assertAllClose(found.ravel(), [127, 2, 2, 3, 5, 0, 0, 0, 0])

    def test_of_one_pixel_an_outputs_inputs_cancel(self):
        kernel = np.float32([[127, 0.4, 0.4, 0.4], [0.2, 127, 0.2, 0.2]])
        found = kernel_rounding.rounded(kernel.T[np.newaxis, np.newaxis])
        self.assertAllClose(
            np.sort(found[0, 0], axis=0).T, [[0, 0, 1, 127], [0, 0, 1, 127]])

    @hypothesis.settings(max_examples=60, deadline=None, derandomize=True)
    @hypothesis.given(
        strategies.tuples(strategies.sampled_from((1, 3)), strategies.integers(
            1, 6), strategies.integers(1, 5)), strategies.integers(0, 99))
    def test_errors_cancel_and_nothing_is_far(self, shape, seed):
        size, channels, filters = shape
        kernel = _drawn((size, size, channels, filters), seed)
        found = kernel_rounding.rounded(kernel)
        errors = (found - kernel) / np.maximum(_steps(kernel), 1e-9)
        together = errors.sum(axis=(0, 1) if size > 1 else (0, 1, 2))
        self.assertLessEqual(np.abs(together).max(), 0.501)
        self.assertLess(np.abs(errors).max(), 1)
        self.assertAllEqual(found[kernel == 0], 0 * found[kernel == 0])
        self.assertAllClose(_steps(found), _steps(kernel), rtol=1e-6)
        self.assertAllClose(_int8(found), found, rtol=1e-5, atol=1e-6)

    def test_an_edge_on_a_bright_image_is_what_it_was(self):
        # Errors of all weights alike pass as brightness does.
        generator = np.random.default_rng(0)
        kernel = generator.normal(size=(3, 3, 1, 64)).astype(np.float32)
        kernel -= kernel.mean(axis=(0, 1, 2))
        bright = np.full((1, 3, 3, 1), 100.0, np.float32)
        off = [np.abs(tf.nn.conv2d(bright, int8, 1, "VALID")).mean()
               for int8 in (_int8(kernel), kernel_rounding.rounded(kernel))]
        self.assertLess(off[1], 0.4 * off[0])


class ApplyTest(tf.test.TestCase, parameterized.TestCase):

    @parameterized.parameters(("resnet", 8), ("mobilenetv2", 53),
                              ("densenet", 22))
    def test_every_kernel_that_int8_graphs_round_is_on_their_steps(
            self, backbone, depth):
        tf_keras.utils.set_random_seed(0)
        network = network_lib.Network(network_lib.NetworkConfig(
            backbone=backbone, depth=depth, image_shape=(16, 16, 3)))
        network(tf.zeros([1, 16, 16, 3]))
        ranges.attach(network, _SCALING)
        convolutions = [
            layer for layer in network.submodules
            if isinstance(layer, (layers.ConvBN, layers.DepthwiseConvBN))]
        answers = [*network.exits.values(), network.head]
        before = [layer.kernel.numpy() for layer in convolutions] + [
            answer.dense.kernel.numpy() for answer in answers]
        kernel_rounding.apply(network)
        after = [layer.kernel.numpy() for layer in convolutions] + [
            answer.dense.kernel.numpy() for answer in answers]
        axes = [2 if isinstance(layer, layers.DepthwiseConvBN) else -1
                for layer in convolutions] + [-1] * len(answers)
        for old, new, axis in zip(before, after, axes):
            old, new = (np.moveaxis(k, axis, -1) for k in (old, new))
            self.assertNotAllEqual(old, new)
            self.assertAllClose(_int8(new), new, rtol=1e-5, atol=1e-6)

    def test_what_no_int8_graph_rounds_stays(self):
        network = network_lib.Network(network_lib.NetworkConfig(
            depth=8, image_shape=(16, 16, 3)))
        network(tf.zeros([1, 16, 16, 3]))
        before = [variable.numpy() for variable in network.variables]
        kernel_rounding.apply(network)  # it has no ranges
        for old, variable in zip(before, network.variables):
            self.assertAllEqual(old, variable)
        ranges.attach(network, _SCALING)
        scores = [gate.score.kernel for gate in network.channel_gates.values()]
        before = [score.numpy() for score in scores]
        kernel_rounding.apply(network)
        self.assertNotEmpty(scores)
        for old, score in zip(before, scores):
            self.assertAllEqual(old, score)


if __name__ == "__main__":
    tf.test.main()
