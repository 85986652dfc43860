"""Tests of runs that die, anywhere, and go on: nothing tells them apart."""

import contextlib
import dataclasses
import json
import os
import pathlib
import random
import re
import shutil
import signal
import tempfile
import time
from unittest import mock

import numpy as np
import pytest
import tensorflow as tf

import train_command
from ddi_tf import data
from ddi_tf import finish
from ddi_tf import network
from ddi_tf import phases
from ddi_tf import run_folder
from ddi_tf import saving
from ddi_tf import step as step_lib
from ddi_tf import storage
from ddi_tf import traces
from ddi_tf import trainer

_CONFIG = network.NetworkConfig(
    depth=8, image_shape=(16, 16, 3), channel_gates=False)

# Batches of 16 from 64 images: four steps per epoch.
_SCHEDULE = phases.Schedule(batch_size=16, seed=3, norm_batches=2, epochs={
    "base": 1.25, "warmup": 0.5, "skip": 1, "restore": 0.5, "exits": 1.75})


def metrics(path):
    """The lines of a run's metrics, without the times they took."""
    records = [json.loads(line) for line in
               (path / "metrics.jsonl").read_text().splitlines()]
    for record in records:
        del record["seconds"]
    return records


def tensors(path):
    """{file: {name: value}} of all that a run's checkpoints hold of numbers."""
    found = {}
    for index in path.glob("*/*.index"):
        reader = tf.train.load_checkpoint(str(index.with_suffix("")))
        found[str(index.relative_to(path))] = {
            name: reader.get_tensor(name)
            for name, dtype in reader.get_variable_to_dtype_map().items()
            if dtype != tf.string}
    return found


def leaves(value, path=""):
    """(path, leaf) of everything in JSON."""
    if isinstance(value, (dict, list)):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, item in items:
            yield from leaves(item, f"{path}/{key}")
    else:
        yield path, value


class _SameRunTest(tf.test.TestCase):

    def assert_same_runs(self, ours, theirs, tolerance):
        """Metrics, operating points, checkpoints, and no other files."""
        for run in (ours, theirs):  # they save at other steps
            kept = run_folder.RunFolder(run).checkpoints
            self.assertLen(kept.steps, 3)
            for path in run.glob("checkpoints/*"):
                if not str(path).startswith(kept.latest):
                    path.unlink()
        # TensorBoard gets a file from every start.
        self.assertEqual(*(
            sorted(str(path.relative_to(run)) for path in run.glob("**/*")
                   if "tfevents" not in path.name)
            for run in (ours, theirs)))
        self._assert_same_json(metrics(ours), metrics(theirs), tolerance)
        for name in ("operating_points.json", "best/operating_points.json"):
            self._assert_same_json(*(
                json.loads((run / name).read_text()) for run in (ours, theirs)),
                tolerance)
        ours, theirs = tensors(ours), tensors(theirs)
        for file, values in theirs.items():
            for name, value in values.items():
                self.assertAllClose(
                    ours[file][name], value, rtol=tolerance, atol=tolerance,
                    msg=f"{file} {name}")

    def _assert_same_json(self, ours, theirs, tolerance):
        ours, theirs = list(leaves(ours)), list(leaves(theirs))
        self.assertEqual([path for path, _ in ours],
                         [path for path, _ in theirs])
        for (path, a), (_, b) in zip(ours, theirs):
            if isinstance(b, float):
                self.assertAlmostEqual(a, b, delta=tolerance, msg=path)
            else:
                self.assertEqual(a, b, path)


class _Killed(BaseException):
    """Ends a life where a killed process would have ended."""


