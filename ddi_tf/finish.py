"""Between phases: batch norm as at inference, the cost on its target, and
answers that are as sure as they are right.

With the weights as they are, statistics that were averaged while the gates
still moved are measured anew, and the gates are shifted by what is then missing
to the target. Both after the last step, and on the way after every epoch; the
shift from the end of the skip phase on: gates that closed for every image are
saturated, no gradient opens them again, and the weights would recover at a cost
below the target (ResNet14, CIFAR-10: 0.27 for 0.30, all through the restore
phase).
"""

import contextlib
import math
from typing import NamedTuple

import tensorflow as tf
import tf_keras
from scipy import optimize

from ddi_tf import calibration
from ddi_tf import data
from ddi_tf import feed as feed_lib

# Share of the target that counts as having reached it: at the end, and at that
# of an epoch on the way; and from which a miss is worth a warning.
TOLERANCE = 0.002
NEAR = 0.01
FAR = 0.02

# A channel that varies less was the same for every image, as what a skipped
# layer appends is. Divided by that, the first image for which it is another
# would be blown up by hundreds; with a variance of 1 it is what it is.
_LEAST_VARIANCE = 1e-10

# The search: its first step, the difference of two shifts that makes none, how
# often it looks once the target lies between two shifts, and how far the gates
# may be moved. A gate's score is a logit: at the end any that has a gradient left
# can be opened. On the way only those that are unsure: a shift of 4 opened blocks
# that the weights had long done without (ResNet14, CIFAR-10: 66% to 29%).
_FIRST_STEP = 0.02
_NARROW = 1e-4
_MOST_LOOKS = 12
MAX_SHIFT = 8.0
SMALL_SHIFT = 0.5


def batches(feed, steps, dataset, advance):
    """Training batches of these global steps, as `step` would make them.

    Args:
        feed: of the `feed` module.
        steps: iterable of global steps.
        dataset: `data.Dataset`.
        advance: called after every batch.
    """
    for step in steps:
        images, _, indices, crops, flips = feed.arguments(step)
        yield data.training_batch(
            images, indices, crops, flips, dataset.crop, dataset.scaling)
        advance()


class Norms:
    """Measures the batch norms of a network; compiled once.

    Running averages follow weights that have since moved, and gates that have
    since closed (as "precise batch norm", arXiv:2105.07576, Section 3).

    Args:
        network: `network.Network`; only its batch norms change.
        way: "gated": the gates decide; "exits": the same, and exits see what a
            device gives them; "open": all runs, the gates are not asked;
            "base": nor are the exits. Only the batch norms of what is asked
            change; of the way "exits", those of the exits.
        parts: layers whose batch norms change; None: of all that are asked.
    """

    def __init__(self, network, way="gated", parts=None):
        forward, asked = _way(network, way)
        norms = _norms(asked if parts is None else parts)
        # The forward moves them all.
        self._moved = [variable for norm in _norms(asked) for variable in (
            norm.moving_mean, norm.moving_variance)]
        # From 0, one update leaves (1 - momentum) times the batch's own.
        moving = [(variable, 1 - norm.momentum) for norm in norms
                  for variable in (norm.moving_mean, norm.moving_variance)]
        self._means = [(variable, tf.Variable(tf.zeros_like(variable)))
                       for variable, _ in moving]
        self._variances = [norm.moving_variance for norm in norms]

        @tf.function(autograph=False, reduce_retracing=True)
        def add(images):
            for variable, _ in moving:
                variable.assign(tf.zeros_like(variable))
            forward(images, training=True)
            for (_, total), (variable, share) in zip(self._means, moving):
                total.assign_add(variable / share)

        self._add = add

    def measure(self, batches):
        """Replaces every moving mean and variance by their mean over batches.

        Args:
            batches: iterable of [B, H, W, 3] float, scaled and augmented as in
                training; empty: nothing changes.
        """
        kept = [tf.identity(variable) for variable in self._moved]
        for _, total in self._means:
            total.assign(tf.zeros_like(total))
        count = 0
        for images in batches:
            self._add(images)
            count += 1
        for variable, value in zip(self._moved, kept):
            variable.assign(value)
        if count:
            for variable, total in self._means:
                variable.assign(total / count)
            for variance in self._variances:
                variance.assign(tf.where(
                    variance < _LEAST_VARIANCE, 1.0, variance))

    def measure_at(self, steps, dataset, sampler, advance=lambda: None):
        """`measure` on what `sampler` draws for global steps.

        Args:
            steps, advance: as for `batches`.
            dataset: `data.Dataset`; its training images are taken.
            sampler: `data.Sampler`.
        """
        with contextlib.closing(feed_lib.make(dataset.train, sampler)) as feed:
            self.measure(batches(feed, steps, dataset, advance))


