"""Keras = TFLite = controller, for any decisions on the same images."""

import dataclasses
import pathlib
import tempfile

import hypothesis
import numpy as np
import tensorflow as tf
import tf_keras
from absl.testing import parameterized
from hypothesis import strategies

from converters import bundling
from converters import variants
from ddi_tf import data
from ddi_tf import deciding
from ddi_tf import network as network_lib
from ddi_tf import ranges
from ddi_tf import thresholds as thresholds_lib
from ddi_tf import subgraphs
from ddi_tf import traces
from device import bundle as bundle_lib
from device import controller as controller_lib

_SCALING = data.Scaling((120.0, 121.0, 122.0), (60.0, 61.0, 62.0))
_SETTINGS = {"data": {"label_names": [str(n) for n in range(10)],
                      "scaling": _SCALING._asdict()}}
_LOGIT_TOLERANCE = 1e-4

# Every kind of bundle: exact variants, one masked graph, no masks, no gates.
_CONFIGS = {
    "inner_2": network_lib.NetworkConfig(depth=8, groups=2),
    "inner_4_masked": network_lib.NetworkConfig(depth=8, groups=4),
    "output_every_channel": network_lib.NetworkConfig(
        depth=8, groups=0, mask_site="output"),
    "both_2_masked": network_lib.NetworkConfig(
        depth=8, groups=2, mask_site="both"),
    "layers_only": network_lib.NetworkConfig(depth=8, channel_gates=False),
    "channels_only": network_lib.NetworkConfig(depth=14, layer_gates=False),
    "settled": network_lib.NetworkConfig(
        depth=14, groups=4, channel_gate="recurrent", settled=(
            ("channel_gate", "stage1_block1", (1, 0, 1, 0)),
            ("layer_gate", "stage1_block2", (0,)),
            ("channel_gate", "stage1_block2", (0, 0, 0, 0)),
            ("layer_gate", "stage2_block1", (1,)),
            ("layer_gate", "stage3_block1", (0,)),
            ("channel_gate", "stage3_block1", (0, 0, 0, 0)),
            ("layer_gate", "stage3_block2", (1,)),
            ("channel_gate", "stage3_block2", (0, 1, 1, 1)))),
    "separable_exits": network_lib.NetworkConfig(
        depth=8, groups=2, exit_head="separable"),
    "plain": network_lib.NetworkConfig(
        depth=8, layer_gates=False, channel_gates=False, exits=False),
}


def lively(config, seed=0):
    """A network whose gates say yes and no, with uneven batch norms."""
    tf_keras.utils.set_random_seed(seed)
    network = network_lib.Network(config)
    random = np.random.default_rng(seed)
    for variable in network.variables:
        if "score/bias" in variable.name:
            variable.assign(random.normal(0.0, 0.3, variable.shape))
        elif "score/kernel" in variable.name:
            variable.assign(random.normal(0.0, 2.0, variable.shape))
        elif "moving_variance" in variable.name or "gamma" in variable.name:
            variable.assign(random.uniform(0.5, 1.5, variable.shape))
        elif "moving_mean" in variable.name or "beta" in variable.name:
            variable.assign(random.normal(0.0, 0.2, variable.shape))
    return network


def random_images(count, seed=1):
    """[count, 32, 32, 3] uint8 with patches, so that features differ."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 256, [count, 4, 4, 3])
    fine = random.integers(-40, 41, [count, 32, 32, 3])
    images = coarse.repeat(8, axis=1).repeat(8, axis=2) + fine
    return np.clip(images, 0, 255).astype(np.uint8)


def controller_of(network, ways=subgraphs.every_set(3),
                  numbers=bundling.FLOAT32, points=()):
    """A `Controller` of the exported network."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "bundle"
        bundling.write(network, _SETTINGS, points, path, ways,
                       numbers)
        return controller_lib.Controller(bundle_lib.load(path))


def path_of(traced, image):
    """What `Answer.path` should be if no exit is taken."""
    return tuple(
        tuple(np.flatnonzero(mask[image]).tolist()) if layer else ()
        for layer, mask in zip(traced.layers[image], traced.masks))


