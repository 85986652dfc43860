"""A trained run's network as a bundle: cut, converted, checked, written."""

import hashlib
import pathlib
import shutil
import tempfile

import numpy as np

from converters import flatbuffer
from ddi_tf import errors
from ddi_tf import run_folder
from ddi_tf import subgraphs
from device import bundle as bundle_lib


def export(folder, output, max_variants, track=iter):
    """Writes the bundle of a trained run; all of it or nothing.

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
    return write(folder.load_network(), settings, folder.operating_points,
                 output, max_variants, track)


def write(network, settings, operating_points, output, max_variants,
          track=iter):
    """`export`, for a network at hand.

    Args:
        network: `network.Network`.
        settings: dict with `data`: `label_names` and `scaling` (mean, std).
        operating_points: list of dicts as `thresholds.point` makes them.
    """
    output = pathlib.Path(output)
    pieces = subgraphs.cut(network, max_variants)
    converted = {piece.name: flatbuffer.convert(piece)
                 for piece in track(pieces.graphs)}
    manifest = _manifest(settings, network, pieces, converted,
                         operating_points)
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


def whole(network):
    """Bytes of the plain backbone as one .tflite: [1, H, W, 3] -> logits.

    What a device without dynamic inference would run; for comparisons.
    """
    return flatbuffer.convert(subgraphs.Subgraph(
        "whole", "whole", network.base,
        {"images": (1, *network.config.image_shape)},
        network.costs.base)).content


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
                point["name"], tuple(point["thresholds"]),
                point["tune_accuracy"], point["tune_mean_macs"])
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
