"""What every strategy must do on every backbone: answer, decide and learn.

Of fewer blocks (`backbone_cases`); bundles of them: backbone_parity_test.
"""

import itertools

import backbone_cases
import numpy as np
import pytest
import tensorflow as tf
import training_case
from absl.testing import parameterized

from ddi_tf import costs

_PAIRS = (*itertools.product(
    backbone_cases.SHORT, backbone_cases.STRATEGIES),
    *backbone_cases.PEER_PAIRS)

# The rest is slow. ResNet-18 has the blocks of a ResNet8, DenseNet-121 those of
# a DenseNet22.
_ALL_FAST = ("resnet8", "resnet14")
_DUAL_FAST = ("densenet22", "mobilenetv2", "resnet50")

# The phase that trains most of what a strategy has; of peers, their own.
_PHASES = {
    "dual": "exits", "dual_recurrent": "exits", "exits": "exits",
    "static": "base", "pfec": "exits", "lccl": "exits",
    "blockdrop": "reinforce"}

# Their layers begin with a batch norm, which undoes what the stem's scales by
# until that adds something too.
_UNEVEN = ("densenet22", "densenet121")

# SkipNet's two, which learn from what was drawn in the end.
_DRAWN = tuple(itertools.product(
    backbone_cases.SHORT, ("layers", "layers_feed_forward")))

_WITH_GATES = tuple(
    pair for pair in _PAIRS
    if pair[1] not in ("exits", "static", "pfec", "lccl"))


def _named(pairs, slow=False):
    return parameterized.named_parameters(
        (f"{name}_{strategy}", name, strategy) for name, strategy in pairs
        if _is_slow(name, strategy) == slow)


def _is_slow(name, strategy):
    return name not in _ALL_FAST and not (
        name in _DUAL_FAST and strategy == "dual")


class _Contract(training_case.TrainingCase, parameterized.TestCase):

    def assert_learns(self, name, strategy, phase=None):
        net = backbone_cases.make(name, strategy, short=True)
        if name in _UNEVEN:
            backbone_cases.uneven(net)
        with training_case.eagerly():
            self.assert_steps_teach(
                net, phase or _PHASES.get(strategy, "skip"))

    def assert_gradients(self, name, strategy):
        net = backbone_cases.make(name, strategy, short=True)
        images = backbone_cases.images_for(net, 4)
        with tf.GradientTape() as tape:
            # Behind a closed block nothing is passed on.
            outputs = net(images, training=True, thresholds=tf.zeros(
                [4, net.decision_count]))
            answers = (*outputs.exit_logits, outputs.logits)
            value = sum(tf.reduce_mean(logits**2) for logits in answers)
        self.assertEqual([logits.shape for logits in answers],
                         [(4, 10)] * (len(net.exits) + 1))
        self.assertBetween(
            costs.full_path(net.costs, outputs.spent)[0],
            costs.least(net.costs, net.all_closed(1)), net.costs.everything)
        self.assertNotEmpty(net.gates)
        for gate, gradients in zip(net.gates, tape.gradient(
                value, [gate.biases for gate in net.gates]), strict=True):
            for gradient in gradients:
                self.assertTrue(np.all(np.isfinite(gradient)), gate.name)
                self.assertTrue(np.all(gradient != 0), gate.name)


class StrategiesTest(_Contract):

    @_named(_PAIRS)
    def test_two_steps_teach_everything(self, name, strategy):
        self.assert_learns(name, strategy)

    @_named(_DRAWN)
    def test_two_steps_of_reinforce_teach_everything(self, name, strategy):
        self.assert_learns(name, strategy, "reinforce")

    @_named(_WITH_GATES)
    def test_answers_have_a_gradient_through_every_gate(self, name, strategy):
        self.assert_gradients(name, strategy)


@pytest.mark.slow
class SlowTest(_Contract):

    @_named(_PAIRS, slow=True)
    def test_two_steps_teach_everything(self, name, strategy):
        self.assert_learns(name, strategy)

    @_named(_DRAWN, slow=True)
    def test_two_steps_of_reinforce_teach_everything(self, name, strategy):
        self.assert_learns(name, strategy, "reinforce")

    @_named(_WITH_GATES, slow=True)
    def test_answers_have_a_gradient_through_every_gate(self, name, strategy):
        self.assert_gradients(name, strategy)


if __name__ == "__main__":
    tf.test.main()
