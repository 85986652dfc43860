"""Whether a manifest is consistent and its files are the ones it names."""

import collections
import hashlib
import os
import pathlib

from device import errors
from device import quantization
from device import regular_file

# What graphs compute with: all in float32; weights kept as float16 or int8;
# features in int8 too.
NUMBERS = ("none", "float16", "dynamic", "int8")

# Far more than any block has channels.
_MOST_GROUPS = 1 << 16

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
    """Follows the features through the plan."""

    def __init__(self, path, manifest):
        self._path, self._manifest = path, manifest
        self._graphs = {graph.name: graph for graph in manifest.graphs}
        self._state = None  # the layer gates', as a tensor

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
        self._input(manifest.input)
        self._numbers(manifest.numbers)
        features = self._stem(manifest.plan.stem)
        self._require_unique(
            (step.name for step in manifest.plan.steps), "step names")
        for step in manifest.plan.steps:
            features = self._step(step, features)
        self._answer(manifest.plan.head, "head", features)
        # Features are handed on as the graph that made them left them, so it
        # must not run again for the same image.
        self._require_unique(
            (name for step in manifest.plan.steps for name in (
                step.skip, *(variant.graph for variant in step.variants))
             if name is not None), "graphs of blocks")
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

    def _stem(self, name):
        """Checks the stem; returns its output."""
        graph = self._named(name, "stem")
        expected = [(1, *self._manifest.input.shape)]
        found = [tensor.shape for tensor in graph.inputs]
        self._require(found == expected, f"graph {name}: expected inputs "
                      f"{expected}, found {found}")
        return graph.outputs[0]

    def _step(self, step, features):
        """Checks one step; returns the features after it, as a tensor."""
        self._gates(step, features)
        self._require(
            1 <= step.groups <= _MOST_GROUPS and step.variants,
            f"step {step.name}: expected at least one variant and 1 to "
            f"{_MOST_GROUPS} groups, found {len(step.variants)} and "
            f"{step.groups}")
        after = [self._variant(step, variant, features)
                 for variant in step.variants]
        self._variants(step)
        if step.skip is not None:
            after.append(self._graph(step.skip, "skip", features))
        elif step.skippable:
            after.append(features)
        self._require(
            step.skippable or not (
                step.skip or step.layer_gate or step.channel_gate),
            f"step {step.name} cannot be skipped, yet has a gate or a skip")
        encodings = {tensor.encoding for tensor in after}
        self._require(len(encodings) == 1, f"step {step.name} leaves features "
                      "that differ in shape, type or scale: "
                      f"{sorted(encodings, key=str)}")
        if step.exit is not None:
            self._answer(step.exit, "exit", after[0])
        return after[0]

    def _variant(self, step, variant, features):
        where = f"variant {variant.graph} of step {step.name}"
        groups = variant.groups
        self._require(
            groups and list(groups) == sorted(set(groups))
            and 0 <= groups[0] and groups[-1] < step.groups,
            f"{where} has groups {groups}, expected some of 0 to "
            f"{step.groups - 1}, ascending")
        extra = ((1, len(groups)),) if variant.masked else ()
        return self._graph(variant.graph, "block", features, *extra)

    def _variants(self, step):
        """Whatever groups the gate opens, some variant must run them."""
        every = tuple(range(step.groups))
        self._require(
            any(v.groups == every for v in step.variants),
            f"step {step.name} has no variant with all {step.groups} groups")
        exact = {v.groups for v in step.variants if not v.masked}
        self._require(
            any(v.masked and v.groups == every for v in step.variants)
            or len(exact) + 1 == 1 << step.groups,
            f"step {step.name}: expected a masked variant with all groups, or "
            f"one for each set of them, found only {sorted(exact)}")

    def _gates(self, step, features):
        if step.layer_gate is not None:
            graph = self._named(step.layer_gate, "layer_gate")
            shapes = [tensor.shape for tensor in graph.outputs]
            self._require(len(shapes) == 2 and shapes[0] == (1, 1),
                          f"graph {graph.name}: expected a probability [1, 1] "
                          f"and a state, found outputs {shapes}")
            state = graph.outputs[1]
            self._state = self._state or state
            self._require(
                state.dtype == "float32" and shapes[1] == self._state.shape,
                f"graph {graph.name}: expected a float32 state of shape "
                f"{self._state.shape}, found {state.dtype} of {shapes[1]}")
            self._graph(step.layer_gate, "layer_gate", features,
                        self._state.shape)
        if step.channel_gate is not None:
            found = self._graph(
                step.channel_gate, "channel_gate", features).shape
            self._require(found == (1, step.groups),
                          f"graph {step.channel_gate}: expected "
                          f"[1, {step.groups}] probabilities, found {found}")
        else:
            self._require(step.groups == 1,
                          f"step {step.name} has {step.groups} channel groups "
                          "but no gate that chooses among them")

    def _answer(self, name, role, features):
        found = self._graph(name, role, features).shape
        expected = (1, len(self._manifest.labels))
        self._require(found == expected,
                      f"graph {name}: expected logits of shape {expected}, one "
                      f"per label, found {found}")

    def _graph(self, name, role, features, *others):
        """Checks a graph's role and inputs; returns its first output.

        Args:
            features: `bundle.Tensor` that its first input is handed.
            *others: shapes of its other inputs.
        """
        graph = self._named(name, role)
        expected = (features.shape, *others)
        found = tuple(tensor.shape for tensor in graph.inputs)
        self._require(found == expected, f"graph {name}: expected inputs "
                      f"{expected}, found {found}")
        own = graph.inputs[0]
        self._require(
            own.encoding == features.encoding, f"graph {name} reads features "
            f"as {own.dtype} (scale {own.scale}, zero point {own.zero_point}), "
            f"but they are {features.dtype} (scale {features.scale}, zero "
            f"point {features.zero_point})")
        return graph.outputs[0]

    def _named(self, name, role):
        graph = self._graphs.get(name)
        self._require(graph is not None and graph.role == role,
                      f"the plan needs a graph {name!r} of role {role}, found "
                      f"{'none' if graph is None else graph.role}")
        return graph

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
