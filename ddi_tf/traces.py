"""What a network answered and spent on every image of a split."""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from ddi_tf import costs
from ddi_tf import data
from ddi_tf import deciding
from ddi_tf import exits

_BATCH_SIZE = 250


class Cost(NamedTuple):
    """What N images cost in one unit, on the way to each of E + 1 answers."""

    unit: str
    base: float          # of the plain backbone, everything run
    answers: np.ndarray  # [E + 1] of each answer by itself
    spent: np.ndarray    # [N, E + 1] of the way there, without answers' own


class Traces(NamedTuple):
    """N images, E exits and the head (the last column), K blocks."""

    labels: np.ndarray       # [N] int32
    logits: np.ndarray       # [N, E + 1, C] float32
    predictions: np.ndarray  # [N, E + 1] int32
    entropies: np.ndarray    # [N, E + 1] float32, nats; `exits.ENTROPIES`
    spent: np.ndarray        # [N, E + 1] int64 MACs, without the answers' own
    layers: np.ndarray       # [N, K] in {0, 1}
    masks: tuple             # K times [N, G_k] in {0, 1}

    @property
    def accuracy(self):
        """[E + 1] share of right answers if all images left there."""
        return np.mean(self.predictions == self.labels[:, None], axis=0)

    def macs(self, table):
        """`Cost` in MACs, exact; `table` is the network's `costs`."""
        return Cost("MACs", table.base, np.array(table.answers), self.spent)

    def cost(self, table, unit):
        """`Cost` in another unit, of a `costs.CostTable` in that unit."""
        spent = costs.spent(
            table, deciding.Decisions(self.layers, self.masks))
        return Cost(unit, float(table.base), np.array(table.answers, float),
                    spent.numpy())

    @property
    def executed(self):
        """[N, K] share of each block's gated work that is executed."""
        run = np.stack([mask.mean(axis=1) for mask in self.masks], axis=1)
        return self.layers * run

    @property
    def skip_ratio(self):
        """Mean share of the blocks' gated work that is not executed."""
        return 1 - np.mean(self.executed)


class Tracer:
    """Runs a network over splits, compiled once.

    Args:
        network: `network.Network`.
        scaling: `data.Scaling`.
        all_open: True runs everything, whatever the gates would say.
    """

    def __init__(self, network, scaling, all_open=False):
        self.costs = network.costs
        entropy = exits.entropy(network.config.exit_entropy)

        @tf.function(autograph=False, reduce_retracing=True)
        def forward(images, rounding, decisions):
            del rounding  # a network that rounds is another function
            if all_open:
                decisions = network.all_open(tf.shape(images)[0])
            outputs = network(data.normalize(images, scaling),
                              decisions=decisions)
            logits = tf.stack([*outputs.exit_logits, outputs.logits], axis=1)
            return (logits, entropy(logits), outputs.spent,
                    *outputs.decisions)

        self._network, self._forward = network, forward

    def collect(self, split, on_batch=lambda images: None, decisions=None):
        """`Traces` of a `data.Split`.

        Args:
            split: the N images and labels.
            on_batch: called with the number of images done in each batch.
            decisions: `deciding.Decisions` of arrays [N, ...] to take in place
                of what the gates say; None: what they say.
        """
        parts = []
        for start in range(0, len(split.images), _BATCH_SIZE):
            batch = slice(start, start + _BATCH_SIZE)
            images = split.images[batch]
            parts.append(tf.nest.map_structure(
                lambda tensor: tensor.numpy(), self._forward(
                    images, self._network.rounds,
                    decisions and tf.nest.map_structure(
                        lambda said, batch=batch: tf.constant(
                            said[batch], tf.float32), decisions))))
            on_batch(len(images))
        logits, entropies, spent, layers, masks = tf.nest.map_structure(
            lambda *arrays: np.concatenate(arrays), *parts)
        return Traces(split.labels, logits,
                      logits.argmax(axis=2).astype(np.int32), entropies,
                      np.rint(spent).astype(np.int64), layers, masks)
