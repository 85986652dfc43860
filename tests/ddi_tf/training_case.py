"""What two training steps must do to a network of any strategy."""

import contextlib

import numpy as np
import tensorflow as tf
import tf_keras

from ddi_tf import data
from ddi_tf import phases
from ddi_tf import steering
from ddi_tf import step

_BATCH = 8


@contextlib.contextmanager
def eagerly():
    """Runs `tf.function`s as Python: compiling takes a second per block."""
    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(False)


class TrainingCase(tf.test.TestCase):
    """Base class of tests that train for a step or two."""

    def assert_steps_teach(self, net, phase="skip", steps=2, batch=_BATCH):
        """Steps of a phase are finite and move every variable it trains.

        Args:
            net: of any strategy.
            phase: name of the phase, as its strategy has it.
            steps, batch: how many, of how many images.

        Returns:
            The last step's metrics: dict of scalar tensors.
        """
        schedule = phases.Schedule(epochs={phase: 1})
        phase, = phases.planned(net.config, schedule)
        optimizer = tf_keras.optimizers.SGD(0.1, momentum=0.9, nesterov=True)
        optimizer.build(net.trainable_variables)
        function = step.make(
            net, optimizer, steering.Steering(schedule.alpha), phase, schedule,
            net.costs, data.Scaling((127.0,) * 3, (64.0,) * 3))
        trained = sum(step.trained_variables(net, phase), [])
        before = [variable.numpy() for variable in trained]
        generator = np.random.default_rng(0)
        for _ in range(steps):
            metrics = function(*_batch(net, phase, batch, generator))
            for name, value in metrics.items():
                self.assertTrue(np.isfinite(value.numpy()), name)
        if phase.priced:
            self.assertGreater(metrics["resource_loss"], 0)
        for variable, value in zip(trained, before):
            self.assertNotAllEqual(variable, value, variable.name)
        return metrics


def _batch(net, phase, size, generator):
    """Arguments of a step: noise, labels in turn, gates drawn or open."""
    highest = float(phase.sampled)
    return (
        tf.constant(generator.integers(
            0, 256, [size, *net.config.image_shape]), tf.uint8),
        tf.range(size) % 10, tf.range(size), tf.zeros([size, 2], tf.int32),
        tf.fill([size], False),
        tf.constant(generator.uniform(
            0, highest, [size, net.decision_count]), tf.float32),
        tf.constant(0.01), tf.constant(0.5))
