"""Tests of every combination of gates: who is asked, when, and what it costs."""

import functools
import itertools

import numpy as np
import tensorflow as tf
import tf_keras
from absl.testing import parameterized

from ddi_tf import costs
from ddi_tf import errors
from ddi_tf import gating
from ddi_tf import losses
from ddi_tf import network
from ddi_tf import subgraphs
from ddi_tf import work

_KINDS = (None, *gating.KINDS)
_PAIRS = tuple(itertools.product(_KINDS, repeat=2))


@functools.cache
def _network(layer, channel, **settings):
    """A ResNet8 whose gates of these kinds are torn; None: there are none."""
    tf_keras.utils.set_random_seed(1)
    net = network.Network(network.NetworkConfig(**{
        "depth": 8, "image_shape": (16, 16, 3),
        "layer_gates": layer is not None, "channel_gates": channel is not None,
        "layer_gate": layer or "recurrent",
        "channel_gate": channel or "convolutional", **settings}))
    for gate in net.gates:
        for bias in gate.biases:
            bias.assign(tf.zeros_like(bias))
    # Half of what each gate is asked here lies on either side.
    chances = net(_images(12), thresholds=tf.zeros(
        [12, net.decision_count])).probabilities.layers.numpy()
    median = lambda values: -float(np.median(np.log(values / (1 - values))))
    of_layers = [net.layer_gate] if net.layer_gate else net.layer_gates.values()
    biases = [bias for gate in of_layers for bias in gate.biases]
    for number, bias in enumerate(biases):
        bias.assign([median(chances[:, number])])
    return net


def _images(count):
    return tf.constant(np.random.default_rng(3).normal(
        size=[count, 16, 16, 3]), tf.float32)


class KindsTest(tf.test.TestCase, parameterized.TestCase):

    @parameterized.parameters(*_PAIRS)
    def test_gradient_reaches_every_gate(self, layer, channel):
        net = _network(layer, channel)
        with tf.GradientTape() as tape:
            outputs = net(_images(4), training=True, with_exits=False)
            loss = losses.cross_entropy(outputs.logits, tf.range(4))
            loss += losses.resource(
                costs.full_path(net.costs, outputs.spent), net.costs.base)
        for variable, gradient in zip(
                net.gate_variables, tape.gradient(loss, net.gate_variables)):
            self.assertIsNotNone(gradient, variable.name)
            # A recurrent channel gate passes nothing on behind a closed block.
            self.assertTrue(np.all(np.isfinite(gradient)), variable.name)
        self.assertEqual(
            bool(net.gate_variables), bool(layer or channel))

    @parameterized.parameters(*_PAIRS)
    def test_the_device_s_way_makes_the_same_decisions(self, layer, channel):
        net = _network(layer, channel)
        images = _images(12)
        outputs = net(images)
        decided = [_walked(net, images[b:b + 1]) for b in range(12)]
        self.assertAllEqual(
            [layers for layers, _, _ in decided], outputs.decisions.layers)
        for b, (layers, masks, logits) in enumerate(decided):
            for k, mask in masks.items():
                self.assertAllEqual(mask, outputs.decisions.masks[k][b])
            self.assertAllClose(logits, outputs.logits[b], atol=1e-5)
        if layer:
            decisions = set(outputs.decisions.layers.numpy().ravel())
            self.assertEqual(decisions, {0.0, 1.0})

    @parameterized.parameters(
        # A 16 x 16 stage of 16 channels; a shared gate costs less by far.
        (None, None, 0, 0),
        ("recurrent", None, 160 + 800 + 10, 0),
        ("convolutional", None, 64 * 2304 + 16, 0),
        (None, "convolutional", 0, 64 * 2304 + 32),
        (None, "recurrent", 0, 160 + 800 + 20))
    def test_macs_of_the_first_block_by_hand(self, layer, channel, g, c):
        table = _network(layer, channel).costs
        self.assertEqual((table.layer_gates[0], table.channel_gates[0]), (g, c))

    def test_names_of_the_graphs(self):
        named = {
            kinds: [graph.name for graph in subgraphs.cut(
                _network(*kinds), subgraphs.masked).graphs
                if graph.role.endswith("gate")]
            for kinds in (("convolutional", None), (None, "recurrent"))}
        self.assertEqual(named, {
            ("convolutional", None): [
                f"stage{n}_block1_layer_gate" for n in (1, 2, 3)],
            (None, "recurrent"): [
                f"stage{n}_block1_channel_gate" for n in (1, 2, 3)]})

    def test_an_unknown_kind_is_an_error(self):
        with self.assertRaisesRegex(
                errors.ConfigError, "one of recurrent, convolutional. .*magic"):
            _network("magic", None)


def _walked(net, image):
    """(layers, block number -> mask, logits) of one image, graph by graph."""
    cut = subgraphs.cut(net, subgraphs.masked)
    states = {"layer_gate": net.layer_gating.initial_state(1),
              "channel_gate": net.channel_gating.initial_state(1)}

    def ask(graph, x):
        if states[graph.role] is None:
            return graph.function(x)
        chances, states[graph.role] = graph.function(x, states[graph.role])
        return chances

    x, layers, masks = cut.stem.function(image), [], {}
    for number, step in enumerate(cut.steps):
        gate, mask = True, tf.ones([1, step.groups])
        if step.layer_gate is not None:
            gate = bool(ask(step.layer_gate, x)[0, 0] >= 0.5)
        layers.append(float(gate))
        if gate and step.channel_gate is not None:
            mask = tf.cast(ask(step.channel_gate, x) >= 0.5, tf.float32)
            masks[number] = mask[0]
        variant, = step.variants
        if gate and tf.reduce_any(mask > 0):
            x = variant.graph.function(x, *([mask] if variant.masked else []))
        elif step.skip is not None:
            x = step.skip.function(x)
    return layers, masks, cut.head.function(x)[0]


class MemoryTest(tf.test.TestCase):

    def test_it_stands_still_behind_a_closed_layer_gate(self):
        net = _network("recurrent", "recurrent")
        images = _images(6)
        outputs = net(images)
        closed = np.flatnonzero(outputs.decisions.layers[:, 0] == 0)
        self.assertNotEmpty(closed)
        block = net.blocks[1]
        x = net.blocks[0](net.stem(images), outputs.decisions.layers[:, 0])
        fresh, _ = net.recurrent_channel_gate(
            x, net.channel_gating.initial_state(6), block.name)
        self.assertAllClose(
            tf.gather(outputs.probabilities.masks[1], closed),
            tf.gather(fresh, closed))


if __name__ == "__main__":
    tf.test.main()
