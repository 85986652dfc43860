"""Kernels of the blocks made compressible: zeros, and few distinct values.

A phase names its kind (`phases.Phase.compression`, a key of KINDS). No layer is
wrapped: kernels are the network's own variables, changed after each update, so
that checkpoints and exports know nothing of it. What a phase has done is kept
through those after it.
"""

import numpy as np
import tensorflow as tf
from tensorflow_model_optimization.python.core.clustering.keras import (
    clustering_algorithm, clustering_centroids)
from tensorflow_model_optimization.python.core.sparsity.keras import (
    pruning_impl, pruning_schedule)

from ddi_tf import kernels as kernels_lib

# Share of a phase over which the sparsity rises, and in how many strokes.
_RISE = 0.5
_STROKES = 50

# k-means has long settled by then, in one dimension.
_ROUNDS = 100


class Zeros(tf.Module):
    """Weights that are 0 stay 0; the others are free.

    Args:
        kernels: variables [h, w, C, F] float32.
        schedule: `phases.Schedule`.
        steps: of its phase, > 0.
    """

    def __init__(self, kernels, schedule, steps):
        super().__init__()
        del schedule, steps
        self._kernels = kernels
        self._masks = [_state(tf.ones(kernel.shape), "mask")
                       for kernel in kernels]

    def begin(self):
        """Takes the kernels as they are at the start of its phase."""
        for kernel, mask in zip(self._kernels, self._masks):
            mask.assign(tf.cast(tf.not_equal(kernel, 0), mask.dtype))

    def after_update(self):
        """Follows the optimizer in each step of its phase and of later ones."""
        self.hold()

    def hold(self):
        """Undoes what something else than a step did to the kernels."""
        _assign(self._kernels, tf.multiply, self._masks)


