"""A network as a bundle: cut, converted, checked, written."""

import hashlib
from typing import NamedTuple

from converters import flatbuffer
from converters import plan_costs
from ddi_tf import energy
from ddi_tf import new_folder
from ddi_tf import run_folder
from ddi_tf import subgraphs
from device import bundle as bundle_lib

# Behind every graph's energy: of one chip with its memory, in picojoules.
_ENERGY_MODEL, _PJ_PER_NJ = "horowitz", 1000

FLOAT32 = bundle_lib.Numbers("none", None)


class Written(NamedTuple):
    """What was written, or converted for it."""

    bytes: int         # of all graphs
    compressed: int    # of all graphs, each by DEFLATE (gzip)
    difference: float  # largest relative one to Keras


def write(network, settings, operating_points, output, ways,
          numbers=FLOAT32, track=iter):
    """Writes the bundle of a network; all of it or nothing.

    Args:
        network: `network.Network`; for int8 its ranges are found (`ranges`).
        settings: dict with `data`: `label_names` and `scaling` (mean, std).
        operating_points: list of dicts as `thresholds.point` makes them.
        output: path of the bundle, not existing.
        ways: how blocks can be run, as for `subgraphs.cut`.
        numbers: `bundle.Numbers`.
        track: wraps the list of subgraphs, to show progress.

    Returns:
        `Written`.

    Raises:
        StorageError: `output` exists.
        ExportError: a graph cannot be converted.
    """
    new_folder.check_absent(output)
    pieces = subgraphs.cut(network, ways)
    converted = {piece.name: flatbuffer.convert(piece, numbers.kind)
                 for piece in track(pieces.graphs)}
    manifest = _manifest(settings, network, pieces, converted,
                         operating_points, numbers)
    with new_folder.written(output) as folder:
        bundle_lib.write(folder, manifest, {
            name: result.content for name, result in converted.items()})
        bundle = bundle_lib.load(folder)
    return Written(
        sum(graph.bytes for graph in manifest.graphs),
        plan_costs.compressed_bytes(bundle),
        max(result.difference for result in converted.values()))


def whole(network, kind="none"):
    """`flatbuffer.Converted` of the plain backbone: [1, H, W, 3] -> logits.

    What a device without dynamic inference would run; for comparisons.
    """
    return flatbuffer.convert(subgraphs.Subgraph(
        "whole", "whole", network.base,
        {"images": (1, *network.config.image_shape)},
        network.work.base), kind)


def _manifest(settings, network, pieces, converted, operating_points,
              numbers):
    """The bundle's `bundle.Manifest`."""
    name = lambda graph: None if graph is None else graph.name
    steps = tuple(bundle_lib.Step(
        name=step.name, layer_gate=name(step.layer_gate),
        channel_gate=name(step.channel_gate), groups=step.groups,
        variants=tuple(bundle_lib.Variant(v.graph.name, v.groups, v.masked)
                       for v in step.variants),
        skippable=step.skippable, appended=step.appended,
        skip=name(step.skip), exit=name(step.exit), settled=step.settled)
        for step in pieces.steps)
    data = settings["data"]
    energy_model = energy.model(
        _ENERGY_MODEL, "int8" if numbers.kind == "int8" else "float32")
    return bundle_lib.Manifest(
        format_version=bundle_lib.FORMAT_VERSION,
        task="image classification",
        labels=tuple(data["label_names"]),
        input=bundle_lib.Input(
            shape=tuple(network.config.image_shape),
            mean=tuple(data["scaling"]["mean"]),
            std=tuple(data["scaling"]["std"])),
        base_macs=network.costs.base,
        numbers=numbers,
        energy_model=_ENERGY_MODEL,
        plan=bundle_lib.Plan(pieces.stem.name, steps, pieces.head.name),
        graphs=tuple(_graph(piece, converted[piece.name], energy_model)
                     for piece in pieces.graphs),
        operating_points=tuple(
            bundle_lib.OperatingPoint(
                point["name"], tuple(point["thresholds"]),
                point["tune_accuracy"], point["tune_mean_macs"])
            for point in operating_points),
        provenance=bundle_lib.Provenance(
            commit=run_folder.commit(), settings=settings),
        base_energy_nj=energy_model.energy(network.work.base) / _PJ_PER_NJ,
        entropy=network.config.exit_entropy)


def _graph(piece, result, energy_model):
    return bundle_lib.Graph(
        name=piece.name, role=piece.role, file=f"graphs/{piece.name}.tflite",
        sha256=hashlib.sha256(result.content).hexdigest(),
        bytes=len(result.content), macs=piece.macs,
        energy_nj=energy_model.energy(piece.work) / _PJ_PER_NJ,
        inputs=result.inputs, outputs=result.outputs)
