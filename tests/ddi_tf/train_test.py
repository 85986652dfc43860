"""Tests of the training command, as a user gives it."""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import numpy as np
import tensorflow as tf

_ROOT = pathlib.Path(__file__).parents[2]
_ENVIRONMENT = {**os.environ, "PYTHONPATH": str(_ROOT),
                "TF_CPP_MIN_LOG_LEVEL": "3"}

# Importing TensorFlow takes longer than most of these commands: one process
# imports what `ddi_tf.train` imports, and forks once per line (JSON) that it
# reads; each child goes on as `python -m ddi_tf.train`.
_FORKING = """
import json, os, runpy, sys
from ddi_tf import data_flags, progress, trainer
from sklearn import datasets
for line in sys.stdin:
    command = json.loads(line)
    child = os.fork()
    if not child:
        for stream in (1, 2):
            os.dup2(os.open(command["streams"][stream - 1],
                            os.O_WRONLY | os.O_CREAT), stream)
        sys.argv[1:] = command["flags"]
        runpy.run_module("ddi_tf.train", run_name="__main__", alter_sys=True)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    print(status, flush=True)
"""

_SMALL = ["--data_name=digits", "--model_depth=8", "--train_batch_size=128"]
_WHOLE = [*_SMALL, *(f"--train_{phase}_epochs=0.2" for phase in (
    "base", "warmup", "skip", "restore", "exits"))]


class _Commands:
    """Runs `python -m ddi_tf.train` with flags; see `_FORKING`."""

    def __init__(self):
        self._process = subprocess.Popen(
            [sys.executable, "-c", _FORKING], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True, cwd=_ROOT, env=_ENVIRONMENT)

    def run(self, *flags):
        """A `subprocess.CompletedProcess`, as of the command itself."""
        with tempfile.TemporaryDirectory() as folder:
            paths = [pathlib.Path(folder) / name for name in ("out", "err")]
            command = {"flags": [str(flag) for flag in flags],
                       "streams": [str(path) for path in paths]}
            self._process.stdin.write(json.dumps(command) + "\n")
            self._process.stdin.flush()
            status = int(self._process.stdout.readline())
            return subprocess.CompletedProcess(
                flags, status, *(path.read_text() for path in paths))

    def close(self):
        self._process.communicate()


