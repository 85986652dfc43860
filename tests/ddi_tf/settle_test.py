"""Tests of the command that settles gates of a trained run."""

import dataclasses
import pathlib

import numpy as np
import tensorflow as tf

import trace_cases
import train_command
from ddi_tf import data
from ddi_tf import network
from ddi_tf import run_folder
from ddi_tf import trace_files
from ddi_tf import traces

_CONFIG = network.NetworkConfig(
    depth=8, image_shape=(16, 16, 3), channel_gate="recurrent")
_SCALING = data.Scaling((128.0,) * 3, (64.0,) * 3)


class SettleTest(tf.test.TestCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.commands = train_command.Commands("ddi_tf.settle")
        cls.addClassCleanup(cls.commands.close)

    def setUp(self):
        super().setUp()
        self.root = pathlib.Path(self.create_tempdir().full_path)
        self.images = np.random.default_rng(0).integers(
            0, 256, [20, 16, 16, 3]).astype(np.uint8)

    def _run(self, **traced):
        """Folder of a run of open gates, whose traces say what is given."""
        folder = run_folder.RunFolder(self.root / "run")
        folder.create({"network": dataclasses.asdict(_CONFIG)}, "--seed=0\n")
        net = network.Network(_CONFIG)
        for gate in net.gates:
            for score in gate.scores.values():
                score.kernel.assign(tf.zeros_like(score.kernel))
                score.bias.assign(tf.ones_like(score.bias))
        folder.checkpoints.save(tf.train.Checkpoint(network=net), 1)
        folder.save_phase("base", net)
        recorded = trace_cases.recorded(self._traced(folder)._replace(**traced))
        about = dataclasses.replace(
            recorded.about, fingerprint=trace_files.fingerprint(
                folder, recorded.traces.labels))
        trace_files.save(trace_files.path(folder.path, "tune"),
                         recorded._replace(about=about))
        (folder.path / "operating_points.json").write_text("[]")
        return folder

    def _traced(self, folder):
        return traces.Tracer(folder.load_network(), _SCALING).collect(
            data.Split(self.images, np.zeros(20, np.int32)))

    def _assert_refused(self, message, *given):
        result = self.commands.run(*given)
        self.assertEqual(result.returncode, 1)
        self.assertRegex(result.stderr, message)
        self.assertNotIn("Traceback", result.stderr)

    def test_the_new_run_answers_as_the_old_one_and_asks_less(self):
        folder = self._run()
        output = self.root / "settled"
        given = f"--run={folder.path}", f"--output={output}"
        result = self.commands.run(*given)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("3 of 3 layer gates and 3 of 3 channel gates",
                      result.stdout)
        settled = run_folder.RunFolder(output)
        ours, theirs = self._traced(settled), self._traced(folder)
        self.assertAllEqual(ours.logits, theirs.logits)
        self.assertAllEqual(ours.layers, theirs.layers)
        self.assertTrue(np.all(ours.spent < theirs.spent))
        with self.subTest("it has its own costs, so no points yet"):
            self.assertEqual(settled.operating_points, [])
            self.assertTrue(settled.has_phase("base"))
        for message, *flags in (
                ("error: .*settled exists already", *given),
                ("error: .*settled has settled gates already .3 of 3",
                 f"--run={output}", f"--output={self.root / 'more'}"),
                ("error: nowhere is not a training run", "--run=nowhere",
                 f"--output={self.root / 'more'}"),
                ("error: unexpected argument 'more'", *given, "more")):
            self._assert_refused(message, *flags)

    def test_gates_that_all_differ_leave_nothing_to_settle(self):
        every_second = np.arange(20)[:, np.newaxis] % 2
        folder = self._run(
            layers=np.repeat(every_second, 3, axis=1),
            # Of the images that run a block, half want its second group.
            masks=(np.hstack([every_second, np.arange(20)[:, np.newaxis] % 4
                              > 1]),) * 3)
        self._assert_refused(
            "error: .*run has no gate that can be settled.*--train_settle",
            f"--run={folder.path}", f"--output={self.root / 'settled'}")
        self.assertFalse((self.root / "settled").exists())


if __name__ == "__main__":
    tf.test.main()
