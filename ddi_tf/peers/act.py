"""Adaptive computation time: a stage ends when its halting scores reach 1.

Figurnov et al. 2017 (arXiv:1612.02297), after Graves 2016 (arXiv:1603.08983).
With x_l the features after block l of a stage's L, h_l = sigmoid(w pool(x_l) +
b) its halting score, and h_L = 1, the stage leaves

    sum_l p_l x_l,    p_l = h_l for l < N,  R for l = N,  0 behind it
    N = min {n: h_1 + ... + h_n >= 1 - eps},   R = 1 - (h_1 + ... + h_(N-1))

Blocks behind N are not executed. The ponder cost N + R of every stage, times
tau, is added to the loss. N has no gradient, so it is R that teaches the
scores. R is 1 less a score for every executed block but the first; here each of
these carries the gradient of its own. So the executed cost has the gradient of
the ponder cost, and the resource loss (Dual Dynamic Inference, Eq. 5) is tau
times that, with tau = alpha times a block's share of the base network's cost.
It is steered to the target as for gates, where the authors fix it.
"""

import tensorflow as tf
import tf_keras

from ddi_tf import costs
from ddi_tf import deciding
from ddi_tf import errors
from ddi_tf import gating
from ddi_tf import network as network_lib
from ddi_tf import work

# eps: what a stage's scores may be short of 1.
EPSILON = 0.01

# Scores begin near 0, so that all blocks run: the authors' bias of -3
# (https://github.com/mfigurnov/sact, resnet_act.py), of the opposite.
_GO_ON_BIAS = tf_keras.initializers.Constant(3.0)


class Score(tf_keras.layers.Layer):
    """Halting score of images: pool -> dense -> sigmoid.

    What comes before the sigmoid says "go on", as that of a gate does; the
    halting score is the sigmoid of its opposite.

    Args:
        shape: (height, width, channels) of the features it looks at.
    """

    def __init__(self, shape, **kwargs):
        super().__init__(**kwargs)
        self.shape = tuple(shape)
        self.dense = tf_keras.layers.Dense(
            1, bias_initializer=_GO_ON_BIAS, name="dense")

    @property
    def biases(self):
        """Variables added before the sigmoid: more of them, more runs."""
        return [self.dense.bias]

    def call(self, features):
        """[B, *shape] float -> [B] halting scores in (0, 1)."""
        return tf.sigmoid(-self._pooled(features)[:, 0])

    def _pooled(self, features):
        return self.dense(tf.reduce_mean(features, axis=[1, 2]))

    @property
    def work(self):
        """`work.Work` of what is done once for an image."""
        return work.traffic(self.shape) + work.dense(self.shape[-1], 1)

    def get_config(self):
        return {**super().get_config(), "shape": self.shape}


class Halting:
    """How far a stage has come, in each of its units: images, or positions.

    Args:
        shape: of the units, in a form that multiplies features: [B, 1, 1, 1] or
            [B, H, W, 1].

    Attributes:
        active: [*shape] in {0, 1}: whether the next block is executed.
        decided: the same numbers, with the gradient of the ponder cost.
        remainder: [*shape] in [0, 1]: 1 less the scores so far; R at the end.
        output: [B, H, W, C] float32, what the stage leaves of its blocks so
            far.
    """

    def __init__(self, shape):
        self.active = self.decided = self.remainder = tf.ones(shape)
        self.output = 0.0

    def add(self, features, score):
        """Takes in what a block left.

        Args:
            features: [B, H, W, C] float.
            score: [*shape] float32 in (0, 1): its halting score; 1.0 of the
                last block.
        """
        # No more than eps remains: the scores have reached 1 - eps.
        goes_on = self.active * tf.cast(
            self.remainder - score > EPSILON, tf.float32)
        counted = goes_on * score
        share = counted + (self.active - goes_on) * self.remainder
        self.output += share * tf.cast(features, tf.float32)
        self.remainder -= counted
        self.active = goes_on
        self.decided = goes_on - (counted - tf.stop_gradient(counted))


class Scores:
    """What halting scores cost, for `costs.work_table`: who runs pays.

    Args:
        scores: block name -> `Score` of the features after it.
    """

    def __init__(self, scores):
        self._scores = scores

    def decides(self, block):
        return block.name in self._scores

    def work(self, block):
        return self._scores[block.name].work

    def initial_state(self, batch_size):
        """There is no graph to ask for. Raises ExportError."""
        raise errors.ExportError(
            "a stage that halts leaves a sum over its blocks, which no graph "
            "of a bundle computes: `model_strategy` act and sact are trained "
            "and counted in MACs or energy, not exported or timed. Received: "
            f"halting scores for {', '.join(self._scores)}")


