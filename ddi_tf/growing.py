"""A run that goes on with another run's trained backbone, or a deeper one.

With a block's sum x + F(x) read as a step of length 1 along dx/dt = F(x), a
network of more blocks walks the same way in shorter steps: each block is taken
several times, every copy adding its part of F (Chang et al., "Multi-level
Residual Networks from Dynamical Systems View", arXiv:1710.10348, Section 4).
The base phase trains on from there.
"""

import itertools

from absl import logging

from ddi_tf import errors
from ddi_tf import starting
from ddi_tf import strategies


class GrownStart(starting.Retrained):
    """A run's backbone for a network that is as deep, or deeper."""

    def _give(self, network):
        source = strategies.make(self._source.network_config)
        self._source.load_base(source)
        grow(source, network)


def grow(source, network):
    """Gives a network the backbone of one of as many blocks or fewer.

    Blocks alike, one after the other, are taken for as many or more, each
    several times in a row; the last batch norm's scale and shift are shared
    out among the copies. A head for other classes stays as it is.

    Args:
        source: trained `network.Network`.
        network: to be trained on; its gates and exits stay as they are.

    Raises:
        ConfigError: `network` is shallower, or of another family or width.
    """
    given, wanted = _alike(source.blocks), _alike(network.blocks)
    if [kind for kind, _ in given] != [kind for kind, _ in wanted] or any(
            len(few) > len(many)
            for (_, few), (_, many) in zip(given, wanted)):
        raise errors.ConfigError(
            f"{network.config.title} cannot be grown from "
            f"{source.config.title}: its blocks must be as that one's, or each "
            "kind in a row more often. Give --model_* flags of the same family "
            "and width, and a --model_depth that is not less, or another "
            "--train_grow_checkpoint.")
    _copy(source.stem, network.stem)
    for (_, few), (_, many) in zip(given, wanted):
        for block, copies in zip(few, _shared_out(many, len(few))):
            for copy in copies:
                _copy(block, copy)
                if len(copies) > 1:
                    _divide(copy.branch[-1].norm, len(copies))
    if _shapes(source.head) == _shapes(network.head):
        _copy(source.head, network.head)
    else:
        logging.info("the head for other classes starts anew")


def _alike(blocks):
    """[(shapes, blocks)] of blocks in a row that can stand for each other."""
    return [(kind, list(row)) for kind, row in itertools.groupby(
        blocks, lambda block: (type(block), _shapes(block)))]


def _shared_out(items, parts):
    """`items` in `parts` lists, in order, the longer ones first."""
    length, longer = divmod(len(items), parts)
    ends = [length * part + min(part, longer) for part in range(parts + 1)]
    return [items[a:b] for a, b in itertools.pairwise(ends)]


def _shapes(layer):
    return [tuple(variable.shape) for variable in layer.variables]


def _copy(theirs, ours):
    for variable, value in zip(ours.variables, theirs.variables, strict=True):
        variable.assign(value)


def _divide(norm, parts):
    for variable in (norm.gamma, norm.beta):
        variable.assign(variable / parts)
