"""Averages of the weights over the steps of a phase (Polyak averaging).

The average of many points on the way is often better than the last of them
(Izmailov et al. 2018, arXiv:1803.05407; here with exponential weights).
"""

import tensorflow as tf


class Averages(tf.Module):
    """Running means of variables; state of the training step.

    Args:
        variables: the trainable variables of a network.
        decay: share of the mean that a step keeps, in (0, 1).
    """

    def __init__(self, variables, decay):
        super().__init__()
        self._decay, self._variables = decay, variables
        self._means = [
            tf.Variable(tf.convert_to_tensor(variable), trainable=False,
                        name="mean",
                        # Replicas, where there are many, all assign the same.
                        aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA)
            for variable in variables]

    def reset(self):
        """Begins at the variables as they are."""
        for mean, variable in zip(self._means, self._variables):
            mean.assign(tf.convert_to_tensor(variable))

    def update(self):
        """Takes in the variables as they are: `m <- d m + (1 - d) v`."""
        for mean, variable in zip(self._means, self._variables):
            mean.assign_sub((1 - self._decay) * (mean - variable))

    def apply(self):
        """Puts the means in the variables' place."""
        for mean, variable in zip(self._means, self._variables):
            variable.assign(tf.convert_to_tensor(mean))
