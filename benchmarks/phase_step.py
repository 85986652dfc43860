"""The training step of one phase, on a network with random weights."""

import tensorflow as tf
import tf_keras

from ddi_tf import gates
from ddi_tf import network as network_lib
from ddi_tf import phases
from ddi_tf import steering
from ddi_tf import step as step_lib

PHASES = {phase.name: phase for phase in phases.PHASES}


class PhaseStep:
    """What the trainer makes for a phase, and calls once per batch.

    Args:
        phase: key of PHASES.
        depth: layers of the ResNet, which has all its gates and exits.
        schedule: `phases.Schedule`.
        dataset: `data.Dataset`; the images to train on, and their scaling.
        jit_compile: whether XLA compiles the step.

    Attributes:
        variables: all state of the step.
        function: the `tf.function` of `ddi_tf.step.make`.
    """

    def __init__(self, phase, depth, schedule, dataset, jit_compile=False):
        tf_keras.utils.set_random_seed(schedule.seed)
        network = network_lib.Network(network_lib.NetworkConfig(
            depth=depth, classes=len(dataset.label_names),
            image_shape=dataset.train.images.shape[1:]))
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