def way_behind(rows):
    """The way whose batch norms the phases `rows` have changed."""
    if not any(row.gates or row.exits for row in rows):
        return "base"
    return "gated" if any(row.weights or row.gates for row in rows) else "exits"


def _norms(parts):
    return [layer for part in parts for layer in part.submodules
            if isinstance(layer, tf_keras.layers.BatchNormalization)]


def _way(network, name):
    """(forward, parts that it runs) of a way through a `network.Network`."""
    backbone = [network.stem, *network.blocks, network.head]

    def opened(images, training):
        return network(images, training=training,
                       decisions=network.all_open(tf.shape(images)[0]))

    def at_exits(images, training):
        return network(images, train_exits=training)

    return {"gated": (network, [network]),
            "exits": (at_exits, [*network.exits.values()]),
            "open": (opened, [*backbone, *network.exits.values()]),
            "base": (network.base, backbone)}[name]


def calibrate(network, tune):
    """Divides every answer's logits by its temperature; returns those.

    No answer changes; its entropy is then that of a softmax that is as sure as
    it is right (`calibration`). The last dense layer takes the division in, so
    a device needs to know nothing of it.

    Args:
        network: `network.Network`; its exits and head change.
        tune: `traces.Traces` of it.
    """
    temperatures = []
    for n, answer in enumerate((*network.exits.values(), network.head)):
        temperatures.append(
            calibration.temperature(tune.logits[:, n], tune.labels))
        for variable in (answer.dense.kernel, answer.dense.bias):
            variable.assign(
                tf.convert_to_tensor(variable) / temperatures[-1])
        if answer.range is not None:
            answer.range.divide(temperatures[-1])
    return temperatures


class Held(NamedTuple):
    """What `hold_target` did; costs in the target's unit."""

    shift: float   # logits that were added to every gate's score
    before: float  # the cost without it
    cost: float    # the cost now


def hold_target(gates, measure, target, tolerance=TOLERANCE,
                max_shift=MAX_SHIFT):
    """Shifts the scores of all gates alike, until the cost is the target.

    The cost grows with the shift. The target is bracketed by doubling steps,
    then sought within (Brent's method); the best shift that was tried is kept.

    Args:
        gates: of a `network.Network`; their scores' biases change. Without
            any the cost is measured, no more.
        measure: callable without arguments: the cost now, in the target's unit.
        target: cost to be at, > 0.
        tolerance: share of the target that is near enough.
        max_shift: most that is added to a score, up or down.

    Returns:
        `Held`; its cost is as near as asked, unless no shift up to
        `max_shift` reaches it or the cost leaps over it.
    """
    biases = [bias for gate in gates for bias in gate.biases]
    trained = [tf.identity(bias) for bias in biases]
    tried = {}

    def put(shift):
        for bias, value in zip(biases, trained):
            bias.assign(value + shift)

    def excess(shift):
        """Of the cost over the target; 0 where it is near enough."""
        if shift not in tried:
            put(shift)
            tried[shift] = measure()
        over = tried[shift] - target
        return 0.0 if abs(over) <= tolerance * target else over

    inner = outer = 0.0
    if biases and excess(0.0):
        outer = -math.copysign(_FIRST_STEP, excess(0.0))
    while inner != outer and excess(inner) * excess(outer) > 0:
        inner, outer = outer, max(-max_shift, min(2 * outer, max_shift))
    if excess(inner) * excess(outer) < 0:
        optimize.brentq(excess, inner, outer, xtol=_NARROW,
                        maxiter=_MOST_LOOKS, disp=False)
    best = min(tried, key=lambda shift: (abs(tried[shift] - target),
                                         abs(shift)))
    put(best)
    return Held(best, tried[0.0], tried[best])
