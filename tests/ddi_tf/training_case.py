"""What two training steps must do to a network whose stages halt."""

import numpy as np
import tensorflow as tf
import tf_keras

from ddi_tf import data
from ddi_tf import phases
from ddi_tf import steering
from ddi_tf import step

_SKIP, = (phase for phase in phases.PHASES if phase.name == "skip")


class TrainingCase(tf.test.TestCase):
    """Base class of tests of `act.ACT` and its kind."""

    def assert_two_steps_teach(self, net):
        """Two steps of the skip phase move every variable that is trained."""
        schedule = phases.Schedule()
        optimizer = tf_keras.optimizers.SGD(0.1, momentum=0.9, nesterov=True)
        optimizer.build(net.trainable_variables)
        function = step.make(
            net, optimizer, steering.Steering(schedule.alpha), _SKIP, schedule,
            net.costs, data.Scaling((127.0,) * 3, (64.0,) * 3))
        before = [v.numpy() for v in net.trainable_variables]
        generator = np.random.default_rng(0)
        for _ in range(2):
            metrics = function(
                tf.constant(generator.integers(0, 256, [8, 16, 16, 3]),
                            tf.uint8),
                tf.constant(generator.integers(0, 10, 8), tf.int32),
                tf.range(8), tf.zeros([8, 2], tf.int32), tf.fill([8], False),
                tf.zeros([8, net.decision_count]), tf.constant(0.01),
                tf.constant(0.5))
            for name, value in metrics.items():
                self.assertTrue(np.isfinite(value.numpy()), name)
        self.assertGreater(metrics["resource_loss"], 0)
        for variable, value in zip(net.trainable_variables, before):
            self.assertNotAllEqual(variable, value, variable.name)
