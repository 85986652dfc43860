"""Tests of traces made part by part, stopped, and found again."""

import dataclasses
import pathlib
from unittest import mock

import gate_case
import numpy as np
import tensorflow as tf
import tf_keras

from ddi_tf import costs
from ddi_tf import data
from ddi_tf import deciding
from ddi_tf import errors
from ddi_tf import network
from ddi_tf import resources
from ddi_tf import run_folder
from ddi_tf import trace_files
from ddi_tf import traces
from ddi_tf import tracing

_CONFIG = network.NetworkConfig(depth=8, image_shape=(16, 16, 3))


def _dataset(images=50):
    generator = np.random.default_rng(0)
    split = data.Split(
        generator.integers(0, 256, [images, 16, 16, 3], np.uint8),
        generator.integers(0, 10, images, np.int32))
    return data.Dataset("noise", tuple("abcdefghij"),
                        data.Scaling((127.5,) * 3, (73.9,) * 3), True, split,
                        split, split)


class RecordTest(tf.test.TestCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        tf_keras.utils.set_random_seed(2)
        cls.net, cls.dataset = network.Network(_CONFIG), _dataset()
        # So that they differ between images.
        for score in gate_case.scores(cls.net):
            score.kernel.assign(40 * score.kernel)
            score.bias.assign(tf.zeros_like(score.bias))

    def setUp(self):
        super().setUp()
        # Tracing would take longer than the few batches do.
        tf.config.run_functions_eagerly(True)
        self.addCleanup(tf.config.run_functions_eagerly, False)
        self.folder = run_folder.RunFolder(
            pathlib.Path(self.create_tempdir().full_path) / "run")
        self.folder.create({
            "network": dataclasses.asdict(_CONFIG),
            "schedule": {"seed": 0, "batch_size": 16, "norm_batches": 2},
            "data": self.dataset.settings}, "")
        self.folder.save_phase("base", self.net)
        self._save(self.net, 1)
        self.enter_context(mock.patch.object(tracing, "_PART", 20))

    def _save(self, net, step):
        self.folder.checkpoints.save(tf.train.Checkpoint(network=net), step)

    def _record(self, gates_open=False, **more):
        return tracing.record(self.folder, "tune", self.dataset,
                              [resources.Energy("horowitz", "int8")],
                              gates_open, **more)

    def test_it_is_what_the_network_does(self):
        counted = []
        recorded = self._record(on_images=counted.append)
        expected = traces.Tracer(self.net, self.dataset.scaling).collect(
            self.dataset.tune)
        self.assertEqual(counted, [20, 20, 10])
        self.assertAllEqual(recorded.traces.layers, expected.layers)
        self.assertBetween(recorded.traces.layers.mean(), 0.05, 0.95)
        self.assertAllClose(recorded.traces.logits, expected.logits, atol=1e-5)
        self.assertAllEqual(recorded.costs["macs"].spent, expected.spent)
        self.assertAllEqual(
            recorded.costs["macs"].answers, self.net.costs.answers)
        self.assertEqual(recorded.about.resources["energy"]["unit"], "pJ")
        base = traces.Tracer(self.net, self.dataset.scaling, all_open=True)
        self.assertAllClose(
            recorded.base_logits,
            base.collect(self.dataset.tune).logits[:, -1], atol=1e-5)
        skipped = 1 - recorded.traces.executed.mean(axis=1)
        most, least = np.split(recorded.example_indices, 2)
        self.assertGreaterEqual(skipped[most].min(), np.median(skipped))
        self.assertEqual(skipped[least[0]], skipped.min())
        self.assertAllEqual(
            recorded.examples, self.dataset.tune.images[
                recorded.example_indices])

    def test_energy_is_that_of_the_decisions(self):
        recorded = self._record()
        table = resources.Energy("horowitz", "int8").table(self.net)
        spent = costs.spent(table, deciding.Decisions(
            recorded.traces.layers, recorded.traces.masks))
        self.assertAllClose(recorded.costs["energy"].spent, spent)
        self.assertAllClose(recorded.costs["energy"].base, table.base)

    def test_stopped_it_goes_on_where_it_was(self):
        whole = self._record()
        where = trace_files.path(self.folder.path, "tune")
        where.unlink()
        done = []

        def stop(count):
            done.append(count)
            if len(done) == 2:
                raise KeyboardInterrupt

        with self.assertRaises(KeyboardInterrupt):
            self._record(on_images=stop)
        self.assertFalse(where.exists())
        collect = traces.Tracer.collect
        with mock.patch.object(traces.Tracer, "collect", autospec=True,
                               side_effect=collect) as collected:
            again = self._record()
        self.assertEqual(collected.call_count, 2)  # one part, both networks
        for ours, theirs in zip(tf.nest.flatten(again[1:]),
                                tf.nest.flatten(whole[1:])):
            self.assertAllEqual(ours, theirs)
        self.assertEqual([path.name for path in where.parent.iterdir()],
                         ["tune.npz"])

    def test_a_damaged_part_is_made_again(self):
        with self.assertRaises(KeyboardInterrupt):
            self._record(on_images=mock.Mock(side_effect=KeyboardInterrupt))
        part, = self.folder.path.glob("traces/tune/*/*.npz")
        part.write_bytes(part.read_bytes()[:-100])
        self.assertLen(self._record().traces.labels, 50)

    def test_the_same_network_is_not_run_twice(self):
        first = self._record()
        with mock.patch.object(traces.Tracer, "collect") as collected:
            again = self._record()
        collected.assert_not_called()
        self.assertEqual(again.about, first.about)

    def test_another_network_is_another_matter(self):
        self._record()
        other = network.Network(_CONFIG)
        self._save(other, 2)
        with self.assertRaisesRegex(
                errors.TracesError, "another network.*--split=tune$"):
            trace_files.load_of(self.folder, "tune")
        expected = traces.Tracer(other, self.dataset.scaling).collect(
            self.dataset.tune)
        self.assertAllClose(
            self._record().traces.logits, expected.logits, atol=1e-5)
        trace_files.load_of(self.folder, "tune")

    def test_open_gates_are_neither_asked_nor_paid(self):
        recorded = self._record(gates_open=True)
        self.assertAllEqual(recorded.traces.layers, tf.ones([50, 3]))
        macs = recorded.costs["macs"]
        self.assertAllEqual(
            macs.spent[:, -1] + macs.answers[-1], [self.net.costs.base] * 50)
        # Batch norm is that of open gates: a network that was measured so.
        self.assertNotAllClose(
            recorded.traces.logits, self._record().traces.logits, atol=1e-3)
        self.assertTrue(recorded.about.gates_open)
        self.assertTrue(trace_files.path(
            self.folder.path, "tune", gates_open=True).exists())


if __name__ == "__main__":
    tf.test.main()
