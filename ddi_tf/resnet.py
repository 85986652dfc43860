"""The ResNet 6n + 2 family for small images, with blocks that can be skipped.

He et al. 2016 (arXiv:1512.03385), Section 4.2; 1x1 convolutions where a
shortcut changes the shape.
"""

from typing import NamedTuple

import tensorflow as tf
import tf_keras

from ddi_tf import costs
from ddi_tf import errors
from ddi_tf import exits
from ddi_tf import gates
from ddi_tf import layers
from ddi_tf import quantization
from ddi_tf import skipping
from ddi_tf import work

STAGE_WIDTHS = (16, 32, 64)

# Where a channel mask applies: on the block's output (the paper's Eq. 2-3), on
# the channels between its two convolutions (saves work in both), or on both.
MASK_SITES = ("output", "inner", "both")


class Backbone(NamedTuple):
    """What a network is made of, before gates, exits and head."""

    stem: layers.ConvBN
    stem_work: work.Work
    blocks: list          # of blocks that offer what ResidualBlock offers
    exit_after: tuple     # indices of the blocks that an exit follows


def blocks_per_stage(depth):
    """n of depth 6n + 2. Raises ConfigError for any other depth."""
    blocks, rest = divmod(depth - 2, 2 * len(STAGE_WIDTHS))
    if blocks < 1 or rest:
        raise errors.ConfigError(
            f"`model_depth` must be 6n + 2 (8, 14, 20, 26, 32, 38, ...). "
            f"Received: {depth}")
    return blocks


def build(config):
    """The `Backbone` for a `network.NetworkConfig`."""
    height, width, channels = config.image_shape
    if height % 16 or width % 16:
        raise errors.ConfigError(
            "a ResNet's image height and width must be multiples of 16 (three "
            "resolutions, exits on a 4 x 4 grid). "
            f"Received: {height} x {width}")
    count = blocks_per_stage(config.depth)
    stem = layers.ConvBN(STAGE_WIDTHS[0], 3, name="stem")
    blocks, exit_after = [], []
    shape = (height, width, STAGE_WIDTHS[0])
    for stage, filters in enumerate(STAGE_WIDTHS, start=1):
        exit_after += [len(blocks) + position - 1
                       for position in exits.positions(count)]
        for index in range(1, count + 1):
            stride = 2 if stage > 1 and index == 1 else 1
            block = ResidualBlock(
                shape, filters, stride=stride, mask_site=config.mask_site,
                name=f"stage{stage}_block{index}")
            blocks.append(block)
            shape = block.out_shape
    return Backbone(stem, stem.work(height, width, channels), blocks,
                    tuple(exit_after))


