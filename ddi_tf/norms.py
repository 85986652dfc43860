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
        if not training:
            return _padded(inputs, self.gamma, self.beta, {
                "mean": self.moving_mean, "variance": self.moving_variance})[0]
        outputs, *found = _padded(inputs, self.gamma, self.beta)
        for moving, now in zip((self.moving_mean, self.moving_variance), found):
            moving.assign_sub((1 - self.momentum) * (moving - now))
        return outputs


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


def _padded(x, gamma, beta, known=None):
    """(outputs, mean, variance) of a batch norm over vectors that are full.

    Args:
        x: [B, H, W, C], in the type of the computation.
        gamma, beta: [C].
        known: dict of mean and variance, [C] each; None: those of `x`.
    """
    channels = x.shape[-1]
    spare = -channels % _VECTOR if x.dtype == tf.bfloat16 else 0

    def padded(vector):
        return tf.pad(vector, [[0, spare]]) if spare else vector

    outputs, mean, variance = tf.compat.v1.nn.fused_batch_norm(
        tf.pad(x, [[0, 0]] * 3 + [[0, spare]]) if spare else x,
        padded(gamma), padded(beta), epsilon=EPSILON, is_training=known is None,
        **{name: padded(vector) for name, vector in (known or {}).items()})
    if spare:  # the gradient of a split is fast; that of a slice is not
        outputs, _ = tf.split(outputs, [channels, spare], axis=3)
    return outputs, mean[:channels], variance[:channels]


def narrow(norm, x, channels, training):
    """What a batch norm makes of some of its channels.

    Args:
        norm: of `make`.
        x: [B, H, W, len(channels)] float.
        channels: which of its channels `x` holds, ascending.
        training: whether it uses the batch, and what it knows of these channels
            is updated by it.

    Returns:
        As `x`; float32 where it does not train.
    """
    total = norm.gamma.shape[0]
    if training and len(channels) == total:
        return norm(x, training=True)
    if training and isinstance(norm, _GlobalBatchNorm):
        places = tf.one_hot(channels, total, dtype=x.dtype)
        whole = norm(tf.tensordot(x, places, 1), training=True)
        return tf.gather(whole, channels, axis=3)
    gamma, beta, *known = (
        _some(weights, channels) for weights in (
            norm.gamma, norm.beta, norm.moving_mean, norm.moving_variance))
    if not training:
        return tf.nn.batch_normalization(
            tf.cast(x, tf.float32), *known, beta, gamma, EPSILON)
    outputs, *found = _padded(x, gamma, beta)
    for moving, before, now in zip(
            (norm.moving_mean, norm.moving_variance), known, found):
        moving.assign_sub(tf.scatter_nd(
            [[channel] for channel in channels],
            (1 - norm.momentum) * (before - now), [total]))
    return outputs


def _some(vector, channels):
    """[C] -> [len(channels)]; its gradient is dense, as optimizers want it."""
    return tf.gather(vector[tf.newaxis], channels, axis=1)[0]


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
