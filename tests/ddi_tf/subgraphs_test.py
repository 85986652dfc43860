"""Tests of how a network is cut: names, shapes, MACs, and the same numbers."""

import functools

import numpy as np
import tensorflow as tf
import tf_keras
from absl.testing import parameterized

from ddi_tf import deciding
from ddi_tf import network
from ddi_tf import subgraphs
from ddi_tf import work

_SETTINGS = (
    ("inner_of_two_groups", {}, 3),
    ("inner_of_four_groups", {"groups": 4}, 15),
    ("output", {"mask_site": "output"}, 3),
    ("both_of_every_channel", {"mask_site": "both", "groups": 0}, 3),
    ("inner_of_one_group", {"groups": 1}, 3),
    ("inner_of_every_channel", {"groups": 0}, 3),
    ("layer_gates_only", {"channel_gates": False}, 3),
    ("channel_gates_only", {"layer_gates": False, "exits": False}, 3))


@functools.cache
def _network(**settings):
    """A ResNet8 with batch norms and biases drawn; nothing changes it."""
    tf_keras.utils.set_random_seed(1)
    net = network.Network(network.NetworkConfig(
        **{"depth": 8, "image_shape": (16, 16, 3), **settings}))
    generator = np.random.default_rng(1)
    for variable in net.variables:
        if "variance" in variable.name:
            variable.assign(generator.uniform(0.5, 1.5, variable.shape))
        elif "norm" in variable.name or "bias" in variable.name:
            variable.assign(
                variable + generator.normal(0, 0.2, variable.shape))
    return net


def _cut(max_variants, **settings):
    net = _network(**settings)
    return net, subgraphs.cut(net, subgraphs.every_set(max_variants))


def _traced_macs(graph):
    """MACs of a subgraph, counted from the operations of its traced graph."""
    specs = [tf.TensorSpec(shape, tf.float32, name)
             for name, shape in graph.inputs.items()]
    concrete = tf.function(graph.function).get_concrete_function(*specs)
    return sum(_macs_of(op) for op in concrete.graph.get_operations())


def _macs_of(op):
    """MACs of one operation for one image; 0 of what is not counted."""
    if op.type in ("Conv2D", "DepthwiseConv2dNative"):
        kernel, out = op.inputs[1].shape.as_list(), op.outputs[0].shape
        depth = kernel[2] * kernel[3] if op.type == "Conv2D" else out[3]
        return out[1] * out[2] * kernel[0] * kernel[1] * depth
    if op.type == "MatMul":
        rows, columns = op.inputs[1].shape.as_list()
        return rows * columns
    return 0