class GateParityTest(tf.test.TestCase, parameterized.TestCase):

    @parameterized.named_parameters(_CONFIGS.items())
    def test_controller_decides_and_answers_as_keras_does(self, config):
        network, images = lively(config), random_images(40)
        split = data.Split(images, np.zeros(len(images), np.int32))
        traced = traces.Tracer(network, _SCALING).collect(split)
        controller = controller_of(network)
        for n, image in enumerate(images):
            answer = controller.classify(image)
            self.assertEqual(answer.path, path_of(traced, n), f"image {n}")
            self.assertAllClose(answer.logits, traced.logits[n, -1],
                                rtol=0, atol=_LOGIT_TOLERANCE)
        if config.layer_gates:
            self.assertBetween(traced.layers.mean(), 0.05, 0.95)

    def test_what_is_settled_is_not_paid_for(self):
        network, images = lively(_CONFIGS["settled"]), random_images(20)
        split = data.Split(images, np.zeros(len(images), np.int32))
        spent = traces.Tracer(network, _SCALING).collect(split).spent[:, -1]
        controller = controller_of(network, variants.settled(
            network, subgraphs.every_set(15)))
        for n, image in enumerate(images):
            self.assertEqual(controller.classify(image).macs,
                             spent[n] + network.costs.head, f"image {n}")
        self.assertLen([block.layer_gate for block in controller.blocks
                        if block.layer_gate], 2)
        self.assertEqual(
            [len(block.variants) for block in controller.blocks],
            # What is settled, if that is anything; else every set of four.
            [1, 0, 15, 15, 0, 1])
        self.assertEqual(
            [any(variant.masked for variant in block.step.variants)
             for block in controller.blocks], [False] * 6)

    @parameterized.parameters(
        ("inner_2", "shannon"), ("inner_2", "min"), ("separable_exits", "min"))
    def test_controller_leaves_and_pays_as_the_thresholds_say(
            self, name, entropy):
        network, images = lively(dataclasses.replace(
            _CONFIGS[name], exit_entropy=entropy)), random_images(60)
        split = data.Split(images, np.zeros(len(images), np.int32))
        traced = traces.Tracer(network, _SCALING).collect(split)
        middle = [float(np.median(traced.entropies[:, 0])), None,
                  float(np.median(traced.entropies[:, 2]))]
        expected = thresholds_lib.apply(
            traced, traced.macs(network.costs), middle)
        controller = controller_of(network)
        for n, image in enumerate(images):
            answer = controller.classify(image, thresholds=middle)
            self.assertEqual(answer.exit, ["exit1", "exit2", "exit3", "head"][
                expected.exits[n]], f"image {n}")
            self.assertEqual(answer.macs, expected.cost[n], f"image {n}")
        self.assertLen(set(expected.exits), 3)


