"""Exports a trained run as a bundle for the device.

    python -m converters.export --checkpoint=RUN --output=BUNDLE
"""

import sys

from ddi_tf import quiet  # first: it loads TensorFlow silently

from absl import app
from absl import flags
from rich.console import Console
from rich.progress import Progress

from converters import bundling
from converters import flatbuffer
from ddi_tf import errors
from ddi_tf import run_folder
from device import errors as device_errors

_CHECKPOINT = flags.DEFINE_string(
    "checkpoint", None, "Folder of the training run.", required=True)
_OUTPUT = flags.DEFINE_string(
    "output", None, "Folder of the bundle; must not exist.", required=True)
_MAX_VARIANTS = flags.DEFINE_integer(
    "export_max_variants", 3, "Graphs per block. With 2 channel groups, 3 are "
    "one for each set of open groups; where they do not fit, one graph "
    "computes all channels and masks.", lower_bound=1)
_BEST = flags.DEFINE_bool(
    "best", False, "Take the network of the best epoch on tune (BUILD.md says "
    "which that is), not the last one.")


def main(argv):
    if len(argv) > 1:
        sys.exit(f"error: unexpected argument {argv[1]!r}; flags begin with --")
    quiet.tensorflow_logs()
    try:
        folder = run_folder.RunFolder(_CHECKPOINT.value, _BEST.value)
        with Progress(console=Console(stderr=True)) as progress:
            size, worst = bundling.export(
                folder, _OUTPUT.value, _MAX_VARIANTS.value,
                lambda graphs: progress.track(graphs, description="exporting"))
    except (errors.DDIError, device_errors.DeviceError, OSError) as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit(f"\nstopped; {_OUTPUT.value} was not written.")
    print(f"Exported {_OUTPUT.value}: {size / 1e6:.1f} MB; every graph within "
          f"{worst:.1e} of Keras ({flatbuffer.TOLERANCE:.0e} allowed).\n"
          f"Next: python -m device.run --bundle={_OUTPUT.value} "
          "--input=FOLDER_OR_NPZ")


if __name__ == "__main__":
    app.run(main)
