"""One network trained by many devices: replicas, on one machine or on many.

A global batch is cut into equal shares, one per replica. Every worker (process)
draws the whole batch's randomness from seed and step, and its replicas take
their rows of it; so the same network comes out, however many there are, up to
the order of floating-point sums. Batch norm, the weights of Eq. 4 and the
running means of the executed cost are those of the global batch (`mean`).
"""

import contextlib
import json
import os

import numpy as np
import tensorflow as tf
from absl import logging

from ddi_tf import errors

NAMES = ("none", "mirrored", "multi_worker", "tpu")

# How long a worker waits for another one before it takes it for gone.
_PATIENCE_SECONDS = 60.0


def mean(values):
    """Means over all replicas of tensors [...] in a list; inside a step.

    The same tensors where there is only one replica. Gradients do not cross
    replicas.
    """
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return values
    return context.all_reduce(
        tf.distribute.ReduceOp.MEAN, [tf.stop_gradient(v) for v in values])


class Local:
    """One process, one device: what training is without distribution.

    Attributes:
        replicas: devices that train, of all workers.
        workers: processes.
        is_chief: whether this is the worker that writes.
    """

    replicas = workers = 1
    is_chief = True

    def scope(self):
        """Context in which networks are made and trained."""
        return contextlib.nullcontext()

    def compiled(self, step, jit_compile=False):
        """`step` as a `tf.function`; of what `join` returns, and of scalars."""
        return tf.function(step, autograph=False, jit_compile=jit_compile)

    def shares(self, batch_size):
        """Rows of the global batch, a slice for each replica of this worker.

        Raises:
            ConfigError: the replicas cannot have equal shares.
        """
        return [slice(0, batch_size)]

    def join(self, parts):
        """A tuple of a step's arguments, from one of arrays per share."""
        arrays, = parts
        return tuple(map(tf.constant, arrays))

    def split(self, *arrays):
        """The arguments of a step from arrays of the global batch, [B, ...]."""
        return self.join([tuple(array[rows] for array in arrays)
                          for rows in self.shares(len(arrays[0]))])

    def any(self, flag):
        """Whether `flag` is true at any worker; all of them must ask."""
        return flag

    def all_equal(self, number):
        """Whether a whole number is the same at all workers; all must ask."""
        del number
        return True

    def watched(self):
        """Context in which a worker that is gone becomes LostWorkerError."""
        return contextlib.nullcontext()


LOCAL = Local()


class Replicated(Local):
    """Many replicas, by one of TensorFlow's strategies.

    Args:
        strategy: `tf.distribute.Strategy`.
        workers: number of processes.
        is_chief: whether this process is the one that writes.
    """

    def __init__(self, strategy, workers=1, is_chief=True):
        self._strategy, self.workers, self.is_chief = (
            strategy, workers, is_chief)
        self.replicas = strategy.num_replicas_in_sync
        self._numbers = []  # of this worker's replicas, of all
        strategy.experimental_distribute_values_from_function(
            lambda context: self._numbers.append(
                context.replica_id_in_sync_group) or 0)

    def scope(self):
        return self._strategy.scope()

    def compiled(self, step, jit_compile=False):
        if jit_compile:
            raise errors.ConfigError(
                "--jit_compile compiles a single device's step; give "
                "--nojit_compile, or --distribution=none.")

        @tf.function(autograph=False)
        def run(*arguments):
            results = self._strategy.run(step, arguments)
            return tf.nest.map_structure(
                lambda value: self._strategy.experimental_local_results(
                    value)[0], results)

        return run

    def shares(self, batch_size):
        if batch_size % self.replicas:
            raise errors.ConfigError(
                "`train_batch_size` is the global batch, which "
                f"{self.replicas} replicas share evenly: it must be a multiple "
                f"of {self.replicas}. Received: {batch_size}")
        size = batch_size // self.replicas
        return [slice(number * size, (number + 1) * size)
                for number in self._numbers]

    def join(self, parts):
        return tuple(map(self._per_replica, zip(*parts)))

    def any(self, flag):
        return self._total(flag) > 0

    def all_equal(self, number):
        # The mean of different numbers may be one of them.
        return not self.any(self._total(number) != number * self.workers)

    @contextlib.contextmanager
    def watched(self):
        try:
            yield
        except tf.errors.OpError as error:
            if self.workers == 1:
                raise
            raise errors.LostWorkerError(
                "another worker is gone or cannot be reached "
                f"({type(error).__name__}). What was saved is intact: start "
                "all workers again with the same commands, and they go on from "
                "the last checkpoint.") from None

    def _per_replica(self, values):
        tensors = dict(zip(self._numbers, values))
        return self._strategy.experimental_distribute_values_from_function(
            lambda context: tf.constant(
                tensors[context.replica_id_in_sync_group]))

    def _total(self, number):
        """Sum over workers of a whole number."""
        if self.workers == 1:
            return int(number)
        # Of its replicas, the first speaks for a worker.
        values = np.zeros(len(self._numbers), np.int64)
        values[0] = number
        return int(self._strategy.reduce(
            tf.distribute.ReduceOp.SUM, self._per_replica(values), axis=None))


