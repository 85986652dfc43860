"""REINFORCE: gates learn from what happened when they were drawn.

SkipNet's hybrid learning (arXiv:1711.09485, Section 3.3): a gate opens with the
probability that it gives, the weights learn from the answer as ever, and the
gates by the score function,

    grad mean_b (L_b + alpha E_b - baseline_b) log p(decisions of image b)

with what the image's likeliest decisions lead to as its baseline (Rennie et al.
2017, arXiv:1612.00563) and the batch's mean as that of the differences.
"""

import tensorflow as tf

# Of a probability, where a logarithm is taken.
_LEAST = 1e-6


def log_likelihood(probabilities, decisions):
    """How likely each image's decisions were.

    Args:
        probabilities: `deciding.Decisions` of probabilities.
        decisions: `deciding.Decisions` that were drawn, in {0, 1}.

    Returns:
        [B] float <= 0: `sum log p` over the gates that were asked; behind a
        closed layer gate no channel gate is.
    """
    total = tf.reduce_sum(
        _log(probabilities.layers, decisions.layers), axis=1)
    for index, (soft, hard) in enumerate(
            zip(probabilities.masks, decisions.masks)):
        total += decisions.layers[:, index] * tf.reduce_sum(
            _log(soft, hard), axis=1)
    return total


def loss(probabilities, decisions, penalties):
    """What has the gradient of REINFORCE; its value means nothing.

    Args:
        probabilities, decisions: as for `log_likelihood`.
        penalties: [B] float, what each image's decisions led to, less what its
            likeliest ones do; less is better, no gradient goes into them.
    """
    advantages = tf.stop_gradient(penalties - tf.reduce_mean(penalties))
    hard = tf.nest.map_structure(tf.stop_gradient, decisions)
    return tf.reduce_mean(advantages * log_likelihood(probabilities, hard))


def _log(probability, decision):
    chosen = decision * probability + (1 - decision) * (1 - probability)
    return tf.math.log(tf.maximum(chosen, _LEAST))