class TrainTest(tf.test.TestCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.root = pathlib.Path(tempfile.mkdtemp())
        cls.addClassCleanup(shutil.rmtree, cls.root)
        cls.commands = _Commands()
        cls.addClassCleanup(cls.commands.close)
        cls.path = cls.root / "runs" / "whole"
        cls.whole = cls.commands.run(*_WHOLE, f"--run={cls.path}")

    def _metrics(self, path):
        lines = (path / "metrics.jsonl").read_text().splitlines()
        return [json.loads(line) for line in lines]

    def _assert_one_clear_line(self, result, pattern):
        self.assertEqual(result.returncode, 1, result.stderr)
        self.assertNotIn("Traceback", result.stderr)
        lines = [line for line in result.stderr.splitlines()
                 if line.startswith("error: ")]
        self.assertLen(lines, 1, result.stderr)
        self.assertRegex(lines[0], pattern)
        self.assertEqual(result.stdout, "")

    # A whole run.

    def test_run_succeeds_and_says_what_comes_next(self):
        self.assertEqual(self.whole.returncode, 0, self.whole.stderr)
        self.assertNotIn("Traceback", self.whole.stderr)
        self.assertRegex(
            self.whole.stdout,
            rf"^Trained {self.path}: tune accuracy [\d.]+% at [\d.]+ of the "
            rf"base(.|\n)*converters.export --checkpoint={self.path}")

    def test_run_leaves_its_files(self):
        for name in ("flags.cfg", "run.json", "metrics.jsonl",
                     "operating_points.json", "summary.json"):
            self.assertTrue((self.path / name).is_file(), name)
        # Two steps of each phase: the last three phases' ends are kept.
        self.assertEqual(
            sorted(p.name for p in self.path.glob("checkpoints/*.index")),
            ["ckpt-10.index", "ckpt-6.index", "ckpt-8.index"])

    def test_run_goes_through_the_five_phases(self):
        self.assertEqual(
            [(record["phase"], record["step"])
             for record in self._metrics(self.path)],
            [("base", 2), ("warmup", 4), ("skip", 6), ("restore", 8),
             ("exits", 10)])

    def test_run_json_holds_the_settings(self):
        settings = json.loads((self.path / "run.json").read_text())
        self.assertEqual(settings["network"]["depth"], 8)
        self.assertEqual(settings["schedule"]["epochs"]["skip"], 0.2)
        self.assertEqual(settings["data"]["name"], "digits")
        self.assertEqual(settings["data"]["label_names"], list("0123456789"))
        self.assertNotEmpty(settings["commit"])

    def test_operating_point_has_a_threshold_per_exit(self):
        point, = json.loads((self.path / "operating_points.json").read_text())
        self.assertEqual(point["name"], "default")
        self.assertLen(point["thresholds"], 3)

    def test_flags_file_can_be_given_back(self):
        flags = self.path / "flags.cfg"
        self.assertIn(
            "--model_depth=8", flags.read_text().splitlines())
        before = self._metrics(self.path)
        result = self.commands.run(f"--flagfile={flags}")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("going on from step 10", result.stderr)
        self.assertEqual(result.stdout, self.whole.stdout)
        self.assertEqual(self._metrics(self.path), before)

    # Mistakes.

    def test_unknown_flag_is_named(self):
        result = self.commands.run("--model_dept=8", f"--run={self.path}")
        self.assertEqual(result.returncode, 1)
        self.assertNotIn("Traceback", result.stderr)
        self.assertIn(
            "Unknown command line flag 'model_dept'", result.stderr)

    def test_run_is_required(self):
        result = self.commands.run(*_WHOLE)
        self.assertEqual(result.returncode, 1)
        self.assertNotIn("Traceback", result.stderr)
        self.assertIn("--run must have a value", result.stderr)

    def test_bad_depth_is_one_line(self):
        path = self.root / "bad_depth"
        self._assert_one_clear_line(
            self.commands.run("--model_depth=9", f"--run={path}"),
            r"`model_depth` must be 6n \+ 2 .*Received: 9")
        self.assertFalse(path.exists())

    def test_bad_target_is_one_line(self):
        path = self.root / "bad_target"
        self._assert_one_clear_line(
            self.commands.run(*_SMALL, "--target_cost=50", f"--run={path}"),
            r"`target_cost` is a fraction .*Received: 50")
        self.assertFalse(path.exists())

    def test_positional_argument_is_one_line(self):
        self._assert_one_clear_line(
            self.commands.run(*_SMALL, f"--run={self.path}", "model_depth=8"),
            "unexpected argument 'model_depth=8'; flags begin with --")

    def test_other_settings_in_the_same_run_are_one_line(self):
        before = (self.path / "run.json").read_text()
        self._assert_one_clear_line(
            self.commands.run(*_WHOLE, "--seed=1", f"--run={self.path}"),
            f"{self.path} holds a run with another schedule.*another --run")
        self.assertEqual((self.path / "run.json").read_text(), before)

    def test_batch_larger_than_the_data_is_one_line_and_leaves_no_run(self):
        path = self.root / "bad_batch"
        self._assert_one_clear_line(
            self.commands.run(
                *_WHOLE, "--train_batch_size=5000", f"--run={path}"),
            r"`train_batch_size` must lie in 1\.\.1077.*Received: 5000")
        self.assertFalse(path.exists())

    def test_run_that_is_a_file_is_one_line(self):
        path = self.root / "file"
        path.write_text("")
        self._assert_one_clear_line(
            self.commands.run(*_WHOLE, f"--run={path}"), str(path))

    # A backbone from another run.

    def test_base_checkpoint_is_taken_after_a_kill_too(self):
        # Killed after the backbone was copied, before the first checkpoint.
        path = self.root / "from_base"
        (path / "phases").mkdir(parents=True)
        for file in (self.path / "phases").glob("base.*"):
            shutil.copy(file, path / "phases")
        result = self.commands.run(
            *_SMALL, "--train_warmup_epochs=0.1", "--train_skip_epochs=0",
            "--train_restore_epochs=0", "--train_exits_epochs=0",
            "--nomodel_channel_gates", "--nomodel_exits",
            f"--train_base_checkpoint={self.path}", f"--run={path}")
        self.assertEqual(result.returncode, 0, result.stderr)
        key = "network/stem/conv/kernel/.ATTRIBUTES/VARIABLE_VALUE"
        base, warmed_up = (
            tf.train.load_checkpoint(str(prefix)).get_tensor(key)
            for prefix in (self.path / "phases" / "base",
                           path / "phases" / "warmup"))
        self.assertTrue(
            np.array_equal(warmed_up, base), "not the backbone that was given")

    def test_base_checkpoint_that_is_missing_is_one_line(self):
        self._assert_one_clear_line(
            self.commands.run(
                *_SMALL, f"--train_base_checkpoint={self.root / 'nowhere'}",
                f"--run={self.root / 'no_base'}"),
            f"{self.root / 'nowhere'} holds no checkpoint")


if __name__ == "__main__":
    tf.test.main()
