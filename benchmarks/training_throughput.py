"""Is a training step of ours as fast as Keras's `fit`, and what do gates cost?

    python benchmarks/training_throughput.py

Four ways to train a ResNet on the same images, batch size, augmentation, weight
decay and optimizer, on a CPU without XLA:

    fit    what a Keras user writes: `compile`, `fit` and a tf.data pipeline
           from memory that augments whole batches; the plain backbone
    base   our step of the base phase; the same backbone
    skip   our step of the skip phase: gates and their price
    exits  our step of the exits phase: exits too

images_per_s: one process, in turns; a burst of each way's steps per turn, the
first of which are not counted. Each ratio is taken turn by turn, then the
median and the quartiles of the turns. Images are noise (time does not depend on
what they show), as many as CIFAR-10's training split has.

memory_mib: the peak of the resident set, each way in a process of its own: of
all, and before the first step (images, network and TensorFlow itself).
"""

import itertools
import json
import multiprocessing
import os
import resource
import sys
import time
from typing import NamedTuple

from ddi_tf import quiet  # first: it loads TensorFlow silently

import numpy as np
import tensorflow as tf
import tf_keras
from absl import app
from absl import flags

import phase_step
from ddi_tf import crops
from ddi_tf import data
from ddi_tf import errors
from ddi_tf import network as network_lib
from ddi_tf import phases
from ddi_tf import run_folder

_DEPTH = flags.DEFINE_integer("model_depth", 14, "Layers of the ResNet.")
_BATCH = flags.DEFINE_integer(
    "train_batch_size", 128, "Images per step.", lower_bound=1)
_STEPS = flags.DEFINE_integer(
    "steps", 8, "Steps of a burst that are counted.", lower_bound=1)
_TURNS = flags.DEFINE_integer(
    "turns", 15, "Bursts of each way.", lower_bound=2)

OURS = ("base", "skip", "exits")

# (way, reference): images per second of the first are to be at least this share
# of the second's.
TARGETS = {("base", "fit"): 0.97, ("skip", "base"): 0.70,
           ("exits", "base"): 0.70}

# Steps that begin a burst and are not counted: they find the caches as another
# way has left them, and those of fit find batches made during that way's burst.
_SETTLE = 2

_RATE = 0.01


class Setting(NamedTuple):
    """What is measured."""

    depth: int
    schedule: phases.Schedule
    steps: int  # of a burst, those not counted included


def main(argv):
    if len(argv) > 1:
        sys.exit(f"error: unexpected argument {argv[1]!r}; flags begin with --")
    quiet.tensorflow_logs()
    setting = Setting(_DEPTH.value, phases.Schedule(batch_size=_BATCH.value),
                      _STEPS.value + _SETTLE)
    try:
        # Memory first: a process begins with the peak of the one it is from.
        memory = {way: _in_own_process(peak_memory, way, setting)
                  for way in ("fit", *OURS)}
        rates = images_per_s(setting, _TURNS.value)
    except errors.DDIError as error:
        sys.exit(f"error: {error}")
    print(json.dumps({
        "commit": run_folder.commit(), "tensorflow": tf.__version__,
        "cpus": os.cpu_count(), "depth": _DEPTH.value,
        "batch_size": _BATCH.value, "steps": _STEPS.value,
        "turns": _TURNS.value,
        "images_per_s": {way: _spread(rate) for way, rate in rates.items()},
        "ratios": {f"{way} / {reference}": {
            **_spread(rates[way] / rates[reference]), "target": target}
            for (way, reference), target in TARGETS.items()},
        "memory_mib": memory,
    }, indent=1))


def images_per_s(setting, turns):
    """Way -> [turns] images per second, all ways in turns."""
    dataset = phase_step.noise()
    others = {}
    for way in OURS:
        print(f"compiling {way}", file=sys.stderr)
        others[way] = burst_of(way, setting, dataset)
        others[way](_SETTLE)
    callback = Turns(others, setting.steps)
    # The first turn, in which fit compiles, is not counted.
    fit(setting, dataset, 1 + turns, callback)
    counted = (setting.steps - _SETTLE) * setting.schedule.batch_size
    return {way: counted / np.array(seconds[1:])
            for way, seconds in callback.seconds.items()}


