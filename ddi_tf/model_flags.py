"""The flags that say which network is trained."""

import math

from absl import flags

from ddi_tf import block
from ddi_tf import exits
from ddi_tf import gating
from ddi_tf import network as network_lib
from ddi_tf import strategies

_BACKBONE = flags.DEFINE_enum(
    "model_backbone", "resnet", sorted(network_lib.BACKBONES), "Backbone.")
_DEPTH = flags.DEFINE_integer(
    "model_depth", None, "Layers of the backbone; a ResNet's is 6n + 2, a "
    "DenseNet's 6n + 4. By default what the family is known for: "
    + ", ".join(f"{name} {depth}" for name, (_, depth)
                in network_lib.BACKBONES.items()) + ".")
_WIDTH = flags.DEFINE_float(
    "model_width", 1.0, "Factor on the backbone's numbers of channels.",
    lower_bound=0.05, upper_bound=8.0)
_LAYER_GATES = flags.DEFINE_bool(
    "model_layer_gates", True, "Whether gates may skip blocks.")
_CHANNEL_GATES = flags.DEFINE_bool(
    "model_channel_gates", True, "Whether gates may skip channels of blocks.")
_LAYER_GATE = flags.DEFINE_enum(
    "model_layer_gate", "recurrent", gating.KINDS, "What decides about blocks: "
    "an LSTM that all share, or a small convolution in each.")
_CHANNEL_GATE = flags.DEFINE_enum(
    "model_channel_gate", "convolutional", gating.KINDS,
    "What decides about channels, likewise.")
_MASK_SITE = flags.DEFINE_enum(
    "model_mask_site", "inner", block.MASK_SITES,
    "Where a channel mask applies: a block's output (as in the paper), the "
    "channels between its convolutions (saves in both), or both.")
_GROUPS = flags.DEFINE_integer(
    "model_groups", 2, "Channel decisions per block; 0: one per channel.",
    lower_bound=0)
_EXITS = flags.DEFINE_bool("model_exits", True, "Whether there are exits.")
_EXIT_HEAD = flags.DEFINE_enum(
    "model_exit_head", "grid", exits.FORMS, "What exits are made of: one 3x3 "
    "convolution on a grid of 4x4, or three separable ones from 8x8 on.")
_EXIT_ENTROPY = flags.DEFINE_enum(
    "model_exit_entropy", "min", exits.ENTROPIES, "How unsure an exit is, which "
    "its threshold bounds: min-entropy, -log of its softmax's largest "
    "probability, or Shannon's, as in the paper.")
_STRATEGY = flags.DEFINE_enum(
    "model_strategy", "gates", sorted(strategies.CLASSES), "Who decides what "
    "runs: gates, or a peer of theirs.")
_INNER_WIDTH = flags.DEFINE_list(
    "model_inner_width", ["1"], "Factor on the channels between a block's "
    "convolutions, one for all stages or one for each, of strategy pfec.")


@flags.validator("model_inner_width", "must be numbers, with commas between")
def _are_numbers(values):
    try:
        return all(math.isfinite(float(value)) for value in values)
    except ValueError:
        return False


def config(dataset):
    """The `network.NetworkConfig` of the flags, for a `data.Dataset`."""
    return network_lib.NetworkConfig(
        backbone=_BACKBONE.value,
        depth=_DEPTH.value or network_lib.BACKBONES[_BACKBONE.value][1],
        width=_WIDTH.value,
        classes=len(dataset.label_names),
        image_shape=dataset.image_shape,
        layer_gates=_LAYER_GATES.value, channel_gates=_CHANNEL_GATES.value,
        layer_gate=_LAYER_GATE.value, channel_gate=_CHANNEL_GATE.value,
        mask_site=_MASK_SITE.value, groups=_GROUPS.value, exits=_EXITS.value,
        exit_head=_EXIT_HEAD.value, exit_entropy=_EXIT_ENTROPY.value,
        strategy=_STRATEGY.value,
        inner_width=tuple(map(float, _INNER_WIDTH.value)))
