"""MobileNetV2 for small images, with blocks that can be skipped.

Sandler et al. 2018 (arXiv:1801.04381), Table 2, with the strides that are usual
for CIFAR: 32 pixels become 4, not 1. ReLU stands in for ReLU6: int8 ranges are
found on images.
"""

from ddi_tf import backbone as backbone_lib
from ddi_tf import block as block_lib
from ddi_tf import errors
from ddi_tf import fixed
from ddi_tf import layers
from ddi_tf import work

DEPTH = 53

# Expansion, channels, blocks, stride of the first (Table 2).
_STAGES = ((1, 16, 1, 1), (6, 24, 2, 1), (6, 32, 3, 2), (6, 64, 4, 2),
           (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
_STEM_FILTERS, _LAST_FILTERS = 32, 1280

# Channels are multiples of it.
_MULTIPLE = 8

# Exits at about a quarter and three quarters of each resolution that is not the
# last, where the head is near: blocks, counted from 0.
_EXIT_AFTER = (0, 2, 3, 5, 7, 11)

# A block's features are thin, and expanded within: gates and exits are narrow.
_GATE_FILTERS, _EXIT_FILTERS = 8, 32


def build(config):
    """The `backbone.Backbone` for a `network.NetworkConfig`."""
    backbone_lib.check_size(config.image_shape, "a MobileNetV2's", 16)
    if config.depth != DEPTH:
        raise errors.ConfigError(
            f"`model_depth` of MobileNetV2 is {DEPTH}; --model_width makes it "
            f"smaller. Received: {config.depth}")
    scaled = lambda channels: backbone_lib.scaled(
        channels, config.width, _MULTIPLE)
    stem = layers.ConvBN(scaled(_STEM_FILTERS), 3, name="stem")
    blocks, shape = [], stem.out_shape(config.image_shape)
    for stage, (expansion, filters, count, stride) in enumerate(
            _STAGES, start=1):
        for index in range(1, count + 1):
            blocks.append(InvertedResidual(
                shape, scaled(filters), expansion=expansion,
                stride=stride if index == 1 else 1,
                mask_site=config.mask_site,
                name=f"stage{stage}_block{index}"))
            shape = blocks[-1].out_shape
    # Its width does not shrink (Section 4 of the paper).
    last = max(_LAST_FILTERS, scaled(_LAST_FILTERS))
    blocks.append(fixed.Fixed(
        shape, [layers.ConvBN(last, 1, name="conv")], name="last"))
    return backbone_lib.Backbone(
        stem, stem.work(*config.image_shape), blocks, _EXIT_AFTER,
        exit_filters=_EXIT_FILTERS, gate_filters=_GATE_FILTERS)


class InvertedResidual(block_lib.Block):
    """1x1 expansion -> 3x3 of each channel -> 1x1 projection, and the sum.

    With R that branch, S its input and w the layer gate times "any channel is
    open", `F = S + w R`: no ReLU follows. Where the shape changes there is no
    S, so nothing would be left of a skip: the block runs, with its first group
    of expanded channels at least.

    Args:
        in_shape: (height, width, channels) of the features it receives.
        filters: channels of its output.
        expansion: of its inner channels over those it receives; 1: there is no
            expansion, and no channel gate.
        stride: of its 3x3 convolution.
        mask_site: one of `block.MASK_SITES`.
    """

    def __init__(self, in_shape, filters, *, expansion, stride, mask_site,
                 **kwargs):
        height, width, channels = in_shape
        super().__init__(
            in_shape, (layers.same_padding_size(height, stride),
                       layers.same_padding_size(width, stride), filters),
            mask_site, **kwargs)
        self.filters, self.stride, self.expansion = filters, stride, expansion
        self.expand = None if expansion == 1 else layers.ConvBN(
            expansion * channels, 1, name="expand")
        self.depthwise = layers.DepthwiseConvBN(
            expansion * channels, 3, stride=stride, name="depthwise")
        self.project = layers.ConvBN(filters, 1, relu=False, name="project")

    @property
    def skippable(self):
        return self.stride == 1 and self.filters == self.in_shape[-1]

    @property
    def branch(self):
        expand = [] if self.expand is None else [self.expand]
        return [*expand, self.depthwise, self.project]

    @property
    def channels(self):
        return 0 if self.expand is None else super().channels

    @property
    def writer(self):
        return None if self.skippable else self.project

    @property
    def written(self):
        return super().written if self.skippable else work.traffic(
            self.out_shape)

    def joined(self, x, residual, weight, training):
        if weight is not None:
            residual *= weight
        return self.rounded(x + residual if self.skippable else residual)

    def limit_ranges(self):
        """Cuts the branch's range to what makes a difference in the sum."""
        if self.skippable:
            self.project.range.limit(self.range.low - self.in_range.high,
                                     self.range.high - self.in_range.low)

    def get_config(self):
        return {**super().get_config(), "in_shape": self.in_shape,
                "filters": self.filters, "expansion": self.expansion,
                "stride": self.stride}
