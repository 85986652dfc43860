"""Exports a trained run as a bundle for the device.

    python -m converters.export --checkpoint=RUN --output=BUNDLE
    python -m converters.export --checkpoint=RUN --output=BUNDLE \
        --export_quantize=int8 --data_dir=...
"""

import sys

from ddi_tf import quiet  # first: it loads TensorFlow silently

from absl import app
from absl import flags
from rich.console import Console
from rich.progress import Progress

from converters import bundling
from converters import flatbuffer
from ddi_tf import data_flags
from ddi_tf import errors
from ddi_tf import quantization
from ddi_tf import ranges
from ddi_tf import run_folder
from ddi_tf import subgraphs
from device import bundle as bundle_lib
from device import errors as device_errors

_CHECKPOINT = flags.DEFINE_string(
    "checkpoint", None, "Folder of the training run.", required=True)
_OUTPUT = flags.DEFINE_string(
    "output", None, "Folder of the bundle; must not exist.", required=True)
_QUANTIZE = flags.DEFINE_enum(
    "export_quantize", "none", list(flatbuffer.TOLERANCES), "Numbers that the "
    "graphs compute with: float32; float32 with weights kept as float16, or as "
    "int8 (dynamic); int8 throughout, with ranges found on tune images.")
_CALIBRATION = flags.DEFINE_integer(
    "export_calibration_images", ranges.IMAGES, "Tune images to find int8 ranges on; as "
    "many others say what lies beyond them.", lower_bound=1)
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
        bundling.check_absent(_OUTPUT.value)
        network = folder.load_network()
        numbers = _numbers(network, folder.settings)
        with Progress(console=Console(stderr=True)) as progress:
            written = bundling.write(
                network, folder.settings, folder.operating_points,
                _OUTPUT.value, subgraphs.every_set(_MAX_VARIANTS.value),
                numbers, lambda graphs: progress.track(
                    graphs, description="exporting"))
    except (errors.DDIError, device_errors.DeviceError, OSError) as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit(f"\nstopped; {_OUTPUT.value} was not written.")
    print(f"Exported {_OUTPUT.value}: {written.bytes / 1e6:.2f} MB "
          f"({written.compressed / 1e6:.2f} MB compressed); every graph within "
          f"{written.difference:.1e} of Keras "
          f"({flatbuffer.TOLERANCES[_QUANTIZE.value]:.0e} allowed).\n"
          f"Next: python -m device.run --bundle={_OUTPUT.value} "
          "--input=FOLDER_OR_NPZ")


def _numbers(network, settings):
    """`bundle.Numbers`; for int8, once the network's ranges are found."""
    if _QUANTIZE.value != "int8":
        if network.rounding:
            network.rounding.mode = quantization.OFF
        return bundle_lib.Numbers(_QUANTIZE.value, None)
    dataset = data_flags.load_of(settings)
    if network.rounding:  # trained with them
        found = ranges.known(network, dataset)
    else:
        ranges.attach(network, dataset.scaling)
        found = ranges.find_on(network, dataset, _CALIBRATION.value)
    print(f"int8: {ranges.in_words(found)}.")
    return bundle_lib.Numbers("int8", bundle_lib.Calibration(
        found.images, found.saturated))


if __name__ == "__main__":
    app.run(main)
