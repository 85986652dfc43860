"""The ResNet 6n + 2 family for small images, with blocks that can be skipped.

He et al. 2016 (arXiv:1512.03385), Section 4.2; 1x1 convolutions where a
shortcut changes the shape.
"""

import tensorflow as tf

from ddi_tf import backbone as backbone_lib
from ddi_tf import block as block_lib
from ddi_tf import errors
from ddi_tf import exits
from ddi_tf import layers
from ddi_tf import skipping
from ddi_tf import work

STAGE_WIDTHS = (16, 32, 64)


def blocks_per_stage(depth):
    """n of depth 6n + 2. Raises ConfigError for any other depth."""
    blocks, rest = divmod(depth - 2, 2 * len(STAGE_WIDTHS))
    if blocks < 1 or rest:
        raise errors.ConfigError(
            f"`model_depth` must be 6n + 2 (8, 14, 20, 26, 32, 38, ...). "
            f"Received: {depth}")
    return blocks


def build(config):
    """The `backbone.Backbone` for a `network.NetworkConfig`."""
    backbone_lib.check_size(
        config.image_shape, "a ResNet's", 16,
        "three resolutions, exits on a 4 x 4 grid")
    count = blocks_per_stage(config.depth)
    widths = [backbone_lib.scaled(filters, config.width)
              for filters in STAGE_WIDTHS]
    stem = layers.ConvBN(widths[0], 3, name="stem")
    blocks, exit_after = stages(
        stem.out_shape(config.image_shape), widths, [count] * len(widths),
        ResidualBlock, config.mask_site)
    return backbone_lib.Backbone(
        stem, stem.work(*config.image_shape), blocks, exit_after)


def stages(shape, widths, counts, make, mask_site):
    """(blocks, which of them exits follow) of stages that halve, but the first.

    Args:
        shape: (height, width, channels) of the features before them.
        widths: channels that each stage leaves.
        counts: blocks of each stage.
        make: `ResidualBlock`, or a class that is made alike.
        mask_site: one of `block.MASK_SITES`.
    """
    blocks, exit_after = [], []
    for stage, (filters, count) in enumerate(zip(widths, counts), start=1):
        exit_after += [len(blocks) + position - 1
                       for position in exits.positions(count)]
        for index in range(1, count + 1):
            blocks.append(make(
                shape, filters, stride=2 if stage > 1 and index == 1 else 1,
                mask_site=mask_site, name=f"stage{stage}_block{index}"))
            shape = blocks[-1].out_shape
    return blocks, tuple(exit_after)


class ResidualBlock(block_lib.Block):
    """A branch of convolutions round a shortcut, gated as in Eqs. 1-3.

    With S the shortcut (identity, or 1x1 conv where the shape changes) and R
    the branch, the block run in full is `C = relu(S + R)`, the block skipped is
    `relu(S)` (`= x` for an identity shortcut, since features are never
    negative), and

        F = w C + (1 - w) relu(S)

    Args:
        in_shape: (height, width, channels) of the features it receives.
        filters: channels of its output.
        stride: of its convolution that halves.
        mask_site: one of `block.MASK_SITES`.
    """

    def __init__(self, in_shape, filters, *, stride, mask_site, **kwargs):
        height, width, channels = in_shape
        super().__init__(
            in_shape, (layers.same_padding_size(height, stride),
                       layers.same_padding_size(width, stride), filters),
            mask_site, **kwargs)
        self.filters, self.stride = filters, stride
        self._make_branch()
        self.projection = None
        if stride != 1 or channels != filters:
            self.projection = layers.ConvBN(
                filters, 1, stride=stride, relu=False, name="projection")

    def _make_branch(self):
        self.conv1 = layers.ConvBN(
            self.filters, 3, stride=self.stride, name="conv1")
        self.conv2 = layers.ConvBN(self.filters, 3, relu=False, name="conv2")

    @property
    def branch(self):
        return [self.conv1, self.conv2]

    @property
    def beside(self):
        return [self.projection] if self.projection else []

    def joined(self, x, residual, weight, training):
        shortcut = x if self.projection is None else self.projection(
            x, training)
        if weight is None:
            return self.rounded(tf.nn.relu(shortcut + residual))
        return self.rounded(skipping.gated_sum(
            shortcut, residual, weight, positive=self.projection is None))

    def skip(self, x, training=False):
        if self.projection is None:
            return x
        return self.rounded(tf.nn.relu(self.projection(x, training)))

    def limit_ranges(self):
        """Cuts the branch's range to what makes a difference in the sum.

        R <= -S gives 0, and S + R beyond the output's range its end. A block
        that no image runs has batch norms of nothing, and values of any size.
        """
        shortcut = (self.projection.range if self.projection
                    else self.in_range)
        self.branch[-1].range.limit(
            -shortcut.high, self.range.high - shortcut.low)

    @property
    def keeps_features(self):
        return self.projection is None

    @property
    def skip_work(self):
        if self.projection is None:
            return work.Work()
        return self.projection.work(*self.in_shape)

    def get_config(self):
        return {**super().get_config(), "in_shape": self.in_shape,
                "filters": self.filters, "stride": self.stride}