class CutTest(tf.test.TestCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.net, cls.cut = _cut(3)

    def test_every_subgraph_stands_once_in_the_order_of_decisions(self):
        self.assertEqual([graph.name for graph in self.cut.graphs], [
            "stem",
            "stage1_block1_layer_gate", "stage1_block1_channel_gate",
            "stage1_block1_groups_0", "stage1_block1_groups_1",
            "stage1_block1_groups_0_1", "exit1",
            "stage2_block1_layer_gate", "stage2_block1_channel_gate",
            "stage2_block1_groups_0", "stage2_block1_groups_1",
            "stage2_block1_groups_0_1", "stage2_block1_skip", "exit2",
            "stage3_block1_layer_gate", "stage3_block1_channel_gate",
            "stage3_block1_groups_0", "stage3_block1_groups_1",
            "stage3_block1_groups_0_1", "stage3_block1_skip", "exit3",
            "head"])

    def test_roles_are_those_a_device_knows(self):
        self.assertEqual({graph.role for graph in self.cut.graphs}, {
            "stem", "layer_gate", "channel_gate", "block", "skip", "exit",
            "head"})

    def test_inputs_are_one_image_of_the_features_at_hand(self):
        self.assertEqual(self.cut.stem.inputs, {"images": (1, 16, 16, 3)})
        self.assertEqual(self.cut.head.inputs, {"features": (1, 4, 4, 64)})
        first, second, _ = self.cut.steps
        self.assertEqual(first.layer_gate.inputs, {
            "features": (1, 16, 16, 16), "state": (1, 20)})
        self.assertEqual(first.exit.inputs, {"features": (1, 16, 16, 16)})
        self.assertEqual(second.skip.inputs, {"features": (1, 16, 16, 16)})
        self.assertEqual(second.exit.inputs, {"features": (1, 8, 8, 32)})

    def test_identity_shortcuts_have_no_graph(self):
        self.assertEqual([step.skip is None for step in self.cut.steps],
                         [True, False, False])

    def test_costs_are_those_of_the_cost_table(self):
        table, steps = self.net.costs, self.cut.steps
        self.assertEqual(self.cut.stem.macs, table.stem)
        self.assertEqual(self.cut.head.macs, table.head)
        self.assertEqual(
            tuple(step.exit.macs for step in steps), table.exits)
        self.assertEqual(
            tuple(step.channel_gate.macs for step in steps),
            table.channel_gates)
        self.assertEqual(
            tuple(step.layer_gate.macs for step in steps), table.layer_gates)


class VariantsTest(tf.test.TestCase, parameterized.TestCase):

    def test_each_set_of_groups_has_a_graph_where_they_fit(self):
        _, cut = _cut(15, groups=4)
        for step in cut.steps:
            self.assertEqual(step.groups, 4)
            self.assertLen({v.groups for v in step.variants}, 15)
            self.assertFalse(any(v.masked for v in step.variants))
            self.assertIn((0, 1, 2, 3), [v.groups for v in step.variants])

    @parameterized.parameters(
        ({"groups": 4}, 14, 4), ({"mask_site": "output"}, 99, 2),
        ({"mask_site": "both"}, 99, 2))
    def test_one_masked_graph_stands_for_the_rest(
            self, settings, max_variants, groups):
        _, cut = _cut(max_variants, **settings)
        for step in cut.steps:
            variant, = step.variants
            self.assertTrue(variant.masked)
            self.assertEqual(variant.groups, tuple(range(groups)))
            self.assertEqual(variant.graph.inputs["mask"], (1, groups))

    def test_one_group_needs_neither_mask_nor_variants(self):
        _, cut = _cut(3, groups=1)
        for step in cut.steps:
            variant, = step.variants
            self.assertEqual((variant.groups, variant.masked), ((0,), False))
            self.assertEqual(variant.graph.name, step.name)

    def test_what_a_network_lacks_is_not_cut(self):
        _, cut = _cut(
            3, layer_gates=False, channel_gates=False, exits=False)
        self.assertEqual([graph.role for graph in cut.graphs], [
            "stem", "block", "block", "skip", "block", "skip", "head"])


class MacsTest(tf.test.TestCase, parameterized.TestCase):

    @parameterized.named_parameters(*_SETTINGS[:5])
    def test_macs_are_those_of_the_traced_graph(self, settings, max_variants):
        _, cut = _cut(max_variants, **settings)
        for graph in cut.graphs:
            self.assertEqual(_traced_macs(graph), graph.macs, graph.name)

    def test_the_counter_counts(self):
        kernel, wide = tf.ones([3, 3, 2, 4]), tf.ones([3, 3, 2, 1])

        def function(x):
            y = tf.nn.depthwise_conv2d(x, wide, [1, 2, 2, 1], "SAME")
            y = tf.nn.conv2d(y, kernel, 1, "SAME")
            return tf.matmul(tf.reshape(y, [1, 24]), tf.ones([24, 5]))
        graph = subgraphs.Subgraph("", "", function, {"x": (1, 3, 6, 2)}, work.Work())
        self.assertEqual(
            _traced_macs(graph), 6 * 9 * 2 + 6 * 9 * 2 * 4 + 24 * 5)


class NumbersTest(tf.test.TestCase, parameterized.TestCase):
    """Walking the cut, as a device does, is the masked forward."""

    @parameterized.named_parameters(*_SETTINGS)
    def test_walking_the_pieces_is_the_network(self, settings, max_variants):
        net, cut = _cut(max_variants, **settings)
        generator = np.random.default_rng(2)
        images = tf.constant(
            generator.normal(size=[1, 16, 16, 3]), tf.float32)
        for _ in range(2):
            decisions = _random_decisions(net, cut, generator)
            outputs = net(images, decisions=decisions)
            exit_logits, logits = _walk(cut, images, decisions)
            self.assertAllClose(logits, outputs.logits, atol=1e-4)
            self.assertLen(exit_logits, len(outputs.exit_logits))
            self.assertAllClose(exit_logits, outputs.exit_logits, atol=1e-4)

    def test_gates_of_the_cut_decide_as_the_network_does(self):
        net, cut = _cut(3)
        x = images = tf.random.stateless_normal([1, 16, 16, 3], [0, 1])
        probabilities = net(images).probabilities
        x, state = cut.stem.function(x), tf.zeros([1, 20])
        for k, step in enumerate(cut.steps):
            layer, state = step.layer_gate.function(x, state)
            mask = step.channel_gate.function(x)
            self.assertAllClose(
                layer[0, 0], probabilities.layers[0, k], atol=1e-5)
            self.assertAllClose(mask, probabilities.masks[k], atol=1e-5)
            x = _run_or_skip(step, x, float(layer[0, 0] >= 0.5),
                             np.float32(mask >= 0.5))


def _random_decisions(net, cut, generator):
    """`Decisions` of one image; no gate, no choice."""
    gated = net.config.layer_gates
    layers = generator.integers(0, 2, [1, len(cut.steps)]) if gated else (
        np.ones([1, len(cut.steps)]))
    masks = [generator.integers(0, 2, [1, step.groups])
             if step.channel_gate else np.ones([1, 1]) for step in cut.steps]
    return deciding.Decisions(
        tf.constant(layers, tf.float32),
        tuple(tf.constant(mask, tf.float32) for mask in masks))


def _walk(cut, images, decisions):
    """(exits' logits, head's logits) of the subgraphs that are needed."""
    x, exit_logits = cut.stem.function(images), []
    for k, step in enumerate(cut.steps):
        x = _run_or_skip(step, x, float(decisions.layers[0, k]),
                         decisions.masks[k].numpy())
        if step.exit:
            exit_logits.append(step.exit.function(x))
    return exit_logits, cut.head.function(x)


def _run_or_skip(step, x, gate, mask):
    wanted = tuple(int(g) for g in np.flatnonzero(mask[0]))
    if not gate or not wanted:
        return step.skip.function(x) if step.skip else x
    for variant in step.variants:
        if variant.masked:
            return variant.graph.function(x, tf.constant(mask))
        if variant.groups == wanted:
            return variant.graph.function(x)
    raise AssertionError(f"{step.name} has no graph for groups {wanted}")


if __name__ == "__main__":
    tf.test.main()