class Walk:
    """The decisions of one forward pass, stage by stage.

    Args:
        network: `ACT`.
        batch_size: B.
        forced: `deciding.Decisions` to obey, or None.
    """

    def __init__(self, network, batch_size, forced):
        self._network, self._forced = network, forced
        self._batch_size, self._halting = batch_size, None
        self._hard, self._soft = [], []  # of ([B, 1] layer, [B, G] mask)

    def run(self, index, block, x, training):
        """Features after block number `index`, of those before it.

        Between a stage's blocks they are the block's own, behind its last they
        are the weighted sum.
        """
        if self._forced is not None:
            decided = (self._forced.layers[:, index:index + 1],
                       self._forced.masks[index])
            self._hard.append(decided)
            self._soft.append(decided)
            return self.execute(block, x, *decided, training)
        if self._network.begins_stage(index):
            self._halting = Halting(self.units(block))
        halting = self._halting
        self._hard.append(self.decisions_of(index, halting.decided))
        self._soft.append(self.decisions_of(index, halting.remainder))
        x = self.execute(block, x, *self._hard[-1], training)
        score = self._network.scores.get(block.name)
        if score is None:
            halting.add(x, 1.0)
            return tf.cast(halting.output, x.dtype)
        halting.add(x, tf.reshape(score(x), self.units(block)))
        return x

    def decisions(self):
        """`deciding.Decisions` that were taken."""
        return _joined(self._hard)

    def probabilities(self):
        """The same, of what remained to 1 before each block."""
        return _joined(self._soft)

    # What differs for positions (`sact`).

    def units(self, block):
        """Shape of what halts by itself."""
        del block
        return [self._batch_size, 1, 1, 1]

    def decisions_of(self, index, units):
        """([B, 1] layer, [B, G] mask) for block number `index`."""
        del index
        layer = tf.reshape(units, [-1, 1])
        return layer, tf.ones_like(layer)

    def execute(self, block, x, layer, mask, training):
        """Features after a block where it is decided to run."""
        del mask
        return block(x, tf.stop_gradient(layer[:, 0]), training=training)


def _joined(decided):
    layers, masks = zip(*decided)
    return deciding.Decisions(tf.concat(layers, axis=1), masks)


class ACT(network_lib.Network):
    """A ResNet whose stages halt, image by image.

    `Outputs.decisions.layers` says which blocks were executed, and carries the
    gradient of the ponder cost; no mask decides anything. Decisions that are
    given are obeyed, and no score is asked then: the last block that runs is
    what a stage leaves.

    Args:
        config: `network.NetworkConfig` without channel gates and exits.
        precision: as for `network.Network`.

    Attributes:
        scores: block name -> `Score`; the last of a stage has none.
    """

    backbones = ("resnet", "imagenet_resnet")
    make_score, make_walk = Score, Walk

    def _make_gates(self, filters):
        del filters
        self._check()
        # A stage's blocks leave features of one shape.
        self.scores = {
            block.name: self.make_score(
                block.out_shape, name=f"{block.name}_score")
            for block, following in zip(self.blocks, self.blocks[1:])
            if block.out_shape == following.out_shape}
        self.layer_gating = gating.PerBlock({})
        self.channel_gating = Scores(self.scores)

    def _check(self):
        config = self.config
        if (config.backbone not in self.backbones or config.exits
                or config.channel_gates or not config.layer_gates):
            raise errors.ConfigError(
                f"`model_strategy` {config.strategy} decides about the blocks "
                f"of a {' or '.join(self.backbones)} and about nothing else: "
                "give --model_layer_gates --nomodel_channel_gates "
                f"--nomodel_exits. Received: backbone={config.backbone}, "
                f"layer_gates={config.layer_gates}, channel_gates="
                f"{config.channel_gates}, exits={config.exits}")

    def begins_stage(self, index):
        """Whether block number `index` is a stage's first: it always runs."""
        return not index or self.blocks[index - 1].name not in self.scores

    def _work_table(self, stem_work):
        table = super()._work_table(stem_work)
        nothing = work.Work()
        skips, runs = list(table.skips), list(table.runs)
        for index in filter(self.begins_stage, range(len(runs))):
            skips[index] += sum(runs[index])
            runs[index] = costs.Run(nothing, nothing, nothing)
        return table._replace(skips=tuple(skips), runs=tuple(runs))

    def _walk(self, batch_size, train_gates, decisions, thresholds, sampled):
        del train_gates, thresholds, sampled  # scores add up, none is rounded
        return self.make_walk(self, batch_size, decisions)

    @property
    def _group_counts(self):
        return [1] * len(self.blocks)

    def all_closed(self, batch_size):
        """As of `network.Network`: the first block of each stage runs."""
        opened = self.all_open(batch_size)
        return opened._replace(layers=opened.layers * [
            float(self.begins_stage(index))
            for index in range(len(self.blocks))])

    @property
    def decision_count(self):
        """No decision has a threshold to be drawn."""
        return 0

    @property
    def gates(self):
        """The halting scores."""
        return list(self.scores.values())
