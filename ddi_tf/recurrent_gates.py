"""Gates that go from block to block and remember: one LSTM for all.

Dual Dynamic Inference, Section 3.1, for layers (as in SkipNet,
arXiv:1711.09485, Section 3.2); Section 4.3 compares them for channels.
"""

import tensorflow as tf
import tf_keras

from ddi_tf import gates
from ddi_tf import quantization
from ddi_tf import work


class RecurrentGate(tf_keras.layers.Layer):
    """What recurrent gates share: pool -> 1x1 conv -> LSTM step.

    One LSTM serves all blocks; there is one 1x1 convolution per feature width.
    On pooled [B, C] features that is a dense layer.

    Args:
        widths: the feature widths (channels) it will be asked about.
        hidden: size of the embedding and of the LSTM's state.

    Attributes:
        pooled_ranges: width -> `quantization.Range` of the pooled features.
            What follows is float32 on any device: a few hundred MACs, and the
            LSTM's state has no range of its own to be rounded in.
    """

    def __init__(self, widths, *, hidden=10, **kwargs):
        super().__init__(**kwargs)
        if hidden <= 0:
            raise ValueError(f"`hidden` must be positive. Received: {hidden}")
        self.widths, self.hidden = tuple(widths), hidden
        self.pooled_ranges = {}
        self.embed = {
            str(width): tf_keras.layers.Dense(
                hidden, activation="relu", name=f"embed_{width}")
            for width in sorted(set(self.widths))}
        self.cell = tf_keras.layers.LSTMCell(hidden, name="lstm")

    def initial_state(self, batch_size):
        """[B, 2 * hidden] zeros: the LSTM's h and c side by side."""
        return tf.zeros([batch_size, 2 * self.hidden])

    def advance(self, features, state):
        """One step of the LSTM.

        Args:
            features: [B, H, W, C] float, the block's input.
            state: [B, 2 * hidden] float, from the block before.

        Returns:
            output: [B, hidden] float.
            state: [B, 2 * hidden] float, for the block after.
        """
        width = str(features.shape[-1])
        pooled = quantization.rounded(tf.reduce_mean(features, axis=[1, 2]),
                                      self.pooled_ranges.get(width))
        embedded = self.embed[width](pooled)
        h, c = tf.split(state, 2, axis=1)
        output, (h, c) = self.cell(embedded, [h, c])
        return output, tf.concat([h, c], axis=1)

    def advance_work(self, height, width, channels):
        """`work.Work` of `advance` on [H, W, C] features."""
        return (work.traffic((height, width, channels))
                + work.dense(channels, self.hidden)
                + work.dense(2 * self.hidden, 4 * self.hidden))

    def get_config(self):
        return {**super().get_config(), "widths": self.widths,
                "hidden": self.hidden}


class LayerGate(RecurrentGate):
    """Recurrent gate over blocks, with one output layer -> sigmoid for all.

    Args:
        widths, hidden: as for `RecurrentGate`.
    """

    def __init__(self, widths, **kwargs):
        super().__init__(widths, **kwargs)
        self.score = gates.score(1)

    @property
    def biases(self):
        """Variables that are added to its scores."""
        return [self.score.bias]

    def call(self, features, state):
        """Whether the next block should run.

        Args:
            features, state: as for `advance`.

        Returns:
            probability: [B, 1] float in (0, 1).
            state: [B, 2 * hidden] float, for the block after.
        """
        output, state = self.advance(features, state)
        return self.score(output), state

    def work(self, height, width, channels):
        """`work.Work` of one decision on [H, W, C] features."""
        return (self.advance_work(height, width, channels)
                + work.dense(self.hidden, 1))


class RecurrentChannelGate(RecurrentGate):
    """Recurrent gate over the channels of blocks, an output layer for each.

    Args:
        widths, hidden: as for `RecurrentGate`.
        groups: block name -> decisions to make there.
        keeps_first: names of blocks whose first group is open in any case.
    """

    def __init__(self, widths, groups, keeps_first=(), **kwargs):
        super().__init__(widths, **kwargs)
        self.groups, self.keeps_first = dict(groups), tuple(keeps_first)
        self.scores = {name: gates.score(
            count - (name in self.keeps_first), f"{name}_score")
            for name, count in self.groups.items()}

    @property
    def biases(self):
        """Variables that are added to its scores."""
        return [score.bias for score in self.scores.values()]

    def call(self, features, state, name):
        """Which channels of the block `name` should run.

        Args:
            features, state: as for `advance`.

        Returns:
            probabilities: [B, groups] float in (0, 1].
            state: [B, 2 * hidden] float, for the block after.
        """
        output, state = self.advance(features, state)
        score = self.scores[name]
        if name in self.keeps_first:
            return gates.keep_first(score, output), state
        return score(output), state

    def work(self, height, width, channels, name):
        """`work.Work` of one decision on [H, W, C] features."""
        return (self.advance_work(height, width, channels)
                + work.dense(self.hidden, self.groups[name]))

    def get_config(self):
        return {**super().get_config(), "groups": self.groups,
                "keeps_first": self.keeps_first}