class Pruning(Zeros):
    """Magnitude pruning (Zhu and Gupta 2017, arXiv:1710.01878).

    The share of zeros in every kernel rises over the first half of the phase,
    to `schedule.sparsity`; the smallest weights go first, and none returns.

    Args:
        kernels, schedule, steps: as for `Zeros`.
    """

    def __init__(self, kernels, schedule, steps):
        super().__init__(kernels, schedule, steps)
        self._updates = _state(tf.constant(0, tf.int64), "updates")
        self._thresholds = [_state(tf.constant(0.0), "threshold")
                            for _ in kernels]
        rise = max(1, int(_RISE * steps))
        stroke = -(-rise // _STROKES)
        # tfmot prunes at multiples of the stroke: the last must be one.
        self._pruning = _Pruned(
            lambda: self._updates,
            list(zip(kernels, self._masks, self._thresholds)),
            pruning_schedule.PolynomialDecay(
                0.0, schedule.sparsity, 0, max(1, rise // stroke) * stroke,
                frequency=stroke), (1, 1), "AVG")

    def begin(self):
        super().begin()
        self._updates.assign(0)

    def after_update(self):
        self._updates.assign_add(1)
        self.hold()  # momentum moves pruned weights
        self._pruning.conditional_mask_update()
        self.hold()


class _Pruned(pruning_impl.Pruning):
    """tfmot's masks, without those that would let a pruned weight return."""

    def _update_mask(self, weights):
        threshold, mask = super()._update_mask(weights)
        return threshold, mask * tf.cast(tf.not_equal(weights, 0), mask.dtype)


class Clustering(tf.Module):
    """Few distinct values per kernel (Han et al. 2016, arXiv:1510.00149).

    Which weights share a value is decided once, by k-means at the start of the
    phase; the value is from then on the mean of what the optimizer makes of
    them, so that it learns from the mean of their gradients. Pruned weights
    share the value 0, one of the `schedule.clusters`.

    Args:
        kernels, schedule, steps: as for `Zeros`.
    """

    def __init__(self, kernels, schedule, steps):
        super().__init__()
        del steps
        self._kernels, self._count = kernels, schedule.clusters
        # On a GPU, TensorFlow keeps int32 variables on the host.
        self._members = [_state(tf.zeros(kernel.shape, tf.int64), "members")
                         for kernel in kernels]

    def begin(self):
        """Clusters the kernels as they are at the start of its phase."""
        for kernel, members in zip(self._kernels, self._members):
            members.assign(clustered(
                tf.convert_to_tensor(kernel).numpy(), self._count))
        self.hold()

    def after_update(self):
        """Follows the optimizer in each step of its phase and of later ones."""
        self.hold()

    def hold(self):
        """Undoes what something else than a step did to the kernels."""
        _assign(self._kernels, self._shared, self._members)

    def _shared(self, kernel, members):
        """`kernel` with every weight at the mean of its cluster, number 0 at 0.
        """
        means = tf.math.unsorted_segment_mean(kernel, members, self._count + 1)
        return tf.gather(tf.concat([[0.0], means[1:]], axis=0), members)


# What `phases.Phase.compression` may name.
# Rounding to int8 keeps what was pruned before.
KINDS = {"prune": Pruning, "cluster": Clustering, "quantize": Zeros}


class Compressions(tf.Module):
    """What the phases of one run do to its kernels; state of the training step.

    Args:
        network: `network.Network` that is trained.
        planned: `phases.Phase`s of the run, in order.
        schedule: `phases.Schedule`.
        steps: phase name -> its steps.
    """

    def __init__(self, network, planned, schedule, steps):
        super().__init__()
        self._names = tuple(phase.name for phase in planned)
        named = [phase for phase in planned if phase.compression]
        self._kernels = kernels_lib.of(network) if named else []
        self._kinds = {
            phase.name: KINDS[phase.compression](
                self._kernels, schedule, steps[phase.name]) for phase in named}

    def begin(self, phase):
        """Before the first step of `phase`."""
        if phase.name in self._kinds:
            self._kinds[phase.name].begin()

    def after_update(self, phase):
        """Follows the optimizer in each step of `phase`."""
        for kind in self._in_force(phase):
            kind.after_update()

    def hold(self, phase):
        """After something else than a step of `phase` moved the weights."""
        for kind in self._in_force(phase):
            kind.hold()

    def record(self, phase):
        """What a line of metrics.jsonl says of the kernels, a dict."""
        if not self._in_force(phase):
            return {}
        return {"sparsity": round(kernels_lib.sparsity(
            [tf.convert_to_tensor(kernel) for kernel in self._kernels]), 5)}

    def _in_force(self, phase):
        """Those of `phase` and of the phases before it, in order."""
        begun = self._names[:self._names.index(phase.name) + 1]
        return [self._kinds[name] for name in begun if name in self._kinds]


def clustered(kernel, count):
    """Which of `count` values each weight takes.

    k-means from evenly spaced values, which keeps the large weights that matter
    most (arXiv:1510.00149, Section 3.2). A kernel that has no more values than
    that keeps them.

    Args:
        kernel: float32 array of any shape.
        count: values that it may have, >= 2; 0 is one of them where it occurs.

    Returns:
        int64 array like `kernel`: 0 for weights that are 0, the others' numbers
        from 1.
    """
    values = np.unique(kernel)
    if len(values) > count:
        values = _k_means(kernel, count)
    values = values[values != 0] if np.any(kernel == 0) else values
    if not len(values):
        return np.zeros(kernel.shape, np.int64)
    return np.where(kernel == 0, 0, 1 + _nearest(kernel, values))


def _k_means(kernel, count):
    """[count] float32 means of the clusters of `kernel`; 0 stays by itself."""
    has_zeros = np.any(kernel == 0)
    # With zeros, tfmot spaces the others evenly on either side of the gap.
    means = clustering_centroids.LinearCentroidsInitialisation(
        kernel, count, preserve_sparsity=has_zeros
    ).get_cluster_centroids().numpy()
    if has_zeros:
        means = means[means != 0]
    weights = kernel[kernel != 0]
    for _ in range(_ROUNDS):
        members = _nearest(weights, means)
        sums, sizes = (np.bincount(members, values, len(means))
                       for values in (weights, None))
        # An empty cluster waits where it is.
        moved = np.where(sizes, sums / np.maximum(sizes, 1), means).astype(
            np.float32)
        if np.array_equal(moved, means):
            break
        means = moved
    return means


def _nearest(weights, values):
    """int64 array like `weights`: the index of the nearest of `values`."""
    return clustering_algorithm.ClusteringAlgorithm(
        tf.Variable(values)).get_pulling_indices(weights).numpy()


def _state(value, name):
    # Replicas, where there are many, all assign the same.
    return tf.Variable(
        value, trainable=False, name=name,
        aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA)


def _assign(variables, function, *others):
    """Gives each variable `function(variable, *others)`, in or out of a step.

    Every replica computes its own copy, from values that are the same in all.

    Args:
        variables: list of variables.
        function: of a variable and of one of each of `others`.
        others: lists of variables, as long.
    """
    def assign(variable, *arguments):
        variable.assign(function(tf.convert_to_tensor(variable), *arguments))

    def update(strategy):
        for variable, *arguments in zip(variables, *others):
            strategy.extended.update(variable, assign, tuple(arguments))

    if tf.distribute.has_strategy():  # a step of replicas
        tf.distribute.get_replica_context().merge_call(update)
    else:
        for variable, *arguments in zip(variables, *others):
            assign(variable, *arguments)
