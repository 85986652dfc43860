"""The hybrid loss: accuracy of every answer plus the cost of the work.

Dual Dynamic Inference, Equations 4 and 5.
"""

import tensorflow as tf

from ddi_tf import distribution

# Warm-up opens gates to this probability and no further: one that saturates
# cannot be closed again by a gradient.
_OPEN_MARGIN = 0.7


def cross_entropy(logits, labels, label_smoothing=0.0):
    """Mean cross-entropy in nats: `-mean_b sum_c q_bc log softmax(logits)_bc`.

    Args:
        logits: [B, C] float.
        labels: [B] int in [0, C).
        label_smoothing: share of the target spread evenly over all classes.
    """
    classes = logits.shape[-1]
    target = tf.one_hot(labels, classes) * (1 - label_smoothing)
    target += label_smoothing / classes
    return tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(
        labels=target, logits=logits))


def distillation(logits, teacher, temperature):
    """Distance from a teacher's softened answers (arXiv:1503.02531).

    `T^2 mean_b sum_c q_bc log(q_bc / p_bc)` with the softened softmaxes q of
    the teacher and p of the logits; T^2 keeps its gradient in proportion to
    that of `cross_entropy`.

    Args:
        logits: [B, C] float.
        teacher: [B, C] float, logits; no gradient goes into them.
        temperature: T > 0.
    """
    log_q = tf.nn.log_softmax(tf.stop_gradient(teacher) / temperature)
    log_p = tf.nn.log_softmax(logits / temperature)
    return temperature**2 * tf.reduce_mean(
        tf.reduce_sum(tf.exp(log_q) * (log_q - log_p), axis=-1))


def with_exits(answer_losses, label_losses=None):
    """Eq. 4: `L = L_o + sum_i w_i L_i`, `w_i = C_o / C_i` out of the gradient.

    The weight balances the gradients of exits whose losses differ in size. What
    a teacher adds to the head's loss, a multiple of what labels do, is no
    reason to pull at the exits harder (ResNet14, CIFAR-10, `--train_distill`:
    with weights of it the first epoch took the head from 83.1% to 67.5%). An
    exit's own weights learn by L_i as it is (`step`).

    Args:
        answer_losses: scalars L_o, then the exits' L_i.
        label_losses: scalars C_o and C_i, of the labels alone; None: L.
    """
    total, *exit_losses = answer_losses
    head_mean, *exit_means = distribution.mean(
        list(label_losses or answer_losses))
    for loss, mean in zip(exit_losses, exit_means):
        # A memorised batch can have a loss of exactly 0.
        weight = tf.math.divide_no_nan(head_mean, mean)
        total += tf.stop_gradient(weight) * loss
    return total


def resource(full_path, base):
    """E of Eq. 5: mean executed cost as a fraction of the base network.

    Args:
        full_path: [B] float64, `costs.full_path`.
        base: cost of the plain backbone, in the same unit.
    """
    return tf.cast(tf.reduce_mean(full_path) / base, tf.float32)


def open_gates(probabilities):
    """Warm-up: `mean max(0, margin - p)` over all gates; 0 when all are open.

    Args:
        probabilities: `deciding.Decisions` of probabilities.
    """
    parts = [probabilities.layers, *probabilities.masks]
    return tf.add_n([
        tf.reduce_mean(tf.nn.relu(_OPEN_MARGIN - p)) for p in parts])
