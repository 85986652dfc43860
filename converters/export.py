"""Exports a trained run as a bundle for the device.

    python -m converters.export --checkpoint=RUN --output=BUNDLE
    python -m converters.export --checkpoint=RUN --output=BUNDLE \
        --export_quantize=int8 --data_dir=...
"""

import math
import sys

from ddi_tf import quiet  # first: it loads TensorFlow silently

from absl import app
from absl import flags
from rich.console import Console
from rich.progress import Progress

from converters import bundling
from converters import flatbuffer
from converters import variants
from ddi_tf import data_flags
from ddi_tf import errors
from ddi_tf import kernel_rounding
from ddi_tf import latency
from ddi_tf import new_folder
from ddi_tf import quantization
from ddi_tf import ranges
from ddi_tf import run_folder
from ddi_tf import subgraphs
from ddi_tf import trace_files
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
    "export_calibration_images", ranges.IMAGES, "Tune images to find int8 "
    "ranges on; as many others say what lies beyond them.", lower_bound=1)
_MAX_VARIANTS = flags.DEFINE_integer(
    "export_max_variants", 3, "Graphs per block. With 2 channel groups, 3 are "
    "one for each set of open groups; where they do not fit, as many widths, "
    "which mask what an image does not want.", lower_bound=1)
_PROFILE = flags.DEFINE_string(
    "export_profile", None, "What python -m device.profile measured on a "
    "bundle of this run with several widths: of each block only those are "
    "kept that are faster there, for the channels that tune images want "
    "(python -m ddi_tf.evaluate --split=tune).")
_MAX_BYTES = flags.DEFINE_integer(
    "export_max_bytes", None, "Most that the graphs of all blocks may take, "
    "with --export_profile; each keeps its whole width in any case.",
    lower_bound=1)
_BEST = flags.DEFINE_bool(
    "best", False, "Take the network of the best epoch on tune (BUILD.md says "
    "which that is), not the last one.")


# Of a weight in each kind of numbers.
_WEIGHT_BYTES = {"none": 4, "float16": 2, "dynamic": 1, "int8": 1}


def main(argv):
    if len(argv) > 1:
        sys.exit(f"error: unexpected argument {argv[1]!r}; flags begin with --")
    quiet.tensorflow_logs()
    try:
        folder = run_folder.RunFolder(_CHECKPOINT.value, _BEST.value)
        new_folder.check_absent(_OUTPUT.value)
        network = folder.load_network()
        numbers = _numbers(network, folder.settings)
        with Progress(console=Console(stderr=True)) as progress:
            written = bundling.write(
                network, folder.settings, folder.operating_points,
                _OUTPUT.value, _ways(network, folder),
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


def _ways(network, folder):
    """Which graphs blocks get, as for `subgraphs.cut`."""
    return variants.settled(network, _gated_ways(network, folder))


def _gated_ways(network, folder):
    """As `_ways`, of blocks whose gates are asked."""
    if not _PROFILE.value:
        return variants.spread(_MAX_VARIANTS.value)
    known = variants.known(
        network, trace_files.load_of(folder, "tune").traces,
        latency.read(_PROFILE.value), _WEIGHT_BYTES[_QUANTIZE.value])
    chosen = variants.choose(
        known, _MAX_VARIANTS.value, _MAX_BYTES.value or math.inf)
    return lambda block, groups: (
        chosen.get(block.name) or subgraphs.masked(block, groups))


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
        kernel_rounding.apply(network)
        found = ranges.find_on(network, dataset, _CALIBRATION.value)
    print(f"int8: {ranges.in_words(found)}.")
    return bundle_lib.Numbers("int8", bundle_lib.Calibration(
        found.images, found.saturated))


if __name__ == "__main__":
    app.run(main)
