"""The training step of one phase, on a network with random weights."""

import numpy as np
import tensorflow as tf
import tf_keras

from ddi_tf import data
from ddi_tf import gates
from ddi_tf import network as network_lib
from ddi_tf import phases
from ddi_tf import steering
from ddi_tf import step as step_lib

PHASES = {phase.name: phase for phase in phases.PHASES}

_IMAGES = 45_000


def noise():
    """A `data.Dataset` as large as CIFAR-10's training split."""
    rng = np.random.default_rng(0)
    split = data.Split(
        rng.integers(0, 256, [_IMAGES, 32, 32, 3], np.uint8),
        rng.integers(0, 10, _IMAGES, np.int32))
    return data.Dataset(
        "noise", tuple(map(str, range(10))),
        data.Scaling((127.5,) * 3, (73.9,) * 3), True, split, split, split)


class PhaseStep:
    """What the trainer makes for a phase, and calls once per batch.

    Args:
        phase: key of PHASES.
        config: `network.NetworkConfig`, for these images.
        schedule: `phases.Schedule`.
        dataset: `data.Dataset`; the images to train on, and their scaling.
        jit_compile: whether XLA compiles the step.

    Attributes:
        variables: all state of the step.
        function: the `tf.function` of `ddi_tf.step.make`.
    """

    def __init__(self, phase, config, schedule, dataset, jit_compile=False):
        tf_keras.utils.set_random_seed(schedule.seed)
        network = network_lib.Network(config)
        optimizer = tf_keras.optimizers.SGD(momentum=0.9, nesterov=True)
        optimizer.build(network.trainable_variables)
        steered = steering.Steering(schedule.alpha)
        self.variables = [*network.variables, *optimizer.variables,
                          *steered.variables]
        self.function = step_lib.make(
            network, optimizer, steered, PHASES[phase], schedule,
            network.costs, dataset.scaling, jit_compile=jit_compile,
            crop=dataset.crop)
        self._shape = [schedule.batch_size, network.decision_count]
        self._images = tf.constant(dataset.train.images)
        self._labels = tf.constant(dataset.train.labels)

    def thresholds(self, index):
        """[B, D] float32 gate thresholds of a step, fully random."""
        return gates.draw_thresholds(self._shape, 1.0, 0, index)

    def arguments(self, draw, thresholds, learning_rate, target):
        """Arguments of `function` for a `data.Draw`, in order."""
        return (self._images, self._labels,
                *map(tf.constant, (*draw, thresholds)),
                tf.constant(learning_rate, tf.float32),
                tf.constant(target, tf.float32))

    def __call__(self, *batch):
        """Name -> float: what a step of the trainer returns.

        Args:
            *batch: as for `arguments`.
        """
        result = self.function(*self.arguments(*batch))
        return {name: float(value) for name, value in result.items()}
