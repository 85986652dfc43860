"""What a network is made of, before gates, exits and head."""

from typing import Any, NamedTuple, Optional

from ddi_tf import errors
from ddi_tf import work


class Backbone(NamedTuple):
    """Stem and blocks of a family, and how its features are read.

    Attributes:
        stem: layer, images -> features.
        stem_work: `work.Work` of it.
        blocks: of `block.Block`, in order.
        exit_after: indices of the blocks that an exit follows, ascending.
        exit_filters: of the exits' one convolution (`exits.GridExit`); None: as
            many as the features have channels.
        gate_filters: to how many channels the channel gates first reduce what
            they look at (1x1); None: to none, as for a ResNet.
        normalizes: whether exits and head normalise the features they read,
            which come as sums or concatenations without a ReLU behind them.
    """

    stem: Any
    stem_work: work.Work
    blocks: list
    exit_after: tuple
    exit_filters: Optional[int] = None
    gate_filters: Optional[int] = None
    normalizes: bool = False


def scaled(channels, width, multiple=1):
    """A number of channels times `width`, a multiple of `multiple`, not 0.

    Never less than 90% of what was asked for (MobileNetV2, arXiv:1801.04381:
    https://github.com/tensorflow/models/tree/master/research/slim/nets/mobilenet).
    """
    asked = channels * width
    found = max(multiple, int(asked + multiple / 2) // multiple * multiple)
    return found if found >= 0.9 * asked else found + multiple


def check_size(image_shape, whose, multiple, why=""):
    """Raises ConfigError if an image's sides are no multiples of `multiple`.

    Args:
        image_shape: (height, width, ...), pixels.
        whose: of which backbone, for the message: "a ResNet's".
        multiple: > 0.
        why: what asks for it, in brackets.
    """
    height, width = image_shape[:2]
    if height % multiple or width % multiple:
        raise errors.ConfigError(
            f"{whose} image height and width must be multiples of "
            f"{multiple}{why and f' ({why})'}. Received: {height} x {width}")
