"""Keras = TFLite = controller for backbones other than the small ResNets."""

from unittest import mock

import numpy as np
import parity_test
import pytest
import tensorflow as tf
from absl.testing import parameterized

from ddi_tf import data
from ddi_tf import finish
from ddi_tf import imagenet_resnet
from ddi_tf import mobilenetv2
from ddi_tf import network as network_lib
from ddi_tf import ranges
from ddi_tf import subgraphs
from ddi_tf import traces
from device import bundle as bundle_lib

_SCALING = parity_test._SCALING
_CONFIGS = {
    "densenet": {"depth": 22, "image_shape": (16, 16, 3)},
    "mobilenetv2": {"depth": 53, "width": 0.25, "image_shape": (16, 16, 3)},
    "imagenet_resnet": {"depth": 50, "width": 0.25,
                        "image_shape": (32, 32, 3)},
}

# Of networks whose gates are of both minds.
_SEEDS = {"densenet": 0, "mobilenetv2": 1, "imagenet_resnet": 1}

# Fewer blocks of every kind that these two have.
_SHORT = {
    "mobilenetv2": (mobilenetv2, {
        "_STAGES": ((1, 16, 1, 1), (6, 24, 2, 1), (6, 32, 2, 2)),
        "_EXIT_AFTER": (0, 2)}),
    "imagenet_resnet": (imagenet_resnet, {"_FAMILY": {
        50: (imagenet_resnet.Bottleneck, 4, 16, (2, 2))}}),
}

# Of the largest logit: float sums in another order, over up to 50 layers.
_TOLERANCE = 1e-4


def _images(name, count=20, seed=1):
    """[count, H, W, 3] uint8 of the size that a network takes."""
    height, width, _ = _CONFIGS[name]["image_shape"]
    return parity_test.random_images(count, seed)[:, :height, :width]


def _whole(name):
    """A network whose gates say yes and no, and whose logits differ.

    Its batch norms are those of its images with everything run: with random
    ones, nothing of an image is left after so many layers.
    """
    network = parity_test.lively(network_lib.NetworkConfig(
        backbone=name, **_CONFIGS[name]), seed=_SEEDS[name])
    finish.Norms(network, "open").measure(
        [data.normalize(_images(name, 40, seed=4), _SCALING)])
    return network


def _short(name):
    """The same of fewer blocks, where there are many."""
    if name not in _SHORT:
        return _whole(name)
    module, tables = _SHORT[name]
    with mock.patch.multiple(module, **tables):
        return _whole(name)


def _traced(network, images):
    return traces.Tracer(network, _SCALING).collect(
        data.Split(images, np.zeros(len(images), np.int32)))


class _FloatCase(tf.test.TestCase, parameterized.TestCase):

    def assert_parity(self, network, ways):
        images = _images(network.config.backbone)
        traced = _traced(network, images)
        logits = traced.logits[:, -1]
        controller = parity_test.controller_of(network, ways)
        answers = [controller.classify(image) for image in images]
        self.assertEqual(
            [answer.path for answer in answers],
            [parity_test.path_of(traced, n) for n in range(len(images))])
        largest = np.abs(logits).max()
        self.assertAllClose([answer.logits for answer in answers], logits,
                            rtol=0, atol=_TOLERANCE * largest)
        # Else all this would say little.
        self.assertGreater(logits.std(axis=0).max(), 0.01 * largest)
        decided = [k for k, block in enumerate(network.blocks)
                   if network.layer_gating.decides(block)]
        self.assertBetween(traced.layers[:, decided].mean(), 0.05, 0.95)
        self.assertGreaterEqual(
            sum(0 < mask.mean() < 1 for mask in traced.masks), 2)
        return traced, answers


class FloatTest(_FloatCase):

    @parameterized.parameters(*_CONFIGS)
    def test_masked_graphs_decide_and_answer_as_keras_does(self, name):
        self.assert_parity(_short(name), subgraphs.masked)

    @parameterized.parameters(*_CONFIGS)
    def test_exact_graphs_do_and_pay_for_what_is_open(self, name):
        network = _short(name)
        traced, answers = self.assert_parity(network, subgraphs.every_set(3))
        # No exit was asked.
        spent = traced.macs(network.costs).spent[:, -1] + network.costs.head
        self.assertAllEqual([answer.macs for answer in answers], spent)


@pytest.mark.slow
class WholeTest(_FloatCase):

    @parameterized.product(
        name=tuple(_SHORT), ways=(subgraphs.masked, subgraphs.every_set(3)))
    def test_all_blocks_decide_and_answer_as_keras_does(self, name, ways):
        self.assert_parity(_whole(name), ways)


class Int8Test(tf.test.TestCase, parameterized.TestCase):

    @parameterized.parameters("densenet", "mobilenetv2")
    def test_the_controller_decides_and_answers_as_keras_rounds(self, name):
        network, images = _short(name), _images(name)
        ranges.attach(network, _SCALING)
        found = ranges.find(network, _SCALING, _images(name, 32, seed=2),
                            _images(name, 4, seed=3))
        keras = _traced(network, images)
        paths = [parity_test.path_of(keras, n) for n in range(len(images))]
        controller = parity_test.controller_of(
            network, subgraphs.masked, bundle_lib.Numbers(
                "int8", bundle_lib.Calibration(found.images, found.saturated)))
        # A sum between two steps falls to either side, and in a network that
        # has learned nothing every gate is near its threshold.
        decided = [ours == theirs for image, path in zip(images, paths)
                   for ours, theirs in zip(controller.classify(image).path,
                                           path)]
        self.assertGreaterEqual(np.mean(decided), 0.9)
        logits = [controller.classify(image, forced=path).logits
                  for image, path in zip(images, paths)]
        expected = keras.logits[:, -1]
        self.assertLess(np.median(np.abs(logits - expected)),
                        0.02 * np.abs(expected).max())
        self.assertGreater(expected.std(axis=0).max(),
                           0.05 * np.abs(expected).max())


if __name__ == "__main__":
    tf.test.main()
