"""Whether a manifest is consistent and its files are the ones it names."""

import collections
import hashlib
import os
import pathlib

from device import errors
from device import plan_check
from device import quantization
from device import regular_file

# What graphs compute with: all in float32; weights kept as float16 or int8;
# features in int8 too.
NUMBERS = ("none", "float16", "dynamic", "int8")

# What exit thresholds are compared with (`answers.softmax`).
ENTROPIES = ("shannon", "min")

# Sums of costs up to here are exact, as whole numbers and as floats.
_HIGHEST_COST = 1 << 53

# Of a flatbuffer: its offsets are signed 32-bit numbers.
_MOST_BYTES = (1 << 31) - 1

# Of a pixel's scaling, far from what 0 to 255 needs: within them float32
# neither overflows nor divides by zero.
_SMALLEST_STD, _LARGEST_SCALING = 1e-6, 1e6

# What may stand where in a plan.
ROLES = ("stem", "layer_gate", "channel_gate", "block", "skip", "exit", "head")


def check(path, manifest):
    """Checks that a plan connects, before any file is opened.

    Args:
        path: of the manifest, for messages.
        manifest: `bundle.Manifest`.

    Raises:
        BundleError: the first inconsistency.
    """
    _Checker(path, manifest).run()


def verified_content(folder, graph):
    """The bytes of `graph`'s file. Raises BundleError for any others."""
    path = _inside(folder, graph.file)
    try:
        with regular_file.open_(path) as file:
            size = os.fstat(file.fileno()).st_size
            # Another file may be larger than memory.
            content = file.read() if size == graph.bytes else b""
    except OSError as error:
        raise errors.BundleError(
            f"{path}: cannot be read ({error.strerror or error}). Copy the "
            "bundle again, or export again.") from None
    found = hashlib.sha256(content).hexdigest()
    if found != graph.sha256 or size != graph.bytes:
        raise errors.BundleError(
            f"{path}: expected {graph.bytes} bytes of sha256 "
            f"{graph.sha256[:12]}..., found {size} bytes of "
            f"{found[:12] if content else 'another'}...: the file was edited, "
            "swapped or cut short. Copy the bundle again, or export again.")
    return content


def _inside(folder, file):
    """Path of `file`, which must not leave `folder` (links resolved)."""
    root = pathlib.Path(folder).resolve()
    try:
        path = (root / file).resolve()
    except (RuntimeError, ValueError):  # links in a circle, a zero byte
        path = root
    if not path.is_relative_to(root) or path == root:
        raise errors.BundleError(
            f"{folder}: the manifest names the file {file!r}, which lies "
            "outside the bundle. Do not use this bundle; export again.")
    return path


class _Checker:
    """Checks one part of a manifest after the other."""

    def __init__(self, path, manifest):
        self._path, self._manifest = path, manifest

    def run(self):
        manifest = self._manifest
        self._require_unique((g.name for g in manifest.graphs), "graph names")
        self._require_unique((p.name for p in manifest.operating_points),
                             "names of operating points")
        for graph in manifest.graphs:
            self._graph_values(graph)
            self._tensors(graph)
        self._require(
            0 < manifest.base_macs <= _HIGHEST_COST, "base_macs: expected 1 to "
            f"{_HIGHEST_COST}, found {manifest.base_macs}")
        self._require(
            manifest.base_energy_nj is None
            or 0 <= manifest.base_energy_nj <= _HIGHEST_COST,
            f"base_energy_nj: expected 0 to {_HIGHEST_COST}, found "
            f"{manifest.base_energy_nj}")
        self._input(manifest.input)
        self._numbers(manifest.numbers)
        self._require_unique(
            (step.name for step in manifest.plan.steps), "step names")
        plan_check.check(manifest, self._require)
        # Features are handed on as the graph that made them left them, so it
        # must not run again for the same image.
        self._require_unique(
            (name for step in manifest.plan.steps for name in (
                step.skip, *(variant.graph for variant in step.variants))
             if name is not None), "graphs of blocks")
        self._require(manifest.entropy in ENTROPIES, "entropy: expected one of "
                      f"{', '.join(ENTROPIES)}, found {manifest.entropy}")
        self._points()

    def _graph_values(self, graph):
        self._require(
            graph.role in ROLES and 0 <= graph.macs <= _HIGHEST_COST
            and 0 <= graph.energy_nj <= _HIGHEST_COST
            and 0 < graph.bytes <= _MOST_BYTES and graph.inputs
            and graph.outputs, f"graph {graph.name} is malformed")

    def _input(self, settings):
        channels = settings.shape[-1:]
        self._require(
            len(settings.shape) == 3
            and channels == (len(settings.mean),) == (len(settings.std),)
            and all(abs(mean) <= _LARGEST_SCALING for mean in settings.mean)
            and all(_SMALLEST_STD <= std <= _LARGEST_SCALING
                    for std in settings.std),
            "the input's shape, mean and std do not fit together, or scale "
            f"beyond float32: {settings}")

    def _tensors(self, graph):
        for tensor in (*graph.inputs, *graph.outputs):
            scale, zero_point = tensor.scale, tensor.zero_point
            is_float = (tensor.dtype == "float32" and scale is None
                        and zero_point is None)
            is_int8 = tensor.dtype == "int8" and None not in (
                scale, zero_point) and scale > 0 and (
                quantization.LOWEST <= zero_point <= quantization.HIGHEST)
            self._require(
                is_float or is_int8, f"graph {graph.name}: expected float32 "
                "tensors, or int8 with a scale > 0 and a zero point from -128 "
                f"to 127, found {tensor}")

    def _numbers(self, numbers):
        self._require(numbers.kind in NUMBERS, "numbers: expected one of "
                      f"{', '.join(NUMBERS)}, found {numbers.kind}")
        self._require(
            (numbers.kind == "int8") == (numbers.calibration is not None),
            "numbers: a calibration belongs to int8, and to nothing else")

    def _points(self):
        exits = sum(step.exit is not None for step in self._manifest.plan.steps)
        for point in self._manifest.operating_points:
            self._require(
                len(point.thresholds) == exits
                and all(t is None or t >= 0 for t in point.thresholds),
                f"operating point {point.name}: expected {exits} thresholds "
                f"(nats >= 0, or null), found {list(point.thresholds)}")
            self._require(
                0 <= point.tune_accuracy <= 1
                and 0 <= point.tune_mean_macs <= _HIGHEST_COST,
                f"operating point {point.name}: expected an accuracy from 0 to "
                f"1 and mean MACs from 0 to {_HIGHEST_COST}, found "
                f"{point.tune_accuracy} and {point.tune_mean_macs}")

    def _require_unique(self, names, what):
        twice = sorted(name for name, count in collections.Counter(
            names).items() if count > 1)
        self._require(not twice, f"{what} are not unique: {twice}")

    def _require(self, condition, message):
        if not condition:
            raise errors.BundleError(f"{self._path}: {message}. Export again.")
