"""One worker of a short run on random images; prints its losses as JSON.

    python distributed_run.py DISTRIBUTION RUN PHASE=EPOCHS...
"""

import dataclasses
import json
import pathlib
import sys

import numpy as np
import tensorflow as tf
import tf_keras

sys.path.insert(0, str(pathlib.Path(__file__).parents[2]))

from ddi_tf import data
from ddi_tf import distribution as distribution_lib
from ddi_tf import follower
from ddi_tf import network
from ddi_tf import phases
from ddi_tf import run_folder
from ddi_tf import trainer

_CONFIG = network.NetworkConfig(depth=8, image_shape=(16, 16, 3))

# Batches of 16 from 64 images: four steps per epoch.
_SCHEDULE = phases.Schedule(
    batch_size=16, base_lr=0.02, joint_lr=0.002, seed=3, gate_noise=0.5,
    average=0.5, norm_batches=2)


class _Losses(list):
    """A progress bar that remembers the losses."""

    def start(self, phase, steps, done):
        pass

    def update(self, metrics):
        self.extend([metrics["loss"]] if metrics else [])


def dataset():
    """A `data.Dataset` of random images."""
    generator = np.random.default_rng(0)
    splits = [data.Split(
        generator.integers(0, 256, [size, 16, 16, 3]).astype(np.uint8),
        generator.integers(0, 10, size).astype(np.int32))
        for size in (64, 20, 4)]
    return data.Dataset(
        "random", tuple("0123456789"),
        data.Scaling((127.0,) * 3, (74.0,) * 3), True, *splits)


def run(distribution, path, **epochs):
    """Trains in `path`, so many epochs of phases; the losses of the steps."""
    schedule = dataclasses.replace(_SCHEDULE, epochs=epochs)
    tf_keras.utils.set_random_seed(1)
    folder = (run_folder.RunFolder if distribution.is_chief
              else follower.Follower)(path)
    losses = _Losses()
    with distribution.scope():
        net = network.Network(_CONFIG)
    deployed = net if distribution.replicas == 1 else network.Network(_CONFIG)
    with distribution.scope():
        training = trainer.Trainer(
            folder, net, dataset(), schedule, net.costs, losses,
            distribution=distribution, deployed=deployed)
    folder.create({"network": dataclasses.asdict(_CONFIG)}, "")
    training.resume()
    training.run()
    return losses


if __name__ == "__main__":
    cpu, = tf.config.list_physical_devices("CPU")
    if sys.argv[1] == "mirrored":
        tf.config.set_logical_device_configuration(
            cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    pairs = (argument.split("=") for argument in sys.argv[3:])
    print(json.dumps(run(
        distribution_lib.make(sys.argv[1]), sys.argv[2],
        **{name: int(count) for name, count in pairs})))
