"""Tests of the command that settles gates of a trained run."""

import pathlib
import shutil
import tempfile

import numpy as np
import tensorflow as tf

import train_command
from ddi_tf import data_flags
from ddi_tf import run_folder
from ddi_tf import settling
from ddi_tf import traces

# Warm-up opens all gates, for all images.
_SHORT = [
    *train_command.SMALL, "--train_norm_batches=2", "--train_joint_lr=0.2",
    "--train_base_epochs=0.1", "--train_warmup_epochs=3",
    *(f"--train_{phase}_epochs=0" for phase in ("skip", "restore", "exits"))]


class SettleTest(tf.test.TestCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.root = pathlib.Path(tempfile.mkdtemp())
        cls.addClassCleanup(shutil.rmtree, cls.root)
        cls.commands = train_command.Commands("ddi_tf.settle")
        cls.addClassCleanup(cls.commands.close)
        cls.training = train_command.Commands()
        cls.addClassCleanup(cls.training.close)

    def _train(self, name, *flags):
        path = self.root / name
        result = self.training.run(*_SHORT, *flags, f"--run={path}")
        self.assertEqual(result.returncode, 0, result.stderr)
        return run_folder.RunFolder(path)

    def _assert_refused(self, message, *given):
        result = self.commands.run(*given)
        self.assertEqual(result.returncode, 1)
        self.assertRegex(result.stderr, message)
        self.assertNotIn("Traceback", result.stderr)

    def test_the_new_run_answers_as_the_old_one_and_asks_less(self):
        folder = self._train("run", "--model_channel_gate=recurrent")
        output = self.root / "settled"
        given = f"--run={folder.path}", f"--output={output}"
        result = self.commands.run(*given)
        self.assertEqual(result.returncode, 0, result.stderr)
        settled = run_folder.RunFolder(output)
        network = settled.load_network()
        self.assertIn(settling.in_words(network, network.config.settled),
                      result.stdout)
        dataset = data_flags.load_of(folder.settings)
        ours, theirs = (
            traces.Tracer(run.load_network(), dataset.scaling).collect(
                dataset.tune) for run in (settled, folder))
        alike = np.all(ours.layers == theirs.layers, axis=1)
        self.assertGreaterEqual(np.mean(alike), 0.98)
        # Sums without the zeros of closed channels round in another way.
        self.assertAllClose(
            ours.logits[alike], theirs.logits[alike], atol=1e-5)
        self.assertTrue(np.all(ours.spent[alike] < theirs.spent[alike]))
        with self.subTest("it is finished, with points of its own"):
            self.assertNotEmpty(settled.operating_points)
            self.assertTrue(settled.has_phase("base"))
            self.assertIn('"finished": true',
                          (output / "summary.json").read_text())
        for message, *flags in (
                ("error: .*settled exists already", *given),
                (r"error: .*settled has settled gates already \(\d of 3",
                 f"--run={output}", f"--output={self.root / 'more'}"),
                ("error: nowhere is not a training run", "--run=nowhere",
                 f"--output={self.root / 'more'}"),
                ("error: unexpected argument 'more'", *given, "more")):
            self._assert_refused(message, *flags)

    def test_without_gates_there_is_nothing_to_settle(self):
        folder = self._train(
            "plain", "--nomodel_layer_gates", "--nomodel_channel_gates")
        output = self.root / "nothing"
        self._assert_refused(
            "error: .*plain has no gate that can be settled.*--train_settle",
            f"--run={folder.path}", f"--output={output}")
        self.assertFalse(output.exists())


if __name__ == "__main__":
    tf.test.main()
