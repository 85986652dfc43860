"""Networks of every backbone and strategy for tests, whole and short."""

import contextlib
from unittest import mock

import numpy as np
import tensorflow as tf
import tf_keras

from ddi_tf import densenet
from ddi_tf import finish
from ddi_tf import imagenet_resnet
from ddi_tf import mobilenetv2
from ddi_tf import network as network_lib
from ddi_tf import resnet
from ddi_tf import strategies

_SMALL = {"image_shape": (16, 16, 3)}
_IMAGENET = {"image_shape": (64, 64, 3), "width": 0.25,
             "backbone": "imagenet_resnet"}

# With all their blocks.
NETWORKS = {
    "resnet8": {**_SMALL, "backbone": "resnet", "depth": 8},
    "densenet22": {**_SMALL, "backbone": "densenet", "depth": 22},
    "mobilenetv2": {**_SMALL, "backbone": "mobilenetv2", "depth": 53,
                    "width": 0.25},
    "resnet18": {**_IMAGENET, "depth": 18},
    "resnet34": {**_IMAGENET, "depth": 34},
    "resnet50": {**_IMAGENET, "depth": 50},
    "densenet121": {**_IMAGENET, "backbone": "imagenet_densenet", "depth": 121,
                    "width": 0.125},
}

# Fewer blocks, of every kind that there are; the images' size changes as often.
_FEWER = {
    "densenet22": {"depth": 10},
    **dict.fromkeys(("resnet18", "resnet50", "densenet121"),
                    {"image_shape": (32, 32, 3)})}
_TABLES = {
    "mobilenetv2": (mobilenetv2, {
        "_STAGES": ((1, 16, 1, 1), (6, 24, 2, 1), (6, 32, 2, 2)),
        "_EXIT_AFTER": (0, 2)}),
    "resnet18": (imagenet_resnet, {"_FAMILY": {
        18: (resnet.ResidualBlock, 1, None, (1, 2))}}),
    "resnet50": (imagenet_resnet, {"_FAMILY": {
        50: (imagenet_resnet.Bottleneck, 4, 16, (2, 2))}}),
    "densenet121": (densenet, {"_IMAGENET_LAYERS": {121: (2, 2)}}),
}

# With a second block in each stage, for what is decided from there on.
_DEEPER = {"resnet14": {**NETWORKS["resnet8"], "depth": 14}}

# Of fewer blocks, ResNet-34 is ResNet-18.
SHORT = tuple(name for name in NETWORKS if name != "resnet34")

# BUILD.md, "Gates".
_NO_EXITS = {"exits": False}
_LAYERS = {**_NO_EXITS, "channel_gates": False}
_CHANNELS = {**_NO_EXITS, "layer_gates": False}
STRATEGIES = {
    "dual": {},
    "layers_and_channels": _NO_EXITS,
    "layers": _LAYERS,
    "layers_feed_forward": {**_LAYERS, "layer_gate": "convolutional"},
    "channels": _CHANNELS,
    "channels_recurrent": {**_CHANNELS, "channel_gate": "recurrent"},
    "dual_recurrent": {"channel_gate": "recurrent"},
    "exits": {"layer_gates": False, "channel_gates": False},
    "static": {**_LAYERS, "layer_gates": False},
}

# Peers, for residual blocks of two convolutions; `sact` is for small images.
_NO_GATES = {"layer_gates": False, "channel_gates": False}
PEERS = {
    "pfec": {**_NO_GATES, "strategy": "pfec", "inner_width": (0.5,)},
    "lccl": {**_NO_GATES, "strategy": "lccl"},
    "blockdrop": {**_LAYERS, "strategy": "blockdrop"},
    "act": {**_LAYERS, "strategy": "act"},
    "sact": {**_LAYERS, "strategy": "sact"},
}
PEER_PAIRS = (
    *((name, peer) for name in ("resnet8", "resnet18")
      for peer in ("pfec", "lccl", "blockdrop")),
    ("resnet14", "act"), ("resnet18", "act"), ("resnet14", "sact"))


def make(name, strategy="dual", *, short=False, **settings):
    """A network with weights that are new, and always the same.

    Args:
        name: key of NETWORKS, or "resnet14".
        strategy: key of STRATEGIES or of PEERS.
        short: whether it has fewer blocks.
        settings: of its `network.NetworkConfig`, in place of its own.
    """
    tf_keras.utils.set_random_seed(1)
    config = {**{**NETWORKS, **_DEEPER}[name],
              **(_FEWER.get(name, {}) if short else {}),
              **{**STRATEGIES, **PEERS}[strategy], **settings}
    tables = contextlib.nullcontext()
    if short and name in _TABLES:
        module, changes = _TABLES[name]
        tables = mock.patch.multiple(module, **changes)
    with tables:
        return strategies.make(network_lib.NetworkConfig(**config))


def images_for(network, count):
    """[count, H, W, 3] float, scaled: noise."""
    return tf.random.stateless_normal(
        [count, *network.config.image_shape], [0, 1])


def uneven(network):
    """Gives every batch norm other values for every channel, as training does.

    As they are made, one behind another undoes what the first scales by, which
    then has no gradient.
    """
    random = np.random.default_rng(1)
    for variable in network.variables:
        if "moving_variance" in variable.name or "gamma" in variable.name:
            variable.assign(random.uniform(0.5, 1.5, variable.shape))
        elif "moving_mean" in variable.name or "beta" in variable.name:
            variable.assign(random.normal(0.0, 0.2, variable.shape))


def enliven(network, images):
    """Makes answers differ and gates say yes and no, as after training.

    Batch norms become `uneven`; those of stem, blocks and answers are then those
    of the images with everything run (with random ones, nothing of an image is
    left after many layers). Layer gates are shifted until half of what they may
    skip is run, channel gates likewise.

    Args:
        network: of `make`; its variables change.
        images: [B, H, W, 3] float, scaled.
    """
    uneven(network)
    random = np.random.default_rng(2)
    for variable in network.variables:
        if "score/kernel" in variable.name:
            variable.assign(random.normal(0.0, 2.0, variable.shape))
    finish.Norms(network, "open").measure([images])
    forward = tf.function(lambda: network(images).decisions)
    least = shares_run(network, network.all_closed(1))
    # Each kind reads what the other leaves.
    for kind in (0, 1, 0, 1):
        if gates := _gates(network)[kind]:
            finish.hold_target(
                gates, lambda kind=kind: shares_run(network, forward())[kind],
                target=(1 + least[kind]) / 2, tolerance=0.1)


def shares_run(network, decisions):
    """What layer gates, and channel gates, run of all that they decide about.

    Args:
        network: `network.Network`.
        decisions: `deciding.Decisions` of it, or `traces.Traces`.

    Returns:
        (share, share), each in [0, 1]; None of a kind that it does not have.
    """
    layers = [decisions.layers[:, k] for k, block in enumerate(network.blocks)
              if network.layer_gating.decides(block)]
    masks = [decisions.masks[k] for k, block in enumerate(network.blocks)
             if network.channel_gating.decides(block)]
    return tuple(np.mean([np.mean(values) for values in decided])
                 if decided else None for decided in (layers, masks))


def _gates(network):
    """(layer gates, channel gates): lists."""
    return tuple([gate for gate in (shared, *of_blocks.values())
                  if gate is not None] for shared, of_blocks in (
        (network.layer_gate, network.layer_gates),
        (network.recurrent_channel_gate, network.channel_gates)))
