"""Steers the executed cost to its target: alpha of Eq. 5, and running means.

With `gap = (cost - target) / target`, cost being a running mean:

    on:    alpha <- alpha exp(gap / T)        at every step, weight = alpha
    hold:  the same, and          weight = alpha (1 + gap / 10%), 0 to 2 alpha

So alpha grows until the gates give way, and then settles at the price of work
at which the target is just held; a network cheaper than asked feels less of it,
and opens its gates again. The paper switches alpha off near the target; with a fixed alpha
that either never reached the target (ResNet14, CIFAR-10: 0.95 of the base
network for 0.6, alpha 0.15) or flapped from one side of it to the other.
"""

import tensorflow as tf

from ddi_tf import phases

_EMA_DECAY = 0.95  # of the running means

# T: steps in which a gap of 100% multiplies alpha by e.
_ALPHA_STEPS = 200.0

# Gap at which the weight has doubled, or fallen to 0; it goes no further.
_FULL_PULL = 0.1


class Steering(tf.Module):
    """Running cost and skip ratio, and alpha; state of the training step.

    Args:
        alpha: the weight that the skip phase begins with.
    """

    def __init__(self, alpha):
        super().__init__()
        self.cost = tf.Variable(1.0, trainable=False, name="cost")
        self.skip_ratio = tf.Variable(1.0, trainable=False, name="skip_ratio")
        self.alpha = tf.Variable(alpha, trainable=False, name="alpha",
                                 dtype=tf.float32)

    def reset(self, cost, skip_ratio):
        """Where a phase starts from; its first batches move it away."""
        self.cost.assign(cost)
        self.skip_ratio.assign(skip_ratio)

    def update(self, cost, skip_ratio):
        """Takes in a batch's cost (fraction of the base) and skip ratio."""
        for variable, value in ((self.cost, cost),
                                (self.skip_ratio, skip_ratio)):
            variable.assign(_EMA_DECAY * variable + (1 - _EMA_DECAY) * value)

    def weight(self, mode, target):
        """Weight of the resource loss now; moves alpha by one step.

        Args:
            mode: `phases.Alpha`.
            target: cost to reach, a fraction of the base network's.

        Returns:
            Scalar float32 >= 0.
        """
        if mode is phases.Alpha.OFF:
            return tf.zeros([])
        gap = tf.clip_by_value((self.cost - target) / target, -1.0, 1.0)
        self.alpha.assign(self.alpha * tf.exp(gap / _ALPHA_STEPS))
        if mode is phases.Alpha.ON:
            return self.alpha + 0.0
        pull = tf.clip_by_value(gap / _FULL_PULL, -1.0, 1.0)
        return self.alpha * (1 + pull)