def make(name):
    """A `Local` or `Replicated` of one of NAMES; before TensorFlow computes.

    Raises:
        ConfigError: this machine, or TF_CONFIG, does not fit.
    """
    return {"none": Local, "mirrored": _mirrored, "multi_worker": _multi_worker,
            "tpu": _tpu}[name]()


def _mirrored():
    """All GPUs of this machine, or where it has none its logical CPUs.

    Raises:
        ConfigError: the environment is that of a worker.
    """
    if os.environ.get("TF_CONFIG"):
        raise errors.ConfigError(
            "--distribution=mirrored is for this machine alone, and TF_CONFIG "
            "names others: unset it, or give --distribution=multi_worker.")
    devices = (tf.config.list_logical_devices("GPU")
               or tf.config.list_logical_devices("CPU"))
    logging.info("training on %s", ", ".join(d.name for d in devices))
    return Replicated(tf.distribute.MirroredStrategy(
        [device.name for device in devices]))


def _multi_worker():
    workers, is_chief = _cluster(os.environ.get("TF_CONFIG"))
    options = tf.distribute.experimental.CommunicationOptions(
        timeout_seconds=_PATIENCE_SECONDS)
    return Replicated(
        tf.distribute.MultiWorkerMirroredStrategy(
            communication_options=options), workers, is_chief)


def _cluster(text):
    """(number of workers, whether this is the chief) of a TF_CONFIG.

    Raises:
        ConfigError: it is not one.
    """
    example = ('TF_CONFIG=\'{"cluster": {"worker": ["host0:2222", '
               '"host1:2222"]}, "task": {"type": "worker", "index": 0}}\'')
    try:
        settings = json.loads(text or "")
        cluster, task = settings["cluster"], settings["task"]
        jobs = {job: list(cluster[job]) for job in ("chief", "worker")
                if job in cluster}
        job, index = task["type"], int(task["index"])
        if not 0 <= index < len(jobs[job]):
            raise IndexError(f"task {index} of {len(jobs[job])}")
    except (ValueError, LookupError, TypeError) as error:
        raise errors.ConfigError(
            "--distribution=multi_worker needs the cluster, and which of its "
            f"workers this is, in the environment: {example}. Found: "
            f"TF_CONFIG={text!r} ({type(error).__name__}: {error})") from None
    leader = "chief" if "chief" in jobs else "worker"
    return sum(map(len, jobs.values())), (job, index) == (leader, 0)


def _tpu():
    try:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver()
        tf.config.experimental_connect_to_cluster(resolver)
        tf.tpu.experimental.initialize_tpu_system(resolver)
    except (ValueError, tf.errors.OpError) as error:
        raise errors.ConfigError(
            "--distribution=tpu found no TPU "
            f"({str(error).partition(chr(10))[0]}). Name one in TPU_NAME, or "
            "give another --distribution.") from None
    return Replicated(tf.distribute.TPUStrategy(resolver))
