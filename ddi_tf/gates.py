"""What all gates share: decisions out of scores, and gradients through them.

Dual Dynamic Inference, Section 3.1.
"""

import numpy as np
import tensorflow as tf
import tf_keras

# Gates start a little open, so that warm-up only has to finish the job: a
# sigmoid driven far to one side has no gradient left for the skip phase.
_OPEN_BIAS = tf_keras.initializers.Constant(1.0)

# What is drawn less often counts as if it had this chance: otherwise one image
# would outweigh its batch.
_LEAST_CHANCE = 0.1

_ALWAYS = 30.0  # a score whose sigmoid is 1 in float32


def straight_through(probability, threshold=0.5):
    """Rounds to {0, 1}; backwards, what the two are worth against each other.

    If p is the chance of a 1, the mean loss has the gradient L(1) - L(0). The
    identity, as straight-through estimators mostly have it, takes the slope of
    L at what was drawn for it. Of what runs that is nearly 0, whatever it is
    worth: its weights have learnt to be taken once. So gates saw the price of
    work alone, until enough of what matters was closed (ResNet14, CIFAR-10:
    they were never sure, and the weights, 83% right, never rested). Half of the
    slopes at both ends is right for any parabola (trapezoid rule; ReinMax,
    arXiv:2304.08612, Section 4); an end is met as often as it is drawn, so its
    slope counts 1 / (2 chance).

    Args:
        probability: any shape, float in [0, 1].
        threshold: t, of a shape that broadcasts; one half except in training.
            Uniform in [0, 1], it makes the probability a chance.

    Returns:
        The same shape and dtype, in {0, 1}, exactly; 1, for p >= t, runs the
        layer or channels.
    """
    hard = tf.cast(probability >= threshold, probability.dtype)
    chance = tf.where(hard > 0, probability, 1 - probability)
    weight = 0.5 / tf.maximum(chance, _LEAST_CHANCE)
    # Not a sum that leaves `hard`: compilers may round it otherwise.
    return tf.custom_gradient(
        lambda _: (hard, lambda upstream: upstream * weight))(probability)


def drawn(probability, threshold):
    """Rounds as `straight_through` does, and has no gradient."""
    return tf.stop_gradient(straight_through(probability, threshold))


def opened(mask):
    """Whether any group is open: `1 - prod_k (1 - mask_k)`, [B, G] -> [B]."""
    return 1 - tf.reduce_prod(1 - mask, axis=1)


def unmasked_if_closed(mask):
    """A mask that opens every channel of the images for which it opens none.

    What such an image computes is thrown away, and no gradient comes back from
    it; but batch norm counts it. Of zeros alone it would learn a variance of 0,
    and blow up the first image that opens the block again by 300 (ResNet14,
    CIFAR-10: 77.7% to 30.3% when the gates were shifted to the target).

    Args:
        mask: [B, G] in {0, 1}, or None.

    Returns:
        [B, G] in {0, 1}, with no gradient where all were closed; None for None.
    """
    if mask is None:
        return None
    any_open = tf.reduce_max(mask, axis=1, keepdims=True) > 0
    return tf.where(any_open, mask, tf.ones_like(mask))


def draw_thresholds(shape, noise, seed, step):
    """Thresholds for `straight_through` in one training step.

    With a threshold of one half every probability gathers there: the price of
    work pushes a gate down until it closes, the loss that follows pushes it up
    again, and nothing asks it to be sure (ResNet14, CIFAR-10: +-0.02 in the
    scores moved the cost from 0.63 to 0.09). A gate that is unsure of its
    answer in the face of noise gets it wrong half the time, so it learns to be
    sure. A threshold uniform in [0, 1] opens a gate with probability p.

    Args:
        shape: [B, D], images and decisions per image.
        noise: width of the interval round one half, in [0, 1].
        seed: whole number.
        step: whole number; every step has its own draw.

    Returns:
        [B, D] float32 numpy array.
    """
    uniform = np.random.default_rng([seed, 2, step]).random(shape, np.float32)
    return 0.5 + np.float32(noise) * (uniform - np.float32(0.5))


def score(units, name="score", activation="sigmoid"):
    """The layer of a gate that gives its probabilities: dense -> sigmoid."""
    return tf_keras.layers.Dense(
        units, activation=activation, bias_initializer=_OPEN_BIAS, name=name)


def keep_first(score, x):
    """What a `score` layer gives, behind a group that is always open.

    One layer, with a fixed score for that group: of a concatenation of
    probabilities, the converter makes int8 numbers.

    Args:
        score: as `score` returns it, for the groups after the first.
        x: [B, N] float.

    Returns:
        [B, groups] probabilities, the first of which are 1.
    """
    if not score.built:
        score.build(x.shape)
    kernel = tf.pad(score.kernel, [[0, 0], [1, 0]])
    bias = tf.concat([[_ALWAYS], score.bias], axis=0)
    return tf.sigmoid(x @ kernel + bias)
