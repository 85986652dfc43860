"""Writes an int8 bundle as C sources for microcontrollers, and what it needs.

    python -m converters.micro --bundle=INT8_BUNDLE --output=DIR

Every graph is run in TensorFlow Lite for Microcontrollers (TFLM) first, and
compared with LiteRT.
"""

import json
import pathlib
import sys

from absl import app
from absl import flags
from rich.console import Console
from rich.progress import Progress

from converters import c_plan
from converters import c_sources
from converters import memory_plan
from converters import micro_report
from converters import rehearsal
from converters import tflm
from converters import tflm_ops
from ddi_tf import errors
from ddi_tf import new_folder
from device import bundle as bundle_lib
from device import errors as device_errors
from device import images as images_lib

_BUNDLE = flags.DEFINE_string(
    "bundle", None, "Folder that `python -m converters.export "
    "--export_quantize=int8` wrote.", required=True)
_OUTPUT = flags.DEFINE_string(
    "output", None, "Folder for the C sources; must not exist.", required=True)
_INPUT = flags.DEFINE_string(
    "input", None, "Images to compare on: a folder, one image, or an .npz. "
    "Default: noise, which says nothing of mean costs.")
_IMAGES = flags.DEFINE_integer(
    "micro_check_images", 100, "Most images to compare on.", lower_bound=1)
_FLASH = flags.DEFINE_integer(
    "micro_flash_kb", 1024, "Flash for graphs and tables, in 1024 bytes.",
    lower_bound=1)
_RAM = flags.DEFINE_integer(
    "micro_ram_kb", 256, "RAM for arena, features and image, in 1024 bytes.",
    lower_bound=1)

_REPORT = "report.json"


def main(argv):
    if len(argv) > 1:
        sys.exit(f"error: unexpected argument {argv[1]!r}; flags begin with --")
    try:
        report = _run()
    except (errors.DDIError, device_errors.DeviceError, OSError) as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit(f"\nstopped; {_OUTPUT.value} was not written.")
    micro_report.print_tables(report, sys.stdout)
    print(f"Wrote {_OUTPUT.value}. Next: its README.txt says how to use it.")


def _run():
    """Checks, measures and writes; returns the report."""
    new_folder.check_absent(_OUTPUT.value)
    tflm.require()
    bundle = bundle_lib.load(_BUNDLE.value)
    _check_numbers(bundle)
    operations = tflm_ops.of_bundle(bundle)
    plan = c_plan.make(bundle)
    images = images_lib.first(
        _INPUT.value, bundle.manifest.input.shape, _IMAGES.value)
    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal) as bar:
        rehearsed = rehearsal.Rehearsal(bundle, lambda names: bar.track(
            names, description="measuring graphs"))
        memory = memory_plan.memory(bundle, plan, {
            name: graph.arena for name, graph in rehearsed.graphs.items()})
        memory_plan.check(memory, bundle, _FLASH.value, _RAM.value)
        decisions = [rehearsed.run(image) for image in bar.track(
            images, description="comparing kernels")]
    rehearsed.check()
    report = micro_report.values(
        bundle, memory, memory_plan.Paths(bundle, memory),
        rehearsed.comparisons, decisions,
        pathlib.Path(_INPUT.value).name if _INPUT.value else "noise")
    c_sources.write(_OUTPUT.value, {
        **c_sources.files(bundle, plan, operations, memory.arena),
        _REPORT: json.dumps(report, indent=1) + "\n"})
    return report


def _check_numbers(bundle):
    kind = bundle.manifest.numbers.kind
    if kind != "int8":
        raise errors.ExportError(
            f"{bundle.folder}: expected graphs of int8, found those of "
            f"{kind!r}; a microcontroller needs int8. Export again: python -m "
            "converters.export --export_quantize=int8.")


if __name__ == "__main__":
    app.run(main)