class Turns(tf_keras.callbacks.Callback):
    """Times an epoch of `fit` as its burst; then it is the others' turn.

    Args:
        others: way -> callable of a number of steps that returns the times at
            which each of them ended.
        steps: steps of a burst.

    Attributes:
        seconds: way -> list of the seconds that its bursts took.
    """

    def __init__(self, others, steps):
        super().__init__()
        self._others, self._steps, self._ends = others, steps, []
        self.seconds = {way: [] for way in ("fit", *others)}

    def on_train_batch_end(self, batch, logs=None):
        self._ends.append(time.perf_counter())

    def on_epoch_end(self, epoch, logs=None):
        self._count("fit", self._ends)
        for way, burst in self._others.items():
            self._count(way, burst(self._steps))
        self._ends = []
        print(f"turn {epoch}: " + ", ".join(
            f"{way} {seconds[-1]:.2f} s"
            for way, seconds in self.seconds.items()), file=sys.stderr)

    def _count(self, way, ends):
        self.seconds[way].append(ends[-1] - ends[_SETTLE - 1])


def burst_of(phase, setting, dataset):
    """Callable of a number of steps: takes them as the trainer does.

    It returns the times at which each of them ended.
    """
    step = phase_step.PhaseStep(
        phase, network_lib.NetworkConfig(depth=setting.depth),
        setting.schedule, dataset)
    sampler = data.Sampler(len(dataset.train.images),
                           setting.schedule.batch_size, seed=0, flip=True)
    count = itertools.count()

    def burst(steps):
        ends = []
        for _ in range(steps):
            index = next(count)
            step(sampler.draw(index), step.thresholds(index), _RATE,
                 setting.schedule.target_cost)
            ends.append(time.perf_counter())
        return ends

    return burst


def fit(setting, dataset, epochs, callback):
    """Trains the plain backbone with Keras's own loop, a burst per epoch."""
    network = network_lib.Network(network_lib.NetworkConfig(
        depth=setting.depth))
    images = tf_keras.Input([32, 32, 3])
    # None: Keras says whether it trains.
    model = tf_keras.Model(images, network.base(images, training=None))
    for variable in model.trainable_variables:
        if "kernel" in variable.name:  # what `kernel_regularizer` would do
            model.add_loss(lambda v=variable: (
                setting.schedule.weight_decay * tf.nn.l2_loss(v)))
    model.compile(
        tf_keras.optimizers.SGD(_RATE, momentum=0.9, nesterov=True),
        tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"], jit_compile=False)
    model.fit(pipeline(setting.schedule.batch_size, dataset), epochs=epochs,
              steps_per_epoch=setting.steps, callbacks=[callback], verbose=0)


def pipeline(batch_size, dataset):
    """Endless shuffled, augmented batches of (images, labels)."""
    images, labels = map(tf.constant, dataset.train)

    def batch(indices):
        offsets = tf.random.uniform(
            [batch_size, 2], 0, 2 * crops.SHIFT_PADDING + 1, tf.int32)
        flips = tf.random.uniform([batch_size]) < 0.5
        augmented = crops.Shift().cut(
            tf.gather(images, indices), offsets, flips)
        return (data.normalize(augmented, dataset.scaling),
                tf.gather(labels, indices))

    count = len(dataset.train.images)
    return (tf.data.Dataset.range(count).shuffle(count).repeat()
            .batch(batch_size, drop_remainder=True)
            .map(batch, tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE))


def peak_memory(way, setting):
    """MiB before the first and after the last step of a burst.

    To be called in a process that does nothing else.
    """
    print(f"memory of {way}", file=sys.stderr)
    quiet.tensorflow_logs()
    dataset = phase_step.noise()
    if way == "fit":
        before = Before()
        fit(setting, dataset, 1, before)
        return {"before": before.mib, "peak": _peak_mib()}
    burst = burst_of(way, setting, dataset)
    before = _peak_mib()
    burst(setting.steps)
    return {"before": before, "peak": _peak_mib()}


class Before(tf_keras.callbacks.Callback):
    """Peak memory in MiB when training begins."""

    def on_train_begin(self, logs=None):
        self.mib = _peak_mib()


def _peak_mib():
    """Largest resident set of this process so far (Linux counts in KiB)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def _in_own_process(function, *args):
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(function, args)


def _spread(values):
    low, median, high = np.percentile(values, (25, 50, 75))
    return {"median": round(float(median), 3),
            "quartiles": [round(float(low), 3), round(float(high), 3)]}


if __name__ == "__main__":
    app.run(main)
