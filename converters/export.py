"""Exports a trained run as a bundle for the device.

    python -m converters.export --checkpoint=RUN --output=BUNDLE
"""

import os
import pathlib
import shutil
import sys
import tempfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before TensorFlow loads

import hashlib
import warnings

import numpy as np
from absl import app
from absl import flags
from rich.console import Console
from rich.progress import Progress

from converters import flatbuffer
from ddi_tf import errors
from ddi_tf import run_folder
from ddi_tf import subgraphs
from device import bundle as bundle_lib
from device import errors as device_errors

_CHECKPOINT = flags.DEFINE_string(
    "checkpoint", None, "Folder of the training run.", required=True)
_OUTPUT = flags.DEFINE_string(
    "output", None, "Folder of the bundle; must not exist.", required=True)
_MAX_VARIANTS = flags.DEFINE_integer(
    "export_max_variants", 3, "Graphs per block. With 2 channel groups, 3 are "
    "one for each set of open groups; where they do not fit, one graph "
    "computes all channels and masks.", lower_bound=1)


def main(argv):
    if len(argv) > 1:
        sys.exit(f"error: unexpected argument {argv[1]!r}; flags begin with --")
    # The replacement it recommends lacks from_concrete_functions' speed.
    warnings.filterwarnings("ignore", message=".*tf.lite.Interpreter is dep")
    try:
        folder = run_folder.RunFolder(_CHECKPOINT.value)
        with Progress(console=Console(stderr=True)) as progress:
            size, worst = export(
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


def export(folder, output, max_variants, track=iter):
    """Writes the bundle of a run; all of it or nothing.

    Args:
        folder: `run_folder.RunFolder` of a trained run.
        output: path of the bundle, not existing.
        max_variants: graphs per block, `subgraphs.cut`.
        track: wraps the list of subgraphs, to show progress.

    Returns:
        (bytes of all graphs, largest relative difference to Keras).

    Raises:
        ExportError: `output` exists, or a graph cannot be converted.
        CheckpointError: the run has no readable checkpoint.
    """
    output = pathlib.Path(output)
    if output.exists():
        raise errors.ExportError(
            f"{output} exists already. Delete it, or give another --output.")
    settings = folder.settings
    network = folder.load_network()
    pieces = subgraphs.cut(network, max_variants)
    converted = {piece.name: flatbuffer.convert(piece)
                 for piece in track(pieces.graphs)}
    manifest = _manifest(settings, network, pieces, converted,
                         folder.operating_points)
    output.parent.mkdir(parents=True, exist_ok=True)
    temporary = pathlib.Path(tempfile.mkdtemp(
        prefix=f".{output.name}.", dir=output.parent))
    try:
        bundle_lib.write(temporary, manifest, {
            name: result.content for name, result in converted.items()})
        bundle_lib.load(temporary)
        temporary.chmod(0o755)  # mkdtemp's is for its owner alone
        temporary.rename(output)
    except BaseException:
        shutil.rmtree(temporary)
        raise
    return (sum(len(result.content) for result in converted.values()),
            max(result.difference for result in converted.values()))


def _manifest(settings, network, pieces, converted, operating_points):
    """The bundle's `bundle.Manifest`."""
    name = lambda graph: None if graph is None else graph.name
    steps = tuple(bundle_lib.Step(
        name=step.name, layer_gate=name(step.layer_gate),
        channel_gate=name(step.channel_gate), groups=step.groups,
        variants=tuple(bundle_lib.Variant(v.graph.name, v.groups, v.masked)
                       for v in step.variants),
        skippable=True, skip=name(step.skip), exit=name(step.exit))
        for step in pieces.steps)
    data = settings["data"]
    return bundle_lib.Manifest(
        format_version=bundle_lib.FORMAT_VERSION,
        task="image classification",
        labels=tuple(data["label_names"]),
        input=bundle_lib.Input(
            shape=tuple(network.config.image_shape),
            mean=tuple(data["scaling"]["mean"]),
            std=tuple(data["scaling"]["std"])),
        base_macs=network.costs.base,
        plan=bundle_lib.Plan(pieces.stem.name, steps, pieces.head.name),
        graphs=tuple(_graph(piece, converted[piece.name])
                     for piece in pieces.graphs),
        operating_points=tuple(
            bundle_lib.OperatingPoint(
                **{**point, "thresholds": tuple(point["thresholds"])})
            for point in operating_points),
        provenance=bundle_lib.Provenance(
            commit=run_folder.commit(), settings=settings))


def _graph(piece, result):
    return bundle_lib.Graph(
        name=piece.name, role=piece.role, file=f"graphs/{piece.name}.tflite",
        sha256=hashlib.sha256(result.content).hexdigest(),
        bytes=len(result.content), macs=piece.macs,
        inputs=_tensors(result.inputs, piece.inputs),
        outputs=_tensors(result.outputs))


def _tensors(details, names=None):
    names = names or [f"output{index}" for index in range(len(details))]
    return tuple(
        bundle_lib.Tensor(name, tuple(int(n) for n in detail["shape"]),
                          np.dtype(detail["dtype"]).name)
        for name, detail in zip(names, details))


if __name__ == "__main__":
    app.run(main)