class DecisionPropertyTest(tf.test.TestCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.networks = {name: lively(_CONFIGS[name]) for name in (
            "inner_2", "inner_4_masked", "output_every_channel")}
        # Of 4 groups a graph for 1, 3 and 4 of them, each with a mask.
        cls.controllers = {name: controller_of(network, variants.spread(3))
                           for name, network in cls.networks.items()}
        cls.images = random_images(8)

    def test_any_decisions_give_the_masked_keras_forward(self):
        @hypothesis.settings(max_examples=60, deadline=None,
                             derandomize=True)
        @hypothesis.given(strategies.data())
        def check(source):
            name = source.draw(strategies.sampled_from(sorted(self.networks)))
            network = self.networks[name]
            image = self.images[source.draw(
                strategies.integers(0, len(self.images) - 1))]
            gates = list(network.channel_gates.values())
            path = [tuple(sorted(source.draw(strategies.sets(
                strategies.integers(0, gate.groups - 1)))))
                for gate in gates]
            self._assert_same(name, image, path)

        check()

    def _assert_same(self, name, image, path):
        network = self.networks[name]
        masks = tuple(
            tf.constant([[float(g in kept) for g in range(gate.groups)]])
            for kept, gate in zip(path, network.channel_gates.values()))
        decisions = deciding.Decisions(
            tf.constant([[float(bool(kept)) for kept in path]]), masks)
        expected = network(data.normalize(image[None], _SCALING),
                           decisions=decisions)
        answer = self.controllers[name].classify(image, forced=path)
        self.assertEqual(answer.path, tuple(path))
        self.assertAllClose(answer.logits, expected.logits[0], rtol=0,
                            atol=_LOGIT_TOLERANCE)


class Int8Test(tf.test.TestCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.network, cls.images = lively(_CONFIGS["inner_4_masked"]), random_images(60)
        split = data.Split(cls.images, np.zeros(60, np.int32))
        cls.float = traces.Tracer(cls.network, _SCALING).collect(split)
        ranges.attach(cls.network, _SCALING)
        found = ranges.find(cls.network, _SCALING, random_images(50, seed=2),
                            random_images(10, seed=3))
        cls.keras = traces.Tracer(cls.network, _SCALING).collect(split)
        numbers = bundle_lib.Numbers("int8", bundle_lib.Calibration(
            found.images, found.saturated))
        cls.whole, cls.spread, cls.exact = (
            controller_of(cls.network, ways, numbers) for ways in (
                subgraphs.masked, variants.spread(3), subgraphs.every_set(15)))

    def test_widths_change_no_bit(self):
        for image in self.images[:30]:
            whole = self.whole.classify(image)
            for other in (self.spread, self.exact):
                answer = other.classify(image)
                self.assertEqual(answer.path, whole.path)
                self.assertAllEqual(answer.logits, whole.logits)
                self.assertLessEqual(answer.macs, whole.macs)

    def test_a_skip_hands_on_the_same_bytes(self):
        # Stages 2 and 3 begin with a shortcut; nothing else is run.
        image = self.images[0]
        answer = self.whole.classify(image, forced=[(), (), ()])
        self.assertEqual(answer.path, ((), (), ()))
        self.assertEqual(answer.macs, self.whole.costs.stem + sum(
            step.skip for step in self.whole.costs.steps)
            + self.whole.costs.head)

    def test_the_controller_decides_as_keras_rounds(self):
        answers = [self.exact.classify(image) for image in self.images]
        same = np.mean([answer.path == path_of(self.keras, n)
                        for n, answer in enumerate(answers)])
        self.assertGreaterEqual(same, 0.9)
        logits = np.stack([answer.logits for answer in answers])
        keras = self.keras.logits[:, -1]
        self.assertLess(np.median(np.abs(logits - keras)),
                        0.02 * np.abs(keras).max())

    def test_int8_is_not_far_from_float(self):
        self.assertGreaterEqual(
            np.mean(self.keras.layers == self.float.layers), 0.9)


class Int8ExitsTest(tf.test.TestCase, parameterized.TestCase):

    @parameterized.parameters("grid", "separable")
    def test_they_answer_as_keras_rounds(self, form):
        network, images = lively(dataclasses.replace(
            _CONFIGS["inner_2"], exit_head=form)), random_images(40)
        split = data.Split(images, np.zeros(40, np.int32))
        plain = traces.Tracer(network, _SCALING).collect(split).logits
        ranges.attach(network, _SCALING)
        found = ranges.find(network, _SCALING, random_images(50, seed=2),
                            random_images(10, seed=3))
        keras = traces.Tracer(network, _SCALING).collect(split)
        controller = controller_of(network, numbers=bundle_lib.Numbers(
            "int8", bundle_lib.Calibration(found.images, found.saturated)))
        for exit_ in range(3):
            always = [None] * exit_ + [100.0] + [None] * (2 - exit_)
            # A step of rounding may turn a gate, so its decisions are given.
            logits = np.stack([controller.classify(
                image, forced=path_of(keras, n), thresholds=always).logits
                               for n, image in enumerate(images)])
            expected, size = keras.logits[:, exit_], np.abs(plain).max()
            self.assertLess(np.median(np.abs(logits - expected)), 0.01 * size)
            self.assertLess(
                np.median(np.abs(logits - plain[:, exit_])), 0.05 * size)


class BudgetParityTest(tf.test.TestCase):

    def test_no_image_passes_its_budget_on_real_graphs(self):
        controller = controller_of(lively(_CONFIGS["inner_2"]))
        random = np.random.default_rng(0)
        cheapest = controller.costs.cheapest
        for image in random_images(20):
            for budget in random.integers(cheapest, 16_000_000, 5):
                answer = controller.classify(image, max_macs=int(budget))
                self.assertLessEqual(answer.macs, budget)


if __name__ == "__main__":
    tf.test.main()
