"""ResNet-18, 34 and 50 for images of ImageNet's size.

He et al. 2016 (arXiv:1512.03385), Table 1; 1x1 convolutions where a shortcut
changes the shape.
"""

from ddi_tf import backbone as backbone_lib
from ddi_tf import errors
from ddi_tf import layers
from ddi_tf import resnet

_STAGE_WIDTHS = (64, 128, 256, 512)

# Of a bottleneck block's output, over its inner width.
_EXPANSION = 4

# A bottleneck is cheap beside what it reads: its gates reduce that first.
_GATE_FILTERS = 16


class Bottleneck(resnet.ResidualBlock):
    """1x1 to a quarter of `filters`, 3x3, 1x1, round a shortcut."""

    def _make_branch(self):
        inner = self.filters // _EXPANSION
        self.conv1 = layers.ConvBN(inner, 1, name="conv1")
        self.conv2 = layers.ConvBN(inner, 3, stride=self.stride, name="conv2")
        self.conv3 = layers.ConvBN(self.filters, 1, relu=False, name="conv3")

    @property
    def branch(self):
        return [self.conv1, self.conv2, self.conv3]


# Depth -> kind of block, its output over its inner width, its gates' filters,
# and how many blocks each stage has.
_FAMILY = {18: (resnet.ResidualBlock, 1, None, (2, 2, 2, 2)),
           34: (resnet.ResidualBlock, 1, None, (3, 4, 6, 3)),
           50: (Bottleneck, _EXPANSION, _GATE_FILTERS, (3, 4, 6, 3))}


def build(config):
    """The `backbone.Backbone` for a `network.NetworkConfig`."""
    backbone_lib.check_size(config.image_shape, "this ResNet's", 32)
    if config.depth not in _FAMILY:
        raise errors.ConfigError(
            "`model_depth` of an ImageNet ResNet must be one of "
            f"{', '.join(map(str, _FAMILY))}. Received: {config.depth}")
    make, expansion, gate_filters, counts = _FAMILY[config.depth]
    widths = [backbone_lib.scaled(filters, config.width)
              for filters in _STAGE_WIDTHS]
    stem = layers.ImageNetStem(widths[0], name="stem")
    blocks, exit_after = resnet.stages(
        stem.out_shape(config.image_shape),
        [expansion * filters for filters in widths], counts, make,
        config.mask_site)
    # Six in all, as on smaller images: the last stage is near the head.
    return backbone_lib.Backbone(
        stem, stem.work(*config.image_shape), blocks, exit_after[:6],
        exit_filters=widths[0], gate_filters=gate_filters)
