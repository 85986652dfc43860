"""Tests of training on many devices: the same network, and clear ends."""

import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from unittest import mock

import numpy as np
import pytest
import tensorflow as tf
from absl.testing import parameterized

import distributed_run
import train_command
from ddi_tf import distribution
from ddi_tf import errors
from ddi_tf import follower
from ddi_tf import network
from ddi_tf import run_folder

_ROOT = pathlib.Path(__file__).parents[2]


def clusters(count):
    """TF_CONFIG of each of `count` workers on free ports of this machine."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    workers = [f"127.0.0.1:{s.getsockname()[1]}" for s in sockets]
    for free in sockets:
        free.close()
    return [json.dumps({"cluster": {"worker": workers},
                        "task": {"type": "worker", "index": index}})
            for index in range(count)]


def start(arguments, cluster="", **streams):
    """A Python process of one worker."""
    return subprocess.Popen(
        [sys.executable, *map(str, arguments)], text=True, cwd=_ROOT,
        env={**os.environ, **({"TF_CONFIG": cluster} if cluster else {}),
             "PYTHONPATH": str(_ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}, **streams)


class LocalTest(tf.test.TestCase):

    def test_everything_is_as_without_distribution(self):
        local = distribution.make("none")
        self.assertEqual((local.replicas, local.workers), (1, 1))
        self.assertTrue(local.is_chief)
        self.assertEqual(local.shares(7), [slice(0, 7)])
        rows, = local.split(np.arange(7))
        self.assertAllEqual(rows, np.arange(7))
        self.assertTrue(local.any(True))
        self.assertFalse(local.any(False))
        self.assertTrue(local.all_equal(3))
        values = [tf.constant(1.0), tf.constant(2.0)]
        self.assertIs(distribution.mean(values), values)


class ClusterTest(tf.test.TestCase, parameterized.TestCase):

    def _make(self, text):
        with mock.patch.dict(os.environ, {"TF_CONFIG": text}):
            return distribution.make("multi_worker")

    @parameterized.parameters(
        ("", "JSONDecodeError"), ("{", "JSONDecodeError"), ("[]", "TypeError"),
        ('{"task": {"type": "worker", "index": 0}}', "KeyError: 'cluster'"),
        ('{"cluster": {"worker": ["a:1"]}}', "KeyError: 'task'"),
        ('{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", '
         '"index": 1}}', "IndexError"),
        ('{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", '
         '"index": -1}}', "IndexError"),
        ('{"cluster": {"worker": ["a:1"]}, "task": {"type": "chief", '
         '"index": 0}}', "KeyError: 'chief'"))
    def test_a_bad_one_is_shown_beside_a_good_one(self, text, reason):
        with self.assertRaisesRegex(
                errors.ConfigError,
                r"TF_CONFIG='{\"cluster\": .*Found: TF_CONFIG="
                rf"{re.escape(repr(text))} \({reason}"):
            self._make(text)

    @parameterized.parameters(
        ({"worker": ["a:1", "b:1"]}, "worker", 0, 2, True),
        ({"worker": ["a:1", "b:1"]}, "worker", 1, 2, False),
        ({"chief": ["c:1"], "worker": ["a:1", "b:1"]}, "chief", 0, 3, True),
        ({"chief": ["c:1"], "worker": ["a:1", "b:1"]}, "worker", 0, 3, False))
    def test_workers_are_counted_and_one_is_the_chief(
            self, cluster, job, index, workers, is_chief):
        with mock.patch.object(tf.distribute, "MultiWorkerMirroredStrategy"):
            made = self._make(json.dumps({
                "cluster": cluster, "task": {"type": job, "index": index}}))
        self.assertEqual((made.workers, made.is_chief), (workers, is_chief))


class MachineTest(tf.test.TestCase):

    def test_no_tpu_is_an_error(self):
        with mock.patch.object(
                tf.distribute.cluster_resolver, "TPUClusterResolver",
                side_effect=ValueError("Please provide a TPU Name.\nmore")):
            with self.assertRaisesRegex(
                    errors.ConfigError, r"no TPU \(Please provide a TPU Name\."
                    r"\)\. Name one in TPU_NAME, or give another"):
                distribution.make("tpu")

    def test_a_worker_is_not_alone(self):
        with mock.patch.dict(os.environ, {"TF_CONFIG": clusters(1)[0]}):
            with self.assertRaisesRegex(
                    errors.ConfigError, "TF_CONFIG names others: unset it"):
                distribution.make("mirrored")

    def test_what_does_not_go_together_is_refused(self):
        many = distribution.Replicated(mock.MagicMock(num_replicas_in_sync=3))
        with self.assertRaisesRegex(
                errors.ConfigError, "must be a multiple of 3. Received: 128"):
            many.shares(128)
        with self.assertRaisesRegex(errors.ConfigError, "--nojit_compile"):
            many.compiled(lambda: None, jit_compile=True)


class FollowerTest(tf.test.TestCase):

    def test_it_reads_what_the_chief_wrote_and_writes_nothing(self):
        path = pathlib.Path(self.create_tempdir().full_path)
        net = network.Network(network.NetworkConfig(
            depth=8, image_shape=(16, 16, 3)))
        following = follower.Follower(path / "run")
        with following.locked():
            following.create({"network": {}}, "")
            following.save_phase("base", net)
            following.save_best(net, 1)
            following.append_metrics({"step": 1})
            following.drop_metrics_after(0)
            following.save_operating_points([])
            following.checkpoints.save(tf.train.Checkpoint(network=net), 1)
        self.assertEmpty(list(path.iterdir()))
        run_folder.RunFolder(path / "run").checkpoints.save(
            tf.train.Checkpoint(network=net), 7)
        self.assertEqual(
            following.checkpoints.restore(tf.train.Checkpoint(network=net)), 7)


class SameLossesTest(tf.test.TestCase):
    """Many replicas, as processes, against one in this process."""

    def _assert_same(self, names, steps, **epochs):
        """`names`: of distributions; those of workers come twice."""
        root = pathlib.Path(self.create_tempdir().full_path)
        cluster = iter(clusters(names.count("multi_worker")))
        started = [
            start([distributed_run.__file__, name, root / name,
                   *(f"{phase}={count}" for phase, count in epochs.items())],
                  next(cluster) if name == "multi_worker" else "",
                  stdout=subprocess.PIPE) for name in names]
        expected = distributed_run.run(
            distribution.LOCAL, root / "none", **epochs)
        self.assertLen(expected, steps)
        for name, process in zip(names, started):
            output, _ = process.communicate()
            self.assertEqual(process.returncode, 0, name)
            self.assertAllClose(
                json.loads(output.splitlines()[-1]), expected, rtol=0,
                atol=1e-4, msg=name)
        one, *others = (run_folder.RunFolder(root / name).metrics
                        for name in ("none", *dict.fromkeys(names)))
        for metrics in others:
            self.assertEqual([line["step"] for line in metrics],
                             [line["step"] for line in one])
            for ours, theirs in zip(metrics, one):
                self.assertAllClose(
                    ours.get("train", {}), theirs.get("train", {}), rtol=0,
                    atol=2e-4)
                self.assertEqual(ours.get("sparsity"), theirs.get("sparsity"))

    def test_two_replicas_learn_what_one_device_learns(self):
        # The phase that has every term of the loss.
        self._assert_same(["mirrored"], 4, exits=1)

    @pytest.mark.slow
    def test_two_replicas_prune_and_cluster_as_one_device_does(self):
        self._assert_same(["mirrored"], 8, prune=1, cluster=1)

    @pytest.mark.slow
    def test_replicas_and_workers_learn_what_one_device_learns(self):
        self._assert_same(["mirrored", "multi_worker", "multi_worker"],
                          20, base=2, skip=1, exits=2)


@pytest.mark.slow
class LostWorkerTest(tf.test.TestCase, parameterized.TestCase):
    """The command on two workers, one of which is killed."""

    # Gates would make much of what rounding does; see `SameLossesTest`.
    _FLAGS = (*train_command.SMALL, "--seed=5", "--train_base_epochs=6",
              "--nomodel_layer_gates", "--nomodel_channel_gates",
              "--nomodel_exits")

    def _start(self, path):
        return [start(
            ["-m", "ddi_tf.train", *self._FLAGS, f"--run={path}",
             "--distribution=multi_worker"], cluster, stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL) for cluster in clusters(2)]

    @parameterized.parameters(0, 1)
    def test_the_other_stops_and_both_go_on_when_started_again(self, victim):
        root = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, root)
        workers = self._start(root / "killed")
        saved = root / "killed" / "checkpoints" / "ckpt-8.index"
        while not saved.exists():
            time.sleep(0.1)
        workers[victim].kill()
        began = time.monotonic()
        _, error = workers[1 - victim].communicate(timeout=60)
        self.assertLess(time.monotonic() - began, 60)
        self.assertEqual(workers[1 - victim].returncode, 1)
        self.assertIn("error: another worker is gone", error)
        self.assertIn("start all workers again", " ".join(error.split()))
        self.assertNotIn("Traceback", error)
        self.assertEqual(workers[victim].wait(), -signal.SIGKILL)
        workers[victim].stderr.close()

        texts = [worker.communicate()[1]
                 for worker in self._start(root / "killed")]
        for text in texts:
            self.assertRegex(text, r"going on from step (8|16)\b")
        for worker in self._start(root / "whole"):
            worker.communicate()
            self.assertEqual(worker.returncode, 0)
        killed, whole = (run_folder.RunFolder(root / name).metrics
                         for name in ("killed", "whole"))
        self.assertEqual([line["step"] for line in killed],
                         [line["step"] for line in whole])
        for ours, theirs in zip(killed, whole):
            self.assertAllClose(ours.get("train", {}), theirs.get("train", {}),
                                rtol=1e-3, atol=1e-3)


if __name__ == "__main__":
    tf.test.main()
