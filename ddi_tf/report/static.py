"""Published static networks, to compare dynamic ones with."""

from typing import NamedTuple

import numpy as np

SOURCE = "chenyaofo/pytorch-cifar-models, README (accuracy and MACs)"


class Static(NamedTuple):
    """One published network."""

    name: str
    family: str
    accuracy: float  # share of right answers on test
    macs: float      # multiply-accumulates per image

    @property
    def short(self):
        """What tells it from the others of its family."""
        return self.name.removeprefix(FAMILIES[self.family]).strip()


FAMILIES = {"resnet": "ResNet", "mobilenet": "MobileNetV2"}

# Data set -> networks, cheapest of each family first. Source: SOURCE.
PUBLISHED = {"cifar10": (
    Static("ResNet20", "resnet", 0.9260, 40.81e6),
    Static("ResNet32", "resnet", 0.9353, 69.12e6),
    Static("ResNet44", "resnet", 0.9401, 97.44e6),
    Static("ResNet56", "resnet", 0.9437, 125.75e6),
    Static("MobileNetV2 x0.5", "mobilenet", 0.9288, 27.97e6),
    Static("MobileNetV2 x0.75", "mobilenet", 0.9372, 59.31e6))}

# Families that have no published points here are compared with this one's.
_DEFAULT_FAMILY = "resnet"


def published(data_name):
    """`Static`s of a data set; () if none is known."""
    return PUBLISHED.get(data_name, ())


def at(data_name, backbone, macs):
    """(name, accuracy) of a static network that costs `macs`, or None.

    On the line between two networks of the backbone's family, where two
    enclose the cost; else the nearest cheaper network of any family.

    Args:
        data_name: of the data set.
        backbone: `network.NetworkConfig.backbone`.
        macs: mean MACs per image.
    """
    known = published(data_name)
    family = [one for one in known if backbone.startswith(one.family)] or [
        one for one in known if one.family == _DEFAULT_FAMILY]
    for low, high in zip(family, family[1:]):
        if low.macs <= macs <= high.macs:
            return (f"{low.name} to {high.name}", float(np.interp(
                macs, [low.macs, high.macs], [low.accuracy, high.accuracy])))
    cheaper = [one for one in known if one.macs <= macs]
    if not cheaper:
        return None
    nearest = max(cheaper, key=lambda one: one.macs)
    return f"{nearest.name} (cheaper)", nearest.accuracy
