"""Tests of gates that say the same about all images, and are asked no more."""

import dataclasses
import json
import pathlib

import numpy as np
import tensorflow as tf
import tf_keras
from absl.testing import parameterized

from ddi_tf import data
from ddi_tf import distribution
from ddi_tf import latency
from ddi_tf import network as network_lib
from ddi_tf import precisions
from ddi_tf import run_folder
from ddi_tf import settled_gates
from ddi_tf import settling
from ddi_tf import subgraphs
from ddi_tf import traces

_CONFIG = network_lib.NetworkConfig(
    depth=8, image_shape=(16, 16, 3), channel_gate="recurrent")
_BLOCKS = ("stage1_block1", "stage2_block1", "stage3_block1")
_LAYER, _CHANNELS = settled_gates.LAYER, settled_gates.CHANNELS
_OPEN, _SHUT, _BOTH, _NONE = (1,), (0,), (1, 1), (0, 0)


def _traced(layers, *masks):
    """`traces.Traces` of N images: [N, K] layers, K times [N, G] masks."""
    layers = np.array(layers, np.uint8)
    nothing = [None] * 5
    return traces.Traces(*nothing, layers, tuple(
        np.broadcast_to(np.array(mask, np.uint8), [len(layers), 2])
        for mask in masks))


def _settled(*gates, precision="float32"):
    return network_lib.Network(
        dataclasses.replace(_CONFIG, settled=gates), precision)


def _gradients(network, images, decisions):
    """Of a sum of all answers' squares, by all but the gates' variables."""
    with tf.GradientTape() as tape:
        outputs = network(images, training=True, decisions=decisions,
                          sampled=True)  # no gradient through gates
        total = tf.add_n([tf.reduce_sum(logits**2) for logits in (
            outputs.logits, *outputs.exit_logits)])
    return tape.gradient(
        total, network.base_variables + network.exit_variables,
        unconnected_gradients="zero")


