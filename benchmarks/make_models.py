"""Writes a bundle and a monolithic .tflite of one network with random weights.

    python benchmarks/make_models.py --output=runs/latency_models
    python benchmarks/make_models.py --output=runs/int8_models --numbers=int8
    python benchmarks/make_models.py --output=runs/densenet121_models \
        --model_backbone=imagenet_densenet --image_size=224
"""

import pathlib
import sys

from ddi_tf import quiet  # first: it loads TensorFlow silently

import numpy as np
import tf_keras
from absl import app
from absl import flags

from converters import bundling
from converters import variants
from ddi_tf import gating
from ddi_tf import network as network_lib
from ddi_tf import ranges
from ddi_tf import run_settings
from device import bundle as bundle_lib

_OUTPUT = flags.DEFINE_string(
    "output", None, "Folder to write; must not exist.", required=True)
_BACKBONE = flags.DEFINE_enum(
    "model_backbone", "resnet", list(network_lib.BACKBONES), "Backbone.")
_DEPTH = flags.DEFINE_integer(
    "model_depth", None, "Its layers; by default what it is known for.")
_WIDTH = flags.DEFINE_float("model_width", 1.0, "Factor on its channels.")
_SIZE = flags.DEFINE_integer(
    "image_size", 32, "Height and width of its images, pixels.")
_NUMBERS = flags.DEFINE_enum(
    "numbers", "none", ["none", "int8"], "What both compute with.")
_GROUPS = flags.DEFINE_integer(
    "model_groups", 2, "Channel groups per block.", lower_bound=1)
_CHANNEL_GATE = flags.DEFINE_enum(
    "model_channel_gate", network_lib.NetworkConfig.channel_gate, gating.KINDS,
    "What decides about channels.")

# As ranges need; what they show makes no difference to time.
_IMAGES = 64


def main(argv):
    del argv
    quiet.tensorflow_logs()
    output = pathlib.Path(_OUTPUT.value)
    if output.exists():
        sys.exit(f"error: {output} exists already.")
    tf_keras.utils.set_random_seed(0)
    network = network_lib.Network(network_lib.NetworkConfig(
        backbone=_BACKBONE.value,
        depth=_DEPTH.value or network_lib.BACKBONES[_BACKBONE.value][1],
        width=_WIDTH.value, image_shape=(_SIZE.value, _SIZE.value, 3),
        groups=_GROUPS.value, channel_gate=_CHANNEL_GATE.value))
    output.mkdir(parents=True)
    settings = {"data": {"label_names": [str(n) for n in range(10)],
                         "scaling": {"mean": [128.0] * 3, "std": [64.0] * 3}}}
    numbers = bundle_lib.Numbers(_NUMBERS.value, None)
    if _NUMBERS.value == "int8":
        numbers = _found(network, run_settings.scaling(settings))
    bundling.write(network, settings, [], output / "bundle",
                   variants.spread(3), numbers)
    (output / "monolith.tflite").write_bytes(
        bundling.whole(network, _NUMBERS.value).content)


def _found(network, scaling):
    """`bundle.Numbers` once the network has ranges, found on noise."""
    images = np.random.default_rng(0).integers(
        0, 256, [_IMAGES, *network.config.image_shape], np.uint8)
    ranges.attach(network, scaling)
    found = ranges.find(network, scaling, images, images)
    return bundle_lib.Numbers("int8", bundle_lib.Calibration(
        found.images, found.saturated))


if __name__ == "__main__":
    app.run(main)
