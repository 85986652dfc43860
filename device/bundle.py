"""The exported folder: `manifest.json` and one .tflite file per subgraph.

The manifest is the contract between converters and device. It carries the
order of decisions, so the controller knows no backbone by name. Everything is
checked when a bundle is loaded (`device.bundle_check`), nothing at inference.
"""

import dataclasses
import json
import os
import pathlib
from typing import Optional

from device import bundle_check
from device import errors
from device import sealed_json

FORMAT_VERSION = 3
MANIFEST = "manifest.json"

# A hundred times the largest network's; what reads it has little memory.
_MOST_BYTES = 1 << 22


@dataclasses.dataclass(frozen=True)
class Tensor:
    """An input or output of a graph."""

    name: str
    shape: tuple[int, ...]  # batch 1 first
    dtype: str              # numpy's name
    # Of int8: value = scale (q - zero_point); None of float32.
    scale: Optional[float] = None
    zero_point: Optional[int] = None

    @property
    def encoding(self):
        """What two tensors must have in common to hold the same bytes."""
        return self.shape, self.dtype, self.scale, self.zero_point


@dataclasses.dataclass(frozen=True)
class Graph:
    """One .tflite file."""

    name: str
    role: str          # a key of bundle_check.ROLES
    file: str          # relative to the bundle, forward slashes
    sha256: str
    bytes: int
    macs: int          # multiply-accumulates of one run
    energy_nj: float   # modelled (`Manifest.energy_model`), nanojoules
    inputs: tuple[Tensor, ...]   # in the file's own order
    outputs: tuple[Tensor, ...]


@dataclasses.dataclass(frozen=True)
class Variant:
    """One way to run a block."""

    graph: str
    groups: tuple[int, ...]  # channel groups that it computes, ascending
    # Takes a mask [1, its own number of groups], so may run fewer of them.
    masked: bool


@dataclasses.dataclass(frozen=True)
class Step:
    """One block and the decisions round it, in the order they are taken."""

    name: str
    layer_gate: Optional[str]    # graph: features[, state] -> probability
                                 # [1, 1][, state]
    channel_gate: Optional[str]  # graph: features[, state] -> probabilities
                                 # [1, groups][, state]
    groups: int                  # channel groups; 1 where nothing chooses
    variants: tuple[Variant, ...]
    # Else its first group runs in any case, or those that are settled.
    skippable: bool
    # Channels that its graphs leave, which stand behind the features it
    # received; zeros where it is skipped. 0: what they leave replaces those.
    appended: int
    skip: Optional[str]          # graph run instead; None: features go on as is
    exit: Optional[str]          # graph: features -> logits
    # Groups that run where no gate is asked about channels, ascending; (): it
    # is skipped, and needs no variants. None: all.
    settled: Optional[tuple[int, ...]] = None


@dataclasses.dataclass(frozen=True)
class Plan:
    """What the controller walks: stem, steps, head."""

    stem: str
    steps: tuple[Step, ...]
    head: str

    @property
    def graph_names(self):
        """The set of names of all graphs that it may run."""
        names = {self.stem, self.head}
        for step in self.steps:
            names.update((step.layer_gate, step.channel_gate, step.skip,
                          step.exit, *(v.graph for v in step.variants)))
        return names - {None}


@dataclasses.dataclass(frozen=True)
class Input:
    """How an image becomes the stem's input: `(x - mean) / std`."""

    shape: tuple[int, ...]    # height, width, channels (RGB)
    mean: tuple[float, ...]   # per channel, on the image's 0..255 scale
    std: tuple[float, ...]


@dataclasses.dataclass(frozen=True)
class OperatingPoint:
    """Exit thresholds chosen on the tune split."""

    name: str
    thresholds: tuple[Optional[float], ...]  # nats; None: the exit is off
    tune_accuracy: float                     # 0 to 1
    tune_mean_macs: float


