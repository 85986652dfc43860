"""Steers the executed cost along its target: alpha of Eq. 5, running means.

With `gap = (cost - target) / target`, every step does

    alpha <- alpha exp(gap / T),    weight = alpha (1 + gap / 10%), 0 to 2 alpha

so that alpha settles at the price of work at which the target is just held, and
a network cheaper than asked opens its gates again. The target itself descends
over the skip phase (`course.target`).

The cost is a running mean over training batches, plus the distance at which the
tune split was last found from it: at inference batch norm is another, gates
are not drawn, and with both the cost is another (by 0.09 at a target of 0.7,
ResNet14 and CIFAR-10).

The paper keeps alpha fixed and switches it off near the target; on ResNet14 and
CIFAR-10 a fixed alpha either stopped far above it (0.95 of the base network for
0.6, alpha 0.15) or closed the gates faster than the weights could follow
(accuracy 89% to 54% in 500 steps, 0.5).
"""

import tensorflow as tf

from ddi_tf import distribution

_EMA_DECAY = 0.95  # of the running means

# T: steps in which a gap of 100% multiplies alpha by e.
_ALPHA_STEPS = 30.0

# Share of a newly found distance between tune split and batches that is taken,
# and the largest distance that is believed, a share of the running cost: while
# gates close fast, the running mean lags behind what the tune split finds
# (ResNet14, CIFAR-10: 1.02 against 0.03; taken for a distance, it opened all
# gates for an epoch).
_OFFSET_SHARE, _LARGEST_OFFSET = 0.5, 0.1

# A price of work that is never worth it, and one that is always: beyond these
# alpha would only have a longer way back.
_ALPHA_RANGE = (1e-3, 1e2)

# Gap at which the weight has doubled, or fallen to 0; it goes no further.
_FULL_PULL = 0.1


class Steering(tf.Module):
    """Running cost and skip ratio, and alpha; state of the training step.

    Args:
        alpha: the weight that the skip phase begins with.
    """

    def __init__(self, alpha):
        super().__init__()
        self.cost = _scalar(1.0, "cost")
        self.skip_ratio = _scalar(1.0, "skip_ratio")
        self.offset = _scalar(0.0, "offset")
        self.alpha = _scalar(alpha, "alpha")

    def reset(self, cost, skip_ratio):
        """Where a phase starts from; its first batches move it away."""
        self.cost.assign(cost)
        self.skip_ratio.assign(skip_ratio)

    def move(self, difference):
        """The gates were changed, and with them the cost by `difference`."""
        self.cost.assign_add(difference)

    def update(self, cost, skip_ratio, share=1.0):
        """Takes in a batch's cost (fraction of the base) and skip ratio.

        Args:
            cost, skip_ratio: scalar tensors, means over this replica's part of
                the batch.
            share: which part of a step's batch this is, in (0, 1].
        """
        kept = _EMA_DECAY**share
        means = distribution.mean([cost, skip_ratio])
        for variable, value in zip((self.cost, self.skip_ratio), means):
            variable.assign(kept * variable + (1 - kept) * value)

    def compare(self, tune_cost):
        """Takes in what the tune split costs at this moment."""
        found = self.offset + _OFFSET_SHARE * (
            tune_cost - self.cost - self.offset)
        largest = _LARGEST_OFFSET * self.cost
        self.offset.assign(tf.clip_by_value(found, -largest, largest))

    def weight(self, target, share=1.0):
        """Weight of the resource loss now; moves alpha by one step.

        Args:
            target: scalar float32, cost to be at, a fraction of the base
                network's.
            share: as for `update`; which part of a step alpha moves by.

        Returns:
            Scalar float32 >= 0.
        """
        cost = self.cost + self.offset
        gap = tf.clip_by_value((cost - target) / target, -1.0, 1.0)
        self.alpha.assign(tf.clip_by_value(
            self.alpha * tf.exp(gap * share / _ALPHA_STEPS), *_ALPHA_RANGE))
        return self.alpha * (
            1 + tf.clip_by_value(gap / _FULL_PULL, -1.0, 1.0))


def _scalar(value, name):
    # Replicas, where there are many, all assign the same.
    return tf.Variable(
        value, trainable=False, name=name, dtype=tf.float32,
        aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA)
