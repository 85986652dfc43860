"""Tests of starting from a trained backbone that is as deep, or shallower."""

import dataclasses
import pathlib

import tensorflow as tf
import tf_keras
from absl.testing import parameterized

from ddi_tf import errors
from ddi_tf import growing
from ddi_tf import network
from ddi_tf import run_folder

_CONFIG = network.NetworkConfig(depth=14, image_shape=(16, 16, 3))
_MOBILENET = {"backbone": "mobilenetv2", "depth": 53, "width": 0.25,
              "image_shape": (32, 32, 3)}
_PARTS = ("stem", "head", "blocks")


def _network(**changes):
    """A network whose every variable has values of its own."""
    net = network.Network(dataclasses.replace(_CONFIG, **changes))
    for variable in net.variables:
        variable.assign(tf.random.uniform(variable.shape, 0.5, 1.5))
    return net


class GrowTest(tf.test.TestCase, parameterized.TestCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        tf_keras.utils.set_random_seed(0)
        cls.source = _network()

    def _assert_same(self, theirs, ours):
        for a, b in zip(theirs.variables, ours.variables, strict=True):
            self.assertAllEqual(a, b, msg=b.name)

    def test_one_as_deep_has_the_same_backbone_and_its_own_gates(self):
        net = _network()
        others = {v.ref() for part in _PARTS for layer in tf.nest.flatten(
            getattr(net, part)) for v in layer.variables}
        own = [(v, v.numpy()) for v in net.variables if v.ref() not in others]
        growing.grow(self.source, net)
        self._assert_same(self.source.stem, net.stem)
        self._assert_same(self.source.head, net.head)
        for theirs, ours in zip(self.source.blocks, net.blocks, strict=True):
            self._assert_same(theirs, ours)
        self.assertNotEmpty(own)
        for variable, before in own:
            self.assertAllEqual(variable, before, msg=variable.name)

    def test_blocks_are_taken_in_order_and_those_that_halve_once(self):
        net = _network(depth=26)
        growing.grow(self.source, net)
        # Of 2 + (1 + 1) + (1 + 1) blocks: 4 + (1 + 3) + (1 + 3).
        for theirs, ours in zip((0, 0, 1, 1, 2, 3, 3, 3, 4, 5, 5, 5),
                                net.blocks, strict=True):
            self.assertAllEqual(self.source.blocks[theirs].conv1.kernel,
                                ours.conv1.kernel)

    def test_what_cannot_be_shared_out_evenly_goes_to_the_first(self):
        net = _network(depth=20)
        growing.grow(self.source, net)
        for theirs, ours in zip((0, 0, 1, 2, 3, 3, 4, 5, 5), net.blocks,
                                strict=True):
            self.assertAllEqual(self.source.blocks[theirs].conv1.kernel,
                                ours.conv1.kernel)

    def test_copies_share_out_what_the_block_adds(self):
        net = _network(depth=26)
        growing.grow(self.source, net)
        x = tf.random.uniform([2, 8, 8, 32])
        whole = self.source.blocks[3](x) - x  # all it adds is positive
        self.assertAllGreater(whole, 0)
        for copy in net.blocks[5:8]:
            self.assertAllClose(copy(x) - x, whole / 3, rtol=1e-4)
        with self.subTest("what is taken once adds as much as it did"):
            x = tf.random.uniform([2, 16, 16, 16])
            self.assertAllEqual(net.blocks[4](x), self.source.blocks[2](x))

    def test_a_head_for_other_classes_stays(self):
        net = _network(classes=3)
        before = [variable.numpy() for variable in net.head.variables]
        growing.grow(self.source, net)
        for variable, value in zip(net.head.variables, before, strict=True):
            self.assertAllEqual(variable, value)
        self._assert_same(self.source.stem, net.stem)

    def test_another_family_goes_on_too(self):
        source, net = _network(**_MOBILENET), _network(**_MOBILENET)
        growing.grow(source, net)
        for theirs, ours in zip(source.blocks, net.blocks, strict=True):
            self._assert_same(theirs, ours)

    @parameterized.parameters(
        {"depth": 8}, {"width": 0.5}, _MOBILENET)
    def test_what_does_not_fit_is_refused_and_left_as_it_is(self, **changes):
        net = _network(**changes)
        before = [variable.numpy() for variable in net.variables]
        with self.assertRaisesRegex(
                errors.ConfigError,
                f"{net.config.title} cannot be grown from resnet14"):
            growing.grow(self.source, net)
        for variable, value in zip(net.variables, before):
            self.assertAllEqual(variable, value)

    def test_one_without_a_block_to_repeat_is_refused(self):
        # Stages 2 and 3 of ResNet8 have the block that halves, and no other.
        with self.assertRaisesRegex(errors.ConfigError, "from resnet8"):
            growing.grow(_network(depth=8), _network())


class GrownStartTest(tf.test.TestCase):

    def setUp(self):
        super().setUp()
        self.root = pathlib.Path(self.create_tempdir().full_path)

    def _folder(self, name):
        folder = run_folder.RunFolder(self.root / name)
        folder.create({"network": dataclasses.asdict(_CONFIG)}, "")
        return folder

    def test_a_new_run_takes_the_base_phases_backbone(self):
        source, trained = self._folder("source"), _network()
        source.save_phase("base", trained)
        net = _network(depth=26)
        growing.GrownStart(source.path).load(net, self._folder("new"))
        self.assertAllEqual(
            net.blocks[0].conv1.kernel, trained.blocks[0].conv1.kernel)

    def test_a_run_that_goes_on_takes_nothing(self):
        folder, net = self._folder("old"), _network()
        folder.checkpoints.save(tf.train.Checkpoint(network=net), 1)
        growing.GrownStart(self.root / "gone").load(net, folder)

    def test_a_run_without_a_base_network_is_refused(self):
        with self.assertRaisesRegex(
                errors.CheckpointError, "holds no checkpoint.*base"):
            growing.GrownStart(self._folder("empty").path).load(
                _network(), self._folder("new"))


if __name__ == "__main__":
    tf.test.main()