def expand(mask, channels):
    """[B, G] group mask -> [B, 1, 1, channels]; groups are neighbours."""
    # Not `tf.repeat`: TFLite Micro has no kernel for what it becomes.
    repeated = tf.stack([mask] * (channels // mask.shape[-1]), axis=2)
    return tf.reshape(repeated, [-1, 1, 1, channels])


class ResidualBlock(tf_keras.layers.Layer):
    """Two 3x3 convolutions round a shortcut, gated as in Eqs. 1-3.

    With S the shortcut (identity, or 1x1 conv where the shape changes) and R
    the convolutions, the block run in full is `C = relu(S + R)`, the block
    skipped is `relu(S)` (`= x` for an identity shortcut, since features are
    never negative), and

        F = w C + (1 - w) relu(S)

    where w is the layer gate times the channel mask. A mask on the inner
    channels multiplies what stands between the two convolutions instead; then
    w is the layer gate times "any channel is open".

    Args:
        in_shape: (height, width, channels) of the features it receives.
        filters: channels of its output.
        stride: of its first convolution.
        mask_site: one of MASK_SITES.

    Attributes:
        in_range, range: `quantization.Range` of what it reads and of its
            output, or None.
    """

    def __init__(self, in_shape, filters, *, stride, mask_site, **kwargs):
        super().__init__(**kwargs)
        if mask_site not in MASK_SITES:
            raise errors.ConfigError(
                f"`model_mask_site` must be one of {', '.join(MASK_SITES)}. "
                f"Received: {mask_site}")
        height, width, channels = in_shape
        self.in_shape, self.filters = tuple(in_shape), filters
        self.stride, self.mask_site = stride, mask_site
        self.in_range = self.range = None
        self.out_shape = (layers.same_padding_size(height, stride),
                          layers.same_padding_size(width, stride), filters)
        self.conv1 = layers.ConvBN(filters, 3, stride=stride, name="conv1")
        self.conv2 = layers.ConvBN(filters, 3, relu=False, name="conv2")
        self.projection = None
        if stride != 1 or channels != filters:
            self.projection = layers.ConvBN(
                filters, 1, stride=stride, relu=False, name="projection")

    def call(self, x, gate=None, mask=None, training=False):
        """Runs or skips, with the gradient that the gates learn from.

        Args:
            x: [B, H, W, C] float, >= 0.
            gate: [B] in {0, 1}; 1 runs the block. None: all run.
            mask: [B, G] in {0, 1}; 1 keeps a group of channels. None: all kept.
            training: whether batch norm uses (and updates by) the batch.

        Returns:
            [B, H', W', filters] float, >= 0.
        """
        # Gates decide in float32, whatever the features are.
        gate, mask = (None if decision is None else tf.cast(decision, x.dtype)
                      for decision in (gate, mask))
        shortcut = self._shortcut(x, training)
        residual = self._residual(x, mask, training)
        weight = self._weight(gate, mask)
        if weight is None:
            return self._rounded(tf.nn.relu(shortcut + residual))
        return self._rounded(skipping.gated_sum(
            shortcut, residual, weight, positive=self.projection is None))

    def skip(self, x):
        """What is left of the block when it does not run (inference)."""
        if self.projection is None:
            return x
        return self._rounded(tf.nn.relu(self.projection(x)))

    def run_groups(self, x, mask=None, *, groups, total):
        """The block with the inner channels of `groups` only (inference).

        Args:
            x: [B, H, W, C] float.
            mask: [B, len(groups)] in {0, 1}: which of them are open; None: all.
            groups: ascending numbers of the groups to keep, at least one.
            total: how many groups there are.

        Returns:
            What `call` returns for the mask that opens exactly these groups.
        """
        if self.mask_site != "inner":
            raise ValueError("only inner channels can be left out of a graph. "
                             f"Received: mask_site={self.mask_site}")
        size = self.filters // total
        channels = [c for g in groups for c in range(g * size, (g + 1) * size)]
        inner = self._masked(self.conv1.narrow(x, outputs=channels), mask)
        residual = self.conv2.narrow(inner, inputs=channels)
        return self._rounded(tf.nn.relu(self._shortcut(x, False) + residual))

    @property
    def residual(self):
        """The `layers.ConvBN`s that a skip leaves out."""
        return [self.conv1, self.conv2]

    @property
    def convolutions(self):
        """Its `layers.ConvBN`s."""
        return self.residual + ([self.projection] if self.projection else [])

    def limit_ranges(self):
        """Cuts the residual's range to what makes a difference in the sum.

        R <= -S gives 0, and S + R beyond the output's range its end. A block
        that no image runs has batch norms of nothing, and values of any size.
        """
        shortcut = (self.projection.range if self.projection
                    else self.in_range)
        self.conv2.range.limit(
            -shortcut.high, self.range.high - shortcut.low)

    @property
    def keeps_features(self):
        """Whether a skip hands on what came in."""
        return self.projection is None

    @property
    def skip_work(self):
        """`work.Work` that is done whether or not the block runs."""
        if self.projection is None:
            return work.Work()
        return self.projection.work(*self.in_shape)

    @property
    def run_work(self):
        """`costs.Run` of `work.Work` for the residual branch."""
        nothing, inner = work.Work(), work.traffic(self.out_shape)
        read = work.traffic(self.in_shape)
        # The residual sum reads the shortcut.
        write = work.traffic(self.out_shape, self.out_shape)
        first, second = (
            conv.work(*shape)._replace(activations=0) for conv, shape in (
                (self.conv1, self.in_shape), (self.conv2, self.out_shape)))
        return {
            "output": costs.Run(read + first + inner + inner, second + write,
                                nothing),
            "inner": costs.Run(read + write, first + second + inner + inner,
                               nothing),
            "both": costs.Run(read, first + inner + inner + write, second),
        }[self.mask_site]

    def _rounded(self, x):
        return quantization.rounded(x, self.range)

    def _shortcut(self, x, training):
        return x if self.projection is None else self.projection(x, training)

    def _residual(self, x, mask, training):
        inner = self.conv1(x, training)
        if self.mask_site != "output":
            inner = self._masked(
                inner, gates.unmasked_if_closed(mask) if training else mask)
        return self.conv2(inner, training)

    def _masked(self, inner, mask):
        """[B, H, W, C] with the channels of closed groups at 0."""
        if mask is None:
            return inner
        # In the range that it had: an open channel passes as it is.
        return quantization.rounded(
            inner * expand(mask, inner.shape[-1]), self.conv1.range)

    def _weight(self, gate, mask):
        """[B, 1, 1, 1 or filters] share of the full block, or None for all."""
        weight = None if gate is None else gate[:, tf.newaxis]
        if mask is not None:
            kept = mask
            if self.mask_site == "inner":
                kept = gates.opened(mask)[:, tf.newaxis]
            weight = kept if weight is None else weight * kept
        return None if weight is None else expand(
            weight, self.filters if weight.shape[-1] > 1 else 1)

    def get_config(self):
        return {**super().get_config(), "in_shape": self.in_shape,
                "filters": self.filters, "stride": self.stride,
                "mask_site": self.mask_site}
