"""Tests of two training steps of every peer, in the trainer's own hands."""

import dataclasses
import pathlib

import numpy as np
import tensorflow as tf
import tf_keras

from ddi_tf import data
from ddi_tf import errors
from ddi_tf import gates
from ddi_tf import network
from ddi_tf import phases
from ddi_tf import run_folder
from ddi_tf import strategies
from ddi_tf import trainer
from ddi_tf.peers import pfec
from ddi_tf.peers import pruned_start

_PLAIN = network.NetworkConfig(
    depth=8, image_shape=(16, 16, 3), layer_gates=False, channel_gates=False,
    exits=False)
_LCCL = dataclasses.replace(_PLAIN, strategy="lccl")
_PFEC = dataclasses.replace(_PLAIN, strategy="pfec", inner_width=(0.5,))
_BLOCKDROP = dataclasses.replace(
    _PLAIN, strategy="blockdrop", layer_gates=True)


def _dataset():
    generator = np.random.default_rng(0)
    splits = [data.Split(
        generator.integers(0, 256, [size, 16, 16, 3]).astype(np.uint8),
        generator.integers(0, 10, size).astype(np.int32))
        for size in (32, 16, 4)]
    return data.Dataset(
        "random", tuple("0123456789"),
        data.Scaling((127.0,) * 3, (74.0,) * 3), True, *splits)


class _Silent:

    def start(self, *_):
        pass

    def update(self, _):
        pass


class RunsTest(tf.test.TestCase):

    def _folder(self, name, config):
        folder = run_folder.RunFolder(
            pathlib.Path(self.create_tempdir().full_path) / name)
        folder.create({"network": dataclasses.asdict(config)}, "")
        return folder

    def _run(self, config, start=None, **epochs):
        """(folder, network as it began, trained): two steps per epoch."""
        tf_keras.utils.set_random_seed(1)
        folder, net = self._folder("run", config), strategies.make(config)
        if start is not None:
            start.load(net, folder)
        before = [variable.numpy() for variable in net.variables]
        schedule = phases.Schedule(
            batch_size=16, epochs=epochs, norm_batches=1, target_cost=1.0)
        run = trainer.Trainer(folder, net, _dataset(), schedule, net.costs,
                              _Silent())
        run.run()
        return folder, before, net

    def _assert_read_again(self, folder, net):
        read = folder.load_network()
        self.assertIs(type(read), type(net))
        for ours, theirs in zip(
                read.variables, net.variables, strict=True):
            self.assertAllEqual(ours, theirs, msg=ours.name)

    def _moved(self, before, net, variables):
        known = {v.ref(): value for v, value in zip(net.variables, before)}
        return [bool(np.any(known[v.ref()] != v.numpy())) for v in variables]

    def test_a_network_of_low_cost_layers_learns(self):
        folder, before, net = self._run(_LCCL, base=1)
        self.assertTrue(all(self._moved(before, net, net.base_variables)))
        self._assert_read_again(folder, net)

    def test_a_pruned_network_learns_and_is_its_own_base(self):
        source = self._folder("source", _PLAIN)
        whole = network.Network(_PLAIN)
        source.save_phase("base", whole)
        start = pruned_start.PrunedStart(source.path)
        folder, before, net = self._run(_PFEC, start, base=1)
        kept = pfec.kept_filters(whole.blocks[0].conv1.kernel.numpy(), 8)
        first = {v.ref(): value for v, value in zip(net.variables, before)}[
            net.blocks[0].conv1.kernel.ref()]
        self.assertAllEqual(
            first, whole.blocks[0].conv1.kernel.numpy()[..., kept])
        self.assertTrue(all(self._moved(before, net, net.base_variables)))
        self._assert_read_again(folder, net)
        with self.subTest("a run that goes on prunes nothing"):
            pruned_start.PrunedStart("gone").load(net, folder)
        with self.subTest("without a base network there is nothing to prune"):
            with self.assertRaisesRegex(
                    errors.CheckpointError, "holds no checkpoint.*base"):
                pruned_start.PrunedStart(
                    self._folder("empty", _PLAIN).path).load(
                        net, self._folder("new", _PFEC))

    def test_a_policy_learns_alone_from_the_last_block_on(self):
        seen = []
        draw = gates.draw_thresholds

        def remembered(*arguments):
            seen.append(draw(*arguments))
            return seen[-1]

        gates.draw_thresholds = remembered
        self.addCleanup(setattr, gates, "draw_thresholds", draw)
        folder, before, net = self._run(_BLOCKDROP, skip=1)
        self.assertAllEqual(
            [np.any(thresholds > 0, axis=0)[:3] for thresholds in seen],
            [[False, True, True], [True, True, True]])  # 3 blocks, 2 steps
        self.assertTrue(all(self._moved(before, net, net.gate_variables)))
        self.assertFalse(any(self._moved(before, net, net.base_variables)))
        self._assert_read_again(folder, net)

    def test_a_policy_and_the_rest_learn_together(self):
        folder, before, net = self._run(_BLOCKDROP, reinforce=1)
        for variables in (net.gate_variables, net.base_variables):
            self.assertTrue(all(self._moved(before, net, variables)))
        self._assert_read_again(folder, net)
        self.assertIn("policy_loss", folder.metrics[0]["train"])


if __name__ == "__main__":
    tf.test.main()
