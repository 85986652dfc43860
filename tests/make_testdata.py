"""Makes tests/testdata again: a small bundle, images, and what Keras says.

    python -m ddi_tf.train --run=RUN \\
        --flagfile=tests/testdata/digits_resnet8.cfg
    python tests/make_testdata.py --run=RUN

The device's tests run where there is no TensorFlow, so a bundle that Keras made
has to lie in the repository. Make it again when the bundle's format changes.
"""

import pathlib
import shutil

import numpy as np
from absl import app
from absl import flags

from converters import bundling
from ddi_tf import data
from ddi_tf import run_folder
from ddi_tf import sources
from ddi_tf import subgraphs
from ddi_tf import traces

_RUN = flags.DEFINE_string("run", None, "Folder of the run.", required=True)

_FOLDER = pathlib.Path(__file__).parent / "testdata"
_IMAGES = 24


def main(argv):
    del argv
    folder = run_folder.RunFolder(_RUN.value)
    bundle = _FOLDER / "digits_resnet8"
    shutil.rmtree(bundle, ignore_errors=True)
    bundling.write(folder.load_network(), folder.settings,
                   folder.operating_points, bundle, subgraphs.every_set(3))
    dataset = sources.load("digits")
    split = data.Split(*(values[:_IMAGES] for values in dataset.test))
    result = traces.Tracer(
        folder.load_network(), dataset.scaling).collect(split)
    np.savez_compressed(
        _FOLDER / "digits.npz", images=split.images, labels=split.labels,
        logits=result.logits[:, -1], predictions=result.predictions[:, -1],
        macs=result.spent[:, -1] + folder.load_network().costs.head,
        layers=result.layers.astype(np.uint8),
        masks=np.stack(result.masks, axis=1).astype(np.uint8))


if __name__ == "__main__":
    app.run(main)
