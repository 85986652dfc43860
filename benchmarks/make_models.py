"""Writes a bundle and a monolithic .tflite of one network with random weights.

    python benchmarks/make_models.py --output=runs/latency_models
"""

import pathlib
import sys

from ddi_tf import quiet  # first: it loads TensorFlow silently

import tf_keras
from absl import app
from absl import flags

from converters import bundling
from ddi_tf import network as network_lib
from ddi_tf import subgraphs

_OUTPUT = flags.DEFINE_string(
    "output", None, "Folder to write; must not exist.", required=True)
_DEPTH = flags.DEFINE_integer("model_depth", 38, "Layers of the ResNet.")


def main(argv):
    del argv
    quiet.tensorflow_logs()
    output = pathlib.Path(_OUTPUT.value)
    if output.exists():
        sys.exit(f"error: {output} exists already.")
    tf_keras.utils.set_random_seed(0)
    network = network_lib.Network(network_lib.NetworkConfig(
        depth=_DEPTH.value))
    output.mkdir(parents=True)
    settings = {"data": {"label_names": [str(n) for n in range(10)],
                         "scaling": {"mean": [128.0] * 3, "std": [64.0] * 3}}}
    bundling.write(network, settings, [], output / "bundle",
                   subgraphs.every_set(3))
    (output / "monolith.tflite").write_bytes(
        bundling.whole(network).content)


if __name__ == "__main__":
    app.run(main)
