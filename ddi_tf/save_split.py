"""Writes a split's images as an .npz that the device can classify.

    python -m ddi_tf.save_split --data_name=digits --output=test.npz
"""

import sys

from ddi_tf import quiet  # first: it loads TensorFlow silently

import numpy as np
from absl import app
from absl import flags

from ddi_tf import data
from ddi_tf import data_flags
from ddi_tf import errors

_SPLIT = flags.DEFINE_enum(
    "split", "test", data.SPLITS, "Which part of the data set.")
_OUTPUT = flags.DEFINE_string("output", None, "The .npz to write.",
                              required=True)


def main(argv):
    if len(argv) > 1:
        sys.exit(f"error: unexpected argument {argv[1]!r}; flags begin with --")
    quiet.tensorflow_logs()
    try:
        dataset = data_flags.load()
        split = dataset.part(_SPLIT.value)
        with open(_OUTPUT.value, "wb") as file:
            np.savez(file, images=split.images, labels=split.labels)
    except (errors.DDIError, OSError) as error:
        sys.exit(f"error: {error}")
    print(f"Wrote {len(split.images)} images of {dataset.name} {_SPLIT.value} "
          f"to {_OUTPUT.value}.")


if __name__ == "__main__":
    app.run(main)
