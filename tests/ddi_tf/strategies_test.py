"""What every strategy must do on every backbone: answer, decide and learn.

Of fewer blocks (`backbone_cases`); bundles of them: backbone_parity_test.
"""

import itertools

import backbone_cases
import numpy as np
import tensorflow as tf
import training_case
from absl.testing import parameterized

from ddi_tf import costs

_PAIRS = tuple(itertools.product(
    backbone_cases.SHORT, backbone_cases.STRATEGIES))

# The phase that trains most of what a strategy has; of peers, their own.
_PHASES = {
    "dual": "exits", "exits": "exits", "static": "base", "pfec": "exits",
    "lccl": "exits", "blockdrop": "reinforce"}

# Two of SkipNet's, which learn from what was drawn in the end.
_DRAWN = ("layers", "layers_feed_forward")

# Neither is REINFORCE's, nor has it a gate.
_WITH_GATES = tuple(
    (name, strategy)
    for name, strategy in (*_PAIRS, *backbone_cases.PEER_PAIRS)
    if strategy not in ("exits", "static", "pfec", "lccl"))


def _named(pairs):
    return parameterized.named_parameters(
        (f"{name}_{strategy}", name, strategy) for name, strategy in pairs)


class StrategiesTest(training_case.TrainingCase, parameterized.TestCase):

    @_named((*_PAIRS, *backbone_cases.PEER_PAIRS))
    def test_two_steps_teach_everything(self, name, strategy):
        net = backbone_cases.make(name, strategy, short=True)
        with training_case.eagerly():
            self.assert_steps_teach(net, _PHASES.get(strategy, "skip"))

    @_named(itertools.product(backbone_cases.SHORT, _DRAWN))
    def test_two_steps_of_reinforce_teach_everything(self, name, strategy):
        net = backbone_cases.make(name, strategy, short=True)
        with training_case.eagerly():
            self.assert_steps_teach(net, "reinforce")

    @_named(_WITH_GATES)
    def test_answers_have_a_gradient_through_every_gate(self, name, strategy):
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
        self.assertAllEqual(outputs.spent.shape, [4, len(answers)])
        self.assertBetween(
            costs.full_path(net.costs, outputs.spent)[0],
            costs.least(net.costs, net.all_closed(1)), net.costs.everything)
        for gate, gradients in zip(net.gates, tape.gradient(
                value, [gate.biases for gate in net.gates]), strict=True):
            for gradient in gradients:
                self.assertTrue(np.all(np.isfinite(gradient)), gate.name)
                self.assertTrue(np.all(gradient != 0), gate.name)


if __name__ == "__main__":
    tf.test.main()
