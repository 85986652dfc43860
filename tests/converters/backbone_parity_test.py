"""Keras = TFLite = controller for every backbone and strategy."""

import itertools

import backbone_cases
import numpy as np
import parity_test
import pytest
import tensorflow as tf
from absl.testing import parameterized

from ddi_tf import data
from ddi_tf import ranges
from ddi_tf import subgraphs
from ddi_tf import traces
from device import bundle as bundle_lib

_SCALING = parity_test._SCALING

# Images to compare, and those that norms and gates are set by.
_FEW, _MANY, _SETTING = 20, 200, 40

# Of the largest logit: float sums in another order, over up to 120 layers.
_TOLERANCE = 1e-4

# The others' blocks are in one of these as well.
_QUICK = ("densenet22", "mobilenetv2", "resnet50")

# Strategies for which there are bundles, but the one that all of these have.
_OTHERS = tuple(itertools.product(backbone_cases.SHORT, [
    strategy for strategy in backbone_cases.STRATEGIES if strategy != "dual"
    ])) + tuple(pair for pair in backbone_cases.PEER_PAIRS
                if pair[1] in ("pfec", "lccl"))
# What is special about them: gates that keep the first group of channels or
# are asked about what is appended; other blocks.
_QUICK_OTHERS = (
    ("mobilenetv2", "dual_recurrent"),
    ("densenet22", "layers_feed_forward"), ("resnet8", "exits"),
    ("resnet8", "pfec"), ("resnet8", "lccl"))


def _images(network, count, seed=1):
    """[count, H, W, 3] uint8 of the size that a network takes."""
    height, width, _ = network.config.image_shape
    return parity_test.random_images(count, seed)[:, :height, :width]


def _network(name, strategy="dual", short=True):
    """A network whose gates say yes and no, and whose logits differ."""
    height, width, _ = backbone_cases.NETWORKS[name]["image_shape"]
    network = backbone_cases.make(
        name, strategy, short=short,
        image_shape=(min(height, 32), min(width, 32), 3))
    backbone_cases.enliven(network, data.normalize(
        _images(network, _SETTING, seed=4), _SCALING))
    return network


def _traced(network, images):
    return traces.Tracer(network, _SCALING).collect(
        data.Split(images, np.zeros(len(images), np.int32)))


def _paths(network, traced):
    """What `Answer.path` should be of each image; masks may be positions."""
    masks = [mask if network.channel_gating.decides(block) else
             np.ones_like(mask[:, :1])
             for block, mask in zip(network.blocks, traced.masks)]
    traced = traced._replace(masks=tuple(masks))
    return [parity_test.path_of(traced, n) for n in range(len(traced.labels))]


class _FloatCase(tf.test.TestCase, parameterized.TestCase):

    def assert_parity(self, network, ways, count):
        images = _images(network, count)
        traced = _traced(network, images)
        controller = parity_test.controller_of(network, ways)
        answers = [controller.classify(image) for image in images]
        self.assertEqual([answer.path for answer in answers],
                         _paths(network, traced))
        logits = traced.logits[:, -1]
        largest = np.abs(logits).max()
        self.assertAllClose([answer.logits for answer in answers], logits,
                            rtol=0, atol=_TOLERANCE * largest)
        self.assert_it_says_much(network, traced)
        return traced, answers

    def assert_it_says_much(self, network, traced):
        """Logits differ, and gates are of both minds."""
        logits = traced.logits[:, -1]
        self.assertGreater(
            logits.std(axis=0).max(), 0.01 * np.abs(logits).max())
        for share in backbone_cases.shares_run(network, traced):
            if share is not None:
                self.assertBetween(share, 0.02, 0.98)


class FloatTest(_FloatCase):

    @parameterized.parameters(*_QUICK)
    def test_masked_graphs_decide_and_answer_as_keras_does(self, name):
        self.assert_parity(_network(name), subgraphs.masked, _FEW)

    @parameterized.parameters(*_QUICK)
    def test_exact_graphs_do_and_pay_for_what_is_open(self, name):
        network = _network(name)
        traced, answers = self.assert_parity(
            network, subgraphs.every_set(3), _FEW)
        # No exit was asked.
        spent = traced.macs(network.costs).spent[:, -1] + network.costs.head
        self.assertAllEqual([answer.macs for answer in answers], spent)

    @parameterized.parameters(*_QUICK_OTHERS)
    def test_other_strategies_decide_and_answer_as_keras_does(
            self, name, strategy):
        self.assert_parity(_network(name, strategy), subgraphs.masked, _FEW)


@pytest.mark.slow
class ManyImagesTest(_FloatCase):

    @parameterized.product(name=tuple(backbone_cases.NETWORKS),
                           ways=(subgraphs.masked, subgraphs.every_set(3)))
    def test_all_blocks_decide_and_answer_as_keras_does(self, name, ways):
        self.assert_parity(_network(name, short=False), ways, _MANY)

    @parameterized.named_parameters(
        (f"{name}_{strategy}", name, strategy) for name, strategy in _OTHERS)
    def test_all_strategies_decide_and_answer_as_keras_does(
            self, name, strategy):
        self.assert_parity(_network(name, strategy), subgraphs.masked, _MANY)


class Int8Test(tf.test.TestCase, parameterized.TestCase):

    @parameterized.parameters("densenet22", "mobilenetv2")
    def test_the_controller_decides_and_answers_as_keras_rounds(self, name):
        network = _network(name)
        images = _images(network, _FEW)
        ranges.attach(network, _SCALING)
        found = ranges.find(network, _SCALING, _images(network, 32, seed=2),
                            _images(network, 4, seed=3))
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
