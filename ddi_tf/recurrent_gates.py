"""Gates that go from block to block and remember: one LSTM for all.

Dual Dynamic Inference, Section 3.1, for layers (as in SkipNet,
arXiv:1711.09485, Section 3.2); Section 4.3 compares them for channels.

There, all layers share the output layer too. Here each block has its own: the
price of work moved the one bias before the LSTM knew the blocks apart, and all
layers closed at once, for good (ResNet14, CIFAR-10, layer gates alone, target
0.4: 40% right on tune at the end of the skip phase; with an output layer for
each 84%).
"""

import tensorflow as tf
import tf_keras

from ddi_tf import gates
from ddi_tf import quantization
from ddi_tf import work


class RecurrentGate(tf_keras.layers.Layer):
    """Pool -> 1x1 conv -> LSTM step -> the block's output layer -> sigmoid.

    One LSTM serves all blocks; there is one 1x1 convolution per feature width.
    On pooled [B, C] features that is a dense layer.

    Args:
        widths: the feature widths (channels) it will be asked about.
        groups: block name -> decisions to make there: 1 about the layer, or as
            many as there are groups of channels.
        keeps_first: names of blocks whose first group is open in any case.
        hidden: size of the embedding and of the LSTM's state.

    Attributes:
        pooled_ranges: width -> `quantization.Range` of the pooled features.
            What follows is float32 on any device: a few hundred MACs, and the
            LSTM's state has no range of its own to be rounded in.
    """

    def __init__(self, widths, groups, keeps_first=(), *, hidden=10, **kwargs):
        super().__init__(**kwargs)
        if hidden <= 0:
            raise ValueError(f"`hidden` must be positive. Received: {hidden}")
        self.widths, self.hidden = tuple(widths), hidden
        self.groups, self.keeps_first = dict(groups), tuple(keeps_first)
        self.pooled_ranges = {}
        self.embed = {
            str(width): tf_keras.layers.Dense(
                hidden, activation="relu", name=f"embed_{width}")
            for width in sorted(set(self.widths))}
        self.cell = tf_keras.layers.LSTMCell(hidden, name="lstm")
        self.scores = {name: gates.score(
            count - (name in self.keeps_first), f"{name}_score")
            for name, count in self.groups.items()}

    @property
    def biases(self):
        """Variables that are added to its scores."""
        return [score.bias for score in self.scores.values()]

    def initial_state(self, batch_size):
        """[B, 2 * hidden] zeros: the LSTM's h and c side by side."""
        return tf.zeros([batch_size, 2 * self.hidden])

    def call(self, features, state, name):
        """Whether the block `name` should run, or which of its channels.

        Args:
            features: [B, H, W, C] float, the block's input.
            state: [B, 2 * hidden] float, from the block before.

        Returns:
            probabilities: [B, groups] float in (0, 1].
            state: [B, 2 * hidden] float, for the block after.
        """
        width = str(features.shape[-1])
        pooled = quantization.rounded(tf.reduce_mean(features, axis=[1, 2]),
                                      self.pooled_ranges.get(width))
        h, c = tf.split(state, 2, axis=1)
        output, (h, c) = self.cell(self.embed[width](pooled), [h, c])
        state = tf.concat([h, c], axis=1)
        score = self.scores[name]
        if name in self.keeps_first:
            return gates.keep_first(score, output), state
        return score(output), state

    def work(self, height, width, channels, name):
        """`work.Work` of one decision on [H, W, C] features."""
        return (work.traffic((height, width, channels))
                + work.dense(channels, self.hidden)
                + work.dense(2 * self.hidden, 4 * self.hidden)
                + work.dense(self.hidden, self.groups[name]))

    def get_config(self):
        return {**super().get_config(), "widths": self.widths,
                "groups": dict(self.groups), "keeps_first": self.keeps_first,
                "hidden": self.hidden}