@dataclasses.dataclass(frozen=True)
class Provenance:
    """Where a bundle came from."""

    commit: str
    settings: dict[str, object]  # run.json of the training run


@dataclasses.dataclass(frozen=True)
class Calibration:
    """What the ranges of int8 graphs were found on."""

    images: int        # of the tune split, or of training
    saturated: float   # share of the features that lie beyond them, on others


@dataclasses.dataclass(frozen=True)
class Numbers:
    """What the graphs compute with."""

    kind: str          # a key of bundle_check.NUMBERS
    calibration: Optional[Calibration]  # of int8


@dataclasses.dataclass(frozen=True)
class Manifest:
    """manifest.json, typed."""

    format_version: int
    task: str
    labels: tuple[str, ...]
    input: Input
    base_macs: int  # the plain backbone: no gates, no exits, everything run
    numbers: Numbers
    energy_model: str  # behind every graph's energy_nj
    plan: Plan
    graphs: tuple[Graph, ...]
    operating_points: tuple[OperatingPoint, ...]
    provenance: Provenance
    base_energy_nj: Optional[float] = None  # modelled, as `base_macs`
    # What thresholds are compared with: one of bundle_check.ENTROPIES.
    entropy: str = "shannon"


_FORMAT = sealed_json.Format(
    contents=Manifest, version=FORMAT_VERSION, most_bytes=_MOST_BYTES,
    error=errors.BundleError, name="the manifest", copied="the bundle",
    again="export again")


class Bundle:
    """A loaded and checked bundle.

    Attributes:
        folder: where it lies.
        manifest: its `Manifest`.
        graphs: `Graph` by name.
        checksum: hex sha256 of the manifest, as manifest.json carries it.
    """

    def __init__(self, folder, manifest, contents, checksum=None):
        self.folder, self.manifest = folder, manifest
        self.checksum = checksum or sealed_json.checksum(
            sealed_json.values(manifest))
        self.graphs = {graph.name: graph for graph in manifest.graphs}
        self._contents = contents

    def content(self, name):
        """The bytes of graph `name`, as when their hash was checked."""
        return self._contents[name]

    @property
    def exits(self):
        """Names of the early exits' graphs, in the order they are met."""
        return tuple(
            step.exit for step in self.manifest.plan.steps if step.exit)

    def operating_point(self, name):
        """The `OperatingPoint` called `name`. Raises BundleError."""
        points = {p.name: p for p in self.manifest.operating_points}
        if name not in points:
            raise errors.BundleError(
                f"{self.folder} has no operating point {name!r}; it has: "
                f"{', '.join(sorted(points)) or 'none'}.")
        return points[name]


def load(folder):
    """The checked `Bundle` in `folder`.

    Raises:
        BundleError: anything missing, altered or inconsistent; names the file,
            what was expected and found, and what to do.
    """
    folder = pathlib.Path(folder)
    path = folder / MANIFEST
    try:
        manifest, checksum = sealed_json.read(path, _FORMAT)
    except FileNotFoundError:
        raise errors.BundleError(
            f"{folder} is not a bundle: it has no {MANIFEST}. Give the folder "
            "that `python -m converters.export --output=...` wrote.") from None
    bundle_check.check(path, manifest)
    contents = {graph.name: bundle_check.verified_content(folder, graph)
                for graph in manifest.graphs}
    return Bundle(folder, manifest, contents, checksum)


def write(folder, manifest, contents):
    """Writes a bundle; the manifest comes last, so half a bundle never loads.

    Args:
        folder: an existing, empty folder.
        manifest: `Manifest`.
        contents: graph name -> bytes.
    """
    folder = pathlib.Path(folder)
    for graph in manifest.graphs:
        path = folder / graph.file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(contents[graph.name])
    with open(folder / MANIFEST, "w", encoding="utf-8") as file:
        json.dump(sealed_json.sealed(sealed_json.values(manifest)), file,
                  indent=1)
        file.flush()
        os.fsync(file.fileno())
