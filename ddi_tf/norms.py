"""Batch norm, as fast as a CPU can, and of the global batch of replicas."""

import tensorflow as tf
import tf_keras

MOMENTUM = 0.9
EPSILON = 1e-5

# Channels in a vector of a CPU's bfloat16 kernels.
_VECTOR = 16


class _PaddedBatchNorm(tf_keras.layers.BatchNormalization):
    """Batch norm with channels of zeros beside those that it has.

    A CPU's bfloat16 kernel is five times as slow where channels do not fill
    its vectors. With float32's, and casts around it, a step of DenseNet-BC-100
    takes 1.35 times as long as with this.
    """

    def call(self, inputs, training=False):
        """[B, H, W, C] -> the same shape, in the type of the computation."""
        channels = inputs.shape[-1]
        spare = -channels % _VECTOR

        def padded(vector):
            return tf.pad(vector, [[0, spare]])

        start = {} if training else {
            "mean": padded(self.moving_mean),
            "variance": padded(self.moving_variance)}
        outputs, mean, variance = tf.compat.v1.nn.fused_batch_norm(
            tf.pad(inputs, [[0, 0]] * 3 + [[0, spare]]), padded(self.gamma),
            padded(self.beta), **start, epsilon=self.epsilon,
            is_training=training)
        if training:
            for moving, found in ((self.moving_mean, mean),
                                  (self.moving_variance, variance)):
                moving.assign_sub(
                    (1 - self.momentum) * (moving - found[:channels]))
        # The gradient of a split is fast; that of a slice is not.
        return tf.split(outputs, [channels, spare], axis=3)[0]


class _GlobalBatchNorm(tf_keras.layers.BatchNormalization):
    """Batch norm by the global batch of all replicas.

    Keras keeps moving statistics per replica and averages them when they are
    read, which all workers must do at once. These come from global batches, so
    they are the same everywhere: kept as weights are, any worker can read them.
    """

    def __init__(self, **kwargs):
        super().__init__(synchronized=True, **kwargs)

    def add_weight(self, **kwargs):
        if not kwargs.get("trainable", True):
            kwargs["synchronization"] = tf.VariableSynchronization.AUTO
            kwargs["aggregation"] = tf.VariableAggregation.ONLY_FIRST_REPLICA
        return super().add_weight(**kwargs)


def make(channels, policy):
    """A batch norm layer, `norm`, of the batch: where there are replicas, of
    the global one (slower).

    Args:
        channels: of what it will be given.
        policy: `tf_keras.mixed_precision.Policy` of the layer around it.
    """
    fills = channels % _VECTOR == 0 or policy.compute_dtype != "bfloat16"
    if tf.distribute.get_strategy().num_replicas_in_sync > 1:
        # Its moments are sums over channels as they are, slow in bfloat16.
        kind, policy = _GlobalBatchNorm, policy if fills else "float32"
    else:
        kind = (tf_keras.layers.BatchNormalization if fills
                else _PaddedBatchNorm)
    return kind(momentum=MOMENTUM, epsilon=EPSILON, dtype=policy, name="norm")