class FindTest(tf.test.TestCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.network = network_lib.Network(_CONFIG)

    def _find(self, *traced):
        return dict(((kind, _BLOCKS.index(name)), says) for kind, name, says
                    in settling.find(self.network, _traced(*traced)))

    def test_what_all_images_share_is_found(self):
        found = self._find([[1, 1, 0], [1, 0, 0]],
                           [1, 0], [[1, 1], [0, 1]], [1, 1])
        self.assertEqual(found, {
            (_LAYER, 0): _OPEN, (_CHANNELS, 0): (1, 0),
            # Of block 1 the one image that runs it wants all channels.
            (_CHANNELS, 1): _BOTH,
            (_LAYER, 2): _SHUT, (_CHANNELS, 2): _NONE})

    def test_masks_of_images_that_skip_the_block_do_not_count(self):
        found = self._find([[1, 1, 1], [1, 0, 1]],
                           [[1, 0], [0, 1]], [[1, 0], [0, 1]], [1, 1])
        self.assertNotIn((_CHANNELS, 0), found)
        self.assertEqual(found[_CHANNELS, 1], (1, 0))

    def test_a_block_without_any_channel_never_runs(self):
        found = self._find([[1, 1, 1], [0, 1, 1]], [0, 0], [1, 1], [1, 1])
        self.assertEqual((found[_LAYER, 0], found[_CHANNELS, 0]),
                         (_SHUT, _NONE))

    def test_one_image_in_a_hundred_may_differ_and_not_two(self):
        layers = np.ones([200, 3])
        layers[:2, 0] = layers[:3, 1] = 0
        found = self._find(layers, [1, 1], [1, 1], [1, 1])
        self.assertEqual(found[_LAYER, 0], _OPEN)
        self.assertNotIn((_LAYER, 1), found)

    def test_once_trained_a_memory_keeps_what_it_is_asked_for(self):
        traced = _traced([[1, 1, 1], [1, 0, 1]], [1, 0], [[1, 0], [0, 1]],
                         [1, 1])
        found = [gate[:2] for gate in settling.find(
            self.network, traced, is_trained=True)]
        # The layer gate of block 1 differs: that of block 0 stays as well.
        self.assertEqual(found, [
            (_CHANNELS, _BLOCKS[0]), (_CHANNELS, _BLOCKS[1]),
            (_LAYER, _BLOCKS[2]), (_CHANNELS, _BLOCKS[2])])

    def test_once_trained_gates_without_a_memory_are_settled_alone(self):
        network = network_lib.Network(dataclasses.replace(
            _CONFIG, layer_gate="convolutional", channel_gates=False))
        found = settling.find(network, _traced(
            [[1, 1, 1], [1, 0, 1]], [1, 1], [1, 1], [1, 1]), is_trained=True)
        self.assertEqual([name for _, name, _ in found],
                         [_BLOCKS[0], _BLOCKS[2]])

    def test_only_gates_that_there_are(self):
        network = network_lib.Network(dataclasses.replace(
            _CONFIG, layer_gates=False, groups=2))
        found = settling.find(network, _traced(
            [[1, 1, 1]], [1, 0], [1, 1], [1, 1]))
        self.assertEqual([kind for kind, *_ in found], [_CHANNELS] * 3)

    def test_how_many_are_settled_in_words(self):
        self.assertEqual(settling.in_words(self.network, (
            (_LAYER, _BLOCKS[0], _OPEN), (_CHANNELS, _BLOCKS[0], _BOTH),
            (_CHANNELS, _BLOCKS[1], _BOTH))),
            "1 of 3 layer gates and 2 of 3 channel gates")


class NetworkTest(tf.test.TestCase, parameterized.TestCase):

    def setUp(self):
        super().setUp()
        self.images = tf.random.stateless_normal([6, 16, 16, 3], [0, 1])

    @parameterized.parameters(*precisions.NAMES)
    def test_a_settled_gate_says_what_it_said(self, precision):
        network = _settled((_LAYER, _BLOCKS[0], _SHUT),
                           (_CHANNELS, _BLOCKS[1], (0, 1)),
                           precision=precision)
        decided = network(self.images, training=True).decisions
        self.assertAllEqual(decided.layers[:, 0], tf.zeros([6]))
        self.assertAllEqual(decided.masks[1], [[0, 1]] * 6)

    def test_an_lstm_passes_a_settled_gate_by(self):
        network = _settled((_LAYER, _BLOCKS[0], _OPEN))
        asked = []
        gate = network.layer_gate
        ask = type(gate).call

        def remembered(self, features, state, name):
            asked.append((name, state.numpy()))
            return ask(self, features, state, name)

        gate.call = remembered.__get__(gate)
        network(self.images)
        states = dict(asked)
        self.assertAllEqual(states[_BLOCKS[1]], tf.zeros([6, 20]))
        self.assertNotAllClose(states[_BLOCKS[2]], tf.zeros([6, 20]))

    @parameterized.product(
        backbone=(("resnet", 8), ("densenet", 22), ("mobilenetv2", 53)),
        mask_site=("inner", "output"))
    def test_it_computes_what_it_did_with_less(self, backbone, mask_site):
        """Of what is left, answers and gradients are those of before."""
        name, depth = backbone
        tf_keras.utils.set_random_seed(0)
        whole = network_lib.Network(dataclasses.replace(
            _CONFIG, backbone=name, depth=depth, mask_site=mask_site))
        first, second, third = [
            block.name for block in whole.blocks
            if block.skippable and block.channels][:3]
        network = network_lib.Network(dataclasses.replace(
            whole.config, settled=(
                (_LAYER, first, _SHUT), (_CHANNELS, first, _NONE),
                (_LAYER, second, _OPEN), (_CHANNELS, second, (1, 0)),
                (_CHANNELS, third, (0, 1)))))
        network.copy_from(whole)
        asked = network(self.images)
        self.assertAllClose(asked.logits, whole(
            self.images, decisions=asked.decisions).logits, atol=1e-4)
        decisions = network(self.images, training=True).decisions
        whole(self.images, training=True, decisions=decisions)  # its norms too
        ours, theirs = (
            _gradients(net, self.images, decided) for net, decided in (
                (network, None), (whole, decisions)))
        for variable, a, b in zip(
                network.base_variables + network.exit_variables, ours, theirs,
                strict=True):
            size = np.abs(b).max() + 1e-6
            self.assertAllClose(
                a / size, b / size, atol=2e-3, msg=variable.name)
        with self.subTest("norms of what never runs stay as they are"):
            [block] = [b for b in network.blocks if b.name == first]
            for layer in block.branch:
                if layer.norm is not None:
                    self.assertAllEqual(layer.norm.moving_mean, tf.zeros(
                        [layer.filters]))

    def test_a_shortcut_is_trained_where_its_block_never_runs(self):
        network = _settled((_LAYER, _BLOCKS[1], _SHUT))
        norm = network.blocks[1].projection.norm
        before = norm.moving_mean.numpy()
        network(self.images, training=True)
        self.assertNotAllClose(norm.moving_mean, before)

    def test_it_has_the_same_variables_in_the_same_order(self):
        settled = _settled(*((kind, name, says) for name in _BLOCKS
                             for kind, says in ((_LAYER, _OPEN),
                                                (_CHANNELS, _BOTH))))
        for ours, theirs in zip(settled.variables,
                                network_lib.Network(_CONFIG).variables,
                                strict=True):
            # Behind the name of the network, which is numbered.
            self.assertEqual((ours.name.partition("/")[2], ours.shape),
                             (theirs.name.partition("/")[2], theirs.shape))

    def test_what_is_not_asked_costs_nothing(self):
        network = _settled((_LAYER, _BLOCKS[0], _OPEN),
                           (_CHANNELS, _BLOCKS[2], _BOTH))
        other = network_lib.Network(_CONFIG).costs
        self.assertEqual(network.costs, other._replace(
            layer_gates=(0, *other.layer_gates[1:]),
            channel_gates=(*other.channel_gates[:2], 0)))
        with self.subTest("in milliseconds neither"):
            cut = subgraphs.cut(network, subgraphs.masked)
            names = [graph.name for graph in cut.graphs]
            self.assertNotIn("stage1_block1_layer_gate", names)
            table = latency.table(network, dict.fromkeys(names, 1.0))
            self.assertEqual(table.layer_gates, (0, 1, 1))
            self.assertEqual(table.channel_gates, (1, 1, 0))

    @parameterized.parameters(
        ([], None), ([(_LAYER, _OPEN)], None), ([(_LAYER, _SHUT)], ()),
        ([(_CHANNELS, (0, 1))], (1,)), ([(_CHANNELS, _NONE)], ()),
        ([(_LAYER, _OPEN), (_CHANNELS, _BOTH)], (0, 1)))
    def test_groups_that_run_without_a_question(self, gates, groups):
        network = _settled(*((kind, _BLOCKS[0], says) for kind, says in gates))
        self.assertEqual(
            settled_gates.groups_run(network, network.blocks[0]), groups)
        self.assertIsNone(settled_gates.groups_run(network, network.blocks[1]))

    def test_its_configuration_is_read_back(self):
        config = _settled((_CHANNELS, _BLOCKS[1], (0, 1))).config
        self.assertEqual(network_lib.NetworkConfig.from_dict(
            json.loads(json.dumps(dataclasses.asdict(config)))), config)


class SettlerTest(tf.test.TestCase):

    def setUp(self):
        super().setUp()
        self.folder = run_folder.RunFolder(
            pathlib.Path(self.create_tempdir().full_path) / "run")
        self.settings = {"network": dataclasses.asdict(_CONFIG)}
        self.folder.create(self.settings, "")
        self.network = network_lib.Network(_CONFIG)

    def _begin(self, phase, network=None, says=0.0):
        """Begins a phase with gates whose scores are all `says`."""
        network = network or self.network
        for variable in network.gate_variables:
            variable.assign(tf.zeros_like(variable))
        for gate in network.gates:
            for bias in gate.biases:
                bias.assign(tf.fill(bias.shape, says))
        settling.Settler(
            self.folder, network, network, _Dataset(),
            distribution.LOCAL).begin(_Phase(phase))

    def test_the_exits_phase_begins_with_settled_gates(self):
        with self.assertRaises(settling.SettledError):
            self._begin("exits", says=-1.0)
        self.assertEqual(self.folder.network_config.settled, tuple(
            (kind, name, says) for name in _BLOCKS
            for kind, says in ((_LAYER, _SHUT), (_CHANNELS, _NONE))))
        with self.subTest("the run goes on with the same settings"):
            self.folder.create({"network": dataclasses.asdict(
                self.folder.network_config)}, "")

    def test_other_phases_begin_as_they_were(self):
        self._begin("restore")
        self.assertEqual(self.folder.network_config, _CONFIG)

    def test_a_network_is_settled_once(self):
        self._begin("exits", _settled((_LAYER, _BLOCKS[0], _OPEN)))
        self.assertEqual(self.folder.network_config, _CONFIG)


class KnownTest(tf.test.TestCase):

    def test_a_run_goes_on_with_its_own_and_begins_with_what_is_given(self):
        folder = run_folder.RunFolder(
            pathlib.Path(self.create_tempdir().full_path) / "run")
        given = ((_LAYER, _BLOCKS[1], _OPEN),)
        start = _Start(given)
        self.assertEqual(settling.known(folder, start), given)
        network = _settled((_LAYER, _BLOCKS[0], _OPEN))
        folder.create({"network": dataclasses.asdict(network.config)}, "")
        folder.checkpoints.save(tf.train.Checkpoint(network=network), 1)
        self.assertEqual(
            settling.known(folder, start), network.config.settled)


@dataclasses.dataclass
class _Phase:
    name: str


@dataclasses.dataclass
class _Start:
    settled: tuple


class _Dataset:
    """Eight grey images of the tune split."""

    def __init__(self):
        self.scaling = data.Scaling((128.0,) * 3, (64.0,) * 3)
        self.tune = data.Split(
            np.full([8, 16, 16, 3], 128, np.uint8), np.zeros(8, np.int32))


if __name__ == "__main__":
    tf.test.main()
