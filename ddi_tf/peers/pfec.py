"""PFEC: a residual network without the filters of the smallest L1 norm.

Li et al. 2017, "Pruning Filters for Efficient ConvNets" (arXiv:1608.08710). Of
a residual block only the first convolution's filters go, and with them the
second's inputs: what the block adds to its shortcut keeps its shape (Section
3.3). What is left is a static network that trains as any other.
"""

import numpy as np
import tensorflow as tf

from ddi_tf import errors
from ddi_tf import layers
from ddi_tf import network as network_lib
from ddi_tf import resnet

# Settings that a network and what it is pruned from have in common.
_SHARED = ("backbone", "depth", "width", "classes", "image_shape")


class PFEC(network_lib.Network):
    """A `network.Network` whose blocks are narrow inside.

    `NetworkConfig.inner_width` is the share of filters that stays, for all
    stages or for each.
    """

    def _make_backbone(self):
        backbone = super()._make_backbone()
        return backbone._replace(
            blocks=narrowed(backbone.blocks, self.config.inner_width))


class NarrowBlock(resnet.ResidualBlock):
    """A residual block with fewer channels between its convolutions.

    Args:
        inner: how many, > 0.
    """

    def __init__(self, *args, inner, **kwargs):
        super().__init__(*args, **kwargs)
        self.conv1 = layers.ConvBN(
            inner, 3, stride=self.stride, name="conv1")

    def get_config(self):
        return {**super().get_config(), "inner": self.conv1.filters}


def narrowed(blocks, shares):
    """`NarrowBlock`s in place of residual blocks.

    Args:
        blocks: list of `resnet.ResidualBlock`, without weights yet.
        shares: of the filters that stay, in (0, 1]: one, or one per stage.

    Raises:
        ConfigError: there are other blocks, or other shares.
    """
    for block in blocks:
        if type(block) is not resnet.ResidualBlock:
            raise errors.ConfigError(
                "`pfec` prunes residual blocks of two convolutions; "
                f"{block.name} is none. Give --model_backbone=resnet.")
    stages = list(dict.fromkeys(block.out_shape for block in blocks))
    if len(shares) not in (1, len(stages)) or not all(
            0 < share <= 1 for share in shares):
        raise errors.ConfigError(
            "`model_inner_width` must be one share in (0, 1], or one for each "
            f"of the {len(stages)} stages. Received: "
            f"{', '.join(map(str, shares))}")
    share_of = dict(zip(stages, shares * len(stages)))
    return [NarrowBlock(
        block.in_shape, block.filters, stride=block.stride,
        mask_site=block.mask_site, name=block.name,
        inner=max(1, round(block.filters * share_of[block.out_shape])))
        for block in blocks]


def kept_filters(kernel, count):
    """Which filters stay: those of the largest L1 norm (Section 3.1).

    Args:
        kernel: [h, w, C, F] float.
        count: how many, > 0.

    Returns:
        [count] int, ascending; of equal ones the first stay.
    """
    norms = np.abs(kernel).sum(axis=(0, 1, 2))
    return np.sort(np.argsort(-norms, kind="stable")[:count])


def prune(source, network):
    """Gives a `PFEC` the weights of a wider one that its filters keep.

    Every layer is pruned by itself, all at once (Sections 3.3, 3.4).

    Args:
        source: trained `network.Network`.
        network: to be retrained; its gates and exits stay as they are.

    Raises:
        ConfigError: they are not of the same backbone, or `source` is narrower.
    """
    _check(source, network)
    for whole, part in zip(source.blocks, network.blocks):
        keep = kept_filters(whole.conv1.kernel.numpy(), part.conv1.filters)
        _copy(whole.conv1, part.conv1, lambda value: tf.gather(
            value, keep, axis=-1))
        part.conv2.kernel.assign(tf.gather(whole.conv2.kernel, keep, axis=2))
        _copy(whole.conv2.norm, part.conv2.norm)
        if part.projection is not None:
            _copy(whole.projection, part.projection)
    _copy(source.stem, network.stem)
    _copy(source.head, network.head)


def _copy(theirs, ours, change=tf.identity):
    for variable, value in zip(ours.variables, theirs.variables, strict=True):
        variable.assign(change(value))


def _check(source, network):
    if not isinstance(network, PFEC):
        raise errors.ConfigError(
            "what is pruned is trained by --model_strategy=pfec. Received: "
            f"{network.config.strategy}")
    theirs, ours = vars(source.config), vars(network.config)
    if other := [f"{name} is {theirs[name]} there, {ours[name]} here"
                 for name in _SHARED if theirs[name] != ours[name]]:
        raise errors.ConfigError(
            f"what is to be pruned is another network: {'; '.join(other)}. "
            "Give its --model_* and --data_* flags, or another "
            "--train_prune_checkpoint.")
    for whole, part in zip(source.blocks, network.blocks):
        if type(whole) not in (resnet.ResidualBlock, NarrowBlock):
            raise errors.ConfigError(
                "what is to be pruned has other layers in its blocks: it is of "
                f"--model_strategy={source.config.strategy}. Give a run of "
                "another strategy.")
        if whole.conv1.filters < part.conv1.filters:
            raise errors.ConfigError(
                f"{part.name} has {part.conv1.filters} inner channels, and "
                f"only {whole.conv1.filters} in what is to be pruned. Lower "
                "--model_inner_width.")
