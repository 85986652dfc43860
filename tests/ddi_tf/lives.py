"""Runs on random images that can be ended after any step, as by kill -9."""

import dataclasses

import numpy as np
import tf_keras

from ddi_tf import data
from ddi_tf import network as network_lib
from ddi_tf import ranges
from ddi_tf import run_folder
from ddi_tf import trainer


def dataset():
    """64 training images of 16 x 16 pixels, 40 to tune on."""
    generator = np.random.default_rng(0)
    return data.Dataset(
        "random", tuple("0123456789"),
        data.Scaling((127.0,) * 3, (74.0,) * 3), True, *(
            data.Split(
                generator.integers(0, 256, [size, 16, 16, 3]).astype(np.uint8),
                generator.integers(0, 10, size).astype(np.int32))
            for size in (64, 40, 4)))


class _Dying:
    """A progress bar that ends the run after so many steps."""

    def __init__(self, steps):
        self._left = steps

    def start(self, phase, steps, done):
        pass

    def update(self, metrics):
        if metrics and self._left is not None:
            self._left -= 1
            if not self._left:
                raise KeyboardInterrupt


def live(path, config, schedule, steps=None):
    """One life of a run, saved at every step; its `run_folder.RunFolder`.

    Args:
        path: of its folder.
        config: `network.NetworkConfig`.
        schedule: `phases.Schedule`.
        steps: after which it dies; None: it ends by itself.
    """
    folder, images = run_folder.RunFolder(path), dataset()
    folder.create({
        "network": dataclasses.asdict(config),
        "schedule": dataclasses.asdict(schedule),
        "data": {"scaling": images.scaling._asdict()}}, "")
    tf_keras.utils.set_random_seed(schedule.seed)
    network = network_lib.Network(config)
    if schedule.quantizes:
        ranges.attach(network, images.scaling)
    run = trainer.Trainer(folder, network, images, schedule, network.costs,
                          _Dying(steps), checkpoint_minutes=0)
    run.resume()
    try:
        run.run()
    except KeyboardInterrupt:
        if steps is None:
            raise
    return folder
