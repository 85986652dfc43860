"""DenseNet-BC, whose layers add channels to what they read.

Huang et al. 2017 (arXiv:1608.06993): for small images (growth 12; 46, 58, 64,
82, 100, ... layers) and DenseNet-121 for ImageNet's (growth 32). A skipped
layer leaves zeros in its place of the concatenation, and a closed channel a map
of zeros, so that shapes stay as they are.
"""

import tensorflow as tf

from ddi_tf import backbone as backbone_lib
from ddi_tf import block as block_lib
from ddi_tf import errors
from ddi_tf import exits
from ddi_tf import fixed
from ddi_tf import layers
from ddi_tf import work

_GROWTH, _IMAGENET_GROWTH = 12, 32
_STAGES = 3

# Layers of each dense block, for ImageNet (Table 1).
_IMAGENET_LAYERS = {121: (6, 12, 24, 16), 169: (6, 12, 32, 32),
                    201: (6, 12, 48, 32)}

# Channels of a layer's 1x1 convolution, in multiples of the growth.
_BOTTLENECK = 4

# Share of the channels that a transition keeps (theta).
_COMPRESSION = 0.5

# A layer is cheap beside what it reads: gates and exits reduce that first.
_GATE_FILTERS, _EXIT_FILTERS = 8, 48


def layers_per_stage(depth):
    """n of depth 6n + 4. Raises ConfigError for any other depth."""
    count, rest = divmod(depth - 4, 2 * _STAGES)
    if count < 1 or rest:
        raise errors.ConfigError(
            "`model_depth` of a DenseNet-BC must be 6n + 4 (22, 46, 58, 64, "
            f"82, 100, ...). Received: {depth}")
    return count


def build(config):
    """The `backbone.Backbone` of DenseNet-BC for small images."""
    counts = [layers_per_stage(config.depth)] * _STAGES
    growth = backbone_lib.scaled(_GROWTH, config.width)
    return _build(config, counts, growth, layers.ConvBN(
        2 * growth, 3, norm=False, relu=False, name="stem"), 2**(_STAGES + 1))


def build_imagenet(config):
    """The `backbone.Backbone` of DenseNet-121, 169 or 201."""
    if config.depth not in _IMAGENET_LAYERS:
        raise errors.ConfigError(
            "`model_depth` of an ImageNet DenseNet must be one of "
            f"{', '.join(map(str, _IMAGENET_LAYERS))}. "
            f"Received: {config.depth}")
    growth = backbone_lib.scaled(_IMAGENET_GROWTH, config.width)
    return _build(config, _IMAGENET_LAYERS[config.depth], growth,
                  layers.ImageNetStem(2 * growth, name="stem"), 32)


def _build(config, counts, growth, stem, multiple):
    backbone_lib.check_size(config.image_shape, "this DenseNet's", multiple)
    shape = stem.out_shape(config.image_shape)
    blocks, exit_after = [], []
    for stage, count in enumerate(counts, start=1):
        if stage > 1:
            blocks.append(_transition(shape, stage - 1))
            shape = blocks[-1].out_shape
        exit_after += [len(blocks) + position - 1
                       for position in exits.positions(count)]
        for index in range(1, count + 1):
            blocks.append(DenseLayer(
                shape, growth, mask_site=config.mask_site,
                name=f"stage{stage}_layer{index}"))
            shape = blocks[-1].out_shape
    return backbone_lib.Backbone(
        stem, stem.work(*config.image_shape), blocks, tuple(exit_after),
        exit_filters=_EXIT_FILTERS, gate_filters=_GATE_FILTERS,
        normalizes=True)


def _transition(shape, number):
    """Norm, ReLU, 1x1 convolution, 2x2 mean: it always runs."""
    return fixed.Fixed(shape, [
        layers.NormReLU(name="norm"),
        layers.ConvBN(int(_COMPRESSION * shape[-1]), 1, norm=False, relu=False,
                      name="conv"),
        layers.Pool(2, name="pool")], name=f"transition{number}")


class DenseLayer(block_lib.Block):
    """Norm, ReLU -> 1x1 to 4 k, norm, ReLU -> 3x3 to k, behind what came in.

    With R that branch and w the layer gate times the channel mask,

        F = [x, w R]

    Args:
        in_shape: (height, width, channels) of the features it receives.
        growth: k, channels that it adds.
        mask_site: one of `block.MASK_SITES`.
    """

    def __init__(self, in_shape, growth, *, mask_site, **kwargs):
        *size, channels = in_shape
        super().__init__(
            in_shape, (*size, channels + growth), mask_site, **kwargs)
        self.growth = growth
        self.norm = layers.NormReLU(name="norm")
        self.conv1 = layers.ConvBN(_BOTTLENECK * growth, 1, name="conv1")
        self.conv2 = layers.ConvBN(
            growth, 3, norm=False, relu=False, name="conv2")

    @property
    def branch(self):
        return [self.conv1, self.conv2]

    @property
    def beside(self):
        return [self.norm]

    @property
    def appended(self):
        return self.growth

    @property
    def writer(self):
        return self.conv2

    @property
    def written(self):
        return work.traffic((*self.out_shape[:2], self.growth))

    def entered(self, x, training):
        return self.norm(x, training)

    def joined(self, x, residual, weight, training):
        return tf.concat([x, self.left(x, residual, weight)], axis=3)

    def left(self, x, residual, weight=None):
        return self.rounded(residual if weight is None else weight * residual)

    def skip(self, x, training=False):
        del training
        return self.joined(x, tf.zeros_like(x[..., :self.growth]), None, False)

    def get_config(self):
        return {**super().get_config(), "in_shape": self.in_shape,
                "growth": self.growth}