class _Places:
    """Kills at the first place, of all that leave a trace, not died at yet."""

    def __init__(self):
        self.died_at = []
        self._dead = False

    def pass_by(self, name):
        if name not in self.died_at:
            self.died_at.append(name)
            self._dead = True
            raise _Killed

    def life(self, stack):
        """Watches the places until `stack` ends."""
        self._dead = False
        for owner, name, where in (
                (tf.train.Checkpoint, "write", _second),
                (storage, "sync", _first), (os, "replace", _second),
                (pathlib.Path, "unlink", _first),
                (saving.Saver, "save", _nothing),
                (run_folder.RunFolder, "save_phase", _nothing),
                (run_folder.RunFolder, "save_best", _nothing),
                (run_folder.RunFolder, "drop_metrics_after", _nothing),
                (run_folder.RunFolder, "save_operating_points", _nothing),
                (_Tracer, "collect", _nothing)):
            self._watch(stack, owner, name, where)
        stack.enter_context(mock.patch.object(
            storage, "append", self._append(storage.append)))
        # A dead process does not tidy up.
        rmtree = shutil.rmtree
        stack.enter_context(mock.patch.object(
            shutil, "rmtree", lambda *args, **kwargs: (
                None if self._dead else rmtree(*args, **kwargs))))

    def _watch(self, stack, owner, name, where):
        original = getattr(owner, name)

        def watched(*args, **kwargs):
            self.pass_by(f"before {name} {where(*args)}")
            return original(*args, **kwargs)

        stack.enter_context(mock.patch.object(owner, name, watched))

    def _append(self, original):
        def append(path, line):
            try:
                self.pass_by("within append")
            except _Killed:
                with open(path, "a", encoding="utf-8") as file:
                    file.write(line[:len(line) // 2])
                raise
            original(path, line)
        return append


def _nothing(*args):
    del args
    return ""


def _first(path, *args):
    """The kind of file: its folder and name, whichever step or phase it is."""
    del args
    path = pathlib.Path(path)
    names = "|".join(phase.name for phase in phases.PHASES)
    return re.sub(
        rf"\d+|^({names})", "N", path.name) + f" in {path.parent.name}"


def _second(owner, path, *args):
    del owner
    return _first(path, *args)


class _Tracer:
    """In place of `traces.Tracer`: answers that follow from the weights."""

    def __init__(self, net, scaling, all_open=False):
        del scaling, all_open
        self.costs, self._net = net.costs, net

    def collect(self, split):
        count, answers = len(split.images), len(self.costs.answers)
        generator = np.random.default_rng(count)
        logits = (generator.normal(size=[count, answers, 10])
                  + self._net.head.dense.bias.numpy()).astype(np.float32)
        share = np.linspace(0.1, 0.5, answers)
        return traces.Traces(
            split.labels, logits, logits.argmax(axis=2).astype(np.int32),
            -logits.max(axis=2),
            np.tile(np.int64(share * self.costs.base), [count, 1]),
            np.ones([count, 3]), (np.ones([count, 1]),) * 3)


def _make_step(net, optimizer, steering, phase, *unused):
    """In place of `step.make`: as much state, no gradients, no graph."""
    del unused

    def step(images, labels, indices, crops, flips, thresholds, rate, target):
        del images, labels, crops, flips, thresholds
        bias, momentum = net.head.dense.bias, optimizer.variables[-1]
        draw = tf.cast(indices[:10], tf.float32) / 64
        bias.assign(0.9 * bias + draw + rate)
        momentum.assign(0.5 * momentum + tf.reduce_mean(draw))
        optimizer.iterations.assign_add(1)
        if phase.gates:
            steering.update(target, 0.5 * steering.skip_ratio)
        _PLACES.pass_by("after step")
        return {"loss": tf.reduce_sum(bias) + tf.reduce_mean(momentum),
                "cost": steering.cost + 0.0}

    return step


class _Norms(finish.Norms):
    """Without a graph."""

    def __init__(self, net, way):
        del way
        self._bias = net.head.dense.bias

    def measure(self, batches):
        for images in batches:
            self._bias.assign(0.9 * self._bias + 0.01 * tf.reduce_mean(images))


_PLACES = _Places()


class _Silent:
    """A progress bar that draws nothing."""

    def start(self, phase, steps, done):
        pass

    def update(self, metrics):
        _PLACES.pass_by("after counters")


class EveryPlaceTest(_SameRunTest):
    """Real trainer and files; step and tracer are stand-ins without graphs."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.net = network.Network(_CONFIG)
        cls.initial = [variable.numpy() for variable in cls.net.variables]
        generator = np.random.default_rng(0)
        cls.dataset = data.Dataset(
            "random", tuple("0123456789"),
            data.Scaling((127.0,) * 3, (74.0,) * 3), True, *(
                data.Split(
                    np.zeros([size, 16, 16, 3], np.uint8),
                    generator.integers(0, 10, size).astype(np.int32))
                for size in (64, 20, 4)))

    def setUp(self):
        super().setUp()
        self.path = pathlib.Path(self.create_tempdir().full_path)

    def _live(self, path, checkpoint_minutes):
        """One life of a run: from its last checkpoint to its end."""
        for variable, value in zip(self.net.variables, self.initial):
            variable.assign(value)
        folder = run_folder.RunFolder(path)
        with folder.locked():
            folder.create({"network": dataclasses.asdict(_CONFIG)}, "")
            run = trainer.Trainer(
                folder, self.net, self.dataset, _SCHEDULE, self.net.costs,
                _Silent(), checkpoint_minutes=checkpoint_minutes)
            run.resume()
            run.run()

    def test_a_run_that_dies_at_every_place_is_as_one_that_does_not(self):
        with mock.patch.object(step_lib, "make", _make_step), \
                mock.patch.object(traces, "Tracer", _Tracer), \
                mock.patch.object(finish, "Norms", _Norms):
            with mock.patch.object(_PLACES, "pass_by"):
                self._live(self.path / "whole", 10)
            lives = 0
            while True:
                lives += 1
                try:
                    with contextlib.ExitStack() as stack:
                        _PLACES.life(stack)
                        # Some lives save at every step, some per epoch.
                        self._live(self.path / "died", 10 * (lives % 2))
                    break
                except _Killed:
                    continue
        self.assertGreaterEqual(lives, 20, _PLACES.died_at)
        self.assert_same_runs(
            self.path / "died", self.path / "whole", tolerance=0)


_KILLS = 10


@pytest.mark.slow
class KillTest(_SameRunTest):
    """The command, killed at random moments and given again."""

    _FLAGS = (*train_command.SMALL, "--deterministic", "--seed=5",
              "--train_base_epochs=2", "--train_warmup_epochs=1",
              "--train_skip_epochs=1.5", "--train_restore_epochs=1",
              "--train_exits_epochs=2")

    def setUp(self):
        super().setUp()
        self.path = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.path)
        self.commands = train_command.Commands()
        self.addCleanup(self.commands.close)

    def test_ten_kills_change_nothing(self):
        whole, killed = self.path / "whole", self.path / "killed"
        self._finish(whole)
        last, = self._steps(whole)[-1:]
        moments = random.Random(0)
        # The first while it starts, the others all along.
        for step in sorted([0, *moments.sample(range(last), _KILLS - 1)]):
            command = self._start(killed)
            end = time.monotonic() + 300
            while step and max(self._steps(killed), default=0) < step:
                self.assertLess(time.monotonic(), end, "no progress")
                time.sleep(0.02)
            time.sleep(moments.uniform(0, 1))
            command.send(signal.SIGKILL)
            result = command.wait()
            # A quick machine may have ended the run in this second.
            self.assertIn(
                result.returncode, (0, -signal.SIGKILL), result.stderr)
            print(f"killed after step {step}: {self._steps(killed)} are kept")
        self._finish(killed)
        self.assert_same_runs(killed, whole, tolerance=1e-5)

    def _start(self, path):
        # About every second, so that kills fall among checkpoints.
        return self.commands.start(
            *self._FLAGS, "--train_checkpoint_minutes=0.02", f"--run={path}")

    def _finish(self, path):
        result = self._start(path).wait()
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertNotIn("Traceback", result.stderr)

    def _steps(self, path):
        return run_folder.RunFolder(path).checkpoints.steps


if __name__ == "__main__":
    tf.test.main()
